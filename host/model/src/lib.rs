//! Names, ids, definitions, schemas, plans, events and limits: the words that every other crate shares.
//!
//! Owns the data and its invariants. Knows no format, no IO and no clock: a [`Timestamp`] is a number that
//! somebody else read.

mod asset;
mod attempt;
pub mod builder;
pub mod cbor;
mod concurrency;
mod definitions;
mod diagnostic;
mod digest;
mod event;
mod failure;
mod ids;
mod io_manager;
mod labels;
mod library;
mod limits;
mod names;
mod node;
mod plan;
mod rerun;
mod resource;
mod retry;
mod time;
mod trace;
mod usage;
mod value;
mod why;

pub use asset::*;
pub use attempt::*;
pub use concurrency::*;
pub use definitions::*;
pub use diagnostic::*;
pub use digest::*;
pub use event::*;
pub use failure::*;
pub use ids::*;
pub use io_manager::*;
pub use labels::*;
pub use library::*;
pub use limits::*;
pub use names::*;
pub use node::*;
pub use plan::*;
pub use rerun::*;
pub use resource::*;
pub use retry::*;
pub use time::*;
pub use trace::*;
pub use usage::*;
pub use value::*;
pub use why::*;
