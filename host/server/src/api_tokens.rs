//! Tokens for people and programs, each with a role and namespaces. Of a token only a hash is kept: it is shown once,
//! when it is made. The hash needs no salt and no slowness, since what is hashed are 256 random bits.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use cofferdam_model::Timestamp;
use cofferdam_wire::private::{self, PrivateError};
use cofferdam_wire::{Token, TokenSecret};
use serde::{Deserialize, Serialize};

use crate::access::{Role, Scope};

/// In the state folder.
const FILE: &str = "api-tokens.json";
/// All of them, with all their namespaces, fit the largest private file.
const TOKENS_MAX: usize = 1000;
const NAMESPACES_MAX: usize = 8;
const NAME_CHARS_MAX: usize = 64;

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    pub name: String,
    pub role: Role,
    pub namespaces: Scope,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// Of what a call carries: 64 hexadecimal digits.
    hash: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ApiTokenError {
    #[error(transparent)]
    File(#[from] PrivateError),
    #[error("{} cannot be read as a list of tokens", path.display())]
    Damaged {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("there is a token `{0}` already; revoke it first, or choose another name")]
    Exists(String),
    #[error("there is no token `{0}`")]
    Unknown(String),
    #[error("there are {TOKENS_MAX} tokens already; revoke some")]
    TooMany,
    #[error("a token has at most {NAMESPACES_MAX} namespaces; without any it is for all")]
    TooManyNamespaces,
    #[error(
        "`{0}` is no name for a token or a namespace: 1 to {NAME_CHARS_MAX} letters, digits, `-`, `_`, `.`"
    )]
    Name(String),
    #[error("failed to make a secret")]
    Random(#[from] getrandom::Error),
}

impl ApiToken {
    /// Whether its time is over.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at <= now
    }

    #[cfg(test)]
    pub(crate) fn for_test(name: &str, role: Role, namespaces: Scope) -> ApiToken {
        let (created_at, expires_at) = (Timestamp(0), Timestamp(u64::MAX));
        ApiToken { name: name.to_owned(), role, namespaces, created_at, expires_at, hash: String::new() }
    }
}

/// The tokens of one instance, by their hashes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ApiTokens {
    by_hash: HashMap<String, Arc<ApiToken>>,
    file: Option<FileState>,
}

/// What tells one state of the file from another: it is replaced, never changed.
type FileState = (u64, Option<SystemTime>);

impl ApiTokens {
    pub(crate) fn read(folder: &Path) -> Result<ApiTokens, ApiTokenError> {
        let file = file_state(folder);
        let tokens = list(folder)?.into_iter();
        Ok(ApiTokens { by_hash: tokens.map(|token| (token.hash.clone(), Arc::new(token))).collect(), file })
    }

    /// Whether the file is another one than was read.
    pub(crate) fn are_old(&self, folder: &Path) -> bool {
        file_state(folder) != self.file
    }

    /// The token that a call carries.
    pub(crate) fn find(&self, carried: &blake3::Hash) -> Option<&Arc<ApiToken>> {
        self.by_hash.get(carried.to_hex().as_str())
    }

    /// Whether a call that was let in with that token would be let in now.
    pub(crate) fn holds(&self, token: &ApiToken, now: Timestamp) -> bool {
        self.by_hash.contains_key(&token.hash) && !token.has_expired(now)
    }
}

fn file_state(folder: &Path) -> Option<FileState> {
    let about = std::fs::metadata(folder.join(FILE)).ok()?;
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(&about);
    #[cfg(not(unix))]
    let number = about.len();
    Some((number, about.modified().ok()))
}

/// The tokens of the instance in this folder, in the order in which they were made.
pub fn list(folder: &Path) -> Result<Vec<ApiToken>, ApiTokenError> {
    let path = folder.join(FILE);
    let Some(text) = private::read(&path)? else { return Ok(vec![]) };
    serde_json::from_str(&text).map_err(|source| ApiTokenError::Damaged { path, source })
}

/// Makes a token for the instance in this folder. A scheduler that runs there knows it at once. The answer is the only
/// place where it can be read.
pub fn create(
    folder: &Path,
    name: &str,
    role: Role,
    namespaces: Scope,
    (created_at, expires_at): (Timestamp, Timestamp),
) -> Result<TokenSecret, ApiTokenError> {
    let listed = namespaces.0.iter().flatten();
    if let Some(wrong) = listed.map(String::as_str).chain([name]).find(|name| !is_name(name)) {
        return Err(ApiTokenError::Name(wrong.to_owned()));
    }
    if namespaces.0.as_ref().is_some_and(|names| names.len() > NAMESPACES_MAX) {
        return Err(ApiTokenError::TooManyNamespaces);
    }
    let mut tokens = list(folder)?;
    // One whose time is over makes room, and gives up its name.
    tokens.retain(|token| !token.has_expired(created_at));
    if tokens.iter().any(|token| token.name == name) {
        return Err(ApiTokenError::Exists(name.to_owned()));
    }
    if tokens.len() >= TOKENS_MAX {
        return Err(ApiTokenError::TooMany);
    }
    let secret = TokenSecret::generate()?;
    let hash = secret.hash().to_hex().to_string();
    tokens.push(ApiToken { name: name.to_owned(), role, namespaces, created_at, expires_at, hash });
    write(folder, &tokens)?;
    Ok(secret)
}

/// Ends a token. A scheduler that runs there refuses it within a second, and ends what is under way with it.
pub fn revoke(folder: &Path, name: &str) -> Result<ApiToken, ApiTokenError> {
    let mut tokens = list(folder)?;
    let at = tokens.iter().position(|token| token.name == name);
    let at = at.ok_or_else(|| ApiTokenError::Unknown(name.to_owned()))?;
    let token = tokens.remove(at);
    write(folder, &tokens)?;
    Ok(token)
}

/// The text that its holder shows: with the authority of this instance, as in the cluster's own token.
pub fn reveal(secret: TokenSecret, cluster: &Token) -> String {
    Token { secret, authority: cluster.authority }.reveal()
}

fn write(folder: &Path, tokens: &[ApiToken]) -> Result<(), ApiTokenError> {
    let text = serde_json::to_string_pretty(tokens).expect("tokens can be written as JSON");
    Ok(private::write(&folder.join(FILE), &(text + "\n"))?)
}

fn is_name(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: (Timestamp, Timestamp) = (Timestamp(0), Timestamp(86_400_000));

    #[test]
    fn h_108_a_token_is_found_by_what_a_call_carries_until_it_is_revoked_and_only_its_hash_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (ci, other) = ["ci", "other"]
            .map(|name| create(folder.path(), name, Role::Launcher, Scope::default(), DAY).unwrap())
            .into();
        let tokens = ApiTokens::read(folder.path()).unwrap();
        let found = tokens.find(&ci.hash()).unwrap().clone();
        assert_eq!((found.name.as_str(), found.role), ("ci", Role::Launcher));
        assert!(tokens.holds(&found, Timestamp(86_399_999)) && !tokens.holds(&found, DAY.1));
        assert_eq!(tokens.find(&TokenSecret::generate().unwrap().hash()), None);
        let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        let token = Token { secret: ci, authority: None }.reveal();
        let digits = token.strip_prefix("cofferdam_").unwrap();
        assert!(!text.contains(&digits[..16]) && text.contains(&found.hash));
        assert_eq!(revoke(folder.path(), "ci").unwrap(), *found);
        let tokens = ApiTokens::read(folder.path()).unwrap();
        assert!(!tokens.holds(&found, Timestamp(0)) && tokens.find(&other.hash()).is_some());
        assert!(matches!(revoke(folder.path(), "ci"), Err(ApiTokenError::Unknown(_))));
    }

    #[test]
    fn names_are_used_once_until_their_time_is_over_and_strange_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, namespaces: &[&str], times| {
            let names = namespaces.iter().map(|name| (*name).to_owned()).collect();
            create(folder.path(), name, Role::Viewer, Scope(Some(names)), times).map(drop)
        };
        make("ci", &["a", "b"], DAY).unwrap();
        assert!(matches!(make("ci", &["a"], DAY), Err(ApiTokenError::Exists(_))));
        make("ci", &["a"], (DAY.1, Timestamp(DAY.1.0 + 1))).unwrap();
        assert_eq!(list(folder.path()).unwrap().len(), 1);
        for (name, namespace) in [("", "a"), ("a b", "a"), ("ok", ""), ("ok", "a/b"), ("x\n", "a")] {
            assert!(
                matches!(make(name, &[namespace], DAY), Err(ApiTokenError::Name(_))),
                "{name} {namespace}"
            );
        }
        let many: Vec<String> = (0..=NAMESPACES_MAX).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(matches!(make("many", &many, DAY), Err(ApiTokenError::TooManyNamespaces)));
    }
}
