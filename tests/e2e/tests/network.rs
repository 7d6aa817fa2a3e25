//! A cluster of hosts that have nothing in common but a network, which breaks.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::time::Duration;

use cofferdam_e2e::cluster::Process;
use cofferdam_e2e::look::{n_given_out, of_type, text};
use cofferdam_e2e::network::{Network, alone};
use cofferdam_e2e::{Ended, guest};
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

const SCHEDULER: &str = "scheduler";
const CLIENT: &str = "client";

/// A network with a scheduler, and a client's host with a project.
struct Hosts {
    network: Network,
    _serving: Process,
}

impl Hosts {
    fn start(workers: &[&str]) -> Hosts {
        let network = Network::new(&[&[SCHEDULER, CLIENT], workers].concat());
        let listen = format!("{}:4040", network.address(SCHEDULER));
        let serving = network.start(SCHEDULER, &["serve", "--listen", &listen, "--state-dir", "state"]);
        serving.wait_for("serving at ");
        // The one thing that an operator carries from host to host.
        let token = std::fs::read(network.home(SCHEDULER).join("state/token")).expect("there is a token");
        for host in [&[CLIENT], workers].concat() {
            std::fs::write(network.home(host).join("token"), &token).expect("a file can be written");
        }
        let project = network.home(CLIENT);
        std::fs::write(project.join("cofferdam.toml"), JOB).expect("a file can be written");
        std::fs::copy(guest("typed"), project.join("typed.wasm")).expect("a file can be copied");
        Hosts { network, _serving: serving }
    }

    fn scheduler(&self) -> String {
        format!("{}:4040", self.network.address(SCHEDULER))
    }

    fn worker(&self, host: &str) -> Process {
        self.worker_with(host, &[])
    }

    fn worker_with(&self, host: &str, more: &[&str]) -> Process {
        let scheduler = self.scheduler();
        let args = [
            "worker",
            "--scheduler",
            &scheduler,
            "--token-file",
            "token",
            "--slots",
            "1",
            "--local-directory",
            "local",
            "--name",
            host,
        ];
        let worker = self.network.start(host, &[&args, more].concat());
        worker.wait_for("joined");
        worker
    }

    fn run(&self, export: &str) -> Child {
        let mut command = self.network.command(CLIENT);
        command.args(["run", "j", "--cluster", &self.scheduler(), "--token-file", "token", "--json"]);
        command.args(["--export", export]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the program can be started")
    }

    /// What the run log holds of the run that was started last.
    fn events(&self) -> Vec<Value> {
        let mut command = self.network.command(SCHEDULER);
        let ended: Ended =
            command.args(["show", "--events", "--state-dir", "state"]).output().expect("it starts").into();
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("a line is an event")).collect()
    }

    fn wait_for(&self, child: &mut Child, committed: usize) {
        while of_type(&self.events(), "step_succeeded").count() < committed {
            assert!(child.try_wait().expect("the child can be asked").is_none(), "the run ended too soon");
        }
    }

    /// Waits for the run and checks what it made.
    fn end(&self, child: Child, export: &str) -> Value {
        let ended: Ended = child.wait_with_output().expect("the child can be waited for").into();
        let ended = ended.expect(0);
        let sum = self.network.home(CLIENT).join(export).join("sum.json");
        assert_eq!(std::fs::read_to_string(sum).expect("it is exported").trim(), "4950");
        serde_json::from_str(&ended.stdout).expect("one document")
    }
}

fn workers_of(events: &[Value]) -> BTreeSet<u64> {
    let workers = of_type(events, "step_dispatched");
    workers.map(|event| event["event"]["worker"].as_u64().expect("a worker")).collect()
}

fn count(events: &[Value], kind: &str) -> usize {
    of_type(events, kind).count()
}

#[test]
fn e2_hosts_without_a_common_folder_share_a_run_and_one_joins_in_the_middle_and_one_leaves() {
    alone("e2_hosts_without_a_common_folder_share_a_run_and_one_joins_in_the_middle_and_one_leaves", || {
        let hosts = Hosts::start(&["one", "two"]);
        let one = hosts.worker("one");
        let mut child = hosts.run("out");
        hosts.wait_for(&mut child, 5);
        let _two = hosts.worker("two");
        hosts.wait_for(&mut child, 30);
        assert_eq!(one.terminate(), Some(0), "it drains");
        hosts.end(child, "out");
        let events = hosts.events();
        assert_eq!(workers_of(&events).len(), 2, "the fresh host took its part");
        assert_eq!((count(&events, "step_succeeded"), count(&events, "step_lost")), (N_STEPS, 0));
        assert_eq!(n_given_out(&events), N_STEPS, "leaving costs nothing");
    });
}

#[test]
fn f_20_a_short_partition_costs_nothing_and_a_long_one_what_was_under_way() {
    alone("f_20_a_short_partition_costs_nothing_and_a_long_one_what_was_under_way", || {
        let hosts = Hosts::start(&["one", "two"]);
        let one = hosts.worker("one");
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
        let _two = hosts.worker("two");
        while count(&hosts.events(), "step_lost") == 0 {
            std::thread::sleep(Duration::from_millis(100));
        }
        hosts.network.heal("one");
        one.wait_for("joined");
        hosts.end(child, "out");
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
        let hosts = Hosts::start(&["one", "two"]);
        let one = hosts.worker("one");
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
        let _two = hosts.worker("two");
        hosts.end(child, "out");
        let events = hosts.events();
        let lost = count(&events, "step_lost");
        assert_eq!((count(&events, "step_succeeded"), lost), (N_STEPS, 2), "one for each time");
        assert_eq!(n_given_out(&events), N_STEPS + lost, "each attempt has a cause");
    });
}

#[test]
fn c13_fifty_runs_of_one_job_at_once_do_not_meet() {
    alone("c13_fifty_runs_of_one_job_at_once_do_not_meet", || {
        let hosts = Hosts::start(&["one", "two"]);
        let small = JOB.replace("n = 100", "n = 4").replace("40_000_000", "1_000");
        std::fs::write(hosts.network.home(CLIENT).join("cofferdam.toml"), small).expect("it can be written");
        let _workers = ["one", "two"].map(|host| hosts.worker(host));
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
            let sum = hosts.network.home(CLIENT).join(export).join("sum.json");
            assert_eq!(std::fs::read_to_string(sum).expect("it is exported").trim(), "6");
        }
        assert_eq!(ids.len(), 50);
    });
}

/// Bytes of the value that goes from one host to another.
const LARGE_BYTES: u64 = 50 * 1024 * 1024;

#[test]
fn a_large_value_goes_from_worker_to_worker_and_not_through_the_scheduler() {
    alone("a_large_value_goes_from_worker_to_worker_and_not_through_the_scheduler", || {
        let hosts = Hosts::start(&["one", "two"]);
        let job = format!(
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
        );
        std::fs::write(hosts.network.home(CLIENT).join("cofferdam.toml"), job).expect("it can be written");
        let start = |host: &str, more: &[&str]| {
            hosts.worker_with(host, &[&["--resources", &format!("{host}=1")], more].concat())
        };
        let run = || {
            let (scheduler, one) = (hosts.network.sent(SCHEDULER), hosts.network.sent("one"));
            let ended = hosts.run("out").wait_with_output().expect("the child can be waited for");
            Ended::from(ended).expect(0);
            let weighed = hosts.network.home(CLIENT).join("out/weigh.json");
            let weighed = std::fs::read_to_string(weighed).expect("it is exported");
            assert_eq!(weighed.trim(), LARGE_BYTES.to_string());
            (hosts.network.sent(SCHEDULER) - scheduler, hosts.network.sent("one") - one)
        };
        // Nobody may connect to the maker: its value goes through the scheduler.
        let one = start("one", &[]);
        let _two = start("two", &[]);
        let (scheduler, _) = run();
        assert!(scheduler > LARGE_BYTES, "{scheduler} bytes");
        assert_eq!(one.terminate(), Some(0));
        // Now the other one may: the maker sends it twice, to be kept and to be read.
        let one = start("one", &["--interface", "0.0.0.0", "--give-plaintext"]);
        let (scheduler, one_sent) = run();
        assert!(scheduler < LARGE_BYTES / 5, "{scheduler} bytes");
        assert!(one_sent > 2 * LARGE_BYTES, "{one_sent} bytes");
        drop(one);
    });
}

#[test]
fn a_worker_listens_for_other_hosts_only_if_it_is_told_that_the_network_is_trusted() {
    let refused = Ended::from(
        std::process::Command::new(cofferdam_e2e::program())
            .args(["worker", "--interface", "0.0.0.0"])
            .env("COFFERDAM_TOKEN", format!("{}.{}", "0123456789abcdef".repeat(2), "0".repeat(64)))
            .output()
            .expect("the program can be started"),
    )
    .expect(2);
    assert!(refused.stderr.contains("0.0.0.0 can be reached from other hosts"), "{}", refused.stderr);
    assert!(refused.stderr.contains("leave `--interface` out"), "{}", refused.stderr);
}
