//! `cofferdam asset show`: one asset with its history.

use cofferdam_assets::{AssetIdx, RootCause, StaleCategory, StaleStatus};
use cofferdam_model::CheckSeverity;
use cofferdam_runlog::{Checked, Materialized};
use serde_json::{Value, json};

use super::known::{Known, cause_json, short_version, status_word};
use super::{Show, list};
use crate::args::Global;
use crate::commands::show::fact;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::output::{DIM, GREEN, Output, RED, YELLOW, printable};
use crate::text::ago;

/// Materialisations and evaluations that are shown: a screen of each.
const HISTORY_ROWS: usize = 10;
/// Partitions that are not up to date that are named.
const PARTITIONS_TOLD_MAX: usize = 10;

/// What is told of an asset.
struct Told {
    asset: AssetIdx,
    /// The one that was asked for, by index.
    partition: Option<u32>,
    history: Vec<Materialized>,
    checks: Vec<Checked>,
}

pub(super) async fn run(args: &Show, global: &Global, output: Output) -> Result<()> {
    let mut known = Known::open(&args.at, global, output).await?;
    let asset = known.find(&args.key)?;
    let partition = args.partition.as_deref().map(|key| index(&known, asset, key)).transpose()?;
    known.compare_code(global, output).await?;
    let told = read(&known, asset, partition).await?;
    if output.json {
        return output.document("cofferdam.asset/v1", document(&known, &told));
    }
    output.answer(&text(&known, &told))
}

fn index(known: &Known, asset: AssetIdx, key: &str) -> Result<u32> {
    known.extent(asset).find(key).map_err(|error| {
        let failed = Failed::usage(format!("`{}` has other partitions", known.graph.asset(asset).key));
        let failed = failed.because(&error);
        match error.hint() {
            Some(hint) => failed.hint(hint),
            None => failed,
        }
    })
}

/// The newest of what the run log has.
async fn read(known: &Known, asset: AssetIdx, partition: Option<u32>) -> Result<Told> {
    let mut told = Told { asset, partition, history: vec![], checks: vec![] };
    let Some(log) = known.project.site.log_if_any().await? else { return Ok(told) };
    let doing = || "read the run log";
    let key = known.graph.asset(asset).key.clone();
    let wanted = partition.and_then(|at| known.extent(asset).key(at));
    let mut before = None;
    loop {
        let page = log.catalog().materializations(key.clone(), before, HISTORY_ROWS).await;
        let page = page.doing(Exit::Unreachable, doing())?;
        before = page.last().map(|made| made.number);
        let full = page.len() == HISTORY_ROWS;
        told.history.extend(
            page.into_iter().filter(|made| wanted.is_none() || made.materialization.partition == wanted),
        );
        if !full || told.history.len() >= HISTORY_ROWS {
            break;
        }
    }
    told.history.truncate(HISTORY_ROWS);
    let checks = log.catalog().checks(key, None, HISTORY_ROWS).await.doing(Exit::Unreachable, doing())?;
    told.checks = checks;
    told.checks.retain(|check| wanted.is_none() || check.evaluation.partition == wanted);
    Ok(told)
}

/// The partition that is judged: the one that was asked for, or the only one.
fn judged(known: &Known, told: &Told) -> Option<u32> {
    told.partition.or_else(|| (!known.extent(told.asset).is_partitioned()).then_some(0))
}

fn document(known: &Known, told: &Told) -> Value {
    let mut document = list::document(known, told.asset);
    let fields = document.as_object_mut().expect("an asset is written as an object");
    if let Some(at) = judged(known, told) {
        let found = known.judge().staleness(told.asset, at);
        let roots = known.judge().root_causes(told.asset, at);
        fields.insert("status".to_owned(), status_word(found.status).into());
        fields.insert("causes".to_owned(), found.causes.iter().map(cause_json).collect());
        fields.insert("root_causes".to_owned(), roots.iter().map(root_json).collect());
    }
    fields.insert(
        "partition".to_owned(),
        json!(told.partition.and_then(|at| known.extent(told.asset).key(at))),
    );
    fields.insert("downstream".to_owned(), json!(known.downstream(told.asset)));
    fields.insert("history".to_owned(), told.history.iter().map(made_json).collect());
    fields.insert("checks".to_owned(), told.checks.iter().map(check_json).collect());
    document
}

fn root_json(root: &RootCause) -> Value {
    json!({ "asset": root.asset, "partition": root.partition, "category": category(root.category) })
}

fn category(category: StaleCategory) -> &'static str {
    match category {
        StaleCategory::Code => "code",
        StaleCategory::Data => "data",
        StaleCategory::Dependencies => "dependencies",
    }
}

fn made_json(made: &Materialized) -> Value {
    let one = &made.materialization;
    json!({
        "run": made.run,
        "step": made.step,
        "output": made.output,
        "at": made.at.to_string(),
        "partition": one.partition,
        "code_version": one.code_version,
        "data_version": one.data_version,
        "inputs": one.inputs,
        "metadata": one.metadata,
    })
}

fn check_json(check: &Checked) -> Value {
    json!({
        "check": check.evaluation.check,
        "run": check.run,
        "at": check.at.to_string(),
        "partition": check.evaluation.partition,
        "passed": check.evaluation.passed,
        "severity": check.evaluation.severity,
        "metadata": check.evaluation.metadata,
    })
}

fn text(known: &Known, told: &Told) -> String {
    let (asset, maker) = (known.graph.asset(told.asset), known.graph.maker_of(told.asset));
    let summary = known.summary(told.asset);
    let status = list::status_text(&summary, maker.external, maker.partitions.is_some());
    let mut lines = vec![format!("{GREEN}{}{GREEN:#}  {status}", asset.key)];
    if !asset.description.is_empty() {
        lines.push(printable(&asset.description));
    }
    let pairs: Vec<String> = asset.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let partitions = maker.partitions.as_ref().map(|kind| {
        let extent = known.extent(told.asset);
        let ends = extent.key(0).zip(extent.last().and_then(|last| extent.key(last)));
        let ends = ends.map(|(first, last)| format!(", {first}...{last}")).unwrap_or_default();
        format!("{} ({}{ends})", extent.len(), kind.kind_word())
    });
    let facts = [
        (
            "made by",
            if maker.external { "somebody else".to_owned() } else { format!("[assets.{}]", maker.name) },
        ),
        ("group", asset.group.to_string()),
        ("kinds", asset.kinds.join(", ")),
        ("owners", asset.owners.join(", ")),
        ("tags", pairs.join(", ")),
        ("partitions", partitions.unwrap_or_default()),
        ("made from", known.upstream(told.asset).join(", ")),
        ("read by", known.downstream(told.asset).join(", ")),
    ];
    let shown = facts.iter().filter(|(_, value)| !value.is_empty());
    lines.extend(shown.map(|(name, value)| format!("  {DIM}{name:<10}{DIM:#} {}", printable(value))));
    lines.extend(staleness(known, told));
    lines.extend(history(told));
    lines.join("\n")
}

fn staleness(known: &Known, told: &Told) -> Vec<String> {
    let judge = known.judge();
    let extent = known.extent(told.asset);
    let Some(at) = judged(known, told) else {
        let not_fresh = extent.all();
        let not_fresh = not_fresh.iter().filter_map(|at| {
            let found = judge.staleness(told.asset, at);
            (found.status != StaleStatus::Fresh).then(|| (extent.key(at).unwrap_or_default(), found))
        });
        let told: Vec<String> = not_fresh
            .take(PARTITIONS_TOLD_MAX)
            .map(|(key, found)| {
                let causes: Vec<String> = found.causes.iter().map(ToString::to_string).collect();
                let line = format!("  {:<8}{}  {}", status_word(found.status), key, causes.join("; "));
                line.trim_end().to_owned()
            })
            .collect();
        let title = (!told.is_empty()).then(|| "\nnot up to date".to_owned());
        return title.into_iter().chain(told).collect();
    };
    let found = judge.staleness(told.asset, at);
    let mut lines = vec![];
    if let Some(key) = extent.key(at) {
        lines.push(format!("\npartition {key}: {}", status_word(found.status)));
    } else if !found.causes.is_empty() {
        lines.push("\nwhy it is stale".to_owned());
    }
    lines.extend(found.causes.iter().map(|cause| format!("  {YELLOW}{cause}{YELLOW:#}")));
    lines.extend(judge.root_causes(told.asset, at).iter().map(|root| {
        let partition = root.partition.as_ref().map(|key| format!(", partition {key}")).unwrap_or_default();
        format!("  {DIM}root: {} of {}{partition}{DIM:#}", category(root.category), root.asset)
    }));
    lines
}

fn history(told: &Told) -> Vec<String> {
    let mut lines = vec![];
    if !told.history.is_empty() {
        lines.push("\nmade".to_owned());
    }
    for made in &told.history {
        let one = &made.materialization;
        let partition = one.partition.as_ref().map(|key| format!("  {key}")).unwrap_or_default();
        let versions =
            format!("data {}, code {}", short_version(&one.data_version), short_version(&one.code_version));
        lines.push(format!(
            "  {}{}  {versions}  {DIM}run {}{DIM:#}",
            ago(made.at),
            printable(&partition),
            made.run
        ));
        lines.extend(one.metadata.iter().map(|entry| format!("    {}", fact(entry))));
    }
    if !told.checks.is_empty() {
        lines.push("\nchecks".to_owned());
    }
    for check in &told.checks {
        let one = &check.evaluation;
        let (style, word) = match (one.passed, one.severity) {
            (true, _) => (GREEN, "passed"),
            (false, CheckSeverity::Warn) => (YELLOW, "warned"),
            (false, CheckSeverity::Error) => (RED, "failed"),
        };
        let partition = one.partition.as_ref().map(|key| format!("  {key}")).unwrap_or_default();
        lines.push(format!(
            "  {style}{word}{style:#}  {}{}  {}  {DIM}run {}{DIM:#}",
            one.check,
            printable(&partition),
            ago(check.at),
            check.run
        ));
        lines.extend(one.metadata.iter().map(|entry| format!("    {}", fact(entry))));
    }
    lines
}
