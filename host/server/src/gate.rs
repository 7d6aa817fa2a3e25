//! In front of every service: finds out who calls, and whether the service is for them.

use std::sync::Arc;

use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::accept::Peer;
use crate::admission::{Admission, Caller};

/// Whom a service is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// Those who hold the token.
    Clients,
    /// Them and workers; single calls may be for one of both.
    All,
}

#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) admission: Arc<Admission>,
    pub(crate) who: For,
}

impl Interceptor for Gate {
    /// Leaves with the call who makes it.
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let peer = request.extensions().get::<Peer>().expect("every connection is accepted here");
        let caller = self.admission.caller(peer, request.metadata())?;
        if matches!((caller, self.who), (Caller::Worker(_), For::Clients)) {
            return Err(only_clients());
        }
        request.extensions_mut().insert(caller);
        Ok(request)
    }
}

/// A worker wants what is for clients.
pub(crate) fn only_clients() -> Status {
    Status::permission_denied("the certificate of a worker does not open this: it takes the token")
}
