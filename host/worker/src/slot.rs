//! One cell and what it was given.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use cofferdam_cell::{Artefact, Cell, Ticket, ToCell};
use cofferdam_model::AttemptId;
use tokio::sync::mpsc;

use crate::job::{Job, Owner};
use crate::values::Ask;

/// Attempts that a cell is given at most, the running one included: enough that it never waits for a round
/// trip while steps take microseconds; a cell gives back what waits behind a long one.
pub(crate) const LOOK_AHEAD: usize = 64;
/// Libraries that a cell has loaded at most; the one not used for longest goes. As many as the sandbox keeps warm
/// memories.
pub(crate) const LIBRARIES_MAX: usize = 64;
/// How much longer than its timeout an attempt may take before its cell is killed: the sandbox stops guests by
/// itself, this is for when it cannot.
pub(crate) const KILL_GRACE: Duration = Duration::from_secs(1);

/// Why a cell was killed by us, and which attempt pays; none means the one that it had begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Killed {
    pub(crate) ticket: Option<Ticket>,
    pub(crate) why: Why,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Why {
    Cancelled,
    Late,
    /// It gave no sign of life.
    Silent,
    /// It broke the protocol.
    Broken,
}

/// Looks, one every `LOOK_INTERVAL`, after which a cell that has an attempt and says nothing is killed: 10 s, a hundred
/// of its beats. A machine that is short of memory may keep a healthy process from running for some seconds, while it
/// reads that process's code from disk again, and a step would fail by that. Looks are counted and not time, so that a
/// worker that was stopped itself blames nobody.
const SILENT_LOOKS_MAX: u32 = 100;

#[derive(Default)]
pub(crate) struct Slot {
    /// None while a new one is being started.
    pub(crate) cell: Option<Cell>,
    /// Number of the cell; events of an earlier one are dropped.
    pub(crate) number: u64,
    /// It has said hello.
    pub(crate) ready: bool,
    /// Whose attempts it runs; nobody's before the first.
    pub(crate) owner: Option<Owner>,
    /// Numbers of the libraries that it has, the one used last at the end.
    pub(crate) loaded: Vec<u32>,
    /// In the order in which the cell runs them.
    pub(crate) given: VecDeque<Job>,
    /// When the first of them began.
    pub(crate) since: Option<Instant>,
    /// Looks since it said something or had nothing to do.
    pub(crate) silent: u32,
    /// It gave attempts back because the first of them takes long.
    pub(crate) slow: bool,
    /// We killed it.
    pub(crate) killed: Option<Killed>,
    /// The task that serves the large values of an attempt.
    pub(crate) values: Option<(Ticket, mpsc::UnboundedSender<Ask>)>,
}

impl Slot {
    /// Room for more of that owner.
    pub(crate) fn takes(&self, owner: &Owner) -> bool {
        let room = if self.slow { 1 } else { LOOK_AHEAD };
        let room = match &self.owner {
            None => true,
            Some(Owner::Attempt) => false,
            Some(own) => own == owner && self.given.len() < room,
        };
        self.ready && self.killed.is_none() && room
    }

    /// Another cell may take its place: it runs nothing.
    pub(crate) fn is_idle(&self) -> bool {
        self.ready && self.given.is_empty() && self.killed.is_none()
    }

    /// It has done all that it ever does. Its process ends when the slot gets another one.
    pub(crate) fn is_spent(&self) -> bool {
        self.owner == Some(Owner::Attempt) && self.is_idle()
    }

    /// Gives it an attempt, and the library first if it lacks it. Leaves with the next flush.
    pub(crate) fn give(&mut self, job: Job, owner: Owner, library: u32, artefact: &Artefact) {
        let cell = self.cell.as_mut().expect("a slot that takes has a cell");
        let known = self.loaded.iter().rposition(|loaded| *loaded == library);
        if let Some(place) = known {
            self.loaded[place..].rotate_left(1);
        } else {
            let fuel = job.assignment.limits.fuel.is_some();
            cell.load(library, artefact, fuel);
            self.loaded.push(library);
            if self.loaded.len() > LIBRARIES_MAX {
                cell.push(&ToCell::Unload { library: self.loaded.remove(0) });
            }
        }
        cell.push(&ToCell::Run(job.to_cell(library)));
        self.given.push_back(job);
        self.owner = Some(owner);
    }

    pub(crate) fn kill(&mut self, ticket: Option<Ticket>, why: Why) {
        if let Some(cell) = &self.cell
            && self.killed.is_none()
        {
            self.killed = Some(Killed { ticket, why });
            cell.kill();
        }
    }

    /// Cancels an attempt if it was given to this cell. One that waits behind another is not worth the
    /// other's life: either it is given back within two ticks, or its turn comes, and then it ends.
    pub(crate) fn cancel(&mut self, id: &AttemptId) -> bool {
        let Some(place) = self.given.iter().position(|job| job.assignment.id == *id) else {
            return false;
        };
        self.given[place].cancelled = true;
        if place == 0 {
            self.kill(Some(self.given[0].ticket), Why::Cancelled);
        }
        true
    }

    /// The first of the attempts runs from now on. Gives it if its start is still to be reported.
    pub(crate) fn begin(&mut self) -> Option<&mut Job> {
        let now = Instant::now();
        self.since = self.given.front().map(|_| now);
        let job = self.given.front_mut()?;
        job.spent.begins(now);
        let (ticket, cancelled) = (job.ticket, job.cancelled);
        if cancelled {
            self.kill(Some(ticket), Why::Cancelled);
        }
        self.given.front_mut().filter(|job| !job.started)
    }

    /// Kills the cell if its attempt is over its time by more than the grace, or if it is silent.
    pub(crate) fn look(&mut self, now: Instant) {
        let (Some(since), Some(job)) = (self.since, self.given.front()) else {
            self.silent = 0;
            return;
        };
        self.silent += 1;
        if let Some(timeout) = job.assignment.limits.timeout
            && now.duration_since(since) > timeout.saturating_add(KILL_GRACE)
        {
            self.kill(Some(job.ticket), Why::Late);
        } else if self.silent > SILENT_LOOKS_MAX {
            self.kill(None, Why::Silent);
        }
    }
}
