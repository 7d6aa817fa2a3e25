//! Values that workers keep: who has them, and what is made anew when nobody does.
//!
//! Nothing is made anew before a step that is to read it is ready: then exactly those steps are opened again whose outputs
//! it reads and nobody has, and for them the same holds in their turn.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_model::{
    AttemptId, Event, Failure, FailureKind, Fence, RunId, RunStatus, StepStatus, Timestamp, Usage, WhyLost,
    WorkerId,
};

use super::{Action, Engine};
use crate::INPUTS_LOST_MAX;
use crate::place::{Claim, key_of};

/// A value that workers keep: its run, the step that made it, and its key as it is remembered.
type Kept = (RunId, u32, u64);

/// Workers that have values, as far as they are known: those that made them and those that have read them. They may have
/// dropped them meanwhile; who finds that out says so.
#[derive(Debug, Default)]
pub(super) struct Holders {
    of_value: BTreeMap<Kept, BTreeSet<WorkerId>>,
    of_worker: BTreeMap<WorkerId, BTreeSet<Kept>>,
}

impl Holders {
    pub(super) fn hold(&mut self, worker: WorkerId, run: RunId, (step, key): (u32, &str)) {
        let kept = (run, step, key_of(key));
        self.of_value.entry(kept).or_default().insert(worker);
        self.of_worker.entry(worker).or_default().insert(kept);
    }

    fn of(&self, run: RunId, (step, key): (u32, &str)) -> impl Iterator<Item = WorkerId> + use<'_> {
        self.of_value.get(&(run, step, key_of(key))).into_iter().flatten().copied()
    }

    fn drop(&mut self, worker: WorkerId, kept: Kept) {
        if let Some(holders) = self.of_value.get_mut(&kept) {
            holders.remove(&worker);
            if holders.is_empty() {
                self.of_value.remove(&kept);
            }
        }
        if let Some(held) = self.of_worker.get_mut(&worker) {
            held.remove(&kept);
            if held.is_empty() {
                self.of_worker.remove(&worker);
            }
        }
    }

    /// The worker has nothing any more. Gives the steps that made what it had and nobody else has.
    fn leave(&mut self, worker: WorkerId) -> BTreeSet<(RunId, u32)> {
        let held = self.of_worker.remove(&worker).unwrap_or_default();
        held.iter().for_each(|kept| self.drop(worker, *kept));
        let orphans = held.into_iter().filter(|kept| !self.of_value.contains_key(kept));
        orphans.map(|(run, step, _)| (run, step)).collect()
    }

    /// Nobody will ask for the run any more. Gives the workers that have something of it.
    pub(super) fn forget(&mut self, run: RunId) -> BTreeSet<WorkerId> {
        let held = self.of_value.range((run, 0, 0)..=(run, u32::MAX, u64::MAX));
        let held: Vec<(WorkerId, Kept)> =
            held.flat_map(|(kept, workers)| workers.iter().map(|worker| (*worker, *kept))).collect();
        held.iter().for_each(|(worker, kept)| self.drop(*worker, *kept));
        held.into_iter().map(|(worker, _)| worker).collect()
    }

    pub(super) fn workers(&self) -> impl Iterator<Item = WorkerId> {
        self.of_worker.keys().copied()
    }
}

impl Engine {
    /// Puts a ready step into its queue, if what it reads can be had. What nobody has is made anew first; what only
    /// workers have that cannot be heard is waited for.
    pub(super) fn line_up(&mut self, id: RunId, at_step: u32, now: Timestamp, actions: &mut Vec<Action>) {
        let Some(active) = self.runs.get(&id) else { return };
        // What is still looked for need not be made.
        if !active.run.steps[at_step as usize].is_ready() || active.recalling.contains(&at_step) {
            return;
        }
        let (mut silent, mut lost) = (false, BTreeSet::new());
        for value in active.run.lineage(at_step) {
            let mut holders = self.holders.of(id, value).peekable();
            if holders.peek().is_none() {
                lost.insert(value.0);
            } else if !holders.any(|worker| self.placement.workers.knows(worker)) {
                silent = true;
            }
        }
        if !lost.is_empty() {
            return self.open_again(id, &lost, at_step, WhyLost::WorkerGone, now, actions);
        }
        if silent {
            self.active(id).held_up.insert(at_step);
            return;
        }
        self.enqueue(id, at_step, now);
    }

    /// Opens steps again whose outputs are lost, for one that is to read them and that waits for them from then on.
    fn open_again(
        &mut self,
        id: RunId,
        lost: &BTreeSet<u32>,
        reader: u32,
        why: WhyLost,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        for at_step in lost {
            let run = &self.active(id).run;
            // Nothing starts any more; what resources are ended with is never kept with workers.
            if run.status == RunStatus::Cancelling {
                return;
            }
            let step = &run.steps[*at_step as usize];
            let last = run.attempts(*at_step).last().map(|attempt| attempt.fence);
            // What another run had made cannot be made here: who reads it says that it is not there.
            let Some(fence) = last.filter(|_| step.status == StepStatus::Succeeded) else { continue };
            let needed_by = run.steps[reader as usize].key.clone();
            let event = Event::OutputsLost { step: step.key.clone(), fence, why, needed_by };
            self.record_of(id, *at_step, event, now, actions);
        }
    }

    /// Remembers which workers have what an attempt has made and read. What was made anew after the attempt was ordered
    /// it has not read.
    pub(super) fn note_holders(&mut self, claim: &Claim, fence: Fence) {
        let run = &self.runs[&claim.run].run;
        for key in run.steps[claim.step as usize].kept_with_workers() {
            self.holders.hold(claim.worker, claim.run, (claim.step, key));
        }
        for value in run.lineage(claim.step) {
            if run.attempts(value.0).last().is_none_or(|made| made.fence < fence) {
                self.holders.hold(claim.worker, claim.run, value);
            }
        }
    }

    /// A worker has left: what it alone had is made anew if a step is ready to read it.
    pub(super) fn lose_held(&mut self, worker: WorkerId, now: Timestamp, actions: &mut Vec<Action>) {
        let mut concerned = BTreeSet::new();
        for (id, at_step) in self.holders.leave(worker) {
            let Some(active) = self.runs.get(&id) else { continue };
            for reader in active.run.dependents(at_step) {
                self.line_up(id, reader, now, actions);
            }
            concerned.insert(id);
        }
        for id in concerned {
            self.settle(id, now, actions);
        }
        self.look_again(now, actions);
    }

    /// A worker that could not be heard is there again, or is known to be gone: who waited for it need not any more.
    pub(super) fn look_again(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let waiting = self.runs.iter_mut().filter(|(_, active)| !active.held_up.is_empty());
        let waiting: Vec<(RunId, BTreeSet<u32>)> =
            waiting.map(|(id, active)| (*id, std::mem::take(&mut active.held_up))).collect();
        for (id, steps) in waiting {
            for at_step in steps {
                self.line_up(id, at_step, now, actions);
            }
            self.settle(id, now, actions);
        }
    }

    /// An attempt could not be given what it reads. What workers are silent about may still be with them.
    pub(super) fn lacked(
        &mut self,
        worker: WorkerId,
        id: AttemptId,
        values: &[String],
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let Some(claim) = self.claim(worker, &id) else { return };
        self.release(id.fence);
        let run = &self.runs[&claim.run].run;
        let AttemptId { step, attempt, fence, .. } = id;
        if run.status == RunStatus::Cancelling && !run.is_tear_down(claim.step) {
            let event = Event::StepCancelled { step, usage: None };
            self.outrun_by(&claim, fence, &event, actions);
            self.record_of(claim.run, claim.step, event, now, actions);
            return self.settle(claim.run, now, actions);
        }
        if self.goes_on_beside(&claim, fence) {
            let failure = Failure::new(FailureKind::Input, "no worker had what it reads any more".to_owned());
            let id = AttemptId { run: claim.run, step, attempt, fence };
            let event = self.dropped(id, Some(Box::new(failure)), Usage::default());
            self.record_of(claim.run, claim.step, event, now, actions);
            return self.settle(claim.run, now, actions);
        }
        let lost = self.not_given(&claim, values);
        let event = Event::InputsLost { step: step.clone(), attempt, fence, worker };
        self.record_of(claim.run, claim.step, event, now, actions);
        let run = &self.active(claim.run).run;
        if run.steps[claim.step as usize].inputs_lost < INPUTS_LOST_MAX {
            self.open_again(claim.run, &lost, claim.step, WhyLost::NotGiven, now, actions);
        } else {
            let message = format!(
                "`{step}` could not read what it was given {INPUTS_LOST_MAX} times, because no worker had it any more; \
                 give the workers more room (`--cache-bytes`), or those outputs another IO manager"
            );
            let event = Event::StepFailed {
                attempt,
                fence,
                failure: Box::new(Failure::new(FailureKind::Input, message)),
                usage: Usage::default(),
                retry_at: None,
                beside: run.is_beside(claim.step),
                step,
            };
            self.record_of(claim.run, claim.step, event, now, actions);
        }
        self.settle(claim.run, now, actions);
    }

    /// The steps that made values which a worker was given by nobody. Workers that are heard do not have them, then.
    fn not_given(&mut self, claim: &Claim, values: &[String]) -> BTreeSet<u32> {
        let mut lost = BTreeSet::new();
        for value in self.runs[&claim.run].run.lineage(claim.step) {
            if !values.iter().any(|key| key == value.1) {
                continue;
            }
            let heard = self.holders.of(claim.run, value);
            let heard: Vec<WorkerId> = heard.filter(|holder| self.placement.workers.knows(*holder)).collect();
            for holder in heard {
                self.holders.drop(holder, (claim.run, value.0, key_of(value.1)));
            }
            if self.holders.of(claim.run, value).next().is_none() {
                lost.insert(value.0);
            }
        }
        lost
    }

    /// The workers that a step waits for because they alone have what it reads.
    pub(super) fn silent_holders(&self, id: RunId, at_step: u32) -> Vec<WorkerId> {
        let lineage = self.runs[&id].run.lineage(at_step);
        let holders: BTreeSet<WorkerId> =
            lineage.into_iter().flat_map(|value| self.holders.of(id, value)).collect();
        holders.into_iter().filter(|worker| !self.placement.workers.knows(*worker)).collect()
    }
}
