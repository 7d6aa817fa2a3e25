//! Names that people choose: ops, inputs, outputs, steps, jobs, mapping keys. One rule for all of them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest name, in bytes. It fits a file name on every file system.
pub const NAME_BYTES_MAX: usize = 128;

/// A legal name: `[A-Za-z_][A-Za-z0-9_-]{0,127}`; mapping keys may start with a digit.
///
/// `-` is accepted where people write names, as WIT does, and turned into `_`, so that a name has one
/// spelling in step keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

/// Why a text is not a [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error("a name must not be empty")]
    Empty,
    #[error("a name has at most {NAME_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    #[error("`{found}` is not allowed in a name; use letters, digits and `_`")]
    Character { found: char },
    #[error("a name starts with a letter or `_`")]
    LeadingDigit,
}

impl Name {
    /// Checks and normalises a name.
    pub fn new(text: &str) -> Result<Name, InvalidName> {
        let name = Name::key(text)?;
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(InvalidName::LeadingDigit);
        }
        Ok(name)
    }

    /// Checks a mapping key, which is a name that may start with a digit.
    pub fn key(text: &str) -> Result<Name, InvalidName> {
        if text.is_empty() {
            return Err(InvalidName::Empty);
        }
        if text.len() > NAME_BYTES_MAX {
            return Err(InvalidName::TooLong(text.len()));
        }
        if let Some(found) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '_' || *c == '-')) {
            return Err(InvalidName::Character { found });
        }
        Ok(Name(text.replace('-', "_").into()))
    }

    /// The name that an output has when its op gives it none.
    pub fn result() -> Name {
        Name("result".into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Name, InvalidName> {
        Name::key(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        assert_eq!(Name::new("by-month").unwrap(), Name::new("by_month").unwrap());
        assert_eq!(Name::new("").unwrap_err(), InvalidName::Empty);
        assert_eq!(Name::new("1st").unwrap_err(), InvalidName::LeadingDigit);
        assert!(Name::key("1st").is_ok());
        assert_eq!(Name::new("a/b").unwrap_err(), InvalidName::Character { found: '/' });
        assert_eq!(Name::new(&"a".repeat(129)).unwrap_err(), InvalidName::TooLong(129));
    }
    #[test]
    fn h_046_names_that_could_lead_elsewhere_or_pass_for_another_are_refused() {
        let long = "x".repeat(64 * 1024);
        let hostile = [
            "../../x",
            "/etc/passwd",
            "a//b",
            ".",
            "..",
            "a\0b",
            "%2e%2e",
            "a b",
            "a\nb",
            "C:",
            "a\\b",
            // A look-alike in Cyrillic, and one letter in its two forms.
            "p\u{430}th",
            "caf\u{e9}",
            "cafe\u{301}",
            "a\u{202e}b",
            "a\u{200b}b",
            &long,
        ];
        for text in hostile {
            assert!(Name::new(text).is_err() && Name::key(text).is_err(), "{text:?}");
        }
        assert_ne!(Name::new("path").unwrap(), Name::new("Path").unwrap());
    }
}
