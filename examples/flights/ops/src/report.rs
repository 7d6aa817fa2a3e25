//! The report on a year's delays: tables in CSV, a chart in SVG, a page in HTML, and the figures by themselves.

mod chart;
mod heat;
mod page;
mod tables;
mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    month::Month,
    tally::{Carrier, Carriers, Route, Routes, Tally},
};

pub use self::{
    chart::chart,
    page::page,
    tables::{carriers_csv, routes_csv},
};

/// What the report shows.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReportConfig {
    /// How many routes each table of the page shows.
    #[schemars(range(min = 1, max = 1000))]
    pub top_routes: u32,
    /// Routes with fewer flights are left out of the page's tables: their means say little.
    pub min_flights: u32,
}

impl Default for ReportConfig {
    fn default() -> Self {
        Self { top_routes: 20, min_flights: 100 }
    }
}

/// The figures of the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Months that went in.
    pub n_months: u64,
    /// All flights that were planned.
    pub flights: u32,
    /// Flights without a departure.
    pub cancelled: u32,
    /// Flights without a departure delay.
    pub departure_delay_missing: u32,
    /// Flights without an arrival delay: cancelled, diverted, or not known.
    pub arrival_delay_missing: u32,
    /// Minutes, over the flights that have a departure delay.
    pub departure_delay_mean: Option<f64>,
    /// Minutes, over the flights that have an arrival delay.
    pub arrival_delay_mean: Option<f64>,
    /// Minutes.
    pub departure_delay_max: Option<i64>,
    /// Carriers that flew.
    pub n_carriers: u64,
    /// Pairs of airports, each direction by itself.
    pub n_routes: u64,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Invalid {
    /// Nothing to report on.
    #[error("there are no flights to report on")]
    Empty,
    /// The two inputs do not count the same flights.
    #[error("the carriers have {carriers} flights, the routes {routes}: they are not of the same data")]
    Disagree {
        /// Flights in the table of carriers.
        carriers: u32,
        /// Flights in the table of routes.
        routes: u32,
    },
}

/// The figures, once carriers and routes are known to count the same flights.
pub fn summary(carriers: &Carriers, routes: &Routes) -> Result<Summary, Invalid> {
    let total = carriers.total();
    let by_route = routes.routes.iter().fold(Tally::default(), |mut all, route| {
        all.merge(&route.tally);
        all
    });
    if total != by_route {
        return Err(Invalid::Disagree { carriers: total.flights, routes: by_route.flights });
    }
    if total.flights == 0 {
        return Err(Invalid::Empty);
    }
    Ok(Summary {
        n_months: carriers.months.len() as u64,
        flights: total.flights,
        cancelled: total.cancelled,
        departure_delay_missing: total.flights - total.departure.count,
        arrival_delay_missing: total.flights - total.arrival.count,
        departure_delay_mean: total.departure.mean(),
        arrival_delay_mean: total.arrival.mean(),
        departure_delay_max: total.departure.max,
        n_carriers: carriers.carriers.len() as u64,
        n_routes: routes.routes.len() as u64,
    })
}

/// Routes by number of flights, the busiest first.
#[must_use]
pub fn busiest(routes: &Routes) -> Vec<&Route> {
    let mut order: Vec<&Route> = routes.routes.iter().collect();
    order.sort_by(|a, b| {
        b.tally.flights.cmp(&a.tally.flights).then_with(|| (&a.origin, &a.dest).cmp(&(&b.origin, &b.dest)))
    });
    order
}

/// Carriers by mean departure delay, the most delayed first; those without any stand at the end.
fn by_lateness(carriers: &Carriers) -> Vec<&Carrier> {
    let mut order: Vec<&Carrier> = carriers.carriers.iter().collect();
    let mean = |carrier: &Carrier| carrier.tally.departure.mean().unwrap_or(f64::NEG_INFINITY);
    order.sort_by(|a, b| mean(b).total_cmp(&mean(a)).then_with(|| a.carrier.cmp(&b.carrier)));
    order
}

/// The time that the data covers, such as `2013` or `2013-01 to 2013-03`.
fn period(carriers: &Carriers) -> String {
    let months: Vec<Month> = carriers.months.iter().map(|part| part.month).collect();
    match (months.first(), months.last()) {
        (Some(first), Some(last)) if first == last => first.to_string(),
        (Some(first), Some(last)) if first.year == last.year && months.len() == 12 => first.year.to_string(),
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::{CarriersOfMonth, Delays};

    /// Three carriers, one of them early on the whole, one without any delay; two months.
    pub(crate) fn sample() -> (Carriers, Routes) {
        let tally = |flights, cancelled, sum| {
            let count = flights - cancelled;
            let delays = Delays { count, sum, max: (count > 0).then_some(60) };
            Tally { flights, cancelled, departure: delays, arrival: delays }
        };
        let row = |carrier: &str, airline: &str, tally| Carrier {
            carrier: carrier.to_owned(),
            airline: airline.to_owned(),
            tally,
        };
        let of_month = |month, carriers| CarriersOfMonth { month: Month { year: 2013, month }, carriers };
        let parts = [
            of_month(
                1,
                vec![
                    row("AA", "A & <B>", tally(200, 10, 1900)),
                    row("EA", "Early, \"Inc.\"", tally(100, 0, -250)),
                ],
            ),
            of_month(
                2,
                vec![row("AA", "A & <B>", tally(100, 0, 2000)), row("NO", "Never Left", tally(5, 5, 0))],
            ),
        ];
        let route =
            |origin: &str, dest: &str, tally| Route { origin: origin.into(), dest: dest.into(), tally };
        let routes = vec![
            route("EWR", "LAX", tally(300, 10, 3900)),
            route("JFK", "BOS", tally(100, 0, -250)),
            route("LGA", "XNA", tally(5, 5, 0)),
        ];
        (crate::tally::merge_carriers(parts).unwrap(), Routes { routes })
    }

    #[test]
    fn the_summary_counts_what_has_no_delay() {
        let (carriers, routes) = sample();
        let summary = summary(&carriers, &routes).unwrap();
        assert_eq!((summary.flights, summary.cancelled, summary.departure_delay_missing), (405, 15, 15));
        assert_eq!(summary.departure_delay_mean, Some(3650.0 / 390.0));
        assert_eq!((summary.n_months, summary.n_carriers, summary.n_routes), (2, 3, 3));
    }

    #[test]
    fn tables_of_different_data_are_refused() {
        let (carriers, mut routes) = sample();
        routes.routes.pop();
        assert_eq!(
            summary(&carriers, &routes).unwrap_err().to_string(),
            "the carriers have 405 flights, the routes 400: they are not of the same data"
        );
        let none = Carriers { carriers: vec![], months: vec![] };
        assert_eq!(summary(&none, &Routes { routes: vec![] }).unwrap_err(), Invalid::Empty);
    }

    #[test]
    fn csv_quotes_names_and_leaves_a_mean_of_nothing_empty() {
        let (carriers, routes) = sample();
        let text = carriers_csv(&carriers);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "carrier,airline,flights,cancelled,departure_delay_mean,departure_delay_max,arrival_delay_mean,arrival_delay_max"
        );
        assert_eq!(lines[2], "EA,\"Early, \"\"Inc.\"\"\",100,0,-2.5,60,-2.5,60");
        assert_eq!(lines[3], "NO,Never Left,5,5,,,,");
        assert!(routes_csv(&routes).lines().nth(1).unwrap().starts_with("EWR,LAX,300,10,"));
    }

    #[test]
    fn names_with_markup_stay_text_in_chart_and_page() {
        let (carriers, routes) = sample();
        for text in
            [chart(&carriers), page(&carriers, &routes, &ReportConfig { top_routes: 2, min_flights: 1 })]
        {
            assert!(text.contains("A &amp; &lt;B&gt;") && !text.contains("A & <B>"), "{text}");
            assert!(text.contains("Never Left"));
            assert!(!text.contains("NaN") && !text.contains("inf"));
        }
    }

    #[test]
    fn a_period_is_written_as_short_as_it_can_be() {
        let (mut carriers, _) = sample();
        assert_eq!(period(&carriers), "2013-01 to 2013-02");
        carriers.months.truncate(1);
        assert_eq!(period(&carriers), "2013-01");
    }
}
