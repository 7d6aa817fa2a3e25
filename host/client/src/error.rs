//! What can go wrong between here and the scheduler, by what a person can do about it.

use cofferdam_wire::tls::Unsafe;
use tonic::{Code, Status};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers, or the connection broke.
    #[error("{doing}: the scheduler at {address} cannot be reached: {why}")]
    Unreachable { doing: &'static str, address: String, why: String },
    /// `shown` is the token or the certificate.
    #[error("{doing}: the scheduler at {address} refuses the {shown}: {why}")]
    Denied { doing: &'static str, address: String, shown: &'static str, why: String },
    /// Who answers is not who should.
    #[error("{doing}: {address} is not safe to talk to: {why}")]
    Unsafe { doing: &'static str, address: String, why: Unsafe },
    /// It answered, and the answer is no.
    #[error("{doing}: {why}")]
    Refused { doing: &'static str, why: String },
    #[error("{doing}: {source}")]
    Malformed {
        doing: &'static str,
        #[source]
        source: cofferdam_wire::Malformed,
    },
    #[error("{doing}")]
    Depot {
        doing: &'static str,
        #[source]
        source: cofferdam_depot::Error,
    },
}

impl Error {
    /// `shown` is what was shown to the scheduler.
    pub(crate) fn of(doing: &'static str, address: &str, shown: &'static str, status: &Status) -> Error {
        let address = address.to_owned();
        if let Some(why) = causes(status).find_map(find_unsafe) {
            return Error::Unsafe { doing, address, why };
        }
        let why = message(status);
        match status.code() {
            Code::Unavailable | Code::DeadlineExceeded | Code::Unknown | Code::Cancelled | Code::Internal => {
                Error::Unreachable { doing, address, why }
            }
            Code::Unauthenticated => Error::Denied { doing, address, shown, why },
            Code::Ok
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::DataLoss => Error::Refused { doing, why },
        }
    }

    /// Whether the same call may work later, without anybody doing something.
    pub fn may_pass(&self) -> bool {
        matches!(self, Error::Unreachable { .. })
    }
}

/// What the status says, with what caused it on this side.
fn message(status: &Status) -> String {
    causes(status).fold(status.message().to_owned(), |text, cause| {
        let said = cause.to_string();
        match text.contains(&said) {
            true => text,
            false if text.is_empty() => said,
            false => format!("{text}: {said}"),
        }
    })
}

fn causes(status: &Status) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(status), |error| error.source())
}

/// It stands inside of an error of the system.
fn find_unsafe(error: &(dyn std::error::Error + 'static)) -> Option<Unsafe> {
    let inner = error.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
    let found = inner.and_then(|inner| inner.downcast_ref::<Unsafe>());
    found.or_else(|| error.downcast_ref::<Unsafe>()).cloned()
}
