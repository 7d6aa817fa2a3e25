//! The tables in CSV: every row, means unrounded, for whoever goes on computing.

use crate::{
    report::busiest,
    tally::{Carriers, Delays, Routes, Tally},
};

const FIGURES: &str =
    "flights,cancelled,departure_delay_mean,departure_delay_max,arrival_delay_mean,arrival_delay_max";

/// A row per carrier, ordered by code.
#[must_use]
pub fn carriers_csv(carriers: &Carriers) -> String {
    let rows = carriers.carriers.iter().map(|row| ([row.carrier.as_str(), &row.airline], &row.tally));
    table("carrier,airline", rows)
}

/// A row per route, the busiest first.
#[must_use]
pub fn routes_csv(routes: &Routes) -> String {
    let rows = busiest(routes).into_iter().map(|row| ([row.origin.as_str(), &row.dest], &row.tally));
    table("origin,dest", rows)
}

fn table<'a>(names: &str, rows: impl Iterator<Item = ([&'a str; 2], &'a Tally)>) -> String {
    let mut text = format!("{names},{FIGURES}\n");
    for (names, tally) in rows {
        for name in names {
            text.push_str(&quote(name));
            text.push(',');
        }
        let [departure, arrival] = [&tally.departure, &tally.arrival].map(delays);
        text.push_str(&format!("{},{},{departure},{arrival}\n", tally.flights, tally.cancelled));
    }
    text
}

fn delays(delays: &Delays) -> String {
    match (delays.mean(), delays.max) {
        (Some(mean), Some(max)) => format!("{mean},{max}"),
        _ => ",".to_owned(),
    }
}

/// RFC 4180: quoted only where it must be.
fn quote(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
