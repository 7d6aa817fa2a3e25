//! A run on a cluster: what it needs is sent there, then it is followed from here.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_client::{Cluster, Error, Objects};
use cofferdam_engine::{Layout, Run};
use cofferdam_io::{Stores, ValueStore};
use cofferdam_model::{IoManagerKind, Place, Plan, RunId, Source, ValueRef};
use cofferdam_scheduler::Submission;
use cofferdam_wire::Token;

use crate::args;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::instance;
use crate::output::{CYAN, Output, YELLOW, printable};
use crate::progress::Follow;
use crate::project::StateDir;
use crate::text::count;

/// Wait before a broken watch is made anew.
const WATCH_AGAIN: Duration = Duration::from_secs(1);
/// Times in a row that a watch may break before it has told anything; then the scheduler is gone.
const BROKEN_WATCHES_MAX: u32 = 30;

/// The token for an instance: the one that was named, or that of the instance in `state`.
pub(crate) fn token(given: &args::TokenArgs, state: Option<&StateDir>) -> Result<Token> {
    if let Some(text) = &given.token {
        return text.parse().doing(Exit::Usage, "read the token in COFFERDAM_TOKEN");
    }
    let own = state.map(StateDir::token).filter(|path| path.is_file());
    let Some(path) = given.token_file.clone().or(own) else {
        return Err(Failed::usage("which token? A cluster takes calls from those who know its token only")
            .hint("`--token-file FILE` names a copy of the file `token` in the state folder of `cofferdam serve`"));
    };
    let what = format!("read the token in {}", path.display());
    std::fs::read_to_string(&path).doing(Exit::Usage, &what)?.parse().doing(Exit::Usage, &what)
}

/// The cluster at an address.
pub(crate) fn at(address: &str, token: &Token) -> Result<Cluster> {
    Cluster::at(address, token).doing(Exit::Usage, "find the scheduler")
}

/// The stores of a cluster, as seen from this host; what is read is kept below `folder`.
pub(crate) fn stores(cluster: &Cluster, folder: &Path, project: &Path) -> Result<(Arc<Objects>, Stores)> {
    let objects = Objects::new(cluster.clone(), folder);
    let objects = Arc::new(objects.doing(Exit::Unreachable, format!("use the folder {}", folder.display()))?);
    let main = ValueStore::of_cluster(objects.clone(), instance::namespace());
    Ok((objects, Stores::new(main, project.to_owned(), Arc::new(instance::environment))))
}

/// Sends a run with all that it needs, and follows it to its end. Gives its last state.
pub(crate) async fn run(
    submission: &Submission,
    cluster: &Cluster,
    stores: &Stores,
    state: &StateDir,
    output: Output,
) -> Result<Run> {
    crate::gone::refuse(submission)?;
    refuse(&submission.plan)?;
    send_libraries(&submission.plan, cluster, state, output).await?;
    send_values(&submission.plan, stores, state).await?;
    let (id, warnings) = cluster.submit(submission).await.map_err(failed)?;
    for warning in &warnings {
        output.say(&format!("{YELLOW}waiting{YELLOW:#} {}", printable(warning)));
    }
    let plan = if id == submission.run {
        submission.plan.clone()
    } else {
        output.say(&format!("run {id} has this idempotency key already"));
        let plan = cluster.plan(id).await.map_err(failed)?;
        Arc::new(Plan::decode(&plan).doing(Exit::Internal, format!("read the plan of run {id}"))?)
    };
    let layout = Layout::new(plan).doing(Exit::Internal, "read the plan")?;
    follow(id, &layout, cluster, output).await
}

/// Refuses what workers of a cluster could not do, before anything is sent.
fn refuse(plan: &Plan) -> Result<()> {
    for step in &plan.steps {
        for output in &step.outputs {
            if output.asset.is_some() {
                return Err(Failed::invalid(format!("`{}.{}` is an asset", step.key, output.name))
                    .hint("asset jobs run without `--cluster` for now: what a cluster knows of its assets is not asked yet"));
            }
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

async fn send_libraries(plan: &Plan, cluster: &Cluster, state: &StateDir, output: Output) -> Result<()> {
    let depot = instance::depot(state)?;
    let digests: Vec<_> = plan.libraries.values().copied().collect();
    for digest in cluster.missing(&digests).await.map_err(failed)? {
        let named = plan.libraries.iter().find(|(_, known)| **known == digest);
        let name = named.map_or_else(|| digest.to_string(), |(name, _)| name.to_string());
        output.say(&format!("{CYAN}sending{CYAN:#} {name}"));
        cluster.upload(&depot, &digest).await.map_err(failed)?;
    }
    Ok(())
}

/// Sends the files that the plan reads, and only those that the cluster lacks.
async fn send_values(plan: &Plan, stores: &Stores, state: &StateDir) -> Result<()> {
    let here = instance::values(state)?;
    let inputs = plan.steps.iter().flat_map(|step| &step.inputs);
    let values = inputs.flat_map(|input| match &input.source {
        Source::Value(value) => std::slice::from_ref(value).iter().collect::<Vec<&ValueRef>>(),
        Source::Values(values) => values.iter().map(|keyed| &keyed.value).collect(),
        Source::Output(_) | Source::Collect(_) | Source::FanIn(_) => vec![],
    });
    let stored = values.filter(|value| matches!(value.place, Place::Stored(_)));
    let doing = "send an input to the cluster";
    for value in stored {
        let key = here.key(&value.place).doing(Exit::Internal, doing)?;
        match stores.main().size(&key).await {
            Ok(_) => {}
            Err(cofferdam_io::Error::NotFound { .. }) => {
                stores.main().transfer(key, &here, value).await.doing(Exit::Unreachable, doing)?;
            }
            Err(error) => return Err(error).doing(Exit::Unreachable, doing),
        }
    }
    Ok(())
}

/// Shows the run until it has ended. The first interrupt cancels it, the second leaves it to the cluster.
async fn follow(id: RunId, layout: &Arc<Layout>, cluster: &Cluster, output: Output) -> Result<Run> {
    let mut follow = Follow::new(Run::new(id, layout.clone()), output);
    let told = {
        let telling = tell(id, cluster, &mut follow, output);
        tokio::pin!(telling);
        let mut interrupts = 0;
        loop {
            tokio::select! {
                told = &mut telling => break told.map_err(|error| {
                    failed(error).hint(format!("run {id} is the cluster's: it goes on without this program"))
                }),
                signal = tokio::signal::ctrl_c() => {
                    signal.doing(Exit::Internal, "wait for an interrupt")?;
                    interrupts += 1;
                    if interrupts > 1 {
                        let left = format!("left; the cluster goes on cancelling run {id}");
                        break Err(Failed::new(Exit::Interrupted, left));
                    }
                    output.say(&format!("{YELLOW}cancelling{YELLOW:#} (once more to leave at once; the cluster goes on)"));
                    cluster.cancel(id).await.map_err(failed)?;
                }
            }
        }
    };
    let seen = follow.finish();
    told.map(|()| seen)
}

/// Passes on what is told of the run until it has ended. A watch that breaks is made anew.
async fn tell(id: RunId, cluster: &Cluster, follow: &mut Follow, output: Output) -> Result<(), Error> {
    let mut broken = 0;
    loop {
        let why = match cluster.watch(id).await {
            Err(error) => error,
            Ok(mut watch) => loop {
                match watch.next().await {
                    Ok(Some(update)) => {
                        broken = 0;
                        follow.take(update);
                    }
                    Ok(None) if follow.has_ended() => return Ok(()),
                    // It was too much at once for this terminal, or the scheduler has let go of the run.
                    Ok(None) => {
                        break Error::Unreachable {
                            doing: "watch the run",
                            address: cluster.address().to_owned(),
                            why: "it stopped telling before the run had ended".to_owned(),
                        };
                    }
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

/// An error of the cluster as this program ends with it.
pub(crate) fn failed(error: Error) -> Failed {
    let exit = match &error {
        Error::Unreachable { .. } | Error::Depot { .. } => Exit::Unreachable,
        Error::Token { .. } => Exit::Usage,
        Error::Refused { .. } => Exit::Invalid,
        Error::Malformed { .. } => Exit::Internal,
    };
    let failed = Failed::new(exit, format!("failed to {error}"));
    match &error {
        Error::Unreachable { .. } => {
            failed.hint("is `cofferdam serve` running there, and is the address right?")
        }
        Error::Token { .. } => failed
            .hint("`--token-file` names a copy of the file `token` in the state folder of `cofferdam serve`"),
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
