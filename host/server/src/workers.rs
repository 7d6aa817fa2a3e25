//! A worker's stream: its reports go to the scheduler, the scheduler's orders to it, until either side ends.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use cofferdam_crash::reach;
use cofferdam_model::{LABELS_MAX, Order, Report, WorkerId, check_label};
use cofferdam_scheduler::{Scheduler, Visit, WorkerOffer};
use cofferdam_wire::tls::{CutOff, MEMBER_BYTES, Member, Peer};
use cofferdam_wire::v1 as pb;
use cofferdam_wire::v1::workers_server::Workers;
use cofferdam_wire::v1::{
    DrainReply, DrainRequest, EnrolReply, EnrolRequest, FromWorker, Hello, ListReply, ListRequest,
    LocateReply, LocateRequest, Piece, RevokeReply, RevokeRequest, ToWorker, Welcome, WorkerState,
    from_worker, revoke_request, to_worker,
};
use cofferdam_wire::{Joiner, PROTOCOL, WORLD, decode, encode, pieces};
use futures::stream::{self, BoxStream, Stream, StreamExt};
use serde_json::json;
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

use crate::access::Deed;
use crate::admission::Tls;
use crate::caller::{Access, Caller, Who};
use crate::fleet::Fleet;
use crate::holders::{self, Holders, Reached};
use crate::refuse;

/// Batches that wait in a channel; each holds any number of orders or reports.
const CHANNEL_BATCHES: usize = 256;
/// Characters of a worker's name.
const NAME_CHARS_MAX: usize = 200;
/// Abstract resources that a worker may offer.
const RESOURCES_MAX: usize = 100;
/// Members in one message that says who was cut off.
const CUT_OFF_PER_MESSAGE: usize = 10_000;

pub(crate) struct Service {
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) fleet: Fleet,
    pub(crate) holders: Holders,
    /// None if nothing is encrypted.
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) access: Access,
}

#[tonic::async_trait]
impl Workers for Service {
    type JoinStream = BoxStream<'static, Result<ToWorker, Status>>;

    async fn join(
        &self,
        request: Request<Streaming<FromWorker>>,
    ) -> Result<Response<Self::JoinStream>, Status> {
        let member = self.member(&Caller::of(request.extensions()).who)?;
        let address = request.extensions().get::<Peer>().expect("every connection is accepted here").address;
        let from = address.to_string();
        let mut stream = request.into_inner();
        let hello = match stream.message().await? {
            Some(FromWorker { message: Some(from_worker::Message::Hello(hello)) }) => hello,
            _ => return Err(Status::invalid_argument("a worker's first message is Hello")),
        };
        let offer = check(&hello)?;
        let mut visit = visit(&hello)?;
        if let Some((tls, member)) = &member {
            bind(&mut visit, tls, *member, &hello.proof);
        }
        let reached = hello.gives.as_ref();
        let named = member.as_ref().map(|(_, member)| *member);
        let reached = reached.map(|gives| Reached::new(gives, Some(address.ip()), named)).transpose()?;
        let (to_worker, orders) = mpsc::channel(CHANNEL_BATCHES);
        let (to_scheduler, reports) = mpsc::channel(CHANNEL_BATCHES);
        let attached = self.scheduler.attach_visitor(offer, visit, to_worker, reports).await;
        let attached = attached.map_err(|error| refuse::scheduler(&error))?;
        let id = attached.worker;
        tracing::info!(worker = id.0, name = hello.name, %from, slots = hello.slots, "a worker has joined");
        let Hello { name, version, slots, resources, labels, leaving, .. } = hello;
        let state = WorkerState {
            worker: id.0,
            name: name.clone(),
            address: from,
            version,
            slots,
            resources,
            leaving,
            labels,
            member: named.map_or_else(String::new, |member| member.to_string()),
        };
        let entry = self.fleet.enter(id, state);
        let (holder, wanted) = self.holders.enter(id, reached);
        let (scheduler, fleet) = (self.scheduler.clone(), self.fleet.clone());
        #[expect(clippy::disallowed_methods, reason = "it ends with the stream that it reads")]
        tokio::spawn(async move {
            let why = pass_on(stream, to_scheduler, &scheduler, &fleet, holder, id).await;
            drop(entry);
            tracing::info!(worker = id.0, name, why, "a worker has left");
        });
        let cut_off = member.as_ref().map(|(tls, _)| tls.revoked.cut_off());
        let news = stream::select(wanted_keys(wanted), cut_off_members(cut_off)).boxed();
        let proof = member.map(|(tls, member)| tls.proof(member, id).as_bytes().to_vec());
        let (term, received) = (self.scheduler.term().0, attached.received);
        let welcome = Welcome { worker: id.0, term, received, proof: proof.unwrap_or_default().into() };
        let welcome = ToWorker { message: Some(to_worker::Message::Welcome(welcome)) };
        Ok(Response::new(stream::iter([Ok(welcome)]).chain(send(orders, news)).boxed()))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListReply>, Status> {
        self.access.check(&Caller::of(request.extensions()), Deed::SeeWorkers)?;
        Ok(Response::new(ListReply { workers: self.fleet.list() }))
    }

    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolReply>, Status> {
        let tls = self.tls.as_ref().ok_or_else(no_certificates)?;
        let member = match Caller::of(request.extensions()).who {
            Who::Worker(member) => Ok(member),
            Who::Open | Who::Holder => Member::draw(),
            Who::Api(_) => return Err(only_cluster_token()),
        };
        let member = member.map_err(|error| Status::internal(refuse::chain(&error)))?;
        let signed = tls.authority.sign(member, &request.into_inner().public_key, tls.valid());
        let signed = signed.map_err(|error| Status::invalid_argument(refuse::chain(&error)))?;
        let chain = signed.into_iter().map(|certificate| certificate.to_vec().into()).collect();
        let life_ms = u64::try_from(tls.certificate_life().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(%member, "a certificate was signed");
        reach("certificate.issued");
        Ok(Response::new(EnrolReply { chain, life_ms }))
    }

    async fn revoke(&self, request: Request<RevokeRequest>) -> Result<Response<RevokeReply>, Status> {
        let caller = Caller::of(request.extensions());
        self.access.check(&caller, Deed::RevokeWorker)?;
        let tls = self.tls.as_ref().ok_or_else(no_certificates)?;
        let member: Option<Member> = match request.into_inner().whom {
            Some(revoke_request::Whom::Worker(worker)) => self.fleet.member(WorkerId(worker)),
            Some(revoke_request::Whom::Member(member)) => member.parse().ok(),
            None => None,
        };
        let member = member.ok_or_else(|| Status::not_found("no such worker is joined"))?;
        self.access.record(&caller, Deed::RevokeWorker, json!({ "member": member.to_string() })).await?;
        let revoked = tls.revoked.add(member, tls.now()).await;
        revoked.map_err(|error| Status::unavailable(refuse::chain(&error)))?;
        tracing::info!(%member, "a worker was cut off");
        for worker in self.fleet.of(member) {
            self.scheduler.dismiss_worker(worker).await.map_err(|error| refuse::scheduler(&error))?;
        }
        Ok(Response::new(RevokeReply { member: member.to_string() }))
    }

    async fn drain(&self, request: Request<DrainRequest>) -> Result<Response<DrainReply>, Status> {
        let caller = Caller::of(request.extensions());
        self.access.check(&caller, Deed::DrainWorker)?;
        let worker = WorkerId(request.into_inner().worker);
        self.access.record(&caller, Deed::DrainWorker, json!({ "worker": worker.0 })).await?;
        if !self.fleet.leave(worker) {
            return Err(Status::not_found(format!("no worker {} is joined", worker.0)));
        }
        self.scheduler.drain_worker(worker).await.map_err(|error| refuse::scheduler(&error))?;
        Ok(Response::new(DrainReply {}))
    }

    async fn locate(&self, request: Request<LocateRequest>) -> Result<Response<LocateReply>, Status> {
        if let Who::Api(_) = Caller::of(request.extensions()).who {
            return Err(Status::permission_denied("where a value is, is told to workers only"));
        }
        Ok(Response::new(LocateReply { holders: self.holders.locate(&request.into_inner().key) }))
    }
}

impl Service {
    /// Who joins; none if nothing is encrypted.
    fn member(&self, who: &Who) -> Result<Option<(Arc<Tls>, Member)>, Status> {
        match (who, &self.tls) {
            (Who::Worker(member), Some(tls)) => Ok(Some((tls.clone(), *member))),
            (Who::Holder | Who::Worker(_), _) => Err(Status::failed_precondition(
                "a worker joins with a certificate; it is given one for the cluster's token",
            )),
            (Who::Open, _) => Ok(None),
            (Who::Api(_), _) => Err(only_cluster_token()),
        }
    }
}

fn only_cluster_token() -> Status {
    Status::permission_denied(
        "workers join with the cluster's own token, which `cofferdam serve` has written; this one was made for a client",
    )
}

fn no_certificates() -> Status {
    Status::failed_precondition(
        "nothing is encrypted here, so workers have no certificates: who knows the token is let in, and `cofferdam token rotate` makes another one",
    )
}

/// Makes sure that a worker comes back as nobody but itself: what it says of itself counts together with what its
/// certificate names, and a number that it had before needs the proof that came with it.
fn bind(visit: &mut Visit, tls: &Tls, member: Member, proof: &[u8]) {
    visit.instance = tls.instance(member, visit.instance);
    let proof: Option<[u8; 32]> = proof.try_into().ok();
    // Hashes are compared in a time that does not depend on where they differ.
    visit.previous =
        visit.previous.filter(|worker| proof.is_some_and(|proof| tls.proof(member, *worker) == proof));
}

/// Refuses, in words, a worker that could not work here.
fn check(hello: &Hello) -> Result<WorkerOffer, Status> {
    if hello.protocol != PROTOCOL {
        return Err(Status::failed_precondition(format!(
            "the worker (cofferdam {}) speaks protocol {}, this scheduler {PROTOCOL}; use the same version of cofferdam on both",
            hello.version, hello.protocol
        )));
    }
    if hello.world != WORLD {
        return Err(Status::failed_precondition(format!(
            "the worker offers ops the interface {}, this cluster runs {WORLD}; use the same version of cofferdam on both",
            hello.world
        )));
    }
    let believable = hello.slots > 0
        && hello.name.chars().count() <= NAME_CHARS_MAX
        && hello.resources.len() <= RESOURCES_MAX
        && hello.resources.values().all(|amount| amount.is_finite() && *amount >= 0.0)
        && hello.labels.len() <= LABELS_MAX
        && hello.labels.iter().all(|(name, value)| check_label(name).and(check_label(value)).is_ok());
    if !believable {
        return Err(Status::invalid_argument(format!(
            "a worker has a slot at least, a name of at most {NAME_CHARS_MAX} characters, at most {RESOURCES_MAX} resources, each a number that is not negative, and at most {LABELS_MAX} plain labels"
        )));
    }
    let resources = hello.resources.clone().into_iter().collect();
    Ok(WorkerOffer {
        slots: hello.slots,
        queue: hello.queue,
        resources,
        labels: hello.labels.clone().into_iter().collect(),
        lifetime: hello.lifetime_ms.map(Duration::from_millis),
    })
}

/// Passes reports on; says why it ended. The scheduler notices by the closed channel.
async fn pass_on(
    mut stream: Streaming<FromWorker>,
    to_scheduler: mpsc::Sender<Vec<Report>>,
    scheduler: &Scheduler,
    fleet: &Fleet,
    holder: holders::Entry,
    id: WorkerId,
) -> String {
    let mut joiner = Joiner::default();
    loop {
        let piece = match stream.message().await {
            Ok(Some(FromWorker { message: Some(from_worker::Message::Reports(piece)) })) => piece,
            Ok(Some(FromWorker { message: Some(from_worker::Message::Draining(_)) })) => {
                fleet.leave(id);
                match scheduler.drain_worker(id).await {
                    Ok(()) => continue,
                    Err(error) => return refuse::chain(&error),
                }
            }
            Ok(Some(FromWorker { message: Some(from_worker::Message::Holds(holds)) })) => {
                holder.note(&holds);
                continue;
            }
            Ok(Some(_)) => return "it sent something else than reports".to_owned(),
            Ok(None) => return "it closed its stream".to_owned(),
            Err(status) => return status.message().to_owned(),
        };
        let reports = match joiner.add(piece) {
            Ok(None) => continue,
            Ok(Some(batch)) => decode(&batch, "reports"),
            Err(error) => Err(error),
        };
        match reports {
            Ok(reports) => {
                if to_scheduler.send(reports).await.is_err() {
                    return "the scheduler has stopped".to_owned();
                }
            }
            Err(error) => return refuse::chain(&error),
        }
    }
}

/// Orders, and between them what else there is to say, until there are no more orders.
fn send(
    mut orders: mpsc::Receiver<Vec<Order>>,
    mut news: BoxStream<'static, to_worker::Message>,
) -> BoxStream<'static, Result<ToWorker, Status>> {
    let messages = stream::poll_fn(move |context| match orders.poll_recv(context) {
        Poll::Ready(batch) => {
            Poll::Ready(batch.map(|batch| pieces(encode(&batch)).map(order).collect::<Vec<ToWorker>>()))
        }
        Poll::Pending => match news.poll_next_unpin(context) {
            Poll::Ready(Some(message)) => Poll::Ready(Some(vec![ToWorker { message: Some(message) }])),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        },
    });
    messages.flat_map(|messages| stream::iter(messages.into_iter().map(Ok))).boxed()
}

/// The keys of values that the worker is to send.
fn wanted_keys(mut wanted: mpsc::Receiver<String>) -> impl Stream<Item = to_worker::Message> {
    stream::poll_fn(move |context| wanted.poll_recv(context)).map(to_worker::Message::Wanted)
}

/// All members that were cut off, and then more as they are; nothing if nothing is encrypted.
fn cut_off_members(cut_off: Option<&CutOff>) -> BoxStream<'static, to_worker::Message> {
    let Some(cut_off) = cut_off else { return stream::empty().boxed() };
    let mut watched = cut_off.watch();
    watched.mark_changed();
    let news = stream::unfold((watched, BTreeSet::new()), |(mut watched, told)| async move {
        watched.changed().await.ok()?;
        let all = watched.borrow_and_update().clone();
        let new: Vec<u8> = all.difference(&told).flat_map(|member| member.to_bytes()).collect();
        let pieces: Vec<to_worker::Message> = new
            .chunks(CUT_OFF_PER_MESSAGE * MEMBER_BYTES)
            .map(|piece| to_worker::Message::CutOff(pb::CutOff { members: piece.to_vec().into() }))
            .collect();
        Some((stream::iter(pieces), (watched, all)))
    });
    news.flatten().boxed()
}

fn order(piece: Piece) -> ToWorker {
    ToWorker { message: Some(to_worker::Message::Orders(piece)) }
}

/// What a worker brings along when it comes back.
fn visit(hello: &Hello) -> Result<Visit, Status> {
    let instance = hello.instance.as_ref().try_into().map(u128::from_be_bytes);
    let instance =
        instance.map_err(|_| Status::invalid_argument("a worker's instance is a number of 16 bytes"))?;
    let held = match hello.held.is_empty() {
        true => vec![],
        false => decode(&hello.held, "attempts").map_err(|error| refuse::malformed(&error))?,
    };
    let previous = hello.previous.map(WorkerId);
    Ok(Visit { instance, previous, held, acknowledged: hello.acknowledged, leaving: hello.leaving })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            protocol: PROTOCOL,
            world: WORLD.to_owned(),
            version: "0.1.0".to_owned(),
            slots: 1,
            instance: vec![0; 16].into(),
            ..Hello::default()
        }
    }

    #[test]
    fn d8_a_worker_of_another_version_is_refused_with_words() {
        assert!(check(&hello()).is_ok());
        let other = check(&Hello { protocol: 9, version: "7.0.0".to_owned(), ..hello() }).unwrap_err();
        assert_eq!(
            other.message(),
            "the worker (cofferdam 7.0.0) speaks protocol 9, this scheduler 6; use the same version of cofferdam on both"
        );
        let other = check(&Hello { world: "cofferdam:op@9.0.0".to_owned(), ..hello() }).unwrap_err();
        assert_eq!(
            other.message(),
            "the worker offers ops the interface cofferdam:op@9.0.0, this cluster runs cofferdam:op@0.1.0; use the same version of cofferdam on both"
        );
    }

    #[test]
    fn h_103_a_worker_that_says_impossible_things_of_itself_is_refused() {
        let with =
            |name: &str, amount: f64| Hello { resources: [(name.to_owned(), amount)].into(), ..hello() };
        assert!(check(&with("GPU", 2.0)).is_ok());
        for bad in [
            with("GPU", -1.0),
            with("GPU", f64::NAN),
            with("GPU", f64::INFINITY),
            Hello { slots: 0, ..hello() },
        ] {
            assert_eq!(check(&bad).unwrap_err().code(), tonic::Code::InvalidArgument);
        }
        let many = (0..=RESOURCES_MAX).map(|at| (at.to_string(), 1.0)).collect();
        assert!(check(&Hello { resources: many, ..hello() }).is_err());
        let label = |name: &str| Hello { labels: [(name.to_owned(), "eu".to_owned())].into(), ..hello() };
        assert!(check(&label("zone")).is_ok());
        assert!(check(&label("two words")).is_err());
        assert!(check(&Hello { name: "x".repeat(NAME_CHARS_MAX + 1), ..hello() }).is_err());
    }
}
