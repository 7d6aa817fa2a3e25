//! Joins what a process does with what it tells of itself: metrics for who reads them at `--metrics`, and spans.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_client::Objects;
use cofferdam_model::{Assignment, Outcome, Plan, Recorded, RunId, Usage};
use cofferdam_scheduler::{Scheduler, system_time};
use cofferdam_telemetry::{
    AttemptSpans, Exposed, Listening, NearCounts, RunSpans, SchedulerMetrics, WorkerMetrics, listen,
};

use crate::args::MetricsAt;
use crate::error::{Doing, Result};
use crate::exit::Exit;
use crate::output::{GREEN, Output};
use crate::traces;

/// The metrics of a process that was asked to have some.
pub(crate) struct Metrics<M> {
    exposed: Exposed,
    address: SocketAddr,
    counts: M,
}

impl<M> Metrics<M> {
    /// None if they are not asked for: then nothing is counted.
    pub(crate) fn new(asked: &MetricsAt, counts: impl FnOnce(&Exposed) -> M) -> Option<Metrics<M>> {
        let address = asked.metrics?;
        let exposed = Exposed::new(env!("CARGO_PKG_VERSION"));
        let counts = counts(&exposed);
        Some(Metrics { exposed, address, counts })
    }

    /// What is counted, for one more who counts.
    pub(crate) fn counts(&self) -> M
    where
        M: Clone,
    {
        self.counts.clone()
    }

    async fn listen(self, refresh: cofferdam_telemetry::Refresh, output: Output) -> Result<Listening> {
        let listening = listen(self.address, self.exposed, refresh).await;
        let (address, listening) =
            listening.doing(Exit::Unreachable, format!("listen at {} for metrics", self.address))?;
        output.say(&format!("{GREEN}metrics{GREEN:#} at http://{address}/metrics"));
        Ok(listening)
    }
}

/// Tells what a scheduler does to whom it may concern.
#[derive(Debug, Clone)]
pub(crate) struct OfScheduler {
    metrics: Option<SchedulerMetrics>,
    spans: Option<RunSpans>,
}

/// Who looks on a scheduler of this process; none if nobody does.
pub(crate) fn scheduler_observer(
    metrics: Option<&Metrics<SchedulerMetrics>>,
) -> Option<Arc<dyn cofferdam_scheduler::Observer>> {
    let metrics = metrics.map(|metrics| metrics.counts.clone());
    let spans = traces::current().map(RunSpans::new);
    let anybody = metrics.is_some() || spans.is_some();
    anybody.then(|| Arc::new(OfScheduler { metrics, spans }) as Arc<dyn cofferdam_scheduler::Observer>)
}

impl cofferdam_scheduler::Observer for OfScheduler {
    fn run(&self, run: RunId, plan: &Plan) {
        if let Some(spans) = &self.spans {
            spans.run(run, plan);
        }
    }

    fn events(&self, run: RunId, events: &[Recorded]) {
        if let Some(metrics) = &self.metrics {
            metrics.events(run, events);
        }
        if let Some(spans) = &self.spans {
            spans.events(run, events);
        }
    }

    fn appended(&self, n_events: usize, took: Duration) {
        if let Some(metrics) = &self.metrics {
            metrics.appended(n_events, took);
        }
        if let Some(spans) = &self.spans {
            spans.appended(took);
        }
    }

    fn lines(&self, n_lines: usize, kept: bool) {
        if let Some(metrics) = &self.metrics {
            metrics.lines(n_lines, kept);
        }
    }
}

/// Tells what a worker does to whom it may concern.
#[derive(Debug, Clone)]
pub(crate) struct OfWorker {
    metrics: Option<WorkerMetrics>,
    spans: Option<AttemptSpans>,
}

/// Who looks on a worker of this process; none if nobody does.
pub(crate) fn worker_observer(
    metrics: Option<&Metrics<WorkerMetrics>>,
) -> Option<Arc<dyn cofferdam_worker::Observer>> {
    let metrics = metrics.map(|metrics| metrics.counts.clone());
    let spans = traces::current().map(AttemptSpans::new);
    let anybody = metrics.is_some() || spans.is_some();
    anybody.then(|| Arc::new(OfWorker { metrics, spans }) as Arc<dyn cofferdam_worker::Observer>)
}

impl cofferdam_worker::Observer for OfWorker {
    fn received(&self) {
        if let Some(metrics) = &self.metrics {
            metrics.received();
        }
    }

    fn library(&self, got: cofferdam_worker::Got) {
        if let Some(metrics) = &self.metrics {
            metrics.library(match got {
                cofferdam_worker::Got::Memory => cofferdam_telemetry::Got::Memory,
                cofferdam_worker::Got::Cache => cofferdam_telemetry::Got::Cache,
                cofferdam_worker::Got::Compiler => cofferdam_telemetry::Got::Compiler,
                cofferdam_worker::Got::Elsewhere => cofferdam_telemetry::Got::Elsewhere,
            });
        }
    }

    fn cell_started(&self) {
        if let Some(metrics) = &self.metrics {
            metrics.cell_started();
        }
    }

    fn cell_died(&self) {
        if let Some(metrics) = &self.metrics {
            metrics.cell_died();
        }
    }

    fn ended(&self, assignment: &Assignment, outcome: &Outcome, usage: &Usage) {
        if let Some(metrics) = &self.metrics {
            metrics.ended(outcome);
        }
        if let Some(spans) = &self.spans {
            spans.ended(assignment, outcome, usage, system_time());
        }
    }
}

/// Listens for whoever reads a scheduler's metrics.
pub(crate) async fn of_scheduler(
    metrics: Metrics<SchedulerMetrics>,
    scheduler: Arc<Scheduler>,
    output: Output,
) -> Result<Listening> {
    let counts = metrics.counts.clone();
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
    metrics: Metrics<WorkerMetrics>,
    n_cells: u32,
    objects: Arc<Objects>,
    output: Output,
) -> Result<Listening> {
    metrics.counts.set_cells(n_cells as usize);
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
