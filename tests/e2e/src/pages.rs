//! Pages of documentation, done as they say: the files that a page shows are written into an empty folder, its commands
//! are run there with the real program, and what it says they print is what they print.
//!
//! The first line of a fenced block says what it is: `console` has commands, each after `$ `, with lines that they print;
//! any other language is followed by the path of the file that it is, and by ` +` where it is more of that file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::look::text;
use crate::{Project, program};

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

/// A page that is being followed.
#[derive(Debug)]
pub struct Page {
    pub project: Project,
    name: String,
    /// Where its commands are run and its files are written: where its last `cd` went.
    folder: PathBuf,
    path: OsString,
}

impl Page {
    /// Follows a page; `adapt` changes what it writes into files.
    pub fn follow(path: &Path, project: Project, adapt: fn(&str) -> String) -> Page {
        let others = std::env::var_os("PATH").expect("there is a PATH");
        Page::follow_with(path, project, &others, adapt)
    }

    /// The same, with this `PATH` for its commands.
    pub fn follow_with(
        path: &Path,
        project: Project,
        programs: &OsString,
        adapt: fn(&str) -> String,
    ) -> Page {
        let content =
            std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let own = program().canonicalize().expect("the program is there");
        let own = own.parent().expect("a program is in a folder").to_owned();
        let all = std::iter::once(own).chain(std::env::split_paths(programs));
        let mut page = Page {
            name: path.display().to_string(),
            folder: project.path().to_owned(),
            path: std::env::join_paths(all).expect("no colon in a name"),
            project,
        };
        let mut n_commands = 0;
        for block in blocks(&content) {
            match block.language {
                "console" => n_commands += page.run_all(block.content),
                _ => page.write(block.rest, &adapt(block.content)),
            }
        }
        assert!(n_commands > 0, "{} has commands", page.name);
        page
    }

    /// Writes a file, or more of it.
    fn write(&self, what: &str, content: &str) {
        let (path, before) = match what.split_once(' ') {
            Some((path, "+")) => (self.folder.join(path), std::fs::read_to_string(self.folder.join(path))),
            None if !what.is_empty() => (self.folder.join(what), Ok(String::new())),
            _ => panic!("{}: `{what}` names no file", self.name),
        };
        let before = before.unwrap_or_else(|error| panic!("{}: {what}: {error}", self.name));
        std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder can be made");
        std::fs::write(path, before + content).expect("a file can be written");
    }

    /// Runs the commands of a block, each with the lines below it; how many there were.
    fn run_all(&mut self, block: &str) -> usize {
        let mut n_commands = 0;
        for part in block.split("$ ").skip(1) {
            let (command, expected) = part.split_once('\n').expect("a command ends its line");
            n_commands += 1;
            if let Some(folder) = command.strip_prefix("cd ").filter(|rest| !rest.contains(' ')) {
                self.folder.push(folder);
                continue;
            }
            let printed = self.run(command);
            let mut lines = printed.lines();
            for line in expected.lines() {
                assert!(
                    lines.any(|printed| is_like(printed.trim_end(), line)),
                    "{}: `{command}` does not print `{line}`, or not in this place, but\n{printed}",
                    self.name
                );
            }
        }
        n_commands
    }

    /// What a command prints, on both streams. It must end well.
    pub fn run(&self, command: &str) -> String {
        let command = if command.contains(RUN) {
            let (_, runs) = self.project.json(["runs", "--limit", "1"]);
            command.replace(RUN, text(&runs["runs"][0], "run"))
        } else {
            command.to_owned()
        };
        let ended = Command::new("bash")
            .args(["-c", &format!("exec 2>&1; {command}")])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .env("PATH", &self.path)
            .env("COFFERDAM", crate::workspace())
            // Of Rust: kept between test runs, because most of the time goes into the dependencies.
            .env("CARGO_TARGET_DIR", crate::workspace().join("target/new-project"))
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .output()
            .expect("bash is there");
        let printed = String::from_utf8(ended.stdout).expect("text");
        assert!(ended.status.success(), "{}: `{command}` ends with {}:\n{printed}", self.name, ended.status);
        printed
    }
}

/// Whether a line is the expected one, of which parts may stand for anything.
fn is_like(line: &str, expected: &str) -> bool {
    let Some((start, rest)) = expected.split_once(ANYTHING) else { return line == expected };
    let Some(line) = line.strip_prefix(start) else { return false };
    line.char_indices().map(|(at, _)| at).chain([line.len()]).any(|at| is_like(&line[at..], rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_line_may_stand_for_anything() {
        assert!(is_like("succeeded in 8 ms: 2 steps", "succeeded in …: 2 steps"));
        assert!(is_like("8 ms", "…") && is_like("a b c", "a…c") && is_like("abc", "abc…"));
        assert!(!is_like("failed in 8 ms: 2 steps", "succeeded in …") && !is_like("a", "a…b"));
    }
}
