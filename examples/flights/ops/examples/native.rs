//! The job without the runtime: the same functions, one after another, natively. Says how long the year takes.
//!
//!     cargo run --release --example native -- FOLDER      writes report.svg and report.html there

use std::{fs, fs::File, io::BufReader, path::Path, time::Instant};

use flights_ops::{
    airlines::Airlines,
    clean::{CleanConfig, clean_month},
    month::Month,
    report::{ReportConfig, chart, page, summary},
    tally::{by_carrier, by_route, merge_carriers, merge_routes},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("name the folder to write to")?;
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data");
    let start = Instant::now();
    let airlines = Airlines::read(File::open(data.join("airlines.csv"))?)?;
    let (mut carriers, mut routes) = (Vec::new(), Vec::new());
    for month in 1..=12 {
        let path = data.join(format!("flights-{}.csv.gz", Month { year: 2013, month }));
        let file = BufReader::new(File::open(path)?);
        let flights = clean_month(file, &airlines, &CleanConfig::default(), |_, _| ())?.flights;
        carriers.push(by_carrier(&flights)?);
        routes.push(by_route(&flights)?);
    }
    let (carriers, routes) = (merge_carriers(carriers)?, merge_routes(routes));
    let summary = summary(&carriers, &routes)?;
    let (chart, page) = (chart(&carriers), page(&carriers, &routes, &ReportConfig::default()));
    println!("{summary:#?}\n{:?}", start.elapsed());
    fs::write(Path::new(&folder).join("report.svg"), chart)?;
    fs::write(Path::new(&folder).join("report.html"), page)?;
    Ok(())
}
