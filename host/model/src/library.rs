//! What a library says about itself: the host's form of WIT's `library-spec`.

use serde::{Deserialize, Serialize};

use crate::{Name, ResourceNeed};

/// A library's description, as its `describe` gave it, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibrarySpec {
    pub name: String,
    pub version: String,
    pub ops: Vec<OpSpec>,
}

/// One op of a library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpSpec {
    pub name: Name,
    pub doc: String,
    pub inputs: Vec<InputSpec>,
    pub outputs: Vec<OutputSpec>,
    /// JSON Schema (draft 2020-12) of the config.
    pub config_schema: Option<serde_json::Value>,
    /// Resources that the op uses while it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceNeed>,
    /// The same inputs and config give the same outputs, and nothing else is touched: a result may be reused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pure: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputSpec {
    pub name: Name,
    pub doc: String,
    /// `*/*` accepts any.
    pub media_type: String,
    /// JSON Schema of one value; `true` accepts any.
    pub schema: serde_json::Value,
    pub required: bool,
    /// Takes many values: a fan-in list or a collected dynamic output.
    pub many: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputSpec {
    pub name: Name,
    pub doc: String,
    pub media_type: String,
    /// JSON Schema of one value.
    pub schema: serde_json::Value,
    pub required: bool,
    pub dynamic: bool,
}

impl LibrarySpec {
    pub fn op(&self, name: &Name) -> Option<&OpSpec> {
        self.ops.iter().find(|op| op.name == *name)
    }
}

impl OpSpec {
    pub fn input(&self, name: &Name) -> Option<&InputSpec> {
        self.inputs.iter().find(|input| input.name == *name)
    }

    pub fn output(&self, name: &Name) -> Option<&OutputSpec> {
        self.outputs.iter().find(|output| output.name == *name)
    }
}
