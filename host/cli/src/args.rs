//! The command line: what clap parses. Help texts are examples first.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Runs data pipelines whose steps are WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "cofferdam", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "\
Examples:
  cofferdam new weather          start a project with one op and one job
  cofferdam run delays           run a job and wait for it
  cofferdam show 0193            what a run did (any unique start of its id)

Exit codes: `cofferdam exit-codes`.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Folder of the project: where `cofferdam.toml` is, or a folder below it.
    #[arg(short = 'C', long, global = true, value_name = "DIR", env = "COFFERDAM_PROJECT")]
    pub(crate) project: Option<PathBuf>,
    /// Folder of the instance's state: run log, values, libraries. [default: .cofferdam beside cofferdam.toml]
    #[arg(long, global = true, value_name = "DIR", env = "COFFERDAM_STATE_DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// File with the settings of the instance. [default: instance.toml in the state folder]
    #[arg(long, global = true, value_name = "FILE", env = "COFFERDAM_INSTANCE")]
    pub(crate) instance: Option<PathBuf>,
    /// One JSON document on stdout instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) color: colorchoice_clap::Color,
    /// Less on stderr: no progress.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// More on stderr; twice for more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a project: a library with one op, a job that runs it, a test.
    New(New),
    /// Build the libraries of the project into components.
    Build(Build),
    /// Run the tests that the authors of libraries wrote, natively, and those of the project, in sandboxes.
    Test(Test),
    /// Check definitions and libraries without running anything.
    Check(Check),
    /// Show what a job would run.
    Plan(Plan),
    /// Write a run config: what is missing, the defaults, or without what is too much.
    Scaffold(Scaffold),
    /// Look at what can be configured.
    #[command(subcommand)]
    Config(Config),
    /// Run a job and wait for it.
    Run(Run),
    /// Run a job, and again each time a file of the project is saved.
    Dev(Run),
    /// Go on with a run that was interrupted.
    Resume(Resume),
    /// Serve a cluster: take runs and hand their steps to workers.
    Serve(Serve),
    /// Carry out steps for a cluster.
    Worker(Worker),
    /// List the workers of a cluster.
    Workers(Workers),
    /// Let a worker of a cluster end what it runs and leave.
    Drain(Drain),
    /// Cut a worker of a cluster off, at once and for good.
    Revoke(Revoke),
    /// Look after the token of the cluster whose state is here.
    #[command(subcommand)]
    Token(Token),
    /// Ask for the end of a run on a cluster.
    Cancel(Cancel),
    /// Say why a step of a run on a cluster does not run now.
    Why(Why),
    /// List runs, newest first.
    Runs(Runs),
    /// Execute a run again: all of it, some steps, or what failed.
    Rerun(Rerun),
    /// Drop what no run needs any more: values, libraries, compiled libraries.
    Gc(Gc),
    /// Show a run: its steps, outputs and the first failure.
    Show(Show),
    /// Print the log lines of a run.
    Logs(Logs),
    /// Look at assets and make them.
    #[command(subcommand)]
    Asset(crate::commands::asset::Asset),
    /// Look at the values that steps made.
    #[command(subcommand)]
    Value(crate::commands::value::Value),
    /// Run one step of a run again as it was run, and compare what comes out. Nothing is recorded.
    Replay(crate::commands::replay::Replay),
    /// Look at libraries.
    #[command(subcommand)]
    Library(Library),
    /// Compare worlds and libraries.
    #[command(subcommand)]
    Wit(Wit),
    /// Print a completion script for a shell.
    Completions { shell: clap_complete::Shell },
    /// Print the exit codes and what they mean.
    ExitCodes,
    /// Run attempts, as a child of a worker.
    #[command(hide = true)]
    Cell,
    /// Compile one component, as a child of a worker.
    #[command(hide = true)]
    Compile,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cofferdam new weather && cd weather && cofferdam run hello\n  cofferdam new weather --lang python"
)]
pub(crate) struct New {
    /// Name of the project and of its folder.
    pub(crate) name: String,
    /// Language of its ops.
    #[arg(long = "lang", value_name = "LANGUAGE", value_enum, default_value = "rust")]
    pub(crate) language: Language,
    /// Folder of Cofferdam's Rust SDK. [default: the one of the source tree that this program was built from]
    #[arg(long, value_name = "DIR", env = "COFFERDAM_SDK")]
    pub(crate) sdk: Option<PathBuf>,
}

/// Languages that a project can be started in.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Language {
    Rust,
    Python,
    #[value(name = "javascript", alias = "js")]
    JavaScript,
    C,
    Go,
}

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// Libraries to build. [default: all]
    pub(crate) libraries: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Libraries to test. [default: all]
    pub(crate) libraries: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {}

#[derive(Debug, Args, Clone)]
pub(crate) struct JobArgs {
    /// Name of the job. May be left out if there is only one.
    pub(crate) job: Option<String>,
    /// Only these ops, with what they need from outside given by the run config: `clean+`, `*report`,
    /// `name:"a" or name:"b"`. May be given many times.
    #[arg(short, long = "select", value_name = "EXPRESSION")]
    pub(crate) selection: Vec<String>,
    #[command(flatten)]
    pub(crate) given: Given,
}

/// What a person gives for one run.
#[derive(Debug, Default, Args, Clone)]
pub(crate) struct Given {
    /// Run config (YAML or JSON); `-` reads it from standard input.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Environment whose resources, IO managers and config are used.
    #[arg(long = "env", value_name = "NAME", env = "COFFERDAM_ENVIRONMENT")]
    pub(crate) environment: Option<String>,
    /// Partition: a key, or `first...last`.
    #[arg(long, value_name = "KEY")]
    pub(crate) partition: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cofferdam plan delays -c run.yaml
  cofferdam plan delays -c run.yaml --explain   which steps would run, and why")]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) job: JobArgs,
    /// Say of each step whether it would take an earlier result or run, why, and which hosts it fits.
    #[arg(long)]
    pub(crate) explain: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cofferdam scaffold delays > run.yaml              all that has to be given, with comments
  cofferdam scaffold delays -c run.yaml             what is given, and what is missing
  cofferdam scaffold delays -c run.yaml --defaults  with every default written out")]
pub(crate) struct Scaffold {
    #[command(flatten)]
    pub(crate) job: JobArgs,
    /// Write out every default instead; secrets are masked.
    #[arg(long, conflicts_with = "remove_extra")]
    pub(crate) defaults: bool,
    /// Leave out the keys that nothing asks for instead, and list them on stderr.
    #[arg(long)]
    pub(crate) remove_extra: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Print the run config of a job as a JSON Schema, for editors.
    #[command(after_help = "\
Example:
  cofferdam config schema delays > delays.schema.json
  and in run.yaml: # yaml-language-server: $schema=delays.schema.json")]
    Schema {
        /// Name of the job. May be left out if there is only one.
        job: Option<String>,
        /// Environment whose resources and config are used.
        #[arg(long = "env", value_name = "NAME", env = "COFFERDAM_ENVIRONMENT")]
        environment: Option<String>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cofferdam run delays -c run.yaml --export out")]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) job: JobArgs,
    #[command(flatten)]
    pub(crate) local: Local,
    #[command(flatten)]
    pub(crate) at: At,
    /// Tag of the run; may be given many times.
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    pub(crate) tags: Vec<String>,
    /// The same key gives the same run, however often it is asked for.
    #[arg(long, value_name = "TEXT")]
    pub(crate) idempotency_key: Option<String>,
    #[command(flatten)]
    pub(crate) watching: Watching,
    #[command(flatten)]
    pub(crate) export: Export,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cofferdam rerun --from-failure\n  cofferdam rerun 0199 --select 'clean+' -c other.yaml"
)]
pub(crate) struct Rerun {
    /// Run: its id or a unique start of it. [default: the newest]
    pub(crate) run: Option<String>,
    /// What failed, was interrupted or never started, and all that comes after it.
    #[arg(long, conflicts_with = "selection")]
    pub(crate) from_failure: bool,
    /// Exactly these steps, over step keys: `clean[jan]+`. May be given many times. [default: all steps]
    #[arg(short, long = "select", value_name = "EXPRESSION")]
    pub(crate) selection: Vec<String>,
    /// Compile the plan again, from today's definitions and libraries. [default: the plan of that run, with its code]
    #[arg(long)]
    pub(crate) newest: bool,
    /// Other run config; implies `--newest`. What changes is shown.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) at: At,
    #[command(flatten)]
    pub(crate) local: Local,
    #[command(flatten)]
    pub(crate) watching: Watching,
    #[command(flatten)]
    pub(crate) export: Export,
}

/// What is seen of a run that was started.
#[derive(Debug, Default, Args)]
pub(crate) struct Watching {
    /// Show every line that the ops write, as they write it. [default: warnings and errors]
    #[arg(long)]
    pub(crate) follow: bool,
    /// Print the id of the run as soon as the cluster has it, and leave.
    #[arg(long, conflicts_with_all = ["follow", "dir"])]
    pub(crate) detach: bool,
}

impl Watching {
    /// The least level of the lines that are shown.
    pub(crate) fn least(&self) -> cofferdam_model::LogLevel {
        use cofferdam_model::LogLevel::{Trace, Warn};
        if self.follow { Trace } else { Warn }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Write the outputs that no other step reads into this folder.
    #[arg(long = "export", value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// A command of clusters only.
#[derive(Debug, Args)]
pub(crate) struct Fleet {
    /// Address of the scheduler: HOST:PORT.
    #[arg(long, value_name = "ADDR", default_value = cofferdam_wire::ADDRESS_DEFAULT, env = "COFFERDAM_CLUSTER")]
    pub(crate) cluster: String,
    #[command(flatten)]
    pub(crate) token: TokenArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Workers {
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cofferdam drain 3    (its number or its name, as `cofferdam workers` lists them)"
)]
pub(crate) struct Drain {
    /// The worker: its number or its name.
    pub(crate) worker: String,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cofferdam revoke 3    (its number or its name, as `cofferdam workers` lists them)\n\nWho still has the token can join anew: `cofferdam token rotate` makes another one."
)]
pub(crate) struct Revoke {
    /// The worker: its number or its name; of one that is not joined, what its certificate names (`member` in
    /// `cofferdam workers --json`).
    pub(crate) worker: String,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make another token. The old one is refused from then on; workers that have joined stay. To be called where the
    /// scheduler's state is; one that runs takes the new token within a second.
    Rotate,
}

#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// Run: its id or a unique start of it.
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cofferdam why 0192 clean[a]    (a run by the start of its id, a mapped copy by its key)"
)]
pub(crate) struct Why {
    /// Run: its id or a unique start of it.
    pub(crate) run: String,
    /// Step, as `cofferdam show` lists it. [default: those that have all they read and have not ended]
    pub(crate) step: Option<String>,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}

/// Where the runs are that a command is about.
#[derive(Debug, Default, Args)]
pub(crate) struct At {
    /// The cluster whose scheduler is there (HOST:PORT), instead of this host.
    #[arg(long, value_name = "ADDR", env = "COFFERDAM_CLUSTER")]
    pub(crate) cluster: Option<String>,
    #[command(flatten)]
    pub(crate) token: TokenArgs,
}

/// Who may call a cluster.
#[derive(Debug, Default, Args)]
pub(crate) struct TokenArgs {
    /// File with the token of the cluster. [default: that of the project's own instance]
    #[arg(long, value_name = "FILE", env = "COFFERDAM_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The token itself; never on the command line, where others could read it.
    #[arg(skip = std::env::var("COFFERDAM_TOKEN").ok())]
    pub(crate) token: Option<String>,
    /// Do not encrypt: for a `cofferdam serve --plaintext` that is reached through a tunnel or a trusted network.
    #[arg(long, env = "COFFERDAM_PLAINTEXT")]
    pub(crate) plaintext: bool,
}

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
    /// Address at which other workers get values and libraries from this one: ADDRESS or ADDRESS:PORT; `0.0.0.0` takes
    /// every address of the host. [default: none: what others need goes through the scheduler]
    #[arg(long, value_name = "ADDR", env = "COFFERDAM_INTERFACE", value_parser = interface)]
    pub(crate) interface: Option<std::net::SocketAddr>,
    /// Give values to other hosts, although what workers give each other is not encrypted on the way.
    #[arg(long)]
    pub(crate) give_plaintext: bool,
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

/// `10.0.0.2`, `10.0.0.2:4041`, `[fd00::2]:4041`
fn interface(text: &str) -> Result<std::net::SocketAddr, String> {
    let free_port = |address: std::net::IpAddr| std::net::SocketAddr::new(address, 0);
    text.parse().or_else(|_| text.parse().map(free_port)).map_err(|_| {
        "that is no address of this host; write ADDRESS or ADDRESS:PORT, such as 10.0.0.2 or [fd00::2]:4041"
            .to_owned()
    })
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

#[derive(Debug, Default, Args)]
pub(crate) struct Local {
    /// Steps that run at once. [default: one per core]
    #[arg(long, value_name = "N", env = "COFFERDAM_SLOTS", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) slots: Option<u32>,
    /// Abstract resources that steps may ask for: NAME=AMOUNT, with commas between them, such as `GPU=2,MEMORY=64e9`.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) resources: Vec<String>,
    /// What steps may ask for beside them: NAME=VALUE, with commas between them, such as `zone=eu`. `os` and `arch` are
    /// there by themselves.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) labels: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// Run: its id or a unique start of it. [default: the only unfinished one]
    pub(crate) run: Option<String>,
    #[command(flatten)]
    pub(crate) local: Local,
    #[command(flatten)]
    pub(crate) export: Export,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A run stays if it has not ended, if it is pinned (`cofferdam runs pin`), or if `--keep-last` or `--max-age` keeps it;
without these every run stays, and only what no run refers to goes. The newest value of each asset
always stays, and so does for an hour what no run refers to. Histories and logs of runs stay in any case.

Examples:
  cofferdam gc --dry-run --keep-last 10      what would go
  cofferdam gc --keep-last 10 --max-age 30d  keep ten runs of each job, and all of the last month")]
pub(crate) struct Gc {
    /// Say what would go and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Keep the newest N runs of each job.
    #[arg(long, value_name = "N")]
    pub(crate) keep_last: Option<u32>,
    /// Keep runs that ended within this time, such as `12h` or `30d`.
    #[arg(long, value_name = "DURATION", value_parser = cofferdam_config::parse_duration)]
    pub(crate) max_age: Option<std::time::Duration>,
    /// Then drop the oldest runs until at most this much is left, such as `10GiB`.
    #[arg(long, value_name = "BYTES", value_parser = cofferdam_config::parse_bytes)]
    pub(crate) max_size: Option<u64>,
}

/// What is done with one run.
#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// Keep the values of a run whatever `cofferdam gc` is told.
    Pin(Pinned),
    /// Take the pin off again.
    Unpin(Pinned),
}

#[derive(Debug, Args)]
pub(crate) struct Pinned {
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Runs {
    #[command(subcommand)]
    pub(crate) command: Option<RunsCommand>,
    /// Only runs of this job.
    #[arg(long)]
    pub(crate) job: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Run: its id or a unique start of it. [default: the newest]
    pub(crate) run: Option<String>,
    /// Show every step, however many.
    #[arg(long)]
    pub(crate) all: bool,
    /// Print the run's events instead, a JSON document per line.
    #[arg(long, conflicts_with = "all")]
    pub(crate) events: bool,
    #[command(flatten)]
    pub(crate) at: At,
    #[command(flatten)]
    pub(crate) export: Export,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Run: its id or a unique start of it. [default: the newest]
    pub(crate) run: Option<String>,
    /// Only lines of this step.
    #[arg(long, value_name = "STEP")]
    pub(crate) step: Option<String>,
    /// Only lines of at least this level.
    #[arg(long, default_value = "trace", value_parser = ["trace", "debug", "info", "warn", "error"])]
    pub(crate) level: String,
    /// Go on as the run does, until it has ended. With `--json`, a document per line.
    #[arg(short, long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Wit {
    /// Say what changed between two worlds or two libraries, and whether it breaks who relied on the old one. Exit code 3
    /// if it does.
    #[command(
        after_help = "Examples:\n  cofferdam wit diff stats-1.wasm stats    a component, and a library of the project\n  cofferdam wit diff old/wit wit          two folders with WIT"
    )]
    Diff {
        /// What was: a component file, the name of a library of the project, or a file or folder of WIT.
        old: String,
        /// What is.
        new: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Library {
    /// Print a library's digest, imports, and its ops with their inputs, outputs and config.
    Inspect {
        /// A component file, or the name of a library of the project.
        library: String,
    },
}
