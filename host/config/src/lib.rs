//! TOML and YAML in; definitions, run config and an operator's settings with places out; diagnostics rendered for people and machines.
//!
//! The only crate that knows these formats. Both are read into one tree ([`cofferdam_model::Node`]), and what
//! reads definitions works on that tree. Leaves resolving of names and checking against ops to `plan`.
//! Nothing in a text is expanded: no environment variables, no includes, no merge keys.

mod alerts;
mod assets;
mod automation;
mod definitions;
mod discover;
mod expectations;
mod graphs;
mod held;
mod instance;
mod jobs;
mod limits;
mod mappings;
mod namespaces;
mod partitions;
mod policies;
mod reader;
mod render;
mod resources;
mod run_config;
mod sources;
mod steps;
mod texts;
mod toml;
mod units;
mod workspace;
mod yaml;
#[cfg(test)]
mod yaml_suite;

pub use alerts::{AlertSettings, AlertTarget};
pub use definitions::read_definitions;
pub use discover::{DEFINITIONS_FILE, find_definitions};
pub use held::Held;
pub use instance::{INSTANCE_FILE, InstanceSettings, PoolSettings, RunLogSettings, read_instance};
pub use namespaces::NamespaceSettings;
pub use render::{ERRORS_SHOWN_MAX, render, render_json};
pub use run_config::read_run_config;
pub use texts::{TEXT_BYTES_MAX, Texts};
pub use units::{parse_bytes, parse_duration};
pub use workspace::{LocationSettings, WORKSPACE_FILE, WorkspaceSettings, read_workspace};
