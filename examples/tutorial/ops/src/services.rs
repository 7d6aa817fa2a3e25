//! What is lent to an op: a place to count in, and a secret.

use cofferdam_op::{Keyvalue, Result, op};
use schemars::JsonSchema;
use serde::Deserialize;

/// Counts a visit, and says how many there were.
#[op]
pub fn count_visit(
    /// Where visits are counted.
    visits: Keyvalue,
    page: String,
) -> Result<u64> {
    let seen = visits.get(&page)?.map_or(Ok(0), |bytes| String::from_utf8_lossy(&bytes).parse::<u64>())?;
    visits.set(&page, (seen + 1).to_string())?;
    Ok(seen + 1)
}

/// Who signs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    /// Who it is.
    name: String,
    /// What only the signer knows.
    #[schemars(extend("writeOnly" = true))]
    key: String,
}

/// Signs a text: a toy, for what a secret in a config looks like.
#[op]
pub fn sign(text: String, config: Signer) -> String {
    let sum =
        text.bytes().chain(config.key.bytes()).fold(0_u32, |sum, byte| sum.rotate_left(5) ^ u32::from(byte));
    format!("{text} -- {} {sum:08x}", config.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visits_are_counted_by_page() {
        let visits = Keyvalue::test();
        let mut count = |page: &str| count_visit(visits.clone(), page.to_owned()).unwrap();
        assert_eq!([count("start"), count("start"), count("end")], [1, 2, 1]);
    }

    #[test]
    fn another_key_gives_another_signature() {
        let by = |key: &str| sign("x".to_owned(), Signer { name: "Ada".to_owned(), key: key.to_owned() });
        assert_ne!(by("a"), by("b"));
    }
}
