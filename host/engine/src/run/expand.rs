//! What follows from the end of a step: copies for the keys that it emitted, and whose turn it is next.

use cofferdam_model::{Name, RunStatus, StepKey, StepStatus};

use super::{Group, NONE, Run, Step};
use crate::verdict::Verdict;

impl Run {
    /// Ends a step: its dynamic outputs become copies, then those who waited for it are examined.
    pub(super) fn end(&mut self, at_step: u32, status: StepStatus) {
        let layout = self.layout.clone();
        let step = &self.steps[at_step as usize];
        let (group, template) = (step.group, step.template);
        // Before the expansion: copies that are made from here on have not counted this step.
        let mut waiting = vec![];
        for dependent in &layout.templates[template as usize].dependents {
            if layout.scope_of(*dependent).depth <= layout.scope_of(template).depth {
                waiting.push(self.outer_instance(*dependent, group));
            } else {
                self.inner_instances(*dependent, group, &mut waiting);
            }
        }
        self.set(at_step, status);
        self.expand(at_step, status);
        for at_step in waiting {
            let step = &mut self.steps[at_step as usize];
            step.missing -= 1;
            if step.missing == 0 {
                self.examine(at_step);
            }
        }
    }

    fn expand(&mut self, at_step: u32, status: StepStatus) {
        let layout = self.layout.clone();
        let step = &self.steps[at_step as usize];
        let (group, template) = (step.group, step.template);
        for (output, scope) in &layout.templates[template as usize].spawns {
            let first = u32::try_from(self.groups.len()).expect("STEPS_MAX fits");
            if status == StepStatus::Succeeded {
                let keys = self.emitted(at_step, output);
                for (position, key) in keys {
                    self.add_group(*scope, group, Some(key), position);
                }
            } else {
                // A stand-in, so that what will never be copied is seen and ends like any other step.
                self.add_group(*scope, group, None, 0);
            }
            let end = u32::try_from(self.groups.len()).expect("STEPS_MAX fits");
            self.groups[group as usize].children.push((*scope, first..end));
            for new in first..end {
                self.settle_group(new);
            }
        }
    }

    /// Place and key of each value of a dynamic output, in the order of emission.
    fn emitted(&self, at_step: u32, output: &Name) -> Vec<(u32, Name)> {
        let emitted = self.outputs(at_step).iter().enumerate();
        emitted
            .filter(|(_, value)| value.name == *output)
            .filter_map(|(at, value)| Some((u32::try_from(at).ok()?, value.key.clone()?)))
            .collect()
    }

    /// Makes the copies of a scope's steps. They are examined by `settle_group`, once the parent knows them.
    pub(super) fn add_group(&mut self, scope: u32, parent: u32, key: Option<Name>, position: u32) {
        let layout = self.layout.clone();
        let base = u32::try_from(self.steps.len()).expect("STEPS_MAX fits");
        let group = u32::try_from(self.groups.len()).expect("STEPS_MAX fits");
        self.groups.push(Group { scope, parent, key, position, base, children: vec![] });
        let suffix = self.key_path(group);
        for template in &layout.scopes[scope as usize].members {
            let key = &layout.step(*template).key;
            let key = if scope == 0 { key.clone() } else { StepKey::new(&format!("{key}{suffix}")) };
            let at_step = u32::try_from(self.steps.len()).expect("STEPS_MAX fits");
            self.index.insert(key.clone(), at_step);
            self.steps.push(Step {
                key,
                template: *template,
                group,
                missing: 0,
                root: NONE,
                failures: 0,
                losses: 0,
                status: StepStatus::Waiting,
                history: None,
            });
            self.counts[StepStatus::Waiting as usize] += 1;
        }
        if scope == 0 {
            self.settle_group(group);
        }
    }

    /// `[a][b]`; `[?]` where there is no key.
    fn key_path(&self, group: u32) -> String {
        let mut keys = vec![];
        let mut at = group;
        while at != 0 {
            let group = &self.groups[at as usize];
            keys.push(group.key.as_ref().map_or("?", Name::as_str));
            at = group.parent;
        }
        keys.iter().rev().map(|key| format!("[{key}]")).collect()
    }

    /// Counts what the new copies wait for and who waits for them, then examines those that wait for nothing.
    fn settle_group(&mut self, group: u32) {
        let layout = self.layout.clone();
        let Group { scope, base, .. } = self.groups[group as usize];
        let members = &layout.scopes[scope as usize].members;
        for (at_step, template) in (base..).zip(members) {
            let here = &layout.templates[*template as usize];
            let mut missing = 0;
            for dep in &here.deps {
                // Copies further in do not exist yet; each adds itself below when it is made.
                if layout.scope_of(*dep).depth <= layout.scopes[scope as usize].depth {
                    let producer = self.outer_instance(*dep, group);
                    missing += u32::from(!self.steps[producer as usize].status.is_terminal());
                }
            }
            self.steps[at_step as usize].missing = missing;
            for dependent in &here.dependents {
                if layout.scope_of(*dependent).depth < layout.scopes[scope as usize].depth {
                    let waiting = self.outer_instance(*dependent, group);
                    self.steps[waiting as usize].missing += 1;
                }
            }
        }
        for at_step in (base..).take(members.len()) {
            if self.steps[at_step as usize].missing == 0 {
                self.examine(at_step);
            }
        }
    }

    /// The copy of `template` in `group` or in the group around it that has the template's scope.
    pub(crate) fn outer_instance(&self, template: u32, group: u32) -> u32 {
        let depth = self.layout.scope_of(template).depth;
        let mut at = group;
        while self.layout.scopes[self.groups[at as usize].scope as usize].depth > depth {
            at = self.groups[at as usize].parent;
        }
        self.groups[at as usize].base + self.layout.templates[template as usize].local
    }

    /// All copies of `template` within `group`, in order.
    pub(crate) fn inner_instances(&self, template: u32, group: u32, found: &mut Vec<u32>) {
        let at_depth = self.layout.scopes[self.groups[group as usize].scope as usize].depth as usize;
        let chain = &self.layout.scope_of(template).chain;
        let Some(next) = chain.get(at_depth) else {
            found.push(self.groups[group as usize].base + self.layout.templates[template as usize].local);
            return;
        };
        for (scope, groups) in &self.groups[group as usize].children {
            if scope == next {
                groups.clone().for_each(|inner| self.inner_instances(template, inner, found));
            }
        }
    }

    /// All steps before this one have ended: it becomes ready, or it is proposed how it ends.
    fn examine(&mut self, at_step: u32) {
        if self.steps[at_step as usize].status != StepStatus::Waiting {
            return;
        }
        let verdict = match self.status {
            RunStatus::Cancelling => Verdict::Cancel,
            _ => self.verdict(at_step),
        };
        if verdict == Verdict::Run {
            self.set(at_step, StepStatus::Ready);
            self.fresh.push(at_step);
        } else {
            self.proposals.push_back((at_step, verdict));
        }
    }
}
