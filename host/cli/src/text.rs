//! Durations, sizes, moments and failures in words.

use std::time::Duration;

use cofferdam_model::{Failure, Timestamp};

/// A failure with what caused it, on one line.
pub(crate) fn in_words(failure: &Failure) -> String {
    let causes = failure.causes.iter().map(|cause| format!(": {cause}"));
    failure.message.clone() + &causes.collect::<String>()
}

/// `840 ms`, `12.4 s`, `3 min 05 s`, `2 h 10 min`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match duration.as_millis() {
        0..1000 => format!("{} ms", duration.as_millis()),
        1000..60_000 => format!("{:.1} s", duration.as_secs_f64()),
        60_000..3_600_000 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// `812 B`, `64.0 KiB`, `1.5 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `12 s ago`, or the moment itself (UTC) if it is more than a day away.
pub(crate) fn ago(at: Timestamp) -> String {
    let since = cofferdam_scheduler::system_time().since(at);
    match since.as_secs() {
        0..60 => format!("{} s ago", since.as_secs()),
        60..3600 => format!("{} min ago", since.as_secs() / 60),
        3600..86_400 => format!("{} h ago", since.as_secs() / 3600),
        _ => at.to_string().chars().take(16).collect::<String>().replace('T', " ") + " UTC",
    }
}

/// `1 step`, `2 steps`.
pub(crate) fn count(n: usize, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_well() {
        let cases = [
            (0, "0 ms"),
            (999, "999 ms"),
            (1000, "1.0 s"),
            (61_000, "1 min 01 s"),
            (7_500_000, "2 h 05 min"),
        ];
        for (millis, text) in cases {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
        assert_eq!([size(0), size(1536), size(3 << 30)], ["0 B", "1.5 KiB", "3.0 GiB"]);
        assert_eq!([count(1, "step"), count(0, "step")], ["1 step", "0 steps"]);
    }
}
