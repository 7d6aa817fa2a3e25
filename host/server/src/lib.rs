//! The network's face of an instance: gRPC services that pass on what clients and workers say. What a run does next is
//! the scheduler's business, where bytes are kept the depot's and the store's.

mod access;
mod admission;
mod api_tokens;
mod audit;
mod caller;
mod compiled;
mod door;
mod fleet;
mod gate;
mod guesses;
mod history;
mod holders;
mod libraries;
mod pages_gate;
mod parts;
mod refuse;
mod relay;
mod revoked;
mod runs;
mod values;
mod workers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_depot::Depot;
use cofferdam_io::ValueStore;
use cofferdam_model::{Grant, Signers, WorkerId};
use cofferdam_runlog::RunLog;
use cofferdam_scheduler::{Patience, Retries, Scheduler, WorkerOffer};
use cofferdam_wire::MESSAGE_BYTES_MAX;
use cofferdam_wire::tls::incoming;
use cofferdam_wire::v1::WorkerState;
use cofferdam_wire::v1::history_server::HistoryServer;
use cofferdam_wire::v1::libraries_server::LibrariesServer;
use cofferdam_wire::v1::runs_server::RunsServer;
use cofferdam_wire::v1::values_server::ValuesServer;
use cofferdam_wire::v1::workers_server::WorkersServer;
use tokio::net::TcpListener;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server as Tonic;

pub use access::{Deed, Role, Scope};
pub use admission::{Admission, AdmissionError, CERTIFICATE_LIFE, Security, cluster_token, rotate_token};
pub use api_tokens::{
    ApiToken, ApiTokenError, create as create_api_token, list as list_api_tokens, reveal as reveal_api_token,
    revoke as revoke_api_token,
};
pub use audit::{Audit, AuditError, Entry, entries as audit_entries};
pub use compiled::Compiler;
pub use pages_gate::{NotLetIn, PagesGate, Visitor};

use caller::Access;
use compiled::Compiled;
use door::SchedulerDoor;
use fleet::Fleet;
use gate::{For, Gate};

/// Calls that one connection may have under way (SAFETY.md, section 5: limits of an API).
const STREAMS_PER_CONNECTION_MAX: u32 = 64;
/// Bytes of all headers of one call.
const HEADER_BYTES_MAX: u32 = 64 * 1024;
/// How often a silent connection is asked whether the other side is there.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// How long it may take to say so. A host that fell silent is noticed after the sum of both.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest first message of a worker: it names all attempts that it has.
const HELLO_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long attempts wait for a worker that is not heard. It tries at least every two seconds to come back.
pub const PATIENCE: Patience =
    Patience { silent: Duration::from_secs(5), take_over: Duration::from_secs(10) };
/// Bytes under way on one stream before the receiver must catch up.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// The same for all streams of a connection.
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// What the services are over.
#[derive(Clone)]
pub struct Parts {
    pub scheduler: Arc<Scheduler>,
    pub log: Arc<dyn RunLog>,
    pub depot: Depot,
    pub values: ValueStore,
    pub audit: Arc<Audit>,
    /// What runs may have that are submitted with a token of their own.
    pub grants: Arc<[Grant]>,
    /// Who must have signed the libraries of runs.
    pub signers: Arc<[Signers]>,
}

/// An instance that listens.
pub struct Server {
    listener: TcpListener,
    parts: Parts,
    admission: Arc<Admission>,
    door: Arc<SchedulerDoor>,
    fleet: Fleet,
    compiler: Option<Arc<dyn Compiler>>,
    /// The worker of this process, if it has one.
    own: Option<WorkerState>,
}

impl Server {
    /// Listens at `address`; port 0 takes a free one. `admission` decides who may call.
    pub async fn bind(
        address: SocketAddr,
        parts: Parts,
        admission: Arc<Admission>,
    ) -> std::io::Result<Server> {
        let door = Arc::new(SchedulerDoor::new(admission.tls.as_ref()).map_err(std::io::Error::other)?);
        let listener = TcpListener::bind(address).await?;
        Ok(Server { listener, parts, admission, door, fleet: Fleet::default(), compiler: None, own: None })
    }

    /// Compiles libraries for workers, once for all of them. Nothing comes of it where nothing is encrypted: there is
    /// nobody then who could sign.
    pub fn compiling(self, compiler: Arc<dyn Compiler>) -> Server {
        Server { compiler: Some(compiler), ..self }
    }

    /// Lists the worker of this process beside those that join.
    pub fn with_own_worker(self, worker: WorkerId, offer: &WorkerOffer) -> Server {
        let own = WorkerState {
            worker: worker.0,
            name: "own".to_owned(),
            address: "this process".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            slots: offer.slots,
            resources: offer.resources.clone().into_iter().collect(),
            labels: offer.labels.clone().into_iter().collect(),
            leaving: false,
            member: String::new(),
        };
        Server { own: Some(own), ..self }
    }

    /// Lets people in to the pages of the same instance, by the same rules.
    pub fn pages_gate(&self) -> PagesGate {
        PagesGate { admission: self.admission.clone(), access: self.access(), fleet: self.fleet.clone() }
    }

    fn access(&self) -> Access {
        Access {
            log: self.parts.log.clone(),
            audit: self.parts.audit.clone(),
            grants: self.parts.grants.clone(),
            signers: self.parts.signers.clone(),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `end`; then no new call is taken and those under way are cut off.
    pub async fn serve(self, end: impl Future<Output = ()>) -> Result<(), tonic::transport::Error> {
        let access = self.access();
        let Server { listener, parts, admission, door, fleet, compiler, own } = self;
        let gate = |who| Gate { admission: admission.clone(), audit: parts.audit.clone(), who };
        let limit = MESSAGE_BYTES_MAX;
        let _own = own.map(|own| fleet.enter(WorkerId(own.worker), own));
        let retries = Retries::new(parts.scheduler.clone());
        retries.take_up(&*parts.log).await;
        let runs = RunsServer::new(runs::Service {
            parts: parts.clone(),
            fleet: fleet.clone(),
            retries,
            access: access.clone(),
            admission: admission.clone(),
        })
        .max_decoding_message_size(limit);
        let history = HistoryServer::new(history::Service(access.clone())).max_decoding_message_size(limit);
        let compiled = compiler.zip(admission.tls.clone());
        let compiled = compiled.map(|(compiler, tls)| Compiled::new(compiler, tls, parts.values.clone()));
        let libraries = LibrariesServer::new(libraries::Service {
            depot: parts.depot.clone(),
            compiled,
            access: access.clone(),
        })
        .max_decoding_message_size(limit);
        let holders = holders::Holders::default();
        let relay = relay::Relay::new(holders.clone());
        let values =
            ValuesServer::new(values::Service { store: parts.values.clone(), relay, access: access.clone() })
                .max_decoding_message_size(limit);
        let workers = WorkersServer::new(workers::Service {
            scheduler: parts.scheduler.clone(),
            fleet,
            holders,
            tls: admission.tls.clone(),
            access,
        })
        .max_decoding_message_size(HELLO_BYTES_MAX);
        let serving = Tonic::builder()
            .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
            .http2_max_header_list_size(HEADER_BYTES_MAX)
            .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .add_service(InterceptedService::new(runs, gate(For::Clients)))
            .add_service(InterceptedService::new(history, gate(For::Clients)))
            .add_service(InterceptedService::new(libraries, gate(For::All)))
            .add_service(InterceptedService::new(values, gate(For::All)))
            .add_service(InterceptedService::new(workers, gate(For::All)))
            .serve_with_incoming(incoming(listener, door));
        tokio::select! {
            served = serving => served,
            never = admission.follow_tokens() => never,
            () = end => Ok(()),
        }
    }
}
