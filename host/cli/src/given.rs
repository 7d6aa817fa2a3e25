//! Inputs that a run config gives by reference: what a JSON or CBOR file says, and values that runs have made.

use std::path::Path;

use cofferdam_model::{CBOR, DocumentForm, Event, Place, ValueDigest, ValueRef};
use cofferdam_plan::Blob;
use cofferdam_runlog::RunFilter;
use serde_json::Value;

use crate::error::{Doing, Result};
use crate::exit::Exit;
use crate::site::Site;

/// Bytes of a file that stands for a literal: more than any literal may have, in whatever form it is written.
const DOCUMENT_BYTES_MAX: u64 = 1 << 20;
/// Runs, the newest first, whose values are looked through for a digest.
const RUNS_LOOKED_AT_MAX: usize = 1000;

/// What a file says; none if there is no such file, in words why it cannot be told otherwise.
pub(crate) fn read_document(path: &Path, form: DocumentForm) -> Option<std::result::Result<Value, String>> {
    let size = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?.len();
    if size > DOCUMENT_BYTES_MAX {
        return Some(Err(format!("it has {size} bytes, {DOCUMENT_BYTES_MAX} are allowed")));
    }
    let read = std::fs::read(path).map_err(|error| error.to_string()).and_then(|bytes| match form {
        DocumentForm::Json => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
        DocumentForm::Cbor => literal_of_cbor(&bytes),
    });
    Some(read)
}

/// CBOR as data that a person could have typed.
fn literal_of_cbor(bytes: &[u8]) -> std::result::Result<Value, String> {
    let value: ciborium::Value = ciborium::from_reader(bytes).map_err(|error| error.to_string())?;
    if holds_bytes(&value) {
        return Err("it holds byte strings, which no literal can say".to_owned());
    }
    cofferdam_model::cbor::to_json(bytes)
}

fn holds_bytes(value: &ciborium::Value) -> bool {
    match value {
        ciborium::Value::Bytes(_) => true,
        ciborium::Value::Array(items) => items.iter().any(holds_bytes),
        ciborium::Value::Map(entries) => {
            entries.iter().any(|(key, value)| holds_bytes(key) || holds_bytes(value))
        }
        ciborium::Value::Tag(_, inner) => holds_bytes(inner),
        _ => false,
    }
}

/// The value of that digest, `blake3:…` or its digits alone, if a run has made it.
pub(crate) async fn find_blob(site: &Site, digest: &str) -> Result<Option<Blob>> {
    let digits = digest.strip_prefix("blake3:").unwrap_or(digest).to_ascii_lowercase();
    let Some(log) = site.log_if_any().await? else { return Ok(None) };
    let filter = RunFilter { limit: Some(RUNS_LOOKED_AT_MAX), ..RunFilter::default() };
    for run in log.runs(filter).await.doing(Exit::Unreachable, "read the run log")? {
        for recorded in log.history(run.run, 1).await.doing(Exit::Unreachable, "read the run log")? {
            let Event::StepSucceeded { outputs, .. } = recorded.event else { continue };
            let found = outputs.into_iter().find(|output| has_digits(&output.value.digest, &digits));
            if let Some(output) = found {
                return Ok(Some(blob(output.value)));
            }
        }
    }
    Ok(None)
}

fn has_digits(digest: &ValueDigest, digits: &str) -> bool {
    digest.hex() == digits
}

fn blob(value: ValueRef) -> Blob {
    let content = match &value.place {
        Place::Inline(bytes) if value.media_type == CBOR => literal_of_cbor(bytes).ok(),
        _ => None,
    };
    Blob { value, content }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_says_what_it_holds_or_why_it_cannot_be_told() {
        let folder = tempfile::tempdir().unwrap();
        let read = |content: &[u8], form| {
            let path = folder.path().join("document");
            std::fs::write(&path, content).unwrap();
            read_document(&path, form).unwrap()
        };
        assert_eq!(read(br#"{"a": [1]}"#, DocumentForm::Json), Ok(serde_json::json!({ "a": [1] })));
        assert_eq!(read(&[0xa1, 0x61, b'a', 0x01], DocumentForm::Cbor), Ok(serde_json::json!({ "a": 1 })));
        assert_eq!(
            read(b"{", DocumentForm::Json).unwrap_err(),
            "EOF while parsing an object at line 1 column 1"
        );
        assert!(read(&[0x41, 0x00], DocumentForm::Cbor).unwrap_err().contains("byte strings"));
        let large = vec![b' '; usize::try_from(DOCUMENT_BYTES_MAX).unwrap() + 1];
        assert!(read(&large, DocumentForm::Json).unwrap_err().contains("are allowed"));
        assert!(read_document(&folder.path().join("absent"), DocumentForm::Json).is_none());
        assert!(read_document(folder.path(), DocumentForm::Json).is_none());
    }
}
