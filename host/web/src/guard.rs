//! Who may speak to the pages' server. On loopback every program of the machine and every page of the browser can reach
//! it: so a request must come from a page of ours, or from no page at all.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::Shared;

/// Nothing from elsewhere, no script in a page, nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
    connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Where a browser says that a request comes from: `same-origin`, `cross-site`, … or `none` for what a person typed.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// And what for: `navigate` for a link that is followed.
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
/// Not for pages of others, whatever they make of it.
const ISOLATED: [(HeaderName, HeaderValue); 2] = [
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
];

/// `https://pages.example`: where people reach a proxy before this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    is_encrypted: bool,
    /// `pages.example`, or with a port.
    authority: String,
}

/// The names under which this server is asked for. A page of another site that makes its own name point here (DNS
/// rebinding) names that.
pub(crate) struct Hosts {
    port: u16,
    address: IpAddr,
    public: Option<PublicUrl>,
}

impl std::str::FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<PublicUrl, String> {
        let parts = text.trim_end_matches('/').split_once("://");
        let parts = parts.map(|(scheme, authority)| (scheme, authority.to_ascii_lowercase()));
        let legal = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
        match parts {
            Some((scheme @ ("http" | "https"), authority))
                if !authority.is_empty() && authority.chars().all(legal) =>
            {
                Ok(PublicUrl { is_encrypted: scheme == "https", authority })
            }
            _ => Err("write it as `https://pages.example`, without a path".to_owned()),
        }
    }
}

impl PublicUrl {
    /// `pages.example`
    pub fn host(&self) -> String {
        self.authority.clone()
    }

    fn is_origin(&self, origin: &str) -> bool {
        let scheme = if self.is_encrypted { "https://" } else { "http://" };
        origin.strip_prefix(scheme).is_some_and(|authority| authority.eq_ignore_ascii_case(&self.authority))
    }
}

impl Hosts {
    pub(crate) fn of(address: SocketAddr, public: Option<PublicUrl>) -> Hosts {
        Hosts { port: address.port(), address: address.ip(), public }
    }

    /// Whether people reach the pages over TLS only.
    pub(crate) fn are_encrypted(&self) -> bool {
        self.public.as_ref().is_some_and(|public| public.is_encrypted)
    }

    fn is_origin(&self, origin: &str) -> bool {
        origin.strip_prefix("http://").is_some_and(|authority| self.is_own(authority))
            || self.public.as_ref().is_some_and(|public| public.is_origin(origin))
    }

    fn has(&self, authority: &str) -> bool {
        let is_public = |public: &PublicUrl| authority.eq_ignore_ascii_case(&public.authority);
        self.is_own(authority) || self.public.as_ref().is_some_and(is_public)
    }

    /// `localhost:7000`, `127.0.0.1:7000`, `[::1]:7000`, or the address that it was told to listen at.
    fn is_own(&self, authority: &str) -> bool {
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (authority, Some(80)),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let named = host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip == self.address);
        named && port == Some(self.port)
    }
}

/// Lets through what is ours, and adds the headers that keep a page to itself.
pub(crate) async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = match check(&shared.hosts, request.method(), request.uri(), request.headers()) {
        Err(refused) => refused.into_response(),
        Ok(()) => next.run(request).await,
    };
    let headers = response.headers_mut();
    // What was made by an op has a policy of its own, and what never changes may be kept.
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.extend(ISOLATED);
    response
}

type Refusal = (StatusCode, &'static str);

fn check(hosts: &Hosts, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    let is_ours = text(HOST).is_some_and(|host| hosts.has(host))
        && headers.get_all(HOST).iter().count() == 1
        && uri.authority().is_none_or(|authority| hosts.has(authority.as_str()));
    if !is_ours {
        return Err((
            StatusCode::MISDIRECTED_REQUEST,
            "this server is asked for by an address of its own only\n",
        ));
    }
    if !text(ORIGIN).is_none_or(|origin| hosts.is_origin(origin)) || is_fetched_by_others(method, &text) {
        return Err((StatusCode::FORBIDDEN, "another site's page may not ask this server\n"));
    }
    // What a form of another site can send without asking first.
    if method == Method::POST && !text(CONTENT_TYPE).is_some_and(is_json) {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json, in UTF-8\n"));
    }
    Ok(())
}

/// Whether a page of another site has made a browser ask, other than by a link to here that a person follows.
fn is_fetched_by_others<'a>(method: &Method, text: &impl Fn(HeaderName) -> Option<&'a str>) -> bool {
    let is_elsewhere = text(FETCH_SITE).is_some_and(|site| !["same-origin", "none"].contains(&site));
    is_elsewhere && !(method == Method::GET && text(FETCH_MODE) == Some("navigate"))
}

fn is_json(kind: &str) -> bool {
    let (kind, parameters) = kind.split_once(';').unwrap_or((kind, ""));
    let parameter = parameters.trim().to_ascii_lowercase().replace('"', "");
    kind.trim().eq_ignore_ascii_case("application/json")
        && ["", "charset=utf-8"].contains(&parameter.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: Method, headers: &[(HeaderName, &str)]) -> bool {
        asked_of(None, method, headers)
    }

    fn asked_of(public: Option<&str>, method: Method, headers: &[(HeaderName, &str)]) -> bool {
        let public = public.map(|url| url.parse().unwrap());
        let hosts = Hosts::of("127.0.0.1:7000".parse().unwrap(), public);
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        check(&hosts, &method, &Uri::from_static("/graphql"), &headers).is_ok()
    }

    #[test]
    fn only_our_own_pages_and_programs_are_let_through() {
        for host in ["127.0.0.1:7000", "localhost:7000", "LOCALHOST:7000", "[::1]:7000"] {
            assert!(asked(Method::GET, &[(HOST, host)]), "{host}");
        }
        for host in ["127.0.0.1", "127.0.0.1:7001", "evil.example:7000", "localhost.evil.example:7000", ""] {
            assert!(!asked(Method::GET, &[(HOST, host)]), "{host}");
        }
        assert!(!asked(Method::GET, &[]), "a request without a host");
        let ours = (HOST, "localhost:7000");
        assert!(asked(Method::GET, &[ours.clone(), (ORIGIN, "http://localhost:7000")]));
        for origin in ["http://evil.example", "null", "https://localhost:7000", "http://localhost:7001"] {
            assert!(!asked(Method::GET, &[ours.clone(), (ORIGIN, origin)]), "{origin}");
        }
        let json = (CONTENT_TYPE, "application/json; charset=utf-8");
        assert!(asked(Method::POST, &[ours.clone(), json]));
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/jsonp",
            "application/json; charset=utf-16",
        ] {
            assert!(!asked(Method::POST, &[ours.clone(), (CONTENT_TYPE, kind)]), "{kind}");
        }
        assert!(!asked(Method::POST, &[ours]));
    }

    #[test]
    fn what_another_site_makes_a_browser_fetch_is_refused_and_a_link_to_here_is_not() {
        let fetched = |method: Method, site: &str, mode: &str| {
            let json = (CONTENT_TYPE, "application/json");
            asked(method, &[(HOST, "localhost:7000"), json, (FETCH_SITE, site), (FETCH_MODE, mode)])
        };
        assert!(fetched(Method::POST, "same-origin", "cors") && fetched(Method::GET, "none", "navigate"));
        assert!(fetched(Method::GET, "cross-site", "navigate"), "a link is followed");
        for site in ["cross-site", "same-site"] {
            assert!(!fetched(Method::POST, site, "cors") && !fetched(Method::GET, site, "no-cors"), "{site}");
            assert!(!fetched(Method::POST, site, "navigate"), "a form is sent");
        }
    }

    #[test]
    fn a_proxy_is_known_by_the_name_that_people_reach_it_by() {
        let asked = |headers: &[_]| asked_of(Some("https://pages.example/"), Method::GET, headers);
        let (proxy, own) = ((HOST, "Pages.example"), (HOST, "127.0.0.1:7000"));
        assert!(asked(std::slice::from_ref(&proxy)) && asked(&[own]));
        assert!(asked(&[proxy.clone(), (ORIGIN, "https://pages.example")]));
        for origin in ["http://pages.example", "https://pages.example:8443", "https://evil.example", "null"] {
            assert!(!asked(&[proxy.clone(), (ORIGIN, origin)]), "{origin}");
        }
        assert!(!asked(&[(HOST, "pages.example.evil.example")]) && !asked(&[(HOST, "pages.example:7000")]));
        for wrong in ["pages.example", "ftp://pages.example", "https://", "https://a/b", "https://a b"] {
            assert!(wrong.parse::<PublicUrl>().is_err(), "{wrong}");
        }
    }
}
