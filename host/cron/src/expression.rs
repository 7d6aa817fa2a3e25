//! Cron expressions of five fields: which minutes of which days. Says nothing about time zones, which are
//! the business of `schedule`.

use jiff::civil::{Date, Time};

/// Which times of which days an expression names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    /// Bit `n` for minute `n`; the same for the other fields.
    minutes: u64,
    /// `None` is `*`: every hour that there is, so that a repeated hour counts twice and a missing one not at all.
    hours: Option<u64>,
    days_of_month: u64,
    months: u64,
    /// 0 is Sunday.
    days_of_week: u64,
    /// Either field was `*`, so a day must satisfy both; otherwise one of them is enough.
    both_days: bool,
}

/// Bytes of an expression: every minute of an hour, written one by one, fits many times.
const CRON_BYTES_MAX: usize = 1000;

/// Words for common expressions, as Dagster takes them.
const ALIASES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];
const ALIASES_SHOWN: &str = "`@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`";

/// Why a text is not a cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCron {
    #[error(
        "a cron expression has 5 fields (minute, hour, day of month, month, day of week), this one has {0}"
    )]
    Fields(usize),
    #[error("`{found}` is no {what}; expected {first} to {last}, `*`, lists, ranges and `/` steps")]
    Value { what: &'static str, found: String, first: u8, last: u8 },
    #[error("the range `{0}` ends before it starts")]
    Range(String),
    #[error("there is no `{found}`; expected {ALIASES_SHOWN} or five fields")]
    Alias { found: String },
    #[error("it has {0} bytes, at most {CRON_BYTES_MAX} are read")]
    TooLong(usize),
    #[error("no month has such a day, so it never comes")]
    Never,
}

struct Field {
    what: &'static str,
    first: u8,
    last: u8,
    names: &'static [&'static str],
}

const MINUTE: Field = Field { what: "minute", first: 0, last: 59, names: &[] };
const HOUR: Field = Field { what: "hour", first: 0, last: 23, names: &[] };
const DAY_OF_MONTH: Field = Field { what: "day of the month", first: 1, last: 31, names: &[] };
const MONTH: Field = Field {
    what: "month",
    first: 1,
    last: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
/// Both 0 and 7 are Sunday.
const DAY_OF_WEEK: Field = Field {
    what: "day of the week",
    first: 0,
    last: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

const EVERY_HOUR: u64 = (1 << 24) - 1;
const EVERY_WEEKDAY: u64 = (1 << 7) - 1;

/// Last day that every month has.
const DAY_OF_EVERY_MONTH: u32 = 28;

/// Days of the months in a leap year.
const MONTH_DAYS_MAX: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Cron {
    /// Every hour at a minute. The caller has checked its bounds; the same for the ones below.
    pub fn hourly(minute: u8) -> Cron {
        Cron { hours: None, ..Cron::daily(minute, 0) }
    }

    pub fn daily(minute: u8, hour: u8) -> Cron {
        Cron {
            minutes: 1 << minute,
            hours: Some(1 << hour),
            days_of_month: u64::MAX,
            months: u64::MAX,
            days_of_week: u64::MAX,
            both_days: true,
        }
    }

    /// `weekday`: 0 is Sunday.
    pub fn weekly(minute: u8, hour: u8, weekday: u8) -> Cron {
        Cron { days_of_week: 1 << weekday, ..Cron::daily(minute, hour) }
    }

    /// `day`: 1 to 28, so that every month has it.
    pub fn monthly(minute: u8, hour: u8, day: u8) -> Cron {
        Cron { days_of_month: 1 << day, ..Cron::daily(minute, hour) }
    }

    /// Reads `minute hour day-of-month month day-of-week`, or a word for one of them such as `@daily`.
    pub fn parse(text: &str) -> Result<Cron, InvalidCron> {
        if text.len() > CRON_BYTES_MAX {
            return Err(InvalidCron::TooLong(text.len()));
        }
        let text = match text.trim() {
            word if word.starts_with('@') => alias(word)?,
            fields => fields,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days_of_month, months, days_of_week] = fields[..] else {
            return Err(InvalidCron::Fields(fields.len()));
        };
        let sundays_once = |bits: u64| (bits | bits >> 7) & EVERY_WEEKDAY;
        let cron = Cron {
            minutes: MINUTE.parse(minutes)?,
            hours: Some(HOUR.parse(hours)?).filter(|bits| *bits != EVERY_HOUR),
            days_of_month: DAY_OF_MONTH.parse(days_of_month)?,
            months: MONTH.parse(months)?,
            days_of_week: sundays_once(DAY_OF_WEEK.parse(days_of_week)?),
            both_days: days_of_month == "*" || days_of_week == "*",
        };
        if cron.both_days && !cron.names_a_day() {
            return Err(InvalidCron::Never);
        }
        Ok(cron)
    }

    /// Is there a month with one of the days?
    fn names_a_day(&self) -> bool {
        (1u8..=12).zip(MONTH_DAYS_MAX).any(|(month, n_days)| {
            has(self.months, month) && (1..=n_days).any(|day| has(self.days_of_month, day))
        })
    }

    /// Does every hour have its ticks, whatever the clock on the wall does?
    pub(crate) fn every_hour(&self) -> bool {
        self.hours.is_none()
    }

    /// Is it one time of each day, of some weekdays, or of one day of each month?
    pub(crate) fn once_a_day(&self) -> bool {
        let every = |field: &Field, bits: u64| (field.first..=field.last).all(|value| has(bits, value));
        let days = every(&DAY_OF_MONTH, self.days_of_month)
            || (self.days_of_month.count_ones() == 1
                && self.days_of_month.trailing_zeros() <= DAY_OF_EVERY_MONTH
                && self.days_of_week & EVERY_WEEKDAY == EVERY_WEEKDAY);
        self.minutes.count_ones() == 1
            && self.hours.is_some_and(|hours| hours.count_ones() == 1)
            && every(&MONTH, self.months)
            && days
    }

    /// Are there ticks on that day?
    pub(crate) fn names(&self, date: Date) -> bool {
        let day_of_month = has(self.days_of_month, date.day().unsigned_abs());
        let day_of_week = has(self.days_of_week, date.weekday().to_sunday_zero_offset().unsigned_abs());
        let day = if self.both_days { day_of_month && day_of_week } else { day_of_month || day_of_week };
        day && has(self.months, date.month().unsigned_abs())
    }

    /// The times of a day that has ticks, in order.
    pub(crate) fn times(&self) -> impl Iterator<Item = Time> + '_ {
        let hours = (0i8..24).filter(|hour| self.hours.is_none_or(|bits| has(bits, hour.unsigned_abs())));
        hours.flat_map(|hour| {
            let minutes = (0i8..60).filter(|minute| has(self.minutes, minute.unsigned_abs()));
            minutes.map(move |minute| Time::constant(hour, minute, 0, 0))
        })
    }
}

fn alias(word: &str) -> Result<&'static str, InvalidCron> {
    let found = ALIASES.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
    found.map(|(_, expression)| *expression).ok_or_else(|| InvalidCron::Alias { found: cut(word) })
}

/// As much of what was written as a message shows, without what would change a terminal.
fn cut(part: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 40;
    part.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect()
}

fn has(bits: u64, at: u8) -> bool {
    bits >> at & 1 == 1
}

impl Field {
    fn parse(&self, text: &str) -> Result<u64, InvalidCron> {
        let mut bits = 0;
        for part in text.split(',') {
            bits |= self.part(part)?;
        }
        Ok(bits)
    }

    /// `*`, `a`, `a-b`, each with an optional `/step`; `a/step` runs to the end.
    fn part(&self, part: &str) -> Result<u64, InvalidCron> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                let step = step.parse::<u8>().ok().filter(|step| (1..=self.last).contains(step));
                (range, Some(step.ok_or_else(|| self.invalid(part))?))
            }
            None => (part, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.first, self.last),
            Some((first, last)) => (self.value(first, part)?, self.value(last, part)?),
            None => {
                let value = self.value(range, part)?;
                (value, if step.is_some() { self.last } else { value })
            }
        };
        if first > last {
            return Err(InvalidCron::Range(cut(part)));
        }
        let values = (first..=last).step_by(usize::from(step.unwrap_or(1)));
        Ok(values.fold(0, |bits, value| bits | 1 << value))
    }

    fn value(&self, text: &str, part: &str) -> Result<u8, InvalidCron> {
        let lower = text.to_ascii_lowercase();
        let named = self.names.iter().zip(self.first..).find(|(name, _)| **name == lower);
        let value = named.map(|(_, value)| value).or_else(|| text.parse().ok());
        value.filter(|value| (self.first..=self.last).contains(value)).ok_or_else(|| self.invalid(part))
    }

    fn invalid(&self, part: &str) -> InvalidCron {
        InvalidCron::Value { what: self.what, found: cut(part), first: self.first, last: self.last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn times(text: &str) -> Vec<String> {
        Cron::parse(text).unwrap().times().map(|time| time.strftime("%H:%M").to_string()).collect()
    }

    #[test]
    fn a_field_takes_lists_ranges_steps_and_names() {
        assert_eq!(times("0,30 6-12/3 * * *"), ["06:00", "06:30", "09:00", "09:30", "12:00", "12:30"]);
        assert_eq!(times("5 20/2 * * *"), ["20:05", "22:05"]);
        assert_eq!(Cron::parse("0 0 * jan-mar mon").unwrap(), Cron::parse("0 0 * 1-3 1").unwrap());
        assert_eq!(Cron::parse("0 0 * * 7").unwrap(), Cron::parse("0 0 * * sun").unwrap());
    }

    #[test]
    fn two_restricted_day_fields_are_alternatives() {
        let both = Cron::parse("0 0 13 * fri").unwrap();
        assert!(both.names(date(2026, 11, 13)) && both.names(date(2026, 11, 20)));
        assert!(both.names(date(2026, 10, 13)) && !both.names(date(2026, 10, 14)));
        let one = Cron::parse("0 0 13 * *").unwrap();
        assert!(one.names(date(2026, 11, 13)) && !one.names(date(2026, 11, 20)));
    }

    #[test]
    fn a_word_stands_for_an_expression() {
        assert_eq!(Cron::parse("@daily"), Cron::parse("0 0 * * *"));
        assert_eq!(Cron::parse(" @Hourly "), Cron::parse("0 * * * *"));
        for (word, expression) in ALIASES {
            assert_eq!(Cron::parse(word), Cron::parse(expression), "{word}");
        }
    }

    #[test]
    fn c_29_what_is_no_cron_expression_is_refused_with_the_field_and_what_was_expected() {
        let message = |text| Cron::parse(text).unwrap_err().to_string();
        let long = format!("{} * * * *", ["0"; 10_000].join(","));
        let texts = [
            "* * *",
            "",
            "0 0 * * * *",
            "61 * * * *",
            "0 24 * * *",
            "0 0 0 * *",
            "* * * * 8",
            "0 0 31 feb *",
            "0 0 30 2 *",
            "0 9-5 * * *",
            "*/0 * * * *",
            "0 0 * * mo",
            "0 0 L * *",
            "0 0 * * 1#2",
            "1,,2 * * * *",
            "-1 * * * *",
            "@reboot",
            "\u{1b}[2J * * * *",
            &long,
        ];
        let lines: Vec<String> = texts.into_iter().map(message).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
