//! Who asks a registry: a user with a password, or the bearer of a token. Never printed.

use std::str::FromStr;

use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderValue};

/// What stands in the file or the variable, in bytes: tokens of large registries have some 2 KiB.
const TEXT_BYTES_MAX: usize = 16 * 1024;

#[derive(Clone)]
pub enum Login {
    Basic { user: String, password: String },
    Bearer(HeaderValue),
}

#[derive(Debug, thiserror::Error)]
#[error("it holds neither `USER:PASSWORD` nor a token, on one line")]
pub struct InvalidLogin;

impl FromStr for Login {
    type Err = InvalidLogin;

    /// A token has no colon.
    fn from_str(text: &str) -> Result<Login, InvalidLogin> {
        let text = text.trim();
        if text.is_empty() || text.len() > TEXT_BYTES_MAX || text.contains(char::is_control) {
            return Err(InvalidLogin);
        }
        match text.split_once(':') {
            Some(("", _)) => Err(InvalidLogin),
            Some((user, password)) => {
                Ok(Login::Basic { user: user.to_owned(), password: password.to_owned() })
            }
            None => bearer(text).map(Login::Bearer).ok_or(InvalidLogin),
        }
    }
}

/// What a bearer of that token sends; none if it is no token.
pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    let is_legal = |c: char| c.is_ascii_graphic() && !"\",".contains(c);
    let mut value =
        token.chars().all(is_legal).then(|| HeaderValue::from_str(&format!("Bearer {token}")).ok())??;
    value.set_sensitive(true);
    Some(value)
}

/// How a registry wants to be asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    Basic,
    /// A token from `realm` for `service` and `scope`.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

impl Challenge {
    /// Reads a header `WWW-Authenticate`.
    pub(crate) fn read(header: &str) -> Option<Challenge> {
        let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => Some(Challenge::Basic),
            "bearer" => {
                let [mut realm, mut service, mut scope] = [const { None }; 3];
                for (key, value) in parameters(rest) {
                    match key.to_ascii_lowercase().as_str() {
                        "realm" => realm = Some(value),
                        "service" => service = Some(value),
                        "scope" => scope = Some(value),
                        _ => {}
                    }
                }
                Some(Challenge::Bearer { realm: realm?, service, scope })
            }
            _ => None,
        }
    }
}

/// `key="value",key=value`; commas within quotes belong to the value.
fn parameters(text: &str) -> Vec<(String, String)> {
    let (mut found, mut rest) = (vec![], text);
    while let Some((key, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => (after.split(',').next().unwrap_or_default(), after),
        };
        found.push((key.trim_matches([' ', ',']).to_owned(), value.to_owned()));
        rest = after.split_once(',').map_or("", |(_, next)| next);
    }
    found
}

impl Login {
    /// Puts a user and a password to a request.
    pub(crate) fn basic(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Login::Basic { user, password } => request.basic_auth(user, Some(password)),
            Login::Bearer(token) => request.header(AUTHORIZATION, token.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_a_user_with_a_password_or_a_token() {
        let basic = " me:a:b \n".parse::<Login>().ok().unwrap();
        assert!(matches!(basic, Login::Basic { user, password } if user == "me" && password == "a:b"));
        let Login::Bearer(token) = "abc.def\n".parse::<Login>().ok().unwrap() else { panic!("a token") };
        assert_eq!((token.to_str().unwrap(), token.is_sensitive()), ("Bearer abc.def", true));
        for text in ["", " \n", ":x", "a\nb:c", "to ken", &"x".repeat(TEXT_BYTES_MAX + 1)] {
            assert!(text.parse::<Login>().is_err(), "{text:.20}");
        }
    }

    #[test]
    fn challenges_are_read_with_commas_and_equals_signs_in_quotes() {
        let read = |text| Challenge::read(text);
        assert_eq!(read("Basic realm=\"x\""), Some(Challenge::Basic));
        assert_eq!(
            read(
                "bearer realm=\"https://auth.example/t?a=b\",service=reg, scope=\"repository:a/b:pull,push\""
            ),
            Some(Challenge::Bearer {
                realm: "https://auth.example/t?a=b".to_owned(),
                service: Some("reg".to_owned()),
                scope: Some("repository:a/b:pull,push".to_owned()),
            })
        );
        assert_eq!(read("Negotiate"), None);
        assert_eq!(read("Bearer service=\"x\""), None);
    }
}
