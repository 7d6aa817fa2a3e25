//! The documents of OCI that say what an artifact consists of. Written with their fields in one order, so that the same
//! library has the same digest everywhere.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Digest, Error, digest};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The community's form of a component as an artifact.
pub(crate) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
pub(crate) const WASM: &str = "application/wasm";
/// What stands where an artifact has no config.
pub(crate) const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// One person's word for a library, in an artifact of its own whose subject is the library's.
pub(crate) const SIGNATURE: &str = "application/vnd.cofferdam.signature.v1+json";
/// In an image layout: what an artifact is called.
pub(crate) const NAME: &str = "org.opencontainers.image.ref.name";
/// Of a layer: what its file is called. Tools that write files want it.
pub(crate) const TITLE: &str = "org.opencontainers.image.title";

/// Bytes of a manifest or an index; what registries must take.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 4 * 1024 * 1024;
const SCHEMA_VERSION: u32 = 2;

/// Says what bytes something is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// An artifact.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Descriptor>,
}

/// Several artifacts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    pub(crate) manifests: Vec<Descriptor>,
}

impl Descriptor {
    pub(crate) fn of(media_type: &str, bytes: &[u8]) -> Descriptor {
        Descriptor {
            media_type: media_type.to_owned(),
            digest: digest(bytes),
            size: bytes.len() as u64,
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }

    pub(crate) fn with(mut self, key: &str, value: &str) -> Descriptor {
        self.annotations.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Refuses what would be too much to hold, before it is read.
    pub(crate) fn check_size(&self, what: &str, max: u64) -> Result<(), Error> {
        match self.size > max {
            true => Err(Error::TooLarge { what: what.to_owned(), size: self.size, max }),
            false => Ok(()),
        }
    }

    /// The bytes, if it is these that it says.
    pub(crate) fn verify(&self, what: &str, bytes: Bytes) -> Result<Bytes, Error> {
        if bytes.len() as u64 != self.size {
            return Err(Error::Length { what: what.to_owned(), size: self.size });
        }
        match digest(&bytes) {
            found if found == self.digest => Ok(bytes),
            found => Err(Error::Damaged { what: what.to_owned(), found }),
        }
    }
}

impl Manifest {
    pub(crate) fn new(artifact_type: Option<&str>, config: Descriptor, layers: Vec<Descriptor>) -> Manifest {
        Manifest {
            schema_version: SCHEMA_VERSION,
            media_type: Some(MANIFEST.to_owned()),
            artifact_type: artifact_type.map(str::to_owned),
            config,
            layers,
            subject: None,
        }
    }
}

impl Index {
    pub(crate) fn new(manifests: Vec<Descriptor>) -> Index {
        Index { schema_version: SCHEMA_VERSION, media_type: Some(INDEX.to_owned()), manifests }
    }
}

/// As it is kept and sent.
pub(crate) fn write(document: &impl Serialize) -> Bytes {
    serde_json::to_vec(document).expect("a document of OCI can be written as JSON").into()
}

/// Reads a document.
pub(crate) fn read<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::NotALibrary {
        what: what.to_owned(),
        why: format!("it is no document of OCI that is known here: {error}"),
    })
}
