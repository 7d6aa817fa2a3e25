//! Hosts on a network of their own: namespaces with an address each, joined by a switch, and no folder in common. All of
//! it is made inside namespaces of the test's own process, so nothing of this machine is touched and nothing is left.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::Process;
use crate::program;

/// Of the test itself, if it joins.
const OWN_ADDRESS: &str = "10.77.0.254";
/// Says to a test that it is inside, and which one it is.
const INSIDE: &str = "COFFERDAM_TEST_INSIDE";

/// Runs `body` in a process of its own with fresh namespaces for users, processes, mounts and the network.
pub fn alone(test: &str, body: impl FnOnce()) {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        return body();
    }
    let mut command = Command::new("unshare");
    if !is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]);
    command.arg(std::env::current_exe().expect("a test has a program"));
    command.args(["--exact", test, "--nocapture"]).env(INSIDE, test);
    let output = command.output().expect("unshare can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// Lets a test that is alone talk to itself.
pub fn loopback() {
    ip(&["link", "set", "lo", "up"]);
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id can be run");
    id.stdout.trim_ascii() == b"0"
}

/// Hosts that reach each other and nothing else.
#[derive(Debug)]
pub struct Network {
    folder: tempfile::TempDir,
    hosts: Vec<String>,
    /// Of the environment of its processes.
    variables: Vec<(&'static str, String)>,
}

impl Network {
    pub fn new(hosts: &[&str]) -> Network {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let hosts_ = hosts.iter().map(|host| (*host).to_owned()).collect();
        let network = Network { folder, hosts: hosts_, variables: vec![] };
        // Where `ip` keeps its names; the machine's own stay untouched.
        sh("mount", &["-t", "tmpfs", "none", "/run"]);
        ip(&["link", "add", "switch", "type", "bridge"]);
        ip(&["link", "set", "switch", "up"]);
        for host in hosts {
            std::fs::create_dir(network.home(host)).expect("a folder can be made");
            let port = port(host);
            ip(&["netns", "add", host]);
            ip(&["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", host]);
            ip(&["link", "set", &port, "master", "switch", "up"]);
            let address = format!("{}/24", network.address(host));
            ip(&["-n", host, "address", "add", &address, "dev", "eth0"]);
            let address = format!("{}/64", network.address_6(host));
            ip(&["-n", host, "address", "add", &address, "dev", "eth0", "nodad"]);
            ip(&["-n", host, "link", "set", "lo", "up"]);
            ip(&["-n", host, "link", "set", "eth0", "up"]);
        }
        network
    }

    pub fn address(&self, host: &str) -> String {
        format!("10.77.0.{}", self.number(host))
    }

    /// Its address in IPv6.
    pub fn address_6(&self, host: &str) -> String {
        format!("fd77::{}", self.number(host))
    }

    fn number(&self, host: &str) -> usize {
        1 + self.hosts.iter().position(|other| other == host).expect("a host of this network")
    }

    /// Joins the test itself, for servers that it runs; gives its address.
    pub fn join(&self) -> &'static str {
        ip(&["address", "add", &format!("{OWN_ADDRESS}/24"), "dev", "switch"]);
        OWN_ADDRESS
    }

    /// A variable in the environment of every process that is started from now on.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.variables.push((name, value.to_owned()));
    }

    /// The only folder of this test that the host can see.
    pub fn home(&self, host: &str) -> PathBuf {
        Path::join(self.folder.path(), host)
    }

    /// The program on that host.
    pub fn command(&self, host: &str) -> Command {
        let mut command = Command::new("ip");
        let hide = "for home in $HIDDEN; do mount -t tmpfs none \"$home\" || exit 99; done; exec \"$@\"";
        command.args(["netns", "exec", host, "sh", "-c", hide, "sh"]).arg(program());
        let others = self.hosts.iter().filter(|other| *other != host);
        let others: Vec<String> =
            others.map(|other| self.home(other).to_str().expect("the folder is text").to_owned()).collect();
        command.env("HIDDEN", others.join(" ")).current_dir(self.home(host));
        command.envs(self.variables.iter().cloned());
        command
    }

    pub fn start(&self, host: &str, args: &[&str]) -> Process {
        Process::start(self.command(host).args(args))
    }

    /// Bytes that the host has sent so far.
    pub fn sent(&self, host: &str) -> u64 {
        let output =
            Command::new("ip").args(["-json", "-stats", "link", "show", "dev", &port(host)]).output();
        let links: serde_json::Value =
            serde_json::from_slice(&output.expect("ip can be run").stdout).expect("ip says it in JSON");
        links[0]["stats64"]["rx"]["bytes"].as_u64().expect("it counts bytes")
    }

    /// Nothing gets to the host or away from it, and nobody is told.
    pub fn cut(&self, host: &str) {
        ip(&["link", "set", &port(host), "down"]);
    }

    /// What one host sends to another is lost; what comes back is not.
    pub fn mute(&self, from: &str, to: &str) {
        ip(&["-n", from, "route", "add", "blackhole", &self.address(to)]);
    }

    pub fn unmute(&self, from: &str, to: &str) {
        ip(&["-n", from, "route", "del", "blackhole", &self.address(to)]);
    }

    /// What the test itself sends to a host is lost.
    pub fn mute_own(&self, to: &str) {
        ip(&["route", "add", "blackhole", &self.address(to)]);
    }

    pub fn unmute_own(&self, to: &str) {
        ip(&["route", "del", "blackhole", &self.address(to)]);
    }

    /// What a host sends goes at that rate, such as `1mbit`; what does not fit into a queue of so many bytes is lost.
    pub fn narrow(&self, host: &str, rate: &str, queue_bytes: u32) {
        let limit = queue_bytes.to_string();
        let bucket = ["rate", rate, "burst", "4kb", "limit", &limit];
        sh("tc", &[&["-n", host, "qdisc", "add", "dev", "eth0", "root", "tbf"], &bucket[..]].concat());
    }

    pub fn widen(&self, host: &str) {
        sh("tc", &["-n", host, "qdisc", "del", "dev", "eth0", "root"]);
    }

    /// Packets that a narrow host has sent, and those that were lost there.
    pub fn narrowed(&self, host: &str) -> (u64, u64) {
        let shown =
            Command::new("tc").args(["-n", host, "-s", "-j", "qdisc", "show", "dev", "eth0"]).output();
        let shown: serde_json::Value =
            serde_json::from_slice(&shown.expect("tc can be run").stdout).expect("tc says it in JSON");
        let count = |field: &str| shown[0][field].as_u64().expect("it counts packets");
        (count("packets"), count("drops"))
    }

    pub fn heal(&self, host: &str) {
        ip(&["link", "set", &port(host), "up"]);
    }
}

/// Its end at the switch.
fn port(host: &str) -> String {
    format!("to-{host}")
}

fn ip(args: &[&str]) {
    sh("ip", args);
}

fn sh(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}
