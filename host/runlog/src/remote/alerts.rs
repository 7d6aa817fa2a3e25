//! Alerts from afar: who sends them stands beside the log, and so does who looks at the rules.

use async_trait::async_trait;
use cofferdam_model::{Delivery, Name, Term, Timestamp};

use super::{Ask, Remote};
use crate::{Alerts, AppendError, Error, News};

#[async_trait]
impl<A: Ask> Alerts for Remote<A> {
    async fn news(&self, _limit: usize) -> Result<Vec<News>, Error> {
        Err(Error::ReadOnly)
    }

    async fn raise(&self, _term: Term, _upto: u64, _deliveries: Vec<Delivery>) -> Result<u64, AppendError> {
        Err(Error::ReadOnly.into())
    }

    async fn pending(&self, _target: Name, _limit: usize) -> Result<Vec<Delivery>, Error> {
        Err(Error::ReadOnly)
    }

    async fn awaited(&self) -> Result<Vec<Name>, Error> {
        Err(Error::ReadOnly)
    }

    async fn note(&self, _term: Term, _delivery: Delivery) -> Result<(), AppendError> {
        Err(Error::ReadOnly.into())
    }

    async fn deliveries(&self, _before: Option<u64>, _limit: usize) -> Result<Vec<Delivery>, Error> {
        Err(Error::ReadOnly)
    }

    async fn forget_deliveries(&self, _before: Timestamp) -> Result<u64, Error> {
        Err(Error::ReadOnly)
    }
}
