//! What a command returns when it cannot do its work: one line, its causes, a hint, and the exit code.

use std::fmt;

use cofferdam_config::Texts;
use cofferdam_model::Diagnostic;

use crate::exit::Exit;

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
    pub(crate) hint: Option<String>,
    /// What is wrong in files that a person wrote, with their texts. Shown instead of the message.
    pub(crate) diagnostics: Option<Box<(Texts, Vec<Diagnostic>)>>,
}

pub(crate) type Result<T, E = Failed> = std::result::Result<T, E>;

impl Failed {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Failed {
        Failed { exit, message: message.into(), causes: vec![], hint: None, diagnostics: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Failed {
        Failed::new(Exit::Usage, message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Failed {
        Failed::new(Exit::Invalid, message)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failed {
        self.hint = Some(hint.into());
        self
    }

    /// Adds an error and the errors behind it.
    pub(crate) fn because(mut self, error: &dyn std::error::Error) -> Failed {
        let mut next = Some(error);
        while let Some(error) = next {
            self.causes.push(error.to_string());
            next = error.source();
        }
        self
    }

    pub(crate) fn diagnosed(texts: Texts, diagnostics: Vec<Diagnostic>) -> Failed {
        let n = diagnostics.len();
        let message = format!("{n} {}", if n == 1 { "error" } else { "errors" });
        Failed { diagnostics: Some(Box::new((texts, diagnostics))), ..Failed::invalid(message) }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Says what was being done when an error came up.
pub(crate) trait Doing<T> {
    /// `failed to {what}`, with the exit code for it.
    fn doing(self, exit: Exit, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: std::error::Error + 'static> Doing<T> for std::result::Result<T, E> {
    fn doing(self, exit: Exit, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Failed::new(exit, format!("failed to {what}")).because(&error))
    }
}
