//! A supervisor's hold on one cell.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::artefacts::Artefact;
use crate::frames::{FromCell, Inbox, Ticket, ToCell, encode};

/// How to start the children: the same program with different arguments.
#[derive(Debug, Clone)]
pub struct CellCommand {
    pub program: PathBuf,
    /// Arguments that lead to [`crate::run`].
    pub run: Vec<OsString>,
    /// Arguments that lead to [`crate::compile`].
    pub compile: Vec<OsString>,
}

/// What comes from a cell.
#[derive(Debug)]
pub enum CellEvent {
    Frames(Vec<FromCell>),
    /// The last one: how the process ended, in words.
    Exited(String),
}

/// A running cell. Dropping it kills the process.
pub struct Cell {
    orders: mpsc::UnboundedSender<Told>,
    buffer: Batch,
    mark: OwnedFd,
    driver: JoinHandle<()>,
}

enum Told {
    Send(Batch),
    Kill,
}

/// Frames, and the files that go along with some of them.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// By the place where the frame begins.
    files: VecDeque<(usize, Artefact)>,
}

impl Batch {
    fn append(&mut self, other: Batch) {
        let start = self.bytes.len();
        self.bytes.extend(other.bytes);
        self.files.extend(other.files.into_iter().map(|(at, file)| (start + at, file)));
    }
}

/// Bytes taken from the socket at a time.
const RECEIVE_BYTES: usize = 256 * 1024;

impl Cell {
    /// Starts a cell, whose events go to `events` under that number. The first is `Hello`, unless the process
    /// fails to start up.
    pub fn spawn(
        command: &CellCommand,
        number: u64,
        events: mpsc::Sender<(u64, CellEvent)>,
    ) -> io::Result<Cell> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mark = crate::held::mark()?;
        let child = Command::new(&command.program)
            .args(&command.run)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(mark.try_clone()?))
            .kill_on_drop(true)
            .spawn()?;
        let stream = UnixStream::from_std(ours)?;
        let (orders, told) = mpsc::unbounded_channel();
        #[expect(clippy::disallowed_methods, reason = "the handle is kept and aborted on drop")]
        let driver = tokio::spawn(drive(number, child, stream, told, events));
        Ok(Cell { orders, buffer: Batch::default(), mark, driver })
    }

    /// Adds a frame to the next batch; not [`ToCell::Load`].
    pub fn push(&mut self, frame: &ToCell) {
        encode(frame, &mut self.buffer.bytes);
    }

    /// Adds the frame that loads a library.
    pub fn load(&mut self, library: u32, artefact: &Artefact, fuel: bool) {
        self.buffer.files.push_back((self.buffer.bytes.len(), artefact.clone()));
        self.push(&ToCell::Load { library, fuel });
    }

    /// Sends the batch. A cell that has ended takes nothing; its end is told by `Exited`.
    pub fn flush(&mut self) {
        if !self.buffer.bytes.is_empty() {
            let _ = self.orders.send(Told::Send(std::mem::take(&mut self.buffer)));
        }
    }

    /// For tasks that answer what the guest asks.
    pub fn replies(&self) -> Replies {
        Replies { orders: self.orders.clone() }
    }

    /// Ends the process at once. `Exited` follows.
    pub fn kill(&self) {
        let _ = self.orders.send(Told::Kill);
    }

    /// The attempt that the cell began last; none before the first.
    pub fn last_begun(&self) -> Option<Ticket> {
        let mut bytes = [0; 8];
        match rustix::io::pread(&self.mark, &mut bytes, 0) {
            Ok(8) => Some(Ticket::from_le_bytes(bytes)),
            _ => None,
        }
    }
}

/// A way to answer a cell from another task. Outlives the cell harmlessly.
#[derive(Clone)]
pub struct Replies {
    orders: mpsc::UnboundedSender<Told>,
}

impl Replies {
    /// Sends one frame at once.
    pub fn send(&self, frame: &ToCell) {
        let mut batch = Batch::default();
        encode(frame, &mut batch.bytes);
        let _ = self.orders.send(Told::Send(batch));
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn drive(
    number: u64,
    mut child: Child,
    stream: UnixStream,
    mut told: mpsc::UnboundedReceiver<Told>,
    events: mpsc::Sender<(u64, CellEvent)>,
) {
    if let Err(error) = exchange(number, &mut child, &stream, &mut told, &events).await {
        tracing::debug!(number, %error, "the connection to a cell ended");
    }
    // Whatever made the exchange end: this process gets no more work.
    let _ = child.start_kill();
    let ended = match child.wait().await {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    let _ = events.send((number, CellEvent::Exited(ended))).await;
}

/// Ends when the cell closes its end or sends what is not a frame.
async fn exchange(
    number: u64,
    child: &mut Child,
    stream: &UnixStream,
    told: &mut mpsc::UnboundedReceiver<Told>,
    events: &mpsc::Sender<(u64, CellEvent)>,
) -> io::Result<()> {
    let (mut inbox, mut buffer) = (Inbox::default(), vec![0; RECEIVE_BYTES]);
    let (mut out, mut sent) = (Batch::default(), 0);
    loop {
        tokio::select! {
            order = told.recv() => match order {
                Some(Told::Send(batch)) => out.append(batch),
                Some(Told::Kill) => child.start_kill()?,
                None => return Ok(()),
            },
            ready = stream.readable() => {
                ready?;
                match stream.try_read(&mut buffer) {
                    Ok(0) => return Ok(()),
                    Ok(read) => inbox.extend(&buffer[..read]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(error),
                }
                let mut frames = vec![];
                while let Some(frame) = inbox.take().map_err(io::Error::other)? {
                    frames.push(frame);
                }
                if !frames.is_empty() && events.send((number, CellEvent::Frames(frames))).await.is_err() {
                    return Ok(());
                }
            }
            ready = stream.writable(), if sent < out.bytes.len() => ready?,
        }
        while sent < out.bytes.len() {
            match send(stream, &mut out, sent) {
                Ok(written) => sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if sent == out.bytes.len() {
            out.bytes.clear();
            sent = 0;
        }
    }
}

/// Sends some of what is behind `sent`: up to the next frame with a file, or from that one on with its file.
fn send(stream: &UnixStream, out: &mut Batch, sent: usize) -> io::Result<usize> {
    let end = |n: usize| out.files.get(n).map_or(out.bytes.len(), |(at, _)| *at);
    if out.files.front().is_none_or(|(at, _)| *at > sent) {
        return stream.try_write(&out.bytes[sent..end(0)]);
    }
    let bytes = [IoSlice::new(&out.bytes[sent..end(1)])];
    let written = stream.try_io(Interest::WRITABLE, || {
        let file = [out.files[0].1.file()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut along = SendAncillaryBuffer::new(&mut space);
        along.push(SendAncillaryMessage::ScmRights(&file));
        Ok(sendmsg(stream, &bytes, &mut along, SendFlags::empty())?)
    })?;
    out.files.pop_front();
    Ok(written)
}
