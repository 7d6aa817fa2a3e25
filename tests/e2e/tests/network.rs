//! A cluster of hosts that have nothing in common but a network, which breaks.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::process::Child;
use std::time::Duration;

use cofferdam_e2e::Ended;
use cofferdam_e2e::hosts::{Hosts, SCHEDULER};
use cofferdam_e2e::look::{n_given_out, of_type, text};
use cofferdam_e2e::network::alone;
use serde_json::Value;

/// Steps of some tens of milliseconds each.
const JOB: &str = r#"
[libraries.typed]
wasm = "typed.wasm"

[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 100 }

[jobs.j.steps.work]
op = "typed.work"
inputs.number = { map = "numbers.each" }
config = { rounds = 40_000_000 }

[jobs.j.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "work" }
"#;
const N_STEPS: usize = 102;

fn workers_of(events: &[Value]) -> BTreeSet<u64> {
    let workers = of_type(events, "step_dispatched");
    workers.map(|event| event["event"]["worker"].as_u64().expect("a worker")).collect()
}

fn count(events: &[Value], kind: &str) -> usize {
    of_type(events, kind).count()
}

/// Waits for the run and checks what it made.
fn assert_ended(hosts: &Hosts, child: Child) {
    hosts.end(child);
    assert_eq!(hosts.exported("out", "sum"), "4950");
}

#[test]
fn e2_hosts_without_a_common_folder_share_a_run_and_one_joins_in_the_middle_and_one_leaves() {
    alone("e2_hosts_without_a_common_folder_share_a_run_and_one_joins_in_the_middle_and_one_leaves", || {
        let hosts = Hosts::start(&["one", "two"], JOB);
        let one = hosts.worker("one", &[]);
        let mut child = hosts.run("out");
        hosts.wait_for(&mut child, 5);
        let _two = hosts.worker("two", &[]);
        hosts.wait_for(&mut child, 30);
        assert_eq!(one.terminate(), Some(0), "it drains");
        assert_ended(&hosts, child);
        let events = hosts.events();
        assert_eq!(workers_of(&events).len(), 2, "the fresh host took its part");
        assert_eq!((count(&events, "step_succeeded"), count(&events, "step_lost")), (N_STEPS, 0));
        assert_eq!(n_given_out(&events), N_STEPS, "leaving costs nothing");
    });
}

#[test]
fn f_20_a_short_partition_costs_nothing_and_a_long_one_what_was_under_way() {
    alone("f_20_a_short_partition_costs_nothing_and_a_long_one_what_was_under_way", || {
        let hosts = Hosts::start(&["one", "two"], JOB);
        let one = hosts.worker("one", &[]);
        let mut child = hosts.run("out");
        hosts.wait_for(&mut child, 3);
        hosts.network.cut("one");
        // Below the time after which a silent connection is given up, and far below the lease.
        std::thread::sleep(Duration::from_secs(5));
        hosts.network.heal("one");
        hosts.wait_for(&mut child, 10);
        assert_eq!(count(&hosts.events(), "step_lost"), 0, "it was short");
        // Long: the lease ends, the other host goes on, and what the first one says at last changes nothing.
        hosts.network.cut("one");
        let _two = hosts.worker("two", &[]);
        while count(&hosts.events(), "step_lost") == 0 {
            std::thread::sleep(Duration::from_millis(100));
        }
        hosts.network.heal("one");
        one.wait_for("joined");
        assert_ended(&hosts, child);
        let events = hosts.events();
        let committed: BTreeSet<&str> =
            of_type(&events, "step_succeeded").map(|event| text(&event["event"], "step")).collect();
        assert_eq!((count(&events, "step_succeeded"), committed.len()), (N_STEPS, N_STEPS));
        let lost = count(&events, "step_lost");
        assert_eq!(n_given_out(&events), N_STEPS + lost, "each attempt has a cause");
    });
}

#[test]
fn f_21_a_network_that_carries_one_way_only_is_as_good_as_none() {
    alone("f_21_a_network_that_carries_one_way_only_is_as_good_as_none", || {
        let hosts = Hosts::start(&["one", "two"], JOB);
        let one = hosts.worker("one", &[]);
        let mut child = hosts.run("out");
        hosts.wait_for(&mut child, 3);
        for (round, (from, to)) in [("one", SCHEDULER), (SCHEDULER, "one")].into_iter().enumerate() {
            hosts.network.mute(from, to);
            // Short, as a partition both ways may be.
            std::thread::sleep(Duration::from_secs(3));
            hosts.network.unmute(from, to);
            hosts.wait_for(&mut child, 8 + 4 * round);
            assert_eq!(count(&hosts.events(), "step_lost"), round, "it was short");
            hosts.network.mute(from, to);
            while count(&hosts.events(), "step_lost") == round {
                assert!(
                    child.try_wait().expect("the child can be asked").is_none(),
                    "the run ended too soon"
                );
                std::thread::sleep(Duration::from_millis(100));
            }
            hosts.network.unmute(from, to);
            one.wait_for("joined");
        }
        let _two = hosts.worker("two", &[]);
        assert_ended(&hosts, child);
        let events = hosts.events();
        let lost = count(&events, "step_lost");
        assert_eq!((count(&events, "step_succeeded"), lost), (N_STEPS, 2), "one for each time");
        assert_eq!(n_given_out(&events), N_STEPS + lost, "each attempt has a cause");
    });
}

#[test]
fn c13_fifty_runs_of_one_job_at_once_do_not_meet() {
    alone("c13_fifty_runs_of_one_job_at_once_do_not_meet", || {
        let hosts = Hosts::start(&["one", "two"], JOB);
        let small = JOB.replace("n = 100", "n = 4").replace("40_000_000", "1_000");
        hosts.define(&small);
        let _workers = ["one", "two"].map(|host| hosts.worker(host, &[]));
        // The first one compiles what all of them describe.
        let first = hosts.run("first").wait_with_output().expect("the child can be waited for");
        Ended::from(first).expect(0);
        let runs: Vec<(String, Child)> = (0..50)
            .map(|n| {
                let export = format!("out{n}");
                let child = hosts.run(&export);
                (export, child)
            })
            .collect();
        let mut ids = BTreeSet::new();
        for (export, child) in runs {
            let ended: Ended = child.wait_with_output().expect("the child can be waited for").into();
            let document: Value = serde_json::from_str(&ended.expect(0).stdout).expect("one document");
            ids.insert(text(&document, "run").to_owned());
            assert_eq!(hosts.exported(&export, "sum"), "6");
        }
        assert_eq!(ids.len(), 50);
    });
}

/// Bytes of the value that goes from one host to another.
const LARGE_BYTES: u64 = 50 * 1024 * 1024;

/// A value that one host makes and another one reads.
fn moved() -> String {
    format!(
        r#"
[libraries.typed]
wasm = "typed.wasm"

[jobs.j.steps.make]
op = "typed.flood"
config = {{ bytes = {LARGE_BYTES} }}
limits = {{ output = "1GiB" }}
resources = {{ one = 1 }}

[jobs.j.steps.weigh]
op = "typed.weigh"
inputs.file = "make"
resources = {{ two = 1 }}
"#
    )
}

/// Runs that job; how many bytes the scheduler sent, and its maker.
fn move_it(hosts: &Hosts) -> (u64, u64) {
    let (scheduler, one) = (hosts.network.sent(SCHEDULER), hosts.network.sent("one"));
    hosts.end(hosts.run("out"));
    assert_eq!(hosts.exported("out", "weigh"), LARGE_BYTES.to_string());
    (hosts.network.sent(SCHEDULER) - scheduler, hosts.network.sent("one") - one)
}

#[test]
fn a_large_value_goes_from_worker_to_worker_and_not_through_the_scheduler() {
    alone("a_large_value_goes_from_worker_to_worker_and_not_through_the_scheduler", || {
        let hosts = Hosts::start(&["one", "two"], &moved());
        // Nobody may connect to the maker: its value goes through the scheduler.
        let one = hosts.worker("one", &["--resources", "one=1"]);
        let _two = hosts.worker("two", &["--resources", "two=1"]);
        let (scheduler, _) = move_it(&hosts);
        assert!(scheduler > LARGE_BYTES, "{scheduler} bytes");
        assert_eq!(one.terminate(), Some(0));
        // Now the other one may: the maker sends it twice, to be kept and to be read.
        let gives = ["--resources", "one=1", "--interface", "0.0.0.0"];
        let one = hosts.worker("one", &gives);
        let (scheduler, one_sent) = move_it(&hosts);
        assert!(scheduler < LARGE_BYTES / 5, "{scheduler} bytes");
        assert!(one_sent > 2 * LARGE_BYTES, "{one_sent} bytes");
        drop(one);
    });
}

#[test]
fn k10_values_go_over_the_interface_that_is_named_and_over_ipv6() {
    alone("k10_values_go_over_the_interface_that_is_named_and_over_ipv6", || {
        let hosts = Hosts::start_6(&["one", "two"], &moved());
        let _two = hosts.worker("two", &["--resources", "two=1"]);
        let by_name = (hosts.network.address("one"), "eth0".to_owned());
        let address_6 = hosts.network.address_6("one");
        for (at, interface) in [by_name, (format!("[{address_6}]:4041"), format!("[{address_6}]:4041"))] {
            let gives = ["--resources", "one=1", "--interface", &interface];
            let one = hosts.worker_at("one", hosts.scheduler(), &gives);
            let said = one.wait_for("giving");
            assert!(said.contains(&at), "{said}");
            one.wait_for("joined");
            let (scheduler, one_sent) = move_it(&hosts);
            assert!(scheduler < LARGE_BYTES / 5, "{scheduler} bytes");
            assert!(one_sent > 2 * LARGE_BYTES, "{one_sent} bytes");
            assert_eq!(one.terminate(), Some(0));
        }
    });
}

#[test]
fn k10_an_interface_that_is_not_there_is_told_with_those_that_are() {
    let token = format!("{}.{}", "0123456789abcdef".repeat(2), "0".repeat(64));
    let refused = std::process::Command::new(cofferdam_e2e::program())
        .args(["worker", "--interface", "ib77", "--local-directory"])
        .arg(tempfile::tempdir().expect("a folder can be made").path())
        .env("COFFERDAM_TOKEN", token)
        .output();
    let refused = Ended::from(refused.expect("the program can be started")).expect(2);
    assert!(refused.stderr.contains("this host has no network interface `ib77`"), "{refused:#?}");
    assert!(refused.stderr.contains("hint: it has ") && refused.stderr.contains("lo"), "{refused:#?}");
}
