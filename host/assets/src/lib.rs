//! Partitions, time windows in time zones, mappings between partitions, data versions, staleness with causes
//! and backfill plans. Pure: no IO, no clock ("now" is an argument), no host's time zone files.

mod mapping;
mod partitions;
mod subset;

pub use mapping::*;
pub use partitions::*;
pub use subset::Subset;
