//! What goes wrong, and how.

use super::{Cluster, FAULTS_UNTIL, Happens};
use crate::network::{KEEP_ALIVE, Time};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A connection breaks; both sides notice soon.
    Break,
    /// A connection breaks, and one side does not notice for long.
    HalfOpen,
    /// A host is cut off for less than it takes to notice.
    ShortCut,
    /// A host is cut off for long.
    LongCut,
    WorkerDies,
    /// A worker's process is stopped and goes on later.
    WorkerStops,
    /// What it was about to write may be written or not.
    SchedulerDies,
    SchedulerStops,
    /// A worker needs the room of a value that it keeps.
    Evicts,
}

pub(super) const FAULTS: [Fault; 9] = [
    Fault::Break,
    Fault::HalfOpen,
    Fault::ShortCut,
    Fault::LongCut,
    Fault::WorkerDies,
    Fault::WorkerStops,
    Fault::SchedulerDies,
    Fault::SchedulerStops,
    Fault::Evicts,
];
/// Those that, alone, cost nobody an attempt that runs.
pub(super) const HARMLESS: [Fault; 5] =
    [Fault::Break, Fault::ShortCut, Fault::SchedulerDies, Fault::SchedulerStops, Fault::Evicts];

impl Cluster {
    pub(super) fn fault(&mut self) {
        if self.now > FAULTS_UNTIL {
            return;
        }
        let kind = self.kinds[self.random.usize(0..self.kinds.len())];
        let host = self.random.usize(0..self.hosts.len());
        *self.faults.entry(kind).or_default() += 1;
        self.tell_people(&(kind, host));
        match kind {
            Fault::Break => self.break_link(host, 200),
            Fault::HalfOpen => self.break_link(host, KEEP_ALIVE),
            Fault::ShortCut => self.silence(host, 10_000, true),
            Fault::LongCut => self.silence(host, 60_000, true),
            Fault::WorkerStops => self.silence(host, 60_000, false),
            Fault::WorkerDies => self.worker_dies(host),
            Fault::SchedulerDies if self.random.bool() => self.doomed = true,
            Fault::SchedulerDies => self.scheduler_dies(),
            Fault::SchedulerStops => self.scheduler_stops(),
            Fault::Evicts => self.evict(host),
        }
        let wait = self.random.u64(1_500..9_000);
        self.later(wait, Happens::Fault);
    }

    /// A worker drops half of what it keeps.
    fn evict(&mut self, host: usize) {
        let Some(worker) = &mut self.hosts[host].worker else { return };
        worker.kept.retain(|_| self.random.bool());
    }

    pub(super) fn break_link(&mut self, host: usize, noticed_within: Time) {
        let Some(link) = self.hosts[host].worker.as_ref().and_then(|worker| worker.link) else { return };
        self.links[link].cut();
        for worker in [true, false] {
            let wait = self.random.u64(0..noticed_within);
            self.later(wait, Happens::Notices { link, worker });
        }
    }

    /// The host is cut off, or its process is stopped.
    pub(super) fn silence(&mut self, host: usize, at_most: Time, cut: bool) {
        let state = &mut self.hosts[host];
        if state.cut || state.stopped {
            return;
        }
        state.cut = cut;
        state.stopped = !cut;
        state.n_silences += 1;
        let silence = state.n_silences;
        let length = self.random.u64(100..at_most);
        let end = if cut { Happens::Heals { host } } else { Happens::Wakes { host } };
        self.later(length, end);
        self.later(KEEP_ALIVE, Happens::Suspected { host, silence });
    }

    /// Whoever is there gives up the connection.
    pub(super) fn suspected(&mut self, host: usize, silence: u64) {
        let state = &self.hosts[host];
        if state.n_silences != silence || !(state.cut || state.stopped) {
            return;
        }
        for at in 0..self.links.len() {
            if self.links[at].host == host && !self.links[at].broken {
                self.links[at].cut();
                self.later(1, Happens::Notices { link: at, worker: true });
                self.later(1, Happens::Notices { link: at, worker: false });
            }
        }
    }

    pub(super) fn worker_dies(&mut self, host: usize) {
        let Some(worker) = self.hosts[host].worker.take() else { return };
        if let Some(link) = worker.link {
            self.links[link].cut();
            let wait = self.random.u64(1..100);
            self.later(wait, Happens::Notices { link, worker: false });
        }
        let wait = self.random.u64(100..10_000);
        self.later(wait, Happens::WorkerStarts { host });
    }

    pub(super) fn scheduler_dies(&mut self) {
        let Some(mut scheduler) = self.scheduler.take() else { return };
        // What it was writing arrives, or not.
        if let Some(pending) = scheduler.pending.take()
            && self.random.bool()
        {
            // The check of what is appended tells the next time that something is.
            let _ = self.append(&pending);
        }
        for happens in std::mem::take(&mut self.scheduler_waiting) {
            // The client goes on, whoever dies.
            if matches!(happens, Happens::Submit(_) | Happens::Cancel(_)) {
                self.later(0, happens);
            }
        }
        self.scheduler_stopped = false;
        self.decides_at = None;
        for at in 0..self.links.len() {
            if !self.links[at].broken {
                self.links[at].cut();
                let wait = self.random.u64(0..200);
                self.later(wait, Happens::Notices { link: at, worker: true });
            }
        }
        let wait = self.random.u64(100..15_000);
        self.later(wait, Happens::SchedulerStarts);
    }

    pub(super) fn scheduler_stops(&mut self) {
        if self.scheduler_stopped || self.scheduler.is_none() {
            return;
        }
        self.scheduler_stopped = true;
        let length = self.random.u64(100..40_000);
        self.later(length, Happens::SchedulerWakes);
        if length > KEEP_ALIVE {
            for at in 0..self.links.len() {
                if !self.links[at].broken {
                    self.later(KEEP_ALIVE, Happens::Notices { link: at, worker: true });
                    self.later(KEEP_ALIVE, Happens::Notices { link: at, worker: false });
                }
            }
        }
    }
}
