//! What attempts cost: what they used, and where their time went.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// What an attempt used, or several together. Times are microseconds of wall time unless they say otherwise.
///
/// ```text
/// ready ── queue ──► dispatched ──► received ─┬─ fetch ─ compile ─ load ─ (a slot) ─ wall ─ store ─┬─► reported
///                                             └──────────────────── held ─────────────────────────┘
/// ```
///
/// Histories from before a field was there read as zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// From instantiation to drop: the guest and what it waited for.
    pub wall_us: u64,
    /// Largest sum of linear memory, in bytes.
    pub memory_bytes_peak: u64,
    /// Fuel used, where fuel is counted.
    pub fuel: Option<u64>,
    pub input_bytes: u64,
    pub output_bytes: u64,
    pub host_calls: u64,
    /// Log lines dropped because of the limits.
    pub log_lines_dropped: u64,
    /// Time of a core that the cell spent on it, within `wall_us`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cpu_us: u64,
    /// Making the instance, within `wall_us`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub instantiate_us: u64,
    /// From when the step was ready to when it was dispatched, to the millisecond, as the scheduler saw it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub queue_us: u64,
    /// From when the worker had the order to when it reported the end.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub held_us: u64,
    /// It waited for its library to be fetched. Zero if the library was there, or was fetched ahead.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fetch_us: u64,
    /// It waited for its library to be compiled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub compile_us: u64,
    /// It waited for a compiled library to be read, and for its stored inputs to be fetched and verified.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub load_us: u64,
    /// Outputs were put in their places after the guest had ended.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub store_us: u64,
    /// Bytes of the library that were fetched while it waited.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub library_bytes: u64,
    /// Bytes of its inputs that had to come over a network; the others were with the worker.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub moved_bytes: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Usage {
    /// Time with the worker that none of the parts accounts for: it waited for a slot.
    pub fn slot_us(&self) -> u64 {
        let parts = [self.fetch_us, self.compile_us, self.load_us, self.wall_us, self.store_us];
        self.held_us.saturating_sub(parts.iter().sum())
    }

    /// Adds what another attempt used. Of the peaks the larger one counts.
    pub fn add(&mut self, other: &Usage) {
        let sums: [(&mut u64, u64); 15] = [
            (&mut self.wall_us, other.wall_us),
            (&mut self.input_bytes, other.input_bytes),
            (&mut self.output_bytes, other.output_bytes),
            (&mut self.host_calls, other.host_calls),
            (&mut self.log_lines_dropped, other.log_lines_dropped),
            (&mut self.cpu_us, other.cpu_us),
            (&mut self.instantiate_us, other.instantiate_us),
            (&mut self.queue_us, other.queue_us),
            (&mut self.held_us, other.held_us),
            (&mut self.fetch_us, other.fetch_us),
            (&mut self.compile_us, other.compile_us),
            (&mut self.load_us, other.load_us),
            (&mut self.store_us, other.store_us),
            (&mut self.library_bytes, other.library_bytes),
            (&mut self.moved_bytes, other.moved_bytes),
        ];
        for (sum, more) in sums {
            *sum = sum.saturating_add(more);
        }
        if let Some(fuel) = other.fuel {
            self.fuel = Some(self.fuel.unwrap_or(0).saturating_add(fuel));
        }
        self.memory_bytes_peak = self.memory_bytes_peak.max(other.memory_bytes_peak);
    }
}

/// Counts bytes that come over a network on behalf of one attempt. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Moved(Arc<AtomicU64>);

impl Moved {
    pub fn count(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_of_before_its_times_were_kept_reads_as_it_was() {
        let old = r#"{"wall_us":12,"memory_bytes_peak":65536,"fuel":null,"input_bytes":1,"output_bytes":2,"host_calls":3,"log_lines_dropped":4}"#;
        let read: Usage = serde_json::from_str(old).unwrap();
        let expected = Usage {
            wall_us: 12,
            memory_bytes_peak: 65_536,
            input_bytes: 1,
            output_bytes: 2,
            host_calls: 3,
            log_lines_dropped: 4,
            ..Usage::default()
        };
        assert_eq!(read, expected);
        // And what is zero takes no room in a log.
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
    }

    #[test]
    fn usages_add_up_and_the_larger_peak_counts() {
        let one = Usage { wall_us: 5, fuel: Some(7), memory_bytes_peak: 10, held_us: 9, ..Usage::default() };
        let mut sum =
            Usage { wall_us: 1, memory_bytes_peak: 20, store_us: 2, held_us: 4, ..Usage::default() };
        sum.add(&one);
        assert_eq!((sum.wall_us, sum.fuel, sum.memory_bytes_peak), (6, Some(7), 20));
        assert_eq!((sum.held_us, sum.store_us, sum.slot_us()), (13, 2, 5));
    }
}
