//! The built pages, within the program: `ui/dist`, made by the project's own set-up.

use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "ui/dist"]
#[allow_missing = true]
struct Built;

const INDEX: &str = "index.html";
/// Files whose names change with their content.
const HASHED: &str = "built/";
const FOREVER: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";
const NOT_GZIP: &str =
    "This file is there compressed with gzip only: ask for it with `Accept-Encoding: gzip`.\n";
const NOT_BUILT: &str = "This program was built without its pages. `cargo xtask setup` builds them; then build the \
    program again.\n";

/// A file of the pages; every other path is one that the pages know what to do with.
pub(crate) async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = uri.path().trim_start_matches('/');
    if let Some(found) = file(path, &headers) {
        return found;
    }
    if path.starts_with(HASHED) {
        return (StatusCode::NOT_FOUND, "there is no such file\n").into_response();
    }
    file(INDEX, &headers).unwrap_or_else(|| (StatusCode::NOT_FOUND, NOT_BUILT).into_response())
}

/// As it is, or, if it is large, compressed: the program carries it in that form alone.
fn file(path: &str, headers: &HeaderMap) -> Option<Response> {
    let packed = Built::get(&format!("{path}.gz"));
    let is_packed = packed.is_some();
    let EmbeddedFile { data, .. } = packed.or_else(|| Built::get(path))?;
    if is_packed && !takes_gzip(headers) {
        return Some((StatusCode::NOT_ACCEPTABLE, NOT_GZIP).into_response());
    }
    let cached = if path.starts_with(HASHED) { FOREVER } else { ASK_AGAIN };
    let mut response = data.into_owned().into_response();
    let answered = response.headers_mut();
    answered.insert(CONTENT_TYPE, HeaderValue::from_static(media_type(path)));
    answered.insert(CACHE_CONTROL, HeaderValue::from_static(cached));
    answered.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if is_packed {
        answered.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Some(response)
}

/// Who does not say what he takes takes anything (RFC 9110, 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let Some(accepted) = headers.get(ACCEPT_ENCODING).map(|value| value.to_str().unwrap_or_default()) else {
        return true;
    };
    accepted.split(',').any(|one| {
        let mut parts = one.split(';').map(str::trim);
        matches!(parts.next(), Some("gzip" | "*")) && !parts.any(|part| matches!(part, "q=0" | "q=0.0"))
    })
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" | "webmanifest" => "application/json",
        _ => "application/octet-stream",
    }
}
