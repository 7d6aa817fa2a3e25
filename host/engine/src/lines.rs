//! The lines in which steps of a plan wait for their turn: one for each different demand and set of limits of the run
//! that count. A step at the head of its line can be placed, or nothing in that line can.

use std::collections::{BTreeMap, HashMap};

use cofferdam_model::TagLimit;

use crate::demand::Demand;

/// What the steps of a line have in common.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) demand: Demand,
    /// Counters that its steps count against while they run.
    pub(crate) counters: Vec<u32>,
}

/// The lines of a plan.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) all: Vec<Line>,
    /// Most steps at once, per counter: of a limit of the run, or of one value of its tag.
    pub(crate) counters: Vec<u32>,
    /// The limit of each counter, by its place among those of the plan.
    limits: Vec<u32>,
    by_content: HashMap<(Demand, Vec<u32>), u32>,
    /// By limit, and by the value that is counted for itself.
    by_tag: HashMap<(u32, String), u32>,
}

impl Lines {
    pub(crate) fn new(limits: &[TagLimit]) -> Lines {
        // The first counters are those of the limits that count all values together.
        let counters = limits.iter().map(|limit| limit.limit.max(1));
        let n_limits = u32::try_from(limits.len()).expect("a plan has few limits");
        Lines { counters: counters.collect(), limits: (0..n_limits).collect(), ..Lines::default() }
    }

    /// The line of a step, made if it is new.
    pub(crate) fn of(&mut self, demand: Demand, limits: &[TagLimit], tags: &BTreeMap<String, String>) -> u32 {
        let mut counters = vec![];
        for (limit_idx, limit) in (0_u32..).zip(limits) {
            counters.extend(limit.counts(tags).map(|value| match value {
                None => limit_idx,
                Some(value) => self.counter(limit_idx, value, limit.limit),
            }));
        }
        let content = (demand, counters);
        if let Some(known) = self.by_content.get(&content) {
            return *known;
        }
        let line = u32::try_from(self.all.len()).expect("there are no more lines than steps");
        let (demand, counters) = content.clone();
        self.all.push(Line { demand, counters });
        self.by_content.insert(content, line);
        line
    }

    /// The limit that a counter is for.
    pub(crate) fn limit_of(&self, counter: u32) -> u32 {
        self.limits[counter as usize]
    }

    fn counter(&mut self, limit_idx: u32, value: &str, limit: u32) -> u32 {
        if let Some(known) = self.by_tag.get(&(limit_idx, value.to_owned())) {
            return *known;
        }
        let counter = u32::try_from(self.counters.len()).expect("there are no more counters than steps");
        self.counters.push(limit.max(1));
        self.limits.push(limit_idx);
        self.by_tag.insert((limit_idx, value.to_owned()), counter);
        counter
    }
}
