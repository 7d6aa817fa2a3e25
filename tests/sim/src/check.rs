//! The rules of SAFETY.md 3d, checked on every append and on everything that a worker begins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cofferdam_engine::{Layout, Run};
use cofferdam_model::*;
use cofferdam_runlog::{Batch, LogRecord};

use crate::plans;

/// A rule that was broken: its name and what happened.
pub(crate) type Broken = String;

/// What everybody has done, for the rules.
#[derive(Debug, Default)]
pub(crate) struct Check {
    runs: BTreeMap<RunId, Checked>,
    /// What the attempt of that fence has emitted.
    emitted: BTreeMap<Fence, Vec<Output>>,
    begun: BTreeSet<Fence>,
    /// The largest fence of all appends before this one. Within one, runs stand beside each other.
    last_fence: Option<Fence>,
    claimed: BTreeSet<Fence>,
    /// Claims that have not ended, by fence.
    live: BTreeMap<Fence, Live>,
    /// Lines that were kept, by attempt.
    lines: BTreeMap<(RunId, StepKey, u32), u64>,
    /// Attempts whose log was cut.
    cut: BTreeSet<(RunId, StepKey, u32)>,
    /// Whether anything has happened that may cost a worker its attempts.
    pub(crate) may_lose: bool,
    pub(crate) n_lost: usize,
    pub(crate) n_returned: usize,
    /// Steps that were opened again.
    pub(crate) n_again: usize,
    pub(crate) n_hedged: usize,
    pub(crate) n_events: usize,
}

#[derive(Debug)]
struct Checked {
    layout: Arc<Layout>,
    fold: Run,
    committed: BTreeSet<Vec<u8>>,
    /// Steps whose outputs were lost.
    again: BTreeSet<StepKey>,
    cancelled: bool,
}

#[derive(Debug, Clone)]
struct Live {
    run: RunId,
    step: StepKey,
    worker: WorkerId,
    gpu: bool,
}

fn bytes(value: &ValueRef) -> Vec<u8> {
    match &value.place {
        Place::Inline(bytes) => bytes.clone(),
        Place::Stored(key) => key.clone().into_bytes(),
        Place::Managed(place) => place.key.clone().into_bytes(),
    }
}

fn must(holds: bool, broken: impl FnOnce() -> Broken) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(broken()) }
}

impl Check {
    pub(crate) fn submitted(&mut self, run: RunId, layout: &Arc<Layout>) {
        let fold = Run::new(run, layout.clone());
        let (committed, again) = (BTreeSet::new(), BTreeSet::new());
        let checked = Checked { layout: layout.clone(), fold, committed, again, cancelled: false };
        self.runs.entry(run).or_insert(checked);
    }

    pub(crate) fn is_accepted(&self, run: RunId) -> bool {
        self.runs.get(&run).is_some_and(|checked| checked.fold.seq() > 0)
    }

    pub(crate) fn is_ended(&self, run: RunId) -> bool {
        self.runs.get(&run).is_some_and(|checked| checked.fold.status().is_terminal())
    }

    /// A worker begins an attempt.
    pub(crate) fn begins(&mut self, assignment: &AttemptId, outputs: Vec<Output>) -> Result<(), Broken> {
        let fence = assignment.fence;
        must(self.begun.insert(fence), || format!("once per attempt: {assignment:?} is begun twice"))?;
        must(self.claimed.contains(&fence), || {
            format!("claims are durable before their order leaves: {assignment:?}")
        })?;
        self.emitted.insert(fence, outputs);
        Ok(())
    }

    /// The inputs of an attempt are what was committed.
    pub(crate) fn reads(&self, assignment: &Assignment) -> Result<(), Broken> {
        let checked = &self.runs[&assignment.id.run];
        for value in plans::read_by(assignment) {
            must(checked.committed.contains(&bytes(value)), || {
                format!("I-04: {:?} reads {value:?}, which is not committed", assignment.id)
            })?;
        }
        Ok(())
    }

    /// A batch is durable.
    pub(crate) fn appended(&mut self, batches: &[Batch]) -> Result<(), Broken> {
        for batch in batches {
            self.batch(batch)?;
        }
        self.last_fence = self.claimed.last().copied();
        let mut on_gpu: BTreeMap<WorkerId, usize> = BTreeMap::new();
        for live in self.live.values().filter(|live| live.gpu) {
            *on_gpu.entry(live.worker).or_default() += 1;
        }
        let most = on_gpu.into_iter().find(|(_, steps)| *steps > 1);
        must(most.is_none(), || format!("I-09: {most:?} steps with a GPU, and one is there"))
    }

    fn batch(&mut self, batch: &Batch) -> Result<(), Broken> {
        for recorded in &batch.events {
            self.n_events += 1;
            let checked = self.runs.get_mut(&batch.run).ok_or("I-12: a run that nobody submitted")?;
            let folded = checked.fold.apply(recorded);
            folded.map_err(|error| format!("I-11: {error} at {recorded:?}"))?;
            self.event(batch.run, &recorded.event)?;
        }
        Ok(())
    }

    fn event(&mut self, run: RunId, event: &Event) -> Result<(), Broken> {
        match event {
            Event::StepDispatched { step, fence, worker, .. } => {
                let twice = self.live.values().any(|live| live.run == run && live.step == *step);
                must(!twice, || format!("I-07: `{step}` of {run} has two attempts"))?;
                self.dispatched(run, step, *fence, *worker)
            }
            Event::StepHedged { step, fence, worker, .. } => {
                self.n_hedged += 1;
                let beside = self.live.values().filter(|live| live.run == run && live.step == *step);
                let others: Vec<WorkerId> = beside.map(|live| live.worker).collect();
                must(others.len() == 1 && others[0] != *worker, || {
                    format!("I-07: `{step}` of {run} has one more attempt beside those at {others:?}")
                })?;
                self.dispatched(run, step, *fence, *worker)
            }
            Event::AttemptDropped { fence, .. } => {
                self.live.remove(fence);
                Ok(())
            }
            Event::StepSucceeded { step, fence, outputs, .. } => {
                must(self.live.contains_key(fence), || {
                    format!("I-01: {fence} of `{step}` is not under way")
                })?;
                self.live.retain(|_, live| live.run != run || live.step != *step);
                let again = self.runs[&run].again.contains(step);
                let emitted = self.emitted.get(fence).map_or(&[][..], Vec::as_slice);
                // Of what is made anew, what had been lost takes its place.
                let own = outputs
                    .iter()
                    .all(|output| emitted.contains(output) && (!again || output.value.place.is_transient()));
                must(own && (again || outputs.len() == emitted.len()), || {
                    format!("I-08: `{step}` of {run} has other outputs than attempt {fence} emitted")
                })?;
                self.commit(run, outputs);
                Ok(())
            }
            Event::StepCached { outputs, .. } | Event::StepReused { outputs, .. } => {
                self.commit(run, outputs);
                Ok(())
            }
            Event::StepFailed { fence, .. } => {
                self.live.remove(fence);
                Ok(())
            }
            Event::StepLost { step, fence, .. } => {
                self.live.remove(fence);
                self.n_lost += 1;
                // One that never got to its worker costs time, and nothing runs twice.
                must(self.may_lose || !self.begun.contains(fence), || {
                    format!("F-03: `{step}` of {run} is lost, and no worker was")
                })
            }
            Event::StepReturned { step, fence, .. } => {
                self.live.remove(fence);
                self.n_returned += 1;
                must(!self.begun.contains(fence), || {
                    format!("C15: `{step}` of {run} is given back, and has begun")
                })
            }
            Event::InputsLost { fence, .. } => {
                self.live.remove(fence);
                Ok(())
            }
            Event::OutputsLost { step, .. } => {
                self.n_again += 1;
                let checked = self.runs.get_mut(&run).expect("its events are folded");
                checked.again.insert(step.clone());
                must(!checked.cancelled, || {
                    format!("I-14: `{step}` of {run} is opened again after the cancel")
                })
            }
            Event::StepCancelled { step, .. } => {
                self.live.retain(|_, live| live.run != run || live.step != *step);
                Ok(())
            }
            Event::RunCancelRequested { .. } => {
                self.runs.get_mut(&run).expect("its events are folded").cancelled = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn commit(&mut self, run: RunId, outputs: &[Output]) {
        let checked = self.runs.get_mut(&run).expect("its events are folded");
        checked.committed.extend(outputs.iter().map(|output| bytes(&output.value)));
    }

    fn dispatched(
        &mut self,
        run: RunId,
        step: &StepKey,
        fence: Fence,
        worker: WorkerId,
    ) -> Result<(), Broken> {
        let checked = &self.runs[&run];
        must(!checked.cancelled, || format!("I-14: `{step}` of {run} starts after the cancel"))?;
        must(self.last_fence.is_none_or(|last| fence > last), || {
            format!("I-06: fence {fence} does not grow")
        })?;
        must(self.claimed.insert(fence), || format!("I-06: fence {fence} is given twice"))?;
        let plan = checked.layout.plan();
        let template = step.as_str().split('[').next().unwrap_or_default();
        let template = plan.find(template).ok_or("a step that is not in the plan")?;
        let gpu = !plan.step(template).resources.is_empty();
        self.live.insert(fence, Live { run, step: step.clone(), worker, gpu });
        let here = self.live.values().filter(|live| live.run == run).count();
        let max = plan.max_concurrent.map_or(usize::MAX, |max| max as usize);
        must(here <= max, || format!("C2: {here} steps of {run} at once, at most {max} may"))
    }

    /// Lines are durable: each once, in order, and none after the mark of a lost worker.
    pub(crate) fn logged(&mut self, records: &[LogRecord]) -> Result<(), Broken> {
        for record in records {
            let attempt = (record.run, record.step.clone(), record.attempt);
            if record.line.source == LogSource::Host {
                must(self.cut.insert(attempt), || format!("the log of `{}` is cut twice", record.step))?;
                continue;
            }
            must(!self.cut.contains(&attempt), || format!("a line of `{}` after its cut", record.step))?;
            let next = self.lines.entry(attempt).or_default();
            let number = record.line.message.split(' ').nth(1).and_then(|number| number.parse().ok());
            must(number == Some(*next), || {
                format!("a line of `{}`: {:?} came, {next} was next", record.step, record.line.message)
            })?;
            *next += 1;
        }
        Ok(())
    }
}
