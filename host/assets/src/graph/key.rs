//! Forms of asset keys beside the one that people write, which is the model's: the database's and the
//! identifier's.

use cofferdam_model::{AssetKey, InvalidAssetKey};

/// The form kept in databases: a JSON list of the parts.
pub fn key_to_json(key: &AssetKey) -> String {
    serde_json::to_string(key.parts()).expect("a list of texts is JSON")
}

/// Why a text is not the database form of a key.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKeyJson {
    #[error("an asset key is kept as a JSON list of texts")]
    Json(#[source] serde_json::Error),
    #[error(transparent)]
    Key(#[from] InvalidAssetKey),
}

/// Reads the form kept in databases.
pub fn key_from_json(text: &str) -> Result<AssetKey, InvalidKeyJson> {
    let parts: Vec<String> = serde_json::from_str(text).map_err(InvalidKeyJson::Json)?;
    Ok(AssetKey::from_parts(parts)?)
}

/// The form for names of steps and fields: parts joined with `__`, other characters than letters and digits as
/// `_`. Two keys may share one.
pub fn identifier(key: &AssetKey) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let parts: Vec<String> = key.parts().iter().map(|part| part.chars().map(plain).collect()).collect();
    parts.join("__")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> AssetKey {
        AssetKey::parse(text).unwrap()
    }

    #[test]
    fn keys_have_a_database_form_and_an_identifier() {
        let raw = key(r"raw/flights 2013/a\/b");
        assert_eq!(key_to_json(&raw), r#"["raw","flights 2013","a/b"]"#);
        assert_eq!(key_from_json(&key_to_json(&raw)).unwrap(), raw);
        assert_eq!(identifier(&raw), "raw__flights_2013__a_b");
        assert!(matches!(key_from_json("\"raw\""), Err(InvalidKeyJson::Json(_))));
        assert!(matches!(key_from_json("[]"), Err(InvalidKeyJson::Key(InvalidAssetKey::EmptyPart))));
    }
}
