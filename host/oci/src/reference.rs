//! What names an artifact in a registry: `registry.example:5000/team/clean:1.2` or `…@sha256:…`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::Digest;

/// Of a whole reference; registries take names of 255 characters.
const TEXT_BYTES_MAX: usize = 512;
/// Of a tag, as the distribution specification says.
const TAG_BYTES_MAX: usize = 128;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Host, and port if it is another than that of the scheme.
    pub host: String,
    pub repository: String,
    pub version: Version,
}

/// Which of the artifacts of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// What the tag is on at the time.
    Tag(String),
    /// These bytes, whatever any tag says.
    Digest(Digest),
}

/// Why a text is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    #[error("it has a scheme or is too long; write `HOST/NAME:TAG` or `HOST/NAME@sha256:…`")]
    Form,
    #[error(
        "`{0}` is no host of a registry: it has a dot or a port, or is `localhost`, and no user or password"
    )]
    Host(String),
    #[error(
        "`{0}` is no name in a registry: lower case letters and digits, with `/`, `.`, `_` and `-` between them"
    )]
    Repository(String),
    #[error("it says neither a tag (`:1.2`) nor a digest (`@sha256:…`)")]
    Version,
    #[error("`{0}` is no tag: up to 128 letters, digits, `_`, `.` and `-`")]
    Tag(String),
    #[error("`{0}` is no digest: `sha256:` and 64 hexadecimal digits")]
    Digest(String),
}

impl Reference {
    /// Whether the registry is on this host, where nobody is on the way.
    pub fn is_local(&self) -> bool {
        is_local(host_of(&self.host))
    }
}

/// Whether a host of a URL is this one.
pub(crate) fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Without the port.
fn host_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Reference, InvalidReference> {
        if text.len() > TEXT_BYTES_MAX || text.contains("://") {
            return Err(InvalidReference::Form);
        }
        let (host, rest) = text.split_once('/').ok_or_else(|| InvalidReference::Host(text.to_owned()))?;
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (rest, None),
        };
        let (repository, tag) = match rest.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        check_host(host)?;
        check_repository(repository)?;
        if let Some(tag) = tag {
            check_tag(tag)?;
        }
        // With both, the digest says which: a tag may have moved on.
        let version = match (tag, digest) {
            (_, Some(digest)) => {
                Version::Digest(digest.parse().map_err(|_| InvalidReference::Digest(digest.to_owned()))?)
            }
            (Some(tag), None) => Version::Tag(tag.to_owned()),
            (None, None) => return Err(InvalidReference::Version),
        };
        Ok(Reference { host: host.to_owned(), repository: repository.to_owned(), version })
    }
}

/// A name without dot and port would be a folder of a registry that is not said.
fn check_host(host: &str) -> Result<(), InvalidReference> {
    let is_host = host_of(host) == "localhost" || host.contains(['.', ':']);
    let is_legal = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    match is_host && host.chars().all(is_legal) && url::Url::parse(&format!("https://{host}/")).is_ok() {
        true => Ok(()),
        // What is before an @ may be a password.
        false => Err(InvalidReference::Host(host.rsplit('@').next().unwrap_or_default().to_owned())),
    }
}

fn check_repository(name: &str) -> Result<(), InvalidReference> {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_part = |part: &str| {
        part.starts_with(is_inner)
            && part.ends_with(is_inner)
            && part.chars().all(|c| is_inner(c) || "._-".contains(c))
            && !part.contains("..")
    };
    match name.split('/').all(is_part) {
        true => Ok(()),
        false => Err(InvalidReference::Repository(name.to_owned())),
    }
}

fn check_tag(tag: &str) -> Result<(), InvalidReference> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let starts_well = tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    match starts_well && tag.len() <= TAG_BYTES_MAX && tag.chars().all(is_legal) {
        true => Ok(()),
        false => Err(InvalidReference::Tag(tag.to_owned())),
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Version::Tag(tag) => f.write_str(tag),
            Version::Digest(digest) => digest.fmt(f),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.version {
            Version::Tag(_) => ':',
            Version::Digest(_) => '@',
        };
        write!(f, "{}/{}{mark}{}", self.host, self.repository, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_reference_reads_back_what_it_prints_and_a_digest_goes_before_a_tag() {
        for text in ["localhost/a:1", "10.0.0.1:5000/team/clean-up_2:v1.0-rc", "[::1]:5000/a:1"] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
        let pinned: Reference = format!("registry.example/a/b:1.2@sha256:{HEX}").parse().unwrap();
        assert_eq!(pinned.to_string(), format!("registry.example/a/b@sha256:{HEX}"));
    }

    #[test]
    fn only_loopback_is_this_host() {
        let is_local = |text: &str| text.parse::<Reference>().unwrap().is_local();
        for host in ["localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000"] {
            assert!(is_local(&format!("{host}/a:1")), "{host}");
        }
        for host in ["10.0.0.1:5000", "localhost.example", "registry.example:443", "127.0.0.1.example"] {
            assert!(!is_local(&format!("{host}/a:1")), "{host}");
        }
    }

    #[test]
    fn what_is_no_reference_is_refused_in_words_that_hold_no_password() {
        let said = |text: &str| text.parse::<Reference>().unwrap_err().to_string();
        assert!(said("https://registry.example/a:1").contains("scheme"));
        assert!(said("clean:1").starts_with("`clean:1` is no host"));
        assert!(said("team/clean:1").starts_with("`team` is no host"));
        let with_password = said("me:secret@registry.example/a:1");
        assert!(with_password.contains("no user or password") && !with_password.contains("secret"));
        assert!(said("registry.example/Team:1").starts_with("`Team` is no name"));
        assert!(said("registry.example/a/../b:1").starts_with("`a/../b` is no name"));
        assert!(said("registry.example/a").contains("neither a tag"));
        assert!(said("registry.example/a:-1").starts_with("`-1` is no tag"));
        assert!(said("registry.example/a@sha256:12").starts_with("`sha256:12` is no digest"));
    }
}
