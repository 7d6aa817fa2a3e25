//! Resources: services that a step lends to its op for as long as it runs. Each type is a parameter of an op; in a
//! component its calls go to the host, in native tests to a double that the test makes.

pub(crate) mod blob;
pub mod command;
pub mod http;
pub(crate) mod keyvalue;
pub(crate) mod settings;
pub mod sql;

pub use blob::Blob;
pub use command::Command;
pub use http::Http;
pub use keyvalue::Keyvalue;
pub use settings::Settings;
pub use sql::Sql;

use std::fmt;

/// Why a call on a resource did not succeed. As the error of an op it says itself whether another try makes
/// sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What sort of trouble.
    pub kind: FaultKind,
    /// One line.
    pub message: String,
}

/// Sorts of trouble with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The step lends no such resource, or its settings forbid the call.
    Denied,
    /// The call makes no sense: a malformed request, a wrong statement, a wrong type.
    Invalid,
    /// The other side cannot be reached or took too long; trying again may help.
    Unavailable,
    /// The other side refused or failed.
    Failed,
    /// The request or the answer is larger than allowed.
    TooLarge,
}

impl FaultKind {
    /// True if the same call would end the same way.
    pub fn is_permanent(self) -> bool {
        match self {
            FaultKind::Denied | FaultKind::Invalid | FaultKind::TooLarge => true,
            FaultKind::Unavailable | FaultKind::Failed => false,
        }
    }
}

impl Fault {
    /// A fault, as a double in a test may answer.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Fault {
        Fault { kind, message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// A resource as a parameter: how it is described, and how it comes to the op.
macro_rules! lent {
    ($type:ident, $kind:ident) => {
        impl crate::Input for $type {
            const MAY_LACK: bool = false;

            fn describe(name: &str, doc: &str, _: bool, op: &mut crate::contract::OpSpec) {
                op.resources.push(crate::contract::ResourceNeed {
                    name: name.to_owned(),
                    kind: crate::contract::ResourceKind::$kind,
                    doc: doc.to_owned(),
                });
            }

            #[cfg(target_family = "wasm")]
            fn take(_: &mut crate::input::Inputs<'_>, name: &str) -> crate::Result<Option<$type>> {
                Ok(Some($type { calls: std::rc::Rc::new(crate::guest::resources::Lent(name.to_owned())) }))
            }

            #[cfg(not(target_family = "wasm"))]
            fn take(_: &mut crate::input::Inputs<'_>, name: &str) -> crate::Result<Option<$type>> {
                let kind = stringify!($type);
                Err(crate::Error::permanent(format!(
                    "the resource `{name}` is lent by the host; in a native test, call the op's function with \
                     `{kind}::test(..)`"
                )))
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type)).finish_non_exhaustive()
            }
        }
    };
}
use lent;

/// Pages of names until there are no more.
fn all_pages(
    mut page: impl FnMut(Option<String>) -> Result<(Vec<String>, bool), Fault>,
) -> Result<Vec<String>, Fault> {
    let mut all: Vec<String> = vec![];
    loop {
        let (mut names, more) = page(all.last().cloned())?;
        // A page without names cannot be followed by another one.
        let more = more && !names.is_empty();
        all.append(&mut names);
        if !more {
            return Ok(all);
        }
    }
}

/// A page of a double: all at once.
#[cfg(not(target_family = "wasm"))]
fn whole_page<'a>(
    names: impl Iterator<Item = &'a String>,
    prefix: &str,
    after: Option<&str>,
) -> (Vec<String>, bool) {
    let page =
        names.filter(|name| name.starts_with(prefix) && after.is_none_or(|after| name.as_str() > after));
    (page.cloned().collect(), false)
}
