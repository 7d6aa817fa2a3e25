//! The scheduler's door: its certificate, made anew before it ends, and when a worker's connection is cut.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use cofferdam_model::Timestamp;
use cofferdam_wire::tls::{AuthorityError, Door, Seen, acceptor};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::admission::Tls;

/// None if nothing is encrypted.
pub(crate) struct SchedulerDoor(Option<(Arc<Tls>, TlsAcceptor)>);

impl SchedulerDoor {
    pub(crate) fn new(tls: Option<&Arc<Tls>>) -> Result<SchedulerDoor, AuthorityError> {
        let Some(tls) = tls else { return Ok(SchedulerDoor(None)) };
        let own = Own { tls: tls.clone(), current: Mutex::new(make(tls)?) };
        let made = acceptor(tls.authority.certificate(), Arc::new(own));
        Ok(SchedulerDoor(Some((tls.clone(), made.expect("the authority's certificate is one")))))
    }
}

impl Door for SchedulerDoor {
    const NOT_ENCRYPTED: &'static str = "this scheduler takes encrypted connections only: leave out --plaintext, and use the token as `cofferdam serve` wrote it";

    fn acceptor(&self) -> io::Result<Option<TlsAcceptor>> {
        Ok(self.0.as_ref().map(|(_, acceptor)| acceptor.clone()))
    }

    fn end(&self, seen: &Seen) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let (tls, _) = self.0.as_ref()?;
        tls.check(seen).is_ok().then(|| Box::pin(tls.end(seen)) as _)
    }
}

/// The scheduler's own certificate. It is never stored: a new one is made when it is past the half of its life.
struct Own {
    tls: Arc<Tls>,
    current: Mutex<(Arc<CertifiedKey>, Timestamp)>,
}

fn make(tls: &Tls) -> Result<(Arc<CertifiedKey>, Timestamp), AuthorityError> {
    let made = tls.authority.scheduler(tls.valid())?;
    Ok((made.certified(), tls.now() + tls.certificate_life() / 2))
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Own")
    }
}

impl ResolvesServerCert for Own {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut current = self.current.lock().expect("nobody panics while holding it");
        if self.tls.now() >= current.1 {
            match make(&self.tls) {
                Ok(made) => *current = made,
                Err(error) => tracing::warn!(%error, "the scheduler's certificate could not be renewed"),
            }
        }
        Some(current.0.clone())
    }
}
