//! Definitions made by a program: the same that a `cofferdam.toml` says, from Rust.
//!
//! Every method takes plain text for names, paths of ops (`library.op`) and of outputs (`step.output`), and asset keys
//! (`raw/flights`), and no method fails: what is wrong is kept, and `build` tells all of it at once. Names that do
//! not exist, and ops that do not fit, are found by who resolves definitions, as with those from a file.
//!
//! ```
//! use cofferdam_model::Language;
//! use cofferdam_model::builder::{DefinitionsBuilder, JobBuilder};
//! use serde_json::json;
//!
//! let job = JobBuilder::new("delays")
//!     .step("split", "flights.split", |s| s.file("flights", "data/flights.csv"))
//!     .step("clean", "flights.clean", |s| s.map("month", "split.months").config(json!({ "strict": true })));
//! let definitions = DefinitionsBuilder::new().library_source("flights", Language::Rust, "ops").job(job).build()?;
//! assert_eq!(definitions.jobs.len(), 1);
//! # Ok::<(), cofferdam_model::builder::InvalidDefinitions>(())
//! ```

mod asset;
mod automation;
mod check;
mod flow;
mod partitions;
mod service;
mod step;

use std::path::PathBuf;

pub use asset::{AssetBuilder, AssetCheckBuilder, AssetFacts, AssetJobBuilder, AssetOutputBuilder};
pub use automation::{ScheduleBuilder, SensorBuilder};
use check::Checks;
pub use check::{InvalidDefinition, InvalidDefinitions};
pub use flow::{GraphBuilder, JobBuilder};
pub use partitions::Windows;
use serde_json::Value;
pub use service::EnvironmentBuilder;
pub use step::StepBuilder;

use crate::{
    Definitions, IoManagerKind, Language, LibraryDef, LibrarySource, Name, PartitionsDef, PartitionsKind,
    ResourceKind, Spanned,
};

/// The guide to this module, whose examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../guides/definitions-from-rust.md")]
struct Guide;

/// Collects the definitions of one code location.
#[derive(Debug, Default)]
#[must_use]
pub struct DefinitionsBuilder {
    definitions: Definitions,
    services: EnvironmentBuilder,
    checks: Checks,
}

impl DefinitionsBuilder {
    pub fn new() -> DefinitionsBuilder {
        DefinitionsBuilder::default()
    }

    /// A library that `cofferdam build` builds from the source in `folder`.
    pub fn library_source(self, name: &str, language: Language, folder: impl Into<PathBuf>) -> Self {
        self.library(name, LibrarySource::Source { language, folder: folder.into() })
    }

    /// A library that is there already.
    pub fn library_wasm(self, name: &str, file: impl Into<PathBuf>) -> Self {
        self.library(name, LibrarySource::Wasm(file.into()))
    }

    fn library(mut self, name: &str, source: LibrarySource) -> Self {
        let library = LibraryDef { source: Spanned::new(source, None), span: None };
        self.checks.define("library", name, library, &mut self.definitions.libraries);
        self
    }

    pub fn graph(mut self, graph: GraphBuilder) -> Self {
        let (name, graph) = graph.finish(&mut self.checks);
        self.checks.define("graph", &name, graph, &mut self.definitions.graphs);
        self
    }

    pub fn job(mut self, job: JobBuilder) -> Self {
        let (name, job) = job.finish(&mut self.checks);
        self.checks.define("job", &name, job, &mut self.definitions.jobs);
        self
    }

    /// A resource whose settings are an object.
    pub fn resource(mut self, name: &str, kind: ResourceKind, settings: Value) -> Self {
        self.services = self.services.resource(name, kind, settings);
        self
    }

    /// A resource made of ops; `config` is that of `set_up`.
    pub fn resource_of_ops(
        mut self,
        name: &str,
        set_up: &str,
        tear_down: Option<&str>,
        config: Option<Value>,
    ) -> Self {
        self.services = self.services.resource_of_ops(name, set_up, tear_down, config);
        self
    }

    /// An IO manager whose settings are an object.
    pub fn io_manager(mut self, name: &str, kind: IoManagerKind, settings: Value) -> Self {
        self.services = self.services.io_manager(name, kind, settings);
        self
    }

    /// An IO manager made of ops; `config` is that of both.
    pub fn io_manager_of_ops(mut self, name: &str, store: &str, load: &str, config: Option<Value>) -> Self {
        self.services = self.services.io_manager_of_ops(name, store, load, config);
        self
    }

    /// What is different in one environment.
    pub fn environment(mut self, name: &str, environment: EnvironmentBuilder) -> Self {
        let environment = environment.finish(Some(&format!("environment `{name}`")), &mut self.checks);
        self.checks.define("environment", name, environment, &mut self.definitions.environments);
        self
    }

    /// Partitions that are time windows.
    pub fn windows(self, name: &str, windows: Windows) -> Self {
        self.partitions(name, PartitionsKind::Time(windows.finish()))
    }

    /// Partitions that are listed.
    pub fn keys<const N: usize>(self, name: &str, keys: [&str; N]) -> Self {
        let keys = keys.map(|key| Spanned::new(key.to_owned(), None)).into();
        self.partitions(name, PartitionsKind::Static { keys })
    }

    /// Partitions that are added while the instance lives.
    pub fn dynamic_keys(self, name: &str) -> Self {
        self.partitions(name, PartitionsKind::Dynamic)
    }

    /// Every combination of other partitions: dimension → name of a set.
    pub fn dimensions<const N: usize>(mut self, name: &str, dimensions: [(&str, &str); N]) -> Self {
        let checks = &mut self.checks;
        let dimensions = dimensions
            .into_iter()
            .map(|(dimension, set)| {
                (checks.name("dimension", dimension), checks.spanned("set of partitions", set))
            })
            .collect();
        self.partitions(name, PartitionsKind::Multi { dimensions })
    }

    fn partitions(mut self, name: &str, kind: PartitionsKind) -> Self {
        let partitions = PartitionsDef { kind: Spanned::new(kind, None), span: None };
        self.checks.define("set of partitions", name, partitions, &mut self.definitions.partitions);
        self
    }

    pub fn asset(mut self, asset: AssetBuilder) -> Self {
        let (name, asset) = asset.finish(&mut self.checks);
        self.checks.define("asset", &name, asset, &mut self.definitions.assets);
        self
    }

    pub fn asset_check(mut self, check: AssetCheckBuilder) -> Self {
        let (name, check) = check.finish(&mut self.checks);
        self.checks.define("asset check", &name, check, &mut self.definitions.asset_checks);
        self
    }

    pub fn asset_job(mut self, job: AssetJobBuilder) -> Self {
        let (name, job) = job.finish(&mut self.checks);
        self.checks.define("asset job", &name, job, &mut self.definitions.asset_jobs);
        self
    }

    pub fn schedule(mut self, schedule: ScheduleBuilder) -> Self {
        let (name, schedule) = schedule.finish(&mut self.checks);
        self.checks.define("schedule", &name, schedule, &mut self.definitions.schedules);
        self
    }

    pub fn sensor(mut self, sensor: SensorBuilder) -> Self {
        let (name, sensor) = sensor.finish(&mut self.checks);
        self.checks.define("sensor", &name, sensor, &mut self.definitions.sensors);
        self
    }

    /// The definitions, or all that is wrong with them.
    pub fn build(self) -> Result<Definitions, InvalidDefinitions> {
        let DefinitionsBuilder { mut definitions, services, mut checks } = self;
        let services = services.finish(None, &mut checks);
        definitions.resources = services.resources;
        definitions.io_managers = services.io_managers;
        refuse_same(&definitions, &mut checks);
        checks.finish(definitions)
    }
}

/// A run is started by the name of its job, of whichever kind; a key names one asset.
fn refuse_same(definitions: &Definitions, checks: &mut Checks) {
    let folded = |name: &Name| name.as_str().to_lowercase();
    for name in definitions.asset_jobs.keys() {
        if definitions.jobs.keys().any(|job| folded(job) == folded(name)) {
            checks.wrong(format!("asset job `{name}`"), "a job has this name");
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    for output in definitions.assets.values().flat_map(|asset| &asset.outputs) {
        if !seen.insert(&output.key.value) {
            checks.wrong(format!("asset key `{}`", output.key.value), "two assets have it");
        }
    }
}
