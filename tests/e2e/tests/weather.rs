//! Workers behind a network that delays what they say, and resets their connections in the middle of it.
//! `COFFERDAM_TEST_SEED` repeats what is drawn.
#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "the seed and what happened are what the test is repeated with")]

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::{ended, events, joined, start};
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::history::History;
use cofferdam_e2e::look::text;
use cofferdam_e2e::matrix::{Matrix, job};
use cofferdam_kit::proxy::{Proxy, Weather};
use serde_json::Value;

/// Steps of some tens of milliseconds.
const ROUNDS: u64 = 40_000_000;
const N_WORK: u64 = 40;

/// Each commit is of the attempt that was given out last: nothing that was said of one attempt has acted on another.
fn check_commits(events: &[Value]) {
    let mut last: BTreeMap<&str, &Value> = BTreeMap::new();
    for recorded in events {
        let event = &recorded["event"];
        match text(event, "type") {
            "step_dispatched" => drop(last.insert(text(event, "step"), &event["fence"])),
            "step_succeeded" => assert_eq!(last[text(event, "step")], &event["fence"], "{recorded}"),
            _ => {}
        }
    }
}

/// Runs over workers that are each behind such a network.
fn run_in(weather: Weather) -> (History, u64, u64) {
    let Matrix { seed, .. } = Matrix::asked_for();
    let project = Project::new(&job(N_WORK, ROUNDS));
    let (cluster, _serving) = Cluster::start();
    let scheduler = cluster.address.parse().expect("an address");
    let proxies = [seed, seed ^ 1].map(|seed| Proxy::before(scheduler, seed));
    let _workers = [0, 1].map(|n| {
        let name = format!("w{n}");
        joined(cluster.worker_by_way_of(&proxies[n].address.to_string(), &name, &[]))
    });
    proxies.iter().for_each(|proxy| proxy.set(weather));
    ended(start(&project, &cluster, &["run", "j", "--export", "out", "--quiet"])).expect(0);
    assert_eq!(project.read("out/sum.json").trim(), (N_WORK * (N_WORK - 1) / 2).to_string());
    let events = events(&project, &cluster, None);
    check_commits(&events);
    let history = History::of(&events);
    let happened = proxies.each_ref().map(Proxy::happened);
    println!("{happened:?}: {history:?}");
    let sum = |of: fn(&cofferdam_kit::proxy::Happened) -> u64| happened.iter().map(of).sum();
    (history, sum(|happened| happened.delays), sum(|happened| happened.cuts))
}

/// Nothing is missing, committed twice or run again without a cause.
fn check(history: History) {
    let History { lost, executed_again, .. } = history;
    let expected = History { completed: 1, committed: N_WORK as usize + 2, ..History::default() };
    assert_eq!(history, History { lost, executed_again, ..expected });
    assert_eq!(executed_again, lost, "each attempt has a cause");
}

#[test]
fn f_25_what_comes_late_or_is_cut_in_the_middle_acts_on_nothing_else() {
    let weather = Weather { delayed: 300, delay_max: Duration::from_secs(2), cut: 10 };
    let (history, delays, cuts) = run_in(weather);
    assert!(delays > 10 && cuts > 0, "{delays} delays, {cuts} cuts");
    check(history);
}

#[test]
fn f_24_a_storm_of_resets_costs_nothing_that_was_done() {
    // More of them, and the first step, of which all others wait, could lose three workers, which is the end of it.
    let (history, _, cuts) = run_in(Weather { cut: 30, ..Weather::default() });
    assert!(cuts > 2, "{cuts} cuts");
    check(history);
}
