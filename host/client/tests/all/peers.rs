//! Objects from other workers: which way they come, and what happens when a worker goes, lies or is not let in.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use cofferdam_client::{Giver, Objects, Offer, Said, work};
use cofferdam_depot::Depot;
use cofferdam_io::ValueStore;
use cofferdam_model::{OCTET_STREAM, ValueRef};
use cofferdam_scheduler::system_clock;
use cofferdam_wire::v1::peers_client::PeersClient;
use cofferdam_wire::v1::peers_server::{Peers, PeersServer};
use cofferdam_wire::v1::{FromWorker, Gives, Hello, Holder, Holds, Part, PeerRequest, from_worker};
use cofferdam_wire::{Packer, chunks, object_id};
use futures::TryStreamExt as _;
use futures::stream::{self, BoxStream, StreamExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};

use crate::far::{Far, ROOM, key, noise, store};

pub(crate) const MIB: usize = 1024 * 1024;

/// A worker that gives what it has.
pub(crate) struct Giving {
    _local: tempfile::TempDir,
    pub(crate) objects: Arc<Objects>,
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

/// Joins the cluster, and comes back when it has.
pub(crate) async fn join(far: &Far) -> Giving {
    let local = tempfile::tempdir().unwrap();
    let membership = far.membership(local.path());
    let objects = Objects::new(membership.cluster().clone(), local.path(), Some(ROOM)).unwrap();
    let objects = Arc::new(objects);
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let giver = Giver::bind(loopback, objects.clone(), system_clock()).await.unwrap();
    let giving = giver.giving().unwrap();
    let address = giving.address();
    let offer = Offer { slots: 1, gives: Some(giving), ..Offer::default() };
    let (joined, mut has_joined) = mpsc::unbounded_channel();
    let telling = objects.clone();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { giver.serve().await.unwrap() });
    tasks.spawn(async move {
        let (orders, mut taken) = mpsc::channel(16);
        let (_reports, mut reported) = mpsc::channel(16);
        let say = |said: Said| drop(joined.send(said));
        tokio::select! {
            worked = work(&membership, &telling, &offer, &orders, &mut reported, std::future::pending(), say) => worked.unwrap(),
            () = async { while taken.recv().await.is_some() {} } => {}
        }
    });
    assert!(matches!(has_joined.recv().await, Some(Said::Joined { .. })));
    Giving { _local: local, objects, address, _tasks: tasks }
}

/// A value that the scheduler keeps.
async fn put_far(far: &Far, fence: u64, bytes: &Bytes) -> ValueRef {
    far.values().put(key(fence), OCTET_STREAM, bytes.clone()).await.unwrap()
}

pub(crate) async fn put(objects: &Arc<Objects>, fence: u64, bytes: &Bytes) -> ValueRef {
    store(objects).put(key(fence), OCTET_STREAM, bytes.clone()).await.unwrap()
}

pub(crate) async fn read(store: &ValueStore, value: &ValueRef) -> Vec<u8> {
    let chunks: Vec<Bytes> = store.get(value).await.unwrap().try_collect().await.unwrap();
    chunks.concat()
}

/// Waits until the scheduler names as many holders of a value.
pub(crate) async fn are_known(far: &Far, fence: u64, n_holders: usize) -> Vec<Holder> {
    loop {
        let found = far.locate(key(fence).as_str()).await;
        if found.len() == n_holders {
            return found;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_worker_has_does_not_come_through_the_scheduler() {
    let far = Far::start().await;
    let maker = join(&far).await;
    let bytes = noise(1, 20 * MIB);
    let value = put(&maker.objects, 1, &bytes).await;
    are_known(&far, 1, 1).await;
    let before = far.proxy.down();
    let reader = join(&far).await;
    assert!(read(&store(&reader.objects), &value).await == bytes);
    assert!(far.proxy.down() - before < 10_000, "{} bytes", far.proxy.down() - before);
    let traffic = reader.objects.traffic();
    assert_eq!((traffic.from_peers, traffic.from_scheduler, traffic.n_refused), (20 * MIB as u64, 0, 0));
    // The reader gives it to others from now on.
    are_known(&far, 1, 2).await;
    drop(maker);
    are_known(&far, 1, 1).await;
    let third = tempfile::tempdir().unwrap();
    let third = far.objects(third.path(), ROOM);
    assert!(read(&store(&third), &value).await == bytes);
    assert_eq!(third.traffic().from_peers, 20 * MIB as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_comes_from_another_worker_too() {
    let far = Far::start().await;
    let bytes = noise(1, 3 * MIB);
    let library = far.depot().put(bytes.clone()).await.unwrap();
    let (one, two) = (join(&far).await, join(&far).await);
    assert!(Depot::over(one.objects.clone()).get(&library).await.unwrap() == bytes);
    let location = format!("v1/libraries/{}.wasm", library.hex());
    while far.locate(&location).await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(Depot::over(two.objects.clone()).get(&library).await.unwrap() == bytes);
    assert_eq!((one.objects.traffic().from_peers, two.objects.traffic().from_peers), (0, 3 * MIB as u64));
}

/// What a worker does that is not to be believed.
#[derive(Clone, Copy, Debug)]
enum Trick {
    /// It goes after so many parts.
    Goes(usize),
    /// It is silent after so many parts.
    IsSilent(usize),
    /// It flips a bit of the last part.
    Lies,
    /// It goes on for ever.
    IsEndless,
    Refuses,
}

struct Trickster(Trick, Bytes);

#[tonic::async_trait]
impl Peers for Trickster {
    type FetchStream = BoxStream<'static, Result<Part, Status>>;

    async fn fetch(&self, _: Request<PeerRequest>) -> Result<Response<Self::FetchStream>, Status> {
        let Trickster(trick, bytes) = self;
        let size = bytes.len() as u64;
        let mut packer = Packer::default();
        let mut part = |bytes: Bytes, size| Ok(Part { size, packed: Some(packer.pack(bytes)) });
        let good: Vec<Bytes> = chunks(bytes.clone()).collect();
        let first = |n: usize| good[..n].to_vec();
        let parts = match *trick {
            Trick::Goes(n) => {
                let gone = Status::unavailable("gone");
                let parts = first(n).into_iter().map(|bytes| part(bytes, size)).collect::<Vec<_>>();
                stream::iter(parts).chain(stream::iter([Err(gone)])).boxed()
            }
            Trick::IsSilent(n) => {
                let parts = first(n).into_iter().map(|bytes| part(bytes, size)).collect::<Vec<_>>();
                stream::iter(parts).chain(stream::pending()).boxed()
            }
            Trick::Lies => {
                let mut parts = good.clone();
                let mut last = parts.pop().unwrap().to_vec();
                last[0] ^= 1;
                parts.push(last.into());
                stream::iter(parts.into_iter().map(|bytes| part(bytes, size)).collect::<Vec<_>>()).boxed()
            }
            Trick::IsEndless => {
                let endless = part(good[0].clone(), u64::MAX);
                stream::iter(endless).cycle().map(Ok).boxed()
            }
            Trick::Refuses => return Err(Status::resource_exhausted("no")),
        };
        Ok(Response::new(parts))
    }
}

/// Joins as a worker that has the object and does not give it as it should.
async fn trick(far: &Far, trick: Trick, key: &str, bytes: &Bytes) -> (JoinSet<()>, AbortHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let service = PeersServer::new(Trickster(trick, bytes.clone()));
    let serving = Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener));
    let mut tasks = JoinSet::new();
    let serving = tasks.spawn(async move { serving.await.unwrap() });
    let hello = Hello {
        protocol: cofferdam_wire::PROTOCOL,
        world: cofferdam_wire::WORLD.to_owned(),
        slots: 1,
        instance: vec![0; 16].into(),
        gives: Some(Gives { address, secret: vec![0; 32].into() }),
        ..Hello::default()
    };
    let holds = Holds { kept: object_id(key).to_vec().into(), gone: Bytes::new() };
    let said = [from_worker::Message::Hello(hello), from_worker::Message::Holds(holds)];
    let said = stream::iter(said.map(|message| FromWorker { message: Some(message) }));
    let mut joined = far.workers().join(said.chain(stream::pending())).await.unwrap().into_inner();
    tasks.spawn(async move { while let Ok(Some(_)) = joined.message().await {} });
    while far.locate(key).await.is_empty() {
        tokio::task::yield_now().await;
    }
    (tasks, serving)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_goes_or_lies_is_replaced_by_the_scheduler() {
    let far = Far::start().await;
    let tricks = [
        (Trick::Goes(0), 0),
        (Trick::Goes(5), 0),
        (Trick::IsSilent(3), 0),
        (Trick::Lies, 1),
        (Trick::IsEndless, 0),
        (Trick::Refuses, 0),
    ];
    for (fence, (how, n_refused)) in (1..).zip(tricks) {
        let bytes = noise(fence, 4 * MIB);
        let value = put_far(&far, fence, &bytes).await;
        let _tasks = trick(&far, how, key(fence).as_str(), &bytes).await;
        let local = tempfile::tempdir().unwrap();
        let reader = far.objects(local.path(), ROOM);
        assert!(read(&store(&reader), &value).await == bytes, "{how:?}");
        let traffic = reader.traffic();
        assert_eq!((traffic.from_peers, traffic.from_scheduler), (0, 4 * MIB as u64), "{how:?}");
        assert_eq!(traffic.n_refused, n_refused, "{how:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_cannot_be_reached_is_asked_once_and_not_for_every_value() {
    let far = Far::start().await;
    let (first, second) = (noise(1, MIB), noise(2, MIB));
    let values = [put_far(&far, 1, &first).await, put_far(&far, 2, &second).await];
    let tasks = [
        trick(&far, Trick::IsSilent(0), key(1).as_str(), &first).await,
        trick(&far, Trick::IsSilent(0), key(2).as_str(), &second).await,
    ];
    // Both are gone, as behind a firewall, and the scheduler does not know.
    tasks.iter().for_each(|(_, serving)| serving.abort());
    let local = tempfile::tempdir().unwrap();
    let reader = far.objects(local.path(), ROOM);
    let started = std::time::Instant::now();
    for (value, bytes) in values.iter().zip([first, second]) {
        assert!(read(&store(&reader), value).await == bytes);
    }
    assert!(started.elapsed().as_secs() < 10);
    assert_eq!(reader.traffic().from_scheduler, 2 * MIB as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_lets_nobody_read_anything_else() {
    let far = Far::start().await;
    let maker = join(&far).await;
    for fence in [1, 2] {
        put(&maker.objects, fence, &noise(fence, MIB)).await;
    }
    let ticket = are_known(&far, 1, 1).await.remove(0).ticket;
    let channel = cofferdam_wire::connect(&maker.address.to_string(), None).unwrap();
    let fetch = async |fence: u64, ticket: Bytes| {
        let request = PeerRequest { key: key(fence).to_string(), start: 0, ticket };
        let mut parts = PeersClient::new(channel.clone()).fetch(request).await?.into_inner();
        parts.message().await.map(|part| part.unwrap().size)
    };
    assert_eq!(fetch(1, ticket.clone()).await.unwrap(), MIB as u64);
    let token = Bytes::copy_from_slice(far.token.reveal().as_bytes());
    for (fence, ticket) in [(2, ticket.clone()), (3, ticket.clone()), (1, ticket.slice(1..)), (1, token)] {
        assert_eq!(fetch(fence, ticket).await.unwrap_err().code(), Code::PermissionDenied);
    }
}
