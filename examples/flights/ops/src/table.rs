//! The cleaned flights of one month, column by column: the value that `clean` hands to the aggregating ops.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::month::Month;

/// One flight as the tables see it. Texts are borrowed from the table or the row they were read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flight<'a> {
    /// Day of the month, from 1.
    pub day: u8,
    /// Departure as a clock shows it, 517 for 5:17 local time; none if the flight was cancelled.
    pub dep_time: Option<u16>,
    /// Minutes late at departure, negative if early.
    pub dep_delay: Option<i16>,
    /// Minutes late at arrival, negative if early.
    pub arr_delay: Option<i16>,
    /// Code of the carrier.
    pub carrier: &'a str,
    /// Name of the airline behind the code.
    pub airline: &'a str,
    /// Airport of departure.
    pub origin: &'a str,
    /// Airport of arrival.
    pub dest: &'a str,
    /// Miles.
    pub distance: u16,
}

/// Flights of one month as columns of equal length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Flights {
    /// The month that all rows are of.
    pub month: Month,
    day: Vec<u8>,
    dep_time: Vec<Option<u16>>,
    dep_delay: Vec<Option<i16>>,
    arr_delay: Vec<Option<i16>>,
    carrier: Texts,
    airline: Texts,
    origin: Texts,
    dest: Texts,
    distance: Vec<u16>,
}

/// A column of few different texts: each is kept once, in order of appearance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Texts {
    values: Vec<String>,
    rows: Vec<u16>,
}

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// Columns that do not fit together.
    #[error("the columns of the table are not of equal length")]
    Ragged,
    /// A text column that points outside its values.
    #[error("column `{0}` refers to a text that it does not hold")]
    Reference(&'static str),
    /// More than 65,536 different texts in one column.
    #[error("column `{0}` holds too many different texts, at most 65536 are supported")]
    TooMany(&'static str),
}

impl Flights {
    /// A table without rows.
    #[must_use]
    pub fn new(month: Month) -> Self {
        Self {
            month,
            day: Vec::new(),
            dep_time: Vec::new(),
            dep_delay: Vec::new(),
            arr_delay: Vec::new(),
            carrier: Texts::default(),
            airline: Texts::default(),
            origin: Texts::default(),
            dest: Texts::default(),
            distance: Vec::new(),
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.day.len()
    }

    /// Appends a row. After an error the table is of no use.
    pub fn push(&mut self, flight: &Flight<'_>) -> Result<(), Invalid> {
        self.day.push(flight.day);
        self.dep_time.push(flight.dep_time);
        self.dep_delay.push(flight.dep_delay);
        self.arr_delay.push(flight.arr_delay);
        self.carrier.push(flight.carrier).ok_or(Invalid::TooMany("carrier"))?;
        self.airline.push(flight.airline).ok_or(Invalid::TooMany("airline"))?;
        self.origin.push(flight.origin).ok_or(Invalid::TooMany("origin"))?;
        self.dest.push(flight.dest).ok_or(Invalid::TooMany("dest"))?;
        self.distance.push(flight.distance);
        Ok(())
    }

    /// The rows in order, once the columns are known to fit together.
    pub fn rows(&self) -> Result<impl Iterator<Item = Flight<'_>>, Invalid> {
        let n = self.n_rows();
        let lengths = [self.dep_time.len(), self.dep_delay.len(), self.arr_delay.len(), self.distance.len()];
        let texts = [
            ("carrier", &self.carrier),
            ("airline", &self.airline),
            ("origin", &self.origin),
            ("dest", &self.dest),
        ];
        if lengths.iter().any(|length| *length != n) || texts.iter().any(|(_, column)| column.rows.len() != n)
        {
            return Err(Invalid::Ragged);
        }
        if let Some((name, _)) = texts.iter().find(|(_, column)| !column.is_closed()) {
            return Err(Invalid::Reference(name));
        }
        Ok((0..n).map(|row| Flight {
            day: self.day[row],
            dep_time: self.dep_time[row],
            dep_delay: self.dep_delay[row],
            arr_delay: self.arr_delay[row],
            carrier: self.carrier.get(row),
            airline: self.airline.get(row),
            origin: self.origin.get(row),
            dest: self.dest.get(row),
            distance: self.distance[row],
        }))
    }
}

impl Texts {
    /// None if there is no number left for another text.
    fn push(&mut self, text: &str) -> Option<()> {
        // Few texts, and the last ones come again soon: a plain search beats a map here.
        let place = match self.values.iter().position(|value| value == text) {
            Some(place) => place,
            None => {
                self.values.push(text.to_owned());
                self.values.len() - 1
            }
        };
        self.rows.push(u16::try_from(place).ok()?);
        Some(())
    }

    fn is_closed(&self) -> bool {
        self.rows.iter().all(|place| usize::from(*place) < self.values.len())
    }

    fn get(&self, row: usize) -> &str {
        &self.values[usize::from(self.rows[row])]
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A flight of United from Newark to Houston with these delays; cancelled without a departure delay.
    pub(crate) fn flight(dep_delay: Option<i16>, arr_delay: Option<i16>) -> Flight<'static> {
        Flight {
            day: 1,
            dep_time: dep_delay.map(|_| 517),
            dep_delay,
            arr_delay,
            carrier: "UA",
            airline: "United Air Lines Inc.",
            origin: "EWR",
            dest: "IAH",
            distance: 1400,
        }
    }

    #[test]
    fn rows_come_back_as_they_were_pushed() {
        let pushed = [
            flight(Some(2), None),
            Flight { dest: "LAX", ..flight(None, None) },
            flight(Some(-5), Some(-12)),
        ];
        let mut table = Flights::new(Month { year: 2013, month: 1 });
        for flight in &pushed {
            table.push(flight).unwrap();
        }
        assert_eq!(table.n_rows(), 3);
        assert_eq!(table.rows().unwrap().collect::<Vec<_>>(), pushed);
        assert_eq!(table.dest.values, ["IAH", "LAX"]);
    }

    #[test]
    fn a_table_from_elsewhere_is_checked_before_it_is_read() {
        let mut table = Flights::new(Month { year: 2013, month: 1 });
        table.push(&flight(Some(2), None)).unwrap();
        let mut ragged = table.clone();
        ragged.distance.clear();
        assert!(matches!(ragged.rows().err(), Some(Invalid::Ragged)));
        table.origin.rows[0] = 7;
        assert!(matches!(table.rows().err(), Some(Invalid::Reference("origin"))));
    }
}
