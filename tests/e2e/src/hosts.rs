//! A cluster whose hosts have nothing in common but a network: a scheduler, a client with a project, and workers.

use std::process::{Child, Stdio};

use serde_json::Value;

use crate::cluster::Process;
use crate::look::of_type;
use crate::network::Network;
use crate::{Ended, guest};

pub const SCHEDULER: &str = "scheduler";
pub const CLIENT: &str = "client";

/// Runs until it is dropped.
#[derive(Debug)]
pub struct Hosts {
    pub network: Network,
    pub serving: Process,
    scheduler: String,
}

impl Hosts {
    /// Hosts for workers of those names, and a project with that `cofferdam.toml` and the guest `typed`.
    pub fn start(workers: &[&str], definitions: &str) -> Hosts {
        Hosts::at(workers, definitions, |network| format!("{}:4040", network.address(SCHEDULER)))
    }

    /// The same with a scheduler that knows IPv6 only.
    pub fn start_6(workers: &[&str], definitions: &str) -> Hosts {
        Hosts::at(workers, definitions, |network| format!("[{}]:4040", network.address_6(SCHEDULER)))
    }

    fn at(workers: &[&str], definitions: &str, address: impl Fn(&Network) -> String) -> Hosts {
        let network = Network::new(&[&[SCHEDULER, CLIENT], workers].concat());
        let scheduler = address(&network);
        let serving = network.start(SCHEDULER, &["serve", "--listen", &scheduler, "--state-dir", "state"]);
        serving.wait_for("serving at ");
        // The one thing that an operator carries from host to host.
        let token = std::fs::read(network.home(SCHEDULER).join("state/token")).expect("there is a token");
        for host in [&[CLIENT], workers].concat() {
            std::fs::write(network.home(host).join("token"), &token).expect("a file can be written");
        }
        let hosts = Hosts { network, serving, scheduler };
        hosts.define(definitions);
        let project = hosts.network.home(CLIENT);
        std::fs::copy(guest("typed"), project.join("typed.wasm")).expect("a file can be copied");
        hosts
    }

    /// Writes the project's `cofferdam.toml`.
    pub fn define(&self, definitions: &str) {
        let file = self.network.home(CLIENT).join("cofferdam.toml");
        std::fs::write(file, definitions).expect("a file can be written");
    }

    /// Where it listens.
    pub fn scheduler(&self) -> &str {
        &self.scheduler
    }

    /// A worker that the scheduler has welcomed.
    pub fn worker(&self, host: &str, more: &[&str]) -> Process {
        let worker = self.worker_at(host, &self.scheduler, more);
        worker.wait_for("joined");
        worker
    }

    /// The same, told another address, and not awaited.
    pub fn worker_at(&self, host: &str, scheduler: &str, more: &[&str]) -> Process {
        let args = ["worker", "--scheduler", scheduler, "--token-file", "token", "--slots", "1"];
        let own = ["--local-directory", "local", "--name", host];
        self.network.start(host, &[args.as_slice(), &own, more].concat())
    }

    /// Starts the job `j`; its results go to that folder of the client.
    pub fn run(&self, export: &str) -> Child {
        let mut command = self.network.command(CLIENT);
        command.args(["run", "j", "--cluster", &self.scheduler, "--token-file", "token", "--json"]);
        command
            .args(["--force", "--export", export])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().expect("the program can be started")
    }

    /// What the run log holds of the run that was started last.
    pub fn events(&self) -> Vec<Value> {
        let mut command = self.network.command(SCHEDULER);
        let ended: Ended =
            command.args(["show", "--events", "--state-dir", "state"]).output().expect("it starts").into();
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("a line is an event")).collect()
    }

    /// How many events of a kind the run has that was started last.
    pub fn count(&self, kind: &str) -> usize {
        of_type(&self.events(), kind).count()
    }

    /// Waits until so many steps are committed.
    pub fn wait_for(&self, child: &mut Child, committed: usize) {
        while self.count("step_succeeded") < committed {
            assert!(child.try_wait().expect("the child can be asked").is_none(), "the run ended too soon");
        }
    }

    /// Waits for a run that succeeds; its document.
    pub fn end(&self, child: Child) -> Value {
        let ended: Ended = child.wait_with_output().expect("the child can be waited for").into();
        serde_json::from_str(&ended.expect(0).stdout).expect("one document")
    }

    /// A result that a run has exported.
    pub fn exported(&self, export: &str, step: &str) -> String {
        let file = self.network.home(CLIENT).join(export).join(format!("{step}.json"));
        std::fs::read_to_string(file).expect("it is exported").trim().to_owned()
    }
}
