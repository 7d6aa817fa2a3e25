//! Definitions and run config in; a plan or all diagnostics out. Pure: the same input gives the same bytes.
//!
//! The way of a job: [`libraries_used`] says which libraries have to be built for it, [`file_sources`] which files its
//! inputs name; the shell builds and reads them; [`compile`] resolves names, orders the steps, gives every step its
//! scope (what it is mapped over), checks the types of every edge and all config, and pins libraries by digest.
//! [`check`] does the same for all jobs without files and run config. Knows no format, no storage and no wasmtime.

mod assets;
mod automation;
mod compile;
mod config_diff;
mod configurable;
mod disjoint;
mod draft;
mod edges;
mod fakes;
mod files;
mod flat;
mod graph;
mod hooks;
mod inputs;
mod io_schemas;
mod job;
mod libraries;
mod managers;
mod rerun;
mod resource_schemas;
mod resources;
mod run_config;
mod schema;
mod selection;
mod settings;
mod steps;
mod transient;
mod types;
mod values;

use std::collections::BTreeMap;

use cofferdam_model::{LibraryDigest, LibrarySpec, Name};

pub use assets::Catalog;
pub use automation::{TickPartition, partition_of_tick, schedule_request, schedule_rules, timetable};
pub use cofferdam_model::cbor::encode as encode_cbor;
pub use compile::{
    Present, Request, Target, World, check, compile, executor, outline, pending_mappings, with_config_tree,
};
pub use config_diff::{Change, MASK, config_diff};
pub use fakes::{fake_sources, test_request, with_fakes};
pub use files::{Blob, FileForm, FileSource, Files, file_sources};
pub use io_schemas::{check_io_manager, io_manager_schema};
pub use libraries::libraries_used;
pub use rerun::{Past, PastStep, Request as RerunRequest, Rerun, RerunProblem, rerun};
pub use resource_schemas::{SettingProblem, check_settings, settings_schema};
pub use run_config::{
    Address, ConfigBody, ConfigSection, ConfigTree, Executor, GivenInput, InputPoint, MappingResults,
    PendingMapping, Resolved, ResolvedConfig, ResourceSection, expand_defaults, in_words, remove_extra,
    run_config_schema, scaffold, validate,
};
pub use types::{Mismatch, mismatch};

/// Libraries by the name that the definitions give them.
pub type Libraries = BTreeMap<Name, (LibraryDigest, LibrarySpec)>;
