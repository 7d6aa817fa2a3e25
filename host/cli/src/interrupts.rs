//! Interrupts (Ctrl-C) while something runs that is to be cancelled, not dropped; and the end that a service manager asks
//! for. Once somebody has listened the system ends the process no more, so who listens once goes on listening.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Doing, Result};
use crate::exit::Exit;

/// What a person interrupts. Made before the thing that it cancels is begun: until then an interrupt ends this process
/// at once, and a run that had just been recorded would stay behind without an end.
pub(crate) struct Interrupts {
    signal: Signal,
    n: u32,
}

impl Interrupts {
    pub(crate) fn listen() -> Result<Interrupts> {
        let signal = signal(SignalKind::interrupt()).doing(Exit::Internal, "listen for interrupts")?;
        Ok(Interrupts { signal, n: 0 })
    }

    /// Waits for the next one; gives how many there have been with it. Two that come close together may count as one.
    pub(crate) async fn next(&mut self) -> u32 {
        // The stream of a process's own signals has no end.
        self.signal.recv().await;
        self.n += 1;
        self.n
    }
}

/// What asks a service to end: an interrupt, or a service manager's SIGTERM.
pub(crate) struct Ending {
    interrupt: Signal,
    terminate: Signal,
}

impl Ending {
    pub(crate) fn listen() -> Result<Ending> {
        let listen = |kind| signal(kind).doing(Exit::Internal, "listen for what ends a service");
        Ok(Ending {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits until it is asked, or asked again.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
