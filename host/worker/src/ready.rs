//! The way of an attempt to the queue: its library is fetched and compiled, its inputs are verified. Libraries that may be
//! needed go the same way ahead of their attempts.

use std::collections::VecDeque;
use std::time::Instant;

use cofferdam_cell::{Artefact, Origin, Target, Ticket};
use cofferdam_model::{
    AttemptId, Failure, FailureKind, Isolation, Moved, Name, NeededLibrary, Place, ValueDigest, ValueRef,
};
use tokio::task::AbortHandle;

use crate::ends::cancelled;
use crate::job::{Fuel, Job, LibraryKey};
use crate::observe::Got;
use crate::prepare::{self, Unready};
use crate::spent::Prepared;
use crate::supervisor::{Settling, Supervisor};

/// Verified values that are remembered; more than are hot at a time, at 100 bytes each.
const VERIFIED_MAX: usize = 100_000;

/// Libraries that are announced and not yet prepared; more than a plan has.
const AHEAD_MAX: usize = 1000;

pub(crate) enum Library {
    /// Being fetched and compiled; these wait for it.
    Coming(Vec<Job>),
    Ready(u32, Artefact),
    /// Compiled just now, and still no cell can load it.
    Refused(Failure),
}

/// The end of a task.
pub(crate) enum Done {
    Library(LibraryKey, Result<(Artefact, Prepared), Failure>),
    Inputs(Ticket, Vec<(Name, ValueRef)>, Result<Vec<ValueRef>, Unready>, Moved),
    /// Values of a run were removed.
    Forgotten,
}

/// An attempt whose inputs are being verified.
pub(crate) struct Verifying {
    job: Job,
    task: AbortHandle,
    since: Instant,
}

impl Supervisor {
    /// Brings an attempt one step nearer to the queue.
    pub(crate) fn prepare(&mut self, mut job: Job) {
        if self.fingerprint.is_none() {
            return self.early.push(job);
        }
        if job.assignment.isolation != Isolation::Own && !self.wall.is_whole() {
            return self.fail(job, unwalled());
        }
        let key = job.library();
        match self.libraries.get_mut(&key) {
            Some(Library::Ready(..)) => {
                if job.spent.is_untouched() {
                    self.tell(|observer| observer.library(Got::Memory));
                }
            }
            Some(Library::Coming(waiting)) => {
                job.spent.waits(Instant::now());
                return waiting.push(job);
            }
            Some(Library::Refused(failure)) => {
                let failure = failure.clone();
                return self.fail(job, failure);
            }
            None => {
                job.spent.waits(Instant::now());
                return self.fetch(key, vec![job]);
            }
        }
        let (mut readable, mut unverified) = (vec![], vec![]);
        for (name, value) in job.stored() {
            match self.verified.get(&verified_as(&value)) {
                Some(ready) => readable.push((name, ready.clone())),
                None => unverified.push((name, value)),
            }
        }
        if unverified.is_empty() {
            job.readable = readable;
            return self.queue.push_back(job);
        }
        let (stores, ticket) = (self.stores.clone(), job.ticket);
        let task = self.tasks.spawn(async move {
            let moved = Moved::default();
            let outcome = prepare::verify(&stores, &unverified, &moved).await;
            Done::Inputs(ticket, unverified, outcome, moved)
        });
        self.verifying.insert(ticket, Verifying { job, task, since: Instant::now() });
    }

    /// The engine that the cells have, once one has said so.
    fn target(&self, fuel: Fuel) -> Target {
        Target { fingerprint: self.fingerprint.clone().unwrap_or_default(), fuel }
    }

    fn fetch(&mut self, key: LibraryKey, waiting: Vec<Job>) {
        self.libraries.insert(key, Library::Coming(waiting));
        let (digest, fuel) = key;
        let (depot, artefacts, target) = (self.depot.clone(), self.artefacts.clone(), self.target(fuel));
        let compiled = self.settings.compiled.clone();
        self.tasks.spawn(async move {
            let library = prepare::library(&depot, &artefacts, &digest, &target, compiled.as_deref()).await;
            Done::Library(key, library)
        });
    }

    /// Takes note of libraries that may be needed.
    pub(crate) fn announced(&mut self, needed: Vec<NeededLibrary>) {
        let room = AHEAD_MAX.saturating_sub(self.ahead.len());
        self.ahead.extend(needed.into_iter().take(room).map(|needed| (needed.library, needed.fuel)));
    }

    /// Gets one of the libraries that may be needed, while a slot is free and no other library is on its way.
    pub(crate) fn prepare_ahead(&mut self) {
        let coming = |library: &Library| matches!(library, Library::Coming(_));
        if self.ahead.is_empty()
            || self.fingerprint.is_none()
            || self.slots.iter().all(|slot| !slot.given.is_empty())
            || self.libraries.values().any(coming)
        {
            return;
        }
        while let Some(key) = self.ahead.pop_front() {
            if !self.libraries.contains_key(&key) {
                return self.fetch(key, vec![]);
            }
        }
    }

    /// A cell cannot load a library, although its bytes are those that were compiled. An older one is compiled
    /// again; a new one would be refused again.
    pub(crate) fn on_refused(&mut self, number: u32, failure: Failure) {
        let found = self.libraries.iter().find_map(|(key, library)| match library {
            Library::Ready(n, artefact) if *n == number => Some((*key, artefact.origin() == Origin::Cache)),
            _ => None,
        });
        // Another cell may have refused it before.
        let Some((key, cached)) = found else { return };
        if cached {
            tracing::warn!(library = %key.0, %failure, "a compiled library is refused; compiling again");
            self.artefacts.forget(&key.0, &self.target(key.1));
            self.fetch(key, vec![]);
        } else {
            self.libraries.insert(key, Library::Refused(failure));
        }
        let queue = std::mem::take(&mut self.queue);
        let (affected, others): (VecDeque<Job>, _) = queue.into_iter().partition(|job| job.library() == key);
        self.queue = others;
        affected.into_iter().for_each(|job| self.prepare(job));
    }

    /// Puts an attempt that a cell did not run in front of the others.
    pub(crate) fn requeue(&mut self, job: Job) {
        if job.cancelled {
            self.fail(job, cancelled());
        } else if matches!(self.libraries.get(&job.library()), Some(Library::Ready(..))) {
            self.queue.push_front(job);
        } else {
            self.prepare(job);
        }
    }

    pub(crate) fn on_done(&mut self, done: Done) {
        match done {
            Done::Forgotten => {}
            Done::Library(key, Ok((artefact, prepared))) => {
                let got = match artefact.origin() {
                    Origin::Cache => Got::Cache,
                    Origin::Compiler => Got::Compiler,
                    Origin::Elsewhere => Got::Elsewhere,
                };
                self.tell(|observer| observer.library(got));
                let number = self.next_library;
                self.next_library += 1;
                let coming = self.libraries.insert(key, Library::Ready(number, artefact));
                if let Some(Library::Coming(waiting)) = coming {
                    for mut job in waiting {
                        job.spent.library(&prepared);
                        self.prepare(job);
                    }
                }
            }
            Done::Library(key, Err(failure)) => {
                if let Some(Library::Coming(waiting)) = self.libraries.remove(&key) {
                    waiting.into_iter().for_each(|job| self.fail(job, failure.clone()));
                }
            }
            Done::Inputs(ticket, inputs, outcome, moved) => {
                let Some(Verifying { mut job, since, .. }) = self.verifying.remove(&ticket) else {
                    return;
                };
                job.spent.inputs(since.elapsed(), moved.bytes());
                let ready = match outcome {
                    Ok(ready) => ready,
                    Err(Unready::Failed(failure)) => return self.fail(job, failure),
                    Err(Unready::Lacks(values)) => return self.lacks(&job.assignment, values),
                };
                if self.verified.len() > VERIFIED_MAX {
                    self.verified.clear();
                }
                self.verified.extend(inputs.iter().map(|(_, value)| verified_as(value)).zip(ready));
                // What was forgotten just now is verified again.
                self.prepare(job);
            }
        }
    }

    /// Takes an attempt that no cell has from the place where it waits.
    pub(crate) fn take_waiting(&mut self, id: &AttemptId) -> Option<Job> {
        let is_it = |job: &Job| job.assignment.id == *id;
        if let Some(at) = self.queue.iter().position(is_it) {
            return self.queue.remove(at);
        }
        let verified =
            self.verifying.iter().find(|(_, verifying)| is_it(&verifying.job)).map(|(ticket, _)| *ticket);
        if let Some(Verifying { job, task, .. }) = verified.and_then(|ticket| self.verifying.remove(&ticket))
        {
            task.abort();
            return Some(job);
        }
        let again = |settling: &Settling| matches!(settling, Settling::Again(job) if is_it(job));
        let settled = self.settling.iter().find(|(_, settling)| again(settling)).map(|(ticket, _)| *ticket);
        if let Some(Settling::Again(job)) = settled.and_then(|ticket| self.settling.remove(&ticket)) {
            return Some(job);
        }
        let coming = self.libraries.values_mut().filter_map(|library| match library {
            Library::Coming(waiting) => Some(waiting),
            Library::Ready(..) | Library::Refused(_) => None,
        });
        for jobs in coming.chain([&mut self.early]) {
            if let Some(at) = jobs.iter().position(is_it) {
                return Some(jobs.remove(at));
            }
        }
        None
    }
}

/// The operator keeps the attempt apart from others, and this host cannot.
fn unwalled() -> Failure {
    Failure::new(
        FailureKind::CellDied,
        "the host of this worker cannot keep files from the processes in which libraries run: its kernel has no Landlock",
    )
}

/// A value is the same one if key and digest are.
fn verified_as(value: &ValueRef) -> (String, ValueDigest) {
    let key = match &value.place {
        Place::Stored(key) => key.clone(),
        Place::Managed(place) => format!("{} {} {}", place.manager.kind, place.manager.settings, place.key),
        Place::Inline(_) => String::new(),
    };
    (key, value.digest)
}
