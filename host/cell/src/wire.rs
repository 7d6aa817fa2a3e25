//! The cell's end of the socket. Replies are held while frames are waiting and leave together; a second
//! thread sees to it that they leave in time, gives queued attempts back when the running one takes long, says
//! that this process is alive while it is at work, and ends it when the supervisor is gone.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::frames::{FromCell, Inbox, Ticket, ToCell, encode};

/// How long a reply may be held, and how long an attempt may run before those behind it are given back.
const TICK: Duration = Duration::from_millis(5);
/// Ticks between two signs of life.
const BEAT_TICKS: u32 = 20;
/// Ticks without work after which the second thread sleeps until there is some.
const IDLE_TICKS: u32 = 20;
/// Held replies that leave at once: the supervisor should not wait for a full pipe.
const OUTPUT_BYTES_HELD: usize = 64 * 1024;
/// Bytes taken from the socket at a time.
const RECEIVE_BYTES: usize = 64 * 1024;
/// No child of this process gets what it is given; there are none, and only Linux says so in the call.
#[cfg(target_os = "linux")]
const RECEIVE_FLAGS: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(not(target_os = "linux"))]
const RECEIVE_FLAGS: RecvFlags = RecvFlags::empty();

pub(crate) struct Wire {
    stream: UnixStream,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    inbox: Inbox,
    queue: VecDeque<ToCell>,
    output: Vec<u8>,
    running: Option<Ticket>,
    /// The main thread has taken an order and not come back for the next.
    busy: bool,
    /// The main thread is waiting for the socket, which is its own then.
    waiting: bool,
    parked: bool,
    scratch: Vec<u8>,
    /// That came along with frames, in their order.
    files: VecDeque<OwnedFd>,
    /// The supervisor has closed its end.
    closed: bool,
}

impl Wire {
    /// `ticks` counts on while a guest runs and its deadline is watched.
    pub(crate) fn new(stream: UnixStream, ticks: fn() -> u64) -> Arc<Wire> {
        let wire = Arc::new(Wire { stream, state: Mutex::default(), work: Condvar::new() });
        let second = wire.clone();
        std::thread::spawn(move || second.tick(ticks));
        wire
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("neither thread panics while it holds the lock")
    }

    /// The next order; none when the supervisor has closed.
    pub(crate) fn next(&self) -> io::Result<Option<ToCell>> {
        let mut state = self.lock();
        (state.running, state.busy) = (None, false);
        loop {
            let queued = state.queue.pop_front();
            let frame = match queued {
                Some(frame) => Some(frame),
                None => state.inbox.take().map_err(io::Error::other)?,
            };
            if let Some(frame) = frame {
                if let ToCell::Run(attempt) = &frame {
                    state.running = Some(attempt.ticket);
                }
                state.busy = true;
                if state.parked {
                    state.parked = false;
                    self.work.notify_one();
                }
                return Ok(Some(frame));
            }
            state = self.fill(state)?;
            if state.closed {
                return Ok(None);
            }
        }
    }

    /// The answer to what was just asked; attempts that come before it are queued.
    pub(crate) fn reply(&self) -> io::Result<ToCell> {
        let mut state = self.lock();
        let is_reply =
            |frame: &ToCell| matches!(frame, ToCell::Chunk(_) | ToCell::Done(_) | ToCell::Answer(_));
        // The second thread may have taken it from the socket already.
        if let Some(at) = state.queue.iter().position(is_reply) {
            return Ok(state.queue.remove(at).expect("just found"));
        }
        loop {
            match state.inbox.take().map_err(io::Error::other)? {
                Some(reply) if is_reply(&reply) => return Ok(reply),
                Some(other) => state.queue.push_back(other),
                None => state = self.fill(state)?,
            }
            if state.closed {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    pub(crate) fn send(&self, frame: &FromCell) -> io::Result<()> {
        let mut state = self.lock();
        encode(frame, &mut state.output);
        if state.output.len() >= OUTPUT_BYTES_HELD {
            self.flush(&mut state)?;
        }
        Ok(())
    }

    /// The file that came along with the order that was taken last.
    pub(crate) fn file(&self) -> io::Result<OwnedFd> {
        self.lock().files.pop_front().ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn flush(&self, state: &mut State) -> io::Result<()> {
        if !state.output.is_empty() {
            (&self.stream).write_all(&state.output)?;
            state.output.clear();
        }
        Ok(())
    }

    /// Sends what is held and waits for more, without the lock.
    fn fill<'a>(&'a self, mut state: MutexGuard<'a, State>) -> io::Result<MutexGuard<'a, State>> {
        self.flush(&mut state)?;
        state.waiting = true;
        drop(state);
        let mut ready = [PollFd::new(&self.stream, PollFlags::IN)];
        match poll(&mut ready, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut state = self.lock();
        state.waiting = false;
        self.receive(&mut state)?;
        Ok(state)
    }

    /// Takes what the socket holds now.
    fn receive(&self, state: &mut State) -> io::Result<()> {
        state.scratch.resize(RECEIVE_BYTES, 0);
        let mut scratch = std::mem::take(&mut state.scratch);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut along = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RECEIVE_FLAGS;
        let received = recvmsg(&self.stream, &mut [IoSliceMut::new(&mut scratch)], &mut along, flags)
            .map(|all| all.bytes);
        for message in along.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message {
                state.files.extend(files);
            }
        }
        match received {
            Ok(0) => state.closed = true,
            Ok(read) => state.inbox.extend(&scratch[..read]),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        state.scratch = scratch;
        Ok(())
    }

    fn tick(&self, ticks: fn() -> u64) {
        let (mut last, mut idle, mut silent, mut seen) = (None, 0, 0, ticks());
        loop {
            std::thread::sleep(TICK);
            let mut state = self.lock();
            let slow = state.running.is_some() && state.running == last;
            last = state.running;
            silent = if state.busy { silent + 1 } else { 0 };
            // A guest whose deadline nobody watches is no sign of life.
            if silent >= BEAT_TICKS && (state.running.is_none() || ticks() != seen) {
                encode(&FromCell::Beat, &mut state.output);
                (silent, seen) = (0, ticks());
            }
            if self.tend(&mut state, slow).is_err() {
                // The supervisor is gone; nobody wants what this process still does.
                std::process::exit(0);
            }
            idle = if state.busy { 0 } else { idle + 1 };
            if idle > IDLE_TICKS {
                state.parked = true;
                let woken = self.work.wait_while(state, |state| state.parked);
                drop(woken.expect("neither thread panics while it holds the lock"));
                idle = 0;
            }
        }
    }

    fn tend(&self, state: &mut State, slow: bool) -> io::Result<()> {
        if slow {
            if !state.waiting {
                self.receive(state)?;
                if state.closed {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                while let Some(frame) = state.inbox.take().map_err(io::Error::other)? {
                    state.queue.push_back(frame);
                }
            }
            let mut tickets = vec![];
            state.queue.retain(|frame| match frame {
                ToCell::Run(attempt) => {
                    tickets.push(attempt.ticket);
                    false
                }
                _ => true,
            });
            if !tickets.is_empty() {
                encode(&FromCell::Returned { tickets }, &mut state.output);
            }
        }
        self.flush(state)
    }
}
