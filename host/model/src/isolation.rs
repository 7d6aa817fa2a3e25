//! With whom an attempt shares the process that runs it.

use serde::{Deserialize, Serialize};

/// The class of a cell; each one keeps apart what the one before it does, and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// With what ran in that slot before it and runs there after it: for libraries that trust each other.
    #[default]
    Own,
    /// With attempts of its own namespace. A slot that goes from one namespace to another costs the start of a process.
    Tenant,
    /// With nobody: a cell runs one attempt and ends. It costs the start of a process.
    Attempt,
}

impl Isolation {
    pub(crate) fn is_default(&self) -> bool {
        *self == Isolation::default()
    }
}
