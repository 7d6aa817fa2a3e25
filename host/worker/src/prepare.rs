//! What must be there before an attempt can run: its library, compiled, and its stored inputs, verified.

use cofferdam_cell::{Artefact, Artefacts, Target};
use cofferdam_depot::Depot;
use cofferdam_io::Stores;
use cofferdam_model::{Failure, FailureKind, LibraryDigest, Name, ValueRef};

/// Gets the artefact of a library from the cache, or from a compiler; only that one needs the library, from the depot.
pub(crate) async fn library(
    depot: &Depot,
    artefacts: &Artefacts,
    digest: &LibraryDigest,
    target: &Target,
) -> Result<Artefact, Failure> {
    let component = async {
        let component = depot.get(digest).await;
        component
            .map_err(|error| because(FailureKind::Library, "the library cannot be had".to_owned(), &error))
    };
    artefacts.get(digest, component, target).await
}

/// Reads each value once and compares it with its digest, before any byte of it reaches an op. Gives where each can
/// be read from now on.
pub(crate) async fn verify(stores: &Stores, inputs: &[(Name, ValueRef)]) -> Result<Vec<ValueRef>, Failure> {
    let mut ready = Vec::with_capacity(inputs.len());
    for (name, value) in inputs {
        ready.push(stores.ready(value).await.map_err(|error| {
            because(FailureKind::Input, format!("input `{name}` cannot be read"), &error)
        })?);
    }
    Ok(ready)
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
