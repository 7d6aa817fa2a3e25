//! What can go wrong between here and the scheduler, by what a person can do about it.

use tonic::{Code, Status};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers, or the connection broke.
    #[error("{doing}: the scheduler at {address} cannot be reached: {why}")]
    Unreachable { doing: &'static str, address: String, why: String },
    #[error("{doing}: the scheduler at {address} refuses the token: {why}")]
    Token { doing: &'static str, address: String, why: String },
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
    pub(crate) fn of(doing: &'static str, address: &str, status: &Status) -> Error {
        let (address, why) = (address.to_owned(), message(status));
        match status.code() {
            Code::Unavailable | Code::DeadlineExceeded | Code::Unknown | Code::Cancelled | Code::Internal => {
                Error::Unreachable { doing, address, why }
            }
            Code::Unauthenticated => Error::Token { doing, address, why },
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
    let mut text = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = if text.is_empty() { said } else { format!("{text}: {said}") };
        }
        cause = error.source();
    }
    text
}
