//! `cofferdam worker`: carries out steps for a cluster. It needs nothing but an address and a token: what it runs comes
//! to it by digest.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cofferdam_client::{Giver, Giving, Membership, MembershipError, Objects, Offer};
use cofferdam_depot::Depot;
use cofferdam_scheduler::system_clock;
use cofferdam_telemetry::WorkerMetrics;
use cofferdam_worker::{Compiled, Isolation};

use crate::args;
use crate::cluster;
use crate::compiled::Taking;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::instance::{self, More, OwnWorker};
use crate::interrupts::Ending;
use crate::metrics::{self, Metrics};
use crate::offer;
use crate::output::{CYAN, Output, YELLOW};
use crate::project::StateDir;

pub(crate) async fn run(args: &args::Worker, own: Option<StateDir>, output: Output) -> Result<()> {
    let folder = local_directory(args)?;
    let state = StateDir::at(&folder);
    state.create()?;
    let membership = join(args, own.as_ref(), &folder, output)?;
    let cluster = membership.cluster();
    let (objects, stores) = cluster::stores(cluster, &folder, args.cache_bytes, &folder)?;
    let offered = offer::offer(&args.local)?;
    let giver = giver(args, &objects, output).await?;
    let metrics = Metrics::new(&args.metrics, WorkerMetrics::new);
    let observer = metrics::worker_observer(metrics.as_ref());
    let _listening = match metrics {
        Some(metrics) => Some(metrics::of_worker(metrics, offered.slots, objects.clone(), output).await?),
        None => None,
    };
    let depot = Depot::over(objects.clone());
    let taking = args.take_compiled.then(|| Taking { cluster: cluster.clone(), stores: stores.clone() });
    let compiled = taking.map(|taking| Arc::new(taking) as Arc<dyn Compiled>);
    let more = More { isolation: isolation(args).await?, compiled, observer };
    let worker = instance::start_worker_over(&state, &folder, offered.slots, depot, stores, more)?;
    let OwnWorker { worker, orders, mut reports } = worker;
    let offer = Offer {
        name: name(args),
        slots: offered.slots,
        queue: offered.queue,
        resources: offered.resources,
        labels: offered.labels,
        ends_at: args.lifetime.map(|lifetime| Instant::now() + lifetime),
        gives: giver.as_ref().map(|(_, giving)| giving.clone()),
    };
    let ends_at = offer.ends_at;
    let (mut ending, again) = (Ending::listen()?, Ending::listen()?);
    let leave = async {
        tokio::select! {
            () = ending.asked() => {}
            () = at(ends_at) => {}
        }
        output
            .say(&format!("{CYAN}leaving{CYAN:#} when what runs here is done (once more to leave at once)"));
    };
    let ended = async {
        let say = |said: cofferdam_client::Said| cluster::said(&said, output);
        let worked =
            cofferdam_client::work(&membership, &objects, &offer, &orders, &mut reports, leave, say).await;
        worked.map_err(cluster::failed)?;
        // What it was to publish is still to be done.
        drop(orders);
        worker.join().await;
        Ok(())
    };
    tokio::select! {
        ended = ended => ended,
        gone = give(giver) => gone,
        () = too_late(again, Duration::from_secs(args.drain_timeout)) => {
            // Its attempts are another worker's as soon as the stream is gone, so there is nothing to wait for.
            output.say(&format!("{YELLOW}ending{YELLOW:#}; what ran here runs elsewhere"));
            Ok(())
        }
    }
}

/// Fails if cells are to keep apart what the host cannot keep apart.
async fn isolation(args: &args::Worker) -> Result<Isolation> {
    let isolation = match args.isolation {
        args::IsolationOf::Own => return Ok(Isolation::Own),
        args::IsolationOf::Tenant => Isolation::Tenant,
        args::IsolationOf::Attempt => Isolation::Attempt,
    };
    let (_, wall) = cofferdam_worker::cell(&instance::cell_command()?)
        .await
        .map_err(|failure| Failed::new(Exit::Internal, format!("failed to start a cell: {failure}")))?;
    if !wall.is_whole() {
        return Err(Failed::new(
            Exit::Unreachable,
            "this host cannot keep files from the processes in which libraries run: its kernel has no Landlock",
        )
        .hint("`cofferdam doctor` says what it refuses; leave `--isolation` out if the libraries can be trusted with the files of this user"));
    }
    Ok(isolation)
}

/// Listens for other workers, if it is to.
async fn giver(
    args: &args::Worker,
    objects: &Arc<Objects>,
    output: Output,
) -> Result<Option<(Giver, Giving)>> {
    let Some(interface) = &args.interface else { return Ok(None) };
    let interface = interface.address()?;
    let what = format!("listen at {interface} for other workers");
    let giver =
        Giver::bind(interface, objects.clone(), system_clock()).await.doing(Exit::Unreachable, &what)?;
    let giving = giver.giving().doing(Exit::Unreachable, &what)?;
    output.say(&format!("{CYAN}giving{CYAN:#} values to other workers at {}", giving.address()));
    Ok(Some((giver, giving)))
}

/// Comes back only if nothing can be given any more.
async fn give(giver: Option<(Giver, Giving)>) -> Result<()> {
    match giver {
        Some((giver, _)) => giver.serve().await.doing(Exit::Unreachable, "listen for other workers"),
        None => std::future::pending().await,
    }
}

/// Its place in the cluster: with a token, or with what an earlier worker left in the folder.
fn join(args: &args::Worker, own: Option<&StateDir>, folder: &Path, output: Output) -> Result<Membership> {
    let token = cluster::token_if_any(&args.token, own)?;
    if token.is_none() && args.token.plaintext {
        return Err(cluster::no_token());
    }
    let opened = Membership::open(&args.scheduler, token, folder);
    let (membership, said) = opened.map_err(|error| match error {
        MembershipError::NoToken { why } => cluster::no_token().because(&MembershipError::NoToken { why }),
        error => Failed::usage("failed to become a worker of the cluster").because(&error),
    })?;
    if let Some(said) = said {
        output.say(&format!("{YELLOW}warning{YELLOW:#} {said}"));
    }
    Ok(membership)
}

/// Ends when it is asked for a second time to end, or has tried to leave for so long.
async fn too_late(mut ending: Ending, patience: Duration) {
    ending.asked().await;
    tokio::select! {
        () = ending.asked() => {}
        () = tokio::time::sleep(patience) => {}
    }
}

/// Never, if there is no such time.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

fn name(args: &args::Worker) -> String {
    let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let given = args.name.clone().or_else(host);
    given.map_or_else(|| "worker".to_owned(), |name| name.trim().to_owned())
}

fn local_directory(args: &args::Worker) -> Result<PathBuf> {
    use etcetera::BaseStrategy as _;
    if let Some(folder) = &args.local_directory {
        return Ok(folder.clone());
    }
    let base = etcetera::choose_base_strategy();
    let base =
        base.doing(Exit::Usage, "find the user's cache folder; name a folder with `--local-directory`")?;
    Ok(Path::join(&base.cache_dir(), "cofferdam").join("worker"))
}
