//! Time windows.

use crate::{Cadence, Spanned, TimeWindowsDef};

/// Says how time is cut into windows. Times, zones and cron expressions are checked by who computes with them.
#[derive(Debug, Clone)]
#[must_use]
pub struct Windows(TimeWindowsDef);

impl Windows {
    pub fn hourly(start: &str) -> Windows {
        Windows::new(Cadence::Hourly, start)
    }

    pub fn daily(start: &str) -> Windows {
        Windows::new(Cadence::Daily, start)
    }

    pub fn weekly(start: &str) -> Windows {
        Windows::new(Cadence::Weekly, start)
    }

    pub fn monthly(start: &str) -> Windows {
        Windows::new(Cadence::Monthly, start)
    }

    /// Between the times of a cron expression.
    pub fn cron(expression: &str, start: &str) -> Windows {
        Windows::new(Cadence::Cron(Spanned::new(expression.to_owned(), None)), start)
    }

    fn new(cadence: Cadence, start: &str) -> Windows {
        Windows(TimeWindowsDef {
            cadence,
            start: Spanned::new(start.to_owned(), None),
            end: None,
            timezone: None,
            end_offset: 0,
            minute_offset: 0,
            hour_offset: 0,
            day_offset: None,
        })
    }

    pub fn end(mut self, end: &str) -> Self {
        self.0.end = Some(Spanned::new(end.to_owned(), None));
        self
    }

    /// An IANA name; UTC if none is given.
    pub fn timezone(mut self, name: &str) -> Self {
        self.0.timezone = Some(Spanned::new(name.to_owned(), None));
        self
    }

    /// Windows past the present (positive) or kept back (negative).
    pub fn end_offset(mut self, windows: i64) -> Self {
        self.0.end_offset = windows;
        self
    }

    pub fn minute(mut self, minute: u32) -> Self {
        self.0.minute_offset = minute;
        self
    }

    pub fn hour(mut self, hour: u32) -> Self {
        self.0.hour_offset = hour;
        self
    }

    /// Weekly: 0 is Sunday. Monthly: 1 is the first.
    pub fn day(mut self, day: u32) -> Self {
        self.0.day_offset = Some(day);
        self
    }

    pub(super) fn finish(self) -> TimeWindowsDef {
        self.0
    }
}
