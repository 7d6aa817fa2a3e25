//! The heat table: mean departure delay per airline and month, numbers in coloured cells.

use std::fmt::Write;

use crate::{
    report::{
        by_lateness,
        text::{escape, minutes, thousands},
    },
    tally::{Carriers, Tally},
};

/// Minutes at which a cell has its full colour; what is later looks the same.
const FULL_COLOUR_MINUTES: f64 = 30.0;

/// Cells of fewer flights get no colour: one late flight would paint them red.
const COLOUR_FLIGHTS_MIN: u32 = 30;

/// Colours at equal distances from no delay to the full colour, as red, green, blue.
const COLOURS: [[f64; 3]; 4] =
    [[247.0, 243.0, 232.0], [250.0, 215.0, 165.0], [229.0, 140.0, 92.0], [176.0, 58.0, 46.0]];

/// An HTML table with a column per month.
pub(super) fn heat(carriers: &Carriers) -> String {
    let mut html = String::from(
        "<div class=\"scroll\"><table class=\"heat\">\n<thead><tr><th scope=\"col\">Airline</th>",
    );
    for part in &carriers.months {
        let _ = write!(
            html,
            "<th scope=\"col\"><abbr title=\"{}\">{}</abbr></th>",
            part.month,
            part.month.short_name()
        );
    }
    html.push_str("<th scope=\"col\">All</th></tr></thead>\n<tbody>\n");
    let months: Vec<Tally> = carriers.months.iter().map(|part| part.total()).collect();
    row(&mut html, " class=\"all\"", "All flights", months.iter().map(Some), &carriers.total());
    for carrier in by_lateness(carriers) {
        let months = carriers.months.iter().map(|part| {
            part.carriers.iter().find(|row| row.carrier == carrier.carrier).map(|row| &row.tally)
        });
        row(&mut html, "", &carrier.airline, months, &carrier.tally);
    }
    let _ = write!(
        html,
        "</tbody></table></div>\n<p class=\"note\">Minutes. Full colour from {FULL_COLOUR_MINUTES} minutes on; \
         without colour: fewer than {COLOUR_FLIGHTS_MIN} flights; empty: none.</p>\n"
    );
    html
}

fn row<'a>(
    html: &mut String,
    attributes: &str,
    name: &str,
    months: impl Iterator<Item = Option<&'a Tally>>,
    all: &'a Tally,
) {
    let _ = write!(html, "<tr{attributes}><th scope=\"row\">{}</th>", escape(name));
    for tally in months.chain([Some(all)]) {
        html.push_str(&tally.map_or_else(|| "<td></td>".to_owned(), cell));
    }
    html.push_str("</tr>\n");
}

fn cell(tally: &Tally) -> String {
    let mean = tally.departure.mean();
    let flights = thousands(tally.flights);
    let look = match mean {
        Some(mean) if tally.flights >= COLOUR_FLIGHTS_MIN => colours(mean),
        _ => "color:#5b6572".to_owned(),
    };
    format!("<td style=\"{look}\" title=\"{flights} flights\">{}</td>", minutes(mean))
}

/// Background and a colour of type that can be read on it.
fn colours(mean: f64) -> String {
    let place = (mean / FULL_COLOUR_MINUTES).clamp(0.0, 1.0) * (COLOURS.len() - 1) as f64;
    let below = (place.floor() as usize).min(COLOURS.len() - 2);
    let part = place - below as f64;
    let mix = |i: usize| COLOURS[below][i] + (COLOURS[below + 1][i] - COLOURS[below][i]) * part;
    let ink = if place > 2.4 { "#fff" } else { "#1f2a37" };
    format!("background:rgb({:.0},{:.0},{:.0});color:{ink}", mix(0), mix(1), mix(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_grows_with_the_delay_and_stops_at_its_bound() {
        assert_eq!(colours(-3.0), "background:rgb(247,243,232);color:#1f2a37");
        assert_eq!(colours(10.0), "background:rgb(250,215,165);color:#1f2a37");
        assert_eq!(colours(30.0), colours(300.0));
        assert_eq!(colours(30.0), "background:rgb(176,58,46);color:#fff");
    }
}
