//! Connections between workers and the scheduler. Each direction keeps its order; a break loses what is on its way.

use std::collections::VecDeque;

use cofferdam_model::{Order, WorkerId};
use cofferdam_scheduler::{Connection, Visit};
use cofferdam_wire::v1::{Hello, Welcome};

/// Virtual time since the start, in milliseconds.
pub(crate) type Time = u64;

/// How long it takes until a silent connection is given up, by either side (the server's keep-alive).
pub(crate) const KEEP_ALIVE: Time = 15_000;
/// The longest that a message takes over a network that works.
const DELAY_MAX: Time = 40;

#[derive(Debug)]
pub(crate) enum ToScheduler {
    Hello {
        hello: Box<Hello>,
        visit: Visit,
    },
    /// As they travel.
    Reports(Vec<u8>),
}

#[derive(Debug)]
pub(crate) enum ToWorker {
    Welcome(Welcome),
    Orders(Vec<Order>),
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Pipe<T> {
    on_the_way: VecDeque<(Time, T)>,
    last: Time,
}

impl<T> Default for Pipe<T> {
    fn default() -> Pipe<T> {
        Pipe { on_the_way: VecDeque::new(), last: 0 }
    }
}

impl<T> Pipe<T> {
    /// Sends a message; answers when it arrives.
    pub(crate) fn send(&mut self, message: T, now: Time, random: &mut fastrand::Rng) -> Time {
        self.last = self.last.max(now + 1 + random.u64(0..DELAY_MAX));
        self.on_the_way.push_back((self.last, message));
        self.last
    }

    /// The next message that has arrived.
    pub(crate) fn arrived(&mut self, now: Time) -> Option<T> {
        let due = self.on_the_way.front().is_some_and(|(at, _)| *at <= now);
        due.then(|| self.on_the_way.pop_front()).flatten().map(|(_, message)| message)
    }

    fn lose(&mut self) {
        self.on_the_way.clear();
    }
}

/// A connection between a worker's process and a scheduler's.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) host: usize,
    pub(crate) worker_life: u64,
    pub(crate) scheduler_life: u64,
    pub(crate) up: Pipe<ToScheduler>,
    pub(crate) down: Pipe<ToWorker>,
    /// Who the scheduler takes it for, once it has said hello.
    pub(crate) attached: Option<(WorkerId, Connection)>,
    /// Nothing passes any more.
    pub(crate) broken: bool,
}

impl Link {
    pub(crate) fn new(host: usize, worker_life: u64, scheduler_life: u64) -> Link {
        Link {
            host,
            worker_life,
            scheduler_life,
            up: Pipe::default(),
            down: Pipe::default(),
            attached: None,
            broken: false,
        }
    }

    pub(crate) fn cut(&mut self) {
        self.broken = true;
        self.up.lose();
        self.down.lose();
    }
}
