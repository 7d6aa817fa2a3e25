//! The ops: what they take, give, log and call a failure. What they compute is in the other modules.

use std::io::{self, Seek, SeekFrom};

use cofferdam_op::{Bytes, Context, Dynamic, Error, Many, Outputs, Reader, Result, Stored, library, op};

use crate::{
    airlines::Airlines,
    clean::{CleanConfig, CleanError, Rejected, clean_month, peek_month},
    month::Month,
    report::{ReportConfig, Summary, carriers_csv, chart, page, routes_csv, summary},
    table::Flights,
    tally::{self, Carriers, CarriersOfMonth, Routes},
};

library!(split, clean, by_carrier, by_route, merge_carriers, merge_routes, report);

/// Bad rows that are logged one by one; the rest are in the output `rejected`.
const LOGGED_ROWS_MAX: usize = 10;

/// What `split` gives.
#[derive(Debug, Outputs)]
pub struct Split {
    /// The files as they came, under keys such as `m01`.
    #[output(media_type = "application/gzip")]
    months: Dynamic<Stored>,
}

/// Hands each month's file on under a key of its own.
///
/// Takes gzipped CSV files named after their month, such as `flights-2013-02.csv.gz`, and refuses a file whose name and
/// first row do not agree.
#[op]
pub fn split(ctx: &Context, months: Many<Reader>) -> Result<Split> {
    let mut parts = Dynamic::new();
    let total = months.len() as u64;
    for (done, element) in months.into_iter().enumerate() {
        let name = element.key.unwrap_or_default();
        let mut file = element.value;
        let month = month_of_file(&name, &mut file)?;
        let mut writer = ctx.create_writer()?;
        let n_bytes = io::copy(&mut file, &mut writer)?;
        parts.push(month.key(), writer.finish()?)?;
        ctx.info(format!("{name} is {}, {n_bytes} bytes", month.key()));
        ctx.progress(done as u64 + 1, total, &name);
    }
    ctx.metadata("months", total as i64);
    Ok(Split { months: parts })
}

fn month_of_file(name: &str, file: &mut Reader) -> Result<Month> {
    let refuse =
        |reason: String| Err(Error::permanent(reason).context(format!("cannot use the file `{name}`")));
    let Some(named) = Month::from_file_stem(name) else {
        return refuse("its name does not end in year and month, as `flights-2013-02` does".to_owned());
    };
    let found = peek_month(&mut *file).map_err(|error| failure(error, &format!("file `{name}`")))?;
    if found != named {
        return refuse(format!("its first row is of {found}"));
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(named)
}

/// What `clean` gives.
#[derive(Debug, Outputs)]
pub struct Clean {
    /// The month's flights, checked and typed.
    table: Flights,
    /// Rows that were left out; absent if there are none.
    rejected: Option<Vec<Rejected>>,
}

/// Reads a month's gzipped CSV: checks and types every row and joins the airline's name.
///
/// `NA` is a missing value. A row that cannot be read is left out, up to `max_rejected` of them. A damaged file is refused.
#[op]
pub fn clean(ctx: &Context, month: Reader, airlines: Reader, config: CleanConfig) -> Result<Clean> {
    let airlines = Airlines::read(airlines).map_err(permanent)?;
    let n_bytes = month.size();
    let cleaned = clean_month(month, &airlines, &config, |rows, offset| {
        ctx.progress(offset, n_bytes, format!("{rows} rows"));
    });
    let cleaned = cleaned.map_err(|error| failure(error, &what(&ctx.attempt().step_key)))?;
    for row in cleaned.rejected.iter().take(LOGGED_ROWS_MAX) {
        ctx.warn(format!("line {} is left out: {}", row.line, row.reason));
    }
    ctx.info(format!("{} has {} flights", cleaned.flights.month, cleaned.flights.n_rows()));
    ctx.metadata("rows", cleaned.flights.n_rows() as i64);
    ctx.metadata("rejected", cleaned.rejected.len() as i64);
    let rejected = (!cleaned.rejected.is_empty()).then_some(cleaned.rejected);
    Ok(Clean { table: cleaned.flights, rejected })
}

/// What a mapped step reads: `clean[m02]` the file of month `m02`.
fn what(step_key: &str) -> String {
    let key = step_key.rsplit_once('[').and_then(|(_, rest)| rest.strip_suffix(']'));
    key.map_or_else(|| "month's file".to_owned(), |key| format!("file of month `{key}`"))
}

/// Trying again mends no file, but may reach a storage that was away.
fn failure(error: CleanError, what: &str) -> Error {
    match error {
        CleanError::Unavailable { .. } => Error::from(error).context(format!("cannot read the {what}")),
        error => permanent(error).context(format!("cannot use the {what}")),
    }
}

/// A failure that would come again, with its cause.
fn permanent(error: impl std::error::Error) -> Error {
    match error.source() {
        Some(cause) => Error::permanent(cause.to_string()).context(error.to_string()),
        None => Error::permanent(error.to_string()),
    }
}

/// Counts a month's flights, cancellations and delays per carrier.
#[op]
pub fn by_carrier(flights: Flights) -> Result<CarriersOfMonth> {
    tally::by_carrier(&flights).map_err(permanent)
}

/// Counts a month's flights, cancellations and delays per route.
#[op]
pub fn by_route(flights: Flights) -> Result<Routes> {
    tally::by_route(&flights).map_err(permanent)
}

/// Puts the carriers of all months together.
#[op]
pub fn merge_carriers(ctx: &Context, months: Many<CarriersOfMonth>) -> Result<Carriers> {
    let carriers = tally::merge_carriers(months.into_values()).map_err(permanent)?;
    ctx.metadata("months", carriers.months.len() as i64);
    ctx.metadata("carriers", carriers.carriers.len() as i64);
    Ok(carriers)
}

/// Puts the routes of all months together.
#[op]
pub fn merge_routes(ctx: &Context, months: Many<Routes>) -> Routes {
    let routes = tally::merge_routes(months.into_values());
    ctx.metadata("routes", routes.routes.len() as i64);
    routes
}

/// What `report` gives.
#[derive(Debug, Outputs)]
pub struct Report {
    /// A row per carrier: flights, cancellations, mean and largest delays.
    #[output(media_type = "text/csv")]
    carriers: Bytes,
    /// A row per route, the busiest first.
    #[output(media_type = "text/csv")]
    routes: Bytes,
    /// Mean departure delay per airline as bars.
    #[output(media_type = "image/svg+xml")]
    chart: Bytes,
    /// All of it on a page that stands alone.
    #[output(media_type = "text/html")]
    page: Bytes,
    /// The figures by themselves.
    summary: Summary,
}

/// Writes the report: two tables, a chart, a page and the figures.
#[op]
pub fn report(ctx: &Context, carriers: Carriers, routes: Routes, config: ReportConfig) -> Result<Report> {
    let figures = summary(&carriers, &routes).map_err(permanent)?;
    ctx.metadata("flights", figures.flights as i64);
    ctx.metadata("cancelled", figures.cancelled as i64);
    if let Some(mean) = figures.departure_delay_mean {
        ctx.metadata("departure_delay_mean_minutes", mean);
    }
    ctx.info(format!("{} flights, {} cancelled", figures.flights, figures.cancelled));
    Ok(Report {
        carriers: Bytes(carriers_csv(&carriers).into_bytes()),
        routes: Bytes(routes_csv(&routes).into_bytes()),
        chart: Bytes(chart(&carriers).into_bytes()),
        page: Bytes(page(&carriers, &routes, &config).into_bytes()),
        summary: figures,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gunzip::tests::gzip;

    const HEADER: &str = "year,month,day,dep_time,dep_delay,arr_delay,carrier,origin,dest,distance\n";
    const AIRLINES: &str = "carrier,name\nUA,United Air Lines Inc.\n";

    fn month_file(month: u8, n_rows: usize) -> Vec<u8> {
        gzip(&(HEADER.to_owned() + &format!("2013,{month},1,517,2,NA,UA,EWR,IAH,1400\n").repeat(n_rows)))
    }

    fn split_files(files: Vec<(&str, Vec<u8>)>) -> Result<(Context, Split)> {
        let ctx = Context::test();
        let readers = files.into_iter().map(|(name, bytes)| (name, Reader::from_bytes(bytes)));
        split(&ctx, readers.collect()).map(|split| (ctx, split))
    }

    fn clean_file(bytes: Vec<u8>, max_rejected: u32) -> (Context, Result<Clean>) {
        let ctx = Context::test();
        let airlines = Reader::from_bytes(AIRLINES);
        let result = clean(&ctx, Reader::from_bytes(bytes), airlines, CleanConfig { max_rejected });
        (ctx, result)
    }

    #[test]
    fn split_hands_on_the_bytes_of_each_file_under_its_month() {
        let files = [month_file(2, 1), month_file(11, 2)];
        let named = vec![("flights-2013-02", files[0].clone()), ("flights-2013-11", files[1].clone())];
        let (ctx, split) = split_files(named).unwrap();
        let parts: Vec<_> =
            split.months.iter().map(|(key, stored)| (key, ctx.stored_bytes(stored).unwrap())).collect();
        assert_eq!(parts, [("m02", files[0].clone()), ("m11", files[1].clone())]);
        assert_eq!(ctx.recorded().progress.last().unwrap().0, 2);
    }

    #[test]
    fn split_refuses_a_file_that_is_not_of_the_month_in_its_name() {
        for (name, bytes, message) in [
            (
                "flights-2013-03",
                month_file(2, 1),
                "cannot use the file `flights-2013-03`: its first row is of 2013-02",
            ),
            (
                "summary",
                month_file(2, 1),
                "cannot use the file `summary`: its name does not end in year and month, as `flights-2013-02` does",
            ),
            (
                "flights-2013-02",
                gzip(HEADER),
                "cannot use the file `flights-2013-02`: the file holds no flights",
            ),
        ] {
            let error = split_files(vec![(name, bytes)]).err().unwrap();
            assert_eq!(error.to_string(), message);
            assert!(error.is_permanent());
        }
    }

    #[test]
    fn split_refuses_a_second_file_of_the_same_month() {
        let files = vec![("a-2013-02", month_file(2, 1)), ("b-2013-02", month_file(2, 1))];
        assert!(split_files(files).err().unwrap().to_string().contains("m02"));
    }

    #[test]
    fn clean_gives_the_rejected_rows_only_if_there_are_some() {
        let (ctx, cleaned) = clean_file(month_file(2, 3), 0);
        let cleaned = cleaned.unwrap();
        assert_eq!((cleaned.table.n_rows(), cleaned.rejected), (3, None));
        assert_eq!(
            ctx.recorded().metadata,
            [("rows".to_owned(), 3.into()), ("rejected".to_owned(), 0.into())]
        );

        let text = format!("{HEADER}2013,2,1,517,2,NA,UA,EWR,IAH,1400\n2013,2,1,517,2,NA,ZZ,EWR,IAH,1400\n");
        let (ctx, cleaned) = clean_file(gzip(&text), 1);
        let rejected = cleaned.unwrap().rejected.unwrap();
        assert_eq!((rejected.len(), rejected[0].line), (1, 3));
        assert_eq!(
            ctx.recorded().logs[0].message,
            "line 3 is left out: carrier `ZZ` is not in the list of airlines"
        );
    }

    #[test]
    fn clean_says_which_file_is_damaged_where_and_that_it_will_stay_so() {
        let whole = month_file(2, 3);
        let (_, result) = clean_file(whole[..whole.len() - 9].to_vec(), 0);
        let error = result.err().unwrap();
        assert!(error.is_permanent());
        let message = error.to_string();
        assert!(message.starts_with("cannot use the month's file: the file is damaged"), "{message}");
        assert!(message.contains(&format!("breaks at byte {}", whole.len() - 9)), "{message}");
        assert_eq!(what("clean[m02]"), "file of month `m02`");
    }

    #[test]
    fn the_ops_make_a_report_from_months_end_to_end() {
        let (mut carriers, mut routes) = (Vec::new(), Vec::new());
        for month in 1..=2 {
            let flights = || clean_file(month_file(month, 5), 0).1.unwrap().table;
            carriers.push(by_carrier(flights()).unwrap());
            routes.push(by_route(flights()).unwrap());
        }
        let ctx = Context::test();
        let carriers = merge_carriers(&ctx, carriers.into_iter().collect()).unwrap();
        let routes = merge_routes(&ctx, routes.into_iter().collect());
        let report = report(&ctx, carriers, routes, ReportConfig::default()).unwrap();
        assert_eq!((report.summary.flights, report.summary.departure_delay_mean), (10, Some(2.0)));
        assert!(report.chart.0.starts_with(b"<svg"));
        assert!(report.page.0.starts_with(b"<!DOCTYPE html>"));
        assert_eq!(report.routes.0.split(|byte| *byte == b'\n').nth(1).unwrap(), b"EWR,IAH,10,0,2,2,,");
    }
}
