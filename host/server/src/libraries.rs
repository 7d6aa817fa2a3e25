//! Libraries by digest: which are lacking, uploads, downloads. The depot verifies.

use std::collections::{HashMap, HashSet};

use bytes::{Bytes, BytesMut};
use cofferdam_crash::reach;
use cofferdam_depot::Depot;
use cofferdam_model::{LIBRARY_BYTES_MAX, LibraryDigest, ValueDigest};
use cofferdam_wire::v1::libraries_server::Libraries;
use cofferdam_wire::v1::{
    ChunkList, ChunksRequest, CompiledReply, CompiledRequest, FetchChunksRequest, FetchRequest, MissingReply,
    MissingRequest, Packed, UploadReply, UploadRequest,
};
use cofferdam_wire::{Packer, join_digests, split_digests, unpack};
use futures::stream::{self, BoxStream, StreamExt as _};
use serde_json::json;
use tonic::{Request, Response, Status, Streaming};

use crate::access::Deed;
use crate::caller::{Access, Caller, Who};
use crate::compiled::Compiled;
use crate::parts::{self, Coming, Parts};
use crate::refuse;

/// Digests in one question.
const DIGESTS_MAX: usize = 10_000;

pub(crate) struct Service {
    pub(crate) depot: Depot,
    /// None if this instance compiles nothing for workers.
    pub(crate) compiled: Option<Compiled>,
    pub(crate) access: Access,
}

#[tonic::async_trait]
impl Libraries for Service {
    type FetchStream = Parts;
    type FetchChunksStream = BoxStream<'static, Result<Packed, Status>>;

    async fn missing(&self, request: Request<MissingRequest>) -> Result<Response<MissingReply>, Status> {
        self.check(&request, Deed::SeeLibraries)?;
        let asked = request.into_inner().digests;
        if asked.len() > DIGESTS_MAX {
            return Err(Status::invalid_argument(format!(
                "at most {DIGESTS_MAX} digests may be asked for at once"
            )));
        }
        let mut digests = vec![];
        for text in asked {
            if !self.depot.contains(&parse(&text)?).await.map_err(|error| refuse::depot(&error))? {
                digests.push(text);
            }
        }
        Ok(Response::new(MissingReply { digests }))
    }

    async fn upload(
        &self,
        request: Request<Streaming<UploadRequest>>,
    ) -> Result<Response<UploadReply>, Status> {
        self.check(&request, Deed::SendLibrary)?;
        let caller = Caller::of(request.extensions());
        let mut stream = request.into_inner();
        let first = stream.message().await?.and_then(|first| first.head);
        let head = first.ok_or_else(|| Status::invalid_argument("a library begins with its head"))?;
        let announced = parse(&head.digest)?;
        if head.size > LIBRARY_BYTES_MAX {
            return Err(Status::invalid_argument(format!("a library has at most {LIBRARY_BYTES_MAX} bytes")));
        }
        let named = chunks(&head.chunks)?;
        let held = match named.is_empty() {
            true => whole(&mut stream, head.size).await?,
            false => self.joined(&mut stream, &named, head.size).await?,
        };
        let found = cofferdam_depot::digest(&held);
        if found != announced {
            return Err(Status::data_loss(format!(
                "library {announced} came damaged: what arrived has digest {found}; upload it again"
            )));
        }
        self.access
            .record(&caller, Deed::SendLibrary, json!({ "library": found, "bytes": head.size }))
            .await?;
        reach("library.before_put");
        self.depot.put(held).await.map_err(|error| refuse::depot(&error))?;
        reach("library.after_put");
        Ok(Response::new(UploadReply {}))
    }

    async fn fetch(&self, request: Request<FetchRequest>) -> Result<Response<Parts>, Status> {
        self.check(&request, Deed::SeeLibraries)?;
        let FetchRequest { digest, start } = request.into_inner();
        let library = self.depot.get(&parse(&digest)?).await.map_err(|error| refuse::depot(&error))?;
        Ok(Response::new(parts::rest(library, start)))
    }

    async fn missing_chunks(&self, request: Request<ChunkList>) -> Result<Response<ChunkList>, Status> {
        self.check(&request, Deed::SendLibrary)?;
        let asked = chunks(&request.into_inner().chunks)?;
        let missing = self.depot.missing_chunks(asked).await.map_err(|error| refuse::depot(&error))?;
        Ok(Response::new(ChunkList { chunks: join_digests(&missing), size: 0 }))
    }

    async fn chunks(&self, request: Request<ChunksRequest>) -> Result<Response<ChunkList>, Status> {
        self.check(&request, Deed::SeeLibraries)?;
        let digest = parse(&request.into_inner().digest)?;
        let (chunks, size) = self.depot.chunks(&digest).await.map_err(|error| refuse::depot(&error))?;
        Ok(Response::new(ChunkList { chunks: join_digests(&chunks), size }))
    }

    async fn fetch_chunks(
        &self,
        request: Request<FetchChunksRequest>,
    ) -> Result<Response<Self::FetchChunksStream>, Status> {
        self.check(&request, Deed::SeeLibraries)?;
        let FetchChunksRequest { digest, chunks: asked } = request.into_inner();
        let (digest, asked) = (parse(&digest)?, chunks(&asked)?);
        let library = self.depot.get(&digest).await.map_err(|error| refuse::depot(&error))?;
        let has: HashMap<ValueDigest, Bytes> = cofferdam_depot::cut(&library).into_iter().collect();
        let mut packer = Packer::default();
        let found = asked.into_iter().map(move |chunk| match has.get(&chunk) {
            Some(bytes) => Ok(packer.pack(bytes.clone())),
            None => Err(Status::not_found(format!("library {digest} has no chunk {chunk}"))),
        });
        Ok(Response::new(stream::iter(found).boxed()))
    }

    async fn compiled(&self, request: Request<CompiledRequest>) -> Result<Response<CompiledReply>, Status> {
        self.check(&request, Deed::SeeLibraries)?;
        let compiled = self.compiled.as_ref();
        let compiled = compiled
            .ok_or_else(|| Status::failed_precondition("this instance compiles nothing for its workers"))?;
        let asked = request.into_inner();
        Ok(Response::new(compiled.get(parse(&asked.digest)?, &asked).await?))
    }
}

impl Service {
    /// Workers may look; they send nothing.
    fn check<T>(&self, request: &Request<T>, deed: Deed) -> Result<(), Status> {
        let caller = Caller::of(request.extensions());
        match caller.who {
            Who::Worker(_) if deed == Deed::SeeLibraries => Ok(()),
            _ => self.access.check(&caller, deed),
        }
    }

    /// A library from the chunks that come and those that are here.
    async fn joined(
        &self,
        stream: &mut Streaming<UploadRequest>,
        named: &[ValueDigest],
        size: u64,
    ) -> Result<Bytes, Status> {
        let known: HashSet<&ValueDigest> = named.iter().collect();
        let (mut brought, mut left) = (HashMap::new(), size);
        while let Some(part) = stream.message().await? {
            let bytes = unpack(part.packed)
                .map_err(|damaged| Status::data_loss(format!("{damaged}; upload it again")))?;
            let chunk = ValueDigest::of(&bytes);
            let fits = left.checked_sub(bytes.len() as u64).filter(|_| !bytes.is_empty());
            left = fits.ok_or_else(|| Status::invalid_argument("more or less came than was announced"))?;
            if !known.contains(&chunk) || brought.insert(chunk, bytes).is_some() {
                return Err(Status::invalid_argument("a chunk came twice, or one that was not named"));
            }
        }
        let joined = self.depot.join(named, &brought, size).await.map_err(|error| refuse::depot(&error))?;
        joined.ok_or_else(|| {
            Status::failed_precondition(
                "some chunks of the library are neither here nor came; upload all of it",
            )
        })
    }
}

/// A library that comes from its first byte to its last.
async fn whole(stream: &mut Streaming<UploadRequest>, size: u64) -> Result<Bytes, Status> {
    let mut coming = Coming::new(size);
    let mut held = BytesMut::new();
    while let Some(part) = stream.message().await? {
        held.extend_from_slice(&coming.take(part.packed)?);
    }
    if !coming.is_whole() {
        return Err(Status::aborted("the library broke off before its end"));
    }
    Ok(held.freeze())
}

fn chunks(bytes: &[u8]) -> Result<Vec<ValueDigest>, Status> {
    split_digests(bytes).ok_or_else(|| Status::invalid_argument("digests of chunks have 32 bytes each"))
}

fn parse(text: &str) -> Result<LibraryDigest, Status> {
    text.parse().map_err(|_| Status::invalid_argument("a digest is `sha256:` and 64 hexadecimal digits"))
}
