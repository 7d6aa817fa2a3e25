//! Cutting and printing what guests say.

/// Cuts a text to at most `max` bytes, at a character, and says how much is gone.
pub(crate) fn cut(mut text: String, max: usize) -> String {
    if text.len() <= max {
        return text;
    }
    let end = text.floor_char_boundary(max.saturating_sub(CUT_MARK_BYTES));
    let gone = text.len() - end;
    text.truncate(end);
    text.shrink_to_fit();
    text.push_str(&format!(" … [{gone} bytes cut]"));
    text
}

/// At most the last `max` bytes of a text, from a character on, with `…` before them if something is gone.
pub(crate) fn last(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let from = text.ceil_char_boundary(text.len() - max.saturating_sub('…'.len_utf8()));
    format!("…{}", &text[from..])
}

/// Room for the mark: ` … [18446744073709551615 bytes cut]`.
const CUT_MARK_BYTES: usize = 40;

/// `251 MiB`, `1.5 GiB`: whole numbers where they are exact enough.
pub(crate) fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    if amount >= 10.0 || amount.fract() < 0.05 {
        format!("{amount:.0} {}", UNITS[unit])
    } else {
        format!("{amount:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_text_keeps_within_its_bound_and_says_so() {
        let text = cut("ä".repeat(1000), 100);
        assert!(text.len() <= 100, "{}", text.len());
        assert_eq!(text, format!("{} … [1940 bytes cut]", "ä".repeat(30)));
        assert_eq!(cut("short".into(), 100), "short");
    }

    #[test]
    fn the_last_of_a_text_keeps_within_its_bound() {
        assert_eq!(last("src/lib.rs", 10), "src/lib.rs");
        assert_eq!(last("a/ä/lib.rs", 10), "…/lib.rs");
        assert_eq!(last("a/b/lib.rs", 9), "…lib.rs");
    }

    #[test]
    fn bytes_are_printed_for_people() {
        let printed = [512, 2048, 300 << 20, 1536 << 20].map(human_bytes);
        assert_eq!(printed, ["512 bytes", "2 KiB", "300 MiB", "1.5 GiB"]);
    }
}
