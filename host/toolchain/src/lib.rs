//! From the source of a library to its component: finds or prepares the tools of each guest language, and builds
//! and tests with them.
//!
//! A module per language, all with the same three functions: what is needed (found, or installed once in the user's
//! cache folder, said before it is done), `build`, and `test` for the author's native tests. Knows nothing else of
//! Cofferdam.

mod apt;
pub mod c;
mod cache;
mod embedded;
mod error;
pub mod go;
pub mod javascript;
mod pip;
pub mod python;
mod run;
pub mod rust;
mod source;
mod wasm_tools;

pub use cache::cache_folder;
pub use error::Error;
pub use source::{BuildError, Built, Source};

/// Names what this program brings to builds: with other SDKs the same source gives another component.
pub fn fingerprint() -> String {
    embedded::digest(&[
        ("python", python::SDK),
        ("build", python::BUILDER),
        ("javascript", javascript::SDK),
        ("c", c::SDK),
        ("go", go::SDK),
        ("wit", embedded::WIT),
    ])
}
