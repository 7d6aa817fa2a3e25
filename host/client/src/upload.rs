//! One object on its way to the cluster, which sees it whole or not at all: written into the folder here first, then
//! sent, as often as it takes.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cofferdam_model::{CHUNK_BYTES, TRANSIENT_PREFIX, ValueDigest};
use cofferdam_wire::Packer;
use cofferdam_wire::v1::values_client::ValuesClient;
use cofferdam_wire::v1::{WriteRequest, write_request};
use futures::stream::{self, Stream, StreamExt};
use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};
use tonic::Status;

use crate::Link;
use crate::again::Again;
use crate::draft::Draft;
use crate::near::Near;
use crate::objects::{here, of};

pub(crate) struct Upload {
    values: ValuesClient<Link>,
    location: Path,
    near: Near,
    /// Whether it stays here, with the worker that keeps it.
    stays: bool,
    /// None when it has ended. A part may outlive the call that gave it.
    draft: Arc<tokio::sync::Mutex<Option<Draft>>>,
}

impl Upload {
    pub(crate) fn start(values: ValuesClient<Link>, near: &Near, location: Path) -> Result<Upload> {
        let draft = near.draft().map_err(|error| here(&location, error))?;
        let near = near.clone();
        let stays = location.as_ref().starts_with(TRANSIENT_PREFIX);
        Ok(Upload { values, location, near, stays, draft: Arc::new(tokio::sync::Mutex::new(Some(draft))) })
    }
}

/// Sends a file until it has arrived or is refused.
pub(crate) async fn send(
    values: &ValuesClient<Link>,
    location: &Path,
    file: &Arc<File>,
    size: u64,
    digest: ValueDigest,
) -> Result<()> {
    let head = write_request::Head { key: location.to_string(), size, digest: digest.0.to_vec().into() };
    let mut again = Again::default();
    loop {
        let broken = Arc::new(Mutex::new(None));
        let parts = parts(head.clone(), file.clone(), broken.clone());
        let Err(status) = values.clone().write(parts).await else { return Ok(()) };
        if let Some(error) = broken.lock().expect("nobody panics while holding it").take() {
            return Err(here(location, error));
        }
        again.after(status).await.map_err(|status| of(location, status))?;
    }
}

/// What is sent of a file. If it cannot be read any more the stream ends early, and `broken` says why.
fn parts(
    head: write_request::Head,
    file: Arc<File>,
    broken: Arc<Mutex<Option<io::Error>>>,
) -> impl Stream<Item = WriteRequest> {
    let size = head.size;
    let first = WriteRequest { head: Some(head), packed: None };
    let rest = stream::unfold((0, Packer::default()), move |(at, mut packer)| {
        let (file, broken) = (file.clone(), broken.clone());
        async move {
            let length = (size - at).min(CHUNK_BYTES as u64);
            if length == 0 {
                return None;
            }
            let read = tokio::task::spawn_blocking(move || {
                let mut bytes = vec![0; length as usize];
                file.read_exact_at(&mut bytes, at)
                    .map(|()| packer.pack(bytes.into()))
                    .map(|part| (part, packer))
            });
            match read.await.expect("reading does not panic") {
                Ok((packed, packer)) => {
                    let part = WriteRequest { head: None, packed: Some(packed) };
                    Some((part, (at + length, packer)))
                }
                Err(error) => {
                    *broken.lock().expect("nobody panics while holding it") = Some(error);
                    None
                }
            }
        }
    });
    stream::iter([first]).chain(rest)
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "upload of {}", self.location)
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        let (draft, location) = (self.draft.clone(), self.location.clone());
        Box::pin(async move {
            let mut draft = draft.lock().await;
            let draft = draft.as_mut().ok_or_else(|| ended(&location))?;
            for bytes in payload {
                draft.write(bytes).await.map_err(|error| here(&location, error))?;
            }
            Ok(())
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let draft = self.draft.lock().await.take().ok_or_else(|| ended(&self.location))?;
        if self.stays {
            draft.keep(self.location.as_ref()).map_err(|error| here(&self.location, error))?;
            return Ok(PutResult { e_tag: None, version: None, extensions: Default::default() });
        }
        send(&self.values, &self.location, &draft.file, draft.size, draft.digest()).await?;
        self.near.sent(draft.size);
        // What this host has made it need not fetch. Without room for that it is whole elsewhere all the same.
        if let Err(error) = draft.keep(self.location.as_ref()) {
            tracing::warn!(key = %self.location, %error, "what was sent is not kept here");
        }
        Ok(PutResult { e_tag: None, version: None, extensions: Default::default() })
    }

    async fn abort(&mut self) -> Result<()> {
        *self.draft.lock().await = None;
        Ok(())
    }
}

fn ended(location: &Path) -> object_store::Error {
    of(location, Status::aborted("the upload has ended already"))
}
