//! Counting flights and delays so that months add up exactly: integers only, a mean is a division at the very end.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    month::Month,
    table::{Flight, Flights, Invalid},
};

/// Delays in minutes, as much of them as can be merged exactly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delays {
    /// How many flights have a delay.
    pub count: u32,
    /// Sum of the delays in minutes.
    pub sum: i64,
    /// The largest delay in minutes.
    pub max: Option<i64>,
}

impl Delays {
    fn add(&mut self, minutes: Option<i16>) {
        let Some(minutes) = minutes.map(i64::from) else {
            return;
        };
        self.merge(&Self { count: 1, sum: minutes, max: Some(minutes) });
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    /// Minutes; none if no flight has a delay.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        // Both stay far below 2^53, so the division is the only rounding.
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }
}

/// Flights and their delays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// All flights that were planned.
    pub flights: u32,
    /// Flights without a departure.
    pub cancelled: u32,
    /// Delays at departure.
    pub departure: Delays,
    /// Delays at arrival.
    pub arrival: Delays,
}

impl Tally {
    fn add(&mut self, flight: &Flight<'_>) {
        self.flights += 1;
        self.cancelled += u32::from(flight.dep_time.is_none());
        self.departure.add(flight.dep_delay);
        self.arrival.add(flight.arr_delay);
    }

    /// Adds what another part of the data says.
    pub fn merge(&mut self, other: &Self) {
        self.flights += other.flights;
        self.cancelled += other.cancelled;
        self.departure.merge(&other.departure);
        self.arrival.merge(&other.arrival);
    }

    /// Part of the flights that were cancelled, 0 to 1.
    #[must_use]
    pub fn cancelled_share(&self) -> f64 {
        if self.flights == 0 { 0.0 } else { self.cancelled as f64 / self.flights as f64 }
    }
}

/// One carrier's flights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Carrier {
    /// Code of the carrier.
    pub carrier: String,
    /// Name of the airline.
    pub airline: String,
    /// Its flights.
    pub tally: Tally,
}

/// Flights per carrier in one month, ordered by code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CarriersOfMonth {
    /// The month that was counted.
    pub month: Month,
    /// A row per carrier.
    pub carriers: Vec<Carrier>,
}

/// Flights of one direction between two airports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Route {
    /// Airport of departure.
    pub origin: String,
    /// Airport of arrival.
    pub dest: String,
    /// The flights on it.
    pub tally: Tally,
}

/// Flights per route, ordered by origin, then destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Routes {
    /// A row per route.
    pub routes: Vec<Route>,
}

/// Flights per carrier over all months.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Carriers {
    /// A row per carrier, ordered by code.
    pub carriers: Vec<Carrier>,
    /// The months that went in, in order of time.
    pub months: Vec<CarriersOfMonth>,
}

impl Carriers {
    /// All flights together.
    #[must_use]
    pub fn total(&self) -> Tally {
        sum(self.carriers.iter().map(|carrier| &carrier.tally))
    }
}

impl CarriersOfMonth {
    /// All flights of the month together.
    #[must_use]
    pub fn total(&self) -> Tally {
        sum(self.carriers.iter().map(|carrier| &carrier.tally))
    }
}

fn sum<'a>(tallies: impl Iterator<Item = &'a Tally>) -> Tally {
    tallies.fold(Tally::default(), |mut all, tally| {
        all.merge(tally);
        all
    })
}

/// Why months cannot be put together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MergeError {
    /// The same flights would count twice.
    #[error("month {0} is there twice")]
    MonthTwice(Month),
    /// Two names for one code.
    #[error("carrier `{carrier}` is `{one}` in one month and `{other}` in another")]
    TwoNames {
        /// The code in question.
        carrier: String,
        /// The name that came first.
        one: String,
        /// The name that came later.
        other: String,
    },
}

/// Counts a month's flights per carrier.
pub fn by_carrier(flights: &Flights) -> Result<CarriersOfMonth, Invalid> {
    let mut carriers = BTreeMap::<&str, (&str, Tally)>::new();
    for flight in flights.rows()? {
        carriers.entry(flight.carrier).or_insert((flight.airline, Tally::default())).1.add(&flight);
    }
    let carriers = carriers.into_iter().map(|(carrier, (airline, tally))| Carrier {
        carrier: carrier.to_owned(),
        airline: airline.to_owned(),
        tally,
    });
    Ok(CarriersOfMonth { month: flights.month, carriers: carriers.collect() })
}

/// Counts a month's flights per route.
pub fn by_route(flights: &Flights) -> Result<Routes, Invalid> {
    let mut routes = BTreeMap::<(&str, &str), Tally>::new();
    for flight in flights.rows()? {
        routes.entry((flight.origin, flight.dest)).or_default().add(&flight);
    }
    let routes = routes.into_iter().map(|((origin, dest), tally)| Route {
        origin: origin.to_owned(),
        dest: dest.to_owned(),
        tally,
    });
    Ok(Routes { routes: routes.collect() })
}

/// Puts the months' carriers together, in whatever order they come.
pub fn merge_carriers(parts: impl IntoIterator<Item = CarriersOfMonth>) -> Result<Carriers, MergeError> {
    let mut months: Vec<CarriersOfMonth> = parts.into_iter().collect();
    months.sort_by_key(|part| part.month);
    if let Some(pair) = months.windows(2).find(|pair| pair[0].month == pair[1].month) {
        return Err(MergeError::MonthTwice(pair[0].month));
    }
    let mut all = BTreeMap::<String, Carrier>::new();
    for part in months.iter().flat_map(|month| &month.carriers) {
        let Some(carrier) = all.get_mut(&part.carrier) else {
            all.insert(part.carrier.clone(), part.clone());
            continue;
        };
        if carrier.airline != part.airline {
            return Err(MergeError::TwoNames {
                carrier: part.carrier.clone(),
                one: carrier.airline.clone(),
                other: part.airline.clone(),
            });
        }
        carrier.tally.merge(&part.tally);
    }
    Ok(Carriers { carriers: all.into_values().collect(), months })
}

/// Puts the months' routes together.
#[must_use]
pub fn merge_routes(parts: impl IntoIterator<Item = Routes>) -> Routes {
    let mut all = BTreeMap::<(String, String), Tally>::new();
    for route in parts.into_iter().flat_map(|part| part.routes) {
        all.entry((route.origin, route.dest)).or_default().merge(&route.tally);
    }
    let routes = all.into_iter().map(|((origin, dest), tally)| Route { origin, dest, tally });
    Routes { routes: routes.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::flight;

    fn month(month: u8, flights: &[Flight<'_>]) -> Flights {
        let mut table = Flights::new(Month { year: 2013, month });
        for flight in flights {
            table.push(flight).unwrap();
        }
        table
    }

    #[test]
    fn a_flight_without_delays_counts_as_a_flight() {
        let table = month(1, &[flight(Some(10), Some(-4)), flight(None, None), flight(Some(-3), None)]);
        let counted = by_carrier(&table).unwrap();
        assert_eq!(
            counted.carriers[0].tally,
            Tally {
                flights: 3,
                cancelled: 1,
                departure: Delays { count: 2, sum: 7, max: Some(10) },
                arrival: Delays { count: 1, sum: -4, max: Some(-4) },
            }
        );
        assert_eq!(counted.total().departure.mean(), Some(3.5));
        assert_eq!(Tally::default().departure.mean(), None);
    }

    #[test]
    fn months_add_up_in_whatever_order_they_come() {
        let parts = [
            month(
                2,
                &[
                    flight(Some(7), Some(1)),
                    Flight { carrier: "AA", airline: "American", ..flight(None, None) },
                ],
            ),
            month(1, &[flight(Some(-2), None)]),
        ];
        let forward = merge_carriers(parts.iter().map(|part| by_carrier(part).unwrap())).unwrap();
        let backward = merge_carriers(parts.iter().rev().map(|part| by_carrier(part).unwrap())).unwrap();
        assert_eq!(forward, backward);
        assert_eq!(forward.months.iter().map(|part| part.month.month).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(forward.carriers.iter().map(|row| row.carrier.as_str()).collect::<Vec<_>>(), ["AA", "UA"]);
        assert_eq!(forward.carriers[1].tally.departure, Delays { count: 2, sum: 5, max: Some(7) });

        let routes = merge_routes(parts.iter().map(|part| by_route(part).unwrap()));
        assert_eq!(routes.routes.len(), 1);
        assert_eq!(routes.routes[0].tally, forward.total());
    }

    #[test]
    fn a_month_that_is_there_twice_is_refused() {
        let part = by_carrier(&month(1, &[flight(Some(1), None)])).unwrap();
        let error = merge_carriers([part.clone(), part]).unwrap_err();
        assert_eq!(error.to_string(), "month 2013-01 is there twice");
    }
}
