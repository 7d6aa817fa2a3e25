//! Runs the calls of ops on their resources: HTTP, key-value, blobs, SQL, config, commands. Lives in the supervisor of
//! a worker and never in a cell, so secrets and sockets are out of a guest's reach. What a step may use was decided
//! when its plan was made; what reaches this crate is one resource and one call on it.
//!
//! A resource is opened at its first call, then shared by all attempts that use it. Faults hold no secret.

mod blob;
mod command;
mod config;
mod fault;
mod http;
mod keyvalue;
mod leash;
mod settings;
mod sql;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cofferdam_model::{
    FaultKind, MESSAGE_BYTES_MAX, Name, PlanResource, ResourceAnswer, ResourceCall, ResourceFault,
    ResourceKind,
};
use tokio::sync::OnceCell;
use tokio::time::Instant;

pub use leash::{LeashCommand, become_program, hold_leash};

use crate::fault::fault;
use crate::leash::Leash;
use crate::settings::{Environment, Resolver, Secrets, TIMEOUT};

/// Resources that one worker keeps open at most. A project has tens; more means that somebody makes settings up.
const OPENED_MAX: usize = 1024;

/// All resources of a worker.
pub struct Resources {
    environment: Environment,
    folder: PathBuf,
    state: PathBuf,
    leash: Arc<Leash>,
    opened: Mutex<BTreeMap<Key, Arc<OnceCell<Opened>>>>,
}

/// A resource is the same if its name and its settings are.
type Key = (Name, ResourceKind, String);

/// Where the files of a resource are.
struct Place {
    name: Name,
    /// Relative paths start here.
    folder: PathBuf,
    /// For files that nobody named.
    state: PathBuf,
    /// For the programs that it starts.
    leash: Arc<Leash>,
}

struct Opened {
    provider: Provider,
    secrets: Secrets,
}

enum Provider {
    Http(http::Http),
    Keyvalue(keyvalue::Keyvalue),
    Blob(blob::Blob),
    Sql(sql::Sql),
    Config(config::Config),
    Command(command::Command),
}

impl Resources {
    /// Nothing is opened yet. `folder` is where relative paths in settings start (the project's folder), `state` is
    /// for files that no setting names, and `environment` reads a variable.
    pub fn new(
        folder: impl Into<PathBuf>,
        state: impl Into<PathBuf>,
        environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Resources {
        Resources {
            environment: Arc::new(environment),
            folder: folder.into(),
            state: state.into(),
            leash: Arc::default(),
            opened: Mutex::default(),
        }
    }

    /// The same, with programs that end also when this process is killed: a process started with that command sees to
    /// it.
    pub fn leashed(mut self, command: LeashCommand) -> Resources {
        self.leash = Arc::new(Leash::new(command));
        self
    }

    /// Does one call on the resource that the plan calls `name`, opening it if need be.
    ///
    /// Ends at `deadline` or after the resource's own time limit, whichever comes first. If the future is dropped,
    /// a command and its children are killed and a running statement is interrupted; a request may have had its
    /// effect. A resource that could not be opened is tried again by the next call.
    pub async fn call(
        &self,
        name: &Name,
        resource: &PlanResource,
        call: ResourceCall,
        deadline: Option<Instant>,
    ) -> Result<ResourceAnswer, ResourceFault> {
        let cell = self.cell(name, resource)?;
        let open = cell.get_or_try_init(|| self.open(name, resource));
        let opened = match tokio::time::timeout_at(sooner(deadline, TIMEOUT), open).await {
            Ok(opened) => opened.map_err(|fault| named(name, resource, fault))?,
            Err(_) => {
                return Err(named(
                    name,
                    resource,
                    fault(FaultKind::Unavailable, "it could not be opened in time"),
                ));
            }
        };
        let limit = opened.provider.timeout();
        let until = sooner(deadline, limit);
        let outcome = match tokio::time::timeout_at(until, opened.provider.call(call, until)).await {
            Ok(outcome) => outcome,
            Err(_) if deadline.is_some_and(|deadline| deadline <= until) => {
                Err(fault(FaultKind::Unavailable, "the step's time was up before it answered"))
            }
            Err(_) => Err(fault(
                FaultKind::Unavailable,
                format!(
                    "it did not answer within {limit:?}; `timeout` in its settings says how long a call may take"
                ),
            )),
        };
        outcome.map_err(|mut fault| {
            fault.message = opened.secrets.mask(fault.message);
            named(name, resource, fault)
        })
    }

    fn cell(&self, name: &Name, resource: &PlanResource) -> Result<Arc<OnceCell<Opened>>, ResourceFault> {
        let key = (name.clone(), resource.kind, resource.settings.to_string());
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.len() >= OPENED_MAX && !opened.contains_key(&key) {
            let message = format!("this worker has {OPENED_MAX} resources open, and that is all it may");
            return Err(named(name, resource, fault(FaultKind::Unavailable, message)));
        }
        Ok(Arc::clone(opened.entry(key).or_default()))
    }

    async fn open(&self, name: &Name, resource: &PlanResource) -> Result<Opened, ResourceFault> {
        let mut resolver = Resolver::new(Arc::clone(&self.environment));
        let place = Place {
            name: name.clone(),
            folder: self.folder.clone(),
            state: self.state.clone(),
            leash: self.leash.clone(),
        };
        let outcome = Provider::open(resource, &place, &mut resolver).await;
        let secrets = resolver.secrets();
        match outcome {
            Ok(provider) => Ok(Opened { provider, secrets }),
            Err(mut fault) => {
                fault.message = secrets.mask(fault.message);
                Err(fault)
            }
        }
    }
}

impl Provider {
    async fn open(
        resource: &PlanResource,
        place: &Place,
        resolver: &mut Resolver,
    ) -> Result<Provider, ResourceFault> {
        let settings = &resource.settings;
        match resource.kind {
            ResourceKind::Http => http::Http::open(settings, resolver).map(Provider::Http),
            ResourceKind::Keyvalue => keyvalue::Keyvalue::open(settings, place).await.map(Provider::Keyvalue),
            ResourceKind::Blob => blob::Blob::open(settings, place, resolver).map(Provider::Blob),
            ResourceKind::Sql => sql::Sql::open(settings, place, resolver).map(Provider::Sql),
            ResourceKind::Config => config::Config::open(settings, resolver).map(Provider::Config),
            ResourceKind::Command => command::Command::open(settings, place, resolver).map(Provider::Command),
            ResourceKind::Op => Err(fault(
                FaultKind::Denied,
                "it is made by an op: take its value as an input instead of opening it",
            )),
        }
    }

    /// Longest time of one call.
    fn timeout(&self) -> Duration {
        match self {
            Provider::Http(http) => http.timeout,
            Provider::Keyvalue(keyvalue) => keyvalue.timeout,
            Provider::Blob(blob) => blob.timeout,
            Provider::Sql(sql) => sql.timeout,
            Provider::Config(_) => None,
            Provider::Command(command) => Some(command.timeout),
        }
        .unwrap_or(TIMEOUT)
    }

    async fn call(&self, call: ResourceCall, until: Instant) -> Result<ResourceAnswer, ResourceFault> {
        match (self, call) {
            (Provider::Http(http), ResourceCall::Http(request)) => http.request(request).await,
            (Provider::Keyvalue(store), ResourceCall::KeyGet { key }) => store.get(key).await,
            (Provider::Keyvalue(store), ResourceCall::KeySet { key, value }) => store.set(key, value).await,
            (Provider::Keyvalue(store), ResourceCall::KeyDelete { key }) => store.delete(key).await,
            (Provider::Keyvalue(store), ResourceCall::KeyList { prefix, after }) => {
                store.list(prefix, after).await
            }
            (Provider::Blob(blob), ResourceCall::BlobRead { path, offset, length }) => {
                blob.read(&path, offset, length).await
            }
            (Provider::Blob(blob), ResourceCall::BlobSize { path }) => blob.size(&path).await,
            (Provider::Blob(blob), ResourceCall::BlobWrite { path, bytes }) => blob.write(&path, bytes).await,
            (Provider::Blob(blob), ResourceCall::BlobDelete { path }) => blob.delete(&path).await,
            (Provider::Blob(blob), ResourceCall::BlobList { prefix, after }) => {
                blob.list(&prefix, after).await
            }
            (Provider::Sql(sql), ResourceCall::SqlQuery { statement, parameters }) => {
                sql.query(statement, parameters, until).await
            }
            (Provider::Sql(sql), ResourceCall::SqlExecute { statement, parameters }) => {
                sql.execute(vec![(statement, parameters)], until).await
            }
            (Provider::Sql(sql), ResourceCall::SqlBatch { statements }) => {
                sql.execute(statements, until).await
            }
            (Provider::Config(config), ResourceCall::ConfigGet { key }) => Ok(config.get(&key)),
            (Provider::Command(command), ResourceCall::Command { arguments, stdin }) => {
                command.run(arguments, stdin).await
            }
            (_, call) => {
                let message = format!("it is not of the kind `{}`, which this call is for", kind_of(&call));
                Err(fault(FaultKind::Denied, message))
            }
        }
    }
}

/// The kind of resource that a call is for.
fn kind_of(call: &ResourceCall) -> ResourceKind {
    match call {
        ResourceCall::Http(_) => ResourceKind::Http,
        ResourceCall::KeyGet { .. }
        | ResourceCall::KeySet { .. }
        | ResourceCall::KeyDelete { .. }
        | ResourceCall::KeyList { .. } => ResourceKind::Keyvalue,
        ResourceCall::BlobRead { .. }
        | ResourceCall::BlobSize { .. }
        | ResourceCall::BlobWrite { .. }
        | ResourceCall::BlobDelete { .. }
        | ResourceCall::BlobList { .. } => ResourceKind::Blob,
        ResourceCall::SqlQuery { .. } | ResourceCall::SqlExecute { .. } | ResourceCall::SqlBatch { .. } => {
            ResourceKind::Sql
        }
        ResourceCall::ConfigGet { .. } => ResourceKind::Config,
        ResourceCall::Command { .. } => ResourceKind::Command,
    }
}

/// The earlier of a deadline and a time from now.
fn sooner(deadline: Option<Instant>, limit: Duration) -> Instant {
    // A limit beyond what the clock can say is no limit; a hundred years is.
    const FAR: Duration = Duration::from_secs(100 * 366 * 86_400);
    let own = Instant::now() + limit.min(FAR);
    deadline.map_or(own, |deadline| deadline.min(own))
}

/// Says which resource it was, and cuts what others made too long.
fn named(name: &Name, resource: &PlanResource, mut fault: ResourceFault) -> ResourceFault {
    fault.message = format!("resource `{name}` of kind `{}`: {}", resource.kind, fault.message);
    if fault.message.len() > MESSAGE_BYTES_MAX {
        fault.message.truncate(fault.message.floor_char_boundary(MESSAGE_BYTES_MAX));
    }
    fault
}
