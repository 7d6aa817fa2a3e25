//! Writes the results of a run into a folder: the outputs that no other step reads, under readable names.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use cofferdam_io::Stores;
use cofferdam_model::{ARROW_STREAM, CBOR, Name, Output, Plan, Source, StepIdx, StepKey, ValueRef};
use futures::StreamExt;

use crate::args::Export;
use crate::draft::{self, Draft, FOR_ALL, Force};
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;

/// An output of a run that nothing in the run reads, of one step or of one copy of a mapped step.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) step: StepKey,
    pub(crate) output: Output,
}

/// Outputs of the plan that no step reads: by step and output name.
pub(crate) fn unread(plan: &Plan) -> BTreeSet<(StepIdx, Name)> {
    let mut unread: BTreeSet<(StepIdx, Name)> = BTreeSet::new();
    // Results are what the work itself gives, not what stands beside it.
    for (at, step) in (0u32..).zip(&plan.steps).filter(|(_, step)| step.role.is_op()) {
        unread.extend(step.outputs.iter().map(|output| (StepIdx(at), output.name.clone())));
    }
    for input in plan.steps.iter().flat_map(|step| &step.inputs) {
        let read: Vec<_> = match &input.source {
            Source::Value(_) | Source::Values(_) => vec![],
            Source::Output(from) | Source::Collect(from) => vec![from],
            Source::FanIn(all) => all.iter().collect(),
        };
        for from in read {
            unread.remove(&(from.step, from.output.clone()));
        }
    }
    unread
}

/// Refuses a folder in which results of this plan would replace something, before they are made. What a result is called
/// beyond its step and output is known only then: any ending counts.
pub(crate) fn check(plan: &Plan, asked: &Export) -> Result<()> {
    let Some(folder) = &asked.dir else { return Ok(()) };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.doing(Exit::Usage, format!("export into {}", folder.display()))?,
    };
    if asked.force.force {
        return Ok(());
    }
    let stems = unread(plan).into_iter().map(|(step, output)| (&plan.steps[step.0 as usize].key, output));
    let stems: Vec<_> = stems.collect();
    for entry in entries.filter_map(std::result::Result::ok) {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if stems.iter().any(|(step, output)| may_be_of(&name, step, output)) {
            return Err(draft::is_there(&entry.path()));
        }
    }
    Ok(())
}

/// Whether [`file_name`] may give this name to an output of a step, or of a copy of it.
fn may_be_of(name: &str, step: &StepKey, output: &Name) -> bool {
    let Some(rest) = name.strip_prefix(&step.to_string()) else { return false };
    let rest = after_key(rest);
    let rest = if *output == Name::result() {
        Some(rest)
    } else {
        rest.strip_prefix('.').and_then(|rest| rest.strip_prefix(output.as_str()))
    };
    let ending = rest.and_then(|rest| after_key(rest).strip_prefix('.'));
    ending.is_some_and(|ending| !ending.contains('.'))
}

/// What follows a mapping key in brackets, if there is one.
fn after_key(text: &str) -> &str {
    let end = text.starts_with('[').then(|| text.rfind(']')).flatten();
    end.map_or(text, |end| &text[end + 1..])
}

/// Writes each result, or none if one would replace something without leave; gives the paths.
pub(crate) async fn export(
    results: &[Found],
    values: &Stores,
    folder: &Path,
    force: Force,
) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).doing(Exit::Usage, format!("make the folder {}", folder.display()))?;
    let paths: Vec<PathBuf> = results.iter().map(|found| folder.join(file_name(found))).collect();
    for path in &paths {
        draft::check(path, force)?;
    }
    for (found, path) in results.iter().zip(&paths) {
        write(&found.output.value, values, Draft::of(path, FOR_ALL, force)?).await?;
    }
    Ok(paths)
}

/// `report.chart.svg`, `clean[m01].table.arrows`; the default output's name is left out.
fn file_name(found: &Found) -> String {
    let mut name = found.step.to_string();
    if found.output.name != Name::result() {
        name.push_str(&format!(".{}", found.output.name));
    }
    if let Some(key) = &found.output.key {
        name.push_str(&format!("[{key}]"));
    }
    format!("{name}.{}", extension(&found.output.value.media_type))
}

fn extension(media_type: &str) -> &str {
    match media_type {
        // Structured values are exported as JSON, which people and their tools can read.
        CBOR | "application/json" => "json",
        ARROW_STREAM => "arrows",
        "text/csv" => "csv",
        "text/html" => "html",
        "text/markdown" => "md",
        "image/svg+xml" => "svg",
        "image/png" => "png",
        media_type if media_type.starts_with("text/") => "txt",
        _ => "bin",
    }
}

async fn write(value: &ValueRef, values: &Stores, mut draft: Draft) -> Result<()> {
    if value.media_type == CBOR {
        let bytes = read_whole(value, values).await?;
        let json = to_json(&bytes)
            .map_err(|why| Failed::new(Exit::Internal, format!("failed to write a value as JSON: {why}")))?;
        draft.write(|file| file.write_all(&json))?;
    } else {
        let mut chunks = values.get(value).await.doing(Exit::Internal, "read a value")?;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.doing(Exit::Internal, "read a value")?;
            draft.write(|file| file.write_all(&chunk))?;
        }
    }
    draft.finish()
}

async fn read_whole(value: &ValueRef, values: &Stores) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    let mut chunks = values.get(value).await.doing(Exit::Internal, "read a value")?;
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk.doing(Exit::Internal, "read a value")?);
    }
    Ok(bytes)
}

fn to_json(cbor: &[u8]) -> std::result::Result<Vec<u8>, String> {
    let value = cofferdam_model::cbor::to_json(cbor)?;
    let mut json = serde_json::to_vec_pretty(&value).map_err(|error| error.to_string())?;
    json.push(b'\n');
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_get_readable_names() {
        let name = |step: &str, output: &str, media_type: &str| {
            let value = ValueRef::inline(media_type, vec![]);
            let output = Output { name: Name::new(output).unwrap(), key: None, value, metadata: vec![] };
            file_name(&Found { step: StepKey::new(step), output })
        };
        assert_eq!(name("report", "chart", "image/svg+xml"), "report.chart.svg");
        assert_eq!(name("clean[m01]", "result", CBOR), "clean[m01].json");
        assert_eq!(name("a", "b", "application/x-unheard-of"), "a.b.bin");
    }

    #[test]
    fn a_result_is_told_by_its_name_before_its_ending_is_known() {
        let may_be = |name: &str, step: &str, output: &str| {
            may_be_of(name, &StepKey::new(step), &Name::new(output).unwrap())
        };
        assert!(may_be("sum.json", "sum", "result") && may_be("sum.csv", "sum", "result"));
        assert!(
            may_be("sum[a].json", "sum", "result") && may_be("outer.sum[a][b].json", "outer.sum", "result")
        );
        assert!(may_be("sum.each[n0].bin", "sum", "each") && may_be("sum[a].each.bin", "sum", "each"));
        for other in ["sums.json", "sum", "sum.each.json", "outer.sum.json", "sum[a.json"] {
            assert!(!may_be(other, "sum", "result"), "{other}");
        }
    }

    #[test]
    fn cbor_becomes_json() {
        assert_eq!(to_json(&[0xa1, 0x61, b'a', 0x01]).unwrap(), b"{\n  \"a\": 1\n}\n");
        assert!(to_json(&[0xff]).is_err());
    }
}
