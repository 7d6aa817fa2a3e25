//! Opens the object store of an IO manager.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_model::{Name, PlanIoManager, TRANSIENT_PREFIX};
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use crate::Error;
use crate::layout::OWN_FOLDER;
use crate::settings::{Azure, Environment, Gcs, S3, Settings};
use crate::store::{Readable, ValueStore};
use crate::stores::Transient;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one request may take. Bodies are at most one part, so this is a rate of some 300 kB/s at least.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Tries after the first one, of requests that may be repeated.
const RETRIES_MAX: usize = 8;
/// First wait before another try; doubled from try to try.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// Longest wait before another try.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// After this long nothing is tried again.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);

/// Opens a manager's own store; `main` is the instance's. Relative folders are below `folder`. Nothing is asked of a
/// server yet.
pub(crate) fn open(
    name: &Name,
    manager: &PlanIoManager,
    main: &ValueStore,
    transient: &Transient,
    folder: &Path,
    environment: &Environment,
) -> Result<ValueStore, Error> {
    let failed =
        |source: object_store::Error| Error::OpenManager { manager: name.clone(), source: source.into() };
    let (store, own, readable): (Arc<dyn ObjectStore>, String, Readable) =
        match Settings::read(name, manager, environment)? {
            Settings::Store => return Ok(main.clone()),
            Settings::Memory => (Arc::new(InMemory::new()), String::new(), Readable::None),
            Settings::Transient => return open_transient(name, manager, main, transient),
            Settings::Filesystem { base_dir } => {
                let base = folder.join(base_dir);
                let own = base.join(OWN_FOLDER);
                let made = std::fs::create_dir_all(&own).and_then(|()| base.canonicalize());
                let base = made
                    .map_err(|source| Error::OpenManager { manager: name.clone(), source: source.into() })?;
                let store = LocalFileSystem::new_with_prefix(&own).map_err(failed)?.with_fsync(true);
                (Arc::new(store), String::new(), Readable::Folder(base))
            }
            Settings::S3(settings) => {
                let url = format!("s3://{}", settings.bucket);
                let prefix = clean(&settings.prefix);
                (
                    Arc::new(s3(settings, environment).map_err(failed)?),
                    own(&prefix),
                    Readable::Objects { prefix, url },
                )
            }
            Settings::Gcs(settings) => {
                let url = format!("gs://{}", settings.bucket);
                let prefix = clean(&settings.prefix);
                (Arc::new(gcs(settings).map_err(failed)?), own(&prefix), Readable::Objects { prefix, url })
            }
            Settings::Azure(settings) => {
                let url = format!("abfss://{}@{}.dfs.core.windows.net", settings.container, settings.account);
                let prefix = clean(&settings.prefix);
                (Arc::new(azure(settings).map_err(failed)?), own(&prefix), Readable::Objects { prefix, url })
            }
        };
    Ok(ValueStore::managed(store, main.namespace().clone(), own, name.clone(), manager.clone(), readable))
}

/// What workers keep ends with them: nothing of it has to survive a power cut.
fn open_transient(
    name: &Name,
    manager: &PlanIoManager,
    main: &ValueStore,
    transient: &Transient,
) -> Result<ValueStore, Error> {
    let (space, name_, of) = (main.namespace().clone(), name.clone(), manager.clone());
    match transient {
        Transient::Nowhere => Err(Error::NoWorker { manager: name_ }),
        Transient::Cluster(store) => {
            let own = TRANSIENT_PREFIX.to_owned();
            Ok(ValueStore::managed(store.clone(), space, own, name_, of, Readable::None).shared())
        }
        Transient::Folder(folder) => {
            let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::OpenManager {
                manager: name.clone(),
                source,
            };
            std::fs::create_dir_all(folder).map_err(|source| failed(source.into()))?;
            let store = LocalFileSystem::new_with_prefix(folder).map_err(|source| failed(source.into()))?;
            let store = ValueStore::managed(Arc::new(store), space, String::new(), name_, of, Readable::None);
            Ok(store.in_folder(folder))
        }
    }
}

/// Key of the manager's own folder, with a slash behind it.
fn own(prefix: &str) -> String {
    if prefix.is_empty() { format!("{OWN_FOLDER}/") } else { format!("{prefix}/{OWN_FOLDER}/") }
}

/// A prefix as object stores take it.
fn clean(prefix: &str) -> String {
    let legal: String = prefix.chars().filter(|c| !c.is_control()).collect();
    let parts = legal.split('/').filter(|part| !matches!(*part, "" | "." | ".."));
    parts.collect::<Vec<_>>().join("/")
}

fn s3(settings: S3, environment: &Environment) -> Result<impl ObjectStore, object_store::Error> {
    let variable = |given: Option<String>, names: &[&str]| {
        given.or_else(|| names.iter().find_map(|name| environment(name)))
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(settings.bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(retry())
        .with_client_options(client());
    let region = variable(settings.region, &["AWS_REGION", "AWS_DEFAULT_REGION"]);
    builder = builder.with_region(region.unwrap_or_else(|| "us-east-1".to_owned()));
    if let Some(endpoint) = variable(settings.endpoint, &["AWS_ENDPOINT_URL"]) {
        // Only a person who writes `http:` gets it, as for a server on the same machine.
        builder = builder.with_allow_http(endpoint.starts_with("http:")).with_endpoint(endpoint);
    }
    if let Some(id) = variable(settings.access_key_id, &["AWS_ACCESS_KEY_ID"]) {
        builder = builder.with_access_key_id(id);
    }
    if let Some(secret) = variable(settings.secret_access_key, &["AWS_SECRET_ACCESS_KEY"]) {
        builder = builder.with_secret_access_key(secret);
    }
    if let Some(token) = variable(settings.session_token, &["AWS_SESSION_TOKEN"]) {
        builder = builder.with_token(token);
    }
    builder.build()
}

fn gcs(settings: Gcs) -> Result<impl ObjectStore, object_store::Error> {
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(settings.bucket)
        .with_retry(retry())
        .with_client_options(client());
    if let Some(key) = settings.service_account_key {
        builder = builder.with_service_account_key(key);
    }
    if let Some(file) = settings.service_account_file {
        builder = builder.with_service_account_path(file);
    }
    builder.build()
}

fn azure(settings: Azure) -> Result<impl ObjectStore, object_store::Error> {
    let mut builder = MicrosoftAzureBuilder::new()
        .with_account(settings.account)
        .with_container_name(settings.container)
        .with_retry(retry())
        .with_client_options(client());
    if let Some(endpoint) = settings.endpoint {
        builder = builder.with_allow_http(endpoint.starts_with("http:")).with_endpoint(endpoint);
    }
    if let Some(key) = settings.access_key {
        builder = builder.with_access_key(key);
    }
    builder.build()
}

fn client() -> ClientOptions {
    // A second call is refused, and then there is a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    ClientOptions::new().with_connect_timeout(CONNECT_TIMEOUT).with_timeout(REQUEST_TIMEOUT)
}

fn retry() -> RetryConfig {
    let backoff = BackoffConfig { init_backoff: BACKOFF_FIRST, max_backoff: BACKOFF_MAX, base: 2.0 };
    RetryConfig { backoff, max_retries: RETRIES_MAX, retry_timeout: RETRY_TIMEOUT }
}
