//! When a schedule ticks: the union of its cron expressions in one time zone.

use cofferdam_cron::{Cron, InvalidCron, Schedule, Seconds, UnknownZone, zone};
use cofferdam_model::Timestamp;

/// A checked schedule's times. Instants are whole seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Timetable {
    schedules: Vec<Schedule>,
}

/// Why texts are no timetable; each problem of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTimetable {
    /// By its place among the expressions.
    #[error("`{text}` is no cron expression: {why}")]
    Cron { at: usize, text: String, why: InvalidCron },
    #[error("`{text}` is no time zone of the IANA database")]
    Zone { text: String, why: UnknownZone },
}

impl InvalidTimetable {
    /// How to mend it.
    pub fn hint(&self) -> String {
        match self {
            InvalidTimetable::Cron { .. } => {
                "minute, hour, day of the month, month, day of the week: `30 2 * * 1-5`, or a word such as `@daily`".to_owned()
            }
            InvalidTimetable::Zone { why, .. } => why.hint(),
        }
    }
}

/// What a message shows of a text that somebody wrote.
const SHOWN_CHARS_MAX: usize = 80;

impl Timetable {
    /// `timezone`: an IANA name; none is UTC. Gives all that is wrong at once.
    pub fn new(crons: &[&str], timezone: Option<&str>) -> Result<Timetable, Vec<InvalidTimetable>> {
        let mut mistakes = vec![];
        let mut expressions = vec![];
        for (at, text) in crons.iter().enumerate() {
            match Cron::parse(text) {
                Ok(cron) => expressions.push(cron),
                Err(why) => mistakes.push(InvalidTimetable::Cron { at, text: shown(text), why }),
            }
        }
        let text = timezone.unwrap_or("UTC");
        match zone(text) {
            Ok(zone) if mistakes.is_empty() => {
                let schedules = expressions.into_iter().map(|cron| Schedule::new(cron, zone.clone()));
                Ok(Timetable { schedules: schedules.collect() })
            }
            Ok(_) => Err(mistakes),
            Err(why) => {
                mistakes.push(InvalidTimetable::Zone { text: shown(text), why });
                Err(mistakes)
            }
        }
    }

    /// Ticks at or after an instant, in order, each once.
    pub fn from(&self, at: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        let first = seconds_up(at);
        let lists = self.schedules.iter().map(|schedule| schedule.ticks_from(first)).collect();
        Union { lists: peekable(lists), best: i64::min }.filter_map(timestamp)
    }

    /// Ticks at or before an instant, the latest first, each once.
    pub fn until(&self, at: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        let after = seconds_down(at).saturating_add(1);
        let lists = self.schedules.iter().map(|schedule| schedule.ticks_before(after)).collect();
        // Ticks before 1970 cannot be told apart from the end of the list.
        Union { lists: peekable(lists), best: i64::max }.map_while(timestamp)
    }
}

/// Ordered lists merged into one.
struct Union<I: Iterator<Item = Seconds>> {
    lists: Vec<std::iter::Peekable<I>>,
    /// Which of two comes first.
    best: fn(Seconds, Seconds) -> Seconds,
}

impl<I: Iterator<Item = Seconds>> Iterator for Union<I> {
    type Item = Seconds;

    fn next(&mut self) -> Option<Seconds> {
        let next = self.lists.iter_mut().filter_map(|list| list.peek().copied()).reduce(self.best)?;
        for list in &mut self.lists {
            while list.next_if_eq(&next).is_some() {}
        }
        Some(next)
    }
}

fn peekable<I: Iterator>(lists: Vec<I>) -> Vec<std::iter::Peekable<I>> {
    lists.into_iter().map(Iterator::peekable).collect()
}

fn seconds_down(at: Timestamp) -> Seconds {
    Seconds::try_from(at.0 / 1000).unwrap_or(Seconds::MAX)
}

fn seconds_up(at: Timestamp) -> Seconds {
    Seconds::try_from(at.0.div_ceil(1000)).unwrap_or(Seconds::MAX)
}

fn timestamp(at: Seconds) -> Option<Timestamp> {
    Some(Timestamp(u64::try_from(at).ok()?.checked_mul(1000)?))
}

fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(table: &Timetable, from: u64, n: usize) -> Vec<String> {
        table.from(Timestamp(from)).take(n).map(|at| at.to_string()[..16].to_owned()).collect()
    }

    #[test]
    fn i1_several_expressions_tick_whenever_one_of_them_does() {
        let table = Timetable::new(&["0 */6 * * *", "30 1 * * *", "0 0 * * 4"], None).unwrap();
        let expected = ["1970-01-01T00:00", "1970-01-01T01:30", "1970-01-01T06:00", "1970-01-01T12:00"];
        assert_eq!(times(&table, 0, 4), expected);
        let back: Vec<Timestamp> = table.until(Timestamp(12 * 3_600_000)).collect();
        let mut there: Vec<Timestamp> = table.from(Timestamp(0)).take(4).collect();
        there.reverse();
        assert_eq!(back, there, "each once, and none before 1970");
    }

    #[test]
    fn an_instant_between_two_seconds_is_after_one_tick_and_before_the_next() {
        let table = Timetable::new(&["* * * * *"], None).unwrap();
        assert_eq!(table.from(Timestamp(60_001)).next(), Some(Timestamp(120_000)));
        assert_eq!(table.from(Timestamp(60_000)).next(), Some(Timestamp(60_000)));
        assert_eq!(table.until(Timestamp(119_999)).next(), Some(Timestamp(60_000)));
    }

    #[test]
    fn c_31_the_end_of_the_calendar_ends_the_ticks() {
        let table = Timetable::new(&["0 0 * * *"], Some("Pacific/Auckland")).unwrap();
        assert_eq!(table.from(Timestamp(u64::MAX)).next(), None);
        let last = table.until(Timestamp(u64::MAX)).next().unwrap();
        assert!(last.to_string().starts_with("9999-12"), "{last}");
        assert_eq!(table.from(last).count(), 1);
    }

    #[test]
    fn c_29_c_30_all_that_is_wrong_with_a_timetable_is_told_at_once() {
        let crons = ["0 0 30 2 *", "@reboot", "* * * * 8", "0 0 L * *", "\u{1b}[1m * * * *"];
        let wrong = Timetable::new(&crons, Some("../../etc/passwd")).unwrap_err();
        let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
