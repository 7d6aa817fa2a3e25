//! What can be had of a library outside of any run: its description, its machine code.

use cofferdam_cell::{Artefact, Artefacts, CellCommand, FromCell, Origin, Target, ToCell, Wall};
use cofferdam_depot::Depot;
use cofferdam_model::{Failure, FailureKind, LibraryDigest, LibrarySpec};

use crate::prepare::library;
use crate::talk::Talk;

/// What cells that are started so say of themselves: the engine for which libraries are compiled on this host, and the
/// wall round them.
pub async fn cell(command: &CellCommand) -> Result<(String, Wall), Failure> {
    Talk::start(command).await.map(|(_, fingerprint, wall)| (fingerprint, wall))
}

/// A library of the depot, compiled here for that engine, unless it has been.
pub async fn compile(
    depot: &Depot,
    artefacts: &Artefacts,
    digest: &LibraryDigest,
    target: &Target,
) -> Result<Artefact, Failure> {
    library(depot, artefacts, digest, target, None).await.map(|(artefact, _)| artefact)
}

/// The description of a library in the depot. Compiles it if need be; fails if it is refused, or its answer is.
pub async fn describe(
    command: &CellCommand,
    artefacts: &Artefacts,
    depot: &Depot,
    digest: &LibraryDigest,
) -> Result<LibrarySpec, Failure> {
    let (mut talk, fingerprint, _) = Talk::start(command).await?;
    let target = Target { fingerprint, fuel: false };
    loop {
        let (artefact, _) = library(depot, artefacts, digest, &target, None).await?;
        talk.load(&artefact, &target);
        talk.tell(&[ToCell::Describe { library: 0 }]);
        match talk.next().await? {
            FromCell::Described { spec, .. } => {
                return serde_json::from_str(&spec?).map_err(|error| failed(&error.to_string()));
            }
            FromCell::Refused { .. } if artefact.origin() == Origin::Cache => {
                artefacts.forget(digest, &target)
            }
            FromCell::Refused { failure, .. } => return Err(failure),
            _ => return Err(failed("the cell answered another question")),
        }
    }
}

fn failed(what: &str) -> Failure {
    Failure::new(FailureKind::Library, "the library cannot be described").because(what)
}
