//! What is under host/deploy: units and an image that fit the program, checked without a service manager and without a
//! container engine. And the program as they start it: not root, on a file system that cannot be written.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use cofferdam_e2e::network::{alone, loopback};
use cofferdam_e2e::{Ended, program, workspace};

const UNITS: [&str; 2] = ["cofferdam-serve", "cofferdam-worker"];

fn deploy(path: &str) -> PathBuf {
    workspace().join("host/deploy").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(deploy(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Settings of a unit; each is said once.
fn settings(unit: &str) -> BTreeMap<String, String> {
    let text = read(&format!("systemd/{unit}.service"));
    let mut settings = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with(['#', '[']) && !line.is_empty()) {
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{unit}: `{line}` sets nothing"));
        let before = settings.insert(name.to_owned(), value.to_owned());
        assert_eq!(before, None, "{unit}: {name} is said twice");
    }
    settings
}

/// Every argument of a command line that begins with the program must be one that it knows.
fn check_arguments(line: &str) {
    let mut words = line.split_whitespace().skip(1);
    let role = words.next().expect("a role");
    let help = Command::new(program()).args([role, "--help"]).output().expect("the program can be started");
    let help = Ended::from(help).expect(0).stdout;
    let known: Vec<&str> = help.split([' ', '\n', '=', ',', '[']).collect();
    for flag in words.filter(|word| word.starts_with("--")) {
        assert!(known.contains(&flag), "`{role}` does not know {flag}");
    }
}

fn seconds(settings: &BTreeMap<String, String>, name: &str) -> u64 {
    settings[name].parse().unwrap_or_else(|_| panic!("{name} is in seconds, not {}", settings[name]))
}

#[test]
fn units_fit_the_program_and_leave_it_little() {
    for unit in UNITS {
        let settings = settings(unit);
        check_arguments(&settings["ExecStart"]);
        assert_eq!(settings["User"], "cofferdam", "{unit} is not root");
        let strict = [("ProtectSystem", "strict"), ("NoNewPrivileges", "yes"), ("CapabilityBoundingSet", "")];
        for (name, value) in strict {
            assert_eq!(settings[name], value, "{unit}: {name}");
        }
        // Where there is a systemd, it has the last word.
        if Command::new("systemd-analyze").arg("--version").output().is_ok() {
            verify(unit);
        }
    }
    let worker = settings("cofferdam-worker");
    let (_, drain) = worker["ExecStart"].split_once("--drain-timeout ").expect("it drains");
    let drain: u64 = drain.split(' ').next().and_then(|time| time.parse().ok()).expect("seconds");
    assert!(seconds(&worker, "TimeoutStopSec") > drain, "it is killed before it has drained");
    assert_eq!(worker["KillMode"], "mixed", "its cells are not to be stopped before it has drained");
    assert!(settings("cofferdam-serve")["ExecStart"].contains("--state-dir %S/cofferdam"));
}

/// What the service manager itself says of a unit, with the program where it is.
fn verify(unit: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join(format!("{unit}.service"));
    let program = program().canonicalize().expect("the program is there");
    let text = read(&format!("systemd/{unit}.service"));
    let text = text.replace("/usr/bin/cofferdam", program.to_str().expect("its path is text"));
    std::fs::write(&file, text).expect("a file can be written");
    let verified = Command::new("systemd-analyze").arg("verify").arg(&file).output();
    let verified: Ended = verified.expect("it starts").into();
    assert!(verified.exit == 0 && !verified.stderr.contains(unit), "{verified:#?}");
}

#[test]
fn the_image_is_of_a_fixed_base_not_root_and_starts_what_the_program_knows() {
    let text = read("Containerfile");
    let lines: Vec<(&str, &str)> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split_once(' ').expect("an instruction has arguments"))
        .collect();
    let all = |name: &str| -> Vec<&str> {
        lines.iter().filter(|(instruction, _)| *instruction == name).map(|(_, rest)| *rest).collect()
    };
    for base in all("FROM") {
        let image = base.split(' ').next().expect("an image");
        let (_, tag) = image.split_once(':').unwrap_or_else(|| panic!("{image} has no tag"));
        assert_ne!(tag, "latest");
    }
    let manifest = std::fs::read_to_string(workspace().join("Cargo.toml")).expect("there is one");
    let rust = manifest.split("rust-version = \"").nth(1).and_then(|rest| rest.split('"').next());
    assert!(all("FROM")[0].starts_with(&format!("rust:{}-", rust.expect("it says a version"))));
    let user: u32 = all("USER")[0].split(':').next().and_then(|id| id.parse().ok()).expect("a number");
    assert_ne!(user, 0);
    assert!(all("ADD").is_empty() && all("RUN").iter().all(|run| !run.contains("sudo")));
    assert!(all("RUN")[0].contains("--locked"));
    let words = |json: &str| -> Vec<String> { serde_json::from_str(json).expect("a list of words") };
    assert_eq!(words(all("ENTRYPOINT")[0]), ["/usr/bin/cofferdam"]);
    check_arguments(&[words(all("ENTRYPOINT")[0]), words(all("CMD")[0])].concat().join(" "));
    let help = Command::new(program()).args(["worker", "--help"]).output().expect("it starts");
    let help = Ended::from(help).expect(0).stdout;
    for variable in all("ENV")[0].split(' ') {
        let (name, folder) = variable.split_once('=').expect("a variable has a value");
        assert!(help.contains(name), "{name} means nothing");
        assert!(words(all("VOLUME")[0]).contains(&folder.to_owned()), "{folder} cannot be written");
    }
    assert!(all("EXPOSE")[0] == "4040" && all("STOPSIGNAL")[0] == "SIGTERM");
}

/// As the image has it: nobody in particular, and one folder that can be written.
const SEALED: &str = r#"
set -e
mount --bind "$STATE" /mnt
mount -o remount,ro,bind / /
cd /mnt
# Where the test itself is not root there is no such user to become, and none is needed.
as="setpriv --no-new-privs --bounding-set -all"
if awk '$1 <= 65532 && 65532 < $1 + $3 { found = 1 } END { exit !found }' /proc/self/uid_map; then
    chown 65532:65532 /mnt
    as="$as --reuid 65532 --regid 65532 --clear-groups"
fi
! $as touch /tmp/x 2>/dev/null
$as env -i "$PROGRAM" serve --state-dir /mnt/state > /dev/null 2> /mnt/serve.log &
until grep -q "serving at" /mnt/serve.log; do sleep 0.05; done
$as env -i "$PROGRAM" worker --token-file /mnt/state/token --local-directory /mnt/local > /dev/null 2> /mnt/worker.log &
until grep -q joined /mnt/worker.log; do sleep 0.05; done
$as env -i "$PROGRAM" workers --token-file /mnt/state/token
"#;

/// Shared libraries that the program needs, beside those that every Linux with glibc has.
fn libraries() -> Vec<String> {
    let dynamic = Command::new("readelf").arg("--dynamic").arg(program()).output();
    let dynamic = Ended::from(dynamic.expect("the linker's tools are there")).expect(0).stdout;
    let needed = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
    let of_the_system = ["[libc.so.6]", "[libm.so.6]", "[libgcc_s.so.1]", "[ld-linux"];
    let others = needed.filter(|line| !of_the_system.iter().any(|library| line.contains(library)));
    others.map(str::to_owned).collect()
}

#[test]
fn the_program_needs_no_root_no_library_but_the_systems_and_no_file_system_but_its_folders() {
    alone("the_program_needs_no_root_no_library_but_the_systems_and_no_file_system_but_its_folders", || {
        loopback();
        assert_eq!(libraries(), [""; 0]);
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        // Where anybody can start it.
        let copy = folder.path().join("cofferdam");
        std::fs::copy(program(), &copy).expect("the program can be copied");
        let sealed = Command::new("sh")
            .args(["-c", SEALED])
            .env("STATE", folder.path())
            .env("PROGRAM", "/mnt/cofferdam")
            .output();
        let sealed: Ended = sealed.expect("sh is there").into();
        let log = std::fs::read_to_string(folder.path().join("serve.log")).unwrap_or_default();
        assert!(sealed.exit == 0 && sealed.stdout.contains("WORKER"), "{sealed:#?}\n{log}");
    });
}
