//! The guides, done as they say: the files that a guide shows are written into an empty folder, its commands are run
//! there with the real program, and what it says they print is what they print.

use std::process::{Command, Stdio};

use cofferdam_e2e::look::text;
use cofferdam_e2e::network::{alone, loopback};
use cofferdam_e2e::{Project, guest, program, workspace};

/// Lines of a guide, so that it stays one page.
const LINES_MAX: usize = 120;
/// The guide whose blocks are Rust: they are doc tests of the crate that it is about.
const DOC_TEST: &str = "definitions-from-rust";
/// Stands for the id of the newest run in commands.
const RUN: &str = "RUN";
/// Stands for any text within a line of output.
const ANYTHING: char = '…';

/// A fenced block: its language, what else its first line says, its content.
struct Block<'a> {
    language: &'a str,
    rest: &'a str,
    content: &'a str,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut found = vec![];
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("\n```") {
        let (first, after) = after.split_once('\n').expect("a fence ends its line");
        let (content, after) = after.split_once("```").expect("a block is closed");
        let (language, what) = first.split_once(' ').unwrap_or((first, ""));
        found.push(Block { language, rest: what, content });
        rest = after;
    }
    found
}

/// Does all that a guide says.
fn follow(name: &str) {
    let path = workspace().join("host/guides").join(format!("{name}.md"));
    let page = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let project = Project::with("", &[]);
    project.write("lib/tutorial.wasm", std::fs::read(guest("tutorial_ops")).expect("the ops are built"));
    let mut n_commands = 0;
    for block in blocks(&page) {
        match block.language {
            "console" => n_commands += run_all(&project, name, block.content),
            _ => write(&project, block.rest, block.content),
        }
    }
    assert!(n_commands > 0, "{name} has commands");
}

/// Writes a file, or more of it. Its ops are built already.
fn write(project: &Project, what: &str, content: &str) {
    let content = content.replace("crate = \"ops\"", "wasm = \"lib/tutorial.wasm\"");
    match what.split_once(' ') {
        Some((path, "+")) => project.write(path, project.read(path) + &content),
        None if !what.is_empty() => project.write(what, content),
        _ => panic!("`{what}` names no file"),
    }
}

/// Runs the commands of a block, each with the lines below it; how many there were.
fn run_all(project: &Project, guide: &str, block: &str) -> usize {
    let mut n_commands = 0;
    for part in block.split("$ ").skip(1) {
        let (command, expected) = part.split_once('\n').expect("a command ends its line");
        let printed = run(project, guide, command);
        let mut lines = printed.lines();
        for line in expected.lines() {
            assert!(
                lines.any(|printed| is_like(printed.trim_end(), line)),
                "{guide}: `{command}` does not print `{line}`, or not in this place, but\n{printed}"
            );
        }
        n_commands += 1;
    }
    n_commands
}

/// What a command prints, on both streams.
fn run(project: &Project, guide: &str, command: &str) -> String {
    let command = if command.contains(RUN) {
        let (_, runs) = project.json(["runs", "--limit", "1"]);
        command.replace(RUN, text(&runs["runs"][0], "run"))
    } else {
        command.to_owned()
    };
    let folder = program().canonicalize().expect("the program is there");
    let folder = folder.parent().expect("a program is in a folder");
    let path = std::env::var("PATH").expect("there is a PATH");
    let ended = Command::new("bash")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .current_dir(project.path())
        .stdin(Stdio::null())
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .output()
        .expect("bash is there");
    let printed = String::from_utf8(ended.stdout).expect("text");
    assert!(ended.status.success(), "{guide}: `{command}` ends with {}:\n{printed}", ended.status);
    printed
}

/// Whether a line is the expected one, of which parts may stand for anything.
fn is_like(line: &str, expected: &str) -> bool {
    let Some((start, rest)) = expected.split_once(ANYTHING) else { return line == expected };
    let Some(line) = line.strip_prefix(start) else { return false };
    line.char_indices().map(|(at, _)| at).chain([line.len()]).any(|at| is_like(&line[at..], rest))
}

#[test]
fn parts_of_a_line_may_stand_for_anything() {
    assert!(is_like("succeeded in 8 ms: 2 steps", "succeeded in …: 2 steps"));
    assert!(is_like("8 ms", "…") && is_like("a b c", "a…c") && is_like("abc", "abc…"));
    assert!(!is_like("failed in 8 ms: 2 steps", "succeeded in …") && !is_like("a", "a…b"));
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
    the_guide_to_skipping_is_true: "skip-what-is-unchanged",
    the_guide_to_selecting_is_true: "select-a-part",
    the_guide_to_assets_is_true: "assets",
    the_guide_to_partitions_is_true: "partitions",
}

/// The guide whose processes listen where the program listens by default, so nobody else may.
const CLUSTER: &str = "a-cluster";

#[test]
fn the_guide_to_clusters_is_true() {
    alone("the_guide_to_clusters_is_true", || {
        loopback();
        follow(CLUSTER);
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
    let mut followed = [GUIDES, &[DOC_TEST, CLUSTER]].concat();
    followed.sort_unstable();
    assert_eq!(found, followed);
    let builder = workspace().join("host/model/src/builder/mod.rs");
    let builder = std::fs::read_to_string(builder).expect("the builder is there");
    assert!(builder.contains(&format!("include_str!(\"../../../guides/{DOC_TEST}.md\")")));
}
