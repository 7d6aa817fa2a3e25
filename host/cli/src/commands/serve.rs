//! `cofferdam serve`: the scheduler of a cluster, until it is told to end.

use std::sync::Arc;

use cofferdam_runlog::RunLog;
use cofferdam_scheduler::{Scheduler, Settings, system_clock};
use cofferdam_server::{Admission, AdmissionError, CERTIFICATE_LIFE, PATIENCE, Parts, Security, Server};
use cofferdam_telemetry::SchedulerMetrics;
use cofferdam_wire::private::PrivateError;

use crate::args;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::instance;
use crate::metrics::{self, Metrics};
use crate::output::{CYAN, GREEN, Output, YELLOW};
use crate::project::StateDir;
use crate::settings;
use crate::text::count;

pub(crate) async fn run(args: &args::Serve, state: &StateDir, output: Output) -> Result<()> {
    state.create()?;
    let wait = || output.say(&format!("{CYAN}waiting{CYAN:#} for the scheduler in office to end"));
    let log = tokio::select! {
        log = settings::take_over(state, wait) => log?,
        () = end() => return Ok(()),
    };
    let metrics = Metrics::new(&args.metrics, SchedulerMetrics::new);
    let observer = metrics::scheduler_observer(metrics.as_ref());
    let limits = Settings { patience: PATIENCE, quotas: settings::quotas(state)?, observer };
    let scheduler = Scheduler::start_with(log.clone(), system_clock(), limits);
    let scheduler = Arc::new(scheduler.await.doing(Exit::Unreachable, "start the scheduler")?);
    let admission = Admission::open(state.folder(), security(args), system_clock());
    let admission = Arc::new(admission.map_err(|error| self::admission(&error))?);
    let parts = Parts {
        scheduler: scheduler.clone(),
        log: log.clone(),
        depot: instance::depot(state)?,
        values: instance::values(state)?,
    };
    let server = Server::bind(args.listen, parts, admission);
    let server = server.await.doing(Exit::Unreachable, format!("listen at {}", args.listen))?;
    let address = server.address().doing(Exit::Internal, "find the address")?;
    output.say(&format!("{GREEN}serving{GREEN:#} at {address}; the token is in {}", state.token().display()));
    let plainly = if args.plaintext { " --plaintext" } else { "" };
    output.say(&format!(
        "workers join with: cofferdam worker --scheduler {address} --token-file TOKEN{plainly}"
    ));
    if args.plaintext {
        output.say(&format!("{YELLOW}nothing is encrypted{YELLOW:#}: who is on the way reads the token and all values, and can change them"));
    }
    let _listening = match metrics {
        Some(metrics) => Some(metrics::of_scheduler(metrics, scheduler.clone(), output).await?),
        None => None,
    };
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

fn security(args: &args::Serve) -> Security {
    match args.plaintext {
        true => Security::Plaintext,
        false => Security::Tls { certificate_life: args.certificate_life.unwrap_or(CERTIFICATE_LIFE) },
    }
}

/// Why nobody could be let in.
pub(crate) fn admission(error: &AdmissionError) -> Failed {
    let exit = match error {
        AdmissionError::File(PrivateError::Exposed { .. })
        | AdmissionError::Token { .. }
        | AdmissionError::Authority { .. }
        | AdmissionError::Revoked(_) => Exit::Invalid,
        AdmissionError::File(_) => Exit::Unreachable,
        AdmissionError::Make(_) | AdmissionError::Random(_) => Exit::Internal,
    };
    let failed = Failed::new(exit, "failed to read who may join").because(error);
    match error {
        AdmissionError::File(PrivateError::Exposed { path, .. }) => failed.hint(format!(
            "if nobody has read it: `chmod 600 {0}`; else remove it, and give every worker and client the token anew",
            path.display()
        )),
        AdmissionError::Authority { .. } => failed.hint(
            "restore the file; or remove it, then another authority is made, and every worker and client needs the token anew",
        ),
        AdmissionError::Token { .. } => failed.hint("restore the file, or remove it: then another token is made"),
        AdmissionError::Revoked(_) => failed.hint("mend that line, or remove it if nobody is to be kept out by it"),
        _ => failed,
    }
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
