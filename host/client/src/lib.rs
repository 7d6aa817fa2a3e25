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
mod pages;
mod peers;
mod runs;
mod upload;
mod worker;

use std::sync::{Arc, RwLock};
use std::time::Duration;

use cofferdam_wire::tls::{Credentials, CutOff, Tls};
use cofferdam_wire::{Introduce, InvalidAddress, Token};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

pub use error::Error;
pub use give::{Giver, Giving};
pub use held::Held;
pub use member::{Membership, MembershipError};
pub use near::Counted;
pub use objects::{Objects, Traffic};
pub use pages::{PagesError, ask_pages};
pub use runs::Watch;
pub use worker::{Offer, Said, WAIT_FIRST, WAIT_MAX, Whom, work};

pub(crate) type Link = InterceptedService<Channel, Introduce>;

/// Time for a scheduler to answer the first question.
const REACH_TIMEOUT: Duration = Duration::from_secs(5);

/// A cluster, by the address of its scheduler. Clones share one connection, which is made when it is first needed and
/// made anew when it is lost.
#[derive(Clone)]
pub struct Cluster {
    showing: Arc<RwLock<Showing>>,
    /// The workers that get nothing any more, as far as the scheduler has said so.
    cut_off: CutOff,
    address: Arc<str>,
    /// Its run log is waited for while the scheduler is away.
    is_patient: bool,
}

/// A connection, and what is shown over it, for people.
struct Showing {
    link: Link,
    what: &'static str,
    is_encrypted: bool,
    /// Of a worker that has joined.
    own: Option<Credentials>,
}

impl Cluster {
    /// Nothing is sent yet. Fails if `address` is not `HOST:PORT`. The connection is encrypted, and goes to nobody but
    /// the scheduler that the token is for, if the token says which. Must be called within a tokio runtime.
    pub fn at(address: &str, token: &Token) -> Result<Cluster, InvalidAddress> {
        Cluster::showing(address, Proof::Token(token))
    }

    fn showing(address: &str, proof: Proof<'_>) -> Result<Cluster, InvalidAddress> {
        let showing = Arc::new(RwLock::new(Showing::new(address, proof)?));
        Ok(Cluster { showing, cut_off: CutOff::default(), address: address.into(), is_patient: false })
    }

    /// From now on connections are made anew and show that; calls that are under way stay on the one that they were
    /// made over.
    fn show(&self, proof: Proof<'_>) {
        let showing = Showing::new(&self.address, proof).expect("the address was one before");
        *self.showing.write().expect("nobody panics while holding it") = showing;
    }

    /// The same, for who has a run there: a scheduler or a run log that is away for a while is waited for.
    pub fn patient(&self) -> Cluster {
        Cluster { is_patient: true, ..self.clone() }
    }

    /// Where its scheduler is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether it answers and takes the token. Who waits is a person, so it has [`REACH_TIMEOUT`].
    pub async fn reach(&self) -> Result<(), Error> {
        let doing = "ask the scheduler";
        match tokio::time::timeout(REACH_TIMEOUT, self.ask_missing(&[], doing)).await {
            Ok(answered) => answered.map(|_| ()),
            Err(_) => {
                let why = format!("nothing has answered for {} s", REACH_TIMEOUT.as_secs());
                Err(Error::Unreachable { doing, address: self.address.to_string(), why })
            }
        }
    }

    /// The connection of now.
    fn link(&self) -> Link {
        self.showing.read().expect("nobody panics while holding it").link.clone()
    }

    /// What is shown over it.
    fn shown(&self) -> &'static str {
        self.showing.read().expect("nobody panics while holding it").what
    }

    fn is_encrypted(&self) -> bool {
        self.showing.read().expect("nobody panics while holding it").is_encrypted
    }

    /// What a worker that has joined shows now, to the scheduler and to other workers.
    fn credentials(&self) -> Option<Credentials> {
        self.showing.read().expect("nobody panics while holding it").own.clone()
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
        let (tls, secret, what, own) = match proof {
            Proof::Token(token) => {
                let tls = token.authority.map(|authority| Tls::to_scheduler(authority, None));
                (tls, Some(&token.secret), "token", None)
            }
            Proof::Certificate(own) => {
                (Some(Tls::to_scheduler(own.authority(), Some(own))), None, CERTIFICATE, Some(own.clone()))
            }
        };
        let is_encrypted = tls.is_some();
        let channel = cofferdam_wire::connect(address, tls)?;
        Ok(Showing {
            link: InterceptedService::new(channel, Introduce::new(secret)),
            what,
            is_encrypted,
            own,
        })
    }
}
