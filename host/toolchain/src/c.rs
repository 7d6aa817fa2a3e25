//! C: clang, its linker and WASI's libc as Debian has them, and `wasm-tools` to make components.
//!
//! Tools that the system has are taken; the others come into the user's cache folder. The SDK, which this program
//! carries, is compiled with each library: it is small.

mod build;
mod tools;

pub use build::{build, test};
pub(crate) use tools::SDK;
pub use tools::{Tools, prepare};
