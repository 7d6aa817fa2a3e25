//! Asks a library what it offers, in a cell of its own.

use cofferdam_cell::{Artefacts, CellCommand, FromCell, Target, ToCell};
use cofferdam_depot::Depot;
use cofferdam_model::{Failure, FailureKind, LibraryDigest, LibrarySpec};

use crate::prepare::library;
use crate::talk::Talk;

/// The description of a library in the depot. Compiles it if need be; fails if it is refused, or its answer is.
pub async fn describe(
    command: &CellCommand,
    artefacts: &Artefacts,
    depot: &Depot,
    digest: &LibraryDigest,
) -> Result<LibrarySpec, Failure> {
    let (mut talk, fingerprint) = Talk::start(command).await?;
    let target = Target { fingerprint, fuel: false };
    loop {
        let (artefact, _) = library(depot, artefacts, digest, &target).await?;
        let load = ToCell::Load { library: 0, artefact: artefact.path(), fuel: target.fuel };
        talk.tell(&[load, ToCell::Describe { library: 0 }]);
        match talk.next().await? {
            FromCell::Described { spec, .. } => {
                return serde_json::from_str(&spec?).map_err(|error| failed(&error.to_string()));
            }
            FromCell::Refused { .. } if artefact.is_cached() => artefacts.forget(digest, &target),
            FromCell::Refused { failure, .. } => return Err(failure),
            _ => return Err(failed("the cell answered another question")),
        }
    }
}

fn failed(what: &str) -> Failure {
    Failure::new(FailureKind::Library, "the library cannot be described").because(what)
}
