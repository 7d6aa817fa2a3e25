//! Runs: taken, watched, cancelled.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use cofferdam_model::{NOTE_BYTES_MAX, Plan, Review, RunId, StepKey, demands, namespace};
use cofferdam_scheduler::{Retries, Scheduler, Submission, Update, Updates};
use cofferdam_wire::v1::runs_server::Runs;
use cofferdam_wire::v1::submit_request::Head;
use cofferdam_wire::v1::watch_reply::{self, Progress, Waits};
use cofferdam_wire::v1::{
    CancelReply, CancelRequest, QueuesReply, QueuesRequest, ReviewReply, ReviewRequest, SubmitReply,
    SubmitRequest, WatchReply, WatchRequest, WhyReply, WhyRequest,
};
use cofferdam_wire::{decode, encode, encode_events, pieces};
use futures::future;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use serde_json::{Value, json};
use tonic::{Request, Response, Status, Streaming};

use crate::access::Deed;
use crate::admission::Admission;
use crate::caller::{Access, Caller};
use crate::fleet::Fleet;
use crate::{Parts, refuse};

/// Longest stored form of a plan: a step takes about a kilobyte, so this is some hundred thousand steps.
const PLAN_BYTES_MAX: usize = 512 * 1024 * 1024;

pub(crate) struct Service {
    pub(crate) parts: Parts,
    pub(crate) fleet: Fleet,
    pub(crate) retries: Retries,
    pub(crate) access: Access,
    pub(crate) admission: Arc<Admission>,
}

#[tonic::async_trait]
impl Runs for Service {
    type WatchStream = BoxStream<'static, Result<WatchReply, Status>>;

    async fn submit(
        &self,
        request: Request<Streaming<SubmitRequest>>,
    ) -> Result<Response<SubmitReply>, Status> {
        let caller = Caller::of(request.extensions());
        self.access.check(&caller, Deed::SubmitRun)?;
        let (head, plan) = receive(request.into_inner()).await?;
        let plan = Plan::decode(&plan).map_err(|error| Status::invalid_argument(refuse::chain(&error)))?;
        self.check_libraries(&plan).await?;
        let warnings = self.fleet.warnings(&plan);
        let submission = Submission {
            run: parse(&head.run)?,
            plan: Arc::new(plan),
            tags: head.tags.into_iter().collect::<BTreeMap<_, _>>(),
            idempotency_key: head.idempotency_key,
            origin: head
                .origin
                .map(|origin| decode(&origin, "an origin"))
                .transpose()
                .map_err(|error| refuse::malformed(&error))?,
            known: decode(&head.known, "known steps").map_err(|error| refuse::malformed(&error))?,
        };
        let Submission { plan, tags, origin, known, .. } = &submission;
        self.access.check_submission(&caller, (plan, tags), origin.as_ref(), known).await?;
        self.access.check_signatures(&caller, &submission.plan, &head.signatures)?;
        self.access.record(&caller, Deed::SubmitRun, about(&submission)).await?;
        let asked = submission.run;
        let run = self.parts.scheduler.submit(submission).await.map_err(|error| refuse::scheduler(&error))?;
        // The key of a run that this caller may not know of must not tell it which run that is.
        if run != asked && self.access.check_run(&caller, Deed::SeeRuns, run).await.is_err() {
            return Err(Status::already_exists("the idempotency key is in use; choose another one"));
        }
        self.retries.take_care(run);
        Ok(Response::new(SubmitReply { run: run.to_string(), warnings }))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let caller = Caller::of(request.extensions());
        let run = parse(&request.into_inner().run)?;
        self.access.check_run(&caller, Deed::SeeRuns, run).await?;
        let updates = self.parts.scheduler.updates(run).await.map_err(|error| refuse::scheduler(&error))?;
        let updates = stream::unfold(updates, |mut updates: Updates| async move {
            let update = updates.next().await?;
            Some((update, updates))
        });
        let updates = updates.flat_map(|update| stream::iter(replies(update))).map(Ok);
        let told = updates.chain(retry(self.parts.scheduler.clone(), run));
        let admission = self.admission.clone();
        let end = async move { admission.end(&caller.who).await };
        Ok(Response::new(told.take_until(end).boxed()))
    }

    async fn cancel(&self, request: Request<CancelRequest>) -> Result<Response<CancelReply>, Status> {
        let caller = Caller::of(request.extensions());
        let run = parse(&request.into_inner().run)?;
        self.access.check_run(&caller, Deed::CancelRun, run).await?;
        self.access.record(&caller, Deed::CancelRun, json!({ "run": run })).await?;
        self.parts.scheduler.cancel(run).await.map_err(|error| refuse::scheduler(&error))?;
        Ok(Response::new(CancelReply {}))
    }

    async fn review(&self, request: Request<ReviewRequest>) -> Result<Response<ReviewReply>, Status> {
        let caller = Caller::of(request.extensions());
        let ReviewRequest { run, step, approved, note } = request.into_inner();
        let (run, step) = (parse(&run)?, StepKey::new(&step));
        self.access.check_run(&caller, Deed::ReviewStep, run).await?;
        if note.as_ref().is_some_and(|note| note.len() > NOTE_BYTES_MAX) {
            return Err(Status::invalid_argument(format!("a note has at most {NOTE_BYTES_MAX} bytes")));
        }
        let about = json!({ "run": run, "step": step, "approved": approved });
        self.access.record(&caller, Deed::ReviewStep, about).await?;
        let review = Review { approved, by: Some(caller.who.name()), note };
        self.parts.scheduler.review(run, step, review).await.map_err(|error| refuse::scheduler(&error))?;
        Ok(Response::new(ReviewReply {}))
    }

    async fn queues(&self, request: Request<QueuesRequest>) -> Result<Response<QueuesReply>, Status> {
        self.access.check(&Caller::of(request.extensions()), Deed::SeeQueues)?;
        let queues = self.parts.scheduler.queues().await;
        let queues = queues.map_err(|error| refuse::scheduler(&error))?;
        Ok(Response::new(QueuesReply { queues: encode(&queues) }))
    }

    async fn why(&self, request: Request<WhyRequest>) -> Result<Response<WhyReply>, Status> {
        let caller = Caller::of(request.extensions());
        let WhyRequest { run, step } = request.into_inner();
        let (run, step) = (parse(&run)?, step.map(|step| StepKey::new(&step)));
        self.access.check_run(&caller, Deed::SeeRuns, run).await?;
        let reasons = self.parts.scheduler.why(run, step).await;
        let reasons = reasons.map_err(|error| refuse::scheduler(&error))?;
        Ok(Response::new(WhyReply { reasons: encode(&reasons) }))
    }
}

impl Service {
    /// A run whose code is not here would fail step by step; it is refused instead.
    async fn check_libraries(&self, plan: &Plan) -> Result<(), Status> {
        let mut missing = vec![];
        for (name, digest) in &plan.libraries {
            if !self.parts.depot.contains(digest).await.map_err(|error| refuse::depot(&error))? {
                missing.push(format!("{name} ({digest})"));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(Status::failed_precondition(format!("upload these libraries first: {}", missing.join(", "))))
    }
}

async fn receive(mut stream: Streaming<SubmitRequest>) -> Result<(Head, BytesMut), Status> {
    let mut head = None;
    let mut plan = BytesMut::new();
    while let Some(part) = stream.message().await? {
        head = head.or(part.head);
        if plan.len() + part.plan.len() > PLAN_BYTES_MAX {
            return Err(Status::invalid_argument(format!("a plan has at most {PLAN_BYTES_MAX} bytes")));
        }
        plan.extend_from_slice(&part.plan);
    }
    let head = head.ok_or_else(|| Status::invalid_argument("the first message says which run it is"))?;
    Ok((head, plan))
}

fn replies(update: Update) -> Vec<WatchReply> {
    let reply = |update| WatchReply { update: Some(update) };
    match update {
        Update::Events(events) => {
            pieces(encode_events(&events)).map(|piece| reply(watch_reply::Update::Events(piece))).collect()
        }
        Update::Logs(logs) => {
            pieces(encode(&logs)).map(|piece| reply(watch_reply::Update::Logs(piece))).collect()
        }
        Update::Progress { step, attempt, progress } => {
            let cofferdam_model::Progress { done, total, message } = progress;
            let progress = Progress { step: step.to_string(), attempt, done, total, message };
            vec![reply(watch_reply::Update::Progress(progress))]
        }
        Update::Waits { step, why } => {
            let why = why.map(|why| encode(&why));
            vec![reply(watch_reply::Update::Waits(Waits { step: step.to_string(), why }))]
        }
        Update::Missed(missed) => vec![reply(watch_reply::Update::Missed(missed))],
    }
}

/// The run that executes this one again, if it has failed and one does: the last that is told of it.
fn retry(scheduler: Arc<Scheduler>, run: RunId) -> impl Stream<Item = Result<WatchReply, Status>> {
    let next = async move {
        // Why it is not retried is in the scheduler's own log.
        let next = scheduler.retry(run).await.ok().flatten()?;
        let update = watch_reply::Update::Retry(next.to_string());
        Some(Ok(WatchReply { update: Some(update) }))
    };
    stream::once(next).filter_map(future::ready)
}

/// What the audit log keeps of a run: what runs, and what it was granted.
pub(crate) fn about(submission: &Submission) -> Value {
    let plan = &submission.plan;
    let granted: Vec<String> = demands(plan, &submission.known).iter().map(ToString::to_string).collect();
    json!({
        "run": submission.run,
        "job": plan.job,
        "namespace": namespace(&plan.tags),
        "plan": plan.digest(),
        "libraries": plan.libraries,
        "granted": granted,
    })
}

fn parse(run: &str) -> Result<RunId, Status> {
    run.parse().map_err(|_| Status::invalid_argument("a run is named by its whole id"))
}
