//! Tests of the whole crate, in one program.

mod backfill;
mod dagster_mappings;
mod dagster_windows;
mod graph;
mod kit;
mod messages;
mod properties;
mod scope;
mod selection;
mod staleness;
mod toml;
