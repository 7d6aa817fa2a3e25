//! `cofferdam asset partitions`: what partitions there are; dynamic sets grow and shrink here.

use cofferdam_assets::check_key;
use cofferdam_model::{Name, PartitionsKind, nearest};
use serde_json::json;

use super::known::{Known, status_word};
use super::{Change, Keys, Partitions};
use crate::args::{At, Global};
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::output::{DIM, Output, printable};
use crate::project::Project;

pub(super) async fn run(args: &Partitions, global: &Global, output: Output) -> Result<()> {
    match (&args.change, &args.key) {
        (Some(Change::Add(keys)), _) => change(keys, true, &keys.at, global, output).await,
        (Some(Change::Remove(keys)), _) => change(keys, false, &keys.at, global, output).await,
        (None, key) => list(key.as_deref().unwrap_or_default(), &args.at, global, output).await,
    }
}

async fn list(key: &str, at: &At, global: &Global, output: Output) -> Result<()> {
    let mut known = Known::open(at, global, output).await?;
    let asset = known.find(key)?;
    known.compare_code(global, output).await?;
    if known.graph.maker_of(asset).partitions.is_none() {
        return Err(Failed::usage(format!("the asset `{key}` has no partitions"))
            .hint(format!("`cofferdam asset show {key}` shows it")));
    }
    let extent = known.extent(asset);
    let judge = known.judge();
    let partitions = extent.all();
    let rows = partitions.iter().filter_map(|at| Some((extent.key(at)?, judge.staleness(asset, at))));
    if output.json {
        let rows: Vec<_> = rows
            .map(|(key, found)| {
                let causes: Vec<String> = found.causes.iter().map(ToString::to_string).collect();
                json!({ "partition": key, "status": status_word(found.status), "causes": causes })
            })
            .collect();
        return output.document("cofferdam.partitions/v1", json!({ "asset": key, "partitions": rows }));
    }
    let lines: Vec<String> = rows
        .map(|(key, found)| {
            let causes: Vec<String> = found.causes.iter().map(ToString::to_string).collect();
            let line = format!("{:<8}{}", status_word(found.status), printable(&key));
            if causes.is_empty() { line } else { format!("{line}  {DIM}{}{DIM:#}", causes.join("; ")) }
        })
        .collect();
    if lines.is_empty() {
        output.say(&format!("`{key}` has no partitions yet"));
    }
    output.answer(&lines.join("\n"))
}

async fn change(keys: &Keys, add: bool, at: &At, global: &Global, output: Output) -> Result<()> {
    let project = Project::open_at(at, global, output)?;
    let set = dynamic_set(&project, &keys.set)?;
    for key in &keys.keys {
        check_key(key).map_err(|error| {
            Failed::usage(format!("`{}` is no partition key", printable(key))).because(&error)
        })?;
    }
    let log = project.site.log_to_change().await?;
    let (catalog, given) = (log.catalog(), keys.keys.clone());
    let changed = if add {
        catalog.add_partitions(set.to_string(), given).await
    } else {
        catalog.remove_partitions(set.to_string(), given).await
    };
    let n = changed.doing(Exit::Unreachable, format!("change the partitions `{set}`"))?;
    let all = catalog.partitions(set.to_string()).await.doing(Exit::Unreachable, "read the run log")?;
    if output.json {
        let document = json!({ "set": set, "changed": n, "partitions": all });
        return output.document("cofferdam.partition_set/v1", document);
    }
    let unchanged = keys.keys.len() as u64 - n.min(keys.keys.len() as u64);
    let (done, rest) = if add { ("added", "there already") } else { ("removed", "not there") };
    let rest = if unchanged > 0 { format!(", {unchanged} {rest}") } else { String::new() };
    output.answer(&format!("{n} {done}{rest}; `{set}` has {} now", all.len()))
}

/// The set of that name, which must be dynamic.
fn dynamic_set(project: &Project, asked: &str) -> Result<Name> {
    let sets = &project.definitions.partitions;
    let dynamic = || sets.iter().filter(|(_, def)| matches!(def.kind.value, PartitionsKind::Dynamic));
    let found = sets.iter().find(|(name, _)| name.as_str() == asked.replace('-', "_"));
    match found {
        Some((name, def)) if matches!(def.kind.value, PartitionsKind::Dynamic) => Ok(name.clone()),
        Some((name, _)) => Err(Failed::usage(format!("the partitions `{name}` are not dynamic"))
            .hint("what is in them follows from cofferdam.toml; change it there")),
        None => {
            let failed = Failed::usage(format!("there is no table `[partitions.{asked}]`"));
            let names = || dynamic().map(|(name, _)| name.as_str());
            Err(match (nearest(asked, names()), names().next()) {
                (Some(near), _) => failed.hint(format!("did you mean `{near}`?")),
                (None, Some(_)) => {
                    failed.hint(format!("dynamic ones: {}", names().collect::<Vec<_>>().join(", ")))
                }
                (None, None) => {
                    failed.hint(format!("add one: [partitions.{asked}] with `kind = \"dynamic\"`"))
                }
            })
        }
    }
}
