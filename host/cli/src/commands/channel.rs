//! `cofferdam library promote`, `rollback` and `channels`: which version of a library runs where a channel is named. The run
//! log keeps channels with all that they were on, who moved them, and when.

use clap::Args;
use cofferdam_depot::Depot;
use cofferdam_model::{Channel, LibraryDigest};
use cofferdam_runlog::{By, PAGE_ROWS_MAX, Promotion, RunLog};
use cofferdam_scheduler::system_time;
use comfy_table::{Table, presets};
use serde_json::json;

use crate::args::{At, Global};
use crate::cluster;
use crate::commands::library;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::instance;
use crate::output::{GREEN, Output, printable};
use crate::site::Site;

/// Who moves a channel of an instance that is on this host; of a cluster its scheduler knows better.
const HERE: &str = "this host";
/// Hexadecimal digits of a digest in a table.
const DIGEST_SHOWN: usize = 19;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cofferdam library promote stats stats/prod --cluster 10.0.0.1:4040

Runs that were submitted keep what they have.")]
pub(crate) struct Promote {
    /// A component file, or the name of a library of the project.
    library: String,
    /// The channel; made if there is none of that name.
    channel: Channel,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cofferdam library rollback stats/prod --cluster 10.0.0.1:4040

Said again, it goes back by one more.")]
pub(crate) struct Rollback {
    /// The channel.
    channel: Channel,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, Args)]
pub(crate) struct Channels {
    /// Show what this one was on, who moved it, and when.
    channel: Option<Channel>,
    #[command(flatten)]
    at: At,
}

pub(crate) async fn promote(args: &Promote, global: &Global, output: Output) -> Result<()> {
    let component = library::component(&args.library, global, output).await?;
    let site = Site::find(&args.at, global)?;
    let log = site.log_to_change().await?;
    bring(component.bytes, component.digest, &site).await?;
    let changed = log.catalog().promote(args.channel.clone(), component.digest, by()).await;
    let changed = changed.doing(Exit::Unreachable, moving(&args.channel))?;
    tell(&newest_of(&*log, &args.channel).await?, changed, output)
}

/// Only what runs could get is put on a channel.
async fn bring(bytes: Vec<u8>, digest: LibraryDigest, site: &Site) -> Result<()> {
    if site.has_library(&digest).await? {
        return Ok(());
    }
    let depot = match site {
        Site::Here(state) => instance::depot(state)?,
        Site::There(_) => Depot::memory(),
    };
    depot.put(bytes.into()).await.doing(Exit::Unreachable, "put the library into the depot")?;
    match site {
        Site::Here(_) => Ok(()),
        Site::There(there) => there.cluster.upload(&depot, &digest).await.map_err(cluster::failed),
    }
}

pub(crate) async fn roll_back(args: &Rollback, global: &Global, output: Output) -> Result<()> {
    let channel = &args.channel;
    let site = Site::find(&args.at, global)?;
    let now = newest(&site, channel).await?;
    let log = site.log_to_change().await?;
    let back = before(&*log, &now).await?;
    if !site.has_library(&back.library).await? {
        let message = format!("`{channel}` was on {}, which is not there any more", back.library);
        return Err(Failed::invalid(message).hint("`cofferdam library promote` puts another one on it"));
    }
    let changed = log.catalog().roll_back(channel.clone(), by()).await;
    let changed = changed.doing(Exit::Unreachable, moving(channel))?;
    tell(&newest_of(&*log, channel).await?, changed, output)
}

/// What a channel goes back to.
async fn before(log: &dyn RunLog, now: &Promotion) -> Result<Promotion> {
    let nothing = || {
        Failed::invalid(format!("`{}` was on nothing before {}", now.channel, now.library))
            .hint("`cofferdam library promote` puts another one on it")
    };
    let number = now.back.ok_or_else(nothing)?;
    let found = log.catalog().promotions(now.channel.clone(), Some(number + 1), 1).await;
    found.doing(Exit::Unreachable, "read the channels")?.pop().ok_or_else(nothing)
}

pub(crate) async fn list(args: &Channels, global: &Global, output: Output) -> Result<()> {
    let site = Site::find(&args.at, global)?;
    let promotions = match (&args.channel, site.log_if_any().await?) {
        (Some(channel), Some(log)) => {
            newest_of(&*log, channel).await?;
            log.catalog().promotions(channel.clone(), None, PAGE_ROWS_MAX).await
        }
        (None, Some(log)) => log.catalog().channels().await,
        (Some(channel), None) => return Err(unknown(channel)),
        (None, None) => Ok(vec![]),
    };
    let promotions = promotions.doing(Exit::Unreachable, "read the channels")?;
    if output.json {
        let promotions: Vec<_> = promotions.iter().map(document).collect();
        return output.document("cofferdam.channels/v1", json!({ "promotions": promotions }));
    }
    output.answer(&table(&promotions))
}

/// What a channel is on.
pub(crate) async fn newest(site: &Site, channel: &Channel) -> Result<Promotion> {
    match site.log_if_any().await? {
        Some(log) => newest_of(&*log, channel).await,
        None => Err(unknown(channel)),
    }
}

async fn newest_of(log: &dyn RunLog, channel: &Channel) -> Result<Promotion> {
    let found = log.catalog().promotions(channel.clone(), None, 1).await;
    found.doing(Exit::Unreachable, "read the channels")?.pop().ok_or_else(|| unknown(channel))
}

fn unknown(channel: &Channel) -> Failed {
    Failed::invalid(format!("there is no channel `{channel}` where this would run")).hint(format!(
        "`cofferdam library promote LIBRARY {channel}` makes it, with `--cluster ADDR` on a cluster; \
         `cofferdam library channels` lists those that there are"
    ))
}

fn moving(channel: &Channel) -> String {
    format!("move the channel `{channel}`")
}

fn by() -> By {
    By { who: HERE.to_owned(), at: system_time() }
}

fn tell(now: &Promotion, changed: bool, output: Output) -> Result<()> {
    if output.json {
        return output
            .document("cofferdam.channel/v1", json!({ "changed": changed, "promotion": document(now) }));
    }
    let Promotion { channel, library, .. } = now;
    output.answer(&match changed {
        true => format!("{GREEN}{channel}{GREEN:#} is on {library}"),
        false => format!("{channel} was on {library} already"),
    })
}

fn document(promotion: &Promotion) -> serde_json::Value {
    let Promotion { number, channel, library, rolled_back, by, .. } = promotion;
    json!({
        "number": number, "channel": channel, "library": library, "rolled_back": rolled_back,
        "who": by.who, "at": by.at.to_string(),
    })
}

fn table(promotions: &[Promotion]) -> String {
    if promotions.is_empty() {
        return "there is no channel yet".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["channel", "library", "when", "who", ""]);
    for Promotion { channel, library, rolled_back, by, .. } in promotions {
        let library: String = library.to_string().chars().take(DIGEST_SHOWN).collect();
        let how = if *rolled_back { "rolled back" } else { "" };
        table.add_row([channel.as_str(), &library, &by.at.to_string(), &printable(&by.who), how]);
    }
    table.to_string()
}
