//! The polyglot example: one job in four languages, on two workers that have none of them installed, against figures that
//! were computed without any of its code.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use cofferdam_e2e::ask::{joined, until};
use cofferdam_e2e::cluster::{Cluster, Process};
use cofferdam_e2e::look::step;
use cofferdam_e2e::network::{alone, loopback};
use cofferdam_e2e::{Ended, program, workspace};
use serde_json::Value;

/// Sums of doubles are taken in another order by the example and by who checks it.
const TOLERANCE: f64 = 1e-9;

struct Example<'a> {
    cluster: &'a Cluster,
    state: PathBuf,
}

impl Example<'_> {
    fn run(&self, args: &[&str]) -> Ended {
        let mut command = Command::new(program());
        command
            .arg("-C")
            .arg(workspace().join("examples/polyglot"))
            .arg("--state-dir")
            .arg(&self.state)
            .args(args);
        command.env("CARGO_TARGET_DIR", workspace().join("target/guests-build")).env("NO_COLOR", "1");
        command
            .env("COFFERDAM_CLUSTER", &self.cluster.address)
            .env("COFFERDAM_TOKEN_FILE", self.cluster.token_file());
        command.stdin(Stdio::null()).output().expect("the program can be started").into()
    }

    fn json(&self, args: &[&str]) -> Value {
        let ended = self.run(&[args, &["--json"]].concat());
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error} in {ended:#?}"))
    }

    fn value(&self, run: &str, step: &str) -> Value {
        self.json(&["value", "show", run, step])["value"].clone()
    }
}

/// The root of a host that has nothing: the program, what the system loads it with, and what every container has.
const EMPTY: &str = r#"
set -e
cp "$PROGRAM" cofferdam
for file in $(ldd "$PROGRAM" | grep -o '/[^ ]*'); do mkdir -p ".$(dirname "$file")" && cp -L "$file" ".$file"; done
mkdir proc dev tmp
mount --rbind /proc proc
for device in null urandom; do touch dev/$device && mount --bind /dev/$device dev/$device; done
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /cofferdam worker --scheduler "$SCHEDULER" --token-file /token --local-directory /local
"#;

#[test]
fn d1_a_host_with_an_empty_root_joins_in_mid_run_and_runs_four_languages() {
    let test = "d1_a_host_with_an_empty_root_joins_in_mid_run_and_runs_four_languages";
    alone(test, || {
        loopback();
        let (cluster, _serving) = Cluster::start();
        let example = Example { cluster: &cluster, state: workspace().join("target/polyglot-empty") };
        let run = example.run(&["run", "delays", "--detach", "--json"]).expect(0).stdout;
        let run: Value = serde_json::from_str(&run).expect("one document");
        let id = run["run"].as_str().expect("a run has an id");

        let root = tempfile::tempdir().expect("a temporary folder can be made");
        std::fs::copy(cluster.token_file(), root.path().join("token")).expect("it can be carried there");
        let mut host = Command::new("sh");
        host.args(["-c", EMPTY]).current_dir(root.path());
        host.env("PROGRAM", program()).env("SCHEDULER", &cluster.address);
        let _host = joined(Process::start_as_is(&mut host));
        until("it ends", || example.json(&["show", id])["ended_at"].is_string());
        let run = example.json(&["show", id]);
        assert_eq!(run["status"], "succeeded", "{run:#}");
        let languages = ["parse", "summarize", "density", "page"];
        assert!(languages.iter().all(|name| step(&run, name)["status"] == "succeeded"), "{run:#}");
    });
}

fn near(found: &Value, expected: &Value) -> bool {
    let (found, expected) = (found.as_f64().expect("a number"), expected.as_f64().expect("a number"));
    (found - expected).abs() <= TOLERANCE * expected.abs().max(1.0)
}

#[test]
fn l2_one_job_mixes_four_languages_on_two_workers_and_its_figures_are_right() {
    let (cluster, _serving) = Cluster::start();
    let _workers = ["a", "b"].map(|name| joined(cluster.worker(name, &[])));
    let example = Example { cluster: &cluster, state: workspace().join("target/polyglot") };

    let plan = example.run(&["plan", "delays"]).expect(0).stdout;
    for edge in ["parse.by_airline", "parse.all", "summarize", "density"] {
        assert!(plan.contains(edge), "{plan}");
    }

    let run = example.json(&["run", "delays"]);
    assert_eq!(run["status"], "succeeded", "{run:#}");
    let id = run["run"].as_str().expect("a run has an id");
    let expected = std::fs::read_to_string(workspace().join("examples/polyglot/expected/figures.json"));
    let expected: Value = serde_json::from_str(&expected.expect("it is there")).expect("it is JSON");

    let airlines = example.value(id, "summarize");
    let airlines = airlines.as_array().expect("a list");
    assert_eq!(airlines.len(), expected["airlines"].as_object().expect("an object").len());
    for airline in airlines {
        let figures = &expected["airlines"][airline["carrier"].as_str().expect("a carrier")];
        for figure in ["flights", "mean", "median", "stdev", "late"] {
            assert!(near(&airline[figure], &figures[figure]), "{figure}: {airline} is not {figures}");
        }
    }

    let density = example.value(id, "density");
    let (density, curve) =
        (density.as_array().expect("a list"), expected["density"].as_array().expect("a list"));
    assert_eq!(density.len(), curve.len());
    for (found, point) in density.iter().zip(curve) {
        assert!(near(&found["x"], &point["x"]) && near(&found["y"], &point["y"]), "{found} is not {point}");
    }

    let page = example.run(&["value", "show", id, "page", "--raw"]).expect(0).stdout;
    assert!(page.starts_with("<!doctype html>") && page.contains("<title>Late in January</title>"), "{page}");
    assert!(
        airlines.iter().all(|airline| page.contains(airline["carrier"].as_str().expect("a carrier"))),
        "{page}"
    );
    assert_eq!(page.matches("<tr>").count(), airlines.len() + 1);
}
