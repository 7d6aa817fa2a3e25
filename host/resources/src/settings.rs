//! Settings of a resource: how they are read, and how `{ env = "NAME" }` becomes a value.
//! A setting is parsed before any variable is read, so no message of the parser can hold a secret.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_model::{FaultKind, ResourceFault};
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::fault::fault;

/// Longest time of one call of a resource whose settings name none. Long enough for a slow query, short enough that
/// a peer that never answers does not hold an attempt for its whole hour.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// Secrets shorter than this are not searched for in messages: what is left would be holes, not words.
const SECRET_BYTES_MIN: usize = 4;

/// Reads variables of the environment. Injected, so that a test has an environment of its own.
pub(crate) type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Text that stands in the settings, or the name of a variable that holds it. Neither `Debug` nor `Display`.
#[derive(Clone)]
pub(crate) enum Text {
    Literal(String),
    Variable(String),
}

/// A duration with its unit, such as `30s`.
#[derive(Clone, Copy)]
pub(crate) struct Span(pub(crate) Duration);

/// Looks variables up and remembers what it found, so that it can be taken out of messages.
pub(crate) struct Resolver {
    environment: Environment,
    found: Vec<String>,
}

/// Values of variables that were read for one resource.
pub(crate) struct Secrets(Vec<String>);

/// The settings of one kind. Fails with what the parser says of the settings as they were written.
pub(crate) fn parse<T: DeserializeOwned>(settings: &serde_json::Value) -> Result<T, ResourceFault> {
    T::deserialize(settings)
        .map_err(|error| fault(FaultKind::Invalid, format!("its settings are wrong: {error}")))
}

impl Resolver {
    pub(crate) fn new(environment: Environment) -> Resolver {
        Resolver { environment, found: Vec::new() }
    }

    /// The text of a setting. Fails if its variable is not set.
    pub(crate) fn text(&mut self, setting: &str, text: Text) -> Result<String, ResourceFault> {
        match text {
            Text::Literal(text) => Ok(text),
            Text::Variable(name) => match (self.environment)(&name) {
                Some(value) => {
                    self.found.push(value.clone());
                    Ok(value)
                }
                None => Err(fault(
                    FaultKind::Invalid,
                    format!(
                        "the environment variable `{name}`, which `{setting}` names, is not set where the step runs"
                    ),
                )),
            },
        }
    }

    pub(crate) fn optional(
        &mut self,
        setting: &str,
        text: Option<Text>,
    ) -> Result<Option<String>, ResourceFault> {
        text.map(|text| self.text(setting, text)).transpose()
    }

    pub(crate) fn map(
        &mut self,
        setting: &str,
        entries: BTreeMap<String, Text>,
    ) -> Result<BTreeMap<String, String>, ResourceFault> {
        let resolved = entries.into_iter().map(|(key, text)| {
            let value = self.text(&format!("{setting}.{key}"), text)?;
            Ok((key, value))
        });
        resolved.collect()
    }

    /// Where programs are looked up. No secret, so it is not remembered.
    pub(crate) fn path_variable(&self) -> Option<String> {
        (self.environment)("PATH")
    }

    pub(crate) fn secrets(self) -> Secrets {
        let mut found = self.found;
        found.retain(|value| value.len() >= SECRET_BYTES_MIN);
        // A secret that holds another one is taken out first, so that no part of it is left.
        found.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Secrets(found)
    }
}

impl Secrets {
    /// The message without the values that were read from variables. Others than we wrote part of it.
    pub(crate) fn mask(&self, mut message: String) -> String {
        for secret in &self.0 {
            if message.contains(secret) {
                message = message.replace(secret, "********");
            }
        }
        message
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or `{ env = \"NAME\" }`")
            }
            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text::Literal(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
                match map.next_entry::<String, String>()? {
                    Some((key, name)) if key == "env" && map.next_key::<String>()?.is_none() => {
                        Ok(Text::Variable(name))
                    }
                    _ => Err(A::Error::custom("expected `{ env = \"NAME\" }` and nothing besides")),
                }
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        let text = String::deserialize(deserializer)?;
        let unit = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, unit) = text.split_at(unit);
        let factor = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err(D::Error::custom(format!("`{text}` is not a duration such as `30s` or `5m`"))),
        };
        let seconds = number.parse::<f64>().ok().map(|number| number * factor);
        seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .map(Span)
            .ok_or_else(|| D::Error::custom(format!("`{text}` is not a duration such as `30s` or `5m`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        let read = |text: &str| serde_json::from_value::<Span>(text.into()).map(|span| span.0);
        assert_eq!(read("1.5m").unwrap(), Duration::from_secs(90));
        assert_eq!(read("250ms").unwrap(), Duration::from_millis(250));
        for wrong in ["", "5", "s", "1.2.3s", "-1s", "9999999999999999999999d"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_within_a_secret_leaves_nothing_behind() {
        let environment: Environment =
            Arc::new(|name| Some(if name == "A" { "abcd" } else { "xabcdx" }.to_owned()));
        let mut resolver = Resolver::new(environment);
        resolver.text("a", Text::Variable("A".into())).unwrap();
        resolver.text("b", Text::Variable("B".into())).unwrap();
        assert_eq!(resolver.secrets().mask("got xabcdx and abcd".into()), "got ******** and ********");
    }
}
