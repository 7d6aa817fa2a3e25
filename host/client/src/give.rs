//! Gives other workers what of the cluster's objects is here, if they have a ticket for it.

use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_model::CHUNK_BYTES;
use cofferdam_wire::v1::peers_server::{Peers, PeersServer};
use cofferdam_wire::v1::{Gives, Part, PeerRequest};
use cofferdam_wire::{MESSAGE_BYTES_MAX, Packer, Secret};
use futures::stream::{self, BoxStream, StreamExt as _};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::Objects;
use crate::near::Held;

/// Objects that are given at once. Who comes then asks somebody else: the steps of this worker need its network too.
const GIVEN_MAX: usize = 16;
/// Calls that one connection may have under way.
const STREAMS_PER_CONNECTION_MAX: u32 = 64;
/// Bytes of all headers of one call.
const HEADER_BYTES_MAX: u32 = 16 * 1024;
/// How often a silent connection is asked whether the other side is there.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// How long it may take to say so.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// A worker that listens for others.
pub struct Giver {
    listener: TcpListener,
    secret: Secret,
    objects: Arc<Objects>,
}

/// What the scheduler must know to send others to a worker.
#[derive(Debug, Clone)]
pub struct Giving {
    address: SocketAddr,
    secret: Secret,
}

impl Giving {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn told(&self) -> Gives {
        Gives { address: self.address.to_string(), secret: self.secret.reveal().to_vec().into() }
    }
}

impl Giver {
    /// Listens at `address`; port 0 takes a free one.
    pub async fn bind(address: SocketAddr, objects: Arc<Objects>) -> std::io::Result<Giver> {
        let listener = TcpListener::bind(address).await?;
        let secret = Secret::generate().map_err(std::io::Error::other)?;
        Ok(Giver { listener, secret, objects })
    }

    /// What the scheduler must know to send others here.
    pub fn giving(&self) -> std::io::Result<Giving> {
        Ok(Giving { address: self.listener.local_addr()?, secret: self.secret.clone() })
    }

    /// Gives until it is dropped.
    pub async fn serve(self) -> Result<(), tonic::transport::Error> {
        let Giver { listener, secret, objects } = self;
        let room = Arc::new(Semaphore::new(GIVEN_MAX));
        let service = PeersServer::new(Service { secret, objects, room });
        Server::builder()
            .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
            .http2_max_header_list_size(HEADER_BYTES_MAX)
            .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
            .add_service(service.max_decoding_message_size(MESSAGE_BYTES_MAX))
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
            .await
    }
}

struct Service {
    secret: Secret,
    objects: Arc<Objects>,
    room: Arc<Semaphore>,
}

#[tonic::async_trait]
impl Peers for Service {
    type FetchStream = BoxStream<'static, Result<Part, Status>>;

    async fn fetch(&self, request: Request<PeerRequest>) -> Result<Response<Self::FetchStream>, Status> {
        let PeerRequest { key, start, ticket } = request.into_inner();
        if !self.secret.admits(&key, &ticket) {
            return Err(Status::permission_denied("the ticket is for another object or another worker"));
        }
        let room = self.room.clone().try_acquire_owned();
        let room = room.map_err(|_| Status::resource_exhausted("too many are served already"))?;
        let held = self.objects.near().get(&key).await;
        let held = held.ok_or_else(|| Status::not_found("it is not here any more"))?;
        Ok(Response::new(parts(held, start, room)))
    }
}

/// The object from byte `start` on; it stays here until it is given.
fn parts(held: Held, start: u64, room: OwnedSemaphorePermit) -> BoxStream<'static, Result<Part, Status>> {
    let size = held.size;
    let given = Arc::new((held, room));
    let first = start.min(size);
    let rest = stream::unfold((Some(first), Packer::default()), move |(at, mut packer)| {
        let given = given.clone();
        async move {
            let at = at?;
            let length = (size - at).min(CHUNK_BYTES as u64);
            let read = tokio::task::spawn_blocking(move || {
                let mut bytes = vec![0; length as usize];
                given.0.file.read_exact_at(&mut bytes, at).map(|()| (packer.pack(bytes.into()), packer))
            });
            match read.await.expect("reading does not panic") {
                Ok((packed, packer)) => {
                    let next = at + length;
                    let part = Part { size, packed: Some(packed) };
                    Some((Ok(part), ((next < size).then_some(next), packer)))
                }
                Err(error) => {
                    let failed = Status::data_loss(format!("it cannot be read: {error}"));
                    Some((Err(failed), (None, Packer::default())))
                }
            }
        }
    });
    rest.boxed()
}
