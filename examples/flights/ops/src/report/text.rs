//! How the report writes names and numbers.

/// Text for the inside of XML or HTML elements and attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// At most `max` characters, with an ellipsis in place of the rest.
pub(super) fn shorten(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let head: String = text.chars().take(max.saturating_sub(1)).collect();
    format!("{}…", head.trim_end())
}

/// An integer with commas between thousands.
pub(super) fn thousands(number: impl Into<u64>) -> String {
    let digits = number.into().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Minutes with one decimal and a true minus sign; a dash if there are none.
pub(super) fn minutes(mean: Option<f64>) -> String {
    match mean {
        None => "–".to_owned(),
        // Rounded first, so that -0.04 does not become "−0.0".
        Some(mean) => match (mean * 10.0).round() / 10.0 {
            rounded if rounded < 0.0 => format!("−{:.1}", -rounded),
            rounded => format!("{:.1}", rounded.abs()),
        },
    }
}

/// A part of the whole in percent, with one decimal.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            [0_u32, 999, 1000, 336_776, 1_234_567].map(thousands),
            ["0", "999", "1,000", "336,776", "1,234,567"]
        );
        assert_eq!([Some(12.64), Some(-2.5), Some(-0.04), None].map(minutes), ["12.6", "−2.5", "0.0", "–"]);
        assert_eq!(percent(0.024_51), "2.5%");
    }

    #[test]
    fn long_names_are_cut_with_an_ellipsis() {
        assert_eq!(shorten("Mesa Airlines Inc.", 18), "Mesa Airlines Inc.");
        assert_eq!(shorten("Mesa Airlines Inc.", 6), "Mesa…");
    }
}
