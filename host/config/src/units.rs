//! Durations and sizes as people write them: a number and a unit. A number without unit is refused, because
//! nobody can tell what the next reader takes it for.

use std::time::Duration;

/// Longest duration that is accepted: a hundred years, far from any overflow of what computes with it.
const DURATION_MAX_SECONDS: f64 = 100.0 * 366.0 * 86_400.0;

/// Reads `250ms`, `1s`, `1.5m`, `2h`, `1d`. The error reads on from "the duration".
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];
    let seconds = parse(text, &units, "`30s`, `5m`, `250ms`, `2h` or `1d`")?;
    if seconds > DURATION_MAX_SECONDS {
        return Err(format!("`{text}` is too long; at most 36600d"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Reads `512B`, `64KiB`, `256MiB`, `1.5GB`. The error reads on from "the size".
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    const KI: f64 = 1024.0;
    let units = [
        ("B", 1.0),
        ("KiB", KI),
        ("MiB", KI * KI),
        ("GiB", KI * KI * KI),
        ("TiB", KI * KI * KI * KI),
        ("kB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("TB", 1e12),
    ];
    let bytes = parse(text, &units, "`256MiB`, `64KiB`, `1GiB`, `1GB` or `512B`")?;
    // 2^53: every whole number of bytes below it is exact as a float.
    if bytes > 9e15 {
        return Err(format!("`{text}` is too large; at most 8000TiB"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be within 0..9e15; parts of a byte are dropped"
    )]
    Ok(bytes as u64)
}

fn parse(text: &str, units: &[(&str, f64)], examples: &str) -> Result<f64, String> {
    let text = text.trim();
    if text.starts_with('-') {
        return Err(format!("`{text}` is negative; write for example {examples}"));
    }
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number
        .parse()
        .map_err(|_| format!("`{text}` does not start with a number; write for example {examples}"))?;
    let unit = unit.trim();
    if unit.is_empty() {
        return Err(format!("`{text}` has no unit; write for example {examples}"));
    }
    let factor = units
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(|| format!("`{text}` has the unknown unit `{unit}`; write for example {examples}"))?
        .1;
    Ok(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_need_a_unit_and_are_bounded() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_bytes("256MiB"), Ok(256 << 20));
        assert_eq!(parse_bytes("1.5 kB"), Ok(1500));
        for bad in ["30", "-1s", "s", "", "9999999999d", "1y", "1e3s", "nan s", "1.2.3s"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
        for bad in ["30", "-1B", "1mb", "inf", "99999999999TB", "0x10B"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }
}
