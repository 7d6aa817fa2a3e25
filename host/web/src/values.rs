//! What steps have made: a look at a value, and its bytes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use cofferdam_engine::Run;
use cofferdam_io::Stores;
use cofferdam_model::{CBOR, OCTET_STREAM, Output, RunId, StepKey, ValueRef};
use cofferdam_scheduler::again;
use futures::StreamExt;
use serde_json::Value as Json;

use crate::{Parts, Shared};

/// Largest value that is shown; what is larger nobody reads, and its bytes can be had.
const SHOWN_BYTES_MAX: u64 = 64 * 1024;
/// Images that browsers show and that hold no script which they would run.
const IMAGES: [&str; 5] = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"];

/// Nothing of it runs, loads or sends anything, should a browser show it for itself.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox";

/// A value as a page shows it.
#[derive(Debug)]
pub(crate) enum Shown {
    Json(Json),
    Text(String),
    Image,
    /// It is too large, or of a kind that nobody reads.
    Bytes,
}

/// What was made under that name; by mapping key if the output is dynamic.
pub(crate) fn find<'a>(run: &'a Run, step: &str, output: &str, key: Option<&str>) -> Option<&'a Output> {
    let step = run.step(&StepKey::new(step))?;
    let is_it =
        |made: &&Output| made.name.as_str() == output && made.key.as_ref().map(|key| key.as_str()) == key;
    step.outputs().iter().find(is_it)
}

/// Reads a value as far as somebody wants to see it. The error is for people.
pub(crate) async fn show(value: &ValueRef, stores: &Stores) -> Result<Shown, String> {
    let kind = value.media_type.as_str();
    if IMAGES.contains(&kind) {
        return Ok(Shown::Image);
    }
    let is_json = kind == "application/json";
    if value.size > SHOWN_BYTES_MAX || !(kind == CBOR || is_json || kind.starts_with("text/")) {
        return Ok(Shown::Bytes);
    }
    let mut bytes = vec![];
    let mut chunks = stores.get(value).await.map_err(|error| error.to_string())?;
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk.map_err(|error| error.to_string())?);
    }
    match kind {
        CBOR => cofferdam_model::cbor::to_json(&bytes).map(Shown::Json),
        _ if is_json => serde_json::from_slice(&bytes).map(Shown::Json).map_err(|error| error.to_string()),
        _ => String::from_utf8(bytes).map(Shown::Text).map_err(|error| error.to_string()),
    }
}

/// Where the bytes are had from.
pub(crate) fn url(run: RunId, step: &str, output: &str, key: Option<&str>) -> String {
    let key = key.map(|key| format!("?key={}", escaped(key))).unwrap_or_default();
    format!("/values/{run}/{}/{}{key}", escaped(step), escaped(output))
}

/// For a part of a path or a query: everything but letters, digits and what never means something there.
fn escaped(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().fold(String::new(), |mut out, byte| {
        match keep(byte) {
            true => out.push(byte as char),
            false => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

/// The bytes of a value. Only images have a type that a browser would show: what ops make must not run as a page of ours.
pub(crate) async fn download(
    State(shared): State<Arc<Shared>>,
    Path((run, step, output)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let missing = || (StatusCode::NOT_FOUND, "there is no such value\n").into_response();
    let Ok(run) = run.parse::<RunId>() else { return missing() };
    let Parts { log, stores, .. } = &shared.parts;
    let Ok(loaded) = again::load(&**log, run).await else { return missing() };
    // Mapping keys are names: nothing in them is escaped.
    let key = query.as_deref().and_then(|query| query.strip_prefix("key="));
    let Some(made) = find(&loaded, &step, &output, key) else { return missing() };
    let chunks = match stores.get(&made.value).await {
        Ok(chunks) => chunks,
        Err(error) => return (StatusCode::BAD_GATEWAY, format!("{error}\n")).into_response(),
    };
    let kind = IMAGES.into_iter().find(|kind| *kind == made.value.media_type);
    let mut response = Body::from_stream(chunks).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind.unwrap_or(OCTET_STREAM)));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(made.value.size));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    if kind.is_none() {
        headers.insert(CONTENT_DISPOSITION, attachment(&step, &output, key));
    }
    response
}

/// Says that a file is kept, and what it is called; escaped as RFC 8187 has it.
fn attachment(step: &str, output: &str, key: Option<&str>) -> HeaderValue {
    let name: Vec<&str> = [step, output].into_iter().chain(key).collect();
    let value = format!("attachment; filename*=UTF-8''{}", escaped(&name.join(".")));
    HeaderValue::try_from(value).expect("what is not a letter or digit is escaped")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use cofferdam_io::ValueStore;
    use cofferdam_model::{INLINE_BYTES_MAX, Name, Place};

    use super::*;

    #[test]
    fn the_name_of_a_file_cannot_end_its_header() {
        let of = |step| attachment(step, "table", Some("k")).to_str().unwrap().to_owned();
        assert_eq!(of("clean[m01]"), "attachment; filename*=UTF-8''clean%5Bm01%5D.table.k");
        assert_eq!(
            of("a\"; x=\r\nb: ü/.."),
            "attachment; filename*=UTF-8''a%22%3B%20x%3D%0D%0Ab%3A%20%C3%BC%2F...table.k"
        );
    }

    fn looked_at(value: &ValueRef) -> Result<Shown, String> {
        let store = ValueStore::memory(Name::new("default").unwrap());
        let stores = Stores::new(store, PathBuf::new(), Arc::new(|_| None));
        let running = tokio::runtime::Builder::new_current_thread().build().unwrap();
        running.block_on(show(value, &stores))
    }

    #[test]
    fn h_050_what_is_packed_is_never_unpacked_and_what_is_large_never_read() {
        // Nothing is stored there: who read it would fail.
        let stored = |kind: &str, size: u64| ValueRef {
            size,
            place: Place::Stored("v1/default/nothing".to_owned()),
            ..ValueRef::inline(kind, vec![])
        };
        for kind in [
            "application/zstd",
            "application/gzip",
            "application/zip",
            "application/pdf",
            "application/vnd.apache.parquet",
            "application/vnd.apache.arrow.stream",
            "application/octet-stream",
        ] {
            for size in [100, u64::MAX] {
                assert!(matches!(looked_at(&stored(kind, size)), Ok(Shown::Bytes)), "{kind}");
            }
        }
        for kind in IMAGES {
            assert!(matches!(looked_at(&stored(kind, u64::MAX)), Ok(Shown::Image)), "{kind}");
        }
        for kind in [CBOR, "application/json", "text/plain", "text/html; charset=gzip"] {
            assert!(matches!(looked_at(&stored(kind, SHOWN_BYTES_MAX + 1)), Ok(Shown::Bytes)), "{kind}");
            assert!(looked_at(&stored(kind, 100)).is_err(), "{kind} is read");
        }
        // One that has more bytes than it was said to have.
        let long = ValueRef { size: 1, ..ValueRef::inline("text/plain", vec![b'x'; INLINE_BYTES_MAX]) };
        assert!(looked_at(&long).is_err());
    }

    #[test]
    fn h_050_structures_that_claim_or_nest_more_than_they_hold_are_refused() {
        let cbor = |bytes: &[u8]| looked_at(&ValueRef::inline(CBOR, bytes.to_vec()));
        let claims = |kind: u8| [&[kind][..], &u64::MAX.to_be_bytes()].concat();
        // A list, a map, a text, bytes, of as many as can be counted.
        for kind in [0x9b, 0xbb, 0x7b, 0x5b] {
            assert!(cbor(&claims(kind)).is_err(), "{kind:x}");
        }
        assert!(cbor(&[0x81; INLINE_BYTES_MAX]).is_err() && cbor(&[0xd8; INLINE_BYTES_MAX]).is_err());
        let json = |text: String| looked_at(&ValueRef::inline("application/json", text.into_bytes()));
        assert!(json("[".repeat(INLINE_BYTES_MAX)).is_err());
        let half = INLINE_BYTES_MAX / 2;
        assert!(json("[".repeat(half) + &"]".repeat(half)).is_err());
        // What is told of a value is of the order of its bytes.
        let n = u16::try_from(INLINE_BYTES_MAX - 5).unwrap();
        let list = [&[0x9a, 0, 0][..], &n.to_be_bytes(), &vec![0x20; n.into()]].concat();
        let Shown::Json(told) = cbor(&list).unwrap() else { panic!("it has a structure") };
        assert!(told.to_string().len() < 16 * INLINE_BYTES_MAX);
    }

    #[test]
    fn mapping_keys_survive_in_an_address() {
        let run = RunId(uuid::Uuid::nil());
        let address = url(run, "clean[m01]", "table", Some("a_1"));
        assert_eq!(address, format!("/values/{run}/clean%5Bm01%5D/table?key=a_1"));
    }
}
