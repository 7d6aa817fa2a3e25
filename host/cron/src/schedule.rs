//! Ticks: the instants that a cron expression names in a time zone, with the changes of its clocks.
//!
//! The rules are Dagster's. An expression with `*` for the hour ticks in every hour that really passes, so a repeated
//! hour ticks twice and a missing one not at all. Any other names times on the wall, each of which comes once a day.
//! Between 1 and 4 o'clock, where most clocks change, a time that is skipped comes when the skip ends, and of a time
//! that comes twice the later one counts. At other hours a skipped time comes as much later as clocks are put on, and
//! of two the first counts if the expression names one time of the day, so that a day begins at its start.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use crate::Cron;

/// Hours in which most clocks change.
const CHANGING_HOURS: std::ops::RangeInclusive<i8> = 1..=3;

/// Seconds from 1970-01-01 00:00 UTC; earlier instants are negative.
pub type Seconds = i64;

/// A cron expression in a time zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
    in_own_day: bool,
}

impl Schedule {
    pub fn new(cron: Cron, zone: TimeZone) -> Schedule {
        Schedule { cron, zone, in_own_day: false }
    }

    /// The same, but where the rest of a day is skipped, its ticks are left out rather than moved into the next day:
    /// for what is named by the day on which it starts.
    #[must_use]
    pub fn in_own_day(self) -> Schedule {
        Schedule { in_own_day: true, ..self }
    }

    /// Does every hour have its ticks, whatever the clock on the wall does?
    pub fn every_hour(&self) -> bool {
        self.cron.every_hour()
    }

    /// Ticks at or after an instant, in order. Ends only where the calendar does (year 9999).
    pub fn ticks_from(&self, at: Seconds) -> impl Iterator<Item = Seconds> + '_ {
        days(self.date(at).saturating_sub(DAYS_AROUND), Date::tomorrow)
            .flat_map(|date| self.ticks_of(date))
            .filter(move |tick| *tick >= at)
    }

    /// Ticks before an instant, the latest first.
    pub fn ticks_before(&self, at: Seconds) -> impl Iterator<Item = Seconds> + '_ {
        days(self.date(at).saturating_add(DAYS_AROUND), Date::yesterday)
            .flat_map(|date| self.ticks_of(date).into_iter().rev())
            .filter(move |tick| *tick < at)
    }

    /// The tick that lies `n` ticks after (before, if negative) a tick. `None` beyond the calendar.
    pub fn shift(&self, tick: Seconds, n: i64) -> Option<Seconds> {
        let skipped = usize::try_from(n.unsigned_abs()).ok()?;
        match n {
            0 => Some(tick),
            1.. => self.ticks_from(tick.checked_add(1)?).nth(skipped - 1),
            _ => self.ticks_before(tick).nth(skipped - 1),
        }
    }

    /// What clocks on the wall show.
    pub fn wall(&self, at: Seconds) -> DateTime {
        self.zone.to_datetime(timestamp(at))
    }

    /// The offset in force, if a clock shows this time for the second time.
    pub fn second_offset(&self, at: Seconds) -> Option<Offset> {
        let offset = self.zone.to_offset(timestamp(at));
        match self.zone.to_ambiguous_timestamp(self.wall(at)).offset() {
            AmbiguousOffset::Fold { before, after } if after == offset && before != after => Some(offset),
            _ => None,
        }
    }

    /// When clocks on the wall first show this time, or, if they skip it, when they go on.
    pub fn instant(&self, wall: DateTime) -> Option<Seconds> {
        match self.zone.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } => instant_at(offset, wall),
            AmbiguousOffset::Fold { before, .. } => instant_at(before, wall),
            AmbiguousOffset::Gap { before, after } => self.gap_end(wall, before, after),
        }
    }

    /// When clocks on the wall show this time again.
    pub fn second_instant(&self, wall: DateTime) -> Option<Seconds> {
        match self.zone.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Fold { after, .. } => instant_at(after, wall),
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => None,
        }
    }

    /// Ticks from the first instant of a date to the first one of the next, in order.
    ///
    /// Where clocks go back over midnight (St. John's did, a minute after it), the date before comes once more
    /// after this one has begun, so its late ticks are among these.
    fn ticks_of(&self, date: Date) -> Vec<Seconds> {
        let mut ticks = self.ticks_on(date);
        let Some(start) = self.instant(date.at(0, 0, 0, 0)) else {
            return ticks;
        };
        let change = self.zone.following(timestamp(start.saturating_sub(1))).next();
        if change.is_some_and(|change| change.timestamp().as_second() < start.saturating_add(TWO_DAYS)) {
            let before = date.yesterday().map(|before| self.ticks_on(before)).unwrap_or_default();
            ticks.extend(before.into_iter().filter(|tick| *tick >= start));
            let end = date.tomorrow().ok().and_then(|next| self.instant(next.at(0, 0, 0, 0)));
            ticks.retain(|tick| end.is_none_or(|end| *tick < end));
            ticks.sort_unstable();
        }
        ticks
    }

    /// Ticks at which clocks on the wall show a date, in order.
    fn ticks_on(&self, date: Date) -> Vec<Seconds> {
        if !self.cron.names(date) {
            return vec![];
        }
        let mut ticks = vec![];
        for time in self.cron.times() {
            self.push_ticks(date, time, &mut ticks);
        }
        ticks.sort_unstable();
        ticks.dedup();
        ticks
    }

    fn push_ticks(&self, date: Date, time: Time, ticks: &mut Vec<Seconds>) {
        let wall = date.to_datetime(time);
        let at = |offset| instant_at(offset, wall);
        match self.zone.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } => ticks.extend(at(offset)),
            AmbiguousOffset::Fold { before, after } if self.cron.every_hour() => {
                ticks.extend(at(before));
                ticks.extend(at(after));
            }
            AmbiguousOffset::Fold { before, after } => {
                let later = CHANGING_HOURS.contains(&time.hour()) || !self.cron.once_a_day();
                ticks.extend(at(if later { after } else { before }));
            }
            AmbiguousOffset::Gap { .. } if self.cron.every_hour() => {}
            AmbiguousOffset::Gap { before, after } => {
                let changing = CHANGING_HOURS.contains(&time.hour());
                let tick = if changing { self.gap_end(wall, before, after) } else { at(before) };
                ticks.extend(tick.filter(|tick| !self.in_own_day || self.date(*tick) == date));
            }
        }
    }

    /// When the clocks go on that skip a time on the wall. In a gap both offsets' readings of the time bracket
    /// the change; the zone's next change after the earlier reading is the one.
    fn gap_end(&self, wall: DateTime, before: Offset, after: Offset) -> Option<Seconds> {
        let readings = [before.to_timestamp(wall).ok()?, after.to_timestamp(wall).ok()?];
        let earlier = readings[0].min(readings[1]);
        Some(self.zone.following(earlier).next()?.timestamp().as_second())
    }

    fn date(&self, at: Seconds) -> Date {
        self.wall(at).date()
    }
}

/// Days looked at before and after the one that an instant falls on: clocks never move by more than a day.
const DAYS_AROUND: jiff::SignedDuration = jiff::SignedDuration::from_hours(48);

fn days(first: Date, step: fn(Date) -> Result<Date, jiff::Error>) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(first), move |date| step(*date).ok())
}

/// A change in this time may move ticks over the start or the end of a date.
const TWO_DAYS: Seconds = 2 * 86_400;

fn instant_at(offset: Offset, wall: DateTime) -> Option<Seconds> {
    offset.to_timestamp(wall).ok().map(|at| at.as_second())
}

/// Instants beyond the calendar's ends are taken for the ends.
fn timestamp(at: Seconds) -> jiff::Timestamp {
    let (first, last) = (jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
    jiff::Timestamp::from_second(at.clamp(first, last)).expect("clamped to what the calendar holds")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walls(cron: &str, zone: &str, from: &str, n: usize) -> String {
        let zone = TimeZone::get(zone).unwrap();
        let schedule = Schedule::new(Cron::parse(cron).unwrap(), zone).in_own_day();
        let from = from.parse::<jiff::Timestamp>().unwrap().as_second();
        let ticks: Vec<Seconds> = schedule.ticks_from(from).take(n).collect();
        let last = ticks.last().unwrap() + 1;
        let mut back: Vec<Seconds> = schedule.ticks_before(last).take(n).collect();
        back.reverse();
        assert_eq!(ticks, back, "both ways tick alike");
        assert_eq!(schedule.shift(ticks[0], n as i64 - 1), ticks.last().copied());
        assert_eq!(schedule.shift(ticks[n - 1], 1 - n as i64), ticks.first().copied());
        let at = |tick: &Seconds| timestamp(*tick).to_zoned(schedule.zone.clone());
        ticks.iter().map(at).map(|zoned| zoned.strftime("%d-%H:%M%z ").to_string()).collect()
    }

    #[test]
    fn a_repeated_hour_ticks_twice_and_a_skipped_one_not_at_all() {
        let berlin = |from| walls("0 * * * *", "Europe/Berlin", from, 4);
        insta::assert_snapshot!(berlin("2024-10-26T23:00:00Z"), @"27-01:00+0200 27-02:00+0200 27-02:00+0100 27-03:00+0100");
        insta::assert_snapshot!(berlin("2024-03-30T23:00:00Z"), @"31-00:00+0100 31-01:00+0100 31-03:00+0200 31-04:00+0200");
    }

    #[test]
    fn half_hour_changes_keep_the_minute_on_the_wall() {
        // Lord Howe: 02:00 becomes 01:30 in April, 02:30 in October.
        let lord_howe = |from| walls("0 * * * *", "Australia/Lord_Howe", from, 4);
        insta::assert_snapshot!(lord_howe("2024-04-06T13:00:00Z"), @"07-00:00+1100 07-01:00+1100 07-02:00+1030 07-03:00+1030");
        insta::assert_snapshot!(lord_howe("2024-10-05T13:30:00Z"), @"06-00:00+1030 06-01:00+1030 06-03:00+1100 06-04:00+1100");
    }

    #[test]
    fn a_skipped_time_comes_when_the_skip_ends_and_of_two_the_later_counts() {
        insta::assert_snapshot!(walls("30 2 * * *", "America/New_York", "2024-03-09T00:00:00Z", 3), @"09-02:30-0500 10-03:00-0400 11-02:30-0400");
        insta::assert_snapshot!(walls("30 1 * * *", "America/New_York", "2024-11-02T00:00:00Z", 3), @"02-01:30-0400 03-01:30-0500 04-01:30-0500");
        insta::assert_snapshot!(walls("0 0 * * *", "America/Havana", "2024-11-02T00:00:00Z", 3), @"02-00:00-0400 03-00:00-0400 04-00:00-0500");
    }

    #[test]
    fn a_skipped_day_has_no_tick_of_its_own() {
        insta::assert_snapshot!(walls("0 5 * * *", "Pacific/Apia", "2011-12-28T00:00:00Z", 4), @"28-05:00-1000 29-05:00-1000 31-05:00+1400 01-05:00+1400");
        insta::assert_snapshot!(walls("0 0 * * *", "Pacific/Apia", "2011-12-28T00:00:00Z", 4), @"28-00:00-1000 29-00:00-1000 31-00:00+1400 01-00:00+1400");
    }

    #[test]
    fn ticks_are_in_order_where_clocks_go_back_over_midnight() {
        insta::assert_snapshot!(walls("0,30 * * * *", "America/St_Johns", "2010-11-07T01:30:00Z", 7), @"06-23:00-0230 06-23:30-0230 07-00:00-0230 06-23:30-0330 07-00:00-0330 07-00:30-0330 07-01:00-0330");
        insta::assert_snapshot!(walls("30 * * * *", "America/St_Johns", "2010-11-07T01:30:00Z", 4), @"06-23:30-0230 06-23:30-0330 07-00:30-0330 07-01:30-0330");
        insta::assert_snapshot!(walls("45 23 * * *", "America/St_Johns", "2010-11-05T12:00:00Z", 4), @"05-23:45-0230 06-23:45-0230 07-23:45-0330 08-23:45-0330");
    }

    #[test]
    fn the_calendar_ends() {
        let schedule = Schedule::new(Cron::daily(0, 0), TimeZone::UTC);
        assert_eq!(schedule.ticks_from(Seconds::MAX).next(), None);
        assert_eq!(schedule.ticks_before(Seconds::MIN).next(), None);
        assert!(schedule.ticks_from(Seconds::MIN).next().is_some());
    }
}
