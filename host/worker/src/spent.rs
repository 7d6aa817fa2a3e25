//! Where the time of an attempt goes, from its order to its report.

use std::time::{Duration, Instant};

use cofferdam_cell::CellUsage;
use cofferdam_model::Usage;

/// What an attempt has spent so far, apart from what its cell counts.
#[derive(Debug)]
pub(crate) struct Spent {
    received: Instant,
    /// Since when it waits for its library; from then on it pays for what is done to get it.
    waiting: Option<Instant>,
    /// When its turn came in a cell.
    begun: Option<Instant>,
    fetch: Duration,
    compile: Duration,
    load: Duration,
    library_bytes: u64,
    moved_bytes: u64,
}

/// When the parts of getting a library ready took place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prepared {
    pub(crate) asked: Instant,
    /// None if it was compiled already.
    pub(crate) fetch: Option<Fetched>,
    pub(crate) ready: Instant,
}

/// When the bytes of a library were fetched, and how many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fetched {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
    pub(crate) bytes: u64,
}

impl Spent {
    pub(crate) fn new(received: Instant) -> Spent {
        let zero = Duration::ZERO;
        Spent {
            received,
            waiting: None,
            begun: None,
            fetch: zero,
            compile: zero,
            load: zero,
            library_bytes: 0,
            moved_bytes: 0,
        }
    }

    /// Nothing has been got ready for it yet.
    pub(crate) fn is_untouched(&self) -> bool {
        let spent = self.fetch + self.compile + self.load;
        self.waiting.is_none() && spent.is_zero()
    }

    /// It waits for its library from now on, or still does.
    pub(crate) fn waits(&mut self, now: Instant) {
        self.waiting.get_or_insert(now);
    }

    /// Its library is ready. Only what was done while it waited counts.
    pub(crate) fn library(&mut self, done: &Prepared) {
        let Some(since) = self.waiting.take() else { return };
        let from = |at: Instant| at.max(since);
        let loaded = done.fetch.map_or(done.ready, |fetched| fetched.from);
        self.load += loaded.saturating_duration_since(from(done.asked));
        if let Some(fetched) = done.fetch {
            self.fetch += fetched.to.saturating_duration_since(from(fetched.from));
            self.compile += done.ready.saturating_duration_since(from(fetched.to));
            if since <= fetched.to {
                self.library_bytes += fetched.bytes;
            }
        }
    }

    /// Its stored inputs were got ready.
    pub(crate) fn inputs(&mut self, took: Duration, moved_bytes: u64) {
        self.load += took;
        self.moved_bytes += moved_bytes;
    }

    /// Its turn has come in a cell.
    pub(crate) fn begins(&mut self, now: Instant) {
        self.begun = Some(now);
    }

    /// It is to run again from the start, because its cell died.
    pub(crate) fn restarts(&mut self) {
        self.begun = None;
    }

    /// The usage of an attempt that ends now; `settled_since` is when its guest ended and its outputs were begun to be
    /// put in their places. Of one whose cell told nothing, it is known for how long it ran at most.
    pub(crate) fn usage(
        &self,
        cell: Option<CellUsage>,
        settled_since: Option<Instant>,
        now: Instant,
    ) -> Usage {
        let ran = || self.begun.map_or(0, |begun| micros(now.saturating_duration_since(begun)));
        let cell = cell.map_or_else(|| Usage { wall_us: ran(), ..Usage::default() }, Usage::from);
        let store = settled_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        Usage {
            held_us: micros(now.saturating_duration_since(self.received)),
            fetch_us: micros(self.fetch),
            compile_us: micros(self.compile),
            load_us: micros(self.load),
            store_us: micros(store),
            library_bytes: self.library_bytes,
            moved_bytes: self.moved_bytes,
            ..cell
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_pays_only_for_what_was_done_while_it_waited() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let fetch = Some(Fetched { from: at(1), to: at(11), bytes: 77 });
        let done = Prepared { asked: at(0), fetch, ready: at(111) };
        let spent = |since| {
            let mut spent = Spent::new(at(since));
            spent.waits(at(since));
            spent.library(&done);
            let usage = spent.usage(None, None, at(120));
            [usage.load_us, usage.fetch_us, usage.compile_us, usage.library_bytes].map(|us| us / 10)
        };
        assert_eq!(spent(0), [100, 1000, 10_000, 7]);
        assert_eq!(spent(6), [0, 500, 10_000, 7]);
        assert_eq!(spent(61), [0, 0, 5000, 0]);
        // One that never waited, because the library was there, pays nothing.
        let mut spent = Spent::new(start);
        spent.library(&done);
        let usage = spent.usage(None, None, at(120));
        assert_eq!((usage.load_us, usage.compile_us, usage.held_us), (0, 0, 120_000));
    }

    #[test]
    fn an_attempt_that_was_killed_is_charged_for_the_time_that_it_ran() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut spent = Spent::new(start);
        spent.begins(at(10));
        let usage = spent.usage(None, None, at(30));
        assert_eq!((usage.wall_us, usage.held_us, usage.slot_us()), (20_000, 30_000, 10_000));
        spent.restarts();
        assert_eq!(spent.usage(None, None, at(30)).wall_us, 0);
        // What came after the guest's end is the store's.
        assert_eq!(spent.usage(None, Some(at(25)), at(30)).store_us, 5000);
    }
}
