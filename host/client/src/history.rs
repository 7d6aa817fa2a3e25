//! What the cluster's run log holds.

use bytes::{Bytes, BytesMut};
use cofferdam_wire::v1::Question;
use cofferdam_wire::v1::history_client::HistoryClient;

use crate::{Cluster, Error};

/// Longest answer that is taken. Answers have a bound of rows; this is far above what such rows hold.
const ANSWER_BYTES_MAX: usize = 512 * 1024 * 1024;

impl Cluster {
    /// Asks the run log a question in the form that both sides of it know; gives the answer in its form.
    pub async fn ask(&self, question: impl Into<Bytes>) -> Result<Bytes, Error> {
        let doing = "read the run log";
        let failed = self.failed(doing);
        let request = Question { question: question.into() };
        let asked = HistoryClient::new(self.link()).ask(request).await;
        let mut parts = asked.map_err(&failed)?.into_inner();
        let mut answer = BytesMut::new();
        while let Some(part) = parts.message().await.map_err(&failed)? {
            if answer.len() + part.bytes.len() > ANSWER_BYTES_MAX {
                let why = format!("the answer has more than {ANSWER_BYTES_MAX} bytes");
                return Err(Error::Refused { doing, why });
            }
            answer.extend_from_slice(&part.bytes);
        }
        Ok(answer.freeze())
    }
}
