//! One CSV row, checked and typed. A missing value is written `NA`.

use std::{fmt, str};

use csv::ByteRecord;

use crate::{airlines::Airlines, month::Month, table::Flight};

const MISSING: &[u8] = b"NA";

/// The columns that are used, in the order of [`Columns`]' fields.
const NAMES: [&str; 10] =
    ["year", "month", "day", "dep_time", "dep_delay", "arr_delay", "carrier", "origin", "dest", "distance"];

/// Where the columns are in a row.
#[derive(Debug)]
pub(crate) struct Columns {
    n_fields: usize,
    places: [usize; NAMES.len()],
}

/// A column that the header lacks.
#[derive(Debug, thiserror::Error)]
#[error("there is no column `{0}`")]
pub struct MissingColumn(&'static str);

/// Why a row cannot be read.
#[derive(Debug)]
pub(crate) enum BadRow<'a> {
    Fields { found: usize, expected: usize },
    Field { column: &'static str, found: &'a [u8], expected: &'static str },
    UnknownCarrier(&'a str),
    DelayWithoutDeparture,
}

impl fmt::Display for BadRow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fields { found, expected } => write!(f, "has {found} fields, expected {expected}"),
            Self::Field { column, found, expected } => {
                let found: String = String::from_utf8_lossy(found).chars().take(40).collect();
                write!(f, "`{column}` is `{found}`, expected {expected}")
            }
            Self::UnknownCarrier(carrier) => write!(f, "carrier `{carrier}` is not in the list of airlines"),
            Self::DelayWithoutDeparture => f.write_str("has a departure delay but no departure time"),
        }
    }
}

impl Columns {
    pub(crate) fn find(header: &ByteRecord) -> Result<Self, MissingColumn> {
        let mut places = [0; NAMES.len()];
        for (place, name) in places.iter_mut().zip(NAMES) {
            *place = header.iter().position(|field| field == name.as_bytes()).ok_or(MissingColumn(name))?;
        }
        Ok(Self { n_fields: header.len(), places })
    }

    /// The month that a row is of.
    pub(crate) fn month<'a>(&self, record: &'a ByteRecord) -> Result<Month, BadRow<'a>> {
        if record.len() != self.n_fields {
            return Err(BadRow::Fields { found: record.len(), expected: self.n_fields });
        }
        let year = self.number(record, 0, "a year", |year: &u16| *year > 0)?;
        let month = self.number(record, 1, "1 to 12", |month: &u8| (1..=12).contains(month))?;
        Ok(Month { year, month })
    }

    /// The flight of a row that [`Self::month`] has accepted.
    pub(crate) fn flight<'a>(
        &self,
        record: &'a ByteRecord,
        airlines: &'a Airlines,
    ) -> Result<Flight<'a>, BadRow<'a>> {
        let carrier = self.code(record, 6, "a carrier code")?;
        let clock = "a time of day such as 517 for 5:17";
        let delay = "a whole number or `NA`";
        let flight = Flight {
            day: self.number(record, 2, "a day of the month", |day| (1..=31).contains(day))?,
            dep_time: self.optional(record, 3, clock, |time: &u16| *time <= 2400 && time % 100 < 60)?,
            dep_delay: self.optional(record, 4, delay, |_| true)?,
            arr_delay: self.optional(record, 5, delay, |_| true)?,
            carrier,
            airline: airlines.name(carrier).ok_or(BadRow::UnknownCarrier(carrier))?,
            origin: self.code(record, 7, "an airport code")?,
            dest: self.code(record, 8, "an airport code")?,
            distance: self.number(record, 9, "miles", |_| true)?,
        };
        if flight.dep_time.is_none() && flight.dep_delay.is_some() {
            return Err(BadRow::DelayWithoutDeparture);
        }
        Ok(flight)
    }

    fn optional<'a, T: str::FromStr>(
        &self,
        record: &'a ByteRecord,
        column: usize,
        expected: &'static str,
        holds: impl Fn(&T) -> bool,
    ) -> Result<Option<T>, BadRow<'a>> {
        if &record[self.places[column]] == MISSING {
            return Ok(None);
        }
        self.number(record, column, expected, holds).map(Some)
    }

    fn number<'a, T: str::FromStr>(
        &self,
        record: &'a ByteRecord,
        column: usize,
        expected: &'static str,
        holds: impl Fn(&T) -> bool,
    ) -> Result<T, BadRow<'a>> {
        let found = &record[self.places[column]];
        let number = str::from_utf8(found).ok().and_then(|text| text.parse().ok()).filter(holds);
        number.ok_or(BadRow::Field { column: NAMES[column], found, expected })
    }

    /// Two or three upper case letters or digits.
    fn code<'a>(
        &self,
        record: &'a ByteRecord,
        column: usize,
        expected: &'static str,
    ) -> Result<&'a str, BadRow<'a>> {
        let found = &record[self.places[column]];
        let fits = (2..=3).contains(&found.len())
            && found != MISSING
            && found.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        let text = str::from_utf8(found).ok().filter(|_| fits);
        text.ok_or(BadRow::Field { column: NAMES[column], found, expected })
    }
}
