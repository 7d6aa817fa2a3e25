//! `cofferdam asset`: what assets there are, whether they are up to date, and making them.

mod backfill;
pub(crate) mod known;
mod list;
mod materialize;
mod partitions;
mod show;

use clap::{Args, Subcommand};

use crate::args::{At, Export, Given, Global, Local, Watching};
use crate::error::Result;
use crate::exit::Exit;
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum Asset {
    /// List assets: their partitions, newest version, and whether they are up to date.
    List(List),
    /// Show one asset: what it is made from, what was made, its checks, and why it is stale.
    Show(Show),
    /// Make assets in one run, and wait for it.
    Materialize(Materialize),
    /// Make many partitions, in as many runs as it takes, each after those that it reads from.
    Backfill(Backfill),
    /// List the partitions of an asset, or change a dynamic set of partitions.
    Partitions(Partitions),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cofferdam asset list
  cofferdam asset list 'group:flights'
  cofferdam asset list '+key:\"flights/report\"'     with all that it is made from")]
pub(crate) struct List {
    /// Which assets. [default: all]
    #[arg(value_name = "SELECTION")]
    pub(crate) selection: Vec<String>,
    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cofferdam asset show flights/daily_delays
  cofferdam asset show flights/daily_delays --partition 2013-01-05")]
pub(crate) struct Show {
    /// Key of the asset.
    pub(crate) key: String,
    /// Only this partition.
    #[arg(long, value_name = "KEY")]
    pub(crate) partition: Option<String>,
    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cofferdam asset materialize 'key:\"flights/report\"'
  cofferdam asset materialize '+key:\"flights/report\"' --stale-only
  cofferdam asset materialize group:flights --partition 2013-01-05")]
pub(crate) struct Materialize {
    /// Which assets; all that any of the expressions selects.
    #[arg(required = true, value_name = "SELECTION")]
    pub(crate) selection: Vec<String>,
    /// Leave out what is up to date.
    #[arg(long)]
    pub(crate) stale_only: bool,
    #[command(flatten)]
    pub(crate) given: Given,
    #[command(flatten)]
    pub(crate) at: At,
    #[command(flatten)]
    pub(crate) local: Local,
    #[command(flatten)]
    pub(crate) watching: Watching,
    #[command(flatten)]
    pub(crate) export: Export,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cofferdam asset backfill group:flights --partitions all --dry-run
  cofferdam asset backfill group:flights --partitions 2013-01-01...2013-01-31
  cofferdam asset backfill 'key:\"flights/report\"' --partitions all --max-per-run 7")]
pub(crate) struct Backfill {
    /// Which assets; all that any of the expressions selects.
    #[arg(required = true, value_name = "SELECTION")]
    pub(crate) selection: Vec<String>,
    /// Which partitions: `all`, a key, or `first...last`. Assets without partitions are made once.
    #[arg(long, value_name = "KEYS")]
    pub(crate) partitions: String,
    /// Most partitions that one run makes.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_per_run: u32,
    /// As many partitions as possible in each run.
    #[arg(long, conflicts_with = "max_per_run")]
    pub(crate) single: bool,
    /// Leave out what is up to date.
    #[arg(long)]
    pub(crate) stale_only: bool,
    /// Show the runs, and start none.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Run config (YAML or JSON) of every run.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<std::path::PathBuf>,
    /// Environment whose resources, IO managers and config are used.
    #[arg(long = "env", value_name = "NAME", env = "COFFERDAM_ENVIRONMENT")]
    pub(crate) environment: Option<String>,
    #[command(flatten)]
    pub(crate) at: At,
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  cofferdam asset partitions flights/daily_delays
  cofferdam asset partitions add customers acme initech"
)]
pub(crate) struct Partitions {
    #[command(subcommand)]
    pub(crate) change: Option<Change>,
    /// Key of the asset.
    #[arg(required = true, value_name = "ASSET")]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Change {
    /// Add keys to a dynamic set.
    Add(Keys),
    /// Take keys out of a dynamic set. What was made for them stays.
    Remove(Keys),
}

#[derive(Debug, Args)]
pub(crate) struct Keys {
    /// Name of the table in `[partitions]`.
    pub(crate) set: String,
    /// The keys.
    #[arg(required = true, value_name = "KEY")]
    pub(crate) keys: Vec<String>,
    #[command(flatten)]
    pub(crate) at: At,
}

pub(crate) async fn run(asset: &Asset, global: &Global, output: Output) -> Result<Exit> {
    match asset {
        Asset::List(args) => list::run(args, global, output).await?,
        Asset::Show(args) => show::run(args, global, output).await?,
        Asset::Materialize(args) => return materialize::run(args, global, output).await,
        Asset::Backfill(args) => return backfill::run(args, global, output).await,
        Asset::Partitions(args) => partitions::run(args, global, output).await?,
    }
    Ok(Exit::Ok)
}
