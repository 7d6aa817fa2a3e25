//! Values by key, for hosts that have no store in common with this one.

use bytes::Bytes;
use cofferdam_io::{Error, ValueKey, ValueStore, ValueWriter};
use cofferdam_model::{CHUNK_BYTES, OCTET_STREAM, TRANSIENT_PREFIX, ValueDigest, ValueRef};
use cofferdam_wire::v1::values_server::Values;
use cofferdam_wire::v1::{
    DiscardReply, DiscardRequest, ReadRequest, SizeReply, SizeRequest, WriteReply, WriteRequest,
};
use futures::stream::{self, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use crate::access::Deed;
use crate::caller::{Access, Caller, Who};
use crate::parts::{self, Coming, Parts};
use crate::refuse;
use crate::relay::Relay;

pub(crate) struct Service {
    pub(crate) store: ValueStore,
    pub(crate) relay: Relay,
    pub(crate) access: Access,
}

#[tonic::async_trait]
impl Values for Service {
    type ReadStream = Parts;

    async fn size(&self, request: Request<SizeRequest>) -> Result<Response<SizeReply>, Status> {
        let caller = Caller::of(request.extensions());
        let key = parse(&request.into_inner().key)?;
        self.check(&caller, Deed::SeeValues, &key).await?;
        let size = self.store.size(&key).await.map_err(|error| refuse::values(&error))?;
        Ok(Response::new(SizeReply { size }))
    }

    async fn read(&self, request: Request<ReadRequest>) -> Result<Response<Parts>, Status> {
        let caller = Caller::of(request.extensions());
        let ReadRequest { key: name, start } = request.into_inner();
        let key = parse(&name)?;
        self.check(&caller, Deed::SeeValues, &key).await?;
        let size = match self.store.size(&key).await {
            Err(Error::NotFound { .. }) if name.starts_with(TRANSIENT_PREFIX) => {
                self.relay.bring(&key, &name, &self.store).await;
                self.store.size(&key).await
            }
            found => found,
        };
        let size = size.map_err(|error| refuse::values(&error))?;
        if start >= size {
            return Ok(Response::new(parts::out(size, stream::iter([Ok(Bytes::new())]))));
        }
        let store = self.store.clone();
        let chunks = stream::iter((start..size).step_by(CHUNK_BYTES)).then(move |from| {
            let (store, key) = (store.clone(), key.clone());
            async move {
                let to = (from + CHUNK_BYTES as u64).min(size);
                store.read(&key, from..to).await.map_err(|error| refuse::values(&error))
            }
        });
        Ok(Response::new(parts::out(size, chunks)))
    }

    async fn write(&self, request: Request<Streaming<WriteRequest>>) -> Result<Response<WriteReply>, Status> {
        let caller = Caller::of(request.extensions());
        let mut stream = request.into_inner();
        let first = stream.message().await?.and_then(|first| first.head);
        let head = first.ok_or_else(|| Status::invalid_argument("a value begins with its head"))?;
        let key = parse(&head.key)?;
        self.check(&caller, Deed::SendValue, &key).await?;
        let digest = head.digest[..].try_into().map(ValueDigest);
        let digest = digest.map_err(|_| Status::invalid_argument("a digest has 32 bytes"))?;
        let place = self.store.place(&key);
        let value = ValueRef { media_type: OCTET_STREAM.to_owned(), size: head.size, digest, place };
        if self.store.size(&key).await.is_ok() {
            return self.compare(&value).await;
        }
        let _coming = self.relay.coming(&key);
        let mut writer = self.store.writer(key);
        if let Err(status) = take(&mut writer, &value, &mut stream).await {
            writer.abort().await;
            return Err(status);
        }
        match writer.finish().await {
            Ok(_) => Ok(Response::new(WriteReply {})),
            Err(error @ Error::NoSpace { .. }) => Err(refuse::values(&error)),
            // An earlier try, whose connection broke, may have ended meanwhile.
            Err(error) => self.compare(&value).await.map_err(|_| refuse::values(&error)),
        }
    }

    async fn discard(&self, request: Request<DiscardRequest>) -> Result<Response<DiscardReply>, Status> {
        if !matches!(Caller::of(request.extensions()).who, Who::Worker(_) | Who::Open) {
            return Err(Status::permission_denied("only the worker that made a value can discard it"));
        }
        let key = parse(&request.into_inner().key)?;
        if !key.is_for_once() {
            return Err(Status::permission_denied("only what an attempt has streamed can be discarded"));
        }
        self.store.delete(&key).await.map_err(|error| refuse::values(&error))?;
        Ok(Response::new(DiscardReply {}))
    }
}

impl Service {
    /// Workers may; others as their tokens say. What an attempt of a run that is here has made, or will make, comes from
    /// its worker and from nobody else.
    async fn check(&self, caller: &Caller, deed: Deed, key: &ValueKey) -> Result<(), Status> {
        if matches!(caller.who, Who::Worker(_)) {
            return Ok(());
        }
        let Some(run) = key.run() else { return self.access.check(caller, deed) };
        if deed == Deed::SeeValues {
            return self.access.check_run(caller, deed, run).await;
        }
        self.access.check(caller, deed)?;
        match (&caller.who, self.access.log.summary(run).await) {
            // Without encryption workers are no other callers than clients.
            (Who::Open, _) | (_, Err(cofferdam_runlog::Error::UnknownRun(_))) => Ok(()),
            (_, Ok(_)) => Err(Status::permission_denied("the values of a run come from its workers only")),
            (_, Err(error)) => Err(refuse::log(&error)),
        }
    }

    /// A value that is there already, compared with one that comes: the same bytes are a success.
    async fn compare(&self, value: &ValueRef) -> Result<Response<WriteReply>, Status> {
        match self.store.verify(value).await {
            Ok(()) => Ok(Response::new(WriteReply {})),
            Err(Error::DigestMismatch { key, .. }) => Err(refuse::values(&Error::AlreadyExists { key })),
            Err(error) => Err(refuse::values(&error)),
        }
    }
}

/// Takes as many bytes as were announced; a stream that breaks off before is no value. Size and digest are what
/// arrived here, and must be those announced, and those that the key names.
async fn take(
    writer: &mut ValueWriter,
    value: &ValueRef,
    stream: &mut Streaming<WriteRequest>,
) -> Result<(), Status> {
    let mut coming = Coming::new(value.size);
    while !coming.is_whole() {
        let part = stream.message().await?;
        let part = part.ok_or_else(|| Status::aborted("the value broke off before its end"))?;
        writer.write(coming.take(part.packed)?).await.map_err(|error| refuse::values(&error))?;
    }
    if stream.message().await?.is_some() {
        return Err(Status::invalid_argument("more came than was announced"));
    }
    let found = writer.digest();
    if found != value.digest || writer.key().imported().is_some_and(|named| named != found) {
        return Err(Status::data_loss(format!(
            "value `{}` came damaged: what arrived has digest {found}, not {}; send it again",
            writer.key(),
            value.digest
        )));
    }
    Ok(())
}

/// What workers keep is under the same key here, if it comes here.
pub(crate) fn parse(key: &str) -> Result<ValueKey, Status> {
    ValueKey::parse(key.strip_prefix(TRANSIENT_PREFIX).unwrap_or(key)).map_err(|error| refuse::values(&error))
}
