//! Sends the libraries that the cluster lacks, and only those.

use cofferdam_depot::Depot;
use cofferdam_model::LibraryDigest;
use cofferdam_wire::v1::libraries_client::LibrariesClient;
use cofferdam_wire::v1::{MissingRequest, UploadRequest, upload_request};
use cofferdam_wire::{Packer, chunks};
use futures::stream;

use crate::{Cluster, Error};

impl Cluster {
    /// Which of these the cluster does not have.
    pub async fn missing(&self, digests: &[LibraryDigest]) -> Result<Vec<LibraryDigest>, Error> {
        let asked: Vec<String> = digests.iter().map(LibraryDigest::to_string).collect();
        let request = MissingRequest { digests: asked };
        let reply = LibrariesClient::new(self.link.clone()).missing(request).await;
        let reply = reply.map_err(|status| self.failed("ask for missing libraries")(status))?;
        Ok(reply.into_inner().digests.iter().filter_map(|text| text.parse().ok()).collect())
    }

    /// Sends one library from a depot here.
    pub async fn upload(&self, depot: &Depot, digest: &LibraryDigest) -> Result<(), Error> {
        let doing = "upload a library";
        let library = depot.get(digest).await.map_err(|source| Error::Depot { doing, source })?;
        let head = upload_request::Head { digest: digest.to_string(), size: library.len() as u64 };
        let mut packer = Packer::default();
        let first = UploadRequest { head: Some(head), packed: None };
        let parts =
            chunks(library).map(move |bytes| UploadRequest { head: None, packed: Some(packer.pack(bytes)) });
        let sent = LibrariesClient::new(self.link.clone())
            .upload(stream::iter([first].into_iter().chain(parts)))
            .await;
        sent.map(|_| ()).map_err(|status| self.failed(doing)(status))
    }
}
