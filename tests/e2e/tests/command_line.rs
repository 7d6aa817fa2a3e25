//! Rows of the bad-input table that are about the command line: strange arguments, strange surroundings, servers that are
//! none.

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cofferdam_e2e::ask::{beside, command, events, joined, json, until};
use cofferdam_e2e::cluster::{Cluster, Process};
use cofferdam_e2e::look::{steps_of_type, text};
use cofferdam_e2e::{Ended, Project, program};

/// What a person waits for an answer that does not come.
const ANSWER_MAX: Duration = Duration::from_secs(6);

fn cofferdam<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ended {
    let ended = Command::new(program()).args(args).env("NO_COLOR", "1").stdin(Stdio::null()).output();
    let ended: Ended = ended.expect("the program can be started").into();
    assert!(!ended.stderr.contains("panicked"), "{ended:#?}");
    ended
}

fn numbers() -> Project {
    Project::new(
        "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n[jobs.j.steps.numbers]\nop = \"typed.numbers\"\nconfig = { n = 3 }\n",
    )
}

#[test]
fn c_02_flags_that_are_wrong_are_named_with_what_they_take() {
    for slots in ["-1", "0", "1025", "1e99", "\u{663}", "0x10", ""] {
        let ended = cofferdam(["worker", "--slots", slots]).expect(2);
        let named = ended.stderr.contains("--slots <N>") && ended.stderr.contains("from 1 to 1024");
        assert!(named, "{slots}: {ended:#?}");
    }
    for (args, said) in [
        (&["worker", "--slots", "1", "--slots", "2"][..], "cannot be used multiple times"),
        (&["worker", "--slots"], "a value is required for '--slots <N>'"),
        (&["worker", "--slot", "2"], "a similar argument exists: '--slots'"),
        (&["runs", "--limit", "99999999999999999999"], "--limit"),
    ] {
        let ended = cofferdam(args).expect(2);
        assert!(ended.stderr.contains(said), "{ended:#?}");
    }
}

#[test]
fn c_03_arguments_of_any_bytes_and_any_length_are_refused_in_words() {
    let project = numbers();
    for args in
        [&[OsStr::new("run"), OsStr::from_bytes(b"\xff\xfe")], &[OsStr::from_bytes(b"\x80"), OsStr::new("j")]]
    {
        let ended = project.run(args.iter().copied());
        assert!([2, 3].contains(&ended.exit) && ended.stderr.starts_with("error"), "{ended:#?}");
    }
    let long = "x".repeat(128 * 1024 - 1);
    let ended = project.run(["run", &long]);
    assert!([2, 3].contains(&ended.exit), "{}", ended.exit);
    assert!(ended.stderr.len() < 8192, "it is not said back: {} bytes", ended.stderr.len());
    let ended = project.run(["run", "--", "-j"]);
    assert!([2, 3].contains(&ended.exit) && ended.stderr.contains("-j"), "{ended:#?}");
}

#[test]
fn c_04_who_reads_no_more_ends_it_quietly_and_a_full_disk_does_not() {
    let project = numbers();
    let shell = |line: &str| -> Ended {
        let line = line.replace("cofferdam", &program().display().to_string());
        let ended = Command::new("bash").args(["-c", &line]).current_dir(project.path()).output();
        ended.expect("bash is there").into()
    };
    let quiet = shell("set -o pipefail; cofferdam exit-codes | head -1").expect(0);
    assert_eq!(quiet.stderr, "");
    shell("cofferdam run j 2>&-").expect(0);
    shell("cofferdam runs >&- 2>&-");
    if cfg!(target_os = "linux") {
        let full = shell("cofferdam exit-codes > /dev/full");
        assert!(full.exit != 0 && full.stderr.contains("No space left"), "{full:#?}");
    }
}

#[test]
fn c_05_it_works_without_a_home_a_terminal_or_a_locale_and_at_any_width() {
    let project = numbers();
    for (name, value) in [
        ("COLUMNS", "0"),
        ("COLUMNS", "1"),
        ("COLUMNS", "10"),
        ("COLUMNS", "1000000"),
        ("COLUMNS", "wide"),
        ("TERM", "dumb"),
    ] {
        let ended: Ended = project.command(["run", "j"]).env(name, value).output().expect("it starts").into();
        let ended = ended.expect(0);
        assert!(ended.stdout.contains("succeeded"), "{name}={value}: {ended:#?}");
    }
    let bare: Ended = project.command(["runs"]).env_clear().output().expect("it starts").into();
    assert!(bare.expect(0).stdout.contains("succeeded"));
    let home: Ended = project.command(["runs"]).env("HOME", "/proc/none").output().expect("it starts").into();
    home.expect(0);
}

#[test]
fn c_06_an_interrupt_cancels_and_a_second_one_ends_at_once_and_says_that_the_run_goes_on() {
    let project = Project::new(
        "[libraries.behaviours]\nwasm = \"lib/behaviours.wasm\"\n[jobs.j.steps.s]\nop = \"behaviours.spin\"\n",
    );
    let (cluster, _serving) = Cluster::start();
    let worker = joined(cluster.worker("w", &[]));
    let mut waiting = Process::start_as_is(&mut command(&project, &cluster, &["run", "j"]));
    until("it runs", || !steps_of_type(&events(&project, &cluster, None), "step_started").is_empty());
    let signal = |name: &str, id: u32| {
        let sent = Command::new("kill").args([name, &id.to_string()]).status().expect("kill can be run");
        assert!(sent.success());
    };
    // Its step cannot end.
    signal("-STOP", worker.id());
    signal("-INT", waiting.id());
    waiting.wait_for("cancelling");
    signal("-INT", waiting.id());
    let asked = Instant::now();
    assert_eq!(waiting.wait(), Some(130));
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    signal("-CONT", worker.id());
    until("the cluster ends it", || json(&project, &cluster, &["show"])["status"] == "cancelled");
}

/// Answers every connection with these bytes, or with nothing for ever.
fn server(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || {
        let mut held = vec![];
        for mut stream in listener.incoming().map_while(Result::ok) {
            if answer.is_empty() {
                held.push(stream);
                continue;
            }
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer);
        }
    });
    address
}

#[test]
fn c_07_what_is_no_scheduler_is_said_to_be_none_in_five_seconds() {
    let project = numbers();
    let (cluster, _serving) = Cluster::start();
    let plain = Cluster::start_serving("", &["--plaintext"]);
    let closed = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .to_string();
    let page = server(
        b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n<h1>Oops</h1>",
    );
    let silent = server(b"");
    let ask = |address: &str, token: &Cluster, more: &[&str]| -> Ended {
        let mut command = project.command(["runs", "--cluster", address, "--token-file"]);
        let asked = Instant::now();
        let ended: Ended = command.arg(token.token_file()).args(more).output().expect("it starts").into();
        assert!(asked.elapsed() < ANSWER_MAX, "{:?}: {ended:#?}", asked.elapsed());
        let said = ended.stderr.contains("hint: ") || ended.stderr.contains("leave out --plaintext");
        assert!(ended.exit != 0 && said, "{ended:#?}");
        ended
    };
    for address in [&closed, &page, &silent] {
        ask(address, &plain.0, &["--plaintext"]).expect(5);
    }
    for address in [&closed, &silent] {
        ask(address, &cluster, &[]).expect(5);
    }
    assert!(ask(&page, &cluster, &[]).expect(2).stderr.contains("does not encrypt"));
    let plainly = ask(&cluster.address, &plain.0, &["--plaintext"]);
    assert!(plainly.stderr.contains("leave out --plaintext"), "{plainly:#?}");
    ask(&plain.0.address, &cluster, &[]);
    let unknown = ask("no.such.host.invalid:4040", &cluster, &[]).expect(5);
    assert!(unknown.stderr.contains("no.such.host.invalid:4040 cannot be reached"), "{unknown:#?}");
}

#[test]
fn c_09_a_library_that_is_no_plain_file_is_refused_and_never_waited_for() {
    let project = Project::new("");
    let at = |name: &str| project.path().join("lib").join(name);
    std::fs::create_dir(at("folder.wasm")).expect("a folder can be made");
    assert!(Command::new("mkfifo").arg(at("pipe.wasm")).status().expect("mkfifo is there").success());
    std::os::unix::fs::symlink("b.wasm", at("a.wasm")).expect("a link can be made");
    std::os::unix::fs::symlink("a.wasm", at("b.wasm")).expect("a link can be made");
    std::os::unix::fs::symlink("/dev/zero", at("device.wasm")).expect("a link can be made");
    let huge = std::fs::File::create(at("huge.wasm")).expect("a file can be made");
    huge.set_len(5 << 30).expect("it can be that long");
    for (name, said) in [
        ("none", "No such file"),
        ("folder", "it is not a file"),
        ("pipe", "it is not a file"),
        ("a", "Too many levels of symbolic links"),
        ("device", "it is not a file"),
        ("huge", "it has 5368709120 bytes, 67108864 are allowed"),
    ] {
        project.write("cofferdam.toml", format!("[libraries.l]\nwasm = \"lib/{name}.wasm\"\n"));
        let asked = Instant::now();
        let ended = project.run(["check"]).expect(3);
        assert!(
            ended.stderr.contains(said) && ended.stderr.contains(&format!("lib/{name}.wasm")),
            "{ended:#?}"
        );
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    }
}

#[test]
fn c_10_a_file_is_replaced_by_force_only_and_a_place_where_none_can_be_is_said_before_the_work() {
    let project = numbers();
    let result = "out/numbers.each[n0].json";
    project.run(["run", "j", "--export", "out"]).expect(0);
    assert_eq!(project.read(result).trim(), "0");
    project.write(result, "of its owner");
    let n_runs = || project.json(["runs"]).1["runs"].as_array().map(Vec::len);
    for asked in
        [&["run", "j", "--export", "out"][..], &["rerun", "--export", "out"], &["show", "--export", "out"]]
    {
        let ended = project.run(asked).expect(2);
        assert!(ended.stderr.contains("[n") && ended.stderr.contains("is there already"), "{ended:#?}");
        assert!(ended.stderr.contains("`--force` replaces"), "{ended:#?}");
        assert_eq!((n_runs(), project.read(result).as_str()), (Some(1), "of its owner"), "{asked:?}");
    }
    project.run(["run", "j", "--export", "other"]).expect(0);
    project.run(["run", "j", "--export", "out", "--force"]).expect(0);
    assert_eq!(project.read(result).trim(), "0");
    let ended = project.run(["run", "j", "--export", "cofferdam.toml"]).expect(2);
    assert!(ended.stderr.contains("cofferdam.toml"), "{ended:#?}");
    assert_eq!(n_runs(), Some(3));

    let run = project.json(["show"]).1["run"].as_str().expect("an id").to_owned();
    for command in [&["runs", "export", &run][..], &["library", "bundle"]] {
        project.write("taken", "of its owner");
        let put = |file: &str, more: &[&str]| project.run([command, &[file], more].concat());
        for (file, said) in [
            ("taken", "taken is there already"),
            ("lib", "lib is a folder"),
            ("none/file", "the folder none is not there"),
            ("cofferdam.toml/file", "the folder cofferdam.toml is no folder"),
        ] {
            let ended = put(file, &[]).expect(2);
            assert!(ended.stderr.contains(said) && ended.stderr.contains("hint"), "{file}: {ended:#?}");
        }
        assert_eq!(project.read("taken"), "of its owner");
        put("taken", &["--force"]).expect(0);
        assert_ne!(std::fs::read(project.path().join("taken")).expect("it is there"), b"of its owner");
        put("lib", &["--force"]).expect(2);
    }
    project.run(["library", "unbundle", "taken", "lib"]).expect(2);
    project.run(["library", "unbundle", "taken", "lib", "--force"]).expect(0);
    let names =
        std::fs::read_dir(project.path()).expect("it is there").flatten().map(|entry| entry.file_name());
    let mut names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
    names.sort();
    assert_eq!(
        names,
        [".cofferdam", "cofferdam.toml", "lib", "other", "out", "taken"],
        "no half file is left"
    );
}

#[test]
fn c_11_a_token_is_no_argument() {
    let ended = cofferdam(["run", "--token", "0123456789"]).expect(2);
    assert!(ended.stderr.contains("a similar argument exists: '--token-file'"), "{ended:#?}");
    assert!(!ended.stderr.contains("0123456789"), "{ended:#?}");
}

#[test]
fn c_12_a_port_that_is_taken_and_a_state_that_is_in_use_are_named_and_a_kill_leaves_no_lock() {
    let (cluster, mut serving) = Cluster::start();
    let other = tempfile::tempdir().expect("a temporary folder can be made");
    let state = other.path().display().to_string();
    let ended = cofferdam(["serve", "--listen", &cluster.address, "--state-dir", &state]).expect(5);
    assert!(ended.stderr.contains(&cluster.address) && ended.stderr.contains("in use"), "{ended:#?}");
    let same = cluster.state().display().to_string();
    let ended = cofferdam(["serve", "--listen", "127.0.0.1:0", "--state-dir", &same]).expect(5);
    assert!(ended.stderr.contains("in use by another cofferdam process"), "{ended:#?}");
    serving.kill();
    let _serving = cluster.serve_with(&[]);
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is this one's");
}

#[test]
fn c_25_a_secret_that_others_can_read_and_a_state_that_they_can_write_are_not_used() {
    let (cluster, mut serving) = Cluster::start();
    serving.kill();
    let state = cluster.state();
    let folder = state.display().to_string();
    let serve = || cofferdam(["serve", "--listen", "127.0.0.1:0", "--state-dir", &folder]);
    beside(&numbers(), &cluster, &["token", "create", "ci", "--role", "viewer"]).expect(0);
    for name in ["authority.pem", "token", "api-tokens.json"] {
        let path = state.join(name);
        for (open, said) in [(0o644, "mode 644"), (0o660, "mode 660")] {
            mode(&path, open);
            let ended = serve().expect(3);
            assert!(ended.stderr.contains(name) && ended.stderr.contains(said), "{ended:#?}");
            assert!(ended.stderr.contains("`chmod 600 "), "{ended:#?}");
        }
        mode(&path, 0o600);
        // Only the administrator can give a file away.
        if std::os::unix::fs::chown(&path, Some(12_345), None).is_ok() {
            let ended = serve().expect(3);
            let said = format!("{name} belongs to another user (number 12345)");
            assert!(ended.stderr.contains(&said) && ended.stderr.contains("`chown`"), "{ended:#?}");
            std::os::unix::fs::chown(&path, Some(0), None).expect("it can be taken back");
        }
    }
    mode(&state, 0o777);
    let ended = serve().expect(3);
    assert!(ended.stderr.contains("everybody can write into the state folder"), "{ended:#?}");
    assert!(ended.stderr.contains("(mode 777)") && ended.stderr.contains("`chmod 700 "), "{ended:#?}");
    mode(&state, 0o700);
    let settings = state.join("instance.toml");
    std::fs::write(&settings, "[run_log]\npostgres = \"postgres://me:hunter2@db.invalid/runs\"\n")
        .expect("it can be written");
    let ended = serve().expect(3);
    assert!(ended.stderr.contains("holds a password, which stands here in clear"), "{ended:#?}");
    assert!(!ended.stderr.contains("hunter2"), "{ended:#?}");
    std::fs::remove_file(settings).expect("it is there");

    let _serving = cluster.serve_with(&[]);
    let project = numbers();
    std::fs::copy(cluster.token_file(), project.path().join("copy")).expect("it can be carried");
    for (permissions, is_told) in [(0o644, true), (0o600, false)] {
        mode(&project.path().join("copy"), permissions);
        let ended = project.run(["runs", "--cluster", &cluster.address, "--token-file", "copy"]).expect(0);
        let told = "can be read by others than its owner (mode 644); a secret is its owner's alone: `chmod 600 copy`";
        assert_eq!(ended.stderr.contains(told), is_told, "{ended:#?}");
    }
    project.run(["run", "j"]).expect(0);
    mode(&project.path().join(".cofferdam"), 0o777);
    let ended = project.run(["run", "j"]).expect(3);
    assert!(ended.stderr.contains("everybody can write into the state folder"), "{ended:#?}");
}

#[test]
fn c_71_the_environment_neither_redirects_what_goes_out_nor_tells_a_secret() {
    let project = Project::with(
        &format!(
            "[libraries.resources]\nwasm = \"lib/resources.wasm\"\n[resources.web]\nkind = \"http\"\nbase_url = \"http://{}/\"\n\
             headers = {{ authorization = {{ env = \"WEB_TOKEN\" }} }}\n\
             [jobs.j.steps.s]\nop = \"resources.fetch\"\nbind = {{ api = \"web\" }}\ninputs.path = {{ value = \"x\" }}\n",
            server(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nhere")
        ),
        &["resources"],
    );
    let proxy = format!(
        "http://{}",
        server(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nproxy")
    );
    let mut command = project.command(["run", "j", "--export", "out", "--json"]);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"] {
        command.env(name, &proxy);
    }
    command.env("RUST_LOG", "trace").env("COFFERDAM_LOG", "trace").env("RUST_BACKTRACE", "full");
    let ended: Ended = command.env("WEB_TOKEN", "hunter2-and-more").output().expect("it starts").into();
    let ended = ended.expect(0);
    assert_eq!(project.result("s"), "200 here");
    assert!(!format!("{}{}", ended.stdout, ended.stderr).contains("hunter2"), "a trace tells it");
    let run: serde_json::Value = serde_json::from_str(&ended.stdout).expect("one document");
    assert_eq!(text(&run, "status"), "succeeded");
}
