//! Who asks, and whether they may.

use async_graphql::{Context, Enum, SimpleObject};
use cofferdam_scheduler::Submission;
use cofferdam_server::{Deed, Role as TokenRole, Visitor as Admitted};
use serde_json::Value;

use super::Instance;
use super::errors::{UnauthorizedError, UnexpectedError};
use crate::session::Asks;
use crate::workspace::Refused;

/// What the holder of a token may do. Each may do what those before it may.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "TokenRole")]
pub(crate) enum Role {
    Viewer,
    Launcher,
    Operator,
    Admin,
}

/// Who carries a token.
#[derive(SimpleObject)]
pub(crate) struct Visitor {
    /// Of the token.
    name: String,
    role: Role,
}

impl Visitor {
    /// Null where the pages take no token.
    pub(crate) fn of(ctx: &Context<'_>) -> Option<Visitor> {
        let visitor = asks(ctx)?;
        Some(Visitor { name: visitor.name(), role: visitor.role().into() })
    }
}

/// Nobody comes here who was not let in: without a visitor, the pages take no token.
fn asks<'a>(ctx: &Context<'a>) -> Option<&'a Admitted> {
    ctx.data_unchecked::<Asks>().0.as_ref()
}

/// The name of who asks, where that is known.
pub(crate) fn who(ctx: &Context<'_>) -> Option<String> {
    asks(ctx).map(Admitted::name)
}

/// Whether who asks may do what changes nothing for others.
pub(crate) fn may(ctx: &Context<'_>, deed: Deed) -> Result<(), UnauthorizedError> {
    match asks(ctx) {
        None => Ok(()),
        Some(visitor) => visitor.may(deed).map_err(UnauthorizedError::of),
    }
}

/// Whether who asks may do this; if so, it is written down.
pub(crate) async fn does(ctx: &Context<'_>, deed: Deed, about: Value) -> Result<(), UnauthorizedError> {
    match asks(ctx) {
        None => Ok(()),
        Some(visitor) => visitor.does(deed, about).await.map_err(UnauthorizedError::of),
    }
}

/// Why a run is not submitted.
pub(crate) enum NotSubmitted {
    Unauthorized(UnauthorizedError),
    Unexpected(UnexpectedError),
}

/// Whether who asks may submit this run; if so, it is written down.
pub(crate) async fn submits(ctx: &Context<'_>, submission: &Submission) -> Result<(), NotSubmitted> {
    let Some(visitor) = asks(ctx) else { return Ok(()) };
    let workspace = &ctx.data_unchecked::<Instance>().parts.workspace;
    let signatures = workspace.signatures(&submission.plan).map_err(|error| match error {
        Refused::Failed { message, causes } => NotSubmitted::Unexpected(UnexpectedError { message, causes }),
        _ => NotSubmitted::Unexpected(UnexpectedError {
            message: "the signatures of its libraries cannot be read".to_owned(),
            causes: vec![],
        }),
    })?;
    let submits = visitor.submits(submission, &signatures).await;
    submits.map_err(|why| NotSubmitted::Unauthorized(UnauthorizedError::of(why)))
}
