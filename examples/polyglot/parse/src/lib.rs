//! Reads a month of flights and hands their arrival delays on, in the forms that the other languages like best.

use std::collections::BTreeMap;
use std::io::Read;

use cofferdam_op::{Bytes, Context, Error, Outputs, Reader, Result, ResultExt, library, op};
use flate2::read::GzDecoder;
use serde::Deserialize;

/// The columns that are read; the file has more.
#[derive(Deserialize)]
struct Flight {
    carrier: String,
    arr_delay: String,
}

#[derive(Outputs)]
pub struct Delays {
    /// Minutes late, early below zero, of every flight that arrived, by airline.
    by_airline: BTreeMap<String, Vec<i32>>,
    /// The same of all flights, in the order of the file: 64-bit floats, least byte first.
    all: Bytes,
}

/// Unpacks a month's CSV and takes the arrival delays from it.
#[op]
pub fn parse(ctx: &Context, month: Reader) -> Result<Delays> {
    let delays = read(GzDecoder::new(month))?;
    ctx.metadata("flights", delays.all.0.len() / size_of::<f64>());
    Ok(delays)
}

fn read(text: impl Read) -> Result<Delays> {
    let mut delays = Delays { by_airline: BTreeMap::new(), all: Bytes(vec![]) };
    for (row, flight) in csv::Reader::from_reader(text).deserialize().enumerate() {
        let flight: Flight = flight.context("while the month was read")?;
        if flight.arr_delay == "NA" {
            continue;
        }
        let minutes: i32 = flight
            .arr_delay
            .parse()
            .map_err(|_| Error::permanent(format!("row {}: `{}` is no delay", row + 1, flight.arr_delay)))?;
        delays.by_airline.entry(flight.carrier).or_default().push(minutes);
        delays.all.0.extend(f64::from(minutes).to_le_bytes());
    }
    Ok(delays)
}

library!(parse);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flights_that_never_arrived_are_left_out() {
        let text = "carrier,arr_delay\nAA,3\nUA,NA\nAA,-2\n";
        let delays = read(text.as_bytes()).unwrap();
        assert_eq!(delays.by_airline, BTreeMap::from([("AA".to_owned(), vec![3, -2])]));
        assert_eq!(delays.all.0.len(), 16);
    }

    #[test]
    fn a_delay_that_is_no_number_is_named_with_its_row() {
        let error = read("carrier,arr_delay\nAA,late\n".as_bytes()).map(|_| ()).unwrap_err();
        assert_eq!(error.message(), "row 1: `late` is no delay");
    }
}
