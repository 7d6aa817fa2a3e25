//! A cell of its own for one question, outside of any run.

use std::collections::VecDeque;
use std::time::Duration;

use cofferdam_cell::{Artefact, Cell, CellCommand, CellEvent, FromCell, Target, ToCell, Wall};
use cofferdam_model::{Failure, FailureKind};
use tokio::sync::mpsc;

/// How long a cell may take to start, and then to answer; the sandbox stops the guest after 5 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// A running cell and what it has said. Dropping it kills the process.
pub(crate) struct Talk {
    cell: Cell,
    events: mpsc::Receiver<(u64, CellEvent)>,
    said: VecDeque<FromCell>,
}

impl Talk {
    /// Starts a cell; gives also the fingerprint of the engine for which it wants its libraries, and the wall round it.
    pub(crate) async fn start(command: &CellCommand) -> Result<(Talk, String, Wall), Failure> {
        let (sender, events) = mpsc::channel(4);
        let cell = Cell::spawn(command, 0, sender).map_err(|error| died(&error.to_string()))?;
        let mut talk = Talk { cell, events, said: VecDeque::new() };
        match talk.next().await? {
            FromCell::Hello { fingerprint, wall, .. } => Ok((talk, fingerprint, wall)),
            _ => Err(died("it did not say hello")),
        }
    }

    /// Has it load a library before what is told next.
    pub(crate) fn load(&mut self, artefact: &Artefact, target: &Target) {
        self.cell.load(0, artefact, target.fuel);
    }

    /// Sends these at once.
    pub(crate) fn tell(&mut self, frames: &[ToCell]) {
        frames.iter().for_each(|frame| self.cell.push(frame));
        self.cell.flush();
    }

    /// The next that the cell says, other than that it is alive.
    pub(crate) async fn next(&mut self) -> Result<FromCell, Failure> {
        let answer = async {
            loop {
                while let Some(frame) = self.said.pop_front() {
                    if frame != FromCell::Beat {
                        return Ok(frame);
                    }
                }
                match self.events.recv().await {
                    Some((_, CellEvent::Frames(frames))) => self.said.extend(frames),
                    Some((_, CellEvent::Exited(how))) => return Err(died(&how)),
                    None => return Err(died("its connection is gone")),
                }
            }
        };
        let late = |_| Err(died(&format!("it did not answer within {} s", ANSWER_TIMEOUT.as_secs())));
        tokio::time::timeout(ANSWER_TIMEOUT, answer).await.unwrap_or_else(late)
    }
}

fn died(what: &str) -> Failure {
    Failure::new(FailureKind::CellDied, "the cell ended").because(what)
}
