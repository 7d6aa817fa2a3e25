//! Compiled libraries between hosts: what the scheduler's host compiles for its workers, and what a worker takes of it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use cofferdam_cell::{Artefacts, Target};
use cofferdam_client::Cluster;
use cofferdam_depot::Depot;
use cofferdam_io::{Stores, ValueStore};
use cofferdam_model::{Failure, FailureKind, LibraryDigest, ValueRef};
use cofferdam_server::Compiler;
use cofferdam_worker::Compiled;
use futures::TryStreamExt as _;
use tokio::sync::Semaphore;

use crate::error::{Failed, Result};
use crate::exit::Exit;
use crate::instance;
use crate::project::StateDir;

/// Libraries that are compiled for workers at once; each may take 2 GiB.
const COMPILING_MAX: usize = 2;
/// Longest machine code that a worker takes; the largest known (Python) has 60 MB.
const COMPILED_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Compiles on this host.
pub(crate) struct Compiling {
    engine: String,
    artefacts: Artefacts,
    depot: Depot,
    values: ValueStore,
    room: Semaphore,
}

impl Compiling {
    pub(crate) async fn start(state: &StateDir) -> Result<Arc<Compiling>> {
        let cell = cofferdam_worker::cell(&instance::cell_command()?).await;
        let (engine, _) = cell
            .map_err(|failure| Failed::new(Exit::Internal, format!("failed to start a cell: {failure}")))?;
        Ok(Arc::new(Compiling {
            engine,
            artefacts: instance::artefacts(state)?,
            depot: instance::depot(state)?,
            values: instance::values(state)?,
            room: Semaphore::new(COMPILING_MAX),
        }))
    }
}

#[async_trait::async_trait]
impl Compiler for Compiling {
    fn engine(&self) -> &str {
        &self.engine
    }

    async fn compile(&self, library: &LibraryDigest, fuel: bool) -> std::result::Result<ValueRef, Failure> {
        let _room = self.room.acquire().await.expect("it is never closed");
        let target = Target { fingerprint: self.engine.clone(), fuel };
        let artefact = cofferdam_worker::compile(&self.depot, &self.artefacts, library, &target).await?;
        let stored = self.values.import_file(&artefact.path()).await;
        tracing::info!(%library, fuel, "compiled for workers");
        stored.map_err(|error| {
            Failure::new(FailureKind::Library, "the compiled library cannot be stored").because(error)
        })
    }
}

/// Takes what the scheduler's host has compiled, if the authority of the cluster has signed it.
pub(crate) struct Taking {
    pub(crate) cluster: Cluster,
    pub(crate) stores: Stores,
}

impl fmt::Debug for Taking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Taking")
    }
}

#[async_trait::async_trait]
impl Compiled for Taking {
    async fn get(&self, library: &LibraryDigest, target: &Target) -> Option<Bytes> {
        let code = self.take(library, target).await;
        code.inspect_err(|why| tracing::warn!(%library, %why, "the library is compiled here")).ok()
    }
}

impl Taking {
    async fn take(&self, library: &LibraryDigest, target: &Target) -> std::result::Result<Bytes, String> {
        let asked = self.cluster.compiled(library, &target.fingerprint, target.fuel).await;
        let value = asked.map_err(|error| error.to_string())?;
        if value.size > COMPILED_BYTES_MAX {
            return Err(format!("what was compiled has more than {COMPILED_BYTES_MAX} bytes"));
        }
        let read = async { self.stores.get(&value).await?.try_collect::<Vec<Bytes>>().await };
        let parts: std::result::Result<Vec<Bytes>, cofferdam_io::Error> = read.await;
        Ok(parts.map_err(|error| error.to_string())?.concat().into())
    }
}
