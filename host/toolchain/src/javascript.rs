//! JavaScript and TypeScript: npm packages that make components, in the user's cache folder, and the SDK that this
//! program carries.
//!
//! The project's own folder is left as its author wrote it, but for a link `node_modules/cofferdam-op` to the SDK, by
//! which tests and editors find it.

mod build;
mod tools;

pub use build::{build, test};
pub(crate) use tools::SDK;
pub use tools::{Tools, prepare};
