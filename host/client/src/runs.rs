//! Runs on a cluster: submitted, watched, cancelled.

use bytes::Bytes;
use cofferdam_model::{Progress, Queues, Reasons, RunId, StepKey};
use cofferdam_scheduler::{Submission, Update};
use cofferdam_wire::v1::runs_client::RunsClient;
use cofferdam_wire::v1::submit_request::Head;
use cofferdam_wire::v1::{
    CancelRequest, QueuesRequest, ReviewRequest, SubmitReply, SubmitRequest, WatchReply, WatchRequest,
    WhyRequest, watch_reply,
};
use cofferdam_wire::{Joiner, Malformed, chunks, decode, decode_events, encode};
use futures::stream;
use tonic::Streaming;

use crate::again::Again;
use crate::{Cluster, Error, Link};

impl Cluster {
    fn runs(&self) -> RunsClient<Link> {
        RunsClient::new(self.link())
    }

    /// Hands a run over. When this answers the run is accepted durably: this program may end. Gives the run and what a
    /// person should know about it. A scheduler that is away, or whose run log is, is asked again: it records a run once.
    pub async fn submit(
        &self,
        submission: &Submission,
        signatures: Vec<String>,
    ) -> Result<(RunId, Vec<String>), Error> {
        let doing = "submit the run";
        let head = Head {
            run: submission.run.to_string(),
            tags: submission.tags.clone().into_iter().collect(),
            idempotency_key: submission.idempotency_key.clone(),
            origin: submission.origin.as_ref().map(encode),
            known: encode(&submission.known),
            signatures,
        };
        let mut head = Some(head);
        let parts: Vec<SubmitRequest> = chunks(Bytes::from(submission.plan.encode()))
            .map(|plan| SubmitRequest { head: head.take(), plan })
            .collect();
        let mut again = Again::default();
        let SubmitReply { run, warnings } = loop {
            match self.runs().submit(stream::iter(parts.clone())).await {
                Ok(reply) => break reply.into_inner(),
                Err(status) => again.after(status).await.map_err(|status| self.failed(doing)(status))?,
            }
        };
        let id =
            run.parse().map_err(|_| Error::Refused { doing, why: format!("it calls the run `{run}`") })?;
        Ok((id, warnings))
    }

    /// Everything about a run, from its first event on.
    pub async fn watch(&self, run: RunId) -> Result<Watch, Error> {
        let request = WatchRequest { run: run.to_string() };
        let replies =
            self.runs().watch(request).await.map_err(|status| self.failed("watch the run")(status))?;
        Ok(Watch {
            cluster: self.clone(),
            replies: replies.into_inner(),
            events: Joiner::default(),
            logs: Joiner::default(),
            retry: None,
        })
    }

    /// Why a step does not run now, or all of a run that could.
    pub async fn why(&self, run: RunId, step: Option<&str>) -> Result<Reasons, Error> {
        let doing = "ask why";
        let request = WhyRequest { run: run.to_string(), step: step.map(str::to_owned) };
        let reply = self.runs().why(request).await.map_err(|status| self.failed(doing)(status))?;
        decode(&reply.into_inner().reasons, "reasons").map_err(|source| Error::Malformed { doing, source })
    }

    /// The run queue and the pools.
    pub async fn queues(&self) -> Result<Queues, Error> {
        let doing = "ask for the queues";
        let reply =
            self.runs().queues(QueuesRequest {}).await.map_err(|status| self.failed(doing)(status))?;
        decode(&reply.into_inner().queues, "queues").map_err(|source| Error::Malformed { doing, source })
    }

    /// Says that a step that waits for it may run, or may not.
    pub async fn review(
        &self,
        run: RunId,
        step: &str,
        approved: bool,
        note: Option<String>,
    ) -> Result<(), Error> {
        let request = ReviewRequest { run: run.to_string(), step: step.to_owned(), approved, note };
        let done = self.runs().review(request).await;
        done.map(|_| ()).map_err(|status| self.failed("review the step")(status))
    }

    /// Asks for the end of a run.
    pub async fn cancel(&self, run: RunId) -> Result<(), Error> {
        let request = CancelRequest { run: run.to_string() };
        let done = self.runs().cancel(request).await;
        done.map(|_| ()).map_err(|status| self.failed("cancel the run")(status))
    }
}

/// The updates of one run. Ends with the run.
pub struct Watch {
    cluster: Cluster,
    replies: Streaming<WatchReply>,
    events: Joiner,
    logs: Joiner,
    retry: Option<RunId>,
}

impl Watch {
    /// The next one; none after the last. After an error, watch anew: everything is told again.
    pub async fn next(&mut self) -> Result<Option<Update>, Error> {
        let doing = "watch the run";
        loop {
            let reply = self.replies.message().await.map_err(|status| self.cluster.failed(doing)(status))?;
            let Some(WatchReply { update: Some(update) }) = reply else { return Ok(None) };
            let update = self.take(update).map_err(|source| Error::Malformed { doing, source })?;
            if update.is_some() {
                return Ok(update);
            }
        }
    }

    /// After the last update: the run that executes this one again, because it failed.
    pub fn retry(&self) -> Option<RunId> {
        self.retry
    }

    fn take(&mut self, update: watch_reply::Update) -> Result<Option<Update>, Malformed> {
        Ok(match update {
            watch_reply::Update::Events(piece) => {
                let events = self.events.add(piece)?;
                events
                    .map(|events| decode_events(&events))
                    .transpose()?
                    .map(|events| Update::Events(events.into()))
            }
            watch_reply::Update::Logs(piece) => {
                let logs = self.logs.add(piece)?;
                let logs: Option<Vec<_>> = logs.map(|logs| decode(&logs, "log lines")).transpose()?;
                logs.map(|logs| Update::Logs(logs.into()))
            }
            watch_reply::Update::Progress(progress) => {
                let watch_reply::Progress { step, attempt, done, total, message } = progress;
                let progress = Progress { done, total, message };
                Some(Update::Progress { step: StepKey::new(&step), attempt, progress })
            }
            watch_reply::Update::Waits(watch_reply::Waits { step, why }) => {
                let why = why.map(|why| decode(&why, "a reason")).transpose()?;
                Some(Update::Waits { step: StepKey::new(&step), why })
            }
            watch_reply::Update::Missed(missed) => Some(Update::Missed(missed)),
            watch_reply::Update::Retry(run) => {
                self.retry = run.parse().ok();
                None
            }
        })
    }
}
