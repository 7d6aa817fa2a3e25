//! Who asks, where the pages take a token: people sign in with theirs, which their browser then carries in a cookie that
//! no script can read; programs carry it in a header. It is looked at anew with each request, so that what was revoked
//! ends at once, and signing in outlasts a restart of the server.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{AppendHeaders, IntoResponse, Response};
use cofferdam_server::{NotLetIn, Visitor};
use serde::Deserialize;
use serde_json::json;

use crate::guard::Hosts;
use crate::{Shared, json};

/// Seconds for which a browser keeps a token that it was given; the token's own time may be over before.
const KEPT_S: u32 = 30 * 24 * 60 * 60;

/// Left with every request for data that was let through: who asks. None where the pages take no token.
#[derive(Clone)]
pub(crate) struct Asks(pub(crate) Option<Visitor>);

impl Asks {
    /// Ends when who asks would not be let in any more.
    pub(crate) async fn end(&self) {
        match &self.0 {
            Some(visitor) => visitor.end().await,
            None => std::future::pending().await,
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct SignIn {
    token: String,
}

/// Lets through who carries a token that holds.
pub(crate) async fn let_in(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let visitor = match &shared.parts.gate {
        None => None,
        Some(gate) => {
            let Some(token) = carried(&shared, request.headers()) else {
                return answer(StatusCode::UNAUTHORIZED, "sign in: the request carries no token");
            };
            match gate.enter(token, from.ip()) {
                Ok(visitor) => Some(visitor),
                Err(why) => return refused(&why),
            }
        }
    };
    request.extensions_mut().insert(Asks(visitor));
    next.run(request).await
}

/// Gives a browser a token to carry, if it is one that holds.
pub(crate) async fn sign_in(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    asked: Bytes,
) -> Response {
    let Ok(SignIn { token }) = json::read(&asked) else {
        return answer(StatusCode::BAD_REQUEST, "send `{\"token\": \"…\"}`");
    };
    let token = token.trim();
    let Some(gate) = &shared.parts.gate else {
        return answer(StatusCode::BAD_REQUEST, "these pages take no token");
    };
    match gate.enter(token, from.ip()) {
        Ok(_) => (StatusCode::NO_CONTENT, cookie(&shared, token, KEPT_S)).into_response(),
        Err(why) => refused(&why),
    }
}

/// Takes it from the browser again.
pub(crate) async fn sign_out(State(shared): State<Arc<Shared>>) -> Response {
    (StatusCode::NO_CONTENT, cookie(&shared, "", 0)).into_response()
}

/// Cookies of one host are sent to all of its ports: each has its own. Over TLS the name's first letters make browsers
/// refuse it to whoever could set it for a part of the host's name, or without TLS.
pub(crate) fn cookie_name(hosts: &Hosts, port: u16) -> String {
    let prefix = if hosts.are_encrypted() { "__Host-" } else { "" };
    format!("{prefix}cofferdam_{port}")
}

/// A token has no character that means something in a header: one that has is none that was let in.
fn cookie(shared: &Shared, token: &str, kept: u32) -> AppendHeaders<[(axum::http::HeaderName, String); 1]> {
    let secure = if shared.hosts.are_encrypted() { "; Secure" } else { "" };
    let name = &shared.cookie;
    let set = format!("{name}={token}; Path=/; Max-Age={kept}; HttpOnly; SameSite=Strict{secure}");
    AppendHeaders([(SET_COOKIE, set)])
}

fn carried<'a>(shared: &Shared, headers: &'a HeaderMap) -> Option<&'a str> {
    let texts = |name| headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let bearer = texts(AUTHORIZATION).find_map(|value| value.strip_prefix("Bearer "));
    let cookies = texts(COOKIE).flat_map(|cookies| cookies.split(';'));
    let mut named = cookies.filter_map(|cookie| cookie.trim().split_once('='));
    bearer.or_else(|| named.find(|(name, _)| *name == shared.cookie).map(|(_, token)| token))
}

fn refused(refused: &NotLetIn) -> Response {
    let status = if refused.is_too_often { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::UNAUTHORIZED };
    answer(status, &refused.why)
}

/// As an answer to a question would say it.
fn answer(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "errors": [{ "message": why }] }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_tls_a_cookie_is_bound_to_its_host() {
        let name = |url: Option<&str>| {
            let url = url.map(|url| url.parse().unwrap());
            cookie_name(&Hosts::of("127.0.0.1:7000".parse().unwrap(), url), 7000)
        };
        assert_eq!(name(None), "cofferdam_7000");
        assert_eq!(name(Some("http://pages.example")), "cofferdam_7000");
        assert_eq!(name(Some("https://pages.example")), "__Host-cofferdam_7000");
    }
}
