//! The kind `blob`: objects in a bucket, in a folder or in memory, all confined to the prefix of the settings.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_model::{FaultKind, ResourceAnswer, ResourceFault};
use futures::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, RetryConfig};
use serde::Deserialize;

use crate::Place;
use crate::fault::{fault, told};
use crate::keyvalue::page;
use crate::settings::{Resolver, Span, TIMEOUT, Text, parse};

/// Most bytes that one read answers with; a larger object is read in pieces.
const READ_BYTES_MAX: u32 = 8 * 1024 * 1024;
/// Largest object that is written: it comes in one frame and is sent in one request.
const WRITE_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Paths in one page of a listing.
const PAGE_PATHS: usize = 1000;
/// Repeated requests to a store that fails for a moment; the op's own retries come on top.
const RETRIES_MAX: usize = 3;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    url: Text,
    endpoint: Option<Text>,
    region: Option<Text>,
    access_key_id: Option<Text>,
    secret_access_key: Option<Text>,
    session_token: Option<Text>,
    timeout: Option<Span>,
}

pub(crate) struct Blob {
    store: Arc<dyn ObjectStore>,
    /// Whether the store lists in the order of names, so that a listing can stop after a page.
    ordered: bool,
    pub(crate) timeout: Option<Duration>,
}

impl Blob {
    /// Connects to nothing yet; a folder is made if it is missing.
    pub(crate) fn open(
        settings: &serde_json::Value,
        place: &Place,
        resolver: &mut Resolver,
    ) -> Result<Blob, ResourceFault> {
        let settings: Settings = parse(settings)?;
        let timeout = settings.timeout.map(|span| span.0);
        let url = resolver.text("url", settings.url.clone())?;
        let (store, ordered): (Arc<dyn ObjectStore>, bool) = if let Some(rest) = url.strip_prefix("s3://") {
            (s3(rest, settings, resolver)?, true)
        } else if let Some(folder) = url.strip_prefix("file:") {
            (folder_store(&place.folder.join(folder.strip_prefix("//").unwrap_or(folder)))?, false)
        } else if url == "memory:" {
            (Arc::new(InMemory::new()), true)
        } else {
            let message = "`url` is not of the form `s3://bucket/prefix`, `file:folder` or `memory:`";
            return Err(fault(FaultKind::Invalid, message));
        };
        Ok(Blob { store, ordered, timeout })
    }

    pub(crate) async fn read(
        &self,
        path: &str,
        offset: u64,
        length: u32,
    ) -> Result<ResourceAnswer, ResourceFault> {
        let at = object(path)?;
        let length = u64::from(length.min(READ_BYTES_MAX));
        // A store refuses a range that holds no byte, so the size comes first; that also tells a missing object.
        let Some(size) = self.size_of(path, &at).await? else { return Ok(ResourceAnswer::Bytes(None)) };
        let end = offset.saturating_add(length).min(size);
        if offset >= end {
            return Ok(ResourceAnswer::Bytes(Some(Vec::new().into())));
        }
        let options = GetOptions { range: Some((offset..end).into()), ..GetOptions::default() };
        let read = async { self.store.get_opts(&at, options).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(ResourceAnswer::Bytes(Some(Vec::from(bytes).into()))),
            Err(object_store::Error::NotFound { .. }) => Ok(ResourceAnswer::Bytes(None)),
            Err(error) => Err(failed("read", path, &error)),
        }
    }

    pub(crate) async fn size(&self, path: &str) -> Result<ResourceAnswer, ResourceFault> {
        Ok(ResourceAnswer::Size(self.size_of(path, &object(path)?).await?))
    }

    async fn size_of(&self, path: &str, at: &Path) -> Result<Option<u64>, ResourceFault> {
        match self.store.head(at).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("look at", path, &error)),
        }
    }

    pub(crate) async fn write(&self, path: &str, bytes: Vec<u8>) -> Result<ResourceAnswer, ResourceFault> {
        let at = object(path)?;
        if bytes.len() > WRITE_BYTES_MAX {
            let message = format!(
                "an object that is written has at most {WRITE_BYTES_MAX} bytes, `{path}` has {}",
                bytes.len()
            );
            return Err(fault(FaultKind::TooLarge, message));
        }
        self.store.put(&at, bytes.into()).await.map_err(|error| failed("write", path, &error))?;
        Ok(ResourceAnswer::Done)
    }

    /// Removes the object; there need not be one.
    pub(crate) async fn delete(&self, path: &str) -> Result<ResourceAnswer, ResourceFault> {
        match self.store.delete(&object(path)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(ResourceAnswer::Done),
            Err(error) => Err(failed("delete", path, &error)),
        }
    }

    pub(crate) async fn list(
        &self,
        prefix: &str,
        after: Option<String>,
    ) -> Result<ResourceAnswer, ResourceFault> {
        // Stores list whole folders; the rest of the prefix is compared here.
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let folder = Path::parse(folder).map_err(|_| malformed(prefix))?;
        let folder = (!folder.as_ref().is_empty()).then_some(folder);
        let mut found = match &after {
            Some(after) => {
                let after = Path::parse(after).map_err(|_| malformed(after))?;
                self.store.list_with_offset(folder.as_ref(), &after)
            }
            None => self.store.list(folder.as_ref()),
        };
        // The smallest ones, one more than a page, out of any order.
        let mut paths: BTreeSet<String> = BTreeSet::new();
        while let Some(meta) = found.try_next().await.map_err(|error| failed("list", prefix, &error))? {
            let path = meta.location.to_string();
            if path.starts_with(prefix) {
                paths.insert(path);
            }
            if paths.len() > PAGE_PATHS + 1 {
                paths.pop_last();
            }
            if self.ordered && paths.len() > PAGE_PATHS {
                break;
            }
        }
        Ok(page(paths.into_iter().collect(), PAGE_PATHS))
    }
}

fn s3(
    rest: &str,
    settings: Settings,
    resolver: &mut Resolver,
) -> Result<Arc<dyn ObjectStore>, ResourceFault> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = Path::parse(prefix.trim_end_matches('/')).map_err(|_| malformed(prefix))?;
    let timeout = settings.timeout.map_or(TIMEOUT, |span| span.0);
    let retry = RetryConfig { max_retries: RETRIES_MAX, retry_timeout: timeout, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::new().with_bucket_name(bucket).with_retry(retry);
    if let Some(endpoint) = resolver.optional("endpoint", settings.endpoint)? {
        builder = builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
    }
    if let Some(region) = resolver.optional("region", settings.region)? {
        builder = builder.with_region(region);
    }
    let key = resolver.optional("access_key_id", settings.access_key_id)?;
    let secret = resolver.optional("secret_access_key", settings.secret_access_key)?;
    builder = match (key, secret) {
        (Some(key), Some(secret)) => builder.with_access_key_id(key).with_secret_access_key(secret),
        // Never the credentials that the worker's machine happens to have.
        (None, None) => builder.with_skip_signature(true),
        _ => {
            let message = "`access_key_id` and `secret_access_key` belong together: set both, or neither for a public bucket";
            return Err(fault(FaultKind::Invalid, message));
        }
    };
    if let Some(token) = resolver.optional("session_token", settings.session_token)? {
        builder = builder.with_token(token);
    }
    cofferdam_egress::install_tls();
    let store = builder.build().map_err(|error| {
        fault(
            FaultKind::Invalid,
            format!("the bucket cannot be reached with these settings: {}", told(&error)),
        )
    })?;
    Ok(Arc::new(PrefixStore::new(store, prefix)))
}

fn folder_store(folder: &std::path::Path) -> Result<Arc<dyn ObjectStore>, ResourceFault> {
    let unusable = |cause: String| {
        fault(FaultKind::Failed, format!("failed to open the folder `{}`: {cause}", folder.display()))
    };
    std::fs::create_dir_all(folder).map_err(|error| unusable(error.to_string()))?;
    let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| unusable(told(&error)))?;
    Ok(Arc::new(store))
}

/// The path of an object: relative, without `.`, `..` and empty parts.
fn object(path: &str) -> Result<Path, ResourceFault> {
    if path.is_empty() {
        return Err(fault(FaultKind::Invalid, "the path of an object is empty"));
    }
    Path::parse(path).map_err(|_| malformed(path))
}

fn malformed(path: &str) -> ResourceFault {
    let message = format!(
        "`{path}` is not the path of an object, such as `raw/2024.csv`: no part of it is empty, `.` or `..`, and it has \
         no control characters"
    );
    fault(FaultKind::Invalid, message)
}

fn failed(doing: &str, path: &str, error: &object_store::Error) -> ResourceFault {
    let kind = match error {
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            FaultKind::Failed
        }
        object_store::Error::InvalidPath { .. } => FaultKind::Invalid,
        _ => FaultKind::Unavailable,
    };
    fault(kind, format!("failed to {doing} `{path}`: {}", told(error)))
}
