//! The program `cofferdam`: the only place where everything is wired together.
//!
//! `args` says what can be asked, `commands` has a file per command, `project` and `prepare` go from files to
//! a plan, `instance` opens what a run needs. Meaning goes to stdout, talk to stderr, the outcome into the
//! exit code.

mod alerts;
mod archive;
mod args;
mod background;
mod cluster;
mod commands;
mod compiled;
mod cost;
mod draft;
mod drive;
mod error;
pub mod exit;
mod export;
mod given;
mod gone;
mod instance;
mod interface;
mod interrupts;
mod libraries;
mod locations;
mod mapping;
mod metrics;
mod offer;
mod output;
mod pages;
mod prepare;
mod progress;
mod project;
mod scratch;
mod selected;
mod settings;
mod site;
mod text;
mod traces;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Command};
use error::{Doing, Result};
use exit::Exit;
use output::Output;
use project::StateDir;

/// Parses the command line, does what it says, gives the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // The children of a worker come before everything else: they must start fast and touch nothing.
    match &cli.command {
        Command::Cell => return cofferdam_cell::run(),
        Command::Compile => return cofferdam_cell::compile(),
        Command::Leash { program } => {
            return match program.split_first() {
                Some((program, arguments)) => cofferdam_worker::become_program(program.as_ref(), arguments),
                None => cofferdam_worker::hold_leash(),
            };
        }
        _ => {}
    }
    let output = Output::new(&cli.global);
    start_log(cli.global.verbose);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(RUNTIME_THREADS).enable_all().build();
    let runtime = match runtime.doing(Exit::Internal, "start the runtime") {
        Ok(runtime) => runtime,
        Err(failed) => {
            output.failure(&failed);
            return failed.exit.into();
        }
    };
    let exporter = runtime.block_on(async { traces::start(&cli.command, output) });
    let done = runtime.block_on(dispatch(cli, output));
    if let Some(exporter) = exporter {
        runtime.block_on(exporter.finish());
    }
    match done {
        Ok(exit) => exit.into(),
        Err(failed) => {
            output.failure(&failed);
            failed.exit.into()
        }
    }
}

/// One for the scheduler's loop, one for the supervisor of the cells; the work itself is in the cells.
const RUNTIME_THREADS: usize = 2;

async fn dispatch(cli: Cli, output: Output) -> Result<Exit> {
    let Cli { global, command } = cli;
    let state = || StateDir::find(&global);
    match &command {
        Command::New(args) => commands::new::run(args, output)?,
        Command::Build(args) => commands::build::run(args, &global, output).await?,
        Command::Test(args) => commands::test::run(args, &global, output).await?,
        Command::Check(_) => commands::check::run(&global, output).await?,
        Command::Plan(args) => commands::plan::run(args, &global, output).await?,
        Command::Scaffold(args) => commands::scaffold::run(args, &global, output).await?,
        Command::Config(args::Config::Schema { job, environment }) => {
            let (job, environment) = (job.as_deref(), environment.as_deref());
            commands::config::schema(job, environment, &global, output).await?;
        }
        Command::Run(args) => return commands::run::run(args, &global, output).await,
        Command::Dev(args) => return commands::dev::run(args, &global, output).await,
        Command::Resume(args) => return commands::run::resume(args, &global, output).await,
        Command::Serve(args) => commands::serve::run(args, &global, &state()?, output).await?,
        Command::Worker(args) => commands::worker::run(args, state().ok(), output).await?,
        Command::Workers(args) => commands::workers::run(args, state().ok(), output).await?,
        Command::Queue(args) => commands::queue::run(args, state().ok(), output).await?,
        Command::Drain(args) => commands::drain::run(args, state().ok(), output).await?,
        Command::Revoke(args) => commands::revoke::run(args, state().ok(), output).await?,
        Command::Token(args) => commands::token::run(args, &state()?, output).await?,
        Command::Alerts(args) => commands::alerts::run(args, &state()?, output).await?,
        Command::Audit => commands::audit::run(&state()?, output)?,
        Command::Cancel(args) => commands::cancel::run(args, state().ok(), output).await?,
        Command::Approve(args) => commands::review::run(args, true, state().ok(), output).await?,
        Command::Reject(args) => commands::review::run(args, false, state().ok(), output).await?,
        Command::Why(args) => commands::why::run(args, state().ok(), output).await?,
        Command::Rerun(args) => return commands::rerun::run(args, &global, output).await,
        Command::Runs(args) => commands::runs::run(args, &global, output).await?,
        Command::Gc(args) => commands::gc::run(args, &global, output).await?,
        Command::Show(args) => commands::show::run(args, &global, output).await?,
        Command::Logs(args) => commands::logs::run(args, &global, output).await?,
        Command::Asset(args) => return commands::asset::run(args, &global, output).await,
        Command::Schedule(asked) => commands::automation::schedule(asked, &global, output).await?,
        Command::Sensor(asked) => commands::automation::sensor(asked, &global, output).await?,
        Command::Value(args) => commands::value::run(args, &global, output).await?,
        Command::Replay(args) => return commands::replay::run(args, &state()?, output).await,
        Command::Library(args::Library::Inspect { library }) => {
            commands::library::inspect(library, &global, output).await?;
        }
        Command::Library(args::Library::Keygen { file }) => commands::signature::keygen(file, output)?,
        Command::Library(args::Library::Sign { library, key }) => {
            commands::signature::sign(library, key, &global, output).await?;
        }
        Command::Library(args::Library::Verify { library, keys }) => {
            commands::signature::verify(library, keys, &global, output).await?;
        }
        Command::Library(args::Library::Push(args)) => {
            commands::registry::push(args, &global, output).await?
        }
        Command::Library(args::Library::Pull(args)) => {
            commands::registry::pull(args, &global, output).await?
        }
        Command::Library(args::Library::Bundle(args)) => {
            commands::bundle::bundle(args, &global, output).await?;
        }
        Command::Library(args::Library::Unbundle(args)) => commands::bundle::unbundle(args, &global, output)?,
        Command::Library(args::Library::Promote(args)) => {
            commands::channel::promote(args, &global, output).await?;
        }
        Command::Library(args::Library::Rollback(args)) => {
            commands::channel::roll_back(args, &global, output).await?;
        }
        Command::Library(args::Library::Channels(args)) => {
            commands::channel::list(args, &global, output).await?;
        }
        Command::Wit(args::Wit::Diff { old, new }) => {
            return commands::wit::diff(old, new, &global, output).await;
        }
        Command::Doctor => commands::doctor::run(output).await?,
        Command::Completions { shell } => completions(*shell, output)?,
        Command::ExitCodes => commands::exit_codes::run(output)?,
        Command::Cell | Command::Compile | Command::Leash { .. } => {
            unreachable!("the children were started above")
        }
    }
    Ok(Exit::Ok)
}

fn completions(shell: clap_complete::Shell, output: Output) -> Result<()> {
    let mut script = vec![];
    clap_complete::generate(shell, &mut Cli::command(), "cofferdam", &mut script);
    output.answer(&String::from_utf8_lossy(&script))
}

/// What the program says about itself goes to stderr: warnings, or more with `-v`, or what
/// `COFFERDAM_LOG` asks for.
fn start_log(verbose: u8) {
    use tracing_subscriber::EnvFilter;
    let level = ["warn", "info", "debug"][usize::from(verbose.min(2))];
    let filter = EnvFilter::try_from_env("COFFERDAM_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
}
