//! What the run log holds, asked from afar: each question answered for the eyes of who asks.

use bytes::Bytes;
use cofferdam_model::{InstigatorState, RunId, Tick};
use cofferdam_runlog::{
    By, FindError, PAGE_ROWS_MAX, Promotion, Question, RunFilter, RunLog, RunSummary, answer,
};
use cofferdam_wire::chunks;
use cofferdam_wire::v1::history_server::History;
use cofferdam_wire::v1::{self, Chunk};
use futures::stream::{self, BoxStream, StreamExt};
use serde_json::json;
use tonic::{Request, Response, Status};

use crate::access::Deed;
use crate::caller::{Access, Caller};
use crate::refuse;

pub(crate) struct Service(pub(crate) Access);

#[tonic::async_trait]
impl History for Service {
    type AskStream = BoxStream<'static, Result<Chunk, Status>>;

    async fn ask(&self, request: Request<v1::Question>) -> Result<Response<Self::AskStream>, Status> {
        let caller = Caller::of(request.extensions());
        let question = Question::decode(&request.into_inner().question).map_err(|_| {
            Status::invalid_argument(
                "this scheduler does not know the question; use the same version of cofferdam on both sides",
            )
        })?;
        self.check(&caller, &question).await?;
        let question = self.by(&caller, question);
        let answer = self.answer(&caller, question).await.map_err(|error| refuse::log(&error))?;
        Ok(Response::new(stream::iter(chunks(Bytes::from(answer)).map(|bytes| Ok(Chunk { bytes }))).boxed()))
    }
}

impl Service {
    async fn check(&self, caller: &Caller, question: &Question) -> Result<(), Status> {
        match question {
            Question::Events { run, .. }
            | Question::Logs { run, .. }
            | Question::Plan { run }
            | Question::Known { run }
            | Question::Summary { run } => self.0.check_run(caller, Deed::SeeRuns, *run).await,
            Question::Runs(_)
            | Question::Unfinished
            | Question::Find { .. }
            | Question::Pins
            | Question::Instigators
            | Question::Ticks { .. } => self.0.check(caller, Deed::SeeRuns),
            // Earlier results and assets are of all namespaces.
            Question::Recall { .. }
            | Question::MemoOfStep { .. }
            | Question::Latest { .. }
            | Question::LatestAll { .. }
            | Question::Materializations { .. }
            | Question::PartitionsOf { .. }
            | Question::Checks { .. }
            | Question::Partitions { .. } => self.0.check(caller, Deed::SeeAssets),
            // Whoever runs what a channel is on must know what that is.
            Question::Channels | Question::Promotions { .. } => self.0.check(caller, Deed::SeeLibraries),
            Question::Promote { channel, library, .. } => {
                self.0.check_channel(caller, channel)?;
                let about = json!({ "channel": channel, "library": library });
                self.0.record(caller, Deed::PromoteLibrary, about).await
            }
            Question::RollBack { channel, .. } => {
                self.0.check_channel(caller, channel)?;
                let about = json!({ "channel": channel, "back": true });
                self.0.record(caller, Deed::PromoteLibrary, about).await
            }
            Question::AddPartitions { set, partitions } | Question::RemovePartitions { set, partitions } => {
                self.0.check(caller, Deed::ChangePartitions)?;
                let adds = matches!(question, Question::AddPartitions { .. });
                let about = json!({ "set": set, "adds": adds, "n": partitions.len() });
                self.0.record(caller, Deed::ChangePartitions, about).await
            }
            Question::Pin { run } | Question::Unpin { run } => {
                self.0.check_run(caller, Deed::PinRun, *run).await?;
                let pins = matches!(question, Question::Pin { .. });
                self.0.record(caller, Deed::PinRun, json!({ "run": run, "pins": pins })).await
            }
        }
    }

    /// Who asks is not theirs to say.
    fn by(&self, caller: &Caller, question: Question) -> Question {
        let by = By { who: caller.who.to_string(), at: self.0.audit.now() };
        match question {
            Question::Promote { channel, library, .. } => Question::Promote { channel, library, by },
            Question::RollBack { channel, .. } => Question::RollBack { channel, by },
            other => other,
        }
    }

    /// Lists hold what the caller may know of.
    async fn answer(&self, caller: &Caller, question: Question) -> Result<Vec<u8>, cofferdam_runlog::Error> {
        let log = &*self.0.log;
        let bytes = match question {
            _ if caller.sees_all() => return answer(log, question).await,
            Question::Runs(filter) => serde_json::to_vec(&seen(log, caller, filter).await?),
            Question::Unfinished => {
                serde_json::to_vec(&self.known_to(caller, log.unfinished().await?).await?)
            }
            Question::Pins => serde_json::to_vec(&self.known_to(caller, log.catalog().pins().await?).await?),
            Question::Find { prefix } => {
                let runs = match log.find(&prefix).await {
                    Ok(run) => vec![run],
                    Err(FindError::None(_)) => vec![],
                    Err(FindError::Ambiguous { runs, .. }) => runs,
                    Err(FindError::Store(error)) => return Err(error),
                };
                let runs = self.known_to(caller, runs).await?;
                let found: Result<RunId, Vec<RunId>> = match runs.as_slice() {
                    [one] => Ok(*one),
                    _ => Err(runs),
                };
                serde_json::to_vec(&found)
            }
            Question::Channels => {
                let mut channels = log.catalog().channels().await?;
                channels.retain(|promotion| caller.sees_channel(&promotion.channel));
                serde_json::to_vec(&channels)
            }
            Question::Promotions { ref channel, .. } if !caller.sees_channel(channel) => {
                serde_json::to_vec(&Vec::<Promotion>::new())
            }
            // Nothing says yet which namespace a schedule or a sensor belongs to.
            Question::Instigators => serde_json::to_vec(&Vec::<InstigatorState>::new()),
            Question::Ticks { .. } => serde_json::to_vec(&Vec::<Tick>::new()),
            _ => return answer(log, question).await,
        };
        Ok(bytes.expect("what the log holds can be written as JSON"))
    }

    /// Those of the runs that the caller may know of.
    async fn known_to(
        &self,
        caller: &Caller,
        runs: Vec<RunId>,
    ) -> Result<Vec<RunId>, cofferdam_runlog::Error> {
        let mut known = vec![];
        for run in runs {
            if caller.sees(&self.0.log.summary(run).await?.tags) {
                known.push(run);
            }
        }
        Ok(known)
    }
}

/// The newest runs that the caller may know of and the filter lets through, as many as it asks for.
async fn seen(
    log: &dyn RunLog,
    caller: &Caller,
    mut filter: RunFilter,
) -> Result<Vec<RunSummary>, cofferdam_runlog::Error> {
    let wanted = filter.limit.unwrap_or(PAGE_ROWS_MAX).min(PAGE_ROWS_MAX);
    filter.limit = None;
    let mut seen = vec![];
    loop {
        let page = log.runs(filter.clone()).await?;
        let Some(last) = page.last() else { break };
        filter.before = Some(last.run);
        seen.extend(page.into_iter().filter(|run| caller.sees(&run.tags)));
        if seen.len() >= wanted {
            break;
        }
    }
    seen.truncate(wanted);
    Ok(seen)
}
