//! `cofferdam serve`: the scheduler of a cluster, until it is told to end.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use cofferdam_runlog::RunLog;
use cofferdam_scheduler::{Scheduler, Settings, system_clock};
use cofferdam_server::{PATIENCE, Parts, Server};
use cofferdam_wire::Token;

use crate::args;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::instance;
use crate::output::{CYAN, GREEN, Output};
use crate::project::StateDir;
use crate::settings;
use crate::text::count;

pub(crate) async fn run(args: &args::Serve, state: &StateDir, output: Output) -> Result<()> {
    check_address(args)?;
    state.create()?;
    let wait = || output.say(&format!("{CYAN}waiting{CYAN:#} for the scheduler in office to end"));
    let log = tokio::select! {
        log = settings::take_over(state, wait) => log?,
        () = end() => return Ok(()),
    };
    let limits = Settings { patience: PATIENCE, quotas: settings::quotas(state)? };
    let scheduler = Scheduler::start_with(log.clone(), system_clock(), limits);
    let scheduler = Arc::new(scheduler.await.doing(Exit::Unreachable, "start the scheduler")?);
    let token = read_or_make(&state.token())?;
    let parts = Parts {
        scheduler: scheduler.clone(),
        log: log.clone(),
        depot: instance::depot(state)?,
        values: instance::values(state)?,
    };
    let server = Server::bind(args.listen, parts, &token);
    let server = server.await.doing(Exit::Unreachable, format!("listen at {}", args.listen))?;
    let address = server.address().doing(Exit::Internal, "find the address")?;
    output.say(&format!("{GREEN}serving{GREEN:#} at {address}; the token is in {}", state.token().display()));
    output.say(&format!("workers join with: cofferdam worker --scheduler {address} --token-file TOKEN"));
    resume_all(&*log, &scheduler, output).await?;
    tokio::select! {
        served = server.serve(end()) => served.doing(Exit::Unreachable, "serve")?,
        why = scheduler.stopped() => {
            return Err(Failed::new(Exit::Unreachable, "failed to go on").because(&why).hint(
                "nothing is lost: `cofferdam serve`, started again, goes on with every run",
            ));
        }
    }
    output.say(&format!(
        "{CYAN}ending{CYAN:#}; runs that have not ended go on with the next `cofferdam serve`"
    ));
    Ok(())
}

/// Takes up every run that an earlier process left. One that cannot be read holds up no other.
async fn resume_all(log: &dyn RunLog, scheduler: &Scheduler, output: Output) -> Result<()> {
    let unfinished = log.unfinished().await.doing(Exit::Unreachable, "read the run log")?;
    let mut n_resumed = 0;
    for run in unfinished {
        match scheduler.resume(run).await {
            Ok(()) => n_resumed += 1,
            Err(error) => output
                .failure(&Failed::new(Exit::Internal, format!("run {run} cannot go on")).because(&error)),
        }
    }
    if n_resumed > 0 {
        output.say(&format!("{CYAN}resuming{CYAN:#} {}", count(n_resumed, "run")));
    }
    Ok(())
}

/// Beyond this machine the token and all values would cross the network as they are.
fn check_address(args: &args::Serve) -> Result<()> {
    if args.listen.ip().is_loopback() || args.plaintext {
        return Ok(());
    }
    Err(Failed::usage(format!("{} can be reached from other hosts, and the connection is not encrypted", args.listen))
        .hint("give `--plaintext` if the network between the hosts is trusted, or reach the loopback address through a tunnel"))
}

/// The token of this instance, made on the first start, in a file for its owner only.
fn read_or_make(path: &Path) -> Result<Token> {
    let what = || format!("read the token in {}", path.display());
    match std::fs::read_to_string(path) {
        Ok(text) => return text.parse().doing(Exit::Invalid, what()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).doing(Exit::Unreachable, what()),
    }
    let token = Token::generate().doing(Exit::Internal, "make a token")?;
    let make = || format!("make the token in {}", path.display());
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).doing(Exit::Unreachable, make())?;
    writeln!(file, "{}", token.reveal()).doing(Exit::Unreachable, make())?;
    Ok(token)
}

/// An interrupt, or the end that a service manager asks for.
pub(crate) async fn end() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}
