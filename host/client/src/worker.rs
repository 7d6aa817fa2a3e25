//! A worker's end of its stream: orders in, reports out, and the stream made anew when it breaks.
//!
//! What runs here goes on meanwhile. The worker comes back under its own number with the attempts that it has; batches of
//! reports are kept until the scheduler says that they are durable, and are sent again over the next stream.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use cofferdam_crash::reach;
use cofferdam_model::{Order, Report};
use cofferdam_wire::tls::{MEMBER_BYTES, Member};
use cofferdam_wire::v1::workers_client::WorkersClient;
use cofferdam_wire::v1::{
    CutOff, DrainRequest, Draining, FromWorker, Hello, ListRequest, RevokeRequest, ToWorker, Welcome,
    WorkerState, from_worker, revoke_request, to_worker,
};
use cofferdam_wire::{Joiner, decode, pieces};
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::mpsc;
use tonic::Streaming;

use crate::give::Giving;
use crate::held::Held;
use crate::{Cluster, Error, Membership, Objects};

/// The worker that is to be cut off: by its number, or by what its certificates name.
pub use revoke_request::Whom;

/// First wait before the stream is made anew; doubled from try to try.
pub const WAIT_FIRST: Duration = Duration::from_millis(100);
/// Longest wait: a scheduler that comes back has its workers this soon. It must be well below the time that a
/// scheduler waits for them.
pub const WAIT_MAX: Duration = Duration::from_secs(2);
/// How long the scheduler may take to welcome a worker.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the scheduler may take to read the last reports of a worker that leaves.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);
/// Messages that wait for the network; who makes more waits.
const MESSAGES_WAITING_MAX: usize = 256;

/// What a worker says of itself.
#[derive(Debug, Clone, Default)]
pub struct Offer {
    /// For people.
    pub name: String,
    /// Attempts that it runs at once.
    pub slots: u32,
    /// Attempts that it is ready to hold beyond those.
    pub queue: u32,
    /// Abstract resources: `GPU: 2`.
    pub resources: BTreeMap<String, f64>,
    /// What steps may ask for beside them: `zone: eu`.
    pub labels: BTreeMap<String, String>,
    /// When it ends by itself, if it does.
    pub ends_at: Option<Instant>,
    /// Where it gives objects to other workers, if it does.
    pub gives: Option<Giving>,
}

/// What becomes of the connection, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Joined { worker: u64 },
    Lost { why: String, n_attempts: usize },
}

impl Cluster {
    /// The workers that are joined now.
    pub async fn workers(&self) -> Result<Vec<WorkerState>, Error> {
        let reply = WorkersClient::new(self.link()).list(ListRequest {}).await;
        let reply = reply.map_err(|status| self.failed("list the workers")(status))?;
        Ok(reply.into_inner().workers)
    }

    /// Cuts a worker off for good. Gives what its certificates name.
    pub async fn revoke(&self, whom: Whom) -> Result<String, Error> {
        let request = RevokeRequest { whom: Some(whom) };
        let done = WorkersClient::new(self.link()).revoke(request).await;
        done.map(|reply| reply.into_inner().member).map_err(|status| self.failed("revoke the worker")(status))
    }

    /// Lets a worker go: it gets nothing more, ends what it has, and leaves.
    pub async fn drain(&self, worker: u64) -> Result<(), Error> {
        let done = WorkersClient::new(self.link()).drain(DrainRequest { worker }).await;
        done.map(|_| ()).map_err(|status| self.failed("drain the worker")(status))
    }
}

/// Works for a cluster: passes orders on, reports back. When `leave` ends it takes nothing more and comes back as soon
/// as all that it has done is durable; otherwise it comes back only with an error that no waiting mends, or when
/// `reports` is closed because the worker has ended.
pub async fn work(
    membership: &Membership,
    objects: &Objects,
    offer: &Offer,
    orders: &mpsc::Sender<Vec<Order>>,
    reports: &mut mpsc::Receiver<Vec<Report>>,
    leave: impl Future<Output = ()>,
    say: impl Fn(Said),
) -> Result<(), Error> {
    let leave = leave.shared();
    let held = Mutex::new(Held::default());
    let instance = uuid::Uuid::now_v7().as_u128();
    let mut wait = WAIT_FIRST;
    let (mut named, mut lost) = (None, false);
    loop {
        let idle = lock(&held).is_empty();
        if leave.clone().now_or_never().is_some() {
            lock(&held).leave();
        }
        let hello = lock(&held).hello(offer, instance);
        let joined = tokio::select! {
            joined = enter(membership, hello) => joined,
            () = leave.clone(), if idle => return Ok(()),
        };
        let why = match joined {
            Ok(stream) => {
                wait = WAIT_FIRST;
                lock(&held).welcomed(&stream.welcome);
                let worker = stream.welcome.worker;
                // A renewed certificate is nobody's business.
                if named.replace(worker) != Some(worker) || lost {
                    say(Said::Joined { worker });
                }
                lost = false;
                let telling = tell(objects, stream.outbound.clone(), offer.gives.is_some());
                let ended = tokio::select! {
                    ended = stream.carry(membership, objects, orders, reports, leave.clone(), &held) => ended,
                    never = telling => match never {},
                };
                match ended {
                    Ended::Done | Ended::Worker => return Ok(()),
                    Ended::Renewed => continue,
                    Ended::Stream(why) => why,
                }
            }
            Err(error) if error.may_pass() => error.to_string(),
            Err(error) => return Err(error),
        };
        let idle = lock(&held).is_empty();
        lost = true;
        say(Said::Lost { why, n_attempts: lock(&held).n_attempts() });
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = leave.clone(), if idle => return Ok(()),
        }
        wait = (wait * 2).min(WAIT_MAX);
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().expect("nobody panics while holding it")
}

/// What is left of a worker's life, in milliseconds.
pub(crate) fn left_ms(end: Instant) -> u64 {
    let left = end.saturating_duration_since(Instant::now());
    u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
}

enum Ended {
    /// It wanted to leave and has done what it had.
    Done,
    Worker,
    /// A new certificate is to be shown.
    Renewed,
    Stream(String),
}

struct Stream {
    welcome: Welcome,
    inbound: Streaming<ToWorker>,
    outbound: mpsc::Sender<FromWorker>,
}

/// Joins with a certificate that holds.
async fn enter(membership: &Membership, hello: Hello) -> Result<Stream, Error> {
    membership.ready().await?;
    match join(membership.cluster(), hello.clone()).await {
        // It was away for longer than its certificate holds, and this process did not notice: its host slept.
        Err(Error::Denied { .. }) if membership.cluster().is_encrypted() => {
            membership.enrol().await?;
            join(membership.cluster(), hello).await
        }
        joined => joined,
    }
}

async fn join(cluster: &Cluster, hello: Hello) -> Result<Stream, Error> {
    let doing = "join the cluster";
    let failed = cluster.failed(doing);
    let (outbound, mut messages) = mpsc::channel(MESSAGES_WAITING_MAX);
    let hello = FromWorker { message: Some(from_worker::Message::Hello(hello)) };
    outbound.try_send(hello).expect("an empty channel has room");
    let joined = async {
        let messages = stream::poll_fn(move |context| messages.poll_recv(context));
        let mut client =
            WorkersClient::new(cluster.link()).max_decoding_message_size(cofferdam_wire::MESSAGE_BYTES_MAX);
        let mut inbound = client.join(messages).await.map_err(&failed)?.into_inner();
        let first = inbound.message().await.map_err(&failed)?;
        match first.and_then(|first| first.message) {
            Some(to_worker::Message::Welcome(welcome)) => Ok((welcome, inbound)),
            _ => Err(Error::Refused { doing, why: "its first message is no welcome".to_owned() }),
        }
    };
    let late = |_| Error::Unreachable {
        doing,
        address: cluster.address.to_string(),
        why: format!("no answer within {} s", WELCOME_TIMEOUT.as_secs()),
    };
    let (welcome, inbound) = tokio::time::timeout(WELCOME_TIMEOUT, joined).await.map_err(late)??;
    Ok(Stream { welcome, inbound, outbound })
}

impl Stream {
    /// Carries until the stream breaks or the worker ends. Both ways at once: a worker that waits for room for its
    /// reports takes no orders.
    async fn carry(
        self,
        membership: &Membership,
        objects: &Objects,
        orders: &mpsc::Sender<Vec<Order>>,
        reports: &mut mpsc::Receiver<Vec<Report>>,
        leave: impl Future<Output = ()>,
        held: &Mutex<Held>,
    ) -> Ended {
        let Stream { mut inbound, outbound, .. } = self;
        let ask = async {
            if !lock(held).leaves() {
                leave.await;
                lock(held).leave();
            }
            let draining = FromWorker { message: Some(from_worker::Message::Draining(Draining {})) };
            // If the stream has ended, its other direction tells.
            let _ = outbound.send(draining).await;
            std::future::pending().await
        };
        let ended = tokio::select! {
            ended = carry_orders(membership.cluster(), objects, &mut inbound, orders, held) => ended,
            ended = carry_reports(reports, &outbound, held) => ended,
            never = ask => never,
            () = membership.renewed() => Ended::Renewed,
        };
        if matches!(ended, Ended::Done) {
            // The scheduler closes its direction when it has read this one to its end.
            drop(outbound);
            let read = async { while let Ok(Some(_)) = inbound.message().await {} };
            let _ = tokio::time::timeout(FAREWELL_TIMEOUT, read).await;
        }
        ended
    }
}

async fn carry_orders(
    cluster: &Cluster,
    objects: &Objects,
    inbound: &mut Streaming<ToWorker>,
    orders: &mpsc::Sender<Vec<Order>>,
    held: &Mutex<Held>,
) -> Ended {
    let mut joiner = Joiner::default();
    let mut sending = FuturesUnordered::new();
    loop {
        let message = tokio::select! {
            message = inbound.message() => message,
            Some(()) = sending.next() => continue,
        };
        let piece = match message {
            Ok(Some(ToWorker { message: Some(to_worker::Message::Orders(piece)) })) => piece,
            Ok(Some(ToWorker { message: Some(to_worker::Message::Wanted(key)) })) => {
                sending.push(async move { objects.send(&key).await });
                continue;
            }
            Ok(Some(ToWorker { message: Some(to_worker::Message::CutOff(CutOff { members })) })) => {
                let members = members.chunks_exact(MEMBER_BYTES).filter_map(|bytes| bytes.try_into().ok());
                cluster.cut_off.add(members.map(Member::from_bytes));
                continue;
            }
            Ok(Some(_)) => return Ended::Stream("the scheduler sent something else than orders".to_owned()),
            Ok(None) => return Ended::Stream("the scheduler closed the stream".to_owned()),
            Err(status) => return Ended::Stream(cluster.failed("take orders")(status).to_string()),
        };
        let batch = match joiner.add(piece) {
            Ok(None) => continue,
            Ok(Some(batch)) => decode::<Vec<Order>>(&batch, "orders"),
            Err(error) => Err(error),
        };
        match batch {
            Ok(batch) => {
                lock(held).ordered(&batch);
                if orders.send(batch).await.is_err() {
                    return Ended::Worker;
                }
                if lock(held).is_done() {
                    return Ended::Done;
                }
            }
            Err(error) => return Ended::Stream(error.to_string()),
        }
    }
}

/// Says which objects are here, all of them and then what changes; if others cannot come for them, only those that are
/// nowhere else.
async fn tell(objects: &Objects, outbound: mpsc::Sender<FromWorker>, gives: bool) -> Infallible {
    let mut news = objects.near().all(gives);
    loop {
        for holds in news.pieces() {
            let message = FromWorker { message: Some(from_worker::Message::Holds(holds)) };
            if outbound.send(message).await.is_err() {
                // Why the stream has ended is told by its other direction.
                std::future::pending::<()>().await;
            }
        }
        news = objects.near().news(gives).await;
    }
}

/// Says again what was not heard, then what is new.
async fn carry_reports(
    reports: &mut mpsc::Receiver<Vec<Report>>,
    outbound: &mpsc::Sender<FromWorker>,
    held: &Mutex<Held>,
) -> Ended {
    let mut waiting = lock(held).unheard();
    loop {
        for piece in waiting.drain(..).flat_map(pieces) {
            let message = FromWorker { message: Some(from_worker::Message::Reports(piece)) };
            reach("reports.before_send");
            if outbound.send(message).await.is_err() {
                // Why the stream has ended is told by its other direction.
                std::future::pending::<()>().await;
            }
            reach("reports.after_send");
        }
        match reports.recv().await {
            Some(batch) => waiting.push(lock(held).reported(&batch)),
            None => return Ended::Worker,
        }
    }
}
