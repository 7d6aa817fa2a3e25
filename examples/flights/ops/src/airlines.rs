//! The names of the airlines, by carrier code.

use std::{collections::BTreeMap, io::Read};

/// Airline names by carrier code.
#[derive(Debug, Default, Clone)]
pub struct Airlines(BTreeMap<String, String>);

/// Why the list of airlines cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// Not CSV, or not readable.
    #[error("the list of airlines is not readable as CSV")]
    Csv(#[from] csv::Error),
    /// The header is not what was expected.
    #[error("the list of airlines starts with `{found}`, expected the columns `carrier,name`")]
    Header {
        /// The first line as it is.
        found: String,
    },
    /// One code, two names.
    #[error("line {line} of the list of airlines names carrier `{carrier}` a second time")]
    Twice {
        /// Counted from 1, the header included.
        line: u64,
        /// The code in question.
        carrier: String,
    },
    /// Nothing but a header.
    #[error("the list of airlines holds no airline")]
    Empty,
}

impl Airlines {
    /// Reads CSV with the columns `carrier,name`.
    pub fn read(source: impl Read) -> Result<Self, Invalid> {
        let mut reader = csv::Reader::from_reader(source);
        let header: Vec<&str> = reader.headers()?.iter().collect();
        if header != ["carrier", "name"] {
            return Err(Invalid::Header { found: header.join(",") });
        }
        let mut names = BTreeMap::new();
        for row in reader.records() {
            let row = row?;
            let (carrier, name) = (&row[0], &row[1]);
            if names.insert(carrier.to_owned(), name.to_owned()).is_some() {
                let line = row.position().map_or(0, csv::Position::line);
                return Err(Invalid::Twice { line, carrier: carrier.to_owned() });
            }
        }
        if names.is_empty() { Err(Invalid::Empty) } else { Ok(Self(names)) }
    }

    /// The airline of that carrier code.
    #[must_use]
    pub fn name(&self, carrier: &str) -> Option<&str> {
        self.0.get(carrier).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Airlines, String> {
        Airlines::read(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn names_are_found_by_code_quoted_or_not() {
        let airlines =
            check("carrier,name\r\nUA,United Air Lines Inc.\r\nQX,\"Horizon, \"\"the\"\" airline\"\r\n")
                .unwrap();
        assert_eq!(airlines.name("UA"), Some("United Air Lines Inc."));
        assert_eq!(airlines.name("QX"), Some("Horizon, \"the\" airline"));
        assert_eq!(airlines.name("ZZ"), None);
    }

    #[test]
    fn a_list_that_is_not_one_is_refused_with_the_reason() {
        for (text, message) in [
            ("", "the list of airlines starts with ``, expected the columns `carrier,name`"),
            (
                "code,name\nUA,United\n",
                "the list of airlines starts with `code,name`, expected the columns `carrier,name`",
            ),
            ("carrier,name\n", "the list of airlines holds no airline"),
            ("carrier,name\nUA,a\nUA,b\n", "line 3 of the list of airlines names carrier `UA` a second time"),
            ("carrier,name\nUA\n", "the list of airlines is not readable as CSV"),
        ] {
            assert_eq!(check(text).unwrap_err(), message);
        }
    }
}
