//! Who may join a cluster and call it, and what is said to those who may not.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cofferdam_e2e::cluster::{Cluster, Process};
use cofferdam_e2e::look::of_type;
use cofferdam_e2e::network::{Network, alone};
use cofferdam_e2e::{Ended, Project, guest};
use serde_json::Value;

/// Some ten seconds of work for two workers.
const JOB: &str = r#"
[libraries.typed]
wasm = "typed.wasm"

[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 100 }

[jobs.j.steps.work]
op = "typed.work"
inputs.number = { map = "numbers.each" }
config = { rounds = 160_000_000 }

[jobs.j.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "work" }
"#;
const N_STEPS: usize = 102;
/// Certificates that hold so short are renewed every four seconds; a disk that stalls has four more.
const LIFE: &str = "8s";
const N_RENEWALS: usize = 2;
/// A worker that is cut off is so within this time.
const CUT: Duration = Duration::from_secs(5);

/// The program on a host, with the token that an operator has carried there.
fn on(network: &Network, host: &str, args: &[&str]) -> Command {
    let mut command = network.command(host);
    let address = format!("{}:4040", network.address("scheduler"));
    command.args(args).env("COFFERDAM_CLUSTER", address).env("COFFERDAM_TOKEN_FILE", "token");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn worker(network: &Network, host: &str) -> Process {
    let mut command = on(network, host, &["worker", "--slots", "1", "--local-directory", "local"]);
    let worker = Process::start_as_is(command.args(["--name", host]));
    worker.wait_for("joined");
    worker
}

fn events(network: &Network) -> Vec<Value> {
    let shown = on(network, "scheduler", &["show", "--events", "--state-dir", "state"])
        .env_remove("COFFERDAM_CLUSTER")
        .output();
    let ended: Ended = shown.expect("it starts").into();
    ended.stdout.lines().map(|line| serde_json::from_str(line).expect("a line is an event")).collect()
}

fn certificate(network: &Network, host: &str) -> String {
    let file = network.home(host).join("local/identity.pem");
    std::fs::read_to_string(file).expect("the worker keeps its key")
}

fn count(events: &[Value], kind: &str) -> usize {
    of_type(events, kind).count()
}

#[test]
fn k2_a_host_joins_with_a_token_renews_its_certificate_in_mid_run_and_is_cut_off_in_five_seconds() {
    alone(
        "k2_a_host_joins_with_a_token_renews_its_certificate_in_mid_run_and_is_cut_off_in_five_seconds",
        || {
            let network = Network::new(&["scheduler", "client", "one", "two"]);
            let listen = format!("{}:4040", network.address("scheduler"));
            let serve = ["serve", "--listen", &listen, "--state-dir", "state", "--certificate-life", LIFE];
            let serving = network.start("scheduler", &serve);
            serving.wait_for("serving at ");
            let token =
                std::fs::read(network.home("scheduler").join("state/token")).expect("there is a token");
            for host in ["client", "one", "two"] {
                std::fs::write(network.home(host).join("token"), &token).expect("a file can be written");
            }
            std::fs::write(network.home("client").join("cofferdam.toml"), JOB).expect("it can be written");
            std::fs::copy(guest("typed"), network.home("client").join("typed.wasm"))
                .expect("it can be copied");
            let (mut one, _two) = (worker(&network, "one"), worker(&network, "two"));
            // Who has joined needs the token no more.
            std::fs::remove_file(network.home("one").join("token")).expect("it is there");

            let mut child =
                on(&network, "client", &["run", "j", "--export", "out"]).spawn().expect("it starts");
            let mut certificates = BTreeSet::new();
            while child.try_wait().expect("the child can be asked").is_none() {
                certificates.insert(certificate(&network, "one"));
                std::thread::sleep(Duration::from_millis(50));
            }
            Ended::from(child.wait_with_output().expect("it has ended")).expect(0);
            let first = events(&network);
            assert!(certificates.len() > N_RENEWALS, "{} certificates in one run", certificates.len());
            let counted = ["step_succeeded", "step_dispatched", "step_lost"].map(|kind| count(&first, kind));
            assert_eq!(counted, [N_STEPS, N_STEPS, 0], "renewing costs nothing");

            let run = on(&network, "client", &["run", "j", "--export", "again"]).spawn().expect("it starts");
            // Until it is the newest run, and under way.
            let is_under_way =
                |now: &[Value]| now.first() != first.first() && count(now, "step_succeeded") >= 10;
            while !is_under_way(&events(&network)) {
                std::thread::sleep(Duration::from_millis(50));
            }
            let asked = Instant::now();
            let revoked = on(&network, "client", &["revoke", "one"]).output().expect("it starts");
            Ended::from(revoked).expect(0);
            let line = one.wait_for("was cut off by `cofferdam revoke`");
            let cut = asked.elapsed();
            assert!(cut < CUT, "cut off after {cut:?}: {line}");
            assert_ne!(one.wait(), Some(0));
            Ended::from(run.wait_with_output().expect("it ends")).expect(0);
            let events = events(&network);
            assert_eq!(count(&events, "step_succeeded"), N_STEPS, "the other one does it");
            let lost = count(&events, "step_lost");
            assert!(lost > 0, "what it ran was lost at once");
            assert_eq!(count(&events, "step_dispatched"), N_STEPS + lost);
            // It is so after a restart of the scheduler too.
            drop(serving);
            let serving = network.start("scheduler", &serve);
            serving.wait_for("serving at ");
            let back = on(&network, "one", &["worker", "--local-directory", "local"]);
            let back: Ended = { back }.env_remove("COFFERDAM_TOKEN_FILE").output().expect("it starts").into();
            assert!(back.expect(3).stderr.contains("was cut off by `cofferdam revoke`"));
        },
    );
}

fn command(project: &Project, cluster: &Cluster, token: &Path, args: &[&str]) -> Command {
    let mut command = project.command(args);
    command.args(["--cluster", &cluster.address, "--token-file"]).arg(token);
    command
}

/// What is said, without what differs from run to run.
fn said(mut command: Command, exit: i32, hide: &[(&str, &str)]) -> String {
    let ended: Ended = command.output().expect("the program can be started").into();
    let said = ended.expect(exit).stderr;
    hide.iter().fold(said, |said, (what, name)| said.replace(what, name)).trim_end().to_owned()
}

fn authority(token: &str) -> &str {
    token.trim().rsplit_once('.').expect("a token names its authority").1
}

#[test]
fn who_may_not_call_hears_why_and_what_to_do() {
    let project = Project::new("");
    let ((cluster, _serving), (other, _other)) = (Cluster::start(), Cluster::start());
    let token = std::fs::read_to_string(cluster.token_file()).expect("there is a token");
    let foreign = std::fs::read_to_string(other.token_file()).expect("there is a token");
    let hide = [(&*cluster.address, "HOST:PORT"), (authority(&token), "OWN"), (authority(&foreign), "OTHER")];
    let say = |token: &str, more: &[&str], exit: i32| {
        let given = project.write_secret("given", token);
        let args = [&["runs"], more].concat();
        said(command(&project, &cluster, &given, &args), exit, &hide)
    };
    let secret = foreign.split('.').next().expect("a secret");
    assert_eq!(
        say(&format!("{secret}.{}", authority(&token)), &[], 2),
        "error: failed to ask the scheduler: the scheduler at HOST:PORT refuses the token: the token is not this cluster's, or not any more\nhint: `--token-file` names a copy of the file `token` in the state folder of `cofferdam serve`"
    );
    assert_eq!(
        say(&foreign, &[], 2),
        "error: failed to ask the scheduler: HOST:PORT is not safe to talk to: another cluster's scheduler answers there, or somebody in between: the token is for the authority OTHER, who answers shows OWN\nhint: is the address right, and the token that of the scheduler there? `--token-file` names a copy of its file `token`"
    );
    assert_eq!(
        say(secret, &[], 2),
        "error: the token does not say which scheduler it is for, so it could be told to anybody who answers\nhint: copy the file `token` anew from the state folder of `cofferdam serve`; if that was started with `--plaintext`, say `--plaintext` here too"
    );
    let plain = say(&token, &["--plaintext"], 3);
    assert!(
        plain.contains("this scheduler takes encrypted connections only: leave out --plaintext"),
        "{plain}"
    );
    assert!(!plain.contains(secret));
}

#[test]
fn plaintext_is_what_both_sides_say_and_who_says_it_is_warned() {
    let project = Project::new("");
    let (cluster, serving) = Cluster::start_serving("", &["--plaintext"]);
    serving.wait_for("nothing is encrypted: who is on the way reads the token and all values");
    let token = std::fs::read_to_string(cluster.token_file()).expect("there is a token");
    assert!(!token.contains('.'), "nothing vouches for this scheduler");
    let worker = cluster.worker("w", &["--plaintext"]);
    worker.wait_for("joined");
    let list = command(&project, &cluster, &cluster.token_file(), &["workers", "--plaintext"]).output();
    assert!(Ended::from(list.expect("it starts")).expect(0).stdout.contains(" w "));
    // A token that names an authority encrypts.
    let given = project.write_secret("given", &format!("{}.{}", token.trim(), "0".repeat(64)));
    let hide = [(&*cluster.address, "HOST:PORT")];
    assert_eq!(
        said(command(&project, &cluster, &given, &["workers"]), 2, &hide),
        "error: failed to list the workers: HOST:PORT is not safe to talk to: who answers there does not encrypt: its `cofferdam serve` may have been started with `--plaintext`, or it is something else\nhint: is the address right? If it is and there is a tunnel to it, `--plaintext` does without encryption"
    );
    let cut =
        said(command(&project, &cluster, &cluster.token_file(), &["revoke", "w", "--plaintext"]), 3, &hide);
    assert!(cut.contains("nothing is encrypted here, so workers have no certificates"), "{cut}");
    // Encrypted from now on, the same secret in it.
    drop((worker, serving));
    let _serving = cluster.serve_with(&[]);
    let renewed = std::fs::read_to_string(cluster.token_file()).expect("there is a token");
    assert_eq!(renewed.split('.').next(), Some(token.trim()));
    cluster.worker("v", &[]).wait_for("joined");
}

#[test]
fn a_token_is_rotated_while_workers_stay() {
    let project = Project::new("");
    let (cluster, serving) = Cluster::start();
    let old = std::fs::read_to_string(cluster.token_file()).expect("there is a token");
    project.write("old", &old);
    let (old, new) = (project.path().join("old"), cluster.token_file());
    let worker = cluster.worker("w", &[]);
    worker.wait_for("joined");
    let list = |token: &Path| -> Ended {
        command(&project, &cluster, token, &["workers"]).output().expect("it starts").into()
    };
    list(&old).expect(0);
    let rotate = project.command(["token", "rotate", "--state-dir"]).arg(cluster.state()).output();
    Ended::from(rotate.expect("it starts")).expect(0);
    let asked = Instant::now();
    while list(&old).exit == 0 {
        assert!(asked.elapsed() < Duration::from_secs(10), "the old token is taken all the same");
    }
    assert!(list(&old).expect(2).stderr.contains("the token is not this cluster's, or not any more"));
    assert!(list(&new).expect(0).stdout.contains(" w "), "it stays");
    // And comes back by itself: its certificate is good.
    drop(serving);
    worker.wait_for("waiting");
    let _serving = cluster.serve_with(&[]);
    worker.wait_for("joined");
    let nothing = project.command(["token", "rotate", "--state-dir", "elsewhere"]).output();
    let nothing = Ended::from(nothing.expect("it starts")).expect(2).stderr;
    assert!(nothing.contains("there is no token in elsewhere") && nothing.contains("hint: "), "{nothing}");
}

#[test]
fn keys_that_others_can_read_or_that_are_damaged_are_refused_by_name() {
    use std::os::unix::fs::PermissionsExt as _;
    let (cluster, serving) = Cluster::start();
    drop(serving);
    let key = cluster.state().join("authority.pem");
    let path = key.to_str().expect("it is text").to_owned();
    let serve = |hide: &str| {
        let project = Project::new("");
        let mut command = project.command(["serve", "--listen", "127.0.0.1:0", "--state-dir"]);
        command.arg(cluster.state());
        said(command, 3, &[(hide, "KEY")])
    };
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("its mode can be set");
    assert_eq!(
        serve(&path),
        "error: failed to read who may join\n  because: KEY can be read by others than its owner (mode 644)\nhint: if nobody has read it: `chmod 600 KEY`; else remove it, and give every worker and client the token anew"
    );
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("its mode can be set");
    std::fs::write(&key, "no key").expect("it can be written");
    assert_eq!(
        serve(&path),
        "error: failed to read who may join\n  because: failed to read the authority's key in KEY\n  because: it is not a private key with its certificate (PEM)\nhint: restore the file; or remove it, then another authority is made, and every worker and client needs the token anew"
    );
    let text = std::fs::read_to_string(cluster.token_file()).expect("there is a token");
    std::fs::remove_file(&key).expect("it is there");
    let _serving = cluster.serve_with(&[]);
    let renewed = std::fs::read_to_string(cluster.token_file()).expect("there is a token");
    assert_ne!(authority(&text), authority(&renewed));
}

#[test]
fn doctor_says_what_the_host_refuses_the_processes_of_libraries() {
    let project = Project::new("");
    let (exit, asked) = project.json(["doctor"]);
    assert_eq!(exit, 0);
    assert_eq!(asked["wall"], serde_json::json!({ "landlock": true, "seccomp": true }));
    let said = project.run(["doctor"]).expect(0);
    assert_eq!(said.stdout.matches(" refuses ").count(), 2, "{}", said.stdout);
}
