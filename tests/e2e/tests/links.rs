//! Links between hosts that lose, delay and hold up what goes over them, and names that lead nowhere: row by row of the
//! fault matrix.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use cofferdam_e2e::ask::until;
use cofferdam_e2e::history::History;
use cofferdam_e2e::hosts::{Hosts, SCHEDULER};
use cofferdam_e2e::look::{of_type, text};
use cofferdam_e2e::matrix::job;
use cofferdam_e2e::network::alone;
use cofferdam_e2e::s3::{self, S3};

/// Steps of some tens of milliseconds.
const ROUNDS: u64 = 40_000_000;
/// Longer than a connection may be silent and its worker away: 15 s and 5 s.
const LEASE_OVER: Duration = Duration::from_secs(22);
/// How long a dead peer may stay unnoticed.
const DEAD_NOTICED: Duration = Duration::from_secs(20);

/// The job of the kill matrix, with the library where these hosts have it.
fn small_job(n_work: u64) -> String {
    job(n_work, ROUNDS).replace("lib/typed.wasm", "typed.wasm")
}

fn sum(n_work: u64) -> String {
    (n_work * (n_work - 1) / 2).to_string()
}

/// Steps that write so many bytes each, one after the other.
fn writing(n_steps: usize, bytes: u64, more: &str) -> String {
    let mut text = format!("[libraries.typed]\nwasm = \"typed.wasm\"\n{more}");
    for n in 0..n_steps {
        let after = if n > 0 { format!("after = [\"s{}\"]\n", n - 1) } else { String::new() };
        text +=
            &format!("[jobs.j.steps.s{n}]\nop = \"typed.flood\"\nconfig = {{ bytes = {bytes} }}\n{after}");
    }
    text
}

fn lake(endpoint: &str) -> String {
    format!(
        "[io_managers.lake]\nkind = \"s3\"\nbucket = \"lake\"\nregion = \"us-east-1\"\nendpoint = \"{endpoint}\"\naccess_key_id = \"{}\"\nsecret_access_key = {{ env = \"LAKE_SECRET\" }}\n[jobs.j]\nio_manager = \"lake\"\n",
        s3::ACCESS_KEY
    )
}

#[test]
fn f_22_a_worker_that_is_cut_off_from_the_object_store_waits_and_is_not_given_up() {
    alone("f_22_a_worker_that_is_cut_off_from_the_object_store_waits_and_is_not_given_up", || {
        const N_STEPS: usize = 20;
        let mut hosts = Hosts::start(&["one"], "");
        let store = S3::start_at(hosts.network.join(), &["lake"]);
        hosts.network.set("LAKE_SECRET", s3::SECRET_KEY);
        hosts.define(&writing(N_STEPS, 8_000_000, &lake(&store.endpoint())));
        let _one = hosts.worker("one", &[]);
        let mut child = hosts.run("out");
        hosts.wait_for(&mut child, 2);
        hosts.network.mute_own("one");
        let cut = hosts.count("step_succeeded");
        std::thread::sleep(Duration::from_secs(8));
        let events = hosts.events();
        let committed = of_type(&events, "step_succeeded").count();
        assert!(
            committed <= cut + 1 && committed < N_STEPS,
            "{committed} were committed, {cut} when it was cut"
        );
        assert_eq!((of_type(&events, "step_lost").count(), of_type(&events, "run_finished").count()), (0, 0));
        hosts.network.unmute_own("one");
        hosts.end(child);
        let history = History::of(&hosts.events());
        assert_eq!(history, History { completed: 1, committed: N_STEPS, ..History::default() });
    });
}

#[test]
fn f_24_a_run_gets_over_links_that_lose_packets() {
    alone("f_24_a_run_gets_over_links_that_lose_packets", || {
        let all = ["one", "two", SCHEDULER];
        let steps: String = (0..6)
            .map(|n| {
                format!(
                    "[jobs.j.steps.make{n}]\nop = \"typed.flood\"\nconfig = {{ bytes = 300_000 }}\nresources = {{ one = 1 }}\n\
                     [jobs.j.steps.weigh{n}]\nop = \"typed.weigh\"\ninputs.file = \"make{n}\"\nresources = {{ two = 1 }}\n"
                )
            })
            .collect();
        let hosts =
            Hosts::start(&["one", "two"], &format!("[libraries.typed]\nwasm = \"typed.wasm\"\n{steps}"));
        let _workers = ["one", "two"].map(|host| hosts.worker(host, &["--resources", &format!("{host}=1")]));
        // Nine packets at most wait; a sender that goes faster than the link loses those behind them.
        all.iter().for_each(|host| hosts.network.narrow(host, "12mbit", 14_000));
        hosts.end(hosts.run("out"));
        for n in 0..6 {
            assert_eq!(hosts.exported("out", &format!("weigh{n}")), "300000");
        }
        let (sent, lost) = all
            .map(|host| hosts.network.narrowed(host))
            .iter()
            .fold((0, 0), |(sent, lost), (more_sent, more_lost)| (sent + more_sent, lost + more_lost));
        eprintln!("{lost} packets were lost of {}", sent + lost);
        assert!(lost * 100 > sent + lost, "{lost} of {}: less than one in a hundred", sent + lost);
        let history = History::of(&hosts.events());
        assert_eq!(history, History { completed: 1, committed: 12, ..History::default() });
    });
}

#[test]
fn f_24_the_end_of_a_peer_that_says_nothing_is_noticed_on_both_sides() {
    alone("f_24_the_end_of_a_peer_that_says_nothing_is_noticed_on_both_sides", || {
        let hosts = Hosts::start(&["one"], &small_job(1000));
        let one = hosts.worker("one", &[]);
        let mut child = hosts.run("out");
        hosts.wait_for(&mut child, 3);
        hosts.network.cut("one");
        let cut = Instant::now();
        one.wait_for("waiting");
        let worker = cut.elapsed();
        until("it is lost", || hosts.count("step_lost") > 0);
        let scheduler = cut.elapsed();
        eprintln!("noticed by the worker after {worker:?}, its attempts given up after {scheduler:?}");
        assert!(worker < DEAD_NOTICED, "{worker:?}");
        // And five seconds more in which it might have come back.
        assert!(scheduler < DEAD_NOTICED + Duration::from_secs(5), "{scheduler:?}");
        drop(child.kill());
        drop(child.wait());
    });
}

#[test]
fn f_27_an_upload_over_a_slow_link_holds_up_no_sign_of_life() {
    alone("f_27_an_upload_over_a_slow_link_holds_up_no_sign_of_life", || {
        let hosts = Hosts::start(&["one"], &writing(1, 24 << 20, ""));
        let _one = hosts.worker("one", &[]);
        let child = hosts.run("out");
        until("it runs", || hosts.count("step_started") == 1);
        hosts.network.narrow("one", "1mbit", 64_000);
        // At this rate the value takes more than three minutes, and the rows of the matrix ask for more than a lease.
        std::thread::sleep(LEASE_OVER);
        let (sent, _) = hosts.network.narrowed("one");
        assert!(sent > 1000, "only {sent} packets were sent: it does not upload");
        assert_eq!((hosts.count("step_lost"), hosts.count("step_succeeded")), (0, 0));
        hosts.network.widen("one");
        hosts.end(child);
        let history = History::of(&hosts.events());
        assert_eq!(history, History { completed: 1, committed: 1, ..History::default() });
    });
}

/// A name service that the test can change: `/etc/hosts`, of this test's own.
struct Names<'a>(&'a Path);

impl Names<'_> {
    fn new(file: &Path) -> Names<'_> {
        let names = Names(file);
        names.say("");
        let mounted = Command::new("mount").arg("--bind").arg(file).arg("/etc/hosts").status();
        assert!(mounted.expect("mount can be run").success());
        names
    }

    fn say(&self, line: &str) {
        std::fs::write(self.0, format!("127.0.0.1 localhost\n{line}\n")).expect("a file can be written");
    }
}

#[test]
fn f_28_a_worker_waits_for_a_name_that_leads_nowhere_and_says_which() {
    alone("f_28_a_worker_waits_for_a_name_that_leads_nowhere_and_says_which", || {
        const N_WORK: u64 = 60;
        let hosts = Hosts::start(&["one", "two"], &small_job(N_WORK));
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("hosts");
        let names = Names::new(&file);
        let one = hosts.worker_at("one", "dam.example:4040", &[]);
        let said = one.wait_for("waiting");
        assert!(said.contains("dam.example"), "{said}");
        let right = format!("{} dam.example", hosts.network.address(SCHEDULER));
        names.say(&right);
        one.wait_for("joined");
        let mut child = hosts.run("out");
        hosts.wait_for(&mut child, 5);
        // It is gone in the middle, and then leads to a host where nobody listens; what stands goes on.
        names.say("");
        let before = hosts.count("step_succeeded");
        hosts.wait_for(&mut child, before + 5);
        hosts.network.cut("one");
        one.wait_for("waiting");
        hosts.network.heal("one");
        names.say(&format!("{} dam.example", hosts.network.address("two")));
        let said = one.wait_for("Connection refused");
        assert!(said.contains("dam.example"), "{said}");
        names.say(&right);
        one.wait_for("joined");
        hosts.end(child);
        assert_eq!(hosts.exported("out", "sum"), sum(N_WORK));
        let events = hosts.events();
        let committed: BTreeSet<&str> =
            of_type(&events, "step_succeeded").map(|event| text(&event["event"], "step")).collect();
        assert_eq!(committed.len(), N_WORK as usize + 2);
    });
}
