//! The ops of a library: described, found by name, run.

use crate::context::Context;
use crate::contract::{Invocation, LibrarySpec, OpSpec, Output};
use crate::error::{Error, Result};

/// What `#[op]` makes of a function, beside leaving it as it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an op",
    label = "not an op",
    note = "put `#[op]` on the function"
)]
pub trait Op {
    const NAME: &'static str;
    fn spec() -> OpSpec;
    fn run(ctx: &Context, invocation: Invocation) -> Result<Vec<Output>>;
}

/// An op in the list of its library.
#[derive(Debug)]
pub struct Entry {
    name: &'static str,
    spec: fn() -> OpSpec,
    run: fn(&Context, Invocation) -> Result<Vec<Output>>,
}

impl Entry {
    pub const fn new(
        name: &'static str,
        spec: fn() -> OpSpec,
        run: fn(&Context, Invocation) -> Result<Vec<Output>>,
    ) -> Entry {
        Entry { name, spec, run }
    }
}

/// The description of a library.
pub fn spec(name: &str, version: &str, ops: &[Entry]) -> LibrarySpec {
    LibrarySpec {
        name: name.to_owned(),
        version: version.to_owned(),
        ops: ops.iter().map(|entry| (entry.spec)()).collect(),
    }
}

/// Runs one attempt of the op of that name.
pub fn run(ops: &[Entry], op: &str, ctx: &Context, invocation: Invocation) -> Result<Vec<Output>> {
    match ops.iter().find(|entry| entry.name == op) {
        Some(entry) => (entry.run)(ctx, invocation),
        None => {
            let known: Vec<&str> = ops.iter().map(|entry| entry.name).collect();
            let known = known.join("`, `");
            Err(Error::permanent(format!("this library has no op `{op}`; it has `{known}`")))
        }
    }
}
