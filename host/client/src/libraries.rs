//! Sends the libraries that the cluster lacks, and only those.

use cofferdam_depot::Depot;
use cofferdam_model::LibraryDigest;
use cofferdam_wire::chunks;
use cofferdam_wire::v1::libraries_client::LibrariesClient;
use cofferdam_wire::v1::{MissingRequest, UploadRequest};
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
        let mut named = Some(digest.to_string());
        let parts: Vec<UploadRequest> = chunks(library)
            .map(|bytes| UploadRequest { digest: named.take().unwrap_or_default(), bytes })
            .collect();
        let sent = LibrariesClient::new(self.link.clone()).upload(stream::iter(parts)).await;
        sent.map(|_| ()).map_err(|status| self.failed(doing)(status))
    }
}
