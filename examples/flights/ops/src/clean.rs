//! From a month's gzipped CSV to typed rows: streams, checks every row, and says where what is wrong.

use std::io::{self, BufRead};

use csv::{ByteRecord, ReaderBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    airlines::Airlines,
    gunzip::Gunzip,
    month::Month,
    row::{Columns, MissingColumn},
    table::{self, Flights},
};

/// Rows between two reports of progress: a few per month.
const PROGRESS_ROWS: u64 = 5_000;

/// How strict cleaning is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CleanConfig {
    /// How many rows of a month may be unreadable before the month is refused.
    pub max_rejected: u32,
}

impl Default for CleanConfig {
    fn default() -> Self {
        Self { max_rejected: 100 }
    }
}

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rejected {
    /// Line of the unpacked file, from 1, the header included.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// A month that could be read.
#[derive(Debug)]
pub struct Cleaned {
    /// Rows that are right.
    pub flights: Flights,
    /// Rows that are not, in order.
    pub rejected: Vec<Rejected>,
}

/// Why a month cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// The gzip data makes no sense from some place on.
    #[error(
        "the file is damaged: its gzip data breaks at byte {offset}, after line {line} of the text ({reason})"
    )]
    Damaged {
        /// Compressed bytes that were used up.
        offset: u64,
        /// The last whole line.
        line: u64,
        /// What the decoder says.
        reason: String,
    },
    /// The file cannot be read now; it may be right.
    #[error("the file could not be read on at byte {offset}")]
    Unavailable {
        /// Compressed bytes that were used up.
        offset: u64,
        /// What the storage says.
        source: csv::Error,
    },
    /// The header lacks a column.
    #[error("line 1: {0}")]
    Header(#[from] MissingColumn),
    /// No row at all.
    #[error("the file holds no flights")]
    Empty,
    /// A row of another month than the rows before.
    #[error("line {line} is of {found}, but the file is of {expected}")]
    OtherMonth {
        /// Line of the unpacked file, from 1.
        line: u64,
        /// The month of that row.
        found: Month,
        /// The month of the rows before.
        expected: Month,
    },
    /// More bad rows than allowed.
    #[error(
        "more than {max} rows cannot be read; line {line} is one too many: {reason} (mend the file, or raise `max_rejected`)"
    )]
    TooManyRejected {
        /// How many are allowed.
        max: u32,
        /// The row that was one too many, from 1, the header included.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The rows do not fit a table.
    #[error(transparent)]
    Table(#[from] table::Invalid),
}

/// Reads a month's flights. `progress` is told now and then how many rows were read from how many
/// compressed bytes.
pub fn clean_month(
    source: impl BufRead,
    airlines: &Airlines,
    config: &CleanConfig,
    mut progress: impl FnMut(u64, u64),
) -> Result<Cleaned, CleanError> {
    let mut reader = csv_reader(source);
    let (mut line, mut rejected) = (0, Vec::new());
    let result = read_rows(&mut reader, airlines, &mut line, &mut progress, |row| {
        if rejected.len() == config.max_rejected as usize {
            return Err(too_many(row, config));
        }
        rejected.push(row);
        Ok(())
    });
    match result {
        Ok(flights) => Ok(Cleaned { flights, rejected }),
        Err(error @ (CleanError::Damaged { .. } | CleanError::Unavailable { .. })) => Err(error),
        // Damage unpacks to nonsense before the decoder notices: if there is any, it is what is to be told.
        Err(error) => match io::copy(reader.get_mut(), &mut io::sink()) {
            Ok(_) => Err(error),
            Err(damage) => Err(broken(&reader, line, damage.into())),
        },
    }
}

fn csv_reader<R: BufRead>(source: R) -> csv::Reader<Gunzip<R>> {
    // A row of wrong length is one bad row, not the end of the file.
    ReaderBuilder::new().flexible(true).from_reader(Gunzip::new(source))
}

/// `line` is kept at the last line that was read, `reject` is given every row that cannot be used.
fn read_rows<R: BufRead>(
    reader: &mut csv::Reader<Gunzip<R>>,
    airlines: &Airlines,
    line: &mut u64,
    progress: &mut impl FnMut(u64, u64),
    mut reject: impl FnMut(Rejected) -> Result<(), CleanError>,
) -> Result<Flights, CleanError> {
    let columns = read_header(reader)?;
    *line = 1;
    let (mut flights, mut record, mut n_rows) = (None::<Flights>, ByteRecord::new(), 0);
    while reader.read_byte_record(&mut record).map_err(|error| broken(reader, *line, error))? {
        *line = record.position().map_or(*line, csv::Position::line);
        n_rows += 1;
        if n_rows % PROGRESS_ROWS == 0 {
            progress(n_rows, reader.get_ref().offset());
        }
        let parsed = columns.month(&record).and_then(|month| Ok((month, columns.flight(&record, airlines)?)));
        let (month, flight) = match parsed {
            Ok(parsed) => parsed,
            Err(reason) => {
                reject(Rejected { line: *line, reason: reason.to_string() })?;
                continue;
            }
        };
        let table = flights.get_or_insert_with(|| Flights::new(month));
        if table.month != month {
            return Err(CleanError::OtherMonth { line: *line, found: month, expected: table.month });
        }
        table.push(&flight)?;
    }
    progress(n_rows, reader.get_ref().offset());
    flights.ok_or(CleanError::Empty)
}

/// The month of the first row that tells it, read without unpacking more than the beginning of the file.
pub fn peek_month(source: impl BufRead) -> Result<Month, CleanError> {
    let mut reader = csv_reader(source);
    let columns = read_header(&mut reader)?;
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|error| broken(&reader, 1, error))? {
        if let Ok(month) = columns.month(&record) {
            return Ok(month);
        }
    }
    Err(CleanError::Empty)
}

fn read_header<R: BufRead>(reader: &mut csv::Reader<Gunzip<R>>) -> Result<Columns, CleanError> {
    let header = match reader.byte_headers() {
        Ok(header) => header.clone(),
        Err(error) => return Err(broken(reader, 0, error)),
    };
    if header.is_empty() {
        return Err(CleanError::Empty);
    }
    Ok(Columns::find(&header)?)
}

fn too_many(row: Rejected, config: &CleanConfig) -> CleanError {
    CleanError::TooManyRejected { max: config.max_rejected, line: row.line, reason: row.reason }
}

/// Ragged rows are let through and bytes need no encoding, so all that can fail while reading is the stream below.
fn broken<R: BufRead>(reader: &csv::Reader<Gunzip<R>>, line: u64, error: csv::Error) -> CleanError {
    let gunzip = reader.get_ref();
    let offset = gunzip.offset();
    if gunzip.source_failed() {
        return CleanError::Unavailable { offset, source: error };
    }
    CleanError::Damaged { offset, line, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gunzip::tests::gzip;

    const HEADER: &str = "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour\n";
    const GOOD: &str =
        "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z\n";
    const CANCELLED: &str =
        "2013,1,2,NA,1630,NA,NA,1815,NA,AA,4308,NA,JFK,RDU,NA,416,16,30,2013-01-01T21:00:00Z\n";
    const NO_NAME: &str =
        "2013,1,1,517,515,2,830,819,11,QX,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z\n";

    fn airlines() -> Airlines {
        Airlines::read("carrier,name\nUA,United Air Lines Inc.\nAA,American Airlines Inc.\n".as_bytes())
            .unwrap()
    }

    fn clean(bytes: &[u8], max_rejected: u32) -> Result<Cleaned, String> {
        clean_month(bytes, &airlines(), &CleanConfig { max_rejected }, |_, _| ())
            .map_err(|error| error.to_string())
    }

    fn check(rows: &[&str], max_rejected: u32) -> Result<Cleaned, String> {
        clean(&gzip(&(HEADER.to_owned() + &rows.concat())), max_rejected)
    }

    #[test]
    fn rows_are_typed_na_is_missing_and_the_airline_is_joined() {
        let cleaned = check(&[GOOD, CANCELLED], 0).unwrap();
        let rows: Vec<_> = cleaned.flights.rows().unwrap().collect();
        assert_eq!(cleaned.flights.month, Month { year: 2013, month: 1 });
        assert_eq!((rows[0].dep_time, rows[0].dep_delay, rows[0].arr_delay), (Some(517), Some(2), Some(11)));
        assert_eq!((rows[0].airline, rows[0].origin, rows[0].dest), ("United Air Lines Inc.", "EWR", "IAH"));
        assert_eq!((rows[1].dep_time, rows[1].dep_delay, rows[1].arr_delay), (None, None, None));
        assert_eq!((rows[1].airline, rows[1].distance), ("American Airlines Inc.", 416));
    }

    #[test]
    fn quoted_fields_and_crlf_read_as_plain_ones() {
        let plain = check(&[GOOD, CANCELLED], 0).unwrap();
        let quoted: String =
            GOOD.trim_end().split(',').map(|field| format!("\"{field}\"")).collect::<Vec<_>>().join(",");
        let text = (HEADER.to_owned() + &quoted + "\n" + CANCELLED).replace('\n', "\r\n");
        assert_eq!(clean(&gzip(&text), 0).unwrap().flights, plain.flights);
    }

    #[test]
    fn bad_rows_are_left_out_with_line_and_reason() {
        let rows = [
            GOOD,
            NO_NAME,
            "2013,1,1,517\n",
            &GOOD.replace(",2,", ",two,"),
            &GOOD.replace(",517,", ",NA,"),
            &GOOD.replace(",517,", ",561,"),
            &GOOD.replace("2013,1,1,", "2013,1,32,"),
            &GOOD.replace("2013,1,", "2013,14,"),
            CANCELLED,
        ];
        let cleaned = check(&rows, 7).unwrap();
        assert_eq!(cleaned.flights.n_rows(), 2);
        let rejected: Vec<_> =
            cleaned.rejected.iter().map(|row| format!("{}: {}", row.line, row.reason)).collect();
        assert_eq!(
            rejected,
            [
                "3: carrier `QX` is not in the list of airlines",
                "4: has 4 fields, expected 19",
                "5: `dep_delay` is `two`, expected a whole number or `NA`",
                "6: has a departure delay but no departure time",
                "7: `dep_time` is `561`, expected a time of day such as 517 for 5:17",
                "8: `day` is `32`, expected a day of the month",
                "9: `month` is `14`, expected 1 to 12",
            ]
        );
    }

    #[test]
    fn one_bad_row_too_many_refuses_the_month_and_names_the_line() {
        assert_eq!(
            check(&[GOOD, NO_NAME, GOOD, NO_NAME], 1).unwrap_err(),
            "more than 1 rows cannot be read; line 5 is one too many: carrier `QX` is not in the list of airlines \
             (mend the file, or raise `max_rejected`)"
        );
    }

    #[test]
    fn a_row_of_another_month_refuses_the_file() {
        let february = GOOD.replace("2013,1,", "2013,2,");
        assert_eq!(
            check(&[GOOD, &february], 10).unwrap_err(),
            "line 3 is of 2013-02, but the file is of 2013-01"
        );
    }

    #[test]
    fn a_header_that_lacks_a_column_names_it() {
        let text = HEADER.replace("dep_delay", "delay") + GOOD;
        assert_eq!(clean(&gzip(&text), 0).unwrap_err(), "line 1: there is no column `dep_delay`");
    }

    #[test]
    fn a_file_without_flights_is_refused() {
        assert_eq!(check(&[], 0).unwrap_err(), "the file holds no flights");
        assert_eq!(clean(&gzip(""), 0).unwrap_err(), "the file holds no flights");
    }

    /// Rows that compress badly, so that a cut lies behind many whole lines.
    fn long_month() -> Vec<u8> {
        let rows: Vec<String> = (0..20_000_u32)
            .map(|n| GOOD.replace(",2,830,", &format!(",{},{},", n * 7 % 1000, n * 13 % 2400)))
            .collect();
        gzip(&(HEADER.to_owned() + &rows.concat()))
    }

    #[test]
    fn a_truncated_file_is_damaged_at_the_byte_where_it_ends() {
        let bytes = long_month();
        let cut = bytes.len() / 2;
        let error = clean_month(&bytes[..cut], &airlines(), &CleanConfig::default(), |_, _| ()).unwrap_err();
        let CleanError::Damaged { offset, line, .. } = error else { panic!("{error}") };
        assert_eq!(offset, cut as u64);
        assert!((5_000..15_000).contains(&line), "{line}");
    }

    #[test]
    fn flipped_bytes_in_the_middle_are_found_and_named() {
        let mut bytes = long_month();
        let place = bytes.len() / 2;
        bytes[place..place + 64].fill(0xff);
        let error =
            clean_month(bytes.as_slice(), &airlines(), &CleanConfig::default(), |_, _| ()).unwrap_err();
        assert!(matches!(error, CleanError::Damaged { .. }), "{error}");
    }

    #[test]
    fn a_wrong_checksum_is_damage_although_every_row_is_right() {
        let mut bytes = gzip(&(HEADER.to_owned() + GOOD));
        let place = bytes.len() - 8;
        bytes[place] ^= 1;
        let message = clean(&bytes, 0).unwrap_err();
        assert!(message.starts_with("the file is damaged: its gzip data breaks at byte"), "{message}");
    }

    #[test]
    fn what_is_not_gzip_is_damaged_at_the_start() {
        for bytes in [&b""[..], b"year,month,day\n2013,1,1\n"] {
            let message = clean(bytes, 0).unwrap_err();
            assert!(message.starts_with("the file is damaged: its gzip data breaks at byte"), "{message}");
            assert!(message.contains("after line 0"), "{message}");
        }
    }

    #[test]
    fn the_first_row_tells_the_month() {
        let march = GOOD.replace("2013,1,", "2013,3,");
        let bytes = gzip(&(HEADER.to_owned() + &march));
        assert_eq!(peek_month(bytes.as_slice()).unwrap(), Month { year: 2013, month: 3 });
    }
}
