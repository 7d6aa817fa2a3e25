//! What the events of a run amount to: how often each step was given out and committed. A fold of the log, for tests
//! that kill something and count.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

use serde_json::Value;

/// The sums over one run, or over many.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// Runs that have succeeded.
    pub completed: usize,
    /// Steps that were committed at least once.
    pub committed: usize,
    /// Commits beyond the first of a step.
    pub committed_twice: usize,
    /// Attempts that were given out beyond the first of a step, and not given back before they began.
    pub executed_again: usize,
    /// Attempts that were recorded as lost.
    pub lost: usize,
    /// Events that are not numbered as the ones before them ask for.
    pub gaps: usize,
}

impl History {
    /// Of one run, from the lines of `show --events`.
    pub fn of(events: &[Value]) -> History {
        let mut history = History::default();
        let mut given_out: BTreeMap<&str, usize> = BTreeMap::new();
        let mut committed = BTreeSet::new();
        for (place, recorded) in (1_u64..).zip(events) {
            history.gaps += usize::from(recorded["seq"] != place);
            let event = &recorded["event"];
            let step = event["step"].as_str().unwrap_or_default();
            match event["type"].as_str().expect("an event has a type") {
                "step_dispatched" => *given_out.entry(step).or_default() += 1,
                "step_returned" => *given_out.entry(step).or_default() -= 1,
                "step_succeeded" if committed.insert(step) => history.committed += 1,
                "step_succeeded" => history.committed_twice += 1,
                "step_lost" => history.lost += 1,
                "run_finished" if event["status"] == "succeeded" => history.completed += 1,
                _ => {}
            }
        }
        history.executed_again = given_out.values().map(|n| n.saturating_sub(1)).sum();
        history
    }
}

impl AddAssign for History {
    fn add_assign(&mut self, other: History) {
        self.completed += other.completed;
        self.committed += other.committed;
        self.committed_twice += other.committed_twice;
        self.executed_again += other.executed_again;
        self.lost += other.lost;
        self.gaps += other.gaps;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_happens_twice_is_counted_beyond_the_first() {
        let event =
            |seq: u64, kind: &str, step: &str| json!({ "seq": seq, "event": { "type": kind, "step": step } });
        let events = [
            event(1, "step_dispatched", "a"),
            event(2, "step_dispatched", "b"),
            event(3, "step_lost", "a"),
            event(4, "step_dispatched", "a"),
            event(5, "step_returned", "b"),
            event(6, "step_dispatched", "b"),
            event(8, "step_succeeded", "a"),
            event(8, "step_succeeded", "b"),
            event(9, "step_succeeded", "b"),
            json!({ "seq": 10, "event": { "type": "run_finished", "status": "succeeded" } }),
        ];
        let expected =
            History { completed: 1, committed: 2, committed_twice: 1, executed_again: 1, lost: 1, gaps: 1 };
        assert_eq!(History::of(&events), expected);
    }
}
