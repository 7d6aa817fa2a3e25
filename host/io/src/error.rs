//! Why a value cannot be stored or read.

use std::path::PathBuf;

use cofferdam_model::{IoManagerKind, Name, ValueDigest};

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("open the value store `{}`", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// `VALUE_MISSING`
    #[error("find value `{key}` in the store: it was deleted or lost; re-run the step that made it")]
    NotFound { key: String },
    /// `DIGEST_MISMATCH`
    #[error(
        "verify value `{key}`: expected {expected} over {expected_size} bytes, found {found} over {found_size}; it was damaged in the store; re-run the step that made it"
    )]
    DigestMismatch {
        key: String,
        expected: ValueDigest,
        expected_size: u64,
        found: ValueDigest,
        found_size: u64,
    },
    /// `NO_SPACE`
    #[error("{doing} value `{key}`: no space is left")]
    NoSpace {
        doing: &'static str,
        key: String,
        #[source]
        source: object_store::Error,
    },
    #[error("write value `{key}`: there is one already, and values never change")]
    AlreadyExists { key: String },
    #[error(
        "open IO manager `{manager}`: its setting `{setting}` is read from the environment variable `{variable}`, which is not set; set it for the worker and run again"
    )]
    Variable { manager: Name, setting: String, variable: String },
    #[error("open IO manager `{manager}` of kind {kind}: {message}")]
    Settings { manager: Name, kind: IoManagerKind, message: String },
    #[error("open IO manager `{manager}`")]
    OpenManager {
        manager: Name,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("open IO manager `{manager}`: only workers keep values of kind `transient`")]
    NoWorker { manager: Name },
    #[error("open IO manager `{manager}`: it is made of ops, and its steps store and load the values")]
    MadeOfOps { manager: Name },
    #[error("publish `{path}` by IO manager `{manager}`")]
    Publish {
        manager: Name,
        path: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("read the file `{}`", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("use `{key}` as the key of a value")]
    InvalidKey { key: String },
    #[error("{doing} value `{key}`")]
    Store {
        doing: &'static str,
        key: String,
        #[source]
        source: object_store::Error,
    },
}

impl Error {
    pub(crate) fn store(doing: &'static str, key: &str, source: object_store::Error) -> Error {
        let key = key.to_owned();
        match source {
            object_store::Error::NotFound { .. } => Error::NotFound { key },
            object_store::Error::AlreadyExists { .. } => Error::AlreadyExists { key },
            source if is_out_of_space(&source) => Error::NoSpace { doing, key, source },
            source => Error::Store { doing, key, source },
        }
    }
}

/// `object_store` has no error of its own for a full disk, so look for the system's beneath it.
fn is_out_of_space(error: &object_store::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && matches!(io.kind(), StorageFull | QuotaExceeded | FileTooLarge)
        {
            return true;
        }
        cause = error.source();
    }
    false
}
