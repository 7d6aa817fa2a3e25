//! Where values are kept: the layout of keys, streaming writes that appear whole or not at all, verified reads; IO
//! managers over folders, memory and object stores, and the readable paths under which people find what they keep.
//! Who may read or write which value is decided by the callers.
//!
//! | kind | bytes are kept in | readable path | tested against |
//! |---|---|---|---|
//! | `store` | the instance's value store | none | a folder, memory |
//! | `memory` | this process | none | itself |
//! | `transient` | the worker that made them | none | a folder, a cluster |
//! | `filesystem` | `<base_dir>/.cofferdam` | a hard link below `<base_dir>` | a folder |
//! | `s3` | `<bucket>/<prefix>/.cofferdam` | a copy below `<prefix>` | s3s-fs 0.14 and moto 5.2, over the wire |
//! | `gcs`, `azure` | likewise | likewise | no server: only that settings are taken and the store opens |

mod error;
mod key;
mod layout;
mod office;
mod open;
mod publish;
mod retention;
mod settings;
mod store;
mod stores;
mod sweep;
mod writer;

#[cfg(test)]
mod conformance;

pub use error::Error;
pub use key::ValueKey;
pub use layout::readable_path;
pub use retention::{Item, Rules, RunFacts, Stored, Sweep, Why, sweep};
pub use settings::Environment;
pub use store::ValueStore;
pub use stores::{Stores, Transient, store_id};
pub use writer::ValueWriter;
