//! The secret that says who belongs to a cluster. Every call carries it; it is never printed.

use std::fmt;
use std::str::FromStr;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// Random bytes of a token: nobody guesses 256 bits.
const TOKEN_BYTES: usize = 32;
/// Shortest token that a person may choose.
const TOKEN_CHARS_MIN: usize = 32;
/// Longest one.
const TOKEN_CHARS_MAX: usize = 256;

/// A secret of printable characters. Shown as `[token]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Why a text is no token; the text itself is not said.
#[derive(Debug, thiserror::Error)]
#[error(
    "a token has {TOKEN_CHARS_MIN} to {TOKEN_CHARS_MAX} characters: letters, digits, `-`, `_`, `.`; this one has {0} or others"
)]
pub struct InvalidToken(usize);

impl Token {
    /// A new one.
    pub fn generate() -> Result<Token, getrandom::Error> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Token(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// For the file that others read it from.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn header(&self) -> MetadataValue<Ascii> {
        let mut value: MetadataValue<Ascii> =
            format!("Bearer {}", self.0).parse().expect("a token is made of characters that headers take");
        value.set_sensitive(true);
        value
    }
}

impl FromStr for Token {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Token, InvalidToken> {
        let text = text.trim();
        let legal = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if legal && (TOKEN_CHARS_MIN..=TOKEN_CHARS_MAX).contains(&text.len()) {
            return Ok(Token(text.to_owned()));
        }
        Err(InvalidToken(text.chars().count()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[token]")
    }
}

/// Puts the token on every call of a client.
#[derive(Debug, Clone)]
pub struct AddToken(MetadataValue<Ascii>);

impl AddToken {
    pub fn new(token: &Token) -> AddToken {
        AddToken(token.header())
    }
}

impl Interceptor for AddToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Refuses every call that does not carry the token.
#[derive(Debug, Clone)]
pub struct CheckToken(blake3::Hash);

impl CheckToken {
    pub fn new(token: &Token) -> CheckToken {
        CheckToken(hash(&token.header()))
    }
}

impl Interceptor for CheckToken {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        match request.metadata().get("authorization") {
            // Hashes are compared in a time that does not depend on where they differ.
            Some(given) if hash(given) == self.0 => Ok(request),
            Some(_) => Err(Status::unauthenticated("the token is not this cluster's")),
            None => Err(Status::unauthenticated("the call carries no token")),
        }
    }
}

fn hash(value: &MetadataValue<Ascii>) -> blake3::Hash {
    blake3::hash(value.as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_is_let_in() {
        let (token, other) = (Token::generate().unwrap(), Token::generate().unwrap());
        assert_ne!(token, other);
        let mut check = CheckToken::new(&token);
        let call = |token| AddToken::new(token).call(Request::new(())).unwrap();
        assert!(check.call(call(&token)).is_ok());
        assert_eq!(check.call(call(&other)).unwrap_err().code(), tonic::Code::Unauthenticated);
        assert_eq!(check.call(Request::new(())).unwrap_err().code(), tonic::Code::Unauthenticated);
    }

    #[test]
    fn a_token_is_never_printed() {
        let token: Token = "0123456789abcdef0123456789abcdef\n".parse().unwrap();
        assert_eq!(format!("{token:?}"), "[token]");
        assert!(!format!("{:?}", AddToken::new(&token)).contains("0123"));
    }

    #[test]
    fn a_short_or_strange_token_is_refused_without_being_said() {
        for text in ["", "short", "0123456789abcdef 0123456789abcdef", &"x".repeat(257)] {
            let error = text.parse::<Token>().unwrap_err().to_string();
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }
}
