//! What holds for every plan and every set of outcomes.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Steps that read earlier ones, and which of them fail. What comes after a failure is abandoned.
fn run() -> impl Strategy<Value = (Vec<BTreeSet<usize>>, BTreeSet<usize>)> {
    let reads = (1..12usize).prop_flat_map(|n| {
        (0..n).map(|at| prop::collection::btree_set(0..at.max(1), 0..3)).collect::<Vec<_>>()
    });
    (reads, prop::collection::btree_set(0..12usize, 0..4)).prop_map(|(mut reads, failing)| {
        reads[0].clear();
        let n = reads.len();
        (reads, failing.into_iter().filter(|at| *at < n).collect())
    })
}

fn written(reads: &[BTreeSet<usize>]) -> Plan {
    let lines = reads.iter().enumerate().map(|(at, reads)| {
        let inputs: Vec<String> = reads.iter().map(|read| format!("s{read}")).collect();
        format!("s{at}: {}", inputs.join(" "))
    });
    plan(&lines.collect::<Vec<_>>().join("\n"))
}

proptest! {
    #[test]
    fn from_failure_runs_what_failed_and_what_comes_after_and_nothing_else((reads, failing) in run()) {
        let mut unfinished: BTreeSet<usize> = BTreeSet::new();
        let mut words = vec![];
        for (at, reads) in reads.iter().enumerate() {
            let abandoned = !reads.is_disjoint(&unfinished);
            let word = if abandoned { "abandoned" } else if failing.contains(&at) { "failed" } else { "ok" };
            if word != "ok" {
                unfinished.insert(at);
            }
            words.push(format!("s{at} {word}"));
        }
        let plan = written(&reads);
        let parent = Ended::new(1, &plan, &words.join(","));
        let child = try_rerun(&plan, &[&parent], &Request::FromFailure);
        if unfinished.is_empty() {
            prop_assert!(child.is_err());
            return Ok(());
        }
        let child = child.unwrap();
        let runs: Vec<String> = unfinished.iter().map(|at| format!("s{at}")).collect();
        prop_assert_eq!(child.runs.iter().map(ToString::to_string).collect::<Vec<_>>(), runs);
        // What is read and does not run is known, and nothing else is.
        let read: BTreeSet<String> = unfinished
            .iter()
            .flat_map(|at| &reads[*at])
            .filter(|read| !unfinished.contains(read))
            .map(|read| format!("s{read}"))
            .collect();
        prop_assert_eq!(child.known.0.keys().map(ToString::to_string).collect::<BTreeSet<_>>(), read);
        prop_assert_eq!(child.plan.steps.len(), child.runs.len() + child.known.0.len());
        // The child fails in the same places: its child is the same, and reads the same values.
        let mut second = Ended::new(2, &child.plan, &words.join(","));
        second.known = child.known.clone();
        second.steps.retain(|key, _| child.runs.contains(key));
        let again = try_rerun(&child.plan, &[&second, &parent], &Request::FromFailure).unwrap();
        prop_assert_eq!(again, child);
    }

    #[test]
    fn a_selection_runs_exactly_what_was_selected(
        (reads, _) in run(), chosen in prop::collection::btree_set(0..12usize, 1..6),
    ) {
        let plan = written(&reads);
        let words: Vec<String> = (0..reads.len()).map(|at| format!("s{at} ok")).collect();
        let parent = Ended::new(1, &plan, &words.join(","));
        let chosen: Vec<String> =
            chosen.into_iter().filter(|at| *at < reads.len()).map(|at| format!("s{at}")).collect();
        prop_assume!(!chosen.is_empty());
        let request = steps(&chosen.iter().map(String::as_str).collect::<Vec<_>>());
        let child = try_rerun(&plan, &[&parent], &request).unwrap();
        prop_assert_eq!(child.runs.iter().map(ToString::to_string).collect::<Vec<_>>(), chosen);
    }
}

#[test]
fn a_hundred_thousand_copies_are_judged_in_proportion() {
    const N: usize = 100_000;
    let plan = plan("split: !\n work: split over split\n load: work over split\n sum: *load");
    let keys: Vec<String> = (0..N).map(|n| format!("k{n}")).collect();
    let mut words = vec![format!("split ok {}", keys.join(" "))];
    for (at, key) in keys.iter().enumerate() {
        words.push(format!("work[{key}] {}", if at % 1000 == 7 { "failed" } else { "ok" }));
        words.push(format!("load[{key}] {}", if at % 1000 == 7 { "abandoned" } else { "ok" }));
    }
    let parent = Ended::new(1, &plan, &words.join(","));
    let child = try_rerun(&plan, &[&parent], &Request::FromFailure).unwrap();
    assert_eq!(child.runs.len(), 201);
    assert_eq!(child.known.0.len(), 2 * N - 200 + 1);
}
