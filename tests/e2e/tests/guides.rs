//! The guides, done as they say.

use cofferdam_e2e::network::{alone, loopback};
use cofferdam_e2e::pages::Page;
use cofferdam_e2e::{Project, guest, workspace};

/// Lines of a guide, so that it stays one page.
const LINES_MAX: usize = 120;
/// The guide whose blocks are Rust: they are doc tests of the crate that it is about.
const DOC_TEST: &str = "definitions-from-rust";

/// Does all that a guide says; its ops are built already.
fn follow(name: &str) {
    let path = workspace().join("host/guides").join(format!("{name}.md"));
    let project = Project::with("", &[]);
    project.write("lib/tutorial.wasm", std::fs::read(guest("tutorial_ops")).expect("the ops are built"));
    let built = |text: &str| {
        let text = text.replace("crate = \"ops\"", "wasm = \"lib/tutorial.wasm\"");
        text.replace("crate = \"../ops\"", "wasm = \"../lib/tutorial.wasm\"")
    };
    Page::follow(&path, project, built);
}

/// The guides, each with a test of its own so that they run side by side.
macro_rules! guides {
    ($($test:ident: $name:literal,)*) => {
        const GUIDES: &[&str] = &[$($name),*];
        $(
            #[test]
            fn $test() {
                follow($name);
            }
        )*
    };
}

guides! {
    the_guide_to_wiring_is_true: "wire-a-job",
    the_guide_to_graphs_is_true: "graphs-and-hooks",
    the_guide_to_configuring_is_true: "configure-a-run",
    the_guide_to_config_of_graphs_is_true: "config-of-graphs-and-jobs",
    the_guide_to_resources_is_true: "resources-and-environments",
    the_guide_to_values_is_true: "where-values-go",
    the_guide_to_failures_is_true: "when-a-step-fails",
    the_guide_to_testing_is_true: "test-a-job",
    the_guide_to_skipping_is_true: "skip-what-is-unchanged",
    the_guide_to_selecting_is_true: "select-a-part",
    the_guide_to_assets_is_true: "assets",
    the_guide_to_partitions_is_true: "partitions",
    the_guide_to_carrying_libraries_is_true: "carry-libraries",
    the_guide_for_who_comes_from_dagster_is_true: "coming-from-dagster",
    the_guide_for_who_comes_from_dask_is_true: "coming-from-dask",
}

/// The guides whose processes listen where the program listens by default, so nobody else may.
const CLUSTER: &str = "a-cluster";
const OTHERS: &str = "let-others-run";
const WATCH: &str = "watch-a-cluster";
const ROLL_OUT: &str = "roll-out-and-back";
const WAIT: &str = "wait";
const SERVED: &str = "serve-for-others";
const ALERTS: &str = "alerts";
/// What it starts in the background ends with its network.
const AUTOMATION: &str = "schedules-and-sensors";

#[test]
fn the_guide_to_serving_for_others_is_true() {
    alone("the_guide_to_serving_for_others_is_true", || {
        loopback();
        follow(SERVED);
    });
}

#[test]
fn the_guide_to_schedules_and_sensors_is_true() {
    alone("the_guide_to_schedules_and_sensors_is_true", || {
        loopback();
        follow(AUTOMATION);
    });
}

#[test]
fn the_guide_to_alerts_is_true() {
    alone("the_guide_to_alerts_is_true", || {
        loopback();
        follow(ALERTS);
    });
}

#[test]
fn the_guide_to_clusters_is_true() {
    alone("the_guide_to_clusters_is_true", || {
        loopback();
        follow(CLUSTER);
    });
}

#[test]
fn the_guide_to_letting_others_run_is_true() {
    alone("the_guide_to_letting_others_run_is_true", || {
        loopback();
        follow(OTHERS);
    });
}

#[test]
fn the_guide_to_watching_is_true() {
    alone("the_guide_to_watching_is_true", || {
        loopback();
        follow(WATCH);
    });
}

#[test]
fn the_guide_to_waits_is_true() {
    alone("the_guide_to_waits_is_true", || {
        loopback();
        follow(WAIT);
    });
}

#[test]
fn the_guide_to_rolling_out_is_true() {
    alone("the_guide_to_rolling_out_is_true", || {
        loopback();
        follow(ROLL_OUT);
    });
}

#[test]
fn every_guide_is_followed_is_one_page_and_is_listed() {
    let folder = workspace().join("host/guides");
    let list = std::fs::read_to_string(folder.join("README.md")).expect("the list of guides");
    let mut found = vec![];
    for entry in folder.read_dir().expect("the guides are there") {
        let path = entry.expect("it can be read").path();
        let page = std::fs::read_to_string(&path).expect("a guide is text");
        assert!(page.lines().count() <= LINES_MAX, "{} is longer than {LINES_MAX} lines", path.display());
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        if name != "README" {
            assert!(list.contains(&format!("({name}.md)")), "{name} is not in the list");
            found.push(name);
        }
    }
    found.sort();
    let mut followed =
        [GUIDES, &[DOC_TEST, CLUSTER, OTHERS, WATCH, WAIT, ROLL_OUT, AUTOMATION, SERVED, ALERTS]].concat();
    followed.sort_unstable();
    assert_eq!(found, followed);
    let builder = workspace().join("host/model/src/builder/mod.rs");
    let builder = std::fs::read_to_string(builder).expect("the builder is there");
    assert!(builder.contains(&format!("include_str!(\"../../../guides/{DOC_TEST}.md\")")));
}
