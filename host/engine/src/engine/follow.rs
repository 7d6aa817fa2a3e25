//! What follows from a commit beside the next steps: facts about assets, earlier results that are taken, and
//! readable places.

use cofferdam_model::{Event, Memo, RunId, StepKey, StepStatus, Timestamp, WorkerId};

use super::{Action, Engine};

impl Engine {
    /// Records what the outputs that a step has just committed have made of assets, and has them published.
    pub(super) fn follow(
        &mut self,
        id: RunId,
        at_step: u32,
        worker: Option<WorkerId>,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let run = &self.active(id).run;
        if run.steps[at_step as usize].status != StepStatus::Succeeded {
            return;
        }
        let key = run.steps[at_step as usize].key.clone();
        let publications = run.publications(&run.steps[at_step as usize]);
        for (output, made) in run.materializations(at_step) {
            let materialization = Box::new(made);
            let event = Event::AssetMaterialized { step: key.clone(), output, materialization };
            self.record_of(id, at_step, event, now, actions);
        }
        match worker {
            Some(worker) => actions.extend(
                publications
                    .into_iter()
                    .map(|publication| Action::Publish { worker, publication: Box::new(publication) }),
            ),
            None => self.unpublished.extend(publications),
        }
    }

    /// Gives publications that no worker has been asked for to one that is there.
    pub(super) fn publish(&mut self, actions: &mut Vec<Action>) {
        if self.unpublished.is_empty() {
            return;
        }
        if let Some(worker) = self.placement.workers.any() {
            let waiting = self.unpublished.drain(..);
            actions.extend(
                waiting.map(|publication| Action::Publish { worker, publication: Box::new(publication) }),
            );
        }
    }

    /// A step takes the earlier result that was found, or goes to its queue.
    pub(super) fn recalled(
        &mut self,
        id: RunId,
        key: &StepKey,
        found: Option<Memo>,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let Some(active) = self.runs.get_mut(&id) else {
            return;
        };
        let Ok(at_step) = active.run.find(key) else {
            return;
        };
        // Not asked for, or the step was cancelled meanwhile.
        let open = active.recalling.remove(&at_step);
        if !open || active.run.steps[at_step as usize].status != StepStatus::Ready {
            return;
        }
        let found = found.filter(|found| active.run.accepts(at_step, &found.outputs).is_ok());
        let (Some(Memo { run: from, step: source, outputs }), Some(memo)) = (found, active.run.memo(at_step))
        else {
            self.line_up(id, at_step, now, actions);
            return self.settle(id, now, actions);
        };
        let event = Event::StepCached { step: key.clone(), memo, from, source, outputs };
        self.record_of(id, at_step, event, now, actions);
        self.follow(id, at_step, None, now, actions);
        self.settle(id, now, actions);
    }
}
