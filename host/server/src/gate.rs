//! In front of every service: finds out who calls, and whether the service is for them.

use std::sync::Arc;

use cofferdam_wire::tls::Peer;
use cofferdam_wire::{PROTOCOL, PROTOCOL_HEADER};
use tonic::metadata::MetadataMap;
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::admission::Admission;
use crate::audit::Audit;
use crate::caller::{Caller, Who, only_clients};

/// Whom a service is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// Those who hold a token.
    Clients,
    /// Them and workers; single calls may be for one of both.
    All,
}

#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) admission: Arc<Admission>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) who: For,
}

impl Interceptor for Gate {
    /// Leaves with the call who makes it.
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let peer = request.extensions().get::<Peer>().expect("every connection is accepted here");
        let from = peer.address.ip();
        let refused = |who: &str, status: Status| {
            self.audit.refused(who, from, "call", status.message());
            status
        };
        let who = self.admission.caller(peer, request.metadata());
        let who = who.map_err(|status| refused("nobody", status))?;
        if matches!((&who, self.who), (Who::Worker(_), For::Clients)) {
            return Err(refused(&who.to_string(), only_clients()));
        }
        check_protocol(request.metadata())?;
        request.extensions_mut().insert(Caller { who, from });
        Ok(request)
    }
}

/// Refuses a cofferdam of another version before it is misunderstood. Who does not say what it speaks is another program,
/// which reads the interface's own description.
fn check_protocol(headers: &MetadataMap) -> Result<(), Status> {
    let Some(said) = headers.get(PROTOCOL_HEADER) else { return Ok(()) };
    if said.to_str().ok().and_then(|said| said.parse().ok()) == Some(PROTOCOL) {
        return Ok(());
    }
    Err(Status::failed_precondition(format!(
        "the caller speaks protocol {}, this scheduler (cofferdam {}) {PROTOCOL}; use the same version of cofferdam on both",
        said.to_str().unwrap_or("of no number").escape_debug(),
        env!("CARGO_PKG_VERSION")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_70_a_caller_of_another_version_is_refused_in_words_whichever_of_both_is_older() {
        let said = |text: &str| {
            let mut headers = MetadataMap::new();
            headers.insert(PROTOCOL_HEADER, text.parse().unwrap());
            check_protocol(&headers)
        };
        assert!(said(&PROTOCOL.to_string()).is_ok());
        assert!(check_protocol(&MetadataMap::new()).is_ok());
        for other in [(PROTOCOL - 1).to_string(), (PROTOCOL + 1).to_string(), "six".to_owned(), String::new()]
        {
            let refused = said(&other).unwrap_err();
            assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
            let expected = format!(
                "the caller speaks protocol {other}, this scheduler (cofferdam 0.1.0) {PROTOCOL}; use the same version of cofferdam on both"
            );
            assert_eq!(refused.message(), expected);
        }
    }
}
