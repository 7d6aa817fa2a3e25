//! What a namespace has used of its quota: counted as attempts end, and set anew from what the run log knows.
//!
//! An hour is one of the clock, so that what is counted ends with it and nothing has to be remembered of the one before.
//! Attempts that are under way when a quota is used up go on: it is overdrawn by what those use at most.

use std::time::Duration;

use cofferdam_model::{LibraryDigest, OverQuota, Quota, Standing, Timestamp, UsedUp};

const HOUR_MS: u64 = 3_600_000;

#[derive(Debug)]
pub(crate) struct Used {
    quota: Quota,
    /// Number of the hour that the CPU time is of.
    hour: u64,
    standing: Standing,
}

impl Used {
    pub(super) fn new(quota: Quota) -> Used {
        Used { quota, hour: 0, standing: Standing::default() }
    }

    /// Replaces what was counted by what is on record. CPU time within the hour never becomes less: the record may lack
    /// what has just been counted.
    pub(crate) fn set(&mut self, standing: Standing, now: Timestamp) {
        self.turn(now);
        let cpu = self.standing.cpu.max(standing.cpu);
        self.standing = Standing { cpu, ..standing };
    }

    /// Counts an attempt that has ended.
    pub(crate) fn add(&mut self, cpu: Duration, stored_bytes: u64, now: Timestamp) {
        self.turn(now);
        self.standing.cpu += cpu;
        self.standing.stored_bytes = self.standing.stored_bytes.saturating_add(stored_bytes);
    }

    /// Counts the libraries of a run.
    pub(crate) fn needs(&mut self, libraries: impl Iterator<Item = LibraryDigest>) {
        if self.quota.libraries.is_some() {
            self.standing.libraries.extend(libraries);
        }
    }

    /// Why no step may start now.
    pub(crate) fn used_up(&self, now: Timestamp) -> Option<UsedUp> {
        let Standing { cpu, stored_bytes: used, .. } = self.standing;
        if let Some(max) = self.quota.stored_bytes.filter(|max| used >= *max) {
            return Some(UsedUp::StoredBytes { max, used });
        }
        let max = self.quota.cpu_per_hour.filter(|max| self.hour == hour(now) && cpu >= *max)?;
        Some(UsedUp::CpuPerHour { max, until: Timestamp((self.hour + 1) * HOUR_MS) })
    }

    /// Why a run with these libraries may not be accepted now.
    pub(crate) fn refuses(
        &self,
        libraries: impl Iterator<Item = LibraryDigest>,
        now: Timestamp,
    ) -> Option<UsedUp> {
        let max = self.quota.libraries.filter(|max| {
            let mut all = self.standing.libraries.clone();
            all.extend(libraries);
            all.len() > *max as usize
        });
        match (max, self.quota.over) {
            (Some(max), _) => Some(UsedUp::Libraries { max }),
            (None, OverQuota::Reject) => self.used_up(now),
            (None, OverQuota::Throttle) => None,
        }
    }

    fn turn(&mut self, now: Timestamp) {
        if self.hour != hour(now) {
            self.hour = hour(now);
            self.standing.cpu = Duration::ZERO;
        }
    }
}

/// When the hour of that time began.
pub fn hour_began(now: Timestamp) -> Timestamp {
    Timestamp(hour(now) * HOUR_MS)
}

fn hour(now: Timestamp) -> u64 {
    now.0 / HOUR_MS
}
