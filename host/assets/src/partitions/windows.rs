//! Partitions that are windows of time: from tick to tick of a schedule, named by their start.

use cofferdam_cron::{Cron, Schedule, Seconds};
use cofferdam_model::{Cadence, Diagnostic, Spanned, TimeWindowsDef};
use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

use super::{PARTITIONS_MAX, shown};

/// Most windows that an offset may add, take away or move by: one that far from now is a slip of the pen.
pub const OFFSET_MAX: i64 = 10_000;

/// Last day of the month at which monthly windows may start: every month has it.
pub const MONTH_DAY_MAX: u8 = 28;

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
    first: Seconds,
    end: Option<Seconds>,
    end_offset: i64,
    keys: KeyForm,
}

/// How the start of a window is written as a key (Dagster's forms).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyForm {
    /// `2013-01-01`
    Date,
    /// `2013-01-01-00:00`; the second of two equal times of every hour's ticks has its offset: `…-02:00+0100`.
    Minute,
}

const DATE_FORMAT: &str = "%Y-%m-%d";
const MINUTE_FORMAT: &str = "%Y-%m-%d-%H:%M";
/// Forms in which `start` and `end` may be written beside those of the keys.
const WALL_FORMATS: [&str; 4] = [DATE_FORMAT, MINUTE_FORMAT, "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];

impl TimeWindows {
    /// Checks what a person wrote; all mistakes at once, in the order of the fields.
    pub fn new(def: &TimeWindowsDef) -> Result<TimeWindows, Vec<Diagnostic>> {
        let mut mistakes = vec![];
        let cron = cron(def, &mut mistakes);
        let zone = zone(def.timezone.as_ref(), &mut mistakes);
        if def.end_offset.abs() > OFFSET_MAX {
            let message = format!("`end_offset` is at most {OFFSET_MAX} either way, not {}", def.end_offset);
            mistakes.push(Diagnostic::error("assets::offset", message).at(def.start.span.as_ref(), ""));
        }
        let schedule = Schedule::new(cron, zone).in_own_day();
        let start = read_instant(&schedule, &def.start, &mut mistakes);
        let end = def.end.as_ref().map(|end| read_instant(&schedule, end, &mut mistakes));
        if let (Some(start), Some(Some(end)), Some(written)) = (start, end, &def.end)
            && end <= start
        {
            let message = format!("the windows end at `{}`, before they start", shown(&written.value));
            mistakes.push(
                Diagnostic::error("assets::end-before-start", message)
                    .at(written.span.as_ref(), "")
                    .at(def.start.span.as_ref(), "they start here")
                    .hint("`end` is where the last window ends"),
            );
        }
        let (Some(start), true) = (start, mistakes.is_empty()) else {
            return Err(mistakes);
        };
        let Some(first) = schedule.ticks_from(start).next() else {
            let message = "no window starts before the end of the calendar (year 9999)";
            return Err(vec![Diagnostic::error("assets::start", message).at(def.start.span.as_ref(), "")]);
        };
        let keys = match def.cadence {
            Cadence::Hourly | Cadence::Cron(_) => KeyForm::Minute,
            Cadence::Daily | Cadence::Weekly | Cadence::Monthly => KeyForm::Date,
        };
        let zone = def.timezone.as_ref().map_or("UTC", |zone| &zone.value).to_owned();
        Ok(TimeWindows { schedule, zone, first, end: end.flatten(), end_offset: def.end_offset, keys })
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

    /// The key of the window that starts at a tick.
    pub(crate) fn key(&self, tick: Seconds) -> String {
        let wall = self.schedule.wall(tick);
        let (year, month, day) = (wall.year(), wall.month(), wall.day());
        let mut key = match self.keys {
            KeyForm::Date => return format!("{year:04}-{month:02}-{day:02}"),
            KeyForm::Minute => {
                format!("{year:04}-{month:02}-{day:02}-{:02}:{:02}", wall.hour(), wall.minute())
            }
        };
        if self.schedule.every_hour()
            && let Some(offset) = self.schedule.second_offset(tick)
        {
            let minutes = offset.seconds() / 60;
            let sign = if minutes < 0 { '-' } else { '+' };
            key.push_str(&format!("{sign}{:02}{:02}", minutes.abs() / 60, minutes.abs() % 60));
        }
        key
    }

    /// The tick that a key names, whether or not there is such a window now.
    pub(crate) fn start_of(&self, key: &str) -> Option<Seconds> {
        let format = match self.keys {
            KeyForm::Date => DATE_FORMAT,
            KeyForm::Minute => MINUTE_FORMAT,
        };
        // A date does not say when in the day the window starts, nor a time that comes twice which one it is.
        let instants = match read_wall(format, key) {
            Some(wall) => [self.schedule.instant(wall), self.schedule.second_instant(wall)],
            None => [read_offset(key), None],
        };
        let mut ticks = instants.into_iter().flatten().filter_map(|at| self.schedule.ticks_from(at).next());
        ticks.find(|tick| self.key(*tick) == key)
    }
}

/// When windows start. After a mistake it stands for any schedule.
fn cron(def: &TimeWindowsDef, mistakes: &mut Vec<Diagnostic>) -> Cron {
    let place = def.start.span.as_ref();
    let mut within = |what: &str, value: u32, first: u8, last: u8| {
        let fits = u8::try_from(value).ok().filter(|value| (first..=last).contains(value));
        fits.unwrap_or_else(|| {
            let message = format!("{what} is {first} to {last}, not {value}");
            mistakes.push(Diagnostic::error("assets::offset", message).at(place, ""));
            first
        })
    };
    let minute = within("`minute_offset`", def.minute_offset, 0, 59);
    let hour = within("`hour_offset`", def.hour_offset, 0, 23);
    let cron = match &def.cadence {
        Cadence::Hourly => Cron::hourly(minute),
        Cadence::Daily => Cron::daily(minute, hour),
        Cadence::Weekly => Cron::weekly(
            minute,
            hour,
            within("`day_offset` of a week (0 is Sunday)", def.day_offset.unwrap_or(0), 0, 6),
        ),
        Cadence::Monthly => {
            let day = def.day_offset.unwrap_or(1);
            Cron::monthly(minute, hour, within("`day_offset` of a month", day, 1, MONTH_DAY_MAX))
        }
        Cadence::Cron(text) => Cron::parse(&text.value).unwrap_or_else(|invalid| {
            let message = format!("`{}` is no cron expression: {invalid}", shown(&text.value));
            mistakes.push(Diagnostic::error("assets::cron", message).at(text.span.as_ref(), ""));
            Cron::daily(0, 0)
        }),
    };
    let unused = match &def.cadence {
        Cadence::Hourly => (def.hour_offset != 0 || def.day_offset.is_some())
            .then_some("hourly windows have a `minute_offset` only"),
        Cadence::Daily => def.day_offset.is_some().then_some("daily windows have no `day_offset`"),
        Cadence::Weekly | Cadence::Monthly => None,
        Cadence::Cron(_) => (def.minute_offset != 0 || def.hour_offset != 0 || def.day_offset.is_some())
            .then_some("a cron expression says itself when windows start, so there are no offsets beside it"),
    };
    if let Some(message) = unused {
        mistakes.push(Diagnostic::error("assets::offset", message).at(place, ""));
    }
    cron
}

/// A zone by its name. After a mistake it stands for any zone.
fn zone(name: Option<&Spanned<String>>, mistakes: &mut Vec<Diagnostic>) -> TimeZone {
    let Some(name) = name else {
        return TimeZone::UTC;
    };
    cofferdam_cron::zone(&name.value).unwrap_or_else(|unknown| {
        let message = format!("`{}` is no time zone of the IANA database", shown(&name.value));
        let mistake = Diagnostic::error("assets::timezone", message).at(name.span.as_ref(), "");
        mistakes.push(mistake.hint(unknown.hint()));
        TimeZone::UTC
    })
}

fn read_instant(
    schedule: &Schedule,
    written: &Spanned<String>,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<Seconds> {
    let wall = WALL_FORMATS.iter().find_map(|format| read_wall(format, &written.value));
    let instant = wall.and_then(|wall| schedule.instant(wall));
    if instant.is_none() {
        let message = format!("`{}` is no time that a window could start at", shown(&written.value));
        mistakes.push(
            Diagnostic::error("assets::start", message)
                .at(written.span.as_ref(), "")
                .hint("write a day, `2026-11-21`, or a day and a time, `2026-11-21T06:00`"),
        );
    }
    instant
}

fn read_wall(format: &str, text: &str) -> Option<DateTime> {
    let parsed = BrokenDownTime::parse(format, text).ok()?;
    if parsed.hour().is_none() {
        Some(parsed.to_date().ok()?.at(0, 0, 0, 0))
    } else {
        parsed.to_datetime().ok()
    }
}

/// Reads a key that ends with an offset from UTC, which says which of two equal times on the wall it is.
fn read_offset(key: &str) -> Option<Seconds> {
    let parsed = BrokenDownTime::parse(format!("{MINUTE_FORMAT}%z"), key).ok()?;
    Some(parsed.offset()?.to_timestamp(parsed.to_datetime().ok()?).ok()?.as_second())
}
