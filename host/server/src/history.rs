//! What the run log holds, asked from afar.

use std::sync::Arc;

use bytes::Bytes;
use cofferdam_runlog::{Question, RunLog, answer};
use cofferdam_wire::chunks;
use cofferdam_wire::v1::history_server::History;
use cofferdam_wire::v1::{self, Chunk};
use futures::stream::{self, BoxStream, StreamExt};
use tonic::{Request, Response, Status};

use crate::refuse;

pub(crate) struct Service(pub(crate) Arc<dyn RunLog>);

#[tonic::async_trait]
impl History for Service {
    type AskStream = BoxStream<'static, Result<Chunk, Status>>;

    async fn ask(&self, request: Request<v1::Question>) -> Result<Response<Self::AskStream>, Status> {
        let question = Question::decode(&request.into_inner().question).map_err(|_| {
            Status::invalid_argument(
                "this scheduler does not know the question; use the same version of cofferdam on both sides",
            )
        })?;
        let answer = answer(&*self.0, question).await.map_err(|error| refuse::log(&error))?;
        Ok(Response::new(stream::iter(chunks(Bytes::from(answer)).map(|bytes| Ok(Chunk { bytes }))).boxed()))
    }
}
