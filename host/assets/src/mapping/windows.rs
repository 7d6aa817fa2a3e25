//! Between time windows, of the same or of different lengths and zones: by overlap.

use cofferdam_cron::Seconds;

use super::{MISSING_COUNTED_MAX, Missing, Upstream, WindowOffsets};
use crate::partitions::{Kind, TimeWindows};
use crate::{Extent, Subset};

/// The two sides, if both are time windows; other extents correspond to nothing (`check` has refused them).
struct Side<'a> {
    windows: &'a TimeWindows,
    bounds: &'a [Seconds],
}

impl<'a> Side<'a> {
    fn of(extent: &'a Extent) -> Option<Side<'a>> {
        match extent.kind() {
            Kind::Windows { windows, bounds } => Some(Side { windows, bounds }),
            Kind::Unpartitioned | Kind::Names { .. } | Kind::Multi { .. } => None,
        }
    }

    fn first(&self) -> Option<Seconds> {
        self.bounds.first().copied()
    }

    fn end(&self) -> Option<Seconds> {
        self.bounds.last().copied()
    }

    /// The boundary `n` windows on, whether or not there are windows there. Moving does not push a window
    /// out of what exists on the `within` side (Dagster's rule: the first day has no day before it).
    fn shift(&self, at: Seconds, n: i64, within: &Side) -> Seconds {
        if n == 0 {
            return at;
        }
        let moved = self.moved(at, n, within);
        match (within.first(), within.end()) {
            (Some(first), Some(_)) if n < 0 => moved.max(first),
            (Some(_), Some(end)) if n > 0 => moved.min(end),
            _ => moved,
        }
    }

    fn moved(&self, at: Seconds, n: i64, within: &Side) -> Seconds {
        let beyond = if n < 0 { Seconds::MIN } else { Seconds::MAX };
        let schedule = &self.windows.schedule;
        let Ok(index) = self.bounds.binary_search(&at) else {
            return schedule.shift(at, n).unwrap_or(beyond);
        };
        let index = i64::try_from(index).unwrap_or(i64::MAX).saturating_add(n);
        if let Some(known) = usize::try_from(index).ok().and_then(|index| self.bounds.get(index)) {
            return *known;
        }
        // Counting on from the last boundary takes as long as it is far, and many partitions may be moved: where
        // the result is cut off anyway, it need not be known.
        let n_bounds = i64::try_from(self.bounds.len()).unwrap_or(i64::MAX);
        let (edge, rest) = if n < 0 { (self.first(), index) } else { (self.end(), index - n_bounds + 1) };
        let cut_off = match (edge, within.first(), within.end()) {
            (Some(edge), Some(first), _) if n < 0 => first >= edge,
            (Some(edge), _, Some(end)) if n > 0 => end <= edge,
            _ => false,
        };
        if cut_off {
            return beyond;
        }
        edge.and_then(|edge| schedule.shift(edge, rest)).unwrap_or(beyond)
    }

    /// Indices of the windows that overlap a span of time.
    fn overlapping(&self, start: Seconds, end: Seconds) -> Subset {
        let n_windows = self.bounds.len().saturating_sub(1);
        // A window starts at bounds[i] and ends at bounds[i + 1].
        let first = self.bounds.partition_point(|bound| *bound <= start).saturating_sub(1);
        let last = self.bounds.partition_point(|bound| *bound < end).min(n_windows);
        let index = |at: usize| u32::try_from(at).expect("a set has at most PARTITIONS_MAX partitions");
        Subset::range(index(first)..index(last).max(index(first)))
    }

    /// Windows of the schedule that overlap a span but do not exist.
    fn missing(&self, start: Seconds, end: Seconds, missing: &mut Missing) {
        let (first, last) = (self.first().unwrap_or(end), self.end().unwrap_or(end));
        for (start, end) in [(start, end.min(first)), (start.max(last), end)] {
            if start >= end {
                continue;
            }
            let schedule = &self.windows.schedule;
            let covering = schedule.ticks_before(start.saturating_add(1)).next();
            let ticks = covering.into_iter().chain(schedule.ticks_from(start.saturating_add(1)));
            for tick in ticks.take_while(|tick| *tick < end).take(MISSING_COUNTED_MAX) {
                missing.add(Some(self.windows.key(tick)));
            }
        }
    }
}

pub(super) fn upstream(offsets: WindowOffsets, down: &Extent, up: &Extent, partitions: &Subset) -> Upstream {
    let mut result = Upstream::default();
    let (Some(down), Some(up)) = (Side::of(down), Side::of(up)) else {
        return result;
    };
    for range in partitions.ranges() {
        let Some((start, end)) = span(down.bounds, range) else {
            continue;
        };
        let start = down.shift(start, offsets.start, &up);
        let end = down.shift(end, offsets.end, &up);
        if start >= end {
            continue;
        }
        result.partitions.extend(&up.overlapping(start, end));
        up.missing(start, end, &mut result.missing);
    }
    result
}

pub(super) fn downstream(offsets: WindowOffsets, up: &Extent, down: &Extent, partitions: &Subset) -> Subset {
    let mut result = Subset::EMPTY;
    let (Some(down), Some(up)) = (Side::of(down), Side::of(up)) else {
        return result;
    };
    for range in partitions.ranges() {
        let Some((start, end)) = span(up.bounds, range) else {
            continue;
        };
        // A downstream window reads this span if its own, moved by the offsets, overlaps it.
        let schedule = &down.windows.schedule;
        let aligned_start = schedule.ticks_before(start.saturating_add(1)).next().unwrap_or(start);
        let aligned_end = schedule.ticks_from(end).next().unwrap_or(end);
        let start = down.shift(aligned_start, -offsets.end, &down);
        let end = down.shift(aligned_end, -offsets.start, &down);
        if start < end {
            result.extend(&down.overlapping(start, end));
        }
    }
    result
}

/// From the start of a range of windows to the end of its last one.
fn span(bounds: &[Seconds], range: &std::ops::Range<u32>) -> Option<(Seconds, Seconds)> {
    Some((*bounds.get(range.start as usize)?, *bounds.get(range.end as usize)?))
}
