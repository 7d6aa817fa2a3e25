//! A cluster on this machine: a scheduler and workers that share nothing but the network, each with folders of its own.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use cofferdam_crash::CRASH_AT;
use cofferdam_kit::port;

use crate::ask::PATIENCE;
use crate::program;

/// What ends a process that ends itself at a point, the same on Linux and macOS.
const SIGABRT: i32 = 6;

/// A process of the cluster. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    said: Receiver<String>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Process {
        for name in [
            "COFFERDAM_STATE_DIR",
            "COFFERDAM_PROJECT",
            "COFFERDAM_SLOTS",
            "COFFERDAM_CLUSTER",
            "COFFERDAM_LOG",
        ] {
            command.env_remove(name);
        }
        Process::start_as_is(command)
    }

    /// Starts it with the environment that the command has.
    pub fn start_as_is(command: &mut Command) -> Process {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).env("NO_COLOR", "1");
        let mut child = command.spawn().expect("the program can be started");
        let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let (sender, said) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(|line| line.ok()) {
                // A test that has ended listens no more.
                let _ = sender.send(line);
            }
        });
        Process { child, said }
    }

    /// Waits until it has said a line with that in it.
    pub fn wait_for(&self, part: &str) -> String {
        let mut seen = vec![];
        loop {
            match self.said.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => seen.push(line),
                Err(error) => panic!("`{part}` was not said ({error}), but {seen:#?}"),
            }
        }
    }

    /// The lines that nobody has waited for, of one that has ended.
    pub fn rest(&self) -> Vec<String> {
        self.said.iter().collect()
    }

    /// Its number for the system.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Of memory that it holds now.
    pub fn resident_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("memory is told");
        let kib = line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number");
        kib / 1024.0
    }

    /// As a machine that loses its power.
    pub fn kill(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process can be waited for");
    }

    /// Waits until it has ended by itself; gives its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("the process can be waited for").code()
    }

    /// Waits until it has ended itself in the middle, as it was told to.
    pub fn crashed(mut self) {
        let since = Instant::now();
        let ended = loop {
            match self.child.try_wait().expect("the process can be waited for") {
                Some(ended) => break ended,
                None => assert!(
                    since.elapsed() < PATIENCE,
                    "it does not come to that point: {:#?}",
                    self.said.try_iter().collect::<Vec<_>>()
                ),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(ended.signal(), Some(SIGABRT), "{:#?}", self.said.try_iter().collect::<Vec<_>>());
    }

    /// Asks it to end, as a service manager does; gives its exit code.
    pub fn terminate(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().expect("kill can be run");
        self.child.wait().expect("the process can be waited for").code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder of a scheduler and where it listens.
#[derive(Debug)]
pub struct Cluster {
    folder: tempfile::TempDir,
    pub address: String,
    /// Of the environment of its processes.
    variables: Vec<(&'static str, String)>,
}

impl Cluster {
    /// Starts a scheduler on a port that stays free for it when it is down.
    pub fn start() -> (Cluster, Process) {
        Cluster::start_with("")
    }

    /// The same, with metrics on a free port.
    pub fn start_exposed() -> (Cluster, Process) {
        Cluster::begin("", &["--metrics", "127.0.0.1:0"], &[])
    }

    /// The same with settings: the content of its `instance.toml`.
    pub fn start_with(settings: &str) -> (Cluster, Process) {
        Cluster::begin(settings, &[], &[])
    }

    /// The same with more arguments of `cofferdam serve`.
    pub fn start_serving(settings: &str, more: &[&str]) -> (Cluster, Process) {
        Cluster::begin(settings, more, &[])
    }

    /// The same, and its workers, with variables of the environment.
    pub fn start_within(variables: &[(&'static str, String)]) -> (Cluster, Process) {
        Cluster::begin("", &[], variables)
    }

    /// The same with all of that.
    pub fn begin(settings: &str, more: &[&str], variables: &[(&'static str, String)]) -> (Cluster, Process) {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let address = format!("127.0.0.1:{}", port::steady());
        let cluster = Cluster { folder, address, variables: variables.to_vec() };
        std::fs::create_dir(cluster.state()).expect("a folder can be made");
        std::fs::write(cluster.state().join("instance.toml"), settings).expect("a file can be written");
        let serving = cluster.serve_with_args(more);
        serving.wait_for(&format!("serving at {}", cluster.address));
        (cluster, serving)
    }

    /// Starts the scheduler again, where it was.
    pub fn serve(&self) -> Process {
        self.serve_with_args(&[])
    }

    /// The same, and waits until it serves.
    pub fn serve_with(&self, more: &[&str]) -> Process {
        let serving = self.serve_with_args(more);
        serving.wait_for("serving at ");
        serving
    }

    /// The same, and ends it at a point of `cofferdam-crash`.
    pub fn serve_until(&self, point: &str) -> Process {
        Process::start(self.serve_command(&[]).env(CRASH_AT, point))
    }

    /// The same with more arguments.
    pub fn serve_with_args(&self, more: &[&str]) -> Process {
        Process::start(&mut self.serve_command(more))
    }

    fn serve_command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(["serve", "--listen", &self.address, "--state-dir"])
            .arg(self.state())
            .args(more)
            .envs(self.variables.iter().cloned())
            .current_dir(self.folder.path());
        command
    }

    /// The folder of its state.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn token_file(&self) -> PathBuf {
        self.state().join("token")
    }

    /// Starts a worker with a folder of its own, without any project; with one slot if nothing else is said.
    pub fn worker(&self, name: &str, more: &[&str]) -> Process {
        self.worker_by_way_of(&self.address, name, more)
    }

    /// The same, and ends it at a point of `cofferdam-crash`.
    pub fn worker_until(&self, point: &str, name: &str, more: &[&str]) -> Process {
        Process::start(self.worker_command(&self.address, name, more).env(CRASH_AT, point))
    }

    /// The same with another address for the scheduler, which must lead there.
    pub fn worker_by_way_of(&self, address: &str, name: &str, more: &[&str]) -> Process {
        Process::start(&mut self.worker_command(address, name, more))
    }

    fn worker_command(&self, address: &str, name: &str, more: &[&str]) -> Command {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let mut command = Command::new(program());
        command.args(["worker", "--scheduler", address, "--name", name, "--token-file"]);
        command.arg(self.token_file()).arg("--local-directory").arg(folder.join("local")).args(more);
        if !more.contains(&"--slots") {
            command.args(["--slots", "1"]);
        }
        command.envs(self.variables.iter().cloned()).current_dir(folder);
        command
    }

    /// What a worker keeps.
    pub fn local_directory(&self, name: &str) -> PathBuf {
        Path::join(self.folder.path(), name).join("local")
    }
}
