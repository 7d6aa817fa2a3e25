//! Libraries that are compiled here for workers, once for a fleet, where the operator wants that. What a worker takes is
//! machine code, so the authority signs what it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use cofferdam_io::{ValueKey, ValueStore};
use cofferdam_model::{Failure, LibraryDigest, ValueRef};
use cofferdam_wire::v1::{CompiledReply, CompiledRequest};
use cofferdam_wire::{compiled_statement, encode};
use tonic::Status;

use crate::admission::Tls;
use crate::refuse;

/// Compiled libraries that are remembered.
const COMPILED_MAX: usize = 10_000;

/// Compiles libraries of the depot on this host.
#[tonic::async_trait]
pub trait Compiler: Send + Sync {
    /// The engine for which it compiles.
    fn engine(&self) -> &str;

    /// Compiles a library and puts the machine code into the store of values.
    async fn compile(&self, library: &LibraryDigest, fuel: bool) -> Result<ValueRef, Failure>;
}

/// What is asked for: library, and whether its code counts fuel.
type Asked = (LibraryDigest, bool);

pub(crate) struct Compiled {
    compiler: Arc<dyn Compiler>,
    tls: Arc<Tls>,
    values: ValueStore,
    done: Mutex<HashMap<Asked, ValueRef>>,
}

impl Compiled {
    pub(crate) fn new(compiler: Arc<dyn Compiler>, tls: Arc<Tls>, values: ValueStore) -> Compiled {
        Compiled { compiler, tls, values, done: Mutex::default() }
    }

    pub(crate) async fn get(
        &self,
        library: LibraryDigest,
        asked: &CompiledRequest,
    ) -> Result<CompiledReply, Status> {
        let engine = self.compiler.engine();
        if asked.engine != engine {
            return Err(Status::failed_precondition(format!(
                "the scheduler's host compiles for the engine {engine}, and the worker has {}",
                asked.engine.chars().take(200).collect::<String>()
            )));
        }
        let value = self.compiled((library, asked.fuel)).await?;
        let statement = compiled_statement(&library, engine, asked.fuel, &value.digest);
        let signature = self.tls.authority.vouch_for_artefact(&statement);
        let signature = signature.map_err(|error| Status::internal(refuse::chain(&error)))?;
        Ok(CompiledReply { value: encode(&value), signature: signature.into() })
    }

    async fn compiled(&self, asked: Asked) -> Result<ValueRef, Status> {
        let known = self.done().get(&asked).cloned();
        if let Some(value) = known
            && self.is_stored(&value).await
        {
            return Ok(value);
        }
        let value = self.compiler.compile(&asked.0, asked.1).await;
        let value = value.map_err(|failure| Status::failed_precondition(failure.to_string()))?;
        let mut done = self.done();
        if done.len() >= COMPILED_MAX {
            done.clear();
        }
        done.insert(asked, value.clone());
        Ok(value)
    }

    /// `gc` may have removed it.
    async fn is_stored(&self, value: &ValueRef) -> bool {
        match value.place.key().map(ValueKey::parse) {
            Some(Ok(key)) => self.values.size(&key).await.is_ok(),
            _ => false,
        }
    }

    fn done(&self) -> std::sync::MutexGuard<'_, HashMap<Asked, ValueRef>> {
        self.done.lock().expect("nobody panics while holding it")
    }
}
