//! Licences and bans: every package that the workspace is built from, against the lists in `.deny.toml`.
//!
//! cargo-deny does this and more, but is not always installed; the lists are its own, so the two agree.

use crate::shell::Failure;
use serde_json::Value;
use std::collections::BTreeSet;

/// The lists that are read here.
#[derive(Debug, Default)]
struct Rules {
    allowed: BTreeSet<String>,
    /// Package and further licence that it may have.
    exceptions: BTreeSet<(String, String)>,
    banned: BTreeSet<String>,
}

pub(super) fn check(deny: &str, metadata: &Value) -> Result<Vec<String>, Failure> {
    let rules =
        Rules::parse(deny).map_err(|reason| Failure::Step(format!("failed to read .deny.toml: {reason}")))?;
    let mut findings = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        findings.extend(rules.judge(name, package["license"].as_str()));
        let source = package["source"].as_str().unwrap_or("registry+");
        if !source.starts_with("registry+") {
            findings.push(format!(
                "the package `{name}` comes from {source}: packages come from the registry only"
            ));
        }
    }
    Ok(findings)
}

impl Rules {
    fn parse(text: &str) -> Result<Rules, String> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        let list = |section: &str, key: &str| -> Vec<toml::Value> {
            let value = table.get(section).and_then(|section| section.get(key));
            value.and_then(toml::Value::as_array).cloned().unwrap_or_default()
        };
        let text = |value: &toml::Value, key: &str| {
            value
                .get(key)
                .and_then(toml::Value::as_str)
                .map(str::to_owned)
                .ok_or(format!("an entry lacks `{key}`"))
        };
        let mut rules = Rules::default();
        rules
            .allowed
            .extend(list("licenses", "allow").iter().filter_map(toml::Value::as_str).map(str::to_owned));
        for exception in list("licenses", "exceptions") {
            let name = text(&exception, "crate")?;
            let licences =
                exception.get("allow").and_then(toml::Value::as_array).cloned().unwrap_or_default();
            let licences = licences.iter().filter_map(toml::Value::as_str);
            rules.exceptions.extend(licences.map(|licence| (name.clone(), licence.to_owned())));
        }
        for ban in list("bans", "deny") {
            rules.banned.insert(text(&ban, "name")?);
        }
        if rules.allowed.is_empty() { Err("`licenses.allow` is empty".into()) } else { Ok(rules) }
    }

    fn judge(&self, name: &str, licence: Option<&str>) -> Vec<String> {
        let mut findings = Vec::new();
        if self.banned.contains(name) {
            findings.push(format!("the package `{name}` is banned by .deny.toml, which says why"));
        }
        let allowed = |one: &str| {
            self.allowed.contains(one) || self.exceptions.contains(&(name.to_owned(), one.to_owned()))
        };
        match licence {
            None => findings.push(format!("the package `{name}` states no licence")),
            Some(licence) if !satisfied(licence, &allowed) => findings.push(format!(
                "the package `{name}` has the licence `{licence}`: use another package, or argue for it in .deny.toml"
            )),
            Some(_) => {}
        }
        findings
    }
}

/// Whether an SPDX expression is met by licences that are allowed. The old `/` means OR.
fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = any(&words, &mut at, allowed);
    met && at == words.len()
}

fn any(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut met = all(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        // The right side is read in any case, to move on.
        met = all(words, at, allowed) || met;
    }
    met
}

fn all(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met = one(words, at, allowed) && met;
    }
    met
}

fn one(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let met = any(words, at, allowed);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return met && closed;
    }
    if words.get(*at) == Some(&"WITH") {
        let exception = words.get(*at + 1).copied().unwrap_or_default();
        *at += 2;
        return allowed(&format!("{word} WITH {exception}"));
    }
    allowed(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENY: &str = r#"
        [licenses]
        allow = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"]
        exceptions = [{ crate = "special", allow = ["MPL-2.0"] }]
        [bans]
        deny = [{ name = "openssl", reason = "rustls" }]
    "#;

    #[test]
    fn expressions_are_read_as_spdx_says() {
        let rules = Rules::parse(DENY).unwrap();
        let met = |licence| rules.judge("x", Some(licence)).is_empty();
        for licence in [
            "MIT",
            "GPL-3.0 OR MIT",
            "MIT/GPL-3.0",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ] {
            assert!(met(licence), "{licence}");
        }
        for licence in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MIT AND (GPL-3.0",
            "Apache-2.0 WITH other",
            "",
            "MPL-2.0",
            "MIT MIT",
        ] {
            assert!(!met(licence), "{licence}");
        }
    }

    #[test]
    fn an_exception_is_for_its_package_only_and_a_ban_holds() {
        let rules = Rules::parse(DENY).unwrap();
        assert!(rules.judge("special", Some("MPL-2.0")).is_empty());
        assert_eq!(rules.judge("openssl", Some("MIT")).len(), 1);
        assert_eq!(rules.judge("x", None).len(), 1);
    }
}
