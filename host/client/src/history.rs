//! What the cluster's run log holds.

use bytes::{Bytes, BytesMut};
use cofferdam_wire::v1::Question;
use cofferdam_wire::v1::history_client::HistoryClient;
use tonic::Status;

use crate::again::Again;
use crate::{Cluster, Error};

/// Longest answer that is taken. Answers have a bound of rows; this is far above what such rows hold.
const ANSWER_BYTES_MAX: usize = 512 * 1024 * 1024;

const DOING: &str = "read the run log";

impl Cluster {
    /// Asks the run log a question in the form that both sides of it know; gives the answer in its form. Nothing is
    /// changed by asking twice.
    pub async fn ask(&self, question: impl Into<Bytes>) -> Result<Bytes, Error> {
        let question = question.into();
        let mut again = Again::default();
        loop {
            match self.ask_once(question.clone()).await {
                Ok(answer) => return answer,
                Err(status) if self.is_patient => again.after(status).await.map_err(self.failed(DOING))?,
                Err(status) => return Err(self.failed(DOING)(status)),
            }
        }
    }

    async fn ask_once(&self, question: Bytes) -> Result<Result<Bytes, Error>, Status> {
        let mut parts = HistoryClient::new(self.link()).ask(Question { question }).await?.into_inner();
        let mut answer = BytesMut::new();
        while let Some(part) = parts.message().await? {
            if answer.len() + part.bytes.len() > ANSWER_BYTES_MAX {
                let why = format!("the answer has more than {ANSWER_BYTES_MAX} bytes");
                return Ok(Err(Error::Refused { doing: DOING, why }));
            }
            answer.extend_from_slice(&part.bytes);
        }
        Ok(Ok(answer.freeze()))
    }
}
