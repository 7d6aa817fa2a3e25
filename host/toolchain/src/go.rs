//! Go: the official compiler, which makes a core module, and `wasm-tools` to make a component of it.
//!
//! What the system has is taken; the rest comes into the user's cache folder. The SDK, which this program carries, is a
//! module of Go that a workspace file beside the author's names.

mod build;
mod segments;
mod tools;

pub use build::{build, test};
pub(crate) use tools::SDK;
pub use tools::{Tools, prepare};
