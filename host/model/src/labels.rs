//! What workers say of themselves beside resources, and steps ask for: `zone=eu`.

/// Longest name or value.
pub const LABEL_BYTES_MAX: usize = 63;
/// Labels of one worker or step.
pub const LABELS_MAX: usize = 32;

/// Why a name or value of a label is none; the words follow its quotation.
pub fn check_label(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > LABEL_BYTES_MAX {
        return Err(format!("has {} bytes, expected 1 to {LABEL_BYTES_MAX}", text.len()));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    if text.bytes().all(allowed) {
        return Ok(());
    }
    Err("has a character other than letters, digits, `-`, `_`, `.` and `/`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_short_and_plain() {
        for good in ["eu", "eu-west.1", "cofferdam.dev/zone", "x86_64", &"a".repeat(63)] {
            assert_eq!(check_label(good), Ok(()));
        }
        for bad in ["", "a b", "a=b", "a,b", "ä", &"a".repeat(64)] {
            assert!(check_label(bad).is_err(), "{bad}");
        }
    }
}
