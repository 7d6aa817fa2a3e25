//! The ticker: a thread that moves the engine's epoch on while guests run, so that they look up from their
//! loops. It only says "look at the clock"; whether the time is over is judged where the deadline is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::Engine;

/// Time between two looks at the clock. An attempt overshoots its timeout by about this much; the rate has
/// no measurable cost.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Ticks of all tickers of this process.
static TICKS: AtomicU64 = AtomicU64::new(0);

/// How often this process's tickers have ticked. It grows while guests run; if it stands still meanwhile,
/// no deadline is kept any more and the process has to be killed from outside.
pub fn ticks() -> u64 {
    TICKS.load(Ordering::Relaxed)
}

/// Stops with its drop. Rests while no guest runs, so that an idle cell costs nothing.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

struct Shared {
    running: AtomicU32,
    stopped: AtomicBool,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Ticker> {
        let shared = Arc::new(Shared { running: AtomicU32::new(0), stopped: AtomicBool::new(false) });
        let handle = std::thread::Builder::new().name("epoch ticker".into()).spawn({
            let (shared, engine) = (Arc::clone(&shared), engine.clone());
            move || {
                while !shared.stopped.load(Ordering::Acquire) {
                    if shared.running.load(Ordering::Acquire) == 0 {
                        std::thread::park();
                    } else {
                        std::thread::sleep(TICK);
                        engine.increment_epoch();
                        TICKS.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        })?;
        Ok(Ticker { shared, thread: handle.thread().clone() })
    }

    /// Keeps the epoch moving until the guard is dropped.
    pub(crate) fn running(&self) -> Running<'_> {
        if self.shared.running.fetch_add(1, Ordering::AcqRel) == 0 {
            // Free of charge unless it is at rest, which it is at most once a tick.
            self.thread.unpark();
        }
        Running(&self.shared.running)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

pub(crate) struct Running<'a>(&'a AtomicU32);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
