//! Values that workers keep (IO managers of kind `transient`): what may be kept so, and for how long what made them must
//! be able to run again.

use std::collections::{BTreeSet, HashMap, HashSet};

use cofferdam_model::{
    Diagnostic, IoManagerKind, Name, OutputRef, PlanIoManager, PlanStep, Role, Source, StepIdx,
};

use crate::draft::Draft;
use crate::job::Job;

impl Job<'_> {
    /// Refuses assets that workers would keep, keeps what nobody reads in the value store, and lets resources made of ops
    /// live until nothing needs to be made anew with them.
    pub(crate) fn settle_transient(&mut self, draft: &mut Draft) {
        let transient: HashSet<Name> = self
            .io_managers
            .iter()
            .filter(|(_, manager)| manager.kind == IoManagerKind::Transient)
            .map(|(name, _)| name.clone())
            .collect();
        if transient.is_empty() {
            return;
        }
        for step in &draft.steps {
            for output in step.outputs.iter().filter(|output| output.asset.is_some()) {
                if let Some(name) = output.io_manager.as_ref().filter(|name| transient.contains(*name)) {
                    self.refuse_transient_asset(step, &output.name, name);
                }
            }
        }
        keep_results(&mut draft.steps, |name| transient.contains(name));
        let readers = readers(&draft.steps, &transient);
        for step in &mut draft.steps {
            if let Role::TearDown { users, .. } = &mut step.role {
                *users = with_readers(users, &readers);
            }
        }
    }

    fn refuse_transient_asset(&mut self, step: &PlanStep, output: &Name, manager: &Name) {
        let span = self.io_manager_def(manager).and_then(|def| def.span.clone());
        let asset =
            step.outputs.iter().find(|made| made.name == *output).and_then(|made| made.asset.as_ref());
        let what = asset
            .map_or_else(|| format!("`{}.{output}`", step.key), |asset| format!("asset `{}`", asset.key));
        let problem = Diagnostic::error(
            "plan::transient-asset",
            format!(
                "{what} is kept by IO manager `{manager}`, whose values go with the worker that made them"
            ),
        );
        self.problems.push(
            problem
                .at(span.as_ref(), "of kind `transient`")
                .hint("an asset is there for other runs: give it an IO manager of another kind, or none"),
        );
    }
}

/// Takes the manager from outputs that it keeps with workers and that no step reads: they are what a run gives, and are
/// still wanted when it has ended.
pub(crate) fn keep_results(steps: &mut [PlanStep], is_transient: impl Fn(&Name) -> bool) {
    let read: HashSet<OutputRef> = steps
        .iter()
        .flat_map(|step| &step.inputs)
        .flat_map(|input| outputs_of(&input.source))
        .cloned()
        .collect();
    for (at, step) in (0..).map(StepIdx).zip(steps) {
        for output in &mut step.outputs {
            let unread = !read.contains(&OutputRef { step: at, output: output.name.clone() });
            if unread && output.io_manager.as_ref().is_some_and(&is_transient) {
                output.io_manager = None;
            }
        }
    }
}

/// Whether a plan's manager of that name keeps values with workers.
pub(crate) fn is_transient<'a>(
    managers: &'a std::collections::BTreeMap<Name, PlanIoManager>,
) -> impl Fn(&Name) -> bool + 'a {
    |name| managers.get(name).is_some_and(|manager| manager.kind == IoManagerKind::Transient)
}

/// Of each step those that read what workers keep of it.
fn readers(steps: &[PlanStep], transient: &HashSet<Name>) -> HashMap<StepIdx, BTreeSet<StepIdx>> {
    let kept = |read: &&OutputRef| {
        let made = steps[read.step.index()].outputs.iter().find(|output| output.name == read.output);
        made.and_then(|output| output.io_manager.as_ref()).is_some_and(|name| transient.contains(name))
    };
    let mut readers: HashMap<StepIdx, BTreeSet<StepIdx>> = HashMap::new();
    for (at, step) in (0..).map(StepIdx).zip(steps) {
        for read in step.inputs.iter().flat_map(|input| outputs_of(&input.source)).filter(kept) {
            readers.entry(read.step).or_default().insert(at);
        }
    }
    readers
}

/// The users of a resource and all that may have one of them run again: those that read what workers keep of a user, and
/// of one of these in turn.
fn with_readers(users: &[StepIdx], readers: &HashMap<StepIdx, BTreeSet<StepIdx>>) -> Vec<StepIdx> {
    let mut all: BTreeSet<StepIdx> = users.iter().copied().collect();
    let mut open = users.to_vec();
    while let Some(step) = open.pop() {
        open.extend(readers.get(&step).into_iter().flatten().filter(|reader| all.insert(**reader)));
    }
    all.into_iter().collect()
}

pub(crate) fn outputs_of(source: &Source) -> &[OutputRef] {
    match source {
        Source::Value(_) | Source::Values(_) => &[],
        Source::Output(output) | Source::Collect(output) => std::slice::from_ref(output),
        Source::FanIn(outputs) => outputs,
    }
}
