//! Values between hosts that have no folder in common: large ones, and what the processes between hold of them.

use std::path::Path;
use std::process::Command;

use cofferdam_e2e::ask::joined;
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::{Ended, Project};

const MIB: u64 = 1024 * 1024;
/// Memory of the guests: an eighth of the value.
const GUEST_MIB: u64 = 32;
/// What no process may exceed, far below the value: code, buffers of a few parts, and the guest.
const PEAK_MIB: u64 = 160;

/// A value that one worker makes and two others read. Each step asks for what one worker has.
fn job(bytes: u64) -> String {
    let mut text = format!(
        "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n\
         [jobs.j.steps.make]\nop = \"typed.flood\"\nconfig = {{ bytes = {bytes} }}\n\
         limits = {{ memory = \"{GUEST_MIB}MiB\", output = \"100GiB\" }}\nresources = {{ A = 1 }}\n"
    );
    for (name, at) in [("one", "B"), ("two", "C")] {
        text += &format!(
            "[jobs.j.steps.{name}]\nop = \"typed.weigh\"\ninputs.file = \"make\"\n\
             limits = {{ memory = \"{GUEST_MIB}MiB\" }}\nresources = {{ {at} = 1 }}\n"
        );
    }
    text
}

fn run(project: &Project, cluster: &Cluster, args: &[&str]) -> Ended {
    let mut command: Command = project.command(args);
    command.args(["--cluster", &cluster.address, "--token-file"]).arg(cluster.token_file());
    command.output().expect("the program can be started").into()
}

/// The most memory that a process has had, and each of its children, in MiB.
fn peaks(process: u32) -> Vec<u64> {
    let field = |id: u32, name: &str| -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let mut found = vec![field(process, "VmHWM:").expect("it runs") / 1024];
    for entry in std::fs::read_dir("/proc").expect("there is /proc") {
        let name = entry.expect("it can be read").file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        if field(id, "PPid:") == Some(u64::from(process)) {
            found.extend(field(id, "VmHWM:").map(|kib| kib / 1024));
        }
    }
    found
}

fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
    entries
        .map(|entry| entry.expect("it can be read").path())
        .map(|path| if path.is_dir() { bytes_below(&path) } else { size(&path) })
        .sum()
}

/// 256 MiB, or as many bytes as `COFFERDAM_TEST_LARGE_BYTES` says.
#[test]
fn e6_a_value_larger_than_any_process_may_hold_goes_from_host_to_host() {
    let given = std::env::var("COFFERDAM_TEST_LARGE_BYTES").ok();
    let bytes = given.map_or(256 * MIB, |text| text.parse().expect("a number of bytes"));
    let project = Project::new(&job(bytes));
    let (cluster, serving) = Cluster::start();
    let workers =
        ["A", "B", "C"].map(|name| joined(cluster.worker(name, &["--resources", &format!("{name}=1")])));
    run(&project, &cluster, &["run", "j", "--export", "out"]).expect(0);
    for name in ["one", "two"] {
        assert_eq!(project.read(&format!("out/{name}.json")).trim(), bytes.to_string());
    }
    for process in workers.iter().chain([&serving]) {
        let peaks = peaks(process.id());
        eprintln!("peaks of {}: {peaks:?} MiB", process.id());
        assert!(
            peaks.iter().all(|peak| *peak < PEAK_MIB),
            "{peaks:?} MiB for a value of {} MiB",
            bytes / MIB
        );
    }
    for name in ["A", "B", "C"] {
        assert!(bytes_below(&cluster.local_directory(name)) >= bytes, "each keeps what it made or read");
    }
}

#[test]
fn k10_a_worker_keeps_its_folder_within_its_budget() {
    let project = Project::new(&job(10 * MIB));
    let (cluster, _serving) = Cluster::start();
    let _workers = ["A", "B", "C"].map(|name| {
        joined(cluster.worker(name, &["--resources", &format!("{name}=1"), "--cache-bytes", "15MiB"]))
    });
    for _ in 0..3 {
        run(&project, &cluster, &["run", "j"]).expect(0);
    }
    for name in ["A", "B", "C"] {
        let kept = bytes_below(&cluster.local_directory(name).join("objects-0"));
        assert!((10 * MIB..=15 * MIB).contains(&kept), "{kept}");
    }
    let larger = Project::new(&job(20 * MIB));
    let full = run(&larger, &cluster, &["run", "j"]).expect(10);
    assert!(full.stdout.contains("no space is left") && full.stdout.contains("--cache-bytes"), "{full:#?}");
}
