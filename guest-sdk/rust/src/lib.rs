//! Write Cofferdam ops in Rust.
//!
//! An op is a plain function with `#[op]`: its parameters are the inputs, by name, and what it returns are
//! the outputs. It stays a plain function, so that `cargo test` tests it without WebAssembly; [`library!`]
//! makes the component when the crate is built for `wasm32-wasip2`.
//!
//! ```
//! use cofferdam_op::{Context, Dynamic, Error, Outputs, Reader, Result, library, op};
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//! use std::io::BufRead;
//!
//! /// Splits a text into words.
//! #[op]
//! fn tokenize(text: String) -> Vec<String> {
//!     text.split_whitespace().map(str::to_owned).collect()
//! }
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct SplitConfig {
//!     /// Fail on lines without a key instead of leaving them out.
//!     #[serde(default)]
//!     strict: bool,
//! }
//!
//! #[derive(Serialize, JsonSchema)]
//! struct Part {
//!     text: String,
//! }
//!
//! #[derive(Outputs)]
//! struct Split {
//!     /// Lines that had a key; each becomes a part of its own.
//!     parts: Dynamic<Part>,
//!     /// The other lines, if there are any.
//!     rejects: Option<Vec<String>>,
//! }
//!
//! /// Splits `key=text` lines, without holding the whole file.
//! #[op]
//! fn split(ctx: &Context, lines: Reader, config: SplitConfig) -> Result<Split> {
//!     let (mut parts, mut rejects) = (Dynamic::new(), vec![]);
//!     for line in lines.lines() {
//!         let line = line?;
//!         match line.split_once('=') {
//!             Some((key, text)) => parts.push(key, Part { text: text.to_owned() })?,
//!             None if config.strict => return Err(Error::permanent(format!("`{line}` has no key"))),
//!             None => rejects.push(line),
//!         }
//!     }
//!     ctx.metadata("parts", parts.len());
//!     Ok(Split { parts, rejects: (!rejects.is_empty()).then_some(rejects) })
//! }
//!
//! library!(tokenize, split);
//!
//! # fn main() {
//! // In a unit test:
//! assert_eq!(tokenize("to be".to_owned()), ["to", "be"]);
//! let ctx = Context::test();
//! let split = split(&ctx, Reader::from_bytes("jan=cold\nwet"), SplitConfig { strict: false }).unwrap();
//! assert_eq!(split.parts.iter().next().unwrap().1.text, "cold");
//! assert_eq!(split.rejects.unwrap(), ["wet"]);
//! assert_eq!(ctx.recorded().metadata, [("parts".to_owned(), 1.into())]);
//! # }
//! ```
//!
//! # Inputs
//!
//! | parameter | what it takes |
//! |---|---|
//! | a type that is `Deserialize` and `JsonSchema` | a structured value, sent as CBOR or JSON |
//! | [`Bytes`] | any value, whole in memory |
//! | [`Reader`] | any value, read piece by piece |
//! | `Table` (feature `arrow`) | an Arrow table |
//! | `Option<T>`, written so | an optional input |
//! | [`Many<T>`](Many) | the values of many sources, or of a collected dynamic output |
//! | `config: T` | the config of the step |
//! | [`Http`], [`Keyvalue`], [`Blob`], [`Sql`], [`Settings`], [`Command`] | a resource that the step lends, by the name of the parameter |
//! | `&Context` | logs, progress, metadata, who is running |
//!
//! # Outputs
//!
//! One value is the output `result`; a struct with `#[derive(Outputs)]` has an output per field. An
//! `Option` is an optional output: `None` leaves it out and skips what depends on it. [`Dynamic`] fans out.
//! What is too large to hold is written through [`Context::create_writer`] and returned as [`Stored`].
//!
//! [`WithMetadata`] adds facts to a value, and [`Check`] is what the op of an asset check returns.
//!
//! `#[op(pure)]` says that the same inputs and config always give the same outputs, so that an earlier result
//! may be taken instead of running the op again.
//!
//! # Failure
//!
//! [`Error`] says whether another try makes sense. A panic ends the attempt as a trap, and its message is
//! logged.
#![warn(missing_docs)]

mod cbor;
mod check;
mod context;
#[expect(missing_docs, reason = "the WIT explains each item")]
mod contract;
mod error;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod guest;
mod hook;
mod host;
mod input;
#[expect(missing_docs, reason = "for the macros only")]
mod library;
pub mod math;
#[cfg(not(target_family = "wasm"))]
mod memory;
mod metadata;
mod output;
mod reader;
mod resource;
mod schema;
mod sensor;
#[cfg(feature = "arrow")]
mod table;
mod writer;

pub use cofferdam_op_macros::{Outputs, library, op};
pub use schemars;
pub use serde;

pub use crate::check::{Check, Severity};
pub use crate::context::{AttemptInfo, Context, Level};
pub use crate::error::{Error, IntoError, Result, ResultExt};
pub use crate::hook::{HookEvent, HookFailure};
pub use crate::input::{Bytes, Element, Input, InputType, Many};
#[cfg(not(target_family = "wasm"))]
pub use crate::memory::{LogLine, Recorded};
pub use crate::metadata::MetadataValue;
pub use crate::output::{Dynamic, InvalidKey, Output, OutputType, Outputs, RawOutput, WithMetadata};
pub use crate::reader::Reader;
pub use crate::resource::{
    Blob, Command, Fault, FaultKind, Http, Keyvalue, Settings, Sql, command, http, sql,
};
pub use crate::sensor::{RunRequest, SensorAnswer, SensorTick};
#[cfg(feature = "arrow")]
pub use crate::table::Table;
pub use crate::writer::{Stored, Writer};

/// What the macros expand to. No promise is made about it.
#[doc(hidden)]
pub mod __private {
    pub use crate::contract::{
        CBOR, Content, Failure, InputSpec, InputValue, Invocation, LibrarySpec, OpSpec, Output, OutputSpec,
        ResourceKind, ResourceNeed, Value,
    };
    #[cfg(target_family = "wasm")]
    pub use crate::guest;
    pub use crate::hook::{HookEvent, HookFailure};
    pub use crate::input::Inputs;
    pub use crate::library::{Entry, Op, run, spec};
    pub use crate::output::{Emitter, RESULT};

    /// Shows at compile time that a parameter may be an `Option`.
    pub const fn may_lack<T: crate::Input>() {
        assert!(T::MAY_LACK, "a resource is always there: take it without `Option`");
    }

    /// A config's schema.
    pub fn config_schema<T: crate::InputType>() -> Option<String> {
        Some(T::schema())
    }

    /// Shows at compile time that a field may say its media type.
    pub fn takes_media_type<T: crate::RawOutput>() {}
}
