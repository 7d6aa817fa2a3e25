//! `--metrics`: joins what a process does with what it tells of itself, and says where that can be read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_client::Objects;
use cofferdam_model::{Assignment, Outcome, Recorded, RunId, Usage};
use cofferdam_scheduler::Scheduler;
use cofferdam_telemetry::{Exposed, Listening, NearCounts, SchedulerMetrics, WorkerMetrics, listen};

use crate::args::MetricsAt;
use crate::error::{Doing, Result};
use crate::exit::Exit;
use crate::output::{GREEN, Output};

/// The metrics of a process that was asked to have some.
pub(crate) struct Metrics<M> {
    exposed: Exposed,
    address: SocketAddr,
    pub(crate) counts: M,
}

impl<M> Metrics<M> {
    /// None if they are not asked for: then nothing is counted.
    pub(crate) fn new(asked: &MetricsAt, counts: impl FnOnce(&Exposed) -> M) -> Option<Metrics<M>> {
        let address = asked.metrics?;
        let exposed = Exposed::new(env!("CARGO_PKG_VERSION"));
        let counts = counts(&exposed);
        Some(Metrics { exposed, address, counts })
    }

    async fn listen(self, refresh: cofferdam_telemetry::Refresh, output: Output) -> Result<Listening> {
        let listening = listen(self.address, self.exposed, refresh).await;
        let (address, listening) =
            listening.doing(Exit::Unreachable, format!("listen at {} for metrics", self.address))?;
        output.say(&format!("{GREEN}metrics{GREEN:#} at http://{address}/metrics"));
        Ok(listening)
    }
}

/// Tells a scheduler's metrics.
#[derive(Debug, Clone)]
pub(crate) struct OfScheduler(pub(crate) SchedulerMetrics);

impl cofferdam_scheduler::Observer for OfScheduler {
    fn events(&self, run: RunId, events: &[Recorded]) {
        self.0.events(run, events);
    }

    fn appended(&self, n_events: usize, took: Duration) {
        self.0.appended(n_events, took);
    }

    fn lines(&self, n_lines: usize, kept: bool) {
        self.0.lines(n_lines, kept);
    }
}

/// Tells a worker's metrics.
#[derive(Debug, Clone)]
pub(crate) struct OfWorker(pub(crate) WorkerMetrics);

impl cofferdam_worker::Observer for OfWorker {
    fn received(&self) {
        self.0.received();
    }

    fn library(&self, got: cofferdam_worker::Got) {
        self.0.library(match got {
            cofferdam_worker::Got::Memory => cofferdam_telemetry::Got::Memory,
            cofferdam_worker::Got::Cache => cofferdam_telemetry::Got::Cache,
            cofferdam_worker::Got::Compiler => cofferdam_telemetry::Got::Compiler,
        });
    }

    fn cell_died(&self) {
        self.0.cell_died();
    }

    fn ended(&self, _: &Assignment, outcome: &Outcome, _: &Usage) {
        self.0.ended(outcome);
    }
}

/// Listens for whoever reads a scheduler's metrics.
pub(crate) async fn of_scheduler(
    metrics: Metrics<OfScheduler>,
    scheduler: Arc<Scheduler>,
    output: Output,
) -> Result<Listening> {
    let counts = metrics.counts.0.clone();
    let refresh = Arc::new(move || {
        let (scheduler, counts) = (scheduler.clone(), counts.clone());
        let refreshed: futures::future::BoxFuture<'static, ()> = Box::pin(async move {
            // A scheduler that has stopped leaves the numbers as they were; the process is about to end.
            if let Ok(census) = scheduler.census().await {
                counts.set(&census);
            }
        });
        refreshed
    });
    metrics.listen(refresh, output).await
}

/// Listens for whoever reads a worker's metrics.
pub(crate) async fn of_worker(
    metrics: Metrics<OfWorker>,
    n_cells: u32,
    objects: Arc<Objects>,
    output: Output,
) -> Result<Listening> {
    metrics.counts.0.set_cells(n_cells as usize);
    WorkerMetrics::near(&metrics.exposed, move || {
        let counted = objects.counted();
        NearCounts {
            hits: counted.hits,
            misses: counted.misses,
            evicted: counted.evicted,
            bytes: counted.bytes,
            fetched_bytes: counted.fetched_bytes,
            sent_bytes: counted.sent_bytes,
        }
    });
    metrics.listen(Arc::new(|| Box::pin(std::future::ready(()))), output).await
}
