//! JSON from outside. What one reader takes so and another one otherwise is refused: a key that is there twice.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Reads an object to the end of its text. Depth and numbers are bounded by the parser.
pub(crate) fn read<T: DeserializeOwned>(text: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice::<Once>(text)?;
    // What stands for a struct may be a list of its fields too, as serde has it.
    if text.trim_ascii_start().first() != Some(&b'{') {
        return Err(serde_json::Error::custom("it is no object"));
    }
    serde_json::from_slice(text)
}

/// Whether a text is JSON that everybody reads alike.
pub(crate) fn is_clear(text: &str) -> bool {
    serde_json::from_str::<Once>(text).is_ok()
}

/// Any value in which no object has a key twice.
struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Once, D::Error> {
        from.deserialize_any(Once)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Once;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_str<E>(self, _: &str) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Once, A::Error> {
        while let Some(Once) = items.next_element()? {}
        Ok(Once)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Once, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if !keys.insert(key) {
                return Err(A::Error::custom("a key is there twice"));
            }
            let Once = entries.next_value()?;
        }
        Ok(Once)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_key_that_is_there_twice_is_refused_at_any_depth_by_its_place() {
        for good in [" {}", r#"{"b": [{"a": 1}, {"a": 1}]}"#, r#"{"a": {"a": 1}}"#] {
            assert_eq!(read::<Value>(good.as_bytes()).unwrap(), serde_json::from_str::<Value>(good).unwrap());
            assert!(is_clear(good));
        }
        for other in ["[]", "1", "\n\"{\""] {
            assert_eq!(read::<Value>(other.as_bytes()).unwrap_err().to_string(), "it is no object");
        }
        for bad in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#] {
            let refused = read::<Value>(bad.as_bytes()).unwrap_err().to_string();
            assert!(refused.starts_with("a key is there twice at line 1 column "), "{refused}");
            assert!(!is_clear(bad));
        }
    }
}
