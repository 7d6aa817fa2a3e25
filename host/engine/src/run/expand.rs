//! What follows from the end of a step: copies for the keys that it emitted, and whose turn it is next.

use cofferdam_model::{Name, RunStatus, StepKey, StepStatus};

use super::{Group, NONE, Run, Step};
use crate::verdict::Verdict;

impl Run {
    /// Ends a step: its dynamic outputs become copies, then those who waited for it are examined.
    pub(super) fn end(&mut self, at_step: u32, status: StepStatus) {
        // Before the expansion: copies that are made from here on have not counted this step.
        let waiting = self.dependents(at_step);
        let step = &mut self.steps[at_step as usize];
        let (group, template) = (step.group, step.template);
        let again = std::mem::take(&mut step.again);
        self.set(at_step, status);
        if again {
            // Its copies were made when it ended first.
            self.n_again -= 1;
        } else {
            self.expand(template, group);
        }
        for at_step in waiting {
            let step = &mut self.steps[at_step as usize];
            let waits = matches!(step.status, StepStatus::Waiting | StepStatus::Retrying);
            if again && !waits {
                continue;
            }
            step.missing -= 1;
            if step.missing == 0 {
                self.examine(at_step);
            }
        }
    }

    /// Makes the copies that an ended step of `group` was the last to be missing for.
    fn expand(&mut self, template: u32, group: u32) {
        let layout = self.layout.clone();
        for (_, scope) in &layout.templates[template as usize].spawns {
            let mut parents = vec![];
            self.inner_groups(layout.scopes[*scope as usize].parent, group, &mut parents);
            let mut new = vec![];
            for parent in parents {
                self.spawn(*scope, parent, &mut new);
            }
            new.into_iter().for_each(|group| self.begin(group));
        }
    }

    /// Makes the groups of `scope` within `parent`, one for each key that its producer has emitted, and within
    /// those the groups of products whose producers have ended before. They begin when all are counted, so
    /// that no collector starts before it knows what it collects.
    fn spawn(&mut self, scope: u32, parent: u32, new: &mut Vec<u32>) {
        let layout = self.layout.clone();
        let first = u32::try_from(self.groups.len()).expect("STEPS_MAX fits");
        for (key, position) in self.keys_of(scope, parent) {
            self.add_group(scope, parent, key, position);
        }
        let end = u32::try_from(self.groups.len()).expect("STEPS_MAX fits");
        self.groups[parent as usize].children.push((scope, first..end));
        for group in first..end {
            self.count_missing(group);
            new.push(group);
        }
        for product in &layout.scopes[scope as usize].products {
            for group in first..end {
                if self.producer_has_ended(*product, group) {
                    self.spawn(*product, group, new);
                }
            }
        }
    }

    /// Whether the step whose keys a scope is copied for has ended, as seen from a group around that scope.
    pub(crate) fn producer_has_ended(&self, scope: u32, group: u32) -> bool {
        let mapped = self.layout.scopes[scope as usize].mapped.as_ref();
        mapped.is_some_and(|mapped| {
            let producer = self.outer_instance(mapped.step.0, group);
            let producer = &self.steps[producer as usize];
            producer.has_committed() || producer.status.is_terminal()
        })
    }

    /// The keys that a scope is copied for within `parent`, and the place of each value among the outputs of
    /// the producer, in the order of emission. A producer that did not succeed has a stand-in without a key, so
    /// that what will never be copied is seen and ends like any other step.
    pub(crate) fn keys_of(&self, scope: u32, parent: u32) -> Vec<(Option<Name>, u32)> {
        let Some(mapped) = &self.layout.scopes[scope as usize].mapped else {
            return vec![];
        };
        let producer = self.outer_instance(mapped.step.0, parent);
        if !self.steps[producer as usize].has_committed() {
            return vec![(None, 0)];
        }
        let emitted = (0_u32..).zip(self.outputs(producer));
        let keyed = emitted.filter(|(_, value)| value.name == mapped.output && value.key.is_some());
        keyed.map(|(at, value)| (value.key.clone(), at)).collect()
    }

    /// Makes the group of all steps without scope.
    pub(super) fn add_root(&mut self) {
        self.add_group(0, 0, None, 0);
        self.count_missing(0);
        self.begin(0);
    }

    /// Makes the copies of a scope's steps.
    fn add_group(&mut self, scope: u32, parent: u32, key: Option<Name>, position: u32) {
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
                inputs_lost: 0,
                again: false,
                ready_ms: 0,
                status: StepStatus::Waiting,
                history: None,
            });
            self.counts[StepStatus::Waiting as usize] += 1;
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

    /// Whether a group stands in for copies that never came.
    pub(crate) fn is_stand_in(&self, group: u32) -> bool {
        let mut at = group;
        while at != 0 {
            if self.groups[at as usize].key.is_none() {
                return true;
            }
            at = self.groups[at as usize].parent;
        }
        false
    }

    /// Counts what the new copies wait for and who waits for them.
    fn count_missing(&mut self, group: u32) {
        let layout = self.layout.clone();
        let Group { scope, base, .. } = self.groups[group as usize];
        let depth = layout.scopes[scope as usize].depth;
        for (at_step, template) in (base..).zip(&layout.scopes[scope as usize].members) {
            let here = &layout.templates[*template as usize];
            let mut missing = 0;
            for dep in &here.deps {
                // Copies further in do not exist yet; each adds itself below when it is made.
                if layout.scope_of(*dep).depth <= depth {
                    let producer = self.outer_instance(*dep, group);
                    missing += u32::from(!self.steps[producer as usize].status.is_terminal());
                }
            }
            self.steps[at_step as usize].missing = missing;
            for dependent in &here.dependents {
                if layout.scope_of(*dependent).depth < depth {
                    let waiting = self.outer_instance(*dependent, group);
                    self.steps[waiting as usize].missing += 1;
                }
            }
        }
    }

    /// Examines the new copies that wait for nothing, and proposes the end of those whose end is known.
    fn begin(&mut self, group: u32) {
        let Group { scope, base, .. } = self.groups[group as usize];
        let n_members = self.layout.scopes[scope as usize].members.len();
        for at_step in (base..).take(n_members) {
            if self.is_known(at_step) {
                self.proposals.push_back((at_step, Verdict::Known));
            } else if self.steps[at_step as usize].missing == 0 {
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
        let template = &self.layout.templates[template as usize];
        let mut groups = vec![];
        self.inner_groups(template.scope, group, &mut groups);
        found.extend(groups.into_iter().map(|group| self.groups[group as usize].base + template.local));
    }

    /// All groups of `scope` within `group`, in order; `group` itself if that is its scope.
    pub(crate) fn inner_groups(&self, scope: u32, group: u32, found: &mut Vec<u32>) {
        let at_depth = self.layout.scopes[self.groups[group as usize].scope as usize].depth as usize;
        let Some(next) = self.layout.scopes[scope as usize].chain.get(at_depth) else {
            found.push(group);
            return;
        };
        for (child, groups) in &self.groups[group as usize].children {
            if child == next {
                groups.clone().for_each(|inner| self.inner_groups(scope, inner, found));
            }
        }
    }

    /// All steps before this one have ended: it becomes ready, or it is proposed how it ends. One that waits to be tried
    /// again goes on waiting for that, if it may still run.
    pub(super) fn examine(&mut self, at_step: u32) {
        let status = self.steps[at_step as usize].status;
        let retrying = status == StepStatus::Retrying;
        if !(retrying || status == StepStatus::Waiting) || self.is_known(at_step) {
            return;
        }
        let verdict = match self.status {
            RunStatus::Cancelling if !self.is_tear_down(at_step) => Verdict::Cancel,
            _ => self.verdict(at_step),
        };
        let has_to_wait = verdict == Verdict::Run && self.has_to_wait(at_step);
        if has_to_wait {
            if !self.waits.contains_key(&at_step) {
                self.proposals.push_back((at_step, Verdict::Wait));
            }
        } else if verdict == Verdict::Run {
            if !retrying {
                self.set(at_step, StepStatus::Ready);
                self.ready_from(at_step, self.now);
            }
            self.fresh.push(at_step);
        } else {
            self.set(at_step, StepStatus::Waiting);
            self.proposals.push_back((at_step, verdict));
        }
    }
}
