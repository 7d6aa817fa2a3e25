//! Connections that go out of the instance: to which addresses they may, and the HTTP client that makes no others.

mod address;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

pub use address::{Guard, Lookup, Refused, is_this_machine};

/// Time for a connection to be made.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// TLS by ring for every client of this process that asks for none in particular. Doing it again changes nothing.
pub fn install_tls() {
    // It fails if another provider was installed before, and then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client that asks no proxy, follows no redirect and connects to nothing that the guard does not admit.
pub fn client(guard: Guard) -> Result<reqwest::Client, reqwest::Error> {
    install_tls();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .dns_resolver(Arc::new(guard))
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("cofferdam/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// The refusal of a guard, if that is why a request failed.
pub fn refused(error: &reqwest::Error) -> Option<&Refused> {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(refused) = inner.downcast_ref() {
            return Some(refused);
        }
        cause = inner.source();
    }
    None
}
