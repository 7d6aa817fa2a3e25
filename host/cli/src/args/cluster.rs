//! The command line of what a cluster is made of: its scheduler and its workers.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{IsolationOf, Local, TokenArgs};
use crate::interface::Interface;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cofferdam serve                       # then, in other terminals:\n  cofferdam worker\n  cofferdam run hello --cluster 127.0.0.1:4040"
)]
pub(crate) struct Serve {
    /// Address and port to listen at.
    #[arg(long, value_name = "ADDR", default_value = cofferdam_wire::ADDRESS_DEFAULT, env = "COFFERDAM_LISTEN")]
    pub(crate) listen: std::net::SocketAddr,
    /// Encrypt nothing: who is on the way reads the token and all values. For those who have a tunnel; workers and
    /// clients must say the same.
    #[arg(long, env = "COFFERDAM_PLAINTEXT")]
    pub(crate) plaintext: bool,
    /// Time for which certificates hold, such as `12h`. Workers have theirs renewed at half of it; one that was away for
    /// longer shows its token again. [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = certificate_life, env = "COFFERDAM_CERTIFICATE_LIFE")]
    pub(crate) certificate_life: Option<Duration>,
    /// Compile libraries on this host for workers that take them (`cofferdam worker --take-compiled`), once for all whose
    /// processors and version are the same as here.
    #[arg(long, conflicts_with = "plaintext", env = "COFFERDAM_COMPILE")]
    pub(crate) compile: bool,
    /// File that names the code locations of this cluster: their schedules and sensors are asked here, and the pages show
    /// their jobs.
    #[arg(long, value_name = "FILE", env = "COFFERDAM_WORKSPACE")]
    pub(crate) workspace: Option<PathBuf>,
    /// Address and port of the pages. Who opens them signs in with a token. [default: 127.0.0.1:4041 with `--workspace`,
    /// else there are none]
    #[arg(long, value_name = "ADDR", env = "COFFERDAM_PAGES")]
    pub(crate) pages: Option<std::net::SocketAddr>,
    /// The address by which people reach a proxy that speaks TLS before the pages, such as `https://cofferdam.example`.
    #[arg(long, value_name = "URL", env = "COFFERDAM_PAGES_URL")]
    pub(crate) pages_url: Option<cofferdam_web::PublicUrl>,
    #[command(flatten)]
    pub(crate) metrics: MetricsAt,
}

/// `12h`
fn certificate_life(text: &str) -> Result<Duration, String> {
    match cofferdam_config::parse_duration(text)? {
        time if time >= CERTIFICATE_LIFE_MIN => Ok(time),
        _ => Err(format!(
            "a certificate holds for at least {} s, so that it can be renewed",
            CERTIFICATE_LIFE_MIN.as_secs()
        )),
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cofferdam worker --scheduler 10.0.0.1:4040 --token-file token --resources GPU=2,MEMORY=64e9"
)]
pub(crate) struct Worker {
    /// Address of the scheduler: HOST:PORT.
    #[arg(long, value_name = "ADDR", default_value = cofferdam_wire::ADDRESS_DEFAULT, env = "COFFERDAM_CLUSTER")]
    pub(crate) scheduler: String,
    #[command(flatten)]
    pub(crate) token: TokenArgs,
    #[command(flatten)]
    pub(crate) local: Local,
    /// Seconds that running steps have to end in when the worker is asked to end.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) drain_timeout: u64,
    /// Time after which it leaves by itself, such as `1h`. It starts only steps whose timeout ends before.
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    pub(crate) lifetime: Option<Duration>,
    /// Where other workers get values and libraries from this one: an address of this host or the name of a network
    /// interface (`10.0.0.2`, `ib0`), either with `:PORT`; `0.0.0.0` takes every address. [default: none: what others
    /// need goes through the scheduler]
    #[arg(long, value_name = "INTERFACE", env = "COFFERDAM_INTERFACE")]
    pub(crate) interface: Option<Interface>,
    /// With whom an attempt shares its process: with all attempts of this worker, with those of its namespace, or with
    /// nobody, which costs the start of a process for each. For libraries that do not trust each other. What the operator
    /// says for a namespace can keep its attempts apart from more.
    #[arg(long, value_enum, default_value_t, env = "COFFERDAM_ISOLATION")]
    pub(crate) isolation: IsolationOf,
    /// Take libraries that the scheduler's host has compiled (`cofferdam serve --compile`) and its authority has signed,
    /// instead of compiling them here. Then that authority decides what machine code runs in the cells of this host.
    #[arg(long, env = "COFFERDAM_TAKE_COMPILED")]
    pub(crate) take_compiled: bool,
    /// What people call it. [default: the name of the host]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Folder for compiled libraries, and for values and libraries that were fetched or made. [default: in the user's
    /// cache folder]
    #[arg(long, value_name = "DIR", env = "COFFERDAM_LOCAL_DIRECTORY")]
    pub(crate) local_directory: Option<PathBuf>,
    /// Most bytes of values and libraries in that folder, such as `20GiB`; those used least recently go first.
    /// [default: half of what is free there]
    #[arg(long, value_name = "BYTES", env = "COFFERDAM_CACHE_BYTES", value_parser = cofferdam_config::parse_bytes)]
    pub(crate) cache_bytes: Option<u64>,
    #[command(flatten)]
    pub(crate) metrics: MetricsAt,
}

/// Where metrics are asked for.
#[derive(Debug, Args)]
pub(crate) struct MetricsAt {
    /// Address and port at which Prometheus can read metrics, such as `127.0.0.1:9464`; there is neither a password nor
    /// encryption. [default: none]
    #[arg(long, value_name = "ADDR", env = "COFFERDAM_METRICS")]
    pub(crate) metrics: Option<std::net::SocketAddr>,
}

/// Certificates say their times in whole seconds.
const CERTIFICATE_LIFE_MIN: Duration = Duration::from_secs(4);

/// `90s`, `1h`
fn lifetime(text: &str) -> Result<Duration, String> {
    match cofferdam_config::parse_duration(text)? {
        Duration::ZERO => Err("a worker without time does nothing; write for example `1h`".to_owned()),
        time => Ok(time),
    }
}
