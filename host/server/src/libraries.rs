//! Libraries by digest: which are lacking, uploads, downloads. The depot verifies.

use bytes::BytesMut;
use cofferdam_depot::Depot;
use cofferdam_model::{LIBRARY_BYTES_MAX, LibraryDigest};
use cofferdam_wire::v1::libraries_server::Libraries;
use cofferdam_wire::v1::{FetchRequest, MissingReply, MissingRequest, UploadReply, UploadRequest};
use tonic::{Request, Response, Status, Streaming};

use crate::parts::{self, Coming, Parts};
use crate::refuse;

/// Digests in one question.
const DIGESTS_MAX: usize = 10_000;

pub(crate) struct Service(pub(crate) Depot);

#[tonic::async_trait]
impl Libraries for Service {
    type FetchStream = Parts;

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
        let mut coming = Coming::new(head.size);
        let mut held = BytesMut::new();
        while let Some(part) = stream.message().await? {
            held.extend_from_slice(&coming.take(part.packed)?);
        }
        if !coming.is_whole() {
            return Err(Status::aborted("the library broke off before its end"));
        }
        let found = cofferdam_depot::digest(&held);
        if found != announced {
            return Err(Status::data_loss(format!(
                "library {announced} came damaged: what arrived has digest {found}; upload it again"
            )));
        }
        self.0.put(held.freeze()).await.map_err(|error| refuse::depot(&error))?;
        Ok(Response::new(UploadReply {}))
    }

    async fn fetch(&self, request: Request<FetchRequest>) -> Result<Response<Parts>, Status> {
        let FetchRequest { digest, start } = request.into_inner();
        let library = self.0.get(&parse(&digest)?).await.map_err(|error| refuse::depot(&error))?;
        Ok(Response::new(parts::rest(library, start)))
    }
}

fn parse(text: &str) -> Result<LibraryDigest, Status> {
    text.parse().map_err(|_| Status::invalid_argument("a digest is `sha256:` and 64 hexadecimal digits"))
}
