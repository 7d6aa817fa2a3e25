//! Channels: names such as `prod`, each on one version of a library at a time. What is before the first `/` is the
//! namespace that a channel belongs to; one without a `/` is of all namespaces.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest name of a channel, in bytes.
pub const CHANNEL_BYTES_MAX: usize = 128;

/// A legal name of a channel: `prod`, `stats/prod`. Letters, digits, `.`, `_` and `-`, with `/` between parts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Channel(String);

/// Why a text names no channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a channel is named by up to {CHANNEL_BYTES_MAX} letters, digits, `.`, `_` and `-`, with `/` between parts, as in `stats/prod`"
)]
pub struct InvalidChannel;

impl Channel {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whose channel it is; none if it is of all namespaces.
    pub fn namespace(&self) -> Option<&str> {
        self.0.split_once('/').map(|(namespace, _)| namespace)
    }
}

impl FromStr for Channel {
    type Err = InvalidChannel;

    fn from_str(text: &str) -> Result<Channel, InvalidChannel> {
        let is_part = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        match text.len() <= CHANNEL_BYTES_MAX && text.split('/').all(is_part) {
            true => Ok(Channel(text.to_owned())),
            false => Err(InvalidChannel),
        }
    }
}

impl TryFrom<String> for Channel {
    type Error = InvalidChannel;

    fn try_from(text: String) -> Result<Channel, InvalidChannel> {
        text.parse()
    }
}

impl From<Channel> for String {
    fn from(channel: Channel) -> String {
        channel.0
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_before_the_first_slash_owns_a_channel() {
        for (text, owner) in [("prod", None), ("lab/prod", Some("lab")), ("lab/stats/prod", Some("lab"))] {
            assert_eq!(text.parse::<Channel>().unwrap().namespace(), owner);
        }
    }

    #[test]
    fn a_channel_is_named_by_parts_and_nothing_else() {
        for text in ["prod", "stats/prod", "team-a/stats/v1.2_rc"] {
            assert_eq!(text.parse::<Channel>().unwrap().to_string(), text);
        }
        for text in ["", "/", "prod/", "a//b", "a b", "a:b", "é", &"x".repeat(CHANNEL_BYTES_MAX + 1)] {
            assert!(text.parse::<Channel>().is_err(), "{text:.20}");
        }
    }
}
