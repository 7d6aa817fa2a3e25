//! Writes the results of a run into a folder: the outputs that no other step reads, under readable names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cofferdam_io::Stores;
use cofferdam_model::{ARROW_STREAM, CBOR, Name, Output, Plan, Source, StepIdx, StepKey, ValueRef};
use futures::StreamExt;
use tokio::io::AsyncWriteExt;

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

/// Writes each result; gives the paths. A file that is there already is replaced, whole or not at all.
pub(crate) async fn export(results: &[Found], values: &Stores, folder: &Path) -> Result<Vec<PathBuf>> {
    tokio::fs::create_dir_all(folder)
        .await
        .doing(Exit::Internal, format!("make the folder {}", folder.display()))?;
    let mut paths = vec![];
    for found in results {
        let path = folder.join(file_name(found));
        write(&found.output.value, values, &path).await?;
        paths.push(path);
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

async fn write(value: &ValueRef, values: &Stores, path: &Path) -> Result<()> {
    let doing = || format!("write {}", path.display());
    let part = path.with_added_extension("part");
    let mut file = tokio::fs::File::create(&part).await.doing(Exit::Internal, doing())?;
    if value.media_type == CBOR {
        let bytes = read_whole(value, values).await?;
        let json = to_json(&bytes)
            .map_err(|why| Failed::new(Exit::Internal, format!("failed to {}: {why}", doing())))?;
        file.write_all(&json).await.doing(Exit::Internal, doing())?;
    } else {
        let mut chunks = values.get(value).await.doing(Exit::Internal, "read a value")?;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.doing(Exit::Internal, doing())?;
            file.write_all(&chunk).await.doing(Exit::Internal, doing())?;
        }
    }
    file.flush().await.doing(Exit::Internal, doing())?;
    tokio::fs::rename(&part, path).await.doing(Exit::Internal, doing())
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
    fn cbor_becomes_json() {
        assert_eq!(to_json(&[0xa1, 0x61, b'a', 0x01]).unwrap(), b"{\n  \"a\": 1\n}\n");
        assert!(to_json(&[0xff]).is_err());
    }
}
