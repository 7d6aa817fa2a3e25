//! The command line: what clap parses. Help texts are examples first.

mod cluster;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

pub(crate) use cluster::{MetricsAt, Serve, Worker};

use crate::draft::Force;

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

#[derive(Debug, Clone, Args)]
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
    /// Serve the project's pages on this machine; or run a job, and again each time a file of the project is saved.
    Dev(Dev),
    /// Go on with a run that was interrupted.
    Resume(Resume),
    /// Serve a cluster: take runs and hand their steps to workers.
    Serve(Serve),
    /// Carry out steps for a cluster.
    Worker(Worker),
    /// List the workers of a cluster.
    Workers(Workers),
    /// List the runs of a cluster that may not begin yet, and its pools.
    Queue(Queue),
    /// Let a worker of a cluster end what it runs and leave.
    Drain(Drain),
    /// Cut a worker of a cluster off, at once and for good.
    Revoke(Revoke),
    /// Look after the tokens of the cluster whose state is here.
    #[command(subcommand)]
    Token(Token),
    /// Show who is told of what by the instance whose state is here, and what became of it; or send a trial.
    Alerts(crate::commands::alerts::Alerts),
    /// Show who did what on the cluster whose state is here, and that nothing was changed in that log.
    Audit,
    /// Ask for the end of a run on a cluster.
    Cancel(Cancel),
    /// Let a step of a run on a cluster run that waits to be approved.
    Approve(Review),
    /// Fail a step of a run on a cluster that waits to be approved.
    Reject(Review),
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
    /// Look at schedules, turn them on and off, try them.
    #[command(subcommand)]
    Schedule(crate::commands::automation::Schedule),
    /// Look at sensors, turn them on and off, try them.
    #[command(subcommand)]
    Sensor(crate::commands::automation::Sensor),
    /// Look at the values that steps made.
    #[command(subcommand)]
    Value(crate::commands::value::Value),
    /// Run one step of a run again as it was run, and compare what comes out. Nothing is recorded.
    Replay(crate::commands::replay::Replay),
    /// Look at libraries, sign them, carry them elsewhere.
    #[command(subcommand)]
    Library(Library),
    /// Compare worlds and libraries.
    #[command(subcommand)]
    Wit(Wit),
    /// Say what this host refuses the processes in which libraries run and are compiled.
    Doctor,
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
    /// End the programs of a worker that has died, as its child; or become one of them, once it would be ended.
    #[command(hide = true)]
    Leash {
        #[arg(last = true)]
        program: Vec<OsString>,
    },
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

#[derive(Debug, Clone, Args)]
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
#[command(after_help = "\
Examples:
  cofferdam dev
  cofferdam dev delays -c run.yaml --export out")]
pub(crate) struct Dev {
    #[command(flatten)]
    pub(crate) run: Run,
    /// Address and port of the pages. There is no password, so it is one that only this machine reaches.
    #[arg(long, value_name = "ADDR", default_value = PAGES_AT, env = "COFFERDAM_DEV")]
    pub(crate) listen: std::net::SocketAddr,
}

/// Where pages are, unless it is said otherwise.
pub(crate) const PAGES_AT: &str = "127.0.0.1:4041";

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
#[derive(Debug, Default, Clone, Args)]
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

#[derive(Debug, Clone, Args)]
pub(crate) struct Export {
    /// Write the outputs that no other step reads into this folder.
    #[arg(long = "export", value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) force: Force,
}

/// A command of clusters only.
#[derive(Debug, Args)]
pub(crate) struct Fleet {
    /// Address of the scheduler: HOST:PORT. [default: that of the `cofferdam dev` which runs here, or 127.0.0.1:4040]
    #[arg(long, value_name = "ADDR", env = "COFFERDAM_CLUSTER")]
    pub(crate) cluster: Option<String>,
    #[command(flatten)]
    pub(crate) token: TokenArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Workers {
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}

#[derive(Debug, Args)]
pub(crate) struct Queue {
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

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
pub(crate) enum IsolationOf {
    /// Cells are used again and again.
    #[default]
    Own,
    /// Cells are used again for attempts of the same namespace.
    Tenant,
    /// A cell for each attempt.
    Attempt,
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
    /// Make a token for a person or a program, with a role, for clients only. It is printed once; only its hash is kept.
    #[command(
        after_help = "Example:\n  cofferdam token create ci --role launcher --namespace team-a --expires 30d > ci.token"
    )]
    Create(TokenCreate),
    /// List the tokens that were made for somebody.
    List,
    /// End such a token: it is refused within a second, and what it watches ends.
    Revoke {
        /// Its name.
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TokenCreate {
    /// What it is called in lists, in refusals and in the audit log.
    pub(crate) name: String,
    /// What it may do: viewer, launcher, operator or admin.
    #[arg(long)]
    pub(crate) role: cofferdam_server::Role,
    /// A namespace that it is for; may be said again. [default: all]
    #[arg(long = "namespace", value_name = "NAME")]
    pub(crate) namespaces: Vec<String>,
    /// Time for which it holds.
    #[arg(long, value_name = "TIME", default_value = "90d", value_parser = token_life)]
    pub(crate) expires: Duration,
}

fn token_life(text: &str) -> Result<Duration, String> {
    match cofferdam_config::parse_duration(text)? {
        time if time <= TOKEN_LIFE_MAX => Ok(time),
        _ => Err(format!("a token holds for {} days at most", TOKEN_LIFE_MAX.as_secs() / 86_400)),
    }
}

#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// Run: its id or a unique start of it.
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}

#[derive(Debug, Args)]
pub(crate) struct Review {
    /// Run: its id or a unique start of it.
    pub(crate) run: String,
    /// Step, as `cofferdam why RUN` lists it.
    pub(crate) step: String,
    /// What there is to say about it; kept with the run.
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
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
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct At {
    /// The cluster whose scheduler is there (HOST:PORT), instead of this host.
    #[arg(long, value_name = "ADDR", env = "COFFERDAM_CLUSTER")]
    pub(crate) cluster: Option<String>,
    #[command(flatten)]
    pub(crate) token: TokenArgs,
}

/// Who may call a cluster.
#[derive(Debug, Default, Clone, Args)]
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

/// Who needs one for longer makes another one.
const TOKEN_LIFE_MAX: Duration = Duration::from_secs(3660 * 86_400);

/// Steps that one worker runs at once.
const SLOTS_MAX: u32 = 1024;
/// `8`
fn slots(text: &str) -> Result<u32, String> {
    let slots = text.parse().ok().filter(|slots| (1..=SLOTS_MAX).contains(slots));
    slots.ok_or_else(|| format!("it is a whole number from 1 to {SLOTS_MAX}"))
}

#[derive(Debug, Default, Clone, Args)]
pub(crate) struct Local {
    /// Steps that run at once. [default: one per core]
    #[arg(long, value_name = "N", env = "COFFERDAM_SLOTS", value_parser = slots, allow_negative_numbers = true)]
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
    /// Write a run into a file, as it is now: its plan, its history, its log lines. Not the values that it has stored.
    #[command(
        after_help = "Example:\n  cofferdam runs export 0193 run.tar       # then, anywhere, without the instance:\n  cofferdam show --file run.tar\n  cofferdam logs --file run.tar --level warn"
    )]
    Export(ExportRun),
}

#[derive(Debug, Args)]
pub(crate) struct Pinned {
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Debug, Args)]
pub(crate) struct ExportRun {
    /// Run: its id or a unique start of it.
    pub(crate) run: String,
    /// File that is written.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) force: Force,
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
    /// The same by the names and in the order of Dagster's event log.
    #[arg(long, conflicts_with_all = ["all", "events"])]
    pub(crate) dagster_events: bool,
    /// A file that `cofferdam runs export` has written, instead of an instance.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cluster", "dir"])]
    pub(crate) file: Option<PathBuf>,
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
    /// A file that `cofferdam runs export` has written, instead of an instance.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cluster", "follow"])]
    pub(crate) file: Option<PathBuf>,
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
    /// Make a key that signs libraries: the private one into a file, the public one is printed.
    Keygen {
        /// File that is made, for its owner only.
        file: PathBuf,
    },
    /// Sign a library: its digest and the interface that it was made for. The signature goes with runs of the project.
    Sign {
        /// A component file, or the name of a library of the project.
        library: String,
        /// File with the private key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Say who has signed a library. Fails if nobody has, or none of the keys that are named.
    Verify {
        /// A component file, or the name of a library of the project.
        library: String,
        /// A public key of which one must have signed; may be said again.
        #[arg(long = "key", value_name = "KEY")]
        keys: Vec<cofferdam_model::SignerKey>,
    },
    /// Send a library to an OCI registry.
    Push(crate::commands::registry::Push),
    /// Bring a library from an OCI registry.
    Pull(crate::commands::registry::Pull),
    /// Put libraries into one file, to be carried to where there is no network.
    Bundle(crate::commands::bundle::Pack),
    /// Take the libraries out of such a file.
    Unbundle(crate::commands::bundle::Unpack),
    /// Put a library on a channel: who names the channel runs it from the next run on.
    Promote(crate::commands::channel::Promote),
    /// Put a channel back on the library that it was on before.
    Rollback(crate::commands::channel::Rollback),
    /// List channels and what they are on, or what one was on.
    Channels(crate::commands::channel::Channels),
}
