//! What attempts cost, in words and for programs.

use std::time::Duration;

use cofferdam_model::Usage;
use serde_json::{Value, json};

use crate::output::DIM;
use crate::text::{duration, size};

/// Every part, also those that are zero: a program need not know which are left out where they are kept.
pub(crate) fn json(usage: &Usage) -> Value {
    let Usage {
        wall_us,
        memory_bytes_peak,
        fuel,
        input_bytes,
        output_bytes,
        host_calls,
        log_lines_dropped,
        cpu_us,
        instantiate_us,
        queue_us,
        held_us,
        fetch_us,
        compile_us,
        load_us,
        store_us,
        library_bytes,
        moved_bytes,
    } = usage;
    json!({
        "queue_us": queue_us,
        "held_us": held_us,
        "fetch_us": fetch_us,
        "compile_us": compile_us,
        "load_us": load_us,
        "slot_us": usage.slot_us(),
        "wall_us": wall_us,
        "cpu_us": cpu_us,
        "instantiate_us": instantiate_us,
        "store_us": store_us,
        "fuel": fuel,
        "memory_bytes_peak": memory_bytes_peak,
        "input_bytes": input_bytes,
        "output_bytes": output_bytes,
        "library_bytes": library_bytes,
        "moved_bytes": moved_bytes,
        "host_calls": host_calls,
        "log_lines_dropped": log_lines_dropped,
    })
}

/// A run's cost in two lines; none if no attempt has told anything.
pub(crate) fn line(sum: &Usage) -> Vec<String> {
    if *sum == Usage::default() {
        return vec![];
    }
    let time = |micros| duration(Duration::from_micros(micros));
    let fuel = sum.fuel.map(|fuel| format!(", {fuel} fuel")).unwrap_or_default();
    let dropped = match sum.log_lines_dropped {
        0 => String::new(),
        n => format!(", {n} log lines dropped"),
    };
    vec![
        format!(
            "{DIM}cost     ops {} ({} of a core{fuel}), libraries {}, inputs {}, outputs {}; waited {} in the queue, {} for a slot{DIM:#}",
            time(sum.wall_us),
            time(sum.cpu_us),
            time(sum.fetch_us.saturating_add(sum.compile_us)),
            time(sum.load_us),
            time(sum.store_us),
            time(sum.queue_us),
            time(sum.slot_us()),
        ),
        format!(
            "{DIM}         read {}, wrote {}, moved {}; at most {} of memory at a time{dropped}{DIM:#}",
            size(sum.input_bytes),
            size(sum.output_bytes),
            size(sum.moved_bytes.saturating_add(sum.library_bytes)),
            size(sum.memory_bytes_peak),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_reads_well_and_nothing_costs_nothing() {
        assert!(line(&Usage::default()).is_empty());
        let sum = Usage {
            wall_us: 12_300_000,
            cpu_us: 11_000_000,
            fuel: Some(7),
            fetch_us: 200_000,
            compile_us: 1_000_000,
            held_us: 14_000_000,
            queue_us: 90_000,
            input_bytes: 1536,
            memory_bytes_peak: 64 << 20,
            log_lines_dropped: 3,
            ..Usage::default()
        };
        let text = anstream::adapter::strip_str(&line(&sum).join("\n")).to_string();
        let expected = "\
cost     ops 12.3 s (11.0 s of a core, 7 fuel), libraries 1.2 s, inputs 0 ms, outputs 0 ms; waited 90 ms in the queue, 500 ms for a slot
         read 1.5 KiB, wrote 0 B, moved 0 B; at most 64.0 MiB of memory at a time, 3 log lines dropped";
        assert_eq!(text, expected);
    }
}
