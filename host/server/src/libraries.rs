//! Libraries by digest: which are lacking, uploads, downloads. The depot verifies.

use std::collections::{HashMap, HashSet};

use bytes::{Bytes, BytesMut};
use cofferdam_depot::Depot;
use cofferdam_model::{LIBRARY_BYTES_MAX, LibraryDigest, ValueDigest};
use cofferdam_wire::v1::libraries_server::Libraries;
use cofferdam_wire::v1::{
    ChunkList, ChunksRequest, FetchChunksRequest, FetchRequest, MissingReply, MissingRequest, Packed,
    UploadReply, UploadRequest,
};
use cofferdam_wire::{Packer, join_digests, split_digests, unpack};
use futures::stream::{self, BoxStream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

use crate::parts::{self, Coming, Parts};
use crate::refuse;

/// Digests in one question.
const DIGESTS_MAX: usize = 10_000;

pub(crate) struct Service(pub(crate) Depot);

#[tonic::async_trait]
impl Libraries for Service {
    type FetchStream = Parts;
    type FetchChunksStream = BoxStream<'static, Result<Packed, Status>>;

    async fn missing(&self, request: Request<MissingRequest>) -> Result<Response<MissingReply>, Status> {
        let asked = request.into_inner().digests;
        if asked.len() > DIGESTS_MAX {
            return Err(Status::invalid_argument(format!(
                "at most {DIGESTS_MAX} digests may be asked for at once"
            )));
        }
        let mut digests = vec![];
        for text in asked {
            if !self.0.contains(&parse(&text)?).await.map_err(|error| refuse::depot(&error))? {
                digests.push(text);
            }
        }
        Ok(Response::new(MissingReply { digests }))
    }

    async fn upload(
        &self,
        request: Request<Streaming<UploadRequest>>,
    ) -> Result<Response<UploadReply>, Status> {
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
        self.0.put(held).await.map_err(|error| refuse::depot(&error))?;
        Ok(Response::new(UploadReply {}))
    }

    async fn fetch(&self, request: Request<FetchRequest>) -> Result<Response<Parts>, Status> {
        let FetchRequest { digest, start } = request.into_inner();
        let library = self.0.get(&parse(&digest)?).await.map_err(|error| refuse::depot(&error))?;
        Ok(Response::new(parts::rest(library, start)))
    }

    async fn missing_chunks(&self, request: Request<ChunkList>) -> Result<Response<ChunkList>, Status> {
        let asked = chunks(&request.into_inner().chunks)?;
        let missing = self.0.missing_chunks(asked).await.map_err(|error| refuse::depot(&error))?;
        Ok(Response::new(ChunkList { chunks: join_digests(&missing), size: 0 }))
    }

    async fn chunks(&self, request: Request<ChunksRequest>) -> Result<Response<ChunkList>, Status> {
        let digest = parse(&request.into_inner().digest)?;
        let (chunks, size) = self.0.chunks(&digest).await.map_err(|error| refuse::depot(&error))?;
        Ok(Response::new(ChunkList { chunks: join_digests(&chunks), size }))
    }

    async fn fetch_chunks(
        &self,
        request: Request<FetchChunksRequest>,
    ) -> Result<Response<Self::FetchChunksStream>, Status> {
        let FetchChunksRequest { digest, chunks: asked } = request.into_inner();
        let (digest, asked) = (parse(&digest)?, chunks(&asked)?);
        let library = self.0.get(&digest).await.map_err(|error| refuse::depot(&error))?;
        let has: HashMap<ValueDigest, Bytes> = cofferdam_depot::cut(&library).into_iter().collect();
        let mut packer = Packer::default();
        let found = asked.into_iter().map(move |chunk| match has.get(&chunk) {
            Some(bytes) => Ok(packer.pack(bytes.clone())),
            None => Err(Status::not_found(format!("library {digest} has no chunk {chunk}"))),
        });
        Ok(Response::new(stream::iter(found).boxed()))
    }
}

impl Service {
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
        let joined = self.0.join(named, &brought, size).await.map_err(|error| refuse::depot(&error))?;
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
