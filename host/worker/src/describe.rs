//! Asks a library what it offers, in a cell of its own.

use std::time::Duration;

use cofferdam_cell::{Artefacts, Cell, CellCommand, CellEvent, FromCell, Target, ToCell};
use cofferdam_depot::Depot;
use cofferdam_model::{Failure, FailureKind, LibraryDigest, LibrarySpec};
use tokio::sync::mpsc;

use crate::prepare::library;

/// How long a cell may take to start, and then to answer; the sandbox stops the guest after 5 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// The description of a library in the depot. Compiles it if need be; fails if it is refused, or its answer is.
pub async fn describe(
    command: &CellCommand,
    artefacts: &Artefacts,
    depot: &Depot,
    digest: &LibraryDigest,
) -> Result<LibrarySpec, Failure> {
    let (sender, mut events) = mpsc::channel(4);
    let mut cell = Cell::spawn(command, 0, sender).map_err(|error| failed(&error.to_string()))?;
    let FromCell::Hello { fingerprint, .. } = next(&mut events).await? else {
        return Err(failed("the cell did not say hello"));
    };
    let target = Target { fingerprint, fuel: false };
    loop {
        let artefact = library(depot, artefacts, digest, &target).await?;
        cell.push(&ToCell::Load { library: 0, artefact: artefact.path(), fuel: target.fuel });
        cell.push(&ToCell::Describe { library: 0 });
        cell.flush();
        match next(&mut events).await? {
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

/// The next that the cell says, other than that it is alive.
async fn next(events: &mut mpsc::Receiver<(u64, CellEvent)>) -> Result<FromCell, Failure> {
    let died = |what: String| Failure::new(FailureKind::CellDied, "the cell ended").because(what);
    let answer = async {
        loop {
            match events.recv().await {
                Some((_, CellEvent::Frames(frames))) => {
                    if let Some(frame) = frames.into_iter().find(|frame| *frame != FromCell::Beat) {
                        return Ok(frame);
                    }
                }
                Some((_, CellEvent::Exited(how))) => return Err(died(how)),
                None => return Err(died("its connection is gone".to_owned())),
            }
        }
    };
    let late = |_| Err(died(format!("it did not answer within {} s", ANSWER_TIMEOUT.as_secs())));
    tokio::time::timeout(ANSWER_TIMEOUT, answer).await.unwrap_or_else(late)
}
