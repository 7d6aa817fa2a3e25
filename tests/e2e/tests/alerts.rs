//! Alerts, through the real program: what is told, to whom, how often it is tried, and that nothing of it is lost.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cofferdam_crash::ALERTS;
use cofferdam_e2e::ask::{beside, detach, gate, joined, n_at_the_gate, run, until};
use cofferdam_e2e::cluster::{Cluster, Process};
use cofferdam_e2e::exposition::{Exposition, exposed};
use cofferdam_e2e::look::text;
use cofferdam_e2e::{Ended, Project};
use ring::hmac;
use serde_json::{Value, json};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Part of the address of the receiver, which is a secret too where it stands in a variable.
const PATH: &str = "/services/T0PSECRETPATH";

const JOBS: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"

[jobs.good.steps.numbers]
op = "typed.numbers"
config = { n = 1 }
[jobs.bad.steps.load]
op = "typed.refuse"
[jobs.other.steps.load]
op = "typed.refuse"
"#;

/// A request that was received.
#[derive(Debug, Clone)]
struct Received {
    head: BTreeMap<String, String>,
    first: String,
    body: String,
}

impl Received {
    fn document(&self) -> Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }

    fn id(&self) -> &str {
        &self.head["webhook-id"]
    }

    /// Fails unless it is signed with the secret, now.
    fn check(&self) {
        let key = BASE64.decode(SECRET.trim_start_matches("whsec_")).expect("the secret is base64");
        let at = &self.head["webhook-timestamp"];
        let signature = self.head["webhook-signature"].strip_prefix("v1,").expect("a version");
        let signature = BASE64.decode(signature).expect("base64");
        let signed = format!("{}.{at}.{}", self.id(), self.body);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        hmac::verify(&key, signed.as_bytes(), &signature).expect("it is signed");
        let age = std::time::UNIX_EPOCH.elapsed().expect("it is after 1970").as_secs()
            - at.parse::<u64>().expect("seconds");
        assert!(age < 60, "it was signed {age} s ago");
    }
}

/// Who is told: answers with these, the last of them from then on.
struct Receiver {
    received: Arc<Mutex<Vec<Received>>>,
    port: u16,
}

impl Receiver {
    fn start(answers: &'static [&'static str]) -> Receiver {
        Receiver::at(TcpListener::bind("127.0.0.1:0").expect("a port is free"), answers)
    }

    fn at(listener: TcpListener, answers: &'static [&'static str]) -> Receiver {
        let port = listener.local_addr().expect("it listens").port();
        let received = Arc::new(Mutex::new(vec![]));
        let all = received.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(request) = read(&stream) else { continue };
                let mut all = all.lock().expect("nobody panics while holding it");
                let answer = answers[all.len().min(answers.len() - 1)];
                all.push(request);
                drop(all);
                let _ =
                    write!(&stream, "HTTP/1.1 {answer}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            }
        });
        Receiver { received, port }
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().expect("nobody panics while holding it").clone()
    }

    fn wait_for(&self, n: usize) -> Vec<Received> {
        until("it is told", || self.received().len() >= n);
        self.received()
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }
}

fn read(stream: &TcpStream) -> Option<Received> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut head = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        head.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; head.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Received { head, first: first.trim_end().to_owned(), body: String::from_utf8(body).ok()? })
}

/// Tells of failed runs of the job `bad`.
const RULE: &str = "[alerts.nightly]\non = \"run_failed\"\njobs = [\"bad\"]\nto = [\"ops\"]\n";
const HOOK: &str =
    "[alert_targets.ops]\nwebhook = { env = \"OPS_HOOK\" }\nsecret = { env = \"OPS_SECRET\" }\n";

fn variables(receiver: &Receiver) -> Vec<(&'static str, String)> {
    vec![("OPS_HOOK", receiver.url()), ("OPS_SECRET", SECRET.to_owned())]
}

fn deliveries(project: &Project, cluster: &Cluster) -> Vec<Value> {
    let told = beside(project, cluster, &["alerts", "--json"]).expect(0);
    let told: Value = serde_json::from_str(&told.stdout).expect("one document");
    told["deliveries"].as_array().expect("a list").clone()
}

fn state(project: &Project, cluster: &Cluster) -> String {
    deliveries(project, cluster)
        .first()
        .map(|one| text(&one["state"], "state").to_owned())
        .unwrap_or_default()
}

/// All that a process has said, once it has ended.
fn said(mut process: Process) -> String {
    process.kill();
    process.rest().join("\n")
}

#[test]
fn h11_a_run_that_fails_is_told_by_a_signed_webhook_that_is_sent_until_it_is_taken() {
    let receiver = Receiver::start(&["500 No", "302 Found\r\nlocation: /elsewhere", "500 No", "204 Yes"]);
    let project = Project::with(JOBS, &["typed"]);
    let (cluster, serving) =
        Cluster::begin(&format!("{RULE}{HOOK}"), &["-vv", "--metrics", "127.0.0.1:0"], &variables(&receiver));
    let metrics = exposed(&serving);
    let _worker = joined(cluster.worker("w", &[]));
    run(&project, &cluster, &["run", "good"]).expect(0);
    run(&project, &cluster, &["run", "other"]).expect(10);
    let id = detach(&project, &cluster, &["bad"]);
    let received = receiver.wait_for(4);
    let first = &received[0];
    for one in &received {
        one.check();
        assert_eq!(
            (one.first.as_str(), one.id(), &one.body),
            (format!("POST {PATH} HTTP/1.1").as_str(), first.id(), &first.body)
        );
        assert_eq!(one.head["content-type"], "application/json");
    }
    let told = first.document();
    assert_eq!((&told["type"], &told["data"]["rule"]), (&json!("run_failed"), &json!("nightly")));
    assert_eq!((&told["data"]["run"], &told["data"]["job"]), (&json!(id), &json!("bad")));
    let why = format!("run {id} of `bad` failed: load: the input is wrong, and it stays wrong");
    assert_eq!(told["data"]["text"], why);

    until("it is noted", || state(&project, &cluster) == "sent");
    let all = deliveries(&project, &cluster);
    let [delivery] = &all[..] else { panic!("one was to be told of: {all:#?}") };
    assert_eq!((&delivery["attempts"], &delivery["id"]), (&json!(4), &json!(first.id())));
    let counts = Exposition::of(&metrics);
    assert_eq!(counts.get("cofferdam_alert_attempts_total{outcome=\"failed\"}"), 3.0);
    assert_eq!(counts.get("cofferdam_alert_attempts_total{outcome=\"sent\"}"), 1.0);

    let listed = beside(&project, &cluster, &["alerts"]).expect(0).stdout;
    for said in ["nightly  run_failed  jobs bad", "ops     webhook  $OPS_HOOK", "sent "] {
        assert!(listed.contains(said), "{said}: {listed}");
    }
    let log = said(serving);
    assert!(
        log.contains("it answered 500") && log.contains("it answered 302, and a redirect is not followed"),
        "{log}"
    );
    for secret in [&SECRET[6..], "T0PSECRETPATH"] {
        assert!(!log.contains(secret) && !listed.contains(secret), "{log}");
        let kept = std::fs::read(cluster.state().join("runlog.sqlite")).expect("the run log is there");
        assert!(!kept.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
}

#[test]
fn h11_a_scheduler_that_ends_anywhere_between_an_event_and_its_alert_loses_none() {
    for point in ALERTS {
        let receiver = Receiver::start(&["200 OK"]);
        let project = Project::with(JOBS, &["typed"]);
        let (cluster, mut serving) = Cluster::begin(&format!("{RULE}{HOOK}"), &[], &variables(&receiver));
        let _worker = joined(cluster.worker("w", &[]));
        serving.kill();
        let doomed = cluster.serve_until(point);
        doomed.wait_for("serving at ");
        detach(&project, &cluster, &["bad"]);
        doomed.crashed();
        let n_before = receiver.received().len();
        assert_eq!(n_before, usize::from(*point == "alert.sent"), "{point}");
        let _serving = cluster.serve_with(&[]);
        let received = receiver.wait_for(n_before + 1);
        until("it is noted", || state(&project, &cluster) == "sent");
        assert!(
            received.iter().all(|one| one.id() == received[0].id()),
            "{point}: who got it twice can tell"
        );
        assert_eq!(
            (deliveries(&project, &cluster).len(), receiver.received().len()),
            (1, n_before + 1),
            "{point}"
        );
    }
}

#[test]
fn h11_runs_that_wait_steps_workers_checks_and_late_assets_are_told_of() {
    let receiver = Receiver::start(&["200 OK"]);
    let project = Project::with("", &["typed", "resources"]);
    let definitions = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.resources]
wasm = "lib/resources.wasm"
[jobs.bad.steps.numbers]
op = "typed.numbers"
config = { n = 3 }
[jobs.bad.steps.load]
op = "typed.panics"
inputs.number = { map = "numbers.each" }
[jobs.gated.steps.gate]
op = "resources.announce"
bind = { program = "gate" }
inputs.arguments = { value = [] }
[assets.base]
op = "typed.double"
key = "raw/base"
inputs.number = { value = 4 }
[asset_checks.rows]
asset = "raw/base"
op = "resources.has_rows"
inputs.rows = { value = [] }
[asset_jobs.made]
select = "raw/base"
"#;
    project.write("cofferdam.toml", format!("{definitions}{}", gate(&project)));
    let rules = [
        ("waits", "on = \"run_waits\"\nfor = \"1s\"\nnamespaces = [\"default\"]"),
        ("step", "on = \"step_failed\"\ntags = { team = \"etl\" }"),
        ("worker", "on = \"worker_lost\""),
        ("check", "on = \"check_failed\"\nassets = [\"raw/base\"]"),
        ("late", "on = \"asset_late\"\nfor = \"1s\"\nassets = [\"raw/base\", \"never/made\"]"),
        ("cancelled", "on = \"run_cancelled\"\njobs = [\"gated\"]"),
        ("good", "on = \"run_succeeded\"\nnamespaces = [\"elsewhere\"]"),
    ];
    let rules: String =
        rules.map(|(name, rule)| format!("[alerts.{name}]\n{rule}\nto = [\"ops\"]\n")).concat();
    let (cluster, _serving) = Cluster::begin(&format!("{rules}{HOOK}"), &[], &variables(&receiver));

    let told = |n: usize| -> Vec<(String, String)> {
        let all = receiver.wait_for(n);
        let of = |one: &Received| {
            (text(&one.document(), "type").to_owned(), text(&one.document()["data"], "text").to_owned())
        };
        all.iter().map(of).collect()
    };
    let gated = detach(&project, &cluster, &["gated"]);
    let all = told(1);
    assert_eq!(
        all[0],
        (
            "run_waits".to_owned(),
            format!("nothing of run {gated} of `gated` has run for 1 s: `gate`: no worker has joined")
        )
    );

    let mut worker = joined(cluster.worker("doomed", &[]));
    until("the step runs", || n_at_the_gate(&project) == 1);
    worker.kill();
    let (kind, said) = told(2)[1].clone();
    assert_eq!(kind, "worker_lost");
    assert!(said.contains(&format!("was lost; `gate` of run {gated} of `gated` is done again")), "{said}");

    run(&project, &cluster, &["cancel", &gated]).expect(0);
    assert_eq!(told(3)[2], ("run_cancelled".to_owned(), format!("run {gated} of `gated` was cancelled")));

    let _worker = joined(cluster.worker("w", &[]));
    // Three copies fail, for one reason; of a run that has not that tag, nobody wants to hear.
    run(&project, &cluster, &["run", "bad"]).expect(10);
    run(&project, &cluster, &["run", "bad", "--tag", "team=etl"]).expect(10);
    let (kind, said) = told(4)[3].clone();
    assert!(
        kind == "step_failed" && said.contains("step `load[") && said.contains("panicked or aborted"),
        "{said}"
    );

    run(&project, &cluster, &["run", "made"]);
    let mut all = told(6)[4..].to_vec();
    all.sort();
    assert_eq!((all[0].0.as_str(), all[1].0.as_str()), ("asset_late", "check_failed"));
    assert!(all[0].1.starts_with("asset `raw/base` was not made for 1 s; last at 20"), "{all:?}");
    assert!(all[1].1.starts_with("check `rows` failed for asset `raw/base`, in run "), "{all:?}");
    // Each of them once, however often it is looked.
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert_eq!(receiver.received().len(), 6, "{:#?}", receiver.received());
}

/// A server of mail that takes everything; what it was told.
fn mail_server() -> (u16, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it listens").port();
    let heard = Arc::new(Mutex::new(String::new()));
    let all = heard.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = take_mail(&stream, &all);
        }
    });
    (port, heard)
}

fn take_mail(stream: &TcpStream, heard: &Mutex<String>) -> std::io::Result<()> {
    let say = |line: &str| (&mut &*stream).write_all(format!("{line}\r\n").as_bytes());
    say("220 ready")?;
    let mut is_text = false;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        *heard.lock().expect("nobody panics while holding it") += &format!("{line}\n");
        match line.as_str() {
            "." if is_text => {
                is_text = false;
                say("250 taken")?;
            }
            _ if is_text => {}
            "DATA" => {
                is_text = true;
                say("354 go on")?;
            }
            "QUIT" => return say("221 bye"),
            line if line.starts_with("EHLO") => say("250-here\r\n250 AUTH PLAIN")?,
            line if line.starts_with("AUTH") => say("235 welcome")?,
            _ => say("250 so be it")?,
        }
    }
    Ok(())
}

#[test]
fn h11_mail_goes_to_a_server_and_says_what_a_webhook_says() {
    let (port, heard) = mail_server();
    let project = Project::with(JOBS, &["typed"]);
    let settings = format!(
        "{RULE}[alert_targets.ops]\nemail = [\"ops@example.org\"]\nfrom = \"Cofferdam <cofferdam@example.org>\"\nsmtp = \"smtp://127.0.0.1:{port}\"\nuser = \"me\"\npassword = {{ file = \"password\" }}\n"
    );
    project.write(".cofferdam/instance.toml", settings);
    project.write(".cofferdam/password", "hunter2\n");
    let said = project.run(["alerts", "test", "ops"]).expect(0).stdout;
    assert!(said.starts_with("`ops` has taken the trial "), "{said}");
    // What a run in a process of its own leaves is told by whoever serves next.
    project.run(["run", "bad"]).expect(10);
    let served = Process::start_as_is(&mut project.command(["dev", "--listen", "127.0.0.1:0"]));
    let heard = || heard.lock().expect("nobody panics while holding it").clone();
    until("the mail arrives", || heard().contains("alert: run_failed"));
    until("the whole mail arrives", || heard().matches("\n.\n").count() == 2);
    drop(served);
    let heard = heard();
    let mail = heard.split("QUIT").nth(1).or_else(|| heard.split("\n.\n").nth(1)).expect("a second mail");
    let unfolded = mail.replace("=\n", "");
    for said in [
        "MAIL FROM:<cofferdam@example.org>",
        "RCPT TO:<ops@example.org>",
        "To: ops@example.org",
        "Subject: [cofferdam] run ",
        "of `bad` failed",
        "the input is wrong, and it stays wrong",
        "job: bad",
    ] {
        assert!(unfolded.contains(said), "{said}: {heard}");
    }
    let login = BASE64.encode("\0me\0hunter2");
    assert!(heard.contains(&format!("AUTH PLAIN {login}")), "{heard}");
}

#[test]
fn h11_targets_that_cannot_be_used_are_named_before_anything_is_served() {
    let project = Project::with(JOBS, &["typed"]);
    let hook = |url: &str, secret: &str| {
        format!("[alert_targets.ops]\nwebhook = \"{url}\"\nsecret = {{ file = \"{secret}\" }}\n")
    };
    project.write(".cofferdam/good", SECRET);
    project.write(".cofferdam/bad", "T0PSECRET");
    let cases = [
        (
            HOOK.to_owned(),
            "takes the URL of `ops` from `OPS_HOOK`, which is not set",
            "export OPS_HOOK=https://",
        ),
        (
            hook("https://hooks.example", "bad"),
            "its secret is not `whsec_` and 24 to 64 bytes",
            "head -c 32 /dev/urandom",
        ),
        (hook("http://hooks.example", "good"), "others on the way would read it", "write `https://"),
        (hook("https://169.254.169.254", "good"), "a cloud keeps a machine's credentials", ""),
        (RULE.to_owned(), "there is no alert target `ops`", "[alert_targets.ops]"),
    ];
    for (settings, why, way_out) in cases {
        project.write(".cofferdam/instance.toml", settings);
        let ended: Ended = project.run(["serve", "--listen", "127.0.0.1:0"]).expect(3);
        assert!(ended.stderr.contains(why) && ended.stderr.contains(way_out), "{why}: {ended:#?}");
        assert!(!ended.stderr.contains("T0PSECRET") && !ended.stderr.contains("serving"), "{ended:#?}");
    }
    project.write(".cofferdam/instance.toml", hook("https://hooks.example", "good"));
    let unknown = project.run(["alerts", "test", "pager"]).expect(2);
    assert!(
        unknown.stderr.contains("there is no alert target `pager`") && unknown.stderr.contains("known: ops"),
        "{unknown:#?}"
    );
    let silent = Receiver::start(&["403 No"]);
    project.write(".cofferdam/instance.toml", hook(&silent.url(), "good"));
    let refused = project.run(["alerts", "test", "ops"]);
    assert!(
        refused.stderr.contains("`ops` did not take the trial") && refused.stderr.contains("it answered 403"),
        "{refused:#?}"
    );
    assert!(!refused.stderr.contains("T0PSECRETPATH"), "{refused:#?}");
    silent.received()[0].check();
}
