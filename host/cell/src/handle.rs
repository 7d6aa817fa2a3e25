//! A supervisor's hold on one cell.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

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
    buffer: Vec<u8>,
    mark: OwnedFd,
    driver: JoinHandle<()>,
}

enum Told {
    Send(Vec<u8>),
    Kill,
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
        Ok(Cell { orders, buffer: vec![], mark, driver })
    }

    /// Adds a frame to the next batch.
    pub fn push(&mut self, frame: &ToCell) {
        encode(frame, &mut self.buffer);
    }

    /// Sends the batch. A cell that has ended takes nothing; its end is told by `Exited`.
    pub fn flush(&mut self) {
        if !self.buffer.is_empty() {
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
        let mut bytes = vec![];
        encode(frame, &mut bytes);
        let _ = self.orders.send(Told::Send(bytes));
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
    let (mut out, mut sent): (Vec<u8>, usize) = (vec![], 0);
    loop {
        tokio::select! {
            order = told.recv() => match order {
                Some(Told::Send(bytes)) => out.extend_from_slice(&bytes),
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
            ready = stream.writable(), if sent < out.len() => ready?,
        }
        while sent < out.len() {
            match stream.try_write(&out[sent..]) {
                Ok(written) => sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if sent == out.len() {
            out.clear();
            sent = 0;
        }
    }
}
