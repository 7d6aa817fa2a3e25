//! What lies where, and how source files look.

use crate::rows;
use crate::shell::Failure;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What the root holds, besides dotfiles.
const TOP_LEVEL: [&str; 9] =
    ["Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "examples", "guest-sdk", "host", "tests", "wit"];
/// Made by tools, not part of the project.
const PRODUCTS: [&str; 2] = ["target", "node_modules"];
/// Past it a file has a second subject.
const LINES_MAX: usize = 800;
const MEASURED: [&str; 4] = ["rs", "wit", "md", "toml"];
/// The crate that loads compiled code; the SDK's file of generated bindings, which cannot do without; and the guests
/// that misbehave on purpose: wild pointers are what some are for, and they run in the sandbox only.
const UNSAFE_HOMES: [&str; 4] =
    ["host/sandbox/", "guest-sdk/rust/src/guest.rs", "tests/guests/", "host/cell/tests/wall.rs"];

pub(super) fn check(root: &Path) -> Result<Vec<String>, Failure> {
    let ids = rows::ids(root)?;
    let mut findings = top_level(&names(root)?);
    let mut files = Vec::new();
    for folder in ["host", "guest-sdk", "examples", "tests", "wit"] {
        walk(&root.join(folder), &mut files)?;
    }
    for file in files {
        let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if !MEASURED.contains(&extension) {
            continue;
        }
        let text = fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        findings.extend(check_file(&name, &text, &ids));
    }
    Ok(findings)
}

fn top_level(names: &[String]) -> Vec<String> {
    let extra = names.iter().filter(|name| {
        !name.starts_with('.') && !PRODUCTS.contains(&name.as_str()) && !TOP_LEVEL.contains(&name.as_str())
    });
    let mut findings: Vec<String> = extra
        .map(|name| format!("`{name}` does not belong at the top level: move it into one of its folders"))
        .collect();
    let missing = TOP_LEVEL.iter().filter(|name| !names.iter().any(|found| found == *name));
    findings.extend(missing.map(|name| format!("`{name}` is missing at the top level")));
    findings
}

fn check_file(name: &str, text: &str, ids: &BTreeSet<String>) -> Vec<String> {
    let mut findings = Vec::new();
    let n_lines = text.lines().count();
    if n_lines > LINES_MAX {
        findings.push(format!("{name}: {n_lines} lines, at most {LINES_MAX}: move a subject out"));
    }
    if !name.ends_with(".rs") {
        return findings;
    }
    if !text.starts_with("//!") {
        findings.push(format!("{name}:1: open the file with `//!` saying what it owns"));
    }
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or(line);
        if !UNSAFE_HOMES.iter().any(|home| name.starts_with(home)) && is_unsafe(code) {
            findings.push(format!("{name}:{}: unsafe code lives in {} only", number + 1, UNSAFE_HOMES[0]));
        }
        let Some(id) = function_name(code).and_then(rows::id_of) else { continue };
        if !ids.contains(&id) {
            findings.push(format!("{name}:{}: no row {id} in tests/rows.toml", number + 1));
        }
    }
    findings
}

/// Whether a line has the keyword in one of the places where it permits something. The word alone, as in a name or
/// a text, does not count.
fn is_unsafe(code: &str) -> bool {
    let mut rest = code;
    while let Some(at) = rest.find("unsafe") {
        let before = rest[..at].chars().next_back();
        let after = &rest[at + "unsafe".len()..];
        let starts_word = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '"' || c == '`');
        let opens = ["{", "fn ", "impl ", "extern ", "trait ", "("];
        if starts_word
            && (opens.iter().any(|open| after.trim_start().starts_with(open)) || after.starts_with("_code"))
        {
            // Denying it is what the workspace does; only letting it in counts.
            return !after.starts_with("_code") || code.contains("allow(") || code.contains("expect(");
        }
        rest = after;
    }
    false
}

fn function_name(code: &str) -> Option<&str> {
    let rest = code.trim_start();
    let rest = rest.strip_prefix("async ").unwrap_or(rest).strip_prefix("fn ")?;
    rest.split(['(', '<']).next()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for name in names(folder)? {
        if name.starts_with('.') || PRODUCTS.contains(&name.as_str()) {
            continue;
        }
        let path = folder.join(name);
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn names(folder: &Path) -> Result<Vec<String>, Failure> {
    let entries = folder.read_dir().map_err(|error| unreadable(folder, &error))?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Step(format!("failed to read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(name: &str, text: &str) -> Vec<String> {
        check_file(name, text, &BTreeSet::from(["A8".to_owned()]))
    }

    #[test]
    fn a_tidy_file_has_no_findings() {
        let text = "//! Owns x.\n#[test]\nfn a8_fans_out() {} // unsafe { }\nfn is_unsafe(code: &str) {}\n";
        assert_eq!(findings("host/x/src/lib.rs", text), Vec::<String>::new());
    }

    #[test]
    fn each_thing_that_is_not_tidy_is_found_with_its_line() {
        let keyword = "unsafe";
        let text = format!("fn a9_x() {{}}\nlet x = {keyword} {{ y }};\n#![allow({keyword}_code)]\n");
        let found = findings("host/x/src/lib.rs", &text);
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(found[0].contains(":1: open the file") && found[1].contains("no row A9"), "{found:#?}");
        assert!(found[2].contains(":2: unsafe") && found[3].contains(":3: unsafe"), "{found:#?}");
    }

    #[test]
    fn of_the_host_the_sandbox_alone_may_be_unsafe() {
        let text = format!("//! x\n{} fn y() {{}}\n", "unsafe");
        assert_eq!(findings("host/sandbox/src/lib.rs", &text).len(), 0);
        assert_eq!(findings("host/sandboxed/src/lib.rs", &text).len(), 1);
    }

    #[test]
    fn a_file_with_too_many_lines_is_found() {
        assert_eq!(findings("wit/x.wit", &"\n".repeat(LINES_MAX)).len(), 0);
        assert_eq!(findings("wit/x.wit", &"\n".repeat(LINES_MAX + 1)).len(), 1);
    }

    #[test]
    fn the_top_level_holds_what_it_should_and_nothing_else() {
        let mut names: Vec<String> = TOP_LEVEL.iter().map(|name| name.to_string()).collect();
        names.extend([".git".to_owned(), "target".to_owned()]);
        assert_eq!(top_level(&names), Vec::<String>::new());
        names.retain(|name| name != "wit");
        names.push("scripts".into());
        assert_eq!(top_level(&names).len(), 2);
    }
}
