//! What says who belongs to a cluster: a secret, and the fingerprint of the authority that the cluster's scheduler
//! proves itself with, so that the secret is told to nobody else. The secret is never printed.

use std::fmt;
use std::str::FromStr;

use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::tls::Fingerprint;
use crate::{PROTOCOL, PROTOCOL_HEADER};

/// Random bytes of a secret: nobody guesses 256 bits.
const SECRET_BYTES: usize = 32;
/// Shortest secret that a person may choose.
const SECRET_CHARS_MIN: usize = 32;
/// Longest one.
const SECRET_CHARS_MAX: usize = 256;
/// What a secret of ours begins with, so that tools which look for leaked secrets know one.
const PREFIX: &str = "cofferdam_";
/// Between the secret and the fingerprint.
const SEPARATOR: char = '.';

/// Printable characters that only those know who may call. Shown as `[secret]`.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret(String);

/// A secret and whom it may be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub secret: TokenSecret,
    /// None if nothing is encrypted, or in a token from before anything was.
    pub authority: Option<Fingerprint>,
}

/// Why a text is no token; the text itself is not said.
#[derive(Debug, thiserror::Error)]
#[error(
    "a token has {SECRET_CHARS_MIN} to {SECRET_CHARS_MAX} characters: letters, digits, `-`, `_`, `.`; this one has {0} or others"
)]
pub struct InvalidToken(usize);

impl TokenSecret {
    /// A new one.
    pub fn generate() -> Result<TokenSecret, getrandom::Error> {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes)?;
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(TokenSecret(PREFIX.to_owned() + &digits))
    }

    fn header(&self) -> MetadataValue<Ascii> {
        let mut value: MetadataValue<Ascii> =
            format!("Bearer {}", self.0).parse().expect("a secret is made of characters that headers take");
        value.set_sensitive(true);
        value
    }

    /// What stands for it where it is not to be kept; see [`carried`].
    pub fn hash(&self) -> blake3::Hash {
        blake3::hash(self.header().as_encoded_bytes())
    }
}

/// The hash of the secret that a call carries; none if it carries nothing. Hashes are compared in a time that does not
/// depend on where they differ.
pub fn carried(metadata: &MetadataMap) -> Option<blake3::Hash> {
    metadata.get("authorization").map(|given| blake3::hash(given.as_encoded_bytes()))
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Token {
    /// For the file that others read it from.
    pub fn reveal(&self) -> String {
        match self.authority {
            Some(authority) => format!("{}{SEPARATOR}{authority}", self.secret.0),
            None => self.secret.0.clone(),
        }
    }
}

impl FromStr for Token {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Token, InvalidToken> {
        let text = text.trim();
        let parts = text.rsplit_once(SEPARATOR);
        let parts = parts.and_then(|(secret, authority)| Some((secret, authority.parse().ok()?)));
        let (secret, authority) = match parts {
            Some((secret, authority)) => (secret, Some(authority)),
            None => (text, None),
        };
        let legal = secret.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if legal && (SECRET_CHARS_MIN..=SECRET_CHARS_MAX).contains(&secret.len()) {
            return Ok(Token { secret: TokenSecret(secret.to_owned()), authority });
        }
        Err(InvalidToken(secret.chars().count()))
    }
}

/// Says with every call what is spoken, and shows the secret; none, for who shows a certificate instead.
#[derive(Debug, Clone)]
pub struct Introduce(Option<MetadataValue<Ascii>>);

impl Introduce {
    pub fn new(secret: Option<&TokenSecret>) -> Introduce {
        Introduce(secret.map(TokenSecret::header))
    }
}

impl Interceptor for Introduce {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert(PROTOCOL_HEADER, PROTOCOL.into());
        if let Some(header) = &self.0 {
            request.metadata_mut().insert("authorization", header.clone());
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINGERPRINT: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn only_the_secret_itself_is_let_in() {
        let (secret, other) = (TokenSecret::generate().unwrap(), TokenSecret::generate().unwrap());
        assert_ne!(secret, other);
        let call = |secret| Introduce::new(secret).call(Request::new(())).unwrap();
        assert_eq!(carried(call(Some(&secret)).metadata()), Some(secret.hash()));
        assert_ne!(carried(call(Some(&other)).metadata()), Some(secret.hash()));
        assert_eq!(carried(call(None).metadata()), None);
    }

    #[test]
    fn a_token_is_never_printed() {
        let text = format!("{}.{FINGERPRINT}", "s".repeat(32));
        let token: Token = text.parse().unwrap();
        assert!(!format!("{token:?}").contains("sss"));
        assert!(!format!("{:?}", Introduce::new(Some(&token.secret))).contains("sss"));
        assert_eq!(token.reveal(), text);
    }

    #[test]
    fn a_token_says_whom_its_secret_may_be_told() {
        let secret = "0123456789abcdef0123456789abcdef";
        let token: Token = format!("{secret}.{FINGERPRINT}\n").parse().unwrap();
        assert_eq!(token.authority, Some(FINGERPRINT.parse().unwrap()));
        assert_eq!(token.secret, secret.parse::<Token>().unwrap().secret);
        for plain in [secret.to_owned(), format!("{secret}.part"), format!("{secret}.{}", &FINGERPRINT[1..])]
        {
            assert_eq!(plain.parse::<Token>().unwrap().authority, None, "{plain}");
        }
    }

    #[test]
    fn a_short_or_strange_token_is_refused_without_being_said() {
        for text in
            ["", "short", "0123456789abcdef 0123456789abcdef", &"x".repeat(257), FINGERPRINT.split_at(20).0]
        {
            let error = text.parse::<Token>().unwrap_err().to_string();
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
        assert!(format!("short.{FINGERPRINT}").parse::<Token>().is_err());
    }
}
