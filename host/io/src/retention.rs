//! Retention: which stored things may go. Pure: facts about runs and a list of what is stored come in, what to drop
//! and why comes out. Who carries it out, and who reads the clock, is the caller.
//!
//! A run stays if it has not ended, if it is pinned, or if any rule keeps it and the quota allows; without rules all
//! runs stay. What a run
//! that stays refers to stays, whichever run made it, and so does what is protected by name (the newest
//! materialisation of each asset). Everything younger than the grace stays too: somebody may be about to refer to it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cofferdam_model::{LibraryDigest, Name, RunId, Timestamp};

/// What decides which ended runs stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The newest runs of each job, by the time of their creation.
    pub keep_last: Option<u32>,
    /// Runs that ended within this time.
    pub max_age: Option<Duration>,
    /// A quota: while more than this stays, the oldest run goes that has ended and is not pinned, whatever keeps it.
    pub max_bytes: Option<u64>,
    /// Things younger than this stay.
    pub grace: Duration,
}

/// What retention has to know about a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFacts {
    pub run: RunId,
    pub job: Name,
    /// None while it has not ended.
    pub ended_at: Option<Timestamp>,
    pub pinned: bool,
    /// What its plan and events refer to.
    pub refers_to: BTreeSet<Item>,
}

/// A stored thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// A key in a store; `store` tells the stores of one list apart.
    Value {
        store: String,
        key: String,
    },
    Library(LibraryDigest),
    /// A compiled form of a library, by the name of its file.
    Artefact {
        library: LibraryDigest,
        file: String,
    },
}

/// A stored thing as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub item: Item,
    /// The run whose attempt wrote it, if its key says so.
    pub run: Option<RunId>,
    pub bytes: u64,
    pub modified: Timestamp,
}

/// Why a thing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Its run goes.
    Run,
    /// Nothing refers to it: an attempt that died or lost, an import or a library that no run uses.
    Unreferenced,
}

impl Why {
    pub fn word(self) -> &'static str {
        match self {
            Why::Run => "run",
            Why::Unreferenced => "unreferenced",
        }
    }
}

/// What to drop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Ended runs whose values go; each of them, whether it still has any or not.
    pub runs: BTreeSet<RunId>,
    pub drop: Vec<(Stored, Why)>,
    pub kept_bytes: u64,
}

impl Sweep {
    pub fn dropped_bytes(&self) -> u64 {
        self.drop.iter().map(|(stored, _)| stored.bytes).sum()
    }
}

/// Decides. `protected` stays whoever refers to it.
pub fn sweep(
    rules: &Rules,
    runs: &[RunFacts],
    protected: &BTreeSet<Item>,
    stored: &[Stored],
    now: Timestamp,
) -> Sweep {
    let dropped = runs_to_drop(rules, runs, now);
    let without = |dropped: BTreeSet<RunId>| drop_runs(dropped, rules, runs, protected, stored, now);
    let sweep = without(dropped.clone());
    let Some(max_bytes) = rules.max_bytes.filter(|max| sweep.kept_bytes > *max) else { return sweep };
    // The more runs go, the less stays; so the smallest number that suffices is found by halving.
    let mut oldest_first: Vec<RunId> = runs
        .iter()
        .filter(|run| run.ended_at.is_some() && !run.pinned && !dropped.contains(&run.run))
        .map(|run| run.run)
        .collect();
    oldest_first.sort();
    let with = |n: usize| without(dropped.iter().chain(&oldest_first[..n]).copied().collect());
    let (mut too_few, mut enough) = (0, oldest_first.len());
    while enough - too_few > 1 {
        let middle = too_few.midpoint(enough);
        match with(middle).kept_bytes > max_bytes {
            true => too_few = middle,
            false => enough = middle,
        }
    }
    with(enough)
}

/// What goes with these runs.
fn drop_runs(
    dropped: BTreeSet<RunId>,
    rules: &Rules,
    runs: &[RunFacts],
    protected: &BTreeSet<Item>,
    stored: &[Stored],
    now: Timestamp,
) -> Sweep {
    let live: BTreeSet<RunId> = runs.iter().filter(|run| run.ended_at.is_none()).map(|run| run.run).collect();
    let mut referred: BTreeSet<&Item> = protected.iter().collect();
    for run in runs.iter().filter(|run| !dropped.contains(&run.run)) {
        referred.extend(&run.refers_to);
    }
    let mut sweep = Sweep { runs: dropped, ..Sweep::default() };
    for thing in stored {
        let reference = match &thing.item {
            // A compiled form is made again from its library, and is of no use without it.
            Item::Artefact { library, .. } => &Item::Library(*library),
            item => item,
        };
        let of_live_run = thing.run.is_some_and(|run| live.contains(&run));
        let of_dropped_run = thing.run.is_some_and(|run| sweep.runs.contains(&run));
        let why = match () {
            () if referred.contains(reference) || of_live_run => None,
            () if of_dropped_run => Some(Why::Run),
            () if now.since(thing.modified) >= rules.grace => Some(Why::Unreferenced),
            () => None,
        };
        match why {
            Some(why) => sweep.drop.push((thing.clone(), why)),
            None => sweep.kept_bytes += thing.bytes,
        }
    }
    sweep
}

fn runs_to_drop(rules: &Rules, runs: &[RunFacts], now: Timestamp) -> BTreeSet<RunId> {
    if rules.keep_last.is_none() && rules.max_age.is_none() {
        return BTreeSet::new();
    }
    // Ids sort by creation.
    let mut newest_first: Vec<&RunFacts> = runs.iter().collect();
    newest_first.sort_by_key(|run| std::cmp::Reverse(run.run));
    let mut n_of_job: BTreeMap<&Name, u32> = BTreeMap::new();
    let mut dropped = BTreeSet::new();
    for run in newest_first {
        let n = n_of_job.entry(&run.job).or_default();
        *n += 1;
        let among_last = rules.keep_last.is_some_and(|keep| *n <= keep);
        let young = match (rules.max_age, run.ended_at) {
            (Some(age), Some(ended)) => now.since(ended) < age,
            _ => false,
        };
        if run.ended_at.is_some() && !run.pinned && !among_last && !young {
            dropped.insert(run.run);
        }
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn id(n: u8) -> RunId {
        RunId(format!("01890000-0000-7000-8000-0000000000{n:02}").parse().unwrap())
    }

    fn value(n: u8) -> Item {
        Item::Value { store: String::new(), key: format!("v1/local/{}/x/1/y", id(n)) }
    }

    fn library(n: u8) -> Item {
        Item::Library(LibraryDigest([n; 32]))
    }

    /// Run `n`, ended at hour `n`, which made value `n` with library `n`.
    fn run(n: u8, job: &str) -> RunFacts {
        RunFacts {
            run: id(n),
            job: Name::new(job).unwrap(),
            ended_at: Some(Timestamp(u64::from(n) * HOUR)),
            pinned: false,
            refers_to: [value(n), library(n)].into(),
        }
    }

    fn stored(n: u8) -> Vec<Stored> {
        let modified = Timestamp(u64::from(n) * HOUR);
        let artefact = Item::Artefact { library: LibraryDigest([n; 32]), file: format!("{n}.cwasm") };
        vec![
            Stored { item: value(n), run: Some(id(n)), bytes: 100, modified },
            Stored { item: library(n), run: None, bytes: 10, modified },
            Stored { item: artefact, run: None, bytes: 1, modified },
        ]
    }

    fn rules(keep_last: Option<u32>, max_age_hours: Option<u64>) -> Rules {
        let max_age = max_age_hours.map(|hours| Duration::from_secs(hours * 3600));
        Rules { keep_last, max_age, max_bytes: None, grace: Duration::from_secs(3600) }
    }

    fn numbers(runs: &BTreeSet<RunId>) -> Vec<u8> {
        (0..100).filter(|n| runs.contains(&id(*n))).collect()
    }

    fn check(rules: Rules, runs: &[RunFacts], protected: &[Item]) -> Sweep {
        let stored: Vec<Stored> =
            runs.iter().flat_map(|run| stored((0..100).find(|n| id(*n) == run.run).unwrap())).collect();
        sweep(&rules, runs, &protected.iter().cloned().collect(), &stored, Timestamp(20 * HOUR))
    }

    #[test]
    fn without_rules_every_run_stays() {
        let runs = [run(1, "a"), run(2, "a"), run(3, "b")];
        let sweep = check(rules(None, None), &runs, &[]);
        assert_eq!((sweep.runs.len(), sweep.drop.len(), sweep.kept_bytes), (0, 0, 333));
    }

    #[test]
    fn a_run_stays_if_any_rule_keeps_it() {
        let runs: Vec<RunFacts> = (1..=6).map(|n| run(n, if n % 2 == 0 { "even" } else { "odd" })).collect();
        assert_eq!(numbers(&check(rules(Some(1), None), &runs, &[]).runs), [1, 2, 3, 4]);
        assert_eq!(numbers(&check(rules(None, Some(17)), &runs, &[]).runs), [1, 2, 3]);
        assert_eq!(numbers(&check(rules(Some(2), Some(17)), &runs, &[]).runs), [1, 2]);
        assert_eq!(numbers(&check(rules(Some(0), None), &runs, &[]).runs), [1, 2, 3, 4, 5, 6]);
        let sweep = check(rules(Some(1), None), &runs, &[]);
        assert_eq!((sweep.dropped_bytes(), sweep.kept_bytes), (444, 222));
    }

    #[test]
    fn live_and_pinned_runs_stay_with_all_they_refer_to() {
        let mut runs = [run(1, "a"), run(2, "a"), run(3, "a"), run(4, "a")];
        runs[0].pinned = true;
        // Run 2 has not ended, and reads what run 3 made, which goes.
        runs[1].ended_at = None;
        runs[1].refers_to.insert(value(3));
        let sweep = check(rules(Some(0), None), &runs, &[]);
        assert_eq!(numbers(&sweep.runs), [3, 4]);
        let dropped: Vec<&Item> = sweep.drop.iter().map(|(stored, _)| &stored.item).collect();
        assert!(dropped.contains(&&value(4)) && !dropped.contains(&&value(3)), "{dropped:?}");
        assert!(dropped.contains(&&library(3)) && !dropped.contains(&&library(1)), "{dropped:?}");
    }

    #[test]
    fn a_quota_takes_the_oldest_runs_first_and_no_more_than_needed() {
        let mut runs: Vec<RunFacts> = (1..=6).map(|n| run(n, "a")).collect();
        runs[0].pinned = true;
        runs[1].ended_at = None;
        for (max_bytes, expected) in
            [(666, vec![]), (665, vec![3]), (555, vec![3]), (300, vec![3, 4, 5, 6]), (0, vec![3, 4, 5, 6])]
        {
            let rules = Rules { max_bytes: Some(max_bytes), ..rules(None, None) };
            assert_eq!(numbers(&check(rules, &runs, &[]).runs), expected, "{max_bytes}");
        }
        let rules = Rules { max_bytes: Some(500), ..rules(Some(4), None) };
        assert_eq!(numbers(&check(rules, &runs, &[]).runs), [3, 4], "the quota is stronger than the rule");
    }

    #[test]
    fn what_is_protected_by_name_stays_though_its_run_goes() {
        let sweep = check(rules(Some(0), None), &[run(1, "a")], &[value(1), library(1)]);
        assert_eq!((numbers(&sweep.runs), sweep.drop.len(), sweep.kept_bytes), (vec![1], 0, 111));
    }

    #[test]
    fn i_18_what_nobody_refers_to_goes_after_the_grace_but_not_from_a_live_run() {
        let mut live = run(2, "a");
        live.ended_at = None;
        let runs = [run(1, "a"), live];
        let leftover = |n: u8, key: &str, modified: u64| Stored {
            item: Item::Value { store: String::new(), key: key.to_owned() },
            run: Some(id(n)),
            bytes: 7,
            modified: Timestamp(modified),
        };
        let all = vec![
            leftover(1, "died", HOUR),
            leftover(1, "young", 20 * HOUR - 1),
            leftover(2, "running", HOUR),
            leftover(77, "of a run nobody knows", HOUR),
        ];
        let sweep = sweep(&rules(None, None), &runs, &BTreeSet::new(), &all, Timestamp(20 * HOUR));
        let keys: Vec<_> = sweep.drop.iter().map(|(stored, why)| (stored.run, *why)).collect();
        assert_eq!(keys, [(Some(id(1)), Why::Unreferenced), (Some(id(77)), Why::Unreferenced)]);
    }
}
