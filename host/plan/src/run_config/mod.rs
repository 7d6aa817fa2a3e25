//! Run config: what can be configured for a job ([`ConfigTree`]), whether what a person gives fits
//! ([`validate`]), and what could still be given (scaffold, defaults, a schema for editors). Reads no environment:
//! variables are named here and read by the worker.

mod document;
mod explain;
mod export;
mod fill;
mod form;
mod inputs;
mod leaf;
mod mapping;
mod merge;
mod numbers;
mod scaffold;
mod tree;
mod yaml;

use cofferdam_model::{Diagnostic, Node};

pub use document::validate;
pub use export::run_config_schema;
pub use form::in_words;
pub use scaffold::{expand_defaults, remove_extra, scaffold};
pub use tree::{
    ConfigBody, ConfigSection, ConfigTree, GivenInput, InputPoint, MappingResults, PendingMapping, Resolved,
    ResolvedConfig, ResourceSection,
};

/// What is wrong, and which keys are there that nothing asks for.
#[derive(Default)]
struct Problems {
    list: Vec<Diagnostic>,
    /// Paths in the run config, from its root.
    extra: Vec<Vec<String>>,
    /// Inside of a config mapping there is no such path.
    mapped: bool,
}

impl Problems {
    fn extra(&mut self, path: Vec<String>) {
        if !self.mapped {
            self.extra.push(path);
        }
    }
}

/// Where a config lies in a run config: what messages begin with.
#[derive(Clone, Copy)]
struct Places<'a>(&'a [String]);

impl Places<'_> {
    fn dotted(self, path: &[String]) -> String {
        let parts: Vec<&str> = self.0.iter().chain(path).map(String::as_str).collect();
        parts.join(".")
    }

    fn all(self, path: &[String]) -> Vec<String> {
        self.0.iter().chain(path).cloned().collect()
    }
}

/// One config against its schema, for ops that no section of a run config names: hooks, IO managers, what sets up
/// a resource. `layers` lie over one another, lowest first; `what` is its name in messages.
pub fn resolve_one(
    schema: Option<&serde_json::Value>,
    layers: &[&Node],
    what: &str,
    keeps_env: bool,
) -> (ResolvedConfig, Vec<Diagnostic>) {
    let prefix = [what.to_owned()];
    let mut problems = Problems::default();
    let at = leaf::At { places: Places(&prefix), span: None, keeps_env, secrets: &[] };
    let resolved = leaf::Schemas::default().resolve(schema, layers, at, &mut problems);
    (resolved, problems.list)
}
