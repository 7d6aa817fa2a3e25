//! The whole year natively, over the real files, against figures that `expected/compute.py` computed without this crate.

use std::{
    fs,
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use flights_ops::{
    airlines::Airlines,
    clean::{CleanConfig, clean_month, peek_month},
    month::Month,
    report::{busiest, carriers_csv, chart, routes_csv, summary},
    tally::{Carriers, Delays, Routes, Tally, by_carrier, by_route, merge_carriers, merge_routes},
};
use serde_json::Value;

fn example(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

fn open(path: &Path) -> BufReader<File> {
    BufReader::new(File::open(path).unwrap())
}

fn year() -> (Carriers, Routes) {
    let airlines = Airlines::read(File::open(example("data/airlines.csv")).unwrap()).unwrap();
    let config = CleanConfig { max_rejected: 0 };
    let (mut carriers, mut routes) = (Vec::new(), Vec::new());
    for month in 1..=12 {
        let month = Month { year: 2013, month };
        let path = example(&format!("data/flights-{month}.csv.gz"));
        assert_eq!(peek_month(open(&path)).unwrap(), month);
        let cleaned = clean_month(open(&path), &airlines, &config, |_, _| ()).unwrap();
        assert_eq!(cleaned.flights.month, month);
        carriers.push(by_carrier(&cleaned.flights).unwrap());
        routes.push(by_route(&cleaned.flights).unwrap());
    }
    (merge_carriers(carriers).unwrap(), merge_routes(routes))
}

#[track_caller]
fn assert_agree(tally: &Tally, expected: &Value) {
    let delays = |kind: &str, delays: &Delays| {
        assert_eq!(delays.count, expected[format!("{kind}s")], "{expected}");
        assert_eq!(delays.sum, expected[format!("{kind}_sum")], "{expected}");
        assert_eq!(
            delays.max.map_or(Value::Null, Value::from),
            expected[format!("{kind}_max")],
            "{expected}"
        );
        assert_eq!(tally.flights - delays.count, expected[format!("{kind}_missing")], "{expected}");
        assert_close(delays.mean(), &expected[format!("{kind}_mean")]);
    };
    assert_eq!(tally.flights, expected["flights"], "{expected}");
    assert_eq!(tally.cancelled, expected["cancelled"], "{expected}");
    delays("departure_delay", &tally.departure);
    delays("arrival_delay", &tally.arrival);
}

#[track_caller]
fn assert_close(mean: Option<f64>, expected: &Value) {
    match (mean, expected.as_f64()) {
        (None, None) => (),
        (Some(mean), Some(expected)) => assert!((mean - expected).abs() < 1e-9, "{mean} {expected}"),
        (mean, expected) => panic!("{mean:?} {expected:?}"),
    }
}

#[test]
fn the_year_agrees_with_figures_computed_elsewhere() {
    let expected: Value =
        serde_json::from_str(&fs::read_to_string(example("expected/figures.json")).unwrap()).unwrap();
    let (carriers, routes) = year();

    assert_agree(&carriers.total(), &expected["year"]);
    let months = expected["months"].as_array().unwrap();
    assert_eq!(carriers.months.len(), months.len());
    for (part, expected) in carriers.months.iter().zip(months) {
        assert_eq!(part.month.month, expected["month"]);
        assert_agree(&part.total(), expected);
    }
    let rows = expected["carriers"].as_array().unwrap();
    assert_eq!(carriers.carriers.len(), rows.len());
    for (row, expected) in carriers.carriers.iter().zip(rows) {
        assert_eq!(
            (&expected["carrier"], &expected["airline"]),
            (&row.carrier.clone().into(), &row.airline.clone().into())
        );
        assert_agree(&row.tally, expected);
    }
    assert_eq!(routes.routes.len(), expected["n_routes"]);
    let rows = expected["busiest_routes"].as_array().unwrap();
    assert_eq!(rows.len(), 10);
    for (row, expected) in busiest(&routes).into_iter().zip(rows) {
        assert_eq!(
            (&expected["origin"], &expected["dest"]),
            (&row.origin.clone().into(), &row.dest.clone().into())
        );
        assert_agree(&row.tally, expected);
    }

    // Known to everybody who ever used the data set.
    let summary = summary(&carriers, &routes).unwrap();
    assert_eq!(summary.flights, 336_776);
    assert_eq!(format!("{:.2}", summary.departure_delay_mean.unwrap()), "12.64");
    assert_eq!((summary.cancelled, summary.departure_delay_missing, summary.n_routes), (8_255, 8_255, 224));

    assert_eq!(carriers_csv(&carriers).lines().count(), 17);
    assert_eq!(routes_csv(&routes).lines().count(), 225);
    assert_eq!(
        chart(&carriers),
        fs::read_to_string(example("report.svg")).unwrap(),
        "report.svg is not what the ops draw: cargo run --release --example native -- .. writes it"
    );
}
