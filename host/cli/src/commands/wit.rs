//! `cofferdam wit diff`: what changed between two contracts.

use std::path::{Path, PathBuf};

use cofferdam_contract::{Change, Effect, World, compare_libraries, compare_worlds, is_compatible};
use cofferdam_model::LibrarySpec;
use serde_json::json;

use crate::args::Global;
use crate::commands::library;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::output::{CYAN, GREEN, Output, RED, printable};

/// One of the two that are compared.
enum Contract {
    World(World),
    Library(LibrarySpec),
}

pub(crate) async fn diff(old: &str, new: &str, global: &Global, output: Output) -> Result<Exit> {
    let (was, is) = (read(old, global, output).await?, read(new, global, output).await?);
    let changes = match (&was, &is) {
        (Contract::World(was), Contract::World(is)) => compare_worlds(was, is),
        (Contract::Library(was), Contract::Library(is)) => compare_libraries(was, is),
        _ => {
            return Err(Failed::usage("a world and a library cannot be compared")
                .hint("give two components, or two folders with WIT"));
        }
    };
    let compatible = is_compatible(&changes);
    if output.json {
        output.document("cofferdam.wit-diff/v1", json!({ "compatible": compatible, "changes": changes }))?;
    } else {
        output.answer(&text(&changes, compatible))?;
    }
    Ok(if compatible { Exit::Ok } else { Exit::Invalid })
}

fn text(changes: &[Change], compatible: bool) -> String {
    let line = |change: &Change| {
        let what = printable(&change.what);
        match change.effect {
            Effect::Breaks => format!("{RED}breaks{RED:#}   {what}"),
            Effect::Adds => format!("{GREEN}adds{GREEN:#}     {what}"),
            Effect::Relaxes => format!("{CYAN}relaxes{CYAN:#}  {what}"),
        }
    };
    let verdict = match (changes.is_empty(), compatible) {
        (true, _) => "no difference",
        (false, true) => "compatible",
        (false, false) => "not compatible",
    };
    changes.iter().map(line).chain([verdict.to_owned()]).collect::<Vec<_>>().join("\n")
}

async fn read(what: &str, global: &Global, output: Output) -> Result<Contract> {
    let path = Path::new(what);
    let is_wit = path.extension().is_some_and(|extension| extension == "wit");
    if !path.is_dir() && !is_wit {
        return library::describe(what, global, output).await.map(Contract::Library);
    }
    let mut paths: Vec<PathBuf> = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path).doing(Exit::Invalid, format!("list {what}"))?;
        paths = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "wit"));
        paths.sort();
    }
    let file = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).doing(Exit::Invalid, format!("read {}", path.display()))?;
        Ok((path.display().to_string(), text))
    };
    let files = paths.into_iter().map(file).collect::<Result<Vec<_>>>()?;
    let world = World::read(&files).map_err(|error| {
        Failed::invalid(format!("there is no world in {what}"))
            .because(&error)
            .hint("give the folder of one WIT package with one world, or a component")
    })?;
    Ok(Contract::World(world))
}
