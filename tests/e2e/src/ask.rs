//! Commands that a test gives a cluster, from a project that shares nothing with it; and a step that goes on for as long
//! as the test wants.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::{Cluster, Process};
use crate::{Ended, Project};

/// How long anything may take that a test waits for, on a machine that is busy with other tests: who waits longer waits for
/// what hangs. What must be quick is measured by the tests that say so.
pub const PATIENCE: Duration = Duration::from_secs(200);
/// What is asked all the time slows down what it waits for.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// The program, told where the cluster is.
pub fn command(project: &Project, cluster: &Cluster, args: &[&str]) -> Command {
    let mut command = project.command(args);
    command.env("COFFERDAM_CLUSTER", &cluster.address).env("COFFERDAM_TOKEN_FILE", cluster.token_file());
    command
}

pub fn run(project: &Project, cluster: &Cluster, args: &[&str]) -> Ended {
    command(project, cluster, args).output().expect("the program can be started").into()
}

/// What a command answers as a document.
pub fn json(project: &Project, cluster: &Cluster, args: &[&str]) -> Value {
    let ended = run(project, cluster, &[args, &["--json"]].concat());
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error} in {ended:#?}"))
}

/// Starts a command whose output is read when it has ended.
pub fn start(project: &Project, cluster: &Cluster, args: &[&str]) -> Child {
    let mut command = command(project, cluster, args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program can be started")
}

pub fn ended(child: Child) -> Ended {
    child.wait_with_output().expect("the child can be waited for").into()
}

/// Hands a run over; its id.
pub fn detach(project: &Project, cluster: &Cluster, args: &[&str]) -> String {
    run(project, cluster, &[&["run", "--detach"], args].concat()).expect(0).stdout.trim().to_owned()
}

/// The same command beside the scheduler, on its state folder.
pub fn beside(project: &Project, cluster: &Cluster, args: &[&str]) -> Ended {
    let mut command = project.command(args);
    command.arg("--state-dir").arg(cluster.state()).output().expect("the program can be started").into()
}

/// The history of a run, read beside the scheduler; of the newest one if none is named.
pub fn events(project: &Project, cluster: &Cluster, run: Option<&str>) -> Vec<Value> {
    let args: Vec<&str> = ["show", "--events"].into_iter().chain(run).collect();
    let ended = beside(project, cluster, &args);
    ended.stdout.lines().map(|line| serde_json::from_str(line).expect("a line is an event")).collect()
}

/// A worker that the scheduler has welcomed.
pub fn joined(worker: Process) -> Process {
    worker.wait_for("joined");
    worker
}

/// Asks until the answer is as wanted.
pub fn until(what: &str, mut ask: impl FnMut() -> bool) {
    let started = Instant::now();
    while !ask() {
        assert!(started.elapsed() < PATIENCE, "{what}: it does not come so far");
        std::thread::sleep(ASK_EVERY);
    }
}

/// A resource `gate` for steps of the op `resources.announce`: `bind = { program = "gate" }`, with the one input
/// `arguments = { value = [] }`. Such a step goes on until the project has a file `open`.
pub fn gate(project: &Project) -> String {
    let open = project.path().join("open");
    format!(
        r#"
[resources.gate]
kind = "command"
program = "sh"
arguments = ["-c", "until test -e {}; do sleep 0.02; done"]
folder = "/"
env = {{ PATH = {{ env = "PATH" }} }}
timeout = "200s"
"#,
        open.display()
    )
}

/// The programs that the gate's steps have started and that still run.
pub fn n_at_the_gate(project: &Project) -> usize {
    let asked = format!("until test -e {}", project.path().join("open").display());
    let processes = std::fs::read_dir("/proc").expect("there is /proc").flatten();
    let commands = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    commands.filter(|command| String::from_utf8_lossy(command).contains(&asked)).count()
}
