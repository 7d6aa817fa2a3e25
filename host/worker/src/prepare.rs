//! What must be there before an attempt can run: its library, compiled, and its stored inputs, verified.

use std::fmt;
use std::sync::OnceLock;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use cofferdam_cell::{Artefact, Artefacts, Source, Target};
use cofferdam_crash::reach;
use cofferdam_depot::Depot;
use cofferdam_io::{Error, Stores};
use cofferdam_model::{Failure, FailureKind, LibraryDigest, Moved, Name, ValueRef};

use crate::spent::{Fetched, Prepared};

/// Where compiled libraries may be had, for a worker that takes some.
#[async_trait]
pub trait Compiled: fmt::Debug + Send + Sync {
    /// The machine code of a library for that engine, from somebody who vouches for it; none if it has to be compiled here.
    async fn get(&self, library: &LibraryDigest, target: &Target) -> Option<Bytes>;
}

/// Gets the artefact of a library from the cache, from who has compiled it, or from a compiler here; only that one needs
/// the library, from the depot.
pub(crate) async fn library(
    depot: &Depot,
    artefacts: &Artefacts,
    digest: &LibraryDigest,
    target: &Target,
    compiled: Option<&dyn Compiled>,
) -> Result<(Artefact, Prepared), Failure> {
    let asked = Instant::now();
    let fetch = OnceLock::new();
    let source = async {
        let from = Instant::now();
        let fetched = |bytes: usize| {
            fetch.get_or_init(|| Fetched { from, to: Instant::now(), bytes: bytes as u64 });
        };
        if let Some(compiled) = compiled
            && let Some(code) = compiled.get(digest, target).await
        {
            fetched(code.len());
            return Ok(Source::Compiled(code));
        }
        let component = depot.get(digest).await;
        reach("library.fetched");
        fetched(component.as_ref().map_or(0, |component| component.len()));
        component
            .map(Source::Component)
            .map_err(|error| because(FailureKind::Library, "the library cannot be had".to_owned(), &error))
    };
    let artefact = artefacts.get(digest, source, target).await?;
    Ok((artefact, Prepared { asked, fetch: fetch.get().copied(), ready: Instant::now() }))
}

/// Why an attempt cannot have what it reads.
pub(crate) enum Unready {
    Failed(Failure),
    /// Nobody has the values of these keys, which workers were to keep.
    Lacks(Vec<String>),
}

/// The key of a value that workers were to keep, if the error says that none has it. One that came with other bytes is
/// as good as none.
pub(crate) fn lacking(value: &ValueRef, error: &Error) -> Option<String> {
    let gone = matches!(error, Error::NotFound { .. } | Error::DigestMismatch { .. });
    (gone && value.place.is_transient()).then(|| value.place.key().map(str::to_owned)).flatten()
}

/// Reads each value once and compares it with its digest, before any byte of it reaches an op. Gives where each can
/// be read from now on, and counts what had to come over a network.
pub(crate) async fn verify(
    stores: &Stores,
    inputs: &[(Name, ValueRef)],
    moved: &Moved,
) -> Result<Vec<ValueRef>, Unready> {
    let (mut ready, mut lacks) = (Vec::with_capacity(inputs.len()), vec![]);
    for (name, value) in inputs {
        match stores.ready_counted(value, moved).await {
            Ok(value) => ready.push(value),
            Err(error) => match lacking(value, &error) {
                Some(key) => lacks.push(key),
                None => {
                    let message = format!("input `{name}` cannot be read");
                    return Err(Unready::Failed(because(FailureKind::Input, message, &error)));
                }
            },
        }
    }
    if lacks.is_empty() { Ok(ready) } else { Err(Unready::Lacks(lacks)) }
}

/// A failure with an error and all that caused it.
pub(crate) fn because(kind: FailureKind, message: String, error: &dyn std::error::Error) -> Failure {
    let mut failure = Failure::new(kind, message).because(error);
    let mut cause = error.source();
    while let Some(error) = cause {
        failure = failure.because(error);
        cause = error.source();
    }
    failure
}
