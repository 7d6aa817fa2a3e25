//! The main of a cell: runs attempts one after another until the supervisor closes the socket, which is
//! standard input. Standard output is a small file into which the cell writes the ticket of the attempt that
//! it is about to run, so that the supervisor knows whom to blame if this process dies.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cofferdam_model::{
    Failure, FailureKind, FaultKind, LogLine, Name, Progress, ResourceAnswer, ResourceCall, ResourceFault,
    Timestamp,
};
use cofferdam_sandbox::{
    Attempt, Content, EmittedContent, Ended, Input, InputValue, IoError, Library, StepIo, Value,
};
use nix::time::{ClockId, clock_gettime};

use crate::engines::Engines;
use crate::frames::{
    CellAttempt, CellCompletion, CellContent, CellInputValue, CellOutput, CellOutputContent, CellUsage,
    CellValue, FromCell, IoFault, Ticket, ToCell,
};
use crate::wire::Wire;
use crate::{held, jail};

/// Runs the cell to its end. Succeeds when the supervisor closes the socket.
#[expect(clippy::print_stderr, reason = "standard error is all that a broken cell can still reach")]
pub fn run() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cofferdam cell: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> io::Result<()> {
    let wall = jail::close()?;
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut engines = Engines::new().map_err(io::Error::other)?;
    let wire = Wire::new(stream, cofferdam_sandbox::ticks);
    wire.send(&FromCell::Hello { pid: std::process::id(), fingerprint: engines.fingerprint(), wall })?;
    let mut libraries: HashMap<u32, Library> = HashMap::new();
    while let Some(order) = wire.next()? {
        match order {
            ToCell::Load { library, fuel } => {
                let artefact = wire.file()?;
                match engines.get(fuel).and_then(|sandbox| sandbox.load(&held::path(&artefact))) {
                    Ok(loaded) => {
                        libraries.insert(library, loaded);
                    }
                    Err(error) => {
                        let failure =
                            Failure::new(FailureKind::Library, "the compiled library cannot be loaded");
                        wire.send(&FromCell::Refused { library, failure: failure.because(error) })?;
                    }
                }
            }
            ToCell::Unload { library } => {
                libraries.remove(&library);
            }
            ToCell::Describe { library } => {
                // One that was refused has had its answer.
                let Some(loaded) = libraries.get(&library) else { continue };
                let spec = loaded.describe();
                let spec = spec.map(|spec| serde_json::to_string(&spec).expect("a spec is plain JSON"));
                wire.send(&FromCell::Described { library, spec })?;
            }
            ToCell::Run(attempt) => {
                let ticket = attempt.ticket;
                let Some(library) = libraries.get(&attempt.library) else {
                    wire.send(&FromCell::Returned { tickets: vec![ticket] })?;
                    continue;
                };
                rustix::io::pwrite(io::stdout(), &ticket.to_le_bytes(), 0)?;
                let (result, usage) = run_one(&wire, library, *attempt);
                wire.send(&FromCell::Ended { ticket, result, usage })?;
            }
            // An answer to an attempt that did not wait for it: there is none in this protocol.
            ToCell::Chunk(_) | ToCell::Done(_) | ToCell::Answer(_) => {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }
    Ok(())
}

type EndedParts = (Result<CellCompletion, Failure>, CellUsage);

fn run_one(wire: &Arc<Wire>, library: &Library, attempt: CellAttempt) -> EndedParts {
    let io = CellIo { wire: wire.clone(), ticket: attempt.ticket, writers: 0 };
    let before = cpu_time();
    let Ended { result, usage, .. } = library.run(to_sandbox(attempt), Box::new(io));
    let worked = cpu_time().saturating_sub(before);
    let usage = CellUsage::new(&usage, u64::try_from(worked.as_micros()).unwrap_or(u64::MAX));
    let result = result.map(|completion| {
        let outputs = completion.outputs.into_iter().map(|emitted| CellOutput {
            name: emitted.name,
            key: emitted.key,
            media_type: emitted.media_type,
            content: match emitted.content {
                EmittedContent::Bytes(bytes) => CellOutputContent::Bytes(bytes),
                EmittedContent::Stored { writer } => CellOutputContent::Stored { writer },
            },
            metadata: emitted.metadata,
        });
        (outputs.collect(), completion.metadata)
    });
    (result, usage)
}

/// Time that this thread has had a core for; it alone runs the guest.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

fn to_sandbox(attempt: CellAttempt) -> Attempt {
    let value = |value: CellValue| Value {
        media_type: value.media_type,
        content: match value.content {
            CellContent::Bytes(bytes) => Content::Bytes(bytes),
            CellContent::Stored { number, size } => Content::Stored { number, size },
        },
    };
    let inputs = attempt.inputs.into_iter().map(|input| Input {
        name: input.name,
        value: match input.value {
            CellInputValue::One(one) => InputValue::One(value(one)),
            CellInputValue::Many(many) => {
                InputValue::Many(many.into_iter().map(|(key, one)| (key, value(one))).collect())
            }
        },
    });
    Attempt {
        inputs: inputs.collect(),
        id: attempt.id,
        op: attempt.op,
        config: attempt.config,
        outputs: attempt.outputs.into_iter().map(cofferdam_model::PlanOutput::from).collect(),
        limits: attempt.limits,
        tags: attempt.tags,
        resources: attempt.resources,
        partition: attempt.partition,
        seed: attempt.seed,
    }
}

/// What the guest reads and writes, as frames.
struct CellIo {
    wire: Arc<Wire>,
    ticket: Ticket,
    writers: u32,
}

impl CellIo {
    /// A cell that has lost its supervisor has nothing left to do.
    fn ask(&self, frame: &FromCell) -> ToCell {
        let reply = self.wire.send(frame).and_then(|()| self.wire.reply());
        reply.unwrap_or_else(|_| std::process::exit(0))
    }

    fn tell(&self, frame: &FromCell) {
        if self.wire.send(frame).is_err() {
            std::process::exit(0);
        }
    }

    fn done(&self, frame: &FromCell) -> Result<(), IoError> {
        match self.ask(frame) {
            ToCell::Done(done) => done.map_err(to_io_error),
            _ => Err(IoError::Store("the supervisor answered another question".to_owned())),
        }
    }
}

impl StepIo for CellIo {
    fn read(&mut self, number: u32, offset: u64, length: u32) -> Result<Vec<u8>, IoError> {
        let ticket = self.ticket;
        match self.ask(&FromCell::Read { ticket, number, offset, length }) {
            ToCell::Chunk(chunk) => chunk.map_err(to_io_error),
            _ => Err(IoError::Input("the supervisor answered another question".to_owned())),
        }
    }

    fn create(&mut self) -> Result<u32, IoError> {
        let writer = self.writers;
        self.writers += 1;
        self.tell(&FromCell::Create { ticket: self.ticket, writer });
        Ok(writer)
    }

    fn write(&mut self, writer: u32, bytes: &[u8]) -> Result<(), IoError> {
        self.done(&FromCell::Write { ticket: self.ticket, writer, bytes: bytes.to_vec() })
    }

    fn finish(&mut self, writer: u32) -> Result<(), IoError> {
        self.done(&FromCell::Finish { ticket: self.ticket, writer })
    }

    fn call(
        &mut self,
        resource: &Name,
        call: ResourceCall,
        within: Option<Duration>,
    ) -> Result<ResourceAnswer, ResourceFault> {
        let call = FromCell::Call { ticket: self.ticket, resource: resource.clone(), call, within };
        match self.ask(&call) {
            ToCell::Answer(answer) => answer,
            _ => {
                let message = "the supervisor answered another question".to_owned();
                Err(ResourceFault { kind: FaultKind::Failed, message })
            }
        }
    }

    fn log(&mut self, line: LogLine) {
        self.tell(&FromCell::Log { ticket: self.ticket, line });
    }

    fn progress(&mut self, progress: Progress) {
        self.tell(&FromCell::Progress { ticket: self.ticket, progress });
    }

    #[expect(clippy::disallowed_methods, reason = "the cell is a shell: times of log lines are read here")]
    fn now(&mut self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

fn to_io_error(fault: IoFault) -> IoError {
    match fault {
        IoFault::Input(text) => IoError::Input(text),
        IoFault::Store(text) => IoError::Store(text),
    }
}
