//! A worker's end of its stream: orders in, reports out, and the stream made anew when it breaks.
//!
//! A scheduler that loses the stream runs the attempts of that worker elsewhere. So when the stream breaks, what runs
//! here is cancelled, and what it still reports is dropped: under its fence it could change nothing.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use cofferdam_model::{AttemptId, Fence, Order, Report};
use cofferdam_wire::v1::workers_client::WorkersClient;
use cofferdam_wire::v1::{
    Draining, FromWorker, Hello, ListRequest, ToWorker, Welcome, WorkerState, from_worker, to_worker,
};
use cofferdam_wire::{Joiner, PROTOCOL, WORLD, decode, encode, pieces};
use futures::{FutureExt as _, stream};
use tokio::sync::mpsc;
use tonic::Streaming;

use crate::{Cluster, Error};

/// First wait before the stream is made anew; doubled from try to try.
const WAIT_FIRST: Duration = Duration::from_millis(100);
/// Longest wait: a scheduler that comes back has its workers this soon.
const WAIT_MAX: Duration = Duration::from_secs(5);
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
        let reply = WorkersClient::new(self.link.clone()).list(ListRequest {}).await;
        let reply = reply.map_err(|status| self.failed("list the workers")(status))?;
        Ok(reply.into_inner().workers)
    }
}

/// Works for a cluster: passes orders on, reports back. When `leave` ends it takes nothing more and comes back as soon
/// as it has done what it has; otherwise it comes back only with an error that no waiting mends, or when `reports` is
/// closed because the worker has ended.
pub async fn work(
    cluster: &Cluster,
    offer: &Offer,
    orders: &mpsc::Sender<Vec<Order>>,
    reports: &mut mpsc::Receiver<Vec<Report>>,
    leave: impl Future<Output = ()>,
    say: impl Fn(Said),
) -> Result<(), Error> {
    let leave = leave.shared();
    let held = Mutex::new(Held::default());
    let mut wait = WAIT_FIRST;
    loop {
        let joined = tokio::select! {
            joined = join(cluster, offer) => joined,
            () = leave.clone() => return Ok(()),
        };
        let why = match joined {
            Ok(stream) => {
                wait = WAIT_FIRST;
                say(Said::Joined { worker: stream.worker });
                match stream.carry(cluster, orders, reports, leave.clone(), &held).await {
                    Ended::Done | Ended::Worker => return Ok(()),
                    Ended::Stream(why) => why,
                }
            }
            Err(error) if error.may_pass() => error.to_string(),
            Err(error) => return Err(error),
        };
        say(Said::Lost { why, n_attempts: lock(&held).open.len() });
        let goes_on = tokio::select! {
            goes_on = pause(wait, orders, reports, &held) => goes_on,
            () = leave.clone() => false,
        };
        if !goes_on {
            return Ok(());
        }
        wait = (wait * 2).min(WAIT_MAX);
    }
}

/// Cancels what runs, waits, and drops what is reported meanwhile. False if the worker has ended.
async fn pause(
    wait: Duration,
    orders: &mpsc::Sender<Vec<Order>>,
    reports: &mut mpsc::Receiver<Vec<Report>>,
    held: &Mutex<Held>,
) -> bool {
    let cancels = lock(held).give_up();
    let waited = async {
        let taken = cancels.is_empty() || orders.send(cancels).await.is_ok();
        tokio::time::sleep(wait).await;
        taken
    };
    let dropped = async {
        while let Some(batch) = reports.recv().await {
            drop(lock(held).reported(batch))
        }
    };
    tokio::select! {
        taken = waited => taken,
        () = dropped => false,
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().expect("nobody panics while holding it")
}

/// The attempts that this worker has.
#[derive(Default)]
struct Held {
    open: BTreeMap<Fence, AttemptId>,
    /// Those of a stream that broke; they end here unheard.
    given_up: HashSet<Fence>,
    /// Nothing follows on this stream.
    last: bool,
}

impl Held {
    fn ordered(&mut self, orders: &[Order]) {
        for order in orders {
            match order {
                Order::Run(assignment) => {
                    self.open.insert(assignment.id.fence, assignment.id.clone());
                }
                Order::Last => self.last = true,
                Order::Cancel(_) | Order::Publish(_) => {}
            }
        }
    }

    /// What of these reports may still matter.
    fn reported(&mut self, mut reports: Vec<Report>) -> Vec<Report> {
        reports.retain(|report| {
            let (Report::Started { id, .. }
            | Report::Logs { id, .. }
            | Report::Progress { id, .. }
            | Report::Finished { id, .. }) = report;
            let ended = matches!(report, Report::Finished { .. });
            if ended {
                self.open.remove(&id.fence);
            }
            let given_up = self.given_up.contains(&id.fence);
            if given_up && ended {
                self.given_up.remove(&id.fence);
            }
            !given_up
        });
        reports
    }

    /// Whether a worker that wants to leave may.
    fn is_done(&self) -> bool {
        self.last && self.open.is_empty()
    }

    /// Orders to cancel all that runs.
    fn give_up(&mut self) -> Vec<Order> {
        self.last = false;
        let open = std::mem::take(&mut self.open);
        self.given_up.extend(open.keys());
        open.into_values().map(Order::Cancel).collect()
    }
}

enum Ended {
    /// It wanted to leave and has done what it had.
    Done,
    Worker,
    Stream(String),
}

struct Stream {
    worker: u64,
    inbound: Streaming<ToWorker>,
    outbound: mpsc::Sender<FromWorker>,
}

async fn join(cluster: &Cluster, offer: &Offer) -> Result<Stream, Error> {
    let doing = "join the cluster";
    let failed = cluster.failed(doing);
    let (outbound, mut messages) = mpsc::channel(MESSAGES_WAITING_MAX);
    let hello = Hello {
        protocol: PROTOCOL,
        world: WORLD.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        name: offer.name.clone(),
        slots: offer.slots,
        queue: offer.queue,
        resources: offer.resources.clone().into_iter().collect(),
    };
    let hello = FromWorker { message: Some(from_worker::Message::Hello(hello)) };
    outbound.try_send(hello).expect("an empty channel has room");
    let joined = async {
        let messages = stream::poll_fn(move |context| messages.poll_recv(context));
        let mut client = WorkersClient::new(cluster.link.clone())
            .max_decoding_message_size(cofferdam_wire::MESSAGE_BYTES_MAX);
        let mut inbound = client.join(messages).await.map_err(&failed)?.into_inner();
        let first = inbound.message().await.map_err(&failed)?;
        match first.and_then(|first| first.message) {
            Some(to_worker::Message::Welcome(Welcome { worker, .. })) => Ok((worker, inbound)),
            _ => Err(Error::Refused { doing, why: "its first message is no welcome".to_owned() }),
        }
    };
    let late = |_| Error::Unreachable {
        doing,
        address: cluster.address.clone(),
        why: format!("no answer within {} s", WELCOME_TIMEOUT.as_secs()),
    };
    let (worker, inbound) = tokio::time::timeout(WELCOME_TIMEOUT, joined).await.map_err(late)??;
    Ok(Stream { worker, inbound, outbound })
}

impl Stream {
    /// Carries until the stream breaks or the worker ends. Both ways at once: a worker that waits for room for its
    /// reports takes no orders.
    async fn carry(
        self,
        cluster: &Cluster,
        orders: &mpsc::Sender<Vec<Order>>,
        reports: &mut mpsc::Receiver<Vec<Report>>,
        leave: impl Future<Output = ()>,
        held: &Mutex<Held>,
    ) -> Ended {
        let Stream { mut inbound, outbound, .. } = self;
        let ask = async {
            leave.await;
            let draining = FromWorker { message: Some(from_worker::Message::Draining(Draining {})) };
            // If the stream has ended, its other direction tells.
            let _ = outbound.send(draining).await;
            std::future::pending().await
        };
        let ended = tokio::select! {
            ended = carry_orders(cluster, &mut inbound, orders, held) => ended,
            ended = carry_reports(reports, &outbound, held) => ended,
            never = ask => never,
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
    inbound: &mut Streaming<ToWorker>,
    orders: &mpsc::Sender<Vec<Order>>,
    held: &Mutex<Held>,
) -> Ended {
    let mut joiner = Joiner::default();
    loop {
        let piece = match inbound.message().await {
            Ok(Some(ToWorker { message: Some(to_worker::Message::Orders(piece)) })) => piece,
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

async fn carry_reports(
    reports: &mut mpsc::Receiver<Vec<Report>>,
    outbound: &mpsc::Sender<FromWorker>,
    held: &Mutex<Held>,
) -> Ended {
    while let Some(batch) = reports.recv().await {
        let batch = lock(held).reported(batch);
        let pieces = if batch.is_empty() { None } else { Some(pieces(encode(&batch))) };
        for piece in pieces.into_iter().flatten() {
            let message = FromWorker { message: Some(from_worker::Message::Reports(piece)) };
            if outbound.send(message).await.is_err() {
                // Why the stream has ended is told by its other direction.
                std::future::pending::<()>().await;
            }
        }
        if lock(held).is_done() {
            return Ended::Done;
        }
    }
    Ended::Worker
}

#[cfg(test)]
mod tests {
    use cofferdam_model::{Assignment, LibraryDigest, Name, RunId, StepKey};

    use super::*;

    fn attempt(fence: u64) -> AttemptId {
        let run: RunId = "01890000-0000-7000-8000-000000000001".parse().unwrap();
        AttemptId { run, step: StepKey::new("a"), attempt: 1, fence: Fence(fence) }
    }

    fn finished(fence: u64) -> Report {
        let outcome = cofferdam_model::Outcome::Succeeded { outputs: vec![], metadata: vec![] };
        Report::Finished { id: attempt(fence), outcome, usage: Default::default() }
    }

    #[test]
    fn what_a_broken_stream_had_ordered_is_cancelled_once_and_ends_unheard() {
        let run = |fence| {
            let assignment =
                Assignment::new(attempt(fence), LibraryDigest([0; 32]), Name::new("op").unwrap());
            Order::Run(Box::new(assignment))
        };
        let mut held = Held::default();
        held.ordered(&[run(1), run(2)]);
        assert_eq!(held.reported(vec![finished(1)]).len(), 1);
        assert_eq!(held.give_up(), [Order::Cancel(attempt(2))]);
        assert_eq!(held.give_up(), []);
        held.ordered(&[run(3)]);
        let heard = held.reported(vec![finished(2), finished(3)]);
        assert_eq!(heard, [finished(3)]);
        assert!(held.open.is_empty() && held.given_up.is_empty());
    }
}
