//! Which month a file is of: read from its name, written as a mapping key.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const NAMES: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A month of a year. Ordered by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Month {
    /// For example 2013.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
}

impl Month {
    /// The month of that number, if there is one.
    #[must_use]
    pub fn new(year: u16, month: u8) -> Option<Self> {
        ((1..=9999).contains(&year) && (1..=12).contains(&month)).then_some(Self { year, month })
    }

    /// Reads the month off the end of a file's name without extensions, such as `flights-2013-02`; as the key
    /// of an input it is `flights_2013_02`, because names have one spelling.
    #[must_use]
    pub fn from_file_stem(stem: &str) -> Option<Self> {
        let mut parts = stem.rsplit(['-', '_']);
        let (month, year) = (parts.next()?, parts.next()?);
        let digits = |text: &str, n: usize| text.len() == n && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(month, 2) || !digits(year, 4) {
            return None;
        }
        Self::new(year.parse().ok()?, month.parse().ok()?)
    }

    /// The mapping key of this month's data, such as `m02`.
    #[must_use]
    pub fn key(self) -> String {
        format!("m{:02}", self.month)
    }

    /// Three letters, such as `Feb`.
    #[must_use]
    pub fn short_name(self) -> &'static str {
        NAMES[usize::from(self.month.clamp(1, 12)) - 1]
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_month_is_read_off_the_end_of_the_file_name() {
        let month = Month::from_file_stem("flights-2013-02").unwrap();
        assert_eq!(Month::from_file_stem("flights_2013_02").unwrap(), month);
        assert_eq!((month.year, month.month), (2013, 2));
        assert_eq!(month.key(), "m02");
        assert_eq!(month.short_name(), "Feb");
        assert_eq!(month.to_string(), "2013-02");
    }

    #[test]
    fn a_name_that_is_not_of_one_month_gives_none() {
        for stem in [
            "flights",
            "flights-2013",
            "flights-2013-13",
            "flights-2013-00",
            "flights-2013-2",
            "",
            "02",
            "x-13-02",
        ] {
            assert_eq!(Month::from_file_stem(stem), None, "{stem}");
        }
    }
}
