//! Partitions that are windows of time: from tick to tick of a schedule, named by their start.

use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

use super::cron::Cron;
use super::schedule::{Schedule, Seconds};
use super::{PARTITIONS_MAX, shown};

/// Most windows that `end_offset` may add or take away: a window that far from now is a slip of the pen.
pub const END_OFFSET_MAX: i64 = 10_000;

/// Last day of the month at which monthly windows may start: every month has it.
pub const MONTH_DAY_MAX: u8 = 28;

/// How often a window starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cadence {
    /// At this minute of every hour that passes.
    Hourly {
        minute: u8,
    },
    Daily {
        hour: u8,
        minute: u8,
    },
    /// `day` 0 is Sunday.
    Weekly {
        day: u8,
        hour: u8,
        minute: u8,
    },
    /// `day` counts from 1.
    Monthly {
        day: u8,
        hour: u8,
        minute: u8,
    },
    /// Five fields: minute, hour, day of month, month, day of week.
    Cron(String),
}

/// What a person says about time windows, before it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowsSpec {
    pub cadence: Cadence,
    /// Name in the IANA time zone database.
    pub zone: String,
    /// Time on the wall, as a key or as `2026-11-21`, `2026-11-21T06:00`.
    pub start: String,
    /// Windows that end later do not exist.
    pub end: Option<String>,
    /// So many windows more (fewer, if negative) than those that have ended by now.
    pub end_offset: i64,
    /// How keys are written, in the letters of `strftime`.
    pub format: Option<String>,
}

/// The part of a [`WindowsSpec`] that a mistake is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowsField {
    Cadence,
    Zone,
    Start,
    End,
    EndOffset,
    Format,
}

/// A mistake in a [`WindowsSpec`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidWindows {
    pub field: WindowsField,
    /// One line, lower case, no full stop.
    pub message: String,
    pub hint: Option<String>,
}

/// One window: the instants from `start` up to, not including, `end`, in seconds since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    pub start: i64,
    pub end: i64,
}

/// Checked time windows.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeWindows {
    pub(crate) schedule: Schedule,
    zone: String,
    /// The first tick at or after the start that was written.
    pub(crate) first: Seconds,
    end: Option<Seconds>,
    end_offset: i64,
    format: String,
}

const DATE_FORMAT: &str = "%Y-%m-%d";
const MINUTE_FORMAT: &str = "%Y-%m-%d-%H:%M";
/// Forms in which `start` and `end` may be written beside the format of the keys.
const WALL_FORMATS: [&str; 4] = [DATE_FORMAT, MINUTE_FORMAT, "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];

impl Cadence {
    /// As cron; the message says which bound was passed.
    fn cron(&self) -> Result<Cron, String> {
        let within = |what: &str, value: u8, first: u8, last: u8| {
            if (first..=last).contains(&value) {
                return Ok(value);
            }
            Err(format!("the {what} of a window's start is {first} to {last}, not {value}"))
        };
        let minute = |minute| within("minute", minute, 0, 59);
        let hour = |hour| within("hour", hour, 0, 23);
        match self {
            Cadence::Hourly { minute: m } => Ok(Cron::hourly(minute(*m)?)),
            Cadence::Daily { hour: h, minute: m } => Ok(Cron::daily(minute(*m)?, hour(*h)?)),
            Cadence::Weekly { day, hour: h, minute: m } => {
                Ok(Cron::weekly(minute(*m)?, hour(*h)?, within("day of the week", *day, 0, 6)?))
            }
            Cadence::Monthly { day, hour: h, minute: m } => {
                let day = within("day of the month", *day, 1, MONTH_DAY_MAX)?;
                Ok(Cron::monthly(minute(*m)?, hour(*h)?, day))
            }
            Cadence::Cron(text) => Cron::parse(text).map_err(|invalid| invalid.to_string()),
        }
    }

    fn default_format(&self) -> &'static str {
        match self {
            Cadence::Hourly { .. } | Cadence::Cron(_) => MINUTE_FORMAT,
            Cadence::Daily { .. } | Cadence::Weekly { .. } | Cadence::Monthly { .. } => DATE_FORMAT,
        }
    }
}

impl TimeWindows {
    /// Checks what a person wrote; all mistakes at once, in the order of the fields.
    pub fn new(spec: &WindowsSpec) -> Result<TimeWindows, Vec<InvalidWindows>> {
        let mut mistakes = vec![];
        let mut wrong = |field, message: String, hint: Option<String>| {
            mistakes.push(InvalidWindows { field, message, hint });
        };
        let cron = spec.cadence.cron().map_err(|message| wrong(WindowsField::Cadence, message, None)).ok();
        let zone = zone(&spec.zone).map_err(|hint| {
            let message = format!("`{}` is no time zone of the IANA database", shown(&spec.zone));
            wrong(WindowsField::Zone, message, Some(hint));
        });
        if spec.end_offset.abs() > END_OFFSET_MAX {
            let message =
                format!("`end_offset` is at most {END_OFFSET_MAX} either way, not {}", spec.end_offset);
            wrong(WindowsField::EndOffset, message, None);
        }
        let format = spec.format.clone().unwrap_or_else(|| spec.cadence.default_format().to_owned());
        let zone_or_utc = zone.clone().unwrap_or(TimeZone::UTC);
        let schedule = Schedule { cron: cron.clone().unwrap_or(Cron::daily(0, 0)), zone: zone_or_utc };
        let mut read = |field, text: &str| {
            read_wall(&format, text).and_then(|wall| schedule.instant(wall)).or_else(|| {
                let message = format!("`{}` is no time that a window could start at", shown(text));
                let hint = "write a day, `2026-11-21`, or a day and a time, `2026-11-21T06:00`".to_owned();
                wrong(field, message, Some(hint));
                None
            })
        };
        let start = read(WindowsField::Start, &spec.start);
        let end = spec.end.as_deref().map(|end| read(WindowsField::End, end));
        if let (Some(start), Some(Some(end))) = (start, end)
            && end <= start
        {
            let end = spec.end.as_deref().unwrap_or_default();
            let message =
                format!("the windows end at `{}`, before they start (`{}`)", shown(end), shown(&spec.start));
            wrong(WindowsField::End, message, Some("`end` is where the last window ends".to_owned()));
        }
        let (Some(start), true) = (start, mistakes.is_empty()) else {
            return Err(mistakes);
        };
        let first = schedule.ticks_from(start).next().ok_or_else(|| {
            let message = "no window starts before the end of the calendar (year 9999)".to_owned();
            vec![InvalidWindows { field: WindowsField::Start, message, hint: None }]
        })?;
        let end_offset = spec.end_offset;
        let windows =
            TimeWindows { schedule, zone: spec.zone.clone(), first, end: end.flatten(), end_offset, format };
        windows.check_format().map(|()| windows).map_err(|mistake| vec![mistake])
    }

    /// A key must name one window and be readable again.
    fn check_format(&self) -> Result<(), InvalidWindows> {
        let wrong = |message: String, hint: &str| {
            Err(InvalidWindows { field: WindowsField::Format, message, hint: Some(hint.to_owned()) })
        };
        let mut ticks = self.schedule.ticks_from(self.first);
        let (first, second) = (ticks.next().unwrap_or(self.first), ticks.next().unwrap_or(i64::MAX));
        let Some(key) = self.format_key(first) else {
            let message = format!("`{}` is no format of times", shown(&self.format));
            return wrong(message, "use the letters of strftime: %Y %m %d %H %M %z");
        };
        if let Err(invalid) = super::key::check(&key) {
            return wrong(
                format!("the format writes keys such as `{}`: {invalid}", shown(&key)),
                "choose other signs",
            );
        }
        if self.format_key(second).as_ref() == Some(&key) {
            let message = format!("two windows have the key `{key}`");
            return wrong(message, "the format must be fine enough to tell each window from the next");
        }
        if self.start_of(&key) != Some(first) {
            let message = format!("the key `{key}` cannot be read back to the window that it names");
            return wrong(
                message,
                "the format must hold year, month and day (month windows: year and month)",
            );
        }
        Ok(())
    }

    /// Name of the time zone.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// Starts of the windows that exist at `now`, and the end of the last: one more than there are windows,
    /// or nothing. `None` if there are more than [`PARTITIONS_MAX`].
    pub(crate) fn boundaries(&self, now: Seconds) -> Option<Vec<Seconds>> {
        let last = self.last_boundary(now).min(self.end.unwrap_or(Seconds::MAX));
        let ticks = self.schedule.ticks_from(self.first).take_while(|tick| *tick <= last);
        let mut bounds: Vec<Seconds> = ticks.take(PARTITIONS_MAX + 2).collect();
        if bounds.len() > PARTITIONS_MAX + 1 {
            return None;
        }
        if bounds.len() < 2 {
            bounds.clear();
        }
        Some(bounds)
    }

    /// Where the last window may end: at the last tick by now, moved by `end_offset`.
    fn last_boundary(&self, now: Seconds) -> Seconds {
        let n = usize::try_from(self.end_offset.unsigned_abs()).unwrap_or(usize::MAX);
        let after = now.saturating_add(1);
        match self.end_offset {
            0 => now,
            1.. => self.schedule.ticks_from(after).nth(n - 1).unwrap_or(Seconds::MAX),
            _ => self.schedule.ticks_before(after).nth(n).unwrap_or(Seconds::MIN),
        }
    }

    /// The key of the window that starts at a tick. `None` if the format is none.
    pub(crate) fn format_key(&self, tick: Seconds) -> Option<String> {
        let wall = self.schedule.wall(tick);
        let repeated = self.schedule.cron.every_hour() && !self.format.contains("%z");
        let offset = if repeated { self.schedule.second_offset(tick) } else { None };
        let mut key = match self.format.as_str() {
            DATE_FORMAT => format!("{:04}-{:02}-{:02}", wall.year(), wall.month(), wall.day()),
            MINUTE_FORMAT => {
                let (date, time) = (wall.date(), wall.time());
                let (year, month, day) = (date.year(), date.month(), date.day());
                format!("{year:04}-{month:02}-{day:02}-{:02}:{:02}", time.hour(), time.minute())
            }
            other => {
                let at = jiff::Timestamp::from_second(tick).ok()?.to_zoned(self.schedule.zone.clone());
                jiff::fmt::strtime::format(other, &at).ok()?
            }
        };
        if let Some(offset) = offset {
            let minutes = offset.seconds() / 60;
            let sign = if minutes < 0 { '-' } else { '+' };
            key.push_str(&format!("{sign}{:02}{:02}", minutes.abs() / 60, minutes.abs() % 60));
        }
        Some(key)
    }

    /// The tick that a key names, whether or not there is such a window now.
    pub(crate) fn start_of(&self, key: &str) -> Option<Seconds> {
        let at = match read_wall(&self.format, key) {
            Some(wall) if !self.format.contains("%z") => self.schedule.instant(wall)?,
            _ => read_offset(&self.format, key)?,
        };
        // Coarse formats leave out where in the day or month the window starts.
        let tick = self.schedule.ticks_from(at).next()?;
        (self.format_key(tick)? == key).then_some(tick)
    }
}

/// A zone by its name, or a hint.
fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| {
        let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        match cofferdam_model::nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write a name such as `Europe/Berlin` or `UTC`".to_owned(),
        }
    })
}

fn read_wall(format: &str, text: &str) -> Option<DateTime> {
    std::iter::once(format).chain(WALL_FORMATS).find_map(|format| {
        let parsed = BrokenDownTime::parse(format, text).ok()?;
        to_wall(parsed)
    })
}

/// Reads a key that ends with an offset from UTC, which says which of two equal times on the wall it is.
fn read_offset(format: &str, key: &str) -> Option<Seconds> {
    let format = if format.contains("%z") { format.to_owned() } else { format!("{format}%z") };
    let parsed = BrokenDownTime::parse(&format, key).ok()?;
    let offset = parsed.offset()?;
    Some(offset.to_timestamp(to_wall(parsed)?).ok()?.as_second())
}

/// Without a day it is the first of the month.
fn to_wall(mut parsed: BrokenDownTime) -> Option<DateTime> {
    if parsed.day().is_none() && parsed.month().is_some() {
        parsed.set_day(Some(1)).ok()?;
    }
    if parsed.hour().is_none() {
        return Some(parsed.to_date().ok()?.at(0, 0, 0, 0));
    }
    parsed.to_datetime().ok()
}
