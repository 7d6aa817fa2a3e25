//! A run on a cluster: what it needs is sent there, then it is followed from here.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_client::{Cluster, Error, Objects};
use cofferdam_engine::{Layout, RETRY_NUMBER_TAG, Run};
use cofferdam_io::{Stores, Transient, ValueStore};
use cofferdam_model::{Event, IoManagerKind, LogLevel, Place, Plan, RunId, RunStatus, given};
use cofferdam_runlog::RunSummary;
use cofferdam_scheduler::{Submission, Update};
use cofferdam_wire::Token;
use cofferdam_wire::tls::Unsafe;

use crate::args;
use crate::commands::{run, show, signature};
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::instance;
use crate::interrupts::Interrupts;
use crate::output::{CYAN, Output, YELLOW, printable};
use crate::pages::Sign;
use crate::progress::Follow;
use crate::project::{StateDir, warn_of};
use crate::site::There;
use crate::text::count;

/// Wait before a broken watch is made anew.
const WATCH_AGAIN: Duration = Duration::from_secs(1);
/// Times in a row that a watch may break before it has told anything; then the scheduler is gone.
const BROKEN_WATCHES_MAX: u32 = 30;

/// The token for an instance: the one that was named, or that of the instance in `state`.
pub(crate) fn token(given: &args::TokenArgs, state: Option<&StateDir>) -> Result<Token> {
    token_if_any(given, state)?.ok_or_else(no_token)
}

pub(crate) fn no_token() -> Failed {
    Failed::usage("which token? A cluster takes calls from those who know its token only")
        .hint("`--token-file FILE` names a copy of the file `token` in the state folder of `cofferdam serve`")
}

/// The same for who may do without.
pub(crate) fn token_if_any(given: &args::TokenArgs, state: Option<&StateDir>) -> Result<Option<Token>> {
    let own = state.map(StateDir::token).filter(|path| path.is_file());
    let read: Result<Token> = match (&given.token, given.token_file.clone().or(own)) {
        (Some(text), _) => text.parse().doing(Exit::Usage, "read the token in COFFERDAM_TOKEN"),
        (None, Some(path)) => {
            let what = format!("read the token in {}", path.display());
            warn_of(&path);
            std::fs::read_to_string(&path).doing(Exit::Usage, &what)?.parse().doing(Exit::Usage, &what)
        }
        (None, None) => return Ok(None),
    };
    let token = read?;
    match (given.plaintext, token.authority) {
        (true, _) => Ok(Some(Token { authority: None, ..token })),
        (false, Some(_)) => Ok(Some(token)),
        (false, None) => Err(Failed::usage(
            "the token does not say which scheduler it is for, so it could be told to anybody who answers",
        )
        .hint(
            "copy the file `token` anew from the state folder of `cofferdam serve`; if that was started with `--plaintext`, say `--plaintext` here too",
        )),
    }
}

/// The cluster at an address.
pub(crate) fn at(address: &str, token: &Token) -> Result<Cluster> {
    Cluster::at(address, token).doing(Exit::Usage, "find the scheduler")
}

/// The address of the cluster that a command of clusters is about.
pub(crate) fn address(fleet: &args::Fleet, own: Option<&StateDir>) -> String {
    let at_home = || own.and_then(Sign::read)?.scheduler.map(|at| at.to_string());
    fleet.cluster.clone().or_else(at_home).unwrap_or_else(|| cofferdam_wire::ADDRESS_DEFAULT.to_owned())
}

/// The cluster that a command of clusters is about; `own` may have its token.
pub(crate) fn of(fleet: &args::Fleet, own: Option<&StateDir>) -> Result<Cluster> {
    at(&address(fleet, own), &token(&fleet.token, own)?)
}

/// The stores of a cluster, as seen from this host; what is read and written is kept below `folder`, at most so many
/// bytes, or half of what is free.
pub(crate) fn stores(
    cluster: &Cluster,
    folder: &Path,
    bytes_max: Option<u64>,
    project: &Path,
) -> Result<(Arc<Objects>, Stores)> {
    let objects = Objects::new(cluster.clone(), folder, bytes_max);
    let objects = Arc::new(objects.doing(Exit::Unreachable, format!("use the folder {}", folder.display()))?);
    let main = ValueStore::of_cluster(objects.clone(), instance::namespace());
    let transient = Transient::Cluster(objects.clone());
    let stores = Stores::with_transient(main, transient, project.to_owned(), Arc::new(instance::environment));
    Ok((objects, stores))
}

/// Hands a run over with all that it needs. Gives the run that the cluster has for it, and that one's plan.
pub(crate) async fn hand_over(
    submission: &Submission,
    there: &There,
    output: Output,
) -> Result<(RunId, Arc<Plan>)> {
    crate::gone::refuse(submission)?;
    refuse(&submission.plan)?;
    let cluster = &there.cluster;
    send_libraries(&submission.plan, there, output).await?;
    send_values(&submission.plan, there).await?;
    let signatures = signatures(&submission.plan, there, output)?;
    let (id, warnings) = cluster.submit(submission, signatures).await.map_err(failed)?;
    for warning in &warnings {
        output.say(&format!("{YELLOW}waiting{YELLOW:#} {}", printable(warning)));
    }
    if id == submission.run {
        return Ok((id, submission.plan.clone()));
    }
    output.say(&format!("run {id} has this idempotency key already"));
    Ok((id, plan(id, there).await?))
}

/// Who vouches for the libraries; nobody where there is no project.
fn signatures(plan: &Plan, there: &There, output: Output) -> Result<Vec<String>> {
    let Ok(own) = there.own() else { return Ok(vec![]) };
    signature::of_libraries(own.project(), plan.libraries.values().copied(), output)
}

async fn plan(id: RunId, there: &There) -> Result<Arc<Plan>> {
    let bytes = there.patient_log().plan(id).await.doing(Exit::Unreachable, "read the run log")?;
    Plan::decode(&bytes).map(Arc::new).doing(Exit::Internal, format!("read the plan of run {id}"))
}

/// Shows a run of the cluster until it has ended, and each run that executes it again because it failed. Gives the last.
pub(crate) async fn watch(
    id: RunId,
    plan: Arc<Plan>,
    there: &There,
    interrupts: &mut Interrupts,
    least: LogLevel,
    output: Output,
) -> Result<Run> {
    let (mut id, mut plan) = (id, plan);
    loop {
        let layout = Layout::new(plan).doing(Exit::Internal, "read the plan")?;
        let progress = Follow::new(Run::new(id, layout), least, output);
        let (seen, retry) = follow(id, progress, &there.cluster, interrupts, output).await?;
        let Some(next) = retry else {
            // This terminal may have been too slow for all updates; the log has them.
            return if seen.status().is_terminal() {
                Ok(seen)
            } else {
                show::load(&*there.patient_log(), id).await
            };
        };
        let next = there.patient_log().summary(next).await.doing(Exit::Unreachable, "read the run log")?;
        say_retry(&next, output);
        id = next.run;
        plan = self::plan(id, there).await?;
    }
}

fn say_retry(next: &RunSummary, output: Output) {
    let Some(origin) = &next.origin else { return };
    let number = next.tags.get(RETRY_NUMBER_TAG).map_or("", String::as_str);
    run::say_retry(number, origin.how, next.run, origin.parent, output);
}

/// Waits for the end of a run.
pub(crate) async fn wait(id: RunId, there: &There) -> Result<RunStatus> {
    let cluster = &there.cluster;
    let (ended, _) = tell(id, cluster, |_| {}, Output { quiet: true, json: false }).await.map_err(failed)?;
    Ok(ended)
}

/// Refuses what workers of a cluster could not do, before anything is sent.
fn refuse(plan: &Plan) -> Result<()> {
    for step in &plan.steps {
        for output in &step.outputs {
            let manager = output.io_manager.as_ref().and_then(|name| plan.io_managers.get(name));
            if manager.is_some_and(|manager| manager.kind == IoManagerKind::Memory) {
                let message =
                    format!("`{}.{}` is to be kept in memory, and workers share none", step.key, output.name);
                return Err(Failed::invalid(message).hint(
                    "give that output an IO manager that keeps it where all workers can read it, or none",
                ));
            }
        }
    }
    Ok(())
}

async fn send_libraries(plan: &Plan, there: &There, output: Output) -> Result<()> {
    let digests: Vec<_> = plan.libraries.values().copied().collect();
    for digest in there.cluster.missing(&digests).await.map_err(failed)? {
        let named = plan.libraries.iter().find(|(_, known)| **known == digest);
        let name = named.map_or_else(|| digest.to_string(), |(name, _)| name.to_string());
        output.say(&format!("{CYAN}sending{CYAN:#} {name}"));
        there.cluster.upload(&instance::depot(there.own()?)?, &digest).await.map_err(failed)?;
    }
    Ok(())
}

/// Sends the files that the plan reads, and only those that the cluster lacks.
async fn send_values(plan: &Plan, there: &There) -> Result<()> {
    let stores = there.stores()?;
    let doing = "send an input to the cluster";
    for value in given(plan).filter(|value| matches!(value.place, Place::Stored(_))) {
        let key = stores.main().key(&value.place).doing(Exit::Internal, doing)?;
        match stores.main().size(&key).await {
            Ok(_) => {}
            Err(cofferdam_io::Error::NotFound { .. }) => {
                let here = instance::values(there.own()?)?;
                stores.main().transfer(key, &here, value).await.doing(Exit::Unreachable, doing)?;
            }
            Err(error) => return Err(error).doing(Exit::Unreachable, doing),
        }
    }
    Ok(())
}

/// Shows the run until it has ended; gives also the run that executes it again, if one does. The first interrupt cancels
/// it, the second leaves it to the cluster.
async fn follow(
    id: RunId,
    mut progress: Follow,
    cluster: &Cluster,
    interrupts: &mut Interrupts,
    output: Output,
) -> Result<(Run, Option<RunId>)> {
    let told = {
        let telling = tell(id, cluster, |update| progress.take(update), output);
        tokio::pin!(telling);
        loop {
            tokio::select! {
                told = &mut telling => break told.map_err(|error| {
                    failed(error).hint(format!("run {id} is the cluster's: it goes on without this program"))
                }),
                times = interrupts.next() => {
                    if times > 1 {
                        let left = format!("left; the cluster goes on cancelling run {id}");
                        break Err(Failed::new(Exit::Interrupted, left));
                    }
                    output.say(&format!("{YELLOW}cancelling{YELLOW:#} (once more to leave at once; the cluster goes on)"));
                    cluster.cancel(id).await.map_err(failed)?;
                }
            }
        }
    };
    let seen = progress.finish();
    told.map(|(_, retry)| (seen, retry))
}

/// Passes on what is told of the run until it has ended; gives how, and the run that executes it again. A watch that
/// breaks is made anew.
async fn tell(
    id: RunId,
    cluster: &Cluster,
    mut take: impl FnMut(Update),
    output: Output,
) -> Result<(RunStatus, Option<RunId>), Error> {
    let mut broken = 0;
    let mut ended = None;
    loop {
        let why = match cluster.watch(id).await {
            Err(error) => error,
            Ok(mut watch) => loop {
                match watch.next().await {
                    Ok(Some(update)) => {
                        broken = 0;
                        ended = ended.or_else(|| end_in(&update));
                        take(update);
                    }
                    Ok(None) => match ended {
                        Some(status) => return Ok((status, watch.retry())),
                        // It was too much at once for this terminal, or the scheduler has let go of the run.
                        None => {
                            break Error::Unreachable {
                                doing: "watch the run",
                                address: cluster.address().to_owned(),
                                why: "it stopped telling before the run had ended".to_owned(),
                            };
                        }
                    },
                    Err(error) => break error,
                }
            },
        };
        broken += 1;
        if broken > BROKEN_WATCHES_MAX || !why.may_pass() {
            return Err(why);
        }
        if broken == 1 {
            output.say(&format!("{YELLOW}waiting{YELLOW:#} {why}"));
        }
        tokio::time::sleep(WATCH_AGAIN).await;
    }
}

/// How the run has ended, if that is the news.
fn end_in(update: &Update) -> Option<RunStatus> {
    let Update::Events(events) = update else { return None };
    events.iter().find_map(|recorded| match recorded.event {
        Event::RunFinished { status } => Some(status),
        _ => None,
    })
}

/// An error of the cluster as this program ends with it.
pub(crate) fn failed(error: Error) -> Failed {
    let exit = match &error {
        Error::Unreachable { .. } | Error::Depot { .. } => Exit::Unreachable,
        Error::Denied { .. } | Error::Unsafe { .. } => Exit::Usage,
        Error::Refused { .. } => Exit::Invalid,
        Error::Malformed { .. } => Exit::Internal,
    };
    let failed = Failed::new(exit, format!("failed to {error}"));
    match &error {
        Error::Unreachable { .. } => {
            failed.hint("is `cofferdam serve` running there, and is the address right?")
        }
        Error::Denied { .. } => failed
            .hint("`--token-file` names a copy of the file `token` in the state folder of `cofferdam serve`"),
        Error::Unsafe { why, .. } => failed.hint(match why {
            Unsafe::OtherAuthority { .. } => {
                "is the address right, and the token that of the scheduler there? `--token-file` names a copy of its file `token`"
            }
            Unsafe::Clock { .. } => "set the clocks of both hosts; `cofferdam serve` makes a new certificate when it starts",
            Unsafe::NotEncrypted => {
                "is the address right? If it is and there is a tunnel to it, `--plaintext` does without encryption"
            }
            Unsafe::Refused(_) => "is the address right, and is it a `cofferdam serve` that answers there?",
        }),
        Error::Refused { .. } | Error::Malformed { .. } | Error::Depot { .. } => failed,
    }
}

/// What a worker says about its connection.
pub(crate) fn said(said: &cofferdam_client::Said, output: Output) {
    use cofferdam_client::Said;
    match said {
        Said::Joined { worker } => output.say(&format!("{CYAN}joined{CYAN:#} as worker {worker}")),
        Said::Lost { why, n_attempts } => {
            let running = if *n_attempts == 0 {
                String::new()
            } else {
                format!("; {} kept", count(*n_attempts, "attempt"))
            };
            output.say(&format!("{YELLOW}waiting{YELLOW:#} {why}{running}"));
        }
    }
}
