//! Reads the aeroplanes that flew out of New York, and writes what another library says about their seats into a table.

use std::collections::BTreeMap;
use std::io::Read;

use cofferdam_op::schemars::{self, JsonSchema};
use cofferdam_op::{Bytes, Dynamic, Error, Many, Outputs, Reader, Result, ResultExt, library, op};
use flate2::read::GzDecoder;
use serde::Deserialize;

/// The columns that are read; the file has more.
#[derive(Deserialize)]
struct Plane {
    manufacturer: String,
    seats: String,
}

#[derive(Deserialize, JsonSchema)]
pub struct Least {
    /// A manufacturer of fewer planes is left out.
    planes: usize,
}

#[derive(Outputs)]
pub struct Seats {
    /// Seats of each plane, by manufacturer.
    by_manufacturer: Dynamic<Vec<f64>>,
}

/// Takes the seats of the planes of each manufacturer out of a CSV file, which is packed with gzip.
#[op]
pub fn seats(planes: Reader, config: Least) -> Result<Seats> {
    let mut by_manufacturer = Dynamic::new();
    for (manufacturer, seats) in read(GzDecoder::new(planes))? {
        if seats.len() >= config.planes {
            by_manufacturer.push(&manufacturer, seats)?;
        }
    }
    Ok(Seats { by_manufacturer })
}

fn read(text: impl Read) -> Result<BTreeMap<String, Vec<f64>>> {
    let mut found = BTreeMap::<String, Vec<f64>>::new();
    for (row, plane) in csv::Reader::from_reader(text).deserialize().enumerate() {
        let plane: Plane = plane.context("while the planes were read")?;
        let seats = plane.seats.parse().map_err(|_| {
            Error::permanent(format!("row {}: `{}` is no number of seats", row + 1, plane.seats))
        })?;
        found.entry(key(&plane.manufacturer)).or_default().push(seats);
    }
    Ok(found)
}

/// A mapping key has letters, digits and `_`.
fn key(manufacturer: &str) -> String {
    let letter =
        |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' };
    manufacturer.chars().map(letter).collect()
}

/// What `summarize` gives for one manufacturer: its record `box`.
#[derive(Deserialize, JsonSchema)]
pub struct Summary {
    n: u32,
    low: f64,
    lower: f64,
    median: f64,
    upper: f64,
    high: f64,
}

#[derive(Outputs)]
pub struct Table {
    #[output(media_type = "text/csv")]
    result: Bytes,
}

/// Writes a row per manufacturer.
#[op]
pub fn table(summaries: Many<Summary>) -> Table {
    let mut text = "manufacturer,planes,low,lower,median,upper,high\n".to_owned();
    for element in summaries {
        let Summary { n, low, lower, median, upper, high } = element.value;
        let key = element.key.unwrap_or_default();
        text += &format!("{key},{n},{low},{lower},{median},{upper},{high}\n");
    }
    Table { result: Bytes(text.into_bytes()) }
}

library!(seats, table);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_grouped_under_keys() {
        let text = "manufacturer,seats\nAIRBUS INDUSTRIE,182\nBOEING,149\nAIRBUS INDUSTRIE,200\n";
        let seats = read(text.as_bytes()).unwrap();
        assert_eq!(seats["airbus_industrie"], [182.0, 200.0]);
        assert_eq!(seats.len(), 2);
    }

    #[test]
    fn a_row_without_a_number_is_named() {
        let error = read("manufacturer,seats\nBOEING,NA\n".as_bytes()).unwrap_err();
        assert_eq!(error.message(), "row 1: `NA` is no number of seats");
    }
}
