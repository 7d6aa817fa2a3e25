//! Where values are kept: the layout of keys, streaming writes that appear whole or not at all, verified
//! reads. The object store behind it is the local file system or memory; more come with `object_store`.
//! Who may read or write which value is decided by the callers.

mod error;
mod key;
mod store;
mod writer;

#[cfg(test)]
mod conformance;

pub use error::Error;
pub use key::ValueKey;
pub use store::ValueStore;
pub use writer::ValueWriter;
