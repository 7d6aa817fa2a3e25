//! Sends the libraries that the cluster lacks, and only those; asks for compiled ones.

use std::collections::HashSet;

use bytes::Bytes;
use cofferdam_depot::Depot;
use cofferdam_model::{LibraryDigest, ValueDigest, ValueRef};
use cofferdam_wire::v1::libraries_client::LibrariesClient;
use cofferdam_wire::v1::{ChunkList, CompiledRequest, MissingRequest, UploadRequest, upload_request};
use cofferdam_wire::{
    MESSAGE_BYTES_MAX, Packer, chunks, compiled_statement, decode, join_digests, split_digests,
};
use futures::stream;
use tonic::{Code, Status};

use crate::again::Again;
use crate::{Cluster, Error};

impl Cluster {
    /// Which of these the cluster does not have.
    pub async fn missing(&self, digests: &[LibraryDigest]) -> Result<Vec<LibraryDigest>, Error> {
        self.ask_missing(digests, "ask for missing libraries").await
    }

    pub(crate) async fn ask_missing(
        &self,
        digests: &[LibraryDigest],
        doing: &'static str,
    ) -> Result<Vec<LibraryDigest>, Error> {
        let asked: Vec<String> = digests.iter().map(LibraryDigest::to_string).collect();
        let request = MissingRequest { digests: asked };
        let reply = LibrariesClient::new(self.link()).missing(request).await;
        let reply = reply.map_err(|status| self.failed(doing)(status))?;
        Ok(reply.into_inner().digests.iter().filter_map(|text| text.parse().ok()).collect())
    }

    /// A library compiled for the engine of a worker's host, if the cluster compiles it; its authority has signed that it is.
    /// Only for a worker that has joined.
    pub async fn compiled(
        &self,
        library: &LibraryDigest,
        engine: &str,
        fuel: bool,
    ) -> Result<ValueRef, Error> {
        let doing = "ask for a compiled library";
        let refuse = |why: &str| Error::Refused { doing, why: why.to_owned() };
        let own = self.credentials();
        let own = own.ok_or_else(|| refuse("nothing is encrypted, so nobody can vouch for it"))?;
        let request = CompiledRequest { digest: library.to_string(), engine: engine.to_owned(), fuel };
        let reply = LibrariesClient::new(self.link()).compiled(request).await;
        let reply = reply.map_err(|status| self.failed(doing)(status))?.into_inner();
        let value: ValueRef =
            decode(&reply.value, "a compiled library").map_err(|error| refuse(&error.to_string()))?;
        let statement = compiled_statement(library, engine, fuel, &value.digest);
        match own.is_vouched_artefact(&statement, &reply.signature) {
            true => Ok(value),
            false => Err(refuse("its signature is not the authority's")),
        }
    }

    /// Sends one library from a depot here; of a large one only the chunks that no library there has. A scheduler that is
    /// away for a while is waited for: what was sent before is not sent twice if it was kept.
    pub async fn upload(&self, depot: &Depot, digest: &LibraryDigest) -> Result<(), Error> {
        let doing = "upload a library";
        let library = depot.get(digest).await.map_err(|source| Error::Depot { doing, source })?;
        let mut again = Again::default();
        loop {
            match self.send(&library, digest).await {
                Ok(()) => return Ok(()),
                Err(status) => again.after(status).await.map_err(|status| self.failed(doing)(status))?,
            }
        }
    }

    async fn send(&self, library: &Bytes, digest: &LibraryDigest) -> Result<(), Status> {
        let mut libraries = LibrariesClient::new(self.link()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let cut = cofferdam_depot::cut(library);
        let mut head = upload_request::Head {
            digest: digest.to_string(),
            size: library.len() as u64,
            chunks: join_digests(&cut.iter().map(|(chunk, _)| *chunk).collect::<Vec<_>>()),
        };
        if !cut.is_empty() {
            let asked = libraries.missing_chunks(ChunkList { chunks: head.chunks.clone(), size: 0 }).await;
            let missing = split_digests(&asked?.into_inner().chunks);
            let mut missing: HashSet<ValueDigest> = missing.unwrap_or_default().into_iter().collect();
            let parts =
                cut.into_iter().filter(|(chunk, _)| missing.remove(chunk)).map(|(_, bytes)| bytes).collect();
            match libraries.upload(stream::iter(message(head.clone(), parts))).await {
                // Another library that had some of them was deleted meanwhile.
                Err(status) if status.code() == Code::FailedPrecondition => head.chunks.clear(),
                sent => return sent.map(|_| ()),
            }
        }
        libraries.upload(stream::iter(message(head, chunks(library.clone()).collect()))).await.map(|_| ())
    }
}

fn message(head: upload_request::Head, parts: Vec<Bytes>) -> impl Iterator<Item = UploadRequest> {
    let mut packer = Packer::default();
    let first = UploadRequest { head: Some(head), packed: None };
    let rest =
        parts.into_iter().map(move |bytes| UploadRequest { head: None, packed: Some(packer.pack(bytes)) });
    std::iter::once(first).chain(rest)
}
