//! A worker's process: it keeps what it was given over broken streams, runs attempts in its slots, and reports.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cofferdam_client::{Held, Offer, WAIT_FIRST};
use cofferdam_model::*;

use crate::network::Time;
use crate::plans::{emitted, kept, read_by};

/// The longest that an attempt runs.
const RUNS_MAX: Time = 3_000;

#[derive(Debug)]
pub(crate) struct Worker {
    /// Which process on its host this is.
    pub(crate) life: u64,
    pub(crate) offer: Offer,
    pub(crate) held: Held,
    /// Its connection, by number, if it has one.
    pub(crate) link: Option<usize>,
    pub(crate) welcomed: bool,
    /// Wait before the next try to connect.
    pub(crate) wait: Time,
    queue: VecDeque<Assignment>,
    running: BTreeMap<Fence, Running>,
    cancelled: BTreeSet<Fence>,
    /// Keys of the values that it keeps for others.
    pub(crate) kept: BTreeSet<String>,
}

#[derive(Debug)]
struct Running {
    assignment: Assignment,
    n_lines: u64,
}

/// Something to do later, for an attempt that runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Phase {
    Line,
    End,
}

impl Worker {
    pub(crate) fn new(life: u64, slots: u32, gpu: bool) -> Worker {
        let resources = if gpu { BTreeMap::from([("GPU".to_owned(), 1.0)]) } else { BTreeMap::new() };
        Worker {
            life,
            offer: Offer { slots, queue: 2, resources, ..Offer::default() },
            held: Held::default(),
            link: None,
            welcomed: false,
            wait: first_wait(),
            queue: VecDeque::new(),
            running: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            kept: BTreeSet::new(),
        }
    }

    /// Takes orders; answers what it reports at once.
    pub(crate) fn ordered(&mut self, orders: Vec<Order>) -> Vec<Report> {
        self.held.ordered(&orders);
        let mut reports = vec![];
        for order in orders {
            match order {
                Order::Run(assignment) => self.queue.push_back(*assignment),
                Order::Cancel(id) => {
                    let waits = self.queue.iter().position(|assignment| assignment.id == id);
                    if let Some(at) = waits {
                        self.queue.remove(at);
                        reports.push(cancelled(id));
                    } else if self.running.contains_key(&id.fence) {
                        self.cancelled.insert(id.fence);
                    }
                }
                Order::Forget { run } => self.kept.retain(|key| !key.starts_with(&run.to_string())),
                _ => {}
            }
        }
        reports
    }

    /// Begins what its slots take: the attempts, how long each runs, and what it reports. `given` is what others give.
    pub(crate) fn begin(
        &mut self,
        given: &BTreeSet<String>,
        random: &mut fastrand::Rng,
    ) -> (Vec<(Assignment, Time)>, Vec<Report>) {
        let (mut begun, mut reports) = (vec![], vec![]);
        while self.running.len() < self.offer.slots as usize
            && let Some(assignment) = self.queue.pop_front()
        {
            let id = assignment.id.clone();
            let read = kept(read_by(&assignment));
            let lacks = |key: &&String| !self.kept.contains(*key) && !given.contains(*key);
            let values: Vec<String> = read.iter().filter(lacks).cloned().collect();
            if !values.is_empty() {
                reports.push(Report::Lacks { id, values });
                continue;
            }
            self.kept.extend(read);
            reports.push(Report::Started { id: id.clone(), at: Timestamp(0) });
            begun.push((assignment.clone(), random.u64(1..RUNS_MAX)));
            self.running.insert(id.fence, Running { assignment, n_lines: 0 });
        }
        (begun, reports)
    }

    /// An attempt writes a line, or ends. Nothing, if it has ended before.
    pub(crate) fn goes_on(&mut self, fence: Fence, phase: Phase, random: &mut fastrand::Rng) -> Vec<Report> {
        let Some(running) = self.running.get_mut(&fence) else { return vec![] };
        let id = running.assignment.id.clone();
        match phase {
            // It takes long: what waits behind it is given back.
            Phase::Line if random.u8(0..8) == 0 => {
                let waiting = self.queue.drain(..);
                waiting.map(|assignment| Report::Returned { id: assignment.id }).collect()
            }
            Phase::Line => {
                let first = running.n_lines;
                running.n_lines += 1;
                let line = LogLine {
                    at: Timestamp(0),
                    level: LogLevel::Info,
                    source: LogSource::Op,
                    message: format!("{} {first}", fence.0),
                    fields: vec![],
                };
                vec![Report::Logs { id, first, lines: vec![line] }]
            }
            Phase::End => {
                let running = self.running.remove(&fence).expect("it was there just now");
                if self.cancelled.remove(&fence) {
                    return vec![cancelled(id)];
                }
                let outcome = if random.u8(0..7) == 0 {
                    Outcome::Failed(Box::new(Failure::new(FailureKind::Op, "drawn by lot")))
                } else {
                    let outputs = emitted(&running.assignment);
                    self.kept.extend(kept(outputs.iter().map(|output| &output.value)));
                    Outcome::Succeeded { outputs, metadata: vec![] }
                };
                vec![Report::Finished { id, outcome, usage: Usage::default() }]
            }
        }
    }
}

fn cancelled(id: AttemptId) -> Report {
    let failure = Failure::new(FailureKind::Cancelled, "cancelled");
    Report::Finished { id, outcome: Outcome::Failed(Box::new(failure)), usage: Usage::default() }
}

pub(crate) fn first_wait() -> Time {
    u64::try_from(WAIT_FIRST.as_millis()).expect("it is short")
}
