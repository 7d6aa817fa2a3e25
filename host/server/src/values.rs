//! Values by key, for hosts that have no store in common with this one.

use cofferdam_io::{ValueKey, ValueStore, ValueWriter};
use cofferdam_model::CHUNK_BYTES;
use cofferdam_wire::v1::values_server::Values;
use cofferdam_wire::v1::{
    Chunk, DiscardReply, DiscardRequest, ReadRequest, SizeReply, SizeRequest, WriteReply, WriteRequest,
};
use futures::stream::{self, BoxStream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use crate::refuse;

pub(crate) struct Service(pub(crate) ValueStore);

#[tonic::async_trait]
impl Values for Service {
    type ReadStream = BoxStream<'static, Result<Chunk, Status>>;

    async fn size(&self, request: Request<SizeRequest>) -> Result<Response<SizeReply>, Status> {
        let key = parse(&request.into_inner().key)?;
        let size = self.0.size(&key).await.map_err(|error| refuse::values(&error))?;
        Ok(Response::new(SizeReply { size }))
    }

    async fn read(&self, request: Request<ReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        let ReadRequest { key, start, end } = request.into_inner();
        let key = parse(&key)?;
        let size = self.0.size(&key).await.map_err(|error| refuse::values(&error))?;
        let end = end.unwrap_or(size).min(size);
        let store = self.0.clone();
        let parts = stream::iter((start..end).step_by(CHUNK_BYTES)).then(move |from| {
            let (store, key) = (store.clone(), key.clone());
            async move {
                let to = (from + CHUNK_BYTES as u64).min(end);
                let bytes = store.read(&key, from..to).await.map_err(|error| refuse::values(&error))?;
                Ok(Chunk { bytes })
            }
        });
        Ok(Response::new(parts.boxed()))
    }

    async fn write(&self, request: Request<Streaming<WriteRequest>>) -> Result<Response<WriteReply>, Status> {
        let mut stream = request.into_inner();
        let first = stream.message().await?.ok_or_else(|| Status::invalid_argument("the value is empty"))?;
        let key = parse(&first.key)?;
        let mut writer = self.0.writer(key);
        match take(&mut writer, first, &mut stream).await {
            Ok(()) => {
                writer.finish().await.map_err(|error| refuse::values(&error))?;
                Ok(Response::new(WriteReply {}))
            }
            Err(status) => {
                writer.abort().await;
                Err(status)
            }
        }
    }

    async fn discard(&self, request: Request<DiscardRequest>) -> Result<Response<DiscardReply>, Status> {
        let key = parse(&request.into_inner().key)?;
        if !key.is_for_once() {
            return Err(Status::permission_denied("only what an attempt has streamed can be discarded"));
        }
        self.0.delete(&key).await.map_err(|error| refuse::values(&error))?;
        Ok(Response::new(DiscardReply {}))
    }
}

/// Takes a value to its end, which is said: a stream that breaks off is none.
async fn take(
    writer: &mut ValueWriter,
    first: WriteRequest,
    stream: &mut Streaming<WriteRequest>,
) -> Result<(), Status> {
    let mut next = Some(first);
    while let Some(part) = next {
        writer.write(part.bytes).await.map_err(|error| refuse::values(&error))?;
        if part.last {
            return match writer.key().imported() {
                Some(named) if named != writer.digest() => {
                    Err(Status::data_loss("the bytes are not those that the key names; send them again"))
                }
                _ => Ok(()),
            };
        }
        next = stream.message().await?;
    }
    Err(Status::aborted("the value broke off before its end"))
}

fn parse(key: &str) -> Result<ValueKey, Status> {
    ValueKey::parse(key).map_err(|error| refuse::values(&error))
}
