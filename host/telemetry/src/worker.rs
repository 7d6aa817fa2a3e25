//! What a worker counts.

use std::sync::Arc;

use cofferdam_model::Outcome;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};

use crate::catalog;
use crate::registry::{Counters, Exposed, put, signed};

/// The metrics of a worker. Clones share them.
#[derive(Debug, Clone)]
pub struct WorkerMetrics {
    cells: Gauge,
    cells_started: Counter,
    cells_died: Counter,
    received: Counter,
    succeeded: Counter,
    failed: Counters,
    libraries: Counters,
}

/// Where a compiled library came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got {
    /// It was loaded already.
    Memory,
    /// It had been compiled earlier.
    Cache,
    /// It was compiled now.
    Compiler,
    /// Another host has compiled it.
    Elsewhere,
}

/// What the folder of values and libraries counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NearCounts {
    pub hits: u64,
    pub misses: u64,
    pub evicted: u64,
    /// Taken now.
    pub bytes: u64,
    pub fetched_bytes: u64,
    pub sent_bytes: u64,
}

impl WorkerMetrics {
    pub fn new(exposed: &Exposed) -> WorkerMetrics {
        WorkerMetrics {
            cells: exposed.gauge("cofferdam_cells"),
            cells_started: exposed.counter("cofferdam_cells_started"),
            cells_died: exposed.counter("cofferdam_cells_died"),
            received: exposed.counter("cofferdam_worker_attempts_received"),
            succeeded: exposed.counter("cofferdam_worker_attempts_succeeded"),
            failed: exposed.counters("cofferdam_worker_attempts_failed"),
            libraries: exposed.counters("cofferdam_libraries_ready"),
        }
    }

    /// It has so many cells.
    pub fn set_cells(&self, n_cells: usize) {
        self.cells.set(signed(n_cells as u64));
    }

    /// A cell has been started.
    pub fn cell_started(&self) {
        self.cells_started.inc();
    }

    /// A cell has ended while the worker goes on.
    pub fn cell_died(&self) {
        self.cells_died.inc();
    }

    /// An attempt was given to the worker.
    pub fn received(&self) {
        self.received.inc();
    }

    /// A library is ready.
    pub fn library(&self, got: Got) {
        let from = match got {
            Got::Memory => "memory",
            Got::Cache => "cache",
            Got::Compiler => "compiler",
            Got::Elsewhere => "elsewhere",
        };
        self.libraries.get_or_create(&[("from", from)]).inc();
    }

    /// The end of an attempt was reported.
    pub fn ended(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Succeeded { .. } => self.succeeded.inc(),
            Outcome::Failed(failure) => self.failed.get_or_create(&[("kind", failure.kind.code())]).inc(),
        };
    }

    /// The folder's counts, which are asked for when somebody looks.
    pub fn near(exposed: &Exposed, read: impl Fn() -> NearCounts + Send + Sync + 'static) {
        exposed.collect(Box::new(Near(Arc::new(read))));
    }
}

struct Near(Arc<dyn Fn() -> NearCounts + Send + Sync>);

impl std::fmt::Debug for Near {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Near")
    }
}

impl Collector for Near {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let counts = (self.0)();
        let requests = catalog::named("cofferdam_near_requests");
        let hits = ConstCounter::new(counts.hits);
        let mut family = encoder.encode_descriptor(requests.name, requests.help, None, hits.metric_type())?;
        hits.encode(family.encode_family(&[("result", "hit")])?)?;
        ConstCounter::new(counts.misses).encode(family.encode_family(&[("result", "miss")])?)?;
        put(&mut encoder, "cofferdam_near_evicted", &ConstCounter::new(counts.evicted))?;
        put(&mut encoder, "cofferdam_near_fetched_bytes", &ConstCounter::new(counts.fetched_bytes))?;
        put(&mut encoder, "cofferdam_near_sent_bytes", &ConstCounter::new(counts.sent_bytes))?;
        put(&mut encoder, "cofferdam_near_bytes", &ConstGauge::new(signed(counts.bytes)))
    }
}
