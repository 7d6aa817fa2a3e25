//! Errors as gRPC statuses: the code says what a program should do, the message what a person should know.

use std::error::Error;

use cofferdam_wire::Malformed;
use tonic::Status;

/// An error with all that caused it, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

pub(crate) fn malformed(error: &Malformed) -> Status {
    Status::invalid_argument(chain(error))
}

pub(crate) fn scheduler(error: &cofferdam_scheduler::Error) -> Status {
    use cofferdam_scheduler::Error as E;
    let message = chain(error);
    match error {
        E::Layout(_) | E::Plan { .. } => Status::invalid_argument(message),
        E::NotDriven(_) | E::NoStep { .. } => Status::not_found(message),
        E::NotInReview { .. } => Status::failed_precondition(message),
        E::OverQuota { .. } => Status::resource_exhausted(message),
        E::History { .. } => Status::data_loss(message),
        E::Log(cofferdam_runlog::Error::UnknownRun(_)) => Status::not_found(message),
        E::Log(cofferdam_runlog::Error::RunExists(_)) => Status::already_exists(message),
        E::Log(_) | E::Stopped { .. } => Status::unavailable(message),
    }
}

pub(crate) fn log(error: &cofferdam_runlog::Error) -> Status {
    match error {
        cofferdam_runlog::Error::UnknownRun(_) => Status::not_found(chain(error)),
        _ => Status::unavailable(chain(error)),
    }
}

pub(crate) fn depot(error: &cofferdam_depot::Error) -> Status {
    use cofferdam_depot::Error as E;
    let message = chain(error);
    match error {
        E::NotFound(_) => Status::not_found(message),
        E::TooLarge { .. } => Status::invalid_argument(message),
        E::DigestMismatch { .. } | E::Manifest(_) => Status::data_loss(message),
        E::Open { .. } | E::List(_) | E::Pack { .. } | E::Store { .. } => Status::unavailable(message),
    }
}

pub(crate) fn values(error: &cofferdam_io::Error) -> Status {
    use cofferdam_io::Error as E;
    let message = chain(error);
    match error {
        E::InvalidKey { .. } => Status::invalid_argument(message),
        E::AlreadyExists { .. } => Status::already_exists(message),
        E::NotFound { .. } => Status::not_found(message),
        E::DigestMismatch { .. } => Status::data_loss(message),
        E::NoSpace { .. } => Status::resource_exhausted(message),
        E::Open { .. }
        | E::Variable { .. }
        | E::Settings { .. }
        | E::OpenManager { .. }
        | E::MadeOfOps { .. }
        | E::NoWorker { .. }
        | E::Publish { .. }
        | E::File { .. }
        | E::Store { .. } => Status::unavailable(message),
    }
}
