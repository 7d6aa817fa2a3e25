//! The network's face of an instance: gRPC services that pass on what clients and workers say. What a run does next is
//! the scheduler's business, where bytes are kept the depot's and the store's.

mod accept;
mod admission;
mod fleet;
mod gate;
mod history;
mod holders;
mod libraries;
mod parts;
mod refuse;
mod relay;
mod retries;
mod revoked;
mod runs;
mod values;
mod workers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_depot::Depot;
use cofferdam_io::ValueStore;
use cofferdam_runlog::RunLog;
use cofferdam_scheduler::{Patience, Scheduler};
use cofferdam_wire::MESSAGE_BYTES_MAX;
use cofferdam_wire::v1::history_server::HistoryServer;
use cofferdam_wire::v1::libraries_server::LibrariesServer;
use cofferdam_wire::v1::runs_server::RunsServer;
use cofferdam_wire::v1::values_server::ValuesServer;
use cofferdam_wire::v1::workers_server::WorkersServer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server as Tonic;

pub use admission::{Admission, AdmissionError, CERTIFICATE_LIFE, Security, rotate_token};
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
}

/// An instance that listens.
pub struct Server {
    listener: TcpListener,
    parts: Parts,
    admission: Arc<Admission>,
    acceptor: Option<TlsAcceptor>,
}

impl Server {
    /// Listens at `address`; port 0 takes a free one. `admission` decides who may call.
    pub async fn bind(
        address: SocketAddr,
        parts: Parts,
        admission: Arc<Admission>,
    ) -> std::io::Result<Server> {
        let acceptor = admission.tls.as_ref().map(accept::tls_acceptor).transpose();
        let acceptor = acceptor.map_err(std::io::Error::other)?;
        let listener = TcpListener::bind(address).await?;
        Ok(Server { listener, parts, admission, acceptor })
    }

    /// Where it listens.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `end`; then no new call is taken and those under way are cut off.
    pub async fn serve(self, end: impl Future<Output = ()>) -> Result<(), tonic::transport::Error> {
        let Server { listener, parts, admission, acceptor } = self;
        let gate = |who| Gate { admission: admission.clone(), who };
        let limit = MESSAGE_BYTES_MAX;
        let fleet = fleet::Fleet::default();
        let retries = retries::Retries::new(parts.scheduler.clone());
        retries.take_up(&*parts.log).await;
        let runs = RunsServer::new(runs::Service { parts: parts.clone(), fleet: fleet.clone(), retries })
            .max_decoding_message_size(limit);
        let history =
            HistoryServer::new(history::Service(parts.log.clone())).max_decoding_message_size(limit);
        let libraries =
            LibrariesServer::new(libraries::Service(parts.depot.clone())).max_decoding_message_size(limit);
        let holders = holders::Holders::default();
        let relay = relay::Relay::new(holders.clone());
        let values = ValuesServer::new(values::Service { store: parts.values.clone(), relay })
            .max_decoding_message_size(limit);
        let workers = WorkersServer::new(workers::Service {
            scheduler: parts.scheduler.clone(),
            fleet,
            holders,
            tls: admission.tls.clone(),
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
            .serve_with_incoming(accept::incoming(listener, admission.clone(), acceptor));
        tokio::select! {
            served = serving => served,
            never = admission.follow_token() => never,
            () = end => Ok(()),
        }
    }
}
