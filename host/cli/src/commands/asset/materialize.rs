//! `cofferdam asset materialize`: assets made in one run.

use cofferdam_assets::{AssetIdx, Targets, targets_of};
use cofferdam_model::{Known as TakenOver, RunId};
use cofferdam_scheduler::Submission;

use super::Materialize;
use super::known::Known;
use crate::args::{Given, Global};
use crate::commands::run;
use crate::error::{Failed, Result};
use crate::exit::Exit;
use crate::output::Output;
use crate::prepare::{Prepared, Reading, Wanted, prepare_wanted, read_config};
use crate::project::{Project, sort_out};
use crate::text::count;

pub(super) async fn run(args: &Materialize, global: &Global, output: Output) -> Result<Exit> {
    let (selection, partition) = if args.stale_only {
        match stale(args, global, output).await? {
            Some(found) => found,
            None => {
                output.say("everything that is selected is up to date");
                return Ok(Exit::Ok);
            }
        }
    } else {
        (args.selection.clone(), args.given.partition.clone())
    };
    let mut project = Project::open_at(&args.at, global, output)?;
    let (run_config, found) = read_config(&args.given, &mut project.texts)?;
    project.texts = sort_out(std::mem::take(&mut project.texts), found, output)?;
    let given = Given { partition, ..args.given.clone() };
    let wanted = Wanted::Assets(selection);
    let Prepared { plan, project, .. } =
        prepare_wanted(project, &wanted, &given, &run_config, Reading::Import, output).await?;
    let submission = Submission {
        run: RunId(uuid::Uuid::now_v7()),
        tags: plan.tags.clone(),
        plan: plan.into(),
        idempotency_key: None,
        origin: None,
        known: TakenOver::default(),
    };
    run::submit(submission, &project.site, &args.local, &args.watching, &args.export, output).await
}

/// What is stale or missing of the selection: exactly those assets, and the partitions; none if nothing is.
async fn stale(
    args: &Materialize,
    global: &Global,
    output: Output,
) -> Result<Option<(Vec<String>, Option<String>)>> {
    let mut known = Known::open(&args.at, global, output).await?;
    known.compare_code(global, output).await?;
    let mut assets = known.select(&args.selection)?;
    assets.retain(|asset| !known.graph.maker_of(*asset).external);
    let partition = args.given.partition.as_deref();
    let targets = match targets_of(&known.graph, &known.extents, &assets, partition) {
        Ok(targets) => targets,
        Err(mistakes) => return Err(Failed::diagnosed(known.project.texts, mistakes)),
    };
    let stale = known.judge().stale_only(&targets);
    let n_left_out = targets.len() - stale.len();
    if n_left_out > 0 {
        output.say(&format!("{} up to date and left out", count(n_left_out, "partition")));
    }
    if stale.is_empty() {
        return Ok(None);
    }
    let assets: Vec<AssetIdx> = stale.iter().map(|(asset, _)| asset).collect();
    Ok(Some((known.expressions(&assets), one_range(&known, &stale)?)))
}

/// One run is for one range that all its assets share.
fn one_range(known: &Known, stale: &Targets) -> Result<Option<String>> {
    let partitioned = || stale.iter().filter(|(asset, _)| known.extent(*asset).is_partitioned());
    let Some((asset, partitions)) = partitioned().next() else { return Ok(None) };
    let alike = partitioned().all(|(_, others)| others == partitions);
    let extent = known.extent(asset);
    match partitions.ranges() {
        [range] if alike => {
            let (first, last) = (extent.key(range.start), extent.key(range.end - 1));
            Ok(first.zip(last).map(
                |(first, last)| {
                    if first == last { first } else { format!("{first}...{last}") }
                },
            ))
        }
        _ => Err(Failed::usage("what is stale is not one range of partitions, so one run cannot make it")
            .hint("`cofferdam asset backfill` makes it in as many runs as it takes")),
    }
}
