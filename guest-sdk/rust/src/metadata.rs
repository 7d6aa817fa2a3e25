//! Facts that an op states about a step or a failure.

/// The value of a named fact. Text, whole numbers, fractions and truth values convert by themselves; the
/// other kinds are named, so that they are shown as what they are.
#[derive(Debug, Clone, PartialEq)]
pub enum MetadataValue {
    /// Plain text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Number(f64),
    /// Yes or no.
    Truth(bool),
    /// An address to follow.
    Url(String),
    /// A path of a file.
    Path(String),
    /// JSON text.
    Json(String),
    /// Markdown text.
    Markdown(String),
    /// JSON text: a list of objects, a row each.
    Table(String),
    /// A time, as RFC 3339.
    Timestamp(String),
}

impl From<&str> for MetadataValue {
    fn from(text: &str) -> MetadataValue {
        MetadataValue::Text(text.to_owned())
    }
}

impl From<String> for MetadataValue {
    fn from(text: String) -> MetadataValue {
        MetadataValue::Text(text)
    }
}

impl From<bool> for MetadataValue {
    fn from(truth: bool) -> MetadataValue {
        MetadataValue::Truth(truth)
    }
}

macro_rules! from_numbers {
    ($($small:ty)*; $($large:ty)*) => {
        $(impl From<$small> for MetadataValue {
            fn from(number: $small) -> MetadataValue {
                MetadataValue::Integer(i64::from(number))
            }
        })*
        $(impl From<$large> for MetadataValue {
            /// A number above `i64::MAX` becomes the nearest `f64`.
            fn from(number: $large) -> MetadataValue {
                match i64::try_from(number) {
                    Ok(number) => MetadataValue::Integer(number),
                    Err(_) => MetadataValue::Number(number as f64),
                }
            }
        })*
    };
}
from_numbers!(i8 i16 i32 i64 u8 u16 u32; u64 usize isize);

impl From<f64> for MetadataValue {
    fn from(number: f64) -> MetadataValue {
        MetadataValue::Number(number)
    }
}

impl From<f32> for MetadataValue {
    fn from(number: f32) -> MetadataValue {
        MetadataValue::Number(f64::from(number))
    }
}
