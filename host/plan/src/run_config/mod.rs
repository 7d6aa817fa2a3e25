//! Run config: what can be configured for a job ([`ConfigTree`]), whether what a person gives fits
//! ([`validate`]), and what could still be given (scaffold, defaults, a schema for editors). Reads no environment:
//! variables are named here and read by the worker.

mod document;
mod execution;
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
mod walk;
mod yaml;

use cofferdam_model::{Diagnostic, Node};

pub use document::validate;
pub(crate) use execution::executor;
pub use execution::{Address, Executor};
pub use export::run_config_schema;
pub use form::in_words;
pub use scaffold::{expand_defaults, remove_extra, scaffold};
pub use tree::{
    ConfigBody, ConfigSection, ConfigTree, GivenInput, InputPoint, MappingResults, PendingMapping, Resolved,
    ResolvedConfig, ResourceSection,
};

/// Code of the finding that a secret is written down.
const SECRET_IN_CLEAR: &str = "plan::secret-in-clear";

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

/// What becomes of `{env: NAME}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variables {
    /// Null stands in its place, and a list says what belongs there.
    Listed,
    /// It stays as it is, for whoever opens the resource.
    Kept,
    Refused,
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

/// What no section of a run config names, against its schema: the config of hooks, of IO managers and of what sets up
/// a resource, and literals. Remembers compiled schemas by their address, so all it is given must outlive it.
#[derive(Default)]
pub(crate) struct Apart(leaf::Schemas);

impl Apart {
    /// The config of an op. `what` is its name in messages.
    pub(crate) fn config(
        &mut self,
        schema: Option<&serde_json::Value>,
        given: Option<&Node>,
        what: &str,
    ) -> (ResolvedConfig, Vec<Diagnostic>) {
        self.resolve(schema, given, what, Variables::Listed)
    }

    /// A value that is known when the plan is made: it reads no environment.
    pub(crate) fn literal(
        &mut self,
        schema: &serde_json::Value,
        given: &Node,
        what: &str,
    ) -> (serde_json::Value, Vec<Diagnostic>) {
        let (resolved, found) = self.resolve(Some(schema), Some(given), what, Variables::Refused);
        (resolved.value, found)
    }

    fn resolve(
        &mut self,
        schema: Option<&serde_json::Value>,
        given: Option<&Node>,
        what: &str,
        variables: Variables,
    ) -> (ResolvedConfig, Vec<Diagnostic>) {
        let prefix = [what.to_owned()];
        let layers: Vec<&Node> = given.into_iter().collect();
        let mut problems = Problems::default();
        let at = leaf::At { places: Places(&prefix), span: None, variables, secrets: &[] };
        let resolved = self.0.resolve(schema, &layers, at, &mut problems);
        (resolved, problems.list)
    }
}
