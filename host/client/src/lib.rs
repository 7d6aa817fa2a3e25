//! The other end of a cluster's services: for programs that submit runs, and for workers that carry them out. It
//! carries bytes and decides nothing.

mod again;
mod common;
mod draft;
mod error;
mod folder;
mod give;
mod held;
mod history;
mod libraries;
mod member;
mod near;
mod objects;
mod peers;
mod runs;
mod upload;
mod worker;

use std::sync::{Arc, RwLock};

use cofferdam_wire::tls::{Credentials, Tls};
use cofferdam_wire::{AddToken, InvalidAddress, Token};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

pub use error::Error;
pub use give::{Giver, Giving};
pub use held::Held;
pub use member::{Membership, MembershipError};
pub use near::Counted;
pub use objects::{Objects, Traffic};
pub use runs::Watch;
pub use worker::{Offer, Said, WAIT_FIRST, WAIT_MAX, Whom, work};

pub(crate) type Link = InterceptedService<Channel, AddToken>;

/// A cluster, by the address of its scheduler. Clones share one connection, which is made when it is first needed and
/// made anew when it is lost.
#[derive(Clone)]
pub struct Cluster {
    showing: Arc<RwLock<Showing>>,
    address: Arc<str>,
}

/// A connection, and what is shown over it, for people.
struct Showing {
    link: Link,
    what: &'static str,
}

impl Cluster {
    /// Nothing is sent yet. Fails if `address` is not `HOST:PORT`. The connection is encrypted, and goes to nobody but
    /// the scheduler that the token is for, if the token says which. Must be called within a tokio runtime.
    pub fn at(address: &str, token: &Token) -> Result<Cluster, InvalidAddress> {
        Cluster::showing(address, Proof::Token(token))
    }

    fn showing(address: &str, proof: Proof<'_>) -> Result<Cluster, InvalidAddress> {
        let showing = Arc::new(RwLock::new(Showing::new(address, proof)?));
        Ok(Cluster { showing, address: address.into() })
    }

    /// From now on connections are made anew and show that; calls that are under way stay on the one that they were
    /// made over.
    fn show(&self, proof: Proof<'_>) {
        let showing = Showing::new(&self.address, proof).expect("the address was one before");
        *self.showing.write().expect("nobody panics while holding it") = showing;
    }

    /// Where its scheduler is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether it answers and takes the token.
    pub async fn reach(&self) -> Result<(), Error> {
        self.missing(&[]).await.map(|_| ())
    }

    /// The connection of now.
    fn link(&self) -> Link {
        self.showing.read().expect("nobody panics while holding it").link.clone()
    }

    /// What is shown over it.
    fn shown(&self) -> &'static str {
        self.showing.read().expect("nobody panics while holding it").what
    }

    fn failed(&self, doing: &'static str) -> impl Fn(tonic::Status) -> Error + Clone + use<> {
        let (address, shown) = (self.address.to_string(), self.shown());
        move |status| Error::of(doing, &address, shown, &status)
    }
}

/// What a connection proves itself with.
enum Proof<'a> {
    Token(&'a Token),
    Certificate(&'a Credentials),
}

const CERTIFICATE: &str = "certificate";

impl Showing {
    fn new(address: &str, proof: Proof<'_>) -> Result<Showing, InvalidAddress> {
        let (tls, secret, what) = match proof {
            Proof::Token(token) => {
                let tls = token.authority.map(|authority| Tls::to_scheduler(authority, None));
                (tls, Some(&token.secret), "token")
            }
            Proof::Certificate(own) => {
                (Some(Tls::to_scheduler(own.authority(), Some(own))), None, CERTIFICATE)
            }
        };
        let channel = cofferdam_wire::connect(address, tls)?;
        Ok(Showing { link: InterceptedService::new(channel, AddToken::new(secret)), what })
    }
}
