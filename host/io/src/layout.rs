//! Readable paths: where a committed value is put so that people and other programs find it, laid out as Dagster's
//! IO managers do (SEMANTICS.md, section 14). Pure; who puts it there is `publish.rs`.
//!
//! ```text
//! outputs   <run>/<step>/<output>[/<mapping key>]                  filesystem
//!           storage/<run>/<step>/<output>[/<mapping key>]          s3; `step[a]` is written `step--a`
//!           storage/<run>/files/<step>/<output>[/<mapping key>]    gcs, azure
//! assets    <key part>/…/<last>[/<partition>]                      dimensions joined by `/`, ordered by their names
//! ```
//!
//! One thing differs: whole segments `..` and `.` are escaped everywhere; Dagster's managers for object stores keep
//! them in partitions, and all its managers keep them in asset keys.

use cofferdam_model::{IoManagerKind, Name, Publication};

/// Folder, below the manager's own, of the bytes themselves. No readable path leads into it.
pub(crate) const OWN_FOLDER: &str = ".cofferdam";

/// Separates the dimensions of the key of a multi-dimensional partition, which come in the order of their names.
const DIMENSIONS: char = '|';

/// Parts of the readable path of a value, below the manager's folder or prefix. Each is a legal file name but for its
/// length: not empty, no `/`, neither `.` nor `..`, no control character.
pub fn readable_path(kind: IoManagerKind, publication: &Publication) -> Vec<String> {
    let mut parts = vec![];
    if let Some((asset, partition)) = &publication.asset {
        asset.parts().iter().for_each(|part| push_segments(&mut parts, part));
        if let Some(partition) = partition {
            // A leading `/` of a later dimension is no start of a path any more.
            push_segments(&mut parts, &partition.replace(DIMENSIONS, "/"));
        }
        return parts;
    }
    let (run, step) = (publication.run.to_string(), publication.step.as_str());
    match kind {
        IoManagerKind::S3 => {
            let step = step.replace('[', "--").replace(']', "");
            parts.extend(["storage".to_owned(), run, step]);
        }
        IoManagerKind::Gcs | IoManagerKind::Azure => {
            parts.extend(["storage".to_owned(), run, "files".to_owned(), step.to_owned()]);
        }
        _ => parts.extend([run, step.to_owned()]),
    }
    parts.push(publication.output.to_string());
    parts.extend(publication.key.as_ref().map(Name::to_string));
    parts
}

/// Appends the segments of one text: a leading `/` is escaped so that the text stays below what is before it.
fn push_segments(parts: &mut Vec<String>, text: &str) {
    let (lead, rest) = match text.strip_prefix('/') {
        Some(rest) => ("%2F", rest),
        None => ("", text),
    };
    let before = parts.len();
    for segment in rest.split('/').filter(|segment| !segment.is_empty()) {
        let lead = if parts.len() == before { lead } else { "" };
        let segment = match segment {
            "." => "%2E".to_owned(),
            ".." => "%2E%2E".to_owned(),
            // Where the manager keeps the bytes themselves.
            OWN_FOLDER if parts.is_empty() => OWN_FOLDER.replace('.', "%2E"),
            other => other.chars().map(printable).collect(),
        };
        parts.push(format!("{lead}{segment}"));
    }
    if parts.len() == before {
        parts.push(format!("{lead}%00"));
    }
}

/// Control characters are legal in few places and readable in none.
fn printable(c: char) -> char {
    if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }
}

#[cfg(test)]
mod tests {
    use cofferdam_model::{AssetKey, PlanIoManager, RunId, StepKey, ValueRef};
    use serde_json::Value;

    use super::*;

    /// What Dagster itself says; made by `tests/dagster/layout.py`.
    const TABLE: &str = include_str!("../tests/dagster/layout.json");

    fn publication(row: &Value, run: &str) -> Publication {
        let text = |key: &str| row[key].as_str().map(str::to_owned);
        let parts = row["asset"].as_array().map(|parts| {
            let parts = parts.iter().map(|part| part.as_str().unwrap().to_owned()).collect();
            (AssetKey::from_parts(parts).unwrap(), text("partition"))
        });
        Publication {
            run: RunId(run.parse().unwrap()),
            step: StepKey::new(&text("step").unwrap_or_default()),
            output: Name::new(&text("output").unwrap_or("result".to_owned())).unwrap(),
            key: text("key").map(|key| Name::key(&key).unwrap()),
            asset: parts,
            manager: PlanIoManager { kind: IoManagerKind::Filesystem, settings: Value::Null },
            manager_name: Name::new("lake").unwrap(),
            value: ValueRef::inline("text/plain", vec![]),
        }
    }

    /// Dagster's path, with what we escape and it does not.
    fn escaped(path: &str) -> String {
        let segments = path.split('/').map(|segment| if segment == ".." { "%2E%2E" } else { segment });
        segments.collect::<Vec<_>>().join("/")
    }

    #[test]
    fn readable_paths_are_those_of_dagster() {
        let table: Value = serde_json::from_str(TABLE).unwrap();
        let rows = table["rows"].as_array().unwrap();
        assert!(rows.len() >= 30, "{} rows", rows.len());
        for row in rows {
            let publication = publication(row, table["run"].as_str().unwrap());
            let kinds = [
                (IoManagerKind::Filesystem, "fs", "/base"),
                (IoManagerKind::S3, "s3", "dagster"),
                (IoManagerKind::Gcs, "gcs", "dagster"),
                (IoManagerKind::Azure, "azure", "dagster"),
            ];
            for (kind, column, base) in kinds {
                let ours = format!("{base}/{}", readable_path(kind, &publication).join("/"));
                assert_eq!(ours, escaped(row[column].as_str().unwrap()), "{kind}: {row}");
            }
        }
    }

    #[test]
    fn no_path_leaves_its_folder() {
        let row = |asset: Value, partition: &str| serde_json::json!({"asset": asset, "partition": partition});
        let run = "01890000-0000-7000-8000-000000000001";
        for (row, expected) in [
            (row(serde_json::json!(["..", "etc"]), "x"), "%2E%2E/etc/x"),
            (row(serde_json::json!(["a/../../b"]), "."), "a/%2E%2E/%2E%2E/b/%2E"),
            (row(serde_json::json!(["//a"]), "//"), "%2Fa/%2F%00"),
            (row(serde_json::json!(["a"]), ""), "a/%00"),
            (row(serde_json::json!(["a"]), "x\ny"), "a/x\u{fffd}y"),
            (row(serde_json::json!([".cofferdam", "v1"]), "x"), "%2Ecofferdam/v1/x"),
        ] {
            let parts = readable_path(IoManagerKind::Filesystem, &publication(&row, run));
            assert_eq!(parts.join("/"), expected, "{row}");
        }
    }
}
