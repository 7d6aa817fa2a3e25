//! Gives other workers what of the cluster's objects is here, if they have a ticket for it.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_model::CHUNK_BYTES;
use cofferdam_scheduler::Clock;
use cofferdam_wire::tls::{Door, Peer, Seen, incoming};
use cofferdam_wire::v1::peers_server::{Peers, PeersServer};
use cofferdam_wire::v1::{Gives, Part, PeerRequest};
use cofferdam_wire::{MESSAGE_BYTES_MAX, Packer, Secret};
use futures::stream::{self, BoxStream, StreamExt as _};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::near::Held;
use crate::{Cluster, Objects};

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
    clock: Clock,
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
    /// Listens at `address`; port 0 takes a free one. What is given is encrypted if the cluster of the objects is.
    pub async fn bind(address: SocketAddr, objects: Arc<Objects>, clock: Clock) -> io::Result<Giver> {
        let listener = TcpListener::bind(address).await?;
        let secret = Secret::generate().map_err(io::Error::other)?;
        Ok(Giver { listener, secret, objects, clock })
    }

    /// What the scheduler must know to send others here.
    pub fn giving(&self) -> io::Result<Giving> {
        Ok(Giving { address: self.listener.local_addr()?, secret: self.secret.clone() })
    }

    /// Gives until it is dropped.
    pub async fn serve(self) -> Result<(), tonic::transport::Error> {
        let Giver { listener, secret, objects, clock } = self;
        let room = Arc::new(Semaphore::new(GIVEN_MAX));
        let door = Arc::new(WorkerDoor { cluster: objects.cluster().clone(), clock });
        let service = PeersServer::new(Service { door: door.clone(), secret, objects, room });
        Server::builder()
            .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
            .http2_max_header_list_size(HEADER_BYTES_MAX)
            .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
            .add_service(service.max_decoding_message_size(MESSAGE_BYTES_MAX))
            .serve_with_incoming(incoming(listener, door))
            .await
    }
}

/// Lets in the members of its cluster whose certificates hold.
struct WorkerDoor {
    cluster: Cluster,
    clock: Clock,
}

impl Door for WorkerDoor {
    const NOT_ENCRYPTED: &'static str =
        "this worker takes encrypted connections from members of its cluster only";

    fn acceptor(&self) -> io::Result<Option<TlsAcceptor>> {
        match self.cluster.credentials() {
            Some(own) => Ok(Some(own.acceptor())),
            None if self.cluster.is_encrypted() => Err(io::Error::other("this worker has not joined yet")),
            None => Ok(None),
        }
    }

    fn end(&self, seen: &Seen) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let (cut_off, now) = (&self.cluster.cut_off, (self.clock)());
        cut_off.check(seen, now).is_ok().then(|| Box::pin(cut_off.end(seen, now)) as _)
    }
}

impl WorkerDoor {
    fn check(&self, peer: Option<&Peer>) -> Result<(), Status> {
        match peer.and_then(|peer| peer.worker.as_ref()) {
            Some(seen) => self.cluster.cut_off.check(seen, (self.clock)()),
            None if self.cluster.is_encrypted() => {
                Err(Status::unauthenticated("who asks a worker shows a worker's certificate"))
            }
            None => Ok(()),
        }
    }
}

struct Service {
    door: Arc<WorkerDoor>,
    secret: Secret,
    objects: Arc<Objects>,
    room: Arc<Semaphore>,
}

#[tonic::async_trait]
impl Peers for Service {
    type FetchStream = BoxStream<'static, Result<Part, Status>>;

    async fn fetch(&self, request: Request<PeerRequest>) -> Result<Response<Self::FetchStream>, Status> {
        self.door.check(request.extensions().get())?;
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
