//! The project's pages: scheduler, worker and web side in one process, and definitions that are read again when they are
//! saved.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cofferdam_scheduler::system_clock;
use cofferdam_server::{Admission, Audit, CERTIFICATE_LIFE, Security, Server};

use crate::alerts;
use crate::args;
use crate::args::Global;
use crate::commands;
use crate::commands::serve::resume_all;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::instance::{self, Instance};
use crate::interrupts::Ending;
use crate::locations::{Locations, Over, Pages};
use crate::offer;
use crate::output::{CYAN, DIM, GREEN, Output};
use crate::pages::Sign;
use crate::project::{StateDir, project_root, shown};
use crate::settings;

/// A free port of this host.
const SCHEDULER_LISTENS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub(crate) async fn run(args: &args::Dev, global: &Global, output: Output) -> Result<Exit> {
    if !args.listen.ip().is_loopback() {
        let message = format!("{} can be reached from other machines", args.listen);
        return Err(Failed::usage(message)
            .hint("the pages have no password: listen at 127.0.0.1, and reach it from afar by `ssh -L`"));
    }
    if args.run.at.cluster.is_some() {
        return Err(Failed::usage("the pages of `cofferdam dev` are those of this machine")
            .hint("leave `--cluster` out"));
    }
    let root = project_root(global)?;
    let state = StateDir::find(global)?;
    state.create()?;
    let mut ending = Ending::listen()?;
    let offer = offer::offer(&args.run.local)?;
    // This project is alone here now, whatever was served before.
    let _ = std::fs::remove_file(state.workspace());
    let instance = Instance::start(&state, state.project(), offer.clone()).await?;
    resume_all(&*instance.log, &instance.scheduler, output).await?;
    let alerts = alerts::open(&state, instance.log.clone(), instance.scheduler.clone(), None)?;
    let over = Over {
        name: root.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        log: instance.log.clone(),
        scheduler: instance.scheduler.clone(),
        locations: Locations::alone(&root, global),
        offer: Some(offer),
        gate: None,
        url: None,
    };
    let pages = Pages::bind(args.listen, &state, over).await?;
    let server = serve(&state, &instance).await?;
    let scheduler = server.address().doing(Exit::Internal, "find the address of the scheduler")?;
    let _sign = Sign { pages: pages.address(), scheduler: Some(scheduler) }.put_up(&state)?;
    output.say(&format!("{GREEN}pages{GREEN:#}   http://{}", pages.address()));
    output.say(&format!("{DIM}state{DIM:#}   {}", shown(state.folder())));
    output.say(&format!("{DIM}reads{DIM:#}   {} again when something is saved; Ctrl-C ends", shown(&root)));
    tokio::select! {
        ended = pages.serve(output) => match ended? {},
        served = server.serve(std::future::pending()) => served.doing(Exit::Unreachable, "serve commands")?,
        why = alerts.run() => return Err(Failed::new(Exit::Unreachable, "failed to go on").because(&why)),
        why = instance.scheduler.stopped() => {
            return Err(Failed::new(Exit::Unreachable, "failed to go on").because(&why));
        }
        () = ending.asked() => {}
    }
    output
        .say(&format!("{CYAN}ending{CYAN:#}; runs that have not ended go on with the next `cofferdam dev`"));
    Ok(Exit::Ok)
}

/// The same services that a cluster has, for commands that are given in the project meanwhile.
async fn serve(state: &StateDir, instance: &Instance) -> Result<Server> {
    let security = Security::Tls { certificate_life: CERTIFICATE_LIFE };
    let admission = Admission::open(state.folder(), security, system_clock());
    let admission = Arc::new(admission.map_err(|error| commands::serve::admission(&error))?);
    let parts = cofferdam_server::Parts {
        scheduler: instance.scheduler.clone(),
        log: instance.log.clone(),
        depot: instance::depot(state)?,
        values: instance::values(state)?,
        grants: settings::grants(state)?.into(),
        signers: settings::signers(state)?.into(),
        audit: Arc::new(Audit::new(state.folder(), system_clock())),
    };
    let bound = Server::bind(SCHEDULER_LISTENS, parts, admission).await;
    let server = bound.doing(Exit::Unreachable, "listen for commands")?;
    Ok(server.with_own_worker(instance.id, &instance.offer))
}
