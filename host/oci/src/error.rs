//! Why an artifact could not be brought or taken. Texts read on from "failed to".

use std::path::PathBuf;

use crate::{Digest, Reference};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{doing} {place}")]
    Unreachable {
        doing: &'static str,
        place: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{doing} {place}: the registry lets nobody do that who logs in so{}", told(.said))]
    Denied { doing: &'static str, place: String, said: String },
    #[error("{doing} {place}: the registry answers {status}{}", told(.said))]
    Refused { doing: &'static str, place: String, status: u16, said: String },
    #[error("find {0}: the registry has nothing of that name")]
    NotFound(Reference),
    #[error("talk to {place}: nothing would be encrypted, and it is not on this host")]
    Plain { place: String },
    #[error("make an HTTP client")]
    Client(#[source] reqwest::Error),
    #[error("read {what}: it is damaged, and has the digest {found}")]
    Damaged { what: String, found: Digest },
    #[error("read {what}: it has {size} bytes, {max} are allowed")]
    TooLarge { what: String, size: u64, max: u64 },
    #[error("read {what}: it breaks off, or goes on, after {size} bytes, which is what was announced")]
    Length { what: String, size: u64 },
    #[error("use {what}: {why}")]
    NotALibrary { what: String, why: String },
    #[error("{doing} {}", path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("read {}: it is no bundle: {why}", path.display())]
    NotABundle { path: PathBuf, why: String },
}

/// What a registry says of itself, if anything.
fn told(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}
