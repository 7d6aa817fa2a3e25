//! The pages in a real browser: each suite of `tests/browser` beside a server of its own, on which nothing has run.

use std::process::Command;

use cofferdam_e2e::ask::joined;
use cofferdam_e2e::served::Served;
use cofferdam_e2e::web::Pages;
use cofferdam_e2e::{Project, naughty, program, workspace};
use serde_json::json;

/// Does all that a suite does with a mouse and keys, and compares it with what the API says. Where it fails, a picture of
/// the page is in the folder with the others.
fn suite(name: &str) {
    suite_of(name, "cofferdam.toml", "text");
}

/// One place in a pool, and one run of a team at once.
const QUEUES: &str = "[pools.limits]\nlicence = 1\n[run_queue]\n\
    tag_concurrency_limits = [{ key = \"team\", value = \"etl\", limit = 1 }]\n";

/// The same of other definitions, with another guest.
fn suite_of(name: &str, definitions: &str, guest: &str) {
    suite_with(name, definitions, guest, "");
}

/// The same of an instance with these settings.
fn suite_with(name: &str, definitions: &str, guest: &str, settings: &str) {
    let folder = workspace().join("tests/browser/project");
    let definitions = std::fs::read_to_string(folder.join(definitions)).expect("the project is there");
    let project = Project::with(&definitions, &[guest]);
    if !settings.is_empty() {
        project.write(".cofferdam/instance.toml", settings);
    }
    let pages = Pages::loaded(&project);
    suite_at(name, &pages, &project, |_| {});
}

fn suite_at(name: &str, pages: &Pages, project: &Project, more: impl FnOnce(&mut Command)) {
    let folder = workspace().join("tests/browser");
    let pictures = workspace().join("target/browser").join(name);
    let mut node = Command::new("node");
    node.arg("run.js").arg(format!("http://{}", pages.address)).arg(project.path()).arg(&pictures).arg(name);
    more(&mut node);
    let ended =
        node.current_dir(&folder).output().expect("node can be started: `cargo xtask setup` installs it");
    let (told, wrong) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "pictures are in {}\n{told}{wrong}", pictures.display());
    assert!(told.contains("fail 0") && !told.contains("pass 0"), "{told}");
}

#[test]
fn j7_an_empty_server_leads_to_a_first_run() {
    suite("first");
}

#[test]
fn what_stands_round_every_page() {
    suite("frame");
}

#[test]
fn the_list_of_runs() {
    suite("runs");
}

#[test]
fn the_page_of_a_run() {
    suite("run");
}

#[test]
fn jobs_and_their_graphs() {
    suite("jobs");
}

#[test]
fn assets_and_what_they_are_made_from() {
    suite_of("assets", "assets.toml", "typed");
}

#[test]
fn i10_schedules_and_sensors() {
    suite("automation");
}

#[test]
fn j4_the_launchpad() {
    suite("launchpad");
}

#[test]
fn home_shows_what_runs_and_what_failed() {
    suite("home");
}

#[test]
fn wrong_definitions() {
    suite("definitions");
}

#[test]
fn h_042_what_strangers_have_written_stays_text() {
    suite("hostile");
}

#[test]
fn c_67_naughty_strings_in_every_field_stay_text() {
    let strings = naughty::strings();
    let project = naughty::project(&strings);
    let pages = Pages::loaded(&project);
    let run = naughty::greeted(&pages, &strings);
    project.write("strings.json", json!(strings).to_string());
    suite_at("naughty", &pages, &project, |node| {
        node.env("RUN", run).env("STRINGS", project.path().join("strings.json"));
    });
}

#[test]
fn every_page_at_every_width_in_light_and_dark() {
    suite("pages");
}

#[test]
fn the_cluster() {
    suite_with("cluster", "cofferdam.toml", "text", QUEUES);
}

#[test]
fn f16_people_with_tokens_and_several_code_locations() {
    let served = Served::start();
    let _worker = joined(served.cluster.worker("w", &[]));
    let [viewer, launcher, operator] =
        ["viewer", "launcher", "operator"].map(|role| served.token(role, &["--role", role]));
    let tokens = json!({ "viewer": viewer, "launcher": launcher, "operator": operator });
    let state = served.cluster.state();
    let revoke = format!("{} token revoke viewer --state-dir {}", program().display(), state.display());
    suite_at("signin", &served.pages, &served.folder, |node| {
        node.env("COFFERDAM_TOKENS", tokens.to_string()).env("COFFERDAM_REVOKE", revoke);
    });
}

#[test]
fn what_the_pages_compute_is_right() {
    let mut npm = Command::new("npm");
    let ended = npm.args(["run", "--silent", "test"]).current_dir(workspace().join("host/web/ui")).output();
    let ended = ended.expect("npm can be started: `cargo xtask setup` needs it");
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{told}{}", String::from_utf8_lossy(&ended.stderr));
}
