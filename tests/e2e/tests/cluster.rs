//! Runs on a cluster of real processes: a scheduler and workers without a folder in common, killed and started again.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};

use cofferdam_e2e::ask::{self, joined};
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::exposition::{Exposition, exposed};
use cofferdam_e2e::look::{n_given_out, of_type, steps, steps_of_type, text};
use cofferdam_e2e::{Ended, Project, guest};
use serde_json::Value;

const N_WORK: u64 = 40;

/// Long enough that a kill comes in the middle: a step takes some tens of milliseconds.
const JOB: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"

[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 40 }

[jobs.j.steps.work]
op = "typed.work"
inputs.number = { map = "numbers.each" }
config = { rounds = 40_000_000 }

[jobs.j.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "work" }
"#;

fn command(project: &Project, cluster: &Cluster, args: &[&str]) -> Command {
    let mut command = project.command(args);
    command.args(["--cluster", &cluster.address, "--token-file"]).arg(cluster.token_file());
    command
}

fn run(project: &Project, cluster: &Cluster, args: &[&str]) -> Ended {
    command(project, cluster, args).output().expect("the program can be started").into()
}

fn start(project: &Project, cluster: &Cluster, args: &[&str]) -> Child {
    let mut command = command(project, cluster, args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program can be started")
}

fn events(project: &Project, cluster: &Cluster) -> Vec<Value> {
    ask::events(project, cluster, None)
}

/// Waits until so many steps of the run are committed.
fn wait_for(project: &Project, cluster: &Cluster, child: &mut Child, committed: usize) {
    while of_type(&events(project, cluster), "step_succeeded").count() < committed {
        assert!(child.try_wait().expect("the child can be asked").is_none(), "the run ended too soon");
    }
}

fn end(child: Child) -> Value {
    let ended: Ended = child.wait_with_output().expect("the child can be waited for").into();
    assert_eq!(ended.exit, 0, "{ended:#?}");
    serde_json::from_str(&ended.stdout).expect("one document")
}

/// Each step committed once, and an attempt beyond the first only for a loss that is recorded; answers how many were.
fn check_history(events: &[Value]) -> usize {
    let committed: Vec<&str> =
        of_type(events, "step_succeeded").map(|event| text(&event["event"], "step")).collect();
    let distinct: BTreeSet<&str> = committed.iter().copied().collect();
    assert_eq!((committed.len(), distinct.len()), (N_WORK as usize + 2, N_WORK as usize + 2));
    let dispatched = n_given_out(events);
    let lost = of_type(events, "step_lost").count();
    assert_eq!(dispatched, N_WORK as usize + 2 + lost, "nothing runs again without a cause");
    let numbers: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().expect("a number")).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
    lost
}

fn sum(project: &Project) -> String {
    project.read("out/sum.json").trim().to_owned()
}

#[test]
fn d2_workers_without_anything_installed_get_the_code_once_and_share_the_steps() {
    let project = Project::new(JOB);
    let (cluster, serving) = Cluster::start();
    let workers = ["a", "b"].map(|name| {
        let worker = cluster.worker(name, &["--slots", "2", "--metrics", "127.0.0.1:0"]);
        let metrics = exposed(&worker);
        (joined(worker), metrics)
    });
    let metrics = workers.each_ref().map(|(_, metrics)| metrics.clone());
    let ended = run(&project, &cluster, &["run", "j", "--export", "out", "--json"]).expect(0);
    assert!(ended.stderr.contains("sending typed"), "the library was not there: {ended:#?}");
    assert_eq!(sum(&project), (N_WORK * (N_WORK - 1) / 2).to_string());
    let document: Value = serde_json::from_str(&ended.stdout).expect("one document");
    assert_eq!(steps(&document).len(), N_WORK as usize + 2);
    let mut by_worker: BTreeMap<u64, usize> = BTreeMap::new();
    for event in of_type(&events(&project, &cluster), "step_dispatched") {
        *by_worker.entry(event["event"]["worker"].as_u64().expect("a worker")).or_default() += 1;
    }
    assert_eq!(by_worker.len(), 2, "{by_worker:?}");
    let second = run(&project, &cluster, &["run", "j"]).expect(0);
    assert!(!second.stderr.contains("sending"), "what the cluster has is not sent again: {second:#?}");
    // The values of this job are small enough for the messages.
    let size = std::fs::metadata(guest("typed")).expect("it is there").len() as f64;
    assert_eq!(fetched(&metrics), [size; 2], "each host fetches it once, whatever its slots, steps and runs");
    assert_eq!(serving.terminate(), Some(0));
}

/// Bytes that each worker has fetched.
fn fetched(metrics: &[String]) -> Vec<f64> {
    let fetched = |address: &String| Exposition::of(address).samples["cofferdam_near_fetched_bytes_total"];
    metrics.iter().map(fetched).collect()
}

#[test]
fn d2_a_library_with_a_flipped_bit_is_run_by_nobody_and_sent_anew_when_it_is_removed() {
    let project = Project::new(&JOB.replace("n = 40", "n = 2"));
    let (cluster, serving) = Cluster::start();
    let first = joined(cluster.worker("first", &[]));
    run(&project, &cluster, &["run", "j"]).expect(0);
    drop((first, serving));
    let stored = cluster.state().join("libraries/v1/libraries");
    let mut files =
        std::fs::read_dir(&stored).expect("the depot is there").map(|file| file.expect("a file").path());
    let file = files.next().expect("one library");
    let mut bytes = std::fs::read(&file).expect("it can be read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, &bytes).expect("it can be written");

    let _serving = cluster.serve();
    let _second = joined(cluster.worker("second", &[]));
    let refused = run(&project, &cluster, &["run", "j"]).expect(10);
    let name = file.file_stem().and_then(|name| name.to_str()).expect("its digest").to_owned();
    assert!(refused.stdout.contains("[library]") && refused.stdout.contains(&name), "{refused:#?}");
    assert_eq!(steps_of_type(&events(&project, &cluster), "step_succeeded"), [""; 0]);
    std::fs::remove_file(&file).expect("it can be removed");
    run(&project, &cluster, &["run", "j"]).expect(0);
}

#[test]
fn d4_a_run_and_what_is_executed_again_of_it_keep_their_code_whatever_comes_after() {
    let project = Project::new(
        "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n[jobs.j.steps.flaky]\nop = \"typed.flaky\"\n\
         retry = { max_retries = 2, delay = \"1s\" }\n",
    );
    let (cluster, _serving) = Cluster::start();
    let _worker = joined(cluster.worker("w", &[]));
    let ran = |args: &[&str]| -> Value { ask::json(&project, &cluster, args) };
    let code = |run: &Value| run["libraries"]["typed"].clone();
    let first = ask::detach(&project, &cluster, &["j"]);
    ask::until("it fails", || {
        !steps_of_type(&ask::events(&project, &cluster, Some(&first)), "step_failed").is_empty()
    });
    // A custom section: other code by its digest, which does the same.
    let mut component = std::fs::read(guest("typed")).expect("the guest can be read");
    component.extend([0, 2, 1, b'x']);
    project.write("lib/typed.wasm", component);
    let newer = ran(&["run", "j"]);
    ask::until("it ends", || ran(&["show", &first])["status"] == "succeeded");
    let first = ran(&["show", &first]);
    assert_ne!(code(&first), code(&newer), "each has its own, side by side on one worker");
    let again = ran(&["rerun", text(&first, "run")]);
    assert_eq!((&again["status"], code(&again)), (&"succeeded".into(), code(&first)));
    let newest = ran(&["rerun", text(&first, "run"), "--newest"]);
    assert_eq!((&newest["status"], code(&newest)), (&"succeeded".into(), code(&newer)));
}

#[test]
fn a_file_that_a_job_reads_travels_to_hosts_without_a_common_folder() {
    let project = Project::new(
        "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n[jobs.j.steps.count]\nop = \"typed.lines\"\ninputs.file = { file = \"in.txt\" }\n",
    );
    project.write("in.txt", "one more line of text\n".repeat(500_000));
    let (cluster, _serving) = Cluster::start();
    let _worker = joined(cluster.worker("w", &[]));
    run(&project, &cluster, &["run", "j", "--export", "out"]).expect(0);
    assert_eq!(project.read("out/count.json").trim(), "500000");
}

#[test]
fn a_worker_that_is_killed_costs_what_it_was_doing_and_no_more() {
    let project = Project::new(JOB);
    let (cluster, _serving) = Cluster::start();
    let mut doomed = joined(cluster.worker("doomed", &[]));
    let _other = joined(cluster.worker("other", &[]));
    let mut child = start(&project, &cluster, &["run", "j", "--export", "out", "--json"]);
    wait_for(&project, &cluster, &mut child, 5);
    doomed.kill();
    assert_eq!(end(child)["status"], "succeeded");
    assert_eq!(sum(&project), (N_WORK * (N_WORK - 1) / 2).to_string());
    assert!(check_history(&events(&project, &cluster)) > 0, "something was under way when the kill came");
}

#[test]
fn f_10_a_worker_that_is_asked_to_end_under_load_ends_what_it_has_and_nothing_runs_again() {
    let project = Project::new(JOB);
    let (cluster, _serving) = Cluster::start();
    let leaving = joined(cluster.worker("leaving", &[]));
    let mut child = start(&project, &cluster, &["run", "j", "--export", "out", "--json"]);
    wait_for(&project, &cluster, &mut child, 5);
    let _other = joined(cluster.worker("other", &[]));
    assert_eq!(leaving.terminate(), Some(0));
    assert_eq!(end(child)["status"], "succeeded");
    let events = events(&project, &cluster);
    assert_eq!(check_history(&events), 0);
    let workers: BTreeSet<u64> = of_type(&events, "step_dispatched")
        .map(|event| event["event"]["worker"].as_u64().expect("a worker"))
        .collect();
    assert_eq!(workers.len(), 2, "the other one went on");
}

#[test]
fn f_03_a_scheduler_that_is_killed_goes_on_where_it_was_and_nothing_runs_again() {
    let project = Project::new(JOB);
    let (cluster, mut serving) = Cluster::start();
    let workers = ["a", "b"].map(|name| joined(cluster.worker(name, &[])));
    let mut child = start(&project, &cluster, &["run", "j", "--export", "out", "--json"]);
    for committed in [5, 15, 25] {
        wait_for(&project, &cluster, &mut child, committed);
        serving.kill();
        let before = events(&project, &cluster);
        for worker in &workers {
            worker.wait_for("waiting");
        }
        serving = cluster.serve();
        serving.wait_for("resuming 1 run");
        for worker in &workers {
            worker.wait_for("joined");
        }
        let after = events(&project, &cluster);
        assert_eq!(after[..before.len()], before[..], "history is not rewritten");
    }
    assert_eq!(end(child)["status"], "succeeded");
    assert_eq!(sum(&project), (N_WORK * (N_WORK - 1) / 2).to_string());
    assert_eq!(check_history(&events(&project, &cluster)), 0, "a restart by itself re-executes nothing");
}

#[test]
fn b7_a_step_that_no_worker_can_run_is_told_at_submit_and_goes_to_one_that_joins_later() {
    let project = Project::new(
        "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n[jobs.j.steps.numbers]\nop = \"typed.numbers\"\nconfig = { n = 1 }\n\
         resources = { GPU = 2 }\n",
    );
    let (cluster, _serving) = Cluster::start();
    let _plain = joined(cluster.worker("plain", &["--resources", "GPU=1"]));
    let child = start(&project, &cluster, &["run", "j", "--json"]);
    // Whoever joins later may be what the step waits for.
    while events(&project, &cluster).is_empty() {}
    let gpu = cluster.worker("gpu", &["--resources", "GPU=2,MEMORY=64e9"]);
    let line = gpu.wait_for("joined as worker ");
    let listed = command(&project, &cluster, &["workers", "--json"]).output().expect("it starts");
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("one document");
    let listed = listed["workers"].as_array().expect("workers");
    let names: Vec<&str> = listed.iter().map(|worker| text(worker, "name")).collect();
    assert_eq!(names, ["plain", "gpu"]);
    assert_eq!(listed[1]["resources"]["GPU"], 2.0);
    let ended: Ended = child.wait_with_output().expect("the child can be waited for").into();
    let told = "`numbers` asks for GPU=2, which no worker offers; the nearest, `plain`, offers GPU=1";
    assert!(ended.stderr.contains(told), "{ended:#?}");
    assert_eq!(ended.exit, 0, "{ended:#?}");
    let events = events(&project, &cluster);
    let worker =
        of_type(&events, "step_dispatched").next().expect("it was dispatched")["event"]["worker"].to_string();
    assert!(line.ends_with(&format!("worker {worker}")), "{line} but {worker}");
}

#[test]
fn an_interrupt_cancels_the_run_and_is_heard_while_the_scheduler_is_gone() {
    let project = Project::new(JOB);
    let interrupted = |child: Child| -> Ended {
        let id = child.id().to_string();
        Command::new("kill").args(["-INT", &id]).status().expect("kill can be run");
        child.wait_with_output().expect("the child can be waited for").into()
    };
    let (cluster, _serving) = Cluster::start();
    let _worker = joined(cluster.worker("w", &[]));
    let mut child = start(&project, &cluster, &["run", "j"]);
    wait_for(&project, &cluster, &mut child, 1);
    let ended = interrupted(child).expect(11);
    assert!(ended.stderr.contains("cancelling"), "{ended:#?}");

    let (cluster, mut serving) = Cluster::start();
    let _worker = joined(cluster.worker("w", &[]));
    let mut child = start(&project, &cluster, &["run", "j"]);
    wait_for(&project, &cluster, &mut child, 1);
    serving.kill();
    let ended = interrupted(child).expect(5);
    assert!(ended.stderr.contains("cannot be reached"), "{ended:#?}");
}

#[test]
fn what_is_wrong_with_a_cluster_is_said_with_a_way_out() {
    let project = Project::new(JOB);
    let (cluster, serving) = Cluster::start();
    let said = |ended: Ended, exit: i32| {
        let ended = ended.expect(exit);
        assert!(ended.stderr.contains("hint: "), "{ended:#?}");
        ended.stderr
    };
    let no_token: Ended = project.run(["run", "j", "--cluster", &cluster.address]);
    assert!(said(no_token, 2).contains("which token?"));
    let token = std::fs::read_to_string(cluster.token_file()).expect("there is a token");
    let (_, authority) = token.rsplit_once('.').expect("it names its authority");
    project.write_secret("token", &format!("0123456789abcdef0123456789abcdef0123456789abcdef.{authority}"));
    let wrong = project.run(["run", "j", "--cluster", &cluster.address, "--token-file", "token"]);
    let wrong = said(wrong, 2);
    assert!(wrong.contains("refuses the token") && !wrong.contains("0123456789abcdef"), "{wrong}");
    drop(serving);
    let gone = said(run(&project, &cluster, &["run", "j"]), 5);
    assert!(gone.contains("cannot be reached") && gone.contains("Connection refused"), "{gone}");
    let address = project.run(["run", "j", "--cluster", "here", "--token-file", "token"]).expect(2);
    assert!(address.stderr.contains("write HOST:PORT"), "{address:#?}");
    let resource = project.run(["worker", "--token-file", "token", "--resources", "GPU"]);
    assert!(said(resource, 2).contains("`GPU` is not a resource"));
}
