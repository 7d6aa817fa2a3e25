//! Sends the libraries that the cluster lacks, and only those.

use std::collections::HashSet;

use bytes::Bytes;
use cofferdam_depot::Depot;
use cofferdam_model::{LibraryDigest, ValueDigest};
use cofferdam_wire::v1::libraries_client::LibrariesClient;
use cofferdam_wire::v1::{ChunkList, MissingRequest, UploadRequest, upload_request};
use cofferdam_wire::{MESSAGE_BYTES_MAX, Packer, chunks, join_digests, split_digests};
use futures::stream;
use tonic::Code;

use crate::{Cluster, Error};

impl Cluster {
    /// Which of these the cluster does not have.
    pub async fn missing(&self, digests: &[LibraryDigest]) -> Result<Vec<LibraryDigest>, Error> {
        let asked: Vec<String> = digests.iter().map(LibraryDigest::to_string).collect();
        let request = MissingRequest { digests: asked };
        let reply = LibrariesClient::new(self.link()).missing(request).await;
        let reply = reply.map_err(|status| self.failed("ask for missing libraries")(status))?;
        Ok(reply.into_inner().digests.iter().filter_map(|text| text.parse().ok()).collect())
    }

    /// Sends one library from a depot here; of a large one only the chunks that no library there has.
    pub async fn upload(&self, depot: &Depot, digest: &LibraryDigest) -> Result<(), Error> {
        let doing = "upload a library";
        let library = depot.get(digest).await.map_err(|source| Error::Depot { doing, source })?;
        let mut libraries = LibrariesClient::new(self.link()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let cut = cofferdam_depot::cut(&library);
        let mut head = upload_request::Head {
            digest: digest.to_string(),
            size: library.len() as u64,
            chunks: join_digests(&cut.iter().map(|(chunk, _)| *chunk).collect::<Vec<_>>()),
        };
        if !cut.is_empty() {
            let asked = libraries.missing_chunks(ChunkList { chunks: head.chunks.clone(), size: 0 }).await;
            let missing = asked.map_err(|status| self.failed(doing)(status))?.into_inner().chunks;
            let mut missing: HashSet<ValueDigest> =
                split_digests(&missing).unwrap_or_default().into_iter().collect();
            let parts =
                cut.into_iter().filter(|(chunk, _)| missing.remove(chunk)).map(|(_, bytes)| bytes).collect();
            match libraries.upload(stream::iter(message(head.clone(), parts))).await {
                // Another library that had some of them was deleted meanwhile.
                Err(status) if status.code() == Code::FailedPrecondition => head.chunks.clear(),
                sent => return sent.map(|_| ()).map_err(|status| self.failed(doing)(status)),
            }
        }
        let sent = libraries.upload(stream::iter(message(head, chunks(library).collect()))).await;
        sent.map(|_| ()).map_err(|status| self.failed(doing)(status))
    }
}

fn message(head: upload_request::Head, parts: Vec<Bytes>) -> impl Iterator<Item = UploadRequest> {
    let mut packer = Packer::default();
    let first = UploadRequest { head: Some(head), packed: None };
    let rest =
        parts.into_iter().map(move |bytes| UploadRequest { head: None, packed: Some(packer.pack(bytes)) });
    std::iter::once(first).chain(rest)
}
