//! Why bytes could not be read, and where in them.

use std::fmt;
use std::io;

use serde::de;

/// Why bytes could not be read as a type, and where in them.
#[derive(Debug)]
pub(crate) struct DecodeError {
    /// From the inside out; see [`DecodeError::path`].
    steps: Vec<Step>,
    pub(crate) problem: Problem,
}

#[derive(Debug)]
pub(crate) enum Problem {
    /// The bytes did not come.
    Io(io::Error),
    /// They are not CBOR, or not the type that was expected.
    Content(String),
}

#[derive(Debug)]
pub(super) enum Step {
    Element(usize),
    Key(String),
}

impl DecodeError {
    pub(super) fn content(message: impl Into<String>) -> DecodeError {
        DecodeError { steps: vec![], problem: Problem::Content(message.into()) }
    }

    pub(super) fn inside(mut self, step: impl FnOnce() -> Step) -> DecodeError {
        self.steps.push(step());
        self
    }

    /// Where it is: `[3].name`; empty for the value itself.
    pub(crate) fn path(&self) -> String {
        let mut path = String::new();
        for step in self.steps.iter().rev() {
            match step {
                Step::Element(at) => path.push_str(&format!("[{at}]")),
                Step::Key(key) if path.is_empty() => path.push_str(key),
                Step::Key(key) => path.push_str(&format!(".{key}")),
            }
        }
        path
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::Io(error) => error.fmt(f),
            Problem::Content(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> DecodeError {
        DecodeError::content(message.to_string())
    }
}

impl From<io::Error> for DecodeError {
    fn from(error: io::Error) -> DecodeError {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return DecodeError::content("the CBOR ends too early");
        }
        DecodeError { steps: vec![], problem: Problem::Io(error) }
    }
}

impl From<ciborium_ll::Error<io::Error>> for DecodeError {
    fn from(error: ciborium_ll::Error<io::Error>) -> DecodeError {
        match error {
            ciborium_ll::Error::Io(error) => error.into(),
            ciborium_ll::Error::Syntax(at) => DecodeError::content(format!("byte {at} is not CBOR")),
        }
    }
}
