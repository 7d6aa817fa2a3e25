//! `cofferdam serve`: the scheduler of a cluster, until it is told to end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cofferdam_model::{RunId, RunStatus};
use cofferdam_runlog::RunLog;
use cofferdam_scheduler::{Scheduler, Settings, system_clock};
use cofferdam_server::{
    Admission, AdmissionError, ApiTokenError, Audit, CERTIFICATE_LIFE, PATIENCE, Parts, Security, Server,
};
use cofferdam_telemetry::SchedulerMetrics;
use cofferdam_web::PublicUrl;
use cofferdam_wire::private::PrivateError;

use crate::alerts;
use crate::args;
use crate::args::{Global, PAGES_AT};
use crate::compiled::Compiling;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::instance;
use crate::interrupts::Ending;
use crate::locations::{Locations, Over, Pages, WorkspaceFile};
use crate::metrics::{self, Metrics};
use crate::output::{CYAN, GREEN, Output, YELLOW};
use crate::pages::Sign;
use crate::project::StateDir;
use crate::settings;
use crate::text::count;

pub(crate) async fn run(args: &args::Serve, global: &Global, state: &StateDir, output: Output) -> Result<()> {
    let wanted = WantedPages::of(args)?;
    state.create()?;
    let mut ending = Ending::listen()?;
    let wait = || output.say(&format!("{CYAN}waiting{CYAN:#} for the scheduler in office to end"));
    let log = tokio::select! {
        log = settings::take_over(state, wait) => log?,
        () = ending.asked() => return Ok(()),
    };
    let metrics = Metrics::new(&args.metrics, SchedulerMetrics::new);
    let observer = metrics::scheduler_observer(metrics.as_ref());
    let values = instance::values(state)?;
    let limits =
        Settings { patience: PATIENCE, quotas: settings::quotas(state)?, observer, ..Settings::default() };
    let scheduler = Arc::new(instance::take_office(log.clone(), &values, limits).await?);
    let counts = metrics.as_ref().map(Metrics::counts);
    let alerts = alerts::open(state, log.clone(), scheduler.clone(), counts)?;
    let admission = Admission::open(state.folder(), security(args), system_clock());
    let admission = Arc::new(admission.map_err(|error| self::admission(&error))?);
    let parts = Parts {
        scheduler: scheduler.clone(),
        log: log.clone(),
        depot: instance::depot(state)?,
        values,
        grants: settings::grants(state)?.into(),
        signers: settings::signers(state)?.into(),
        audit: Arc::new(Audit::new(state.folder(), system_clock())),
    };
    let server = Server::bind(args.listen, parts, admission);
    let mut server = server.await.doing(Exit::Unreachable, format!("listen at {}", args.listen))?;
    if args.compile {
        server = server.compiling(Compiling::start(state).await?);
    }
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
    let pages = match &wanted {
        Some(wanted) => {
            let pages = wanted.bind(&server, (&log, &scheduler), (state, global), output).await?;
            let scheduler = (!args.plaintext).then_some(within_reach(address));
            let sign = Sign { pages: within_reach(pages.address()), scheduler }.put_up(state)?;
            Some((pages, sign))
        }
        None => None,
    };
    let show = async {
        match pages {
            Some((pages, _sign)) => pages.serve(output).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        served = server.serve(async move { ending.asked().await }) => served.doing(Exit::Unreachable, "serve")?,
        ended = show => match ended? {},
        why = alerts.run() => return Err(over(&why)),
        why = scheduler.stopped() => return Err(over(&why)),
    }
    output.say(&format!(
        "{CYAN}ending{CYAN:#}; runs that have not ended go on with the next `cofferdam serve`"
    ));
    Ok(())
}

/// Why there is no going on.
fn over(why: &dyn std::error::Error) -> Failed {
    let hint = "nothing is lost: `cofferdam serve`, started again, goes on with every run";
    Failed::new(Exit::Unreachable, "failed to go on").because(why).hint(hint)
}

/// What the pages of a cluster show, and to whom.
struct WantedPages {
    at: SocketAddr,
    url: Option<PublicUrl>,
    workspace: WorkspaceFile,
    /// Where that was read.
    path: Option<PathBuf>,
}

impl WantedPages {
    /// None if nobody wants pages.
    fn of(args: &args::Serve) -> Result<Option<WantedPages>> {
        if args.workspace.is_none() && args.pages.is_none() {
            return Ok(None);
        }
        let at = args.pages.unwrap_or_else(|| PAGES_AT.parse().expect("the constant is an address"));
        if !at.ip().is_loopback() && args.pages_url.is_none() {
            let message = format!("{at} can be reached from other machines, and the pages encrypt nothing");
            return Err(Failed::usage(message).hint(
                "put a proxy that speaks TLS before them, and say by `--pages-url https://NAME` how people reach that; or listen at 127.0.0.1, and reach it from afar by `ssh -L`",
            ));
        }
        let workspace = args.workspace.as_deref().map(WorkspaceFile::read).transpose()?.unwrap_or_default();
        let path = args.workspace.as_deref().map(std::path::absolute).transpose();
        let path = path.doing(Exit::Invalid, "find the workspace file")?;
        Ok(Some(WantedPages { at, url: args.pages_url.clone(), workspace, path }))
    }

    async fn bind(
        &self,
        server: &Server,
        (log, scheduler): (&Arc<dyn RunLog>, &Arc<Scheduler>),
        (state, global): (&StateDir, &Global),
        output: Output,
    ) -> Result<Pages> {
        // Commands look here for the name by which the schedules and sensors of their project go.
        let note = |path: &Path| std::fs::write(state.workspace(), path.as_os_str().as_encoded_bytes());
        self.path.as_deref().map(note).transpose().doing(Exit::Unreachable, "note the workspace file")?;
        let global = Global { state_dir: Some(state.folder().to_owned()), ..global.clone() };
        let gate = server.pages_gate();
        let over = Over {
            name: self.url.as_ref().map_or_else(|| "cofferdam".to_owned(), PublicUrl::host),
            log: log.clone(),
            scheduler: scheduler.clone(),
            locations: Locations::of_workspace(&self.workspace, &global, gate.clone()),
            offer: None,
            gate: Some(gate),
            url: self.url.clone(),
        };
        let pages = Pages::bind(self.at, state, over).await?;
        output.say(&format!("{GREEN}pages{GREEN:#} at http://{}", pages.address()));
        output.say("people sign in with a token: cofferdam token create NAME --role viewer");
        Ok(pages)
    }
}

/// As this host reaches itself.
fn within_reach(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

/// Takes up every run that an earlier process left. One that cannot be read holds up no other.
pub(crate) async fn resume_all(log: &dyn RunLog, scheduler: &Scheduler, output: Output) -> Result<()> {
    let unfinished = log.unfinished().await.doing(Exit::Unreachable, "read the run log")?;
    let mut n_resumed = 0;
    for run in begun_first(log, unfinished).await {
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

/// What has begun has its place in the run queue before others are let begin.
async fn begun_first(log: &dyn RunLog, runs: Vec<RunId>) -> Vec<RunId> {
    let (mut begun, mut queued) = (vec![], vec![]);
    for run in runs {
        // Of one that cannot be read, whoever resumes it says so.
        match log.summary(run).await {
            Ok(summary) if summary.status == RunStatus::Queued => queued.push(run),
            _ => begun.push(run),
        }
    }
    begun.extend(queued);
    begun
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
        AdmissionError::File(PrivateError::Exposed { .. } | PrivateError::Foreign { .. })
        | AdmissionError::ApiTokens(
            ApiTokenError::File(PrivateError::Exposed { .. } | PrivateError::Foreign { .. })
            | ApiTokenError::Damaged { .. },
        )
        | AdmissionError::Token { .. }
        | AdmissionError::Authority { .. }
        | AdmissionError::Revoked(_) => Exit::Invalid,
        AdmissionError::File(_) | AdmissionError::ApiTokens(ApiTokenError::File(_)) => Exit::Unreachable,
        AdmissionError::Make(_) | AdmissionError::Random(_) | AdmissionError::ApiTokens(_) => Exit::Internal,
    };
    let failed = Failed::new(exit, "failed to read who may join").because(error);
    match error {
        AdmissionError::File(PrivateError::Exposed { path, .. })
        | AdmissionError::ApiTokens(ApiTokenError::File(PrivateError::Exposed { path, .. })) => failed.hint(format!(
            "if nobody has read it: `chmod 600 {0}`; else remove it, and give every worker and client the token anew",
            path.display()
        )),
        AdmissionError::File(PrivateError::Foreign { path, .. })
        | AdmissionError::ApiTokens(ApiTokenError::File(PrivateError::Foreign { path, .. })) => {
            failed.hint(format!("if it is yours all the same: `chown` {} to who serves", path.display()))
        }
        AdmissionError::Authority { .. } => failed.hint(
            "restore the file; or remove it, then another authority is made, and every worker and client needs the token anew",
        ),
        AdmissionError::Token { .. } => failed.hint("restore the file, or remove it: then another token is made"),
        AdmissionError::ApiTokens(ApiTokenError::Damaged { .. }) => {
            failed.hint("restore the file; or remove it, and make the tokens anew")
        }
        AdmissionError::Revoked(_) => failed.hint("mend that line, or remove it if nobody is to be kept out by it"),
        _ => failed,
    }
}
