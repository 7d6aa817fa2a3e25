//! IO managers: where an output is stored and how others find it.

use serde::{Deserialize, Serialize};

/// What stores an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IoManagerKind {
    /// The instance's own value store. What an output gets that names no manager.
    Store,
    /// A folder with readable paths.
    Filesystem,
    /// The memory of this process; gone with it.
    Memory,
    /// The workers that made the values; what goes with a worker is made anew from its lineage.
    Transient,
    S3,
    Gcs,
    Azure,
    /// Made of ops; a plan turns it into steps.
    Op,
}

impl IoManagerKind {
    pub const ALL: [IoManagerKind; 8] = [
        IoManagerKind::Store,
        IoManagerKind::Filesystem,
        IoManagerKind::Memory,
        IoManagerKind::Transient,
        IoManagerKind::S3,
        IoManagerKind::Gcs,
        IoManagerKind::Azure,
        IoManagerKind::Op,
    ];

    /// The word in definitions and messages.
    pub fn word(self) -> &'static str {
        match self {
            IoManagerKind::Store => "store",
            IoManagerKind::Filesystem => "filesystem",
            IoManagerKind::Memory => "memory",
            IoManagerKind::Transient => "transient",
            IoManagerKind::S3 => "s3",
            IoManagerKind::Gcs => "gcs",
            IoManagerKind::Azure => "azure",
            IoManagerKind::Op => "op",
        }
    }
}

impl std::fmt::Display for IoManagerKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

/// An IO manager as a plan pins it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanIoManager {
    pub kind: IoManagerKind,
    /// By kind. `{"env": "NAME"}` stands for a variable that is read where the manager is opened.
    pub settings: serde_json::Value,
}
