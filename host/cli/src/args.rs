//! The command line: what clap parses. Help texts are examples first.

use std::path::PathBuf;

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
    /// Check definitions and libraries without running anything.
    Check(Check),
    /// Show what a job would run.
    Plan(Plan),
    /// Run a job and wait for it.
    Run(Run),
    /// Go on with a run that was interrupted.
    Resume(Resume),
    /// List runs, newest first.
    Runs(Runs),
    /// Show a run: its steps, outputs and the first failure.
    Show(Show),
    /// Print the log lines of a run.
    Logs(Logs),
    /// Look at libraries.
    #[command(subcommand)]
    Library(Library),
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
#[command(after_help = "Example:\n  cofferdam new weather && cd weather && cofferdam run hello")]
pub(crate) struct New {
    /// Name of the project and of its folder.
    pub(crate) name: String,
    /// Folder of Cofferdam's Rust SDK. [default: the one of the source tree that this program was built from]
    #[arg(long, value_name = "DIR", env = "COFFERDAM_SDK")]
    pub(crate) sdk: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// Libraries to build. [default: all]
    pub(crate) libraries: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {}

#[derive(Debug, Args, Clone)]
pub(crate) struct JobArgs {
    /// Name of the job. May be left out if there is only one.
    pub(crate) job: Option<String>,
    /// Run config (YAML or JSON); `-` reads it from standard input.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Environment whose resources, IO managers and config are used.
    #[arg(long = "env", value_name = "NAME", env = "COFFERDAM_ENVIRONMENT")]
    pub(crate) environment: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cofferdam plan delays -c run.yaml")]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) job: JobArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cofferdam run delays -c run.yaml --export out")]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) job: JobArgs,
    #[command(flatten)]
    pub(crate) local: Local,
    /// Tag of the run; may be given many times.
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    pub(crate) tags: Vec<String>,
    /// The same key gives the same run, however often it is asked for.
    #[arg(long, value_name = "TEXT")]
    pub(crate) idempotency_key: Option<String>,
    #[command(flatten)]
    pub(crate) export: Export,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Write the outputs that no other step reads into this folder.
    #[arg(long = "export", value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Local {
    /// Steps that run at once. [default: one per core]
    #[arg(long, value_name = "N", env = "COFFERDAM_SLOTS", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) slots: Option<u32>,
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
pub(crate) struct Runs {
    /// Only runs of this job.
    #[arg(long)]
    pub(crate) job: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
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
}

#[derive(Debug, Subcommand)]
pub(crate) enum Library {
    /// Print a library's digest, imports, and its ops with their inputs, outputs and config.
    Inspect {
        /// A component file, or the name of a library of the project.
        library: String,
    },
}
