//! The metrics of one process, and their text.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::{catalog, process};

/// Upper bounds of times, in seconds: from a step that does nothing to one that runs for a day.
const SECONDS: [f64; 12] = [0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 10.0, 100.0, 3600.0];
/// Upper bounds of the events of one append.
const EVENTS: [f64; 7] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0];

/// One label with a value out of a short list.
pub(crate) type Label = [(&'static str, &'static str); 1];
/// A counter per value of a label.
pub(crate) type Counters = Family<Label, Counter>;
/// A gauge per value of a label.
pub(crate) type Gauges = Family<Label, Gauge>;

/// What a process exposes. Clones share it.
#[derive(Clone)]
pub struct Exposed {
    registry: Arc<Mutex<Registry>>,
}

impl Exposed {
    /// What every process tells of itself.
    pub fn new(version: &'static str) -> Exposed {
        let exposed = Exposed { registry: Arc::default() };
        let build = exposed.add("cofferdam_build", Gauges::default());
        build.get_or_create(&[("version", version)]).set(1);
        exposed.collect(Box::new(process::Collected));
        exposed
    }

    /// Adds what is read only when somebody looks.
    pub(crate) fn collect(&self, collector: Box<dyn Collector>) {
        self.registry.lock().expect("nobody panics while holding it").register_collector(collector);
    }

    /// Registers a metric of the catalog.
    pub(crate) fn add<M>(&self, name: &'static str, metric: M) -> M
    where
        M: Clone + Debug + EncodeMetric + TypedMetric + Send + Sync + 'static,
    {
        let help = catalog::named(name).help;
        let mut registry = self.registry.lock().expect("nobody panics while holding it");
        registry.register(name, help, metric.clone());
        metric
    }

    pub(crate) fn counter(&self, name: &'static str) -> Counter {
        self.add(name, Counter::default())
    }

    pub(crate) fn float_counter(&self, name: &'static str) -> Counter<f64> {
        self.add(name, Counter::default())
    }

    pub(crate) fn gauge(&self, name: &'static str) -> Gauge {
        self.add(name, Gauge::default())
    }

    pub(crate) fn counters(&self, name: &'static str) -> Counters {
        self.add(name, Counters::default())
    }

    pub(crate) fn gauges(&self, name: &'static str) -> Gauges {
        self.add(name, Gauges::default())
    }

    pub(crate) fn seconds(&self, name: &'static str) -> Histogram {
        self.add(name, Histogram::new(SECONDS))
    }

    pub(crate) fn events(&self, name: &'static str) -> Histogram {
        self.add(name, Histogram::new(EVENTS))
    }

    /// All metrics as OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().expect("nobody panics while holding it");
        encode(&mut text, &registry).expect("writing into memory does not fail");
        text
    }
}

/// A number for a gauge.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Writes one number of the catalog that was read just now.
pub(crate) fn put(
    encoder: &mut DescriptorEncoder<'_>,
    name: &'static str,
    metric: &impl EncodeMetric,
) -> Result<(), std::fmt::Error> {
    let help = catalog::named(name).help;
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}
