//! Partitions, time windows in time zones, mappings between partitions, code versions, staleness with causes
//! and backfill plans. Pure: no IO, no clock ("now" is an argument), no host's time zone files.

mod backfill;
mod graph;
mod mapping;
mod partitions;
mod scope;
mod staleness;
mod subset;
mod targets;
mod version;

pub use backfill::*;
pub use graph::*;
pub use mapping::*;
pub use partitions::*;
pub use scope::{NO_PARTITION, Read, Scope, ScopedMaker, scope, scope_without_partitions, targets_of};
pub use staleness::*;
pub use subset::Subset;
pub use targets::Targets;
pub use version::code_version;
