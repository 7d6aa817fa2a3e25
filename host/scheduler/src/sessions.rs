//! The workers that are attached, and those that may come back.
//!
//! A worker over a network comes and goes with its connection, and its attempts outlive that. So a session is more than
//! a connection: the worker keeps its id, its attempts, and the count of the batches of reports that were heard from it.

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_model::{AttemptId, Order, Term, WorkerId};
use tokio::time::Instant;

/// Workers that may register in one term; keeps the ids of one term together and short to read.
const WORKERS_PER_TERM: u64 = 1_000_000;
/// A deadline that is seen so late shows that this process stood still. Nobody could be heard meanwhile, so nobody is
/// given up for it.
const STALL: Duration = Duration::from_secs(1);

/// How long attempts wait for their worker when nobody hears from it. Time is this process's own: no clock of another
/// host, and no change of this one's, takes part. None is for workers that live and die with this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Patience {
    /// After its connection has ended.
    pub silent: Duration,
    /// After this scheduler took over from one that knew it.
    pub take_over: Duration,
}

/// What a worker that connects over a network says of itself, so that it can come back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visit {
    /// Drawn by the worker's process when it starts.
    pub instance: u128,
    /// The id that it had before, maybe with another scheduler of this cluster.
    pub previous: Option<WorkerId>,
    /// The attempts that it has, or has ended and not been heard about.
    pub held: Vec<AttemptId>,
    /// Batches of reports that it was told to be durable.
    pub acknowledged: u64,
    /// It wants to leave, or was told to before its last connection ended.
    pub leaving: bool,
}

/// How a worker is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attached {
    pub worker: WorkerId,
    /// Batches of reports that were taken from it, in its own count; it says the others again.
    pub received: u64,
}

/// Names one of a worker's connections. Only the newest counts: what an older one still says is dropped, and the worker
/// says it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection(u64);

#[derive(Debug)]
struct Session {
    /// None for a worker in this process.
    instance: Option<u128>,
    connection: Connection,
    received: u64,
}

#[derive(Debug)]
pub(crate) struct Sessions {
    term: Term,
    patience: Patience,
    n_workers: u64,
    n_connections: u64,
    open: BTreeMap<WorkerId, Session>,
    /// Workers that cannot be heard, and when they are given up.
    away: BTreeMap<WorkerId, Instant>,
}

impl Sessions {
    pub(crate) fn new(term: Term, patience: Patience) -> Sessions {
        Sessions {
            term,
            patience,
            n_workers: 0,
            n_connections: 0,
            open: BTreeMap::new(),
            away: BTreeMap::new(),
        }
    }

    /// Opens a session, or opens it again.
    pub(crate) fn attach(&mut self, visit: Option<&Visit>) -> (Attached, Connection) {
        let worker = visit.and_then(|visit| self.known(visit)).unwrap_or_else(|| self.fresh());
        self.n_connections += 1;
        let heard = self.open.get(&worker).map_or(0, |session| session.received);
        let received = heard.max(visit.map_or(0, |visit| visit.acknowledged));
        let connection = Connection(self.n_connections);
        let instance = visit.map(|visit| visit.instance);
        self.open.insert(worker, Session { instance, connection, received });
        self.away.remove(&worker);
        (Attached { worker, received }, connection)
    }

    /// The id under which a worker may come back: it is its own here, whether it has heard so or not, or was given by an
    /// earlier scheduler and has no other owner.
    fn known(&self, visit: &Visit) -> Option<WorkerId> {
        let own = self.open.iter().find(|(_, session)| session.instance == Some(visit.instance));
        let Some(previous) = visit.previous else { return own.map(|(worker, _)| *worker) };
        match self.open.get(&previous) {
            Some(session) => session.instance == Some(visit.instance),
            None => previous.0 < self.term.0 * WORKERS_PER_TERM,
        }
        .then_some(previous)
    }

    fn fresh(&mut self) -> WorkerId {
        self.n_workers += 1;
        assert!(self.n_workers < WORKERS_PER_TERM, "no scheduler sees a million workers");
        WorkerId(self.term.0 * WORKERS_PER_TERM + self.n_workers)
    }

    /// Counts a batch of reports. False if it came over a connection that the worker has replaced.
    pub(crate) fn received(&mut self, worker: WorkerId, connection: Connection) -> bool {
        let session = self.open.get_mut(&worker).filter(|session| session.connection == connection);
        session.map(|session| session.received += 1).is_some()
    }

    /// What a worker over the network is told to have been heard from it.
    pub(crate) fn receipt(&self, worker: WorkerId) -> Option<Order> {
        let session = self.open.get(&worker)?;
        session.instance.map(|_| Order::Received { batches: session.received })
    }

    /// A connection has ended.
    pub(crate) fn ended(&mut self, worker: WorkerId, connection: Connection, now: Instant) -> Ended {
        match self.open.get(&worker) {
            Some(session) if session.connection == connection => {
                if session.instance.is_some() && !self.patience.silent.is_zero() {
                    self.away.insert(worker, now + self.patience.silent);
                    return Ended::Silent;
                }
                self.open.remove(&worker);
                Ended::Gone
            }
            _ => Ended::Replaced,
        }
    }

    /// Forgets a worker: its connections count no more.
    pub(crate) fn close(&mut self, worker: WorkerId) {
        self.open.remove(&worker);
        self.away.remove(&worker);
    }

    /// Awaits workers that an earlier scheduler knew; answers those that cannot come back.
    pub(crate) fn expect(
        &mut self,
        absent: impl IntoIterator<Item = WorkerId>,
        now: Instant,
    ) -> Vec<WorkerId> {
        let until = now + self.patience.take_over;
        let unknown = absent.into_iter().filter(|worker| !self.open.contains_key(worker));
        let unknown: Vec<WorkerId> = unknown.collect();
        if self.patience.take_over.is_zero() {
            return unknown;
        }
        for worker in unknown {
            self.away.entry(worker).or_insert(until);
        }
        vec![]
    }

    /// When somebody is to be given up next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.away.values().min().copied()
    }

    /// Those who did not come back in time.
    pub(crate) fn give_up(&mut self, now: Instant) -> Vec<WorkerId> {
        let due = self.away.iter().filter(|(_, until)| **until <= now);
        let due: Vec<(WorkerId, Instant)> = due.map(|(worker, until)| (*worker, *until)).collect();
        if due.iter().any(|(_, until)| now.duration_since(*until) > STALL) {
            let until = now + self.patience.take_over;
            self.away.values_mut().for_each(|away| *away = until);
            return vec![];
        }
        for (worker, _) in &due {
            self.away.remove(worker);
            self.open.remove(worker);
        }
        due.into_iter().map(|(worker, _)| worker).collect()
    }
}

/// What the end of a connection means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The worker has a newer one.
    Replaced,
    /// It may come back.
    Silent,
    Gone,
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { silent: Duration::from_secs(5), take_over: Duration::from_secs(10) };

    fn sessions(term: u64) -> Sessions {
        Sessions::new(Term(term), PATIENCE)
    }

    fn attach(sessions: &mut Sessions, visit: &Visit) -> (Attached, Connection) {
        sessions.attach(Some(visit))
    }

    fn visit(instance: u128, previous: Option<WorkerId>, acknowledged: u64) -> Visit {
        Visit { instance, previous, acknowledged, ..Visit::default() }
    }

    #[test]
    fn a_worker_that_comes_back_is_the_same_and_nobody_else_is() {
        let (mut sessions, now) = (sessions(7), Instant::now());
        let (first, connection) = attach(&mut sessions, &visit(1, None, 0));
        assert_eq!(first, Attached { worker: WorkerId(7_000_001), received: 0 });
        assert!(sessions.received(first.worker, connection));
        let (again, newer) = attach(&mut sessions, &visit(1, Some(first.worker), 0));
        assert_eq!(again, Attached { received: 1, ..first });
        assert!(!sessions.received(first.worker, connection), "what an old connection says is said again");
        assert_eq!(sessions.ended(first.worker, connection, now), Ended::Replaced);
        let (other, _) = attach(&mut sessions, &visit(2, Some(first.worker), 0));
        assert_ne!(other.worker, first.worker);
        assert_eq!(sessions.ended(first.worker, newer, now), Ended::Silent);
        let (back, _) = attach(&mut sessions, &visit(1, Some(first.worker), 1));
        assert_eq!(back, again);
        assert_eq!(sessions.deadline(), None);
    }

    #[test]
    fn an_id_of_an_earlier_term_is_kept_and_one_that_was_never_given_is_not() {
        let mut sessions = sessions(7);
        let (kept, _) = attach(&mut sessions, &visit(1, Some(WorkerId(6_000_003)), 40));
        assert_eq!(kept, Attached { worker: WorkerId(6_000_003), received: 40 });
        let (taken, _) = attach(&mut sessions, &visit(2, Some(WorkerId(6_000_003)), 0));
        assert_eq!(taken.worker, WorkerId(7_000_001));
        let (invented, _) = attach(&mut sessions, &visit(3, Some(WorkerId(7_000_009)), 0));
        assert_eq!(invented.worker, WorkerId(7_000_002));
    }

    #[test]
    fn who_does_not_come_back_is_given_up_in_time_and_not_because_this_process_stood_still() {
        let (mut sessions, mut now) = (sessions(7), Instant::now());
        let (first, connection) = attach(&mut sessions, &visit(1, None, 0));
        assert_eq!(sessions.ended(first.worker, connection, now), Ended::Silent);
        assert_eq!(sessions.expect([first.worker, WorkerId(3)], now), []);
        now += PATIENCE.silent - Duration::from_millis(1);
        assert_eq!(sessions.give_up(now), []);
        now += Duration::from_millis(2);
        assert_eq!(sessions.give_up(now), [first.worker]);
        now += Duration::from_secs(30);
        assert_eq!(sessions.give_up(now), [], "it was stopped for half a minute");
        now += PATIENCE.take_over;
        assert_eq!(sessions.give_up(now), [WorkerId(3)]);
        assert_eq!(sessions.deadline(), None);
    }

    #[test]
    fn who_was_cut_off_is_heard_no_more_and_is_a_stranger_if_it_comes_back() {
        let (mut sessions, now) = (sessions(7), Instant::now());
        let (first, connection) = attach(&mut sessions, &visit(1, None, 0));
        sessions.close(first.worker);
        assert!(!sessions.received(first.worker, connection));
        assert_eq!(sessions.ended(first.worker, connection, now), Ended::Replaced);
        assert_eq!(sessions.deadline(), None);
        let (again, _) = attach(&mut sessions, &visit(1, Some(first.worker), 3));
        assert_ne!(again.worker, first.worker);
    }

    #[test]
    fn a_worker_of_this_process_is_gone_when_its_channel_is() {
        let (mut sessions, now) = (Sessions::new(Term(1), Patience::default()), Instant::now());
        let (attached, connection) = sessions.attach(None);
        assert_eq!(sessions.receipt(attached.worker), None);
        assert_eq!(sessions.ended(attached.worker, connection, now), Ended::Gone);
        assert_eq!(sessions.expect([WorkerId(9)], now), [WorkerId(9)]);
    }
}
