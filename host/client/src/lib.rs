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
mod near;
mod objects;
mod peers;
mod runs;
mod upload;
mod worker;

use cofferdam_wire::{AddToken, Token};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

pub use error::Error;
pub use give::{Giver, Giving};
pub use held::Held;
pub use objects::{Objects, Traffic};
pub use runs::Watch;
pub use worker::{Offer, Said, WAIT_FIRST, WAIT_MAX, work};

pub(crate) type Link = InterceptedService<Channel, AddToken>;

/// A cluster, by the address of its scheduler. Clones share one connection, which is made when it is first needed and
/// made anew when it is lost.
#[derive(Clone)]
pub struct Cluster {
    link: Link,
    address: String,
}

impl Cluster {
    /// Nothing is sent yet. Fails if `address` is not `HOST:PORT`. Must be called within a tokio runtime.
    pub fn at(address: &str, token: &Token) -> Result<Cluster, cofferdam_wire::InvalidAddress> {
        let channel = cofferdam_wire::connect(address)?;
        let link = InterceptedService::new(channel, AddToken::new(token));
        Ok(Cluster { link, address: address.to_owned() })
    }

    /// Where its scheduler is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether it answers and takes the token.
    pub async fn reach(&self) -> Result<(), Error> {
        self.missing(&[]).await.map(|_| ())
    }

    fn failed(&self, doing: &'static str) -> impl Fn(tonic::Status) -> Error + Clone + use<> {
        let address = self.address.clone();
        move |status| Error::of(doing, &address, &status)
    }
}
