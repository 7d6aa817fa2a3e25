//! `cofferdam asset list`: assets, and whether they are up to date.

use cofferdam_assets::AssetIdx;
use cofferdam_select::ASSETS;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::List;
use super::known::{Known, Summary, cause_json, short_version};
use crate::args::Global;
use crate::error::Result;
use crate::output::{DIM, GREEN, Output, YELLOW, terminal_width};
use crate::selected;
use crate::text::ago;

pub(super) async fn run(args: &List, global: &Global, output: Output) -> Result<()> {
    let mut known = Known::open(&args.at, global, output).await?;
    selected::say(&args.selection, &ASSETS, output);
    let selected = known.select(&args.selection)?;
    known.compare_code(global, output).await?;
    if output.json {
        let assets: Vec<Value> = selected.iter().map(|asset| document(&known, *asset)).collect();
        return output.document("cofferdam.assets/v1", json!({ "assets": assets }));
    }
    output.answer(&table(&known, &selected))
}

/// An asset as programs see it.
pub(super) fn document(known: &Known, idx: AssetIdx) -> Value {
    let (asset, maker) = (known.graph.asset(idx), known.graph.maker_of(idx));
    let newest = known.newest.get(&asset.key);
    let summary = known.summary(idx);
    json!({
        "asset": asset.key,
        "description": asset.description,
        "group": asset.group,
        "owners": asset.owners,
        "kinds": asset.kinds,
        "tags": asset.tags,
        "external": maker.external,
        "upstream": known.upstream(idx),
        "partitions": maker.partitions.as_ref().map(|_| known.extent(idx).len()),
        "status": status(&summary, maker.external),
        "n_fresh": summary.n_fresh,
        "n_stale": summary.n_stale,
        "n_missing": summary.n_missing,
        "causes": summary.causes.iter().map(cause_json).collect::<Vec<_>>(),
        "code_version": known.code_versions.get(&asset.key),
        "latest": newest.map(|made| json!({
            "run": made.run,
            "at": made.at.to_string(),
            "partition": made.materialization.partition,
            "code_version": made.materialization.code_version,
            "data_version": made.materialization.data_version,
        })),
    })
}

/// One word for all partitions: the worst.
pub(super) fn status(summary: &Summary, external: bool) -> &'static str {
    match summary {
        _ if external => "external",
        Summary { n_stale: 1.., .. } => "stale",
        Summary { n_missing: 1.., .. } => "missing",
        _ => "fresh",
    }
}

fn table(known: &Known, assets: &[AssetIdx]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(terminal_width()).unwrap_or(u16::MAX));
    table.set_header(["ASSET", "GROUP", "KINDS", "STATUS", "VERSION", "MADE", "WHY"]);
    for idx in assets {
        let (asset, maker) = (known.graph.asset(*idx), known.graph.maker_of(*idx));
        let newest = known.newest.get(&asset.key);
        let summary = known.summary(*idx);
        let why: Vec<String> = summary.causes.iter().map(ToString::to_string).collect();
        table.add_row([
            asset.key.to_string(),
            asset.group.to_string(),
            asset.kinds.join(" "),
            status_text(&summary, maker.external, maker.partitions.is_some()),
            newest.map(|made| short_version(&made.materialization.data_version)).unwrap_or_default(),
            newest.map(|made| ago(made.at)).unwrap_or_default(),
            why.join("; "),
        ]);
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// `fresh`, or for partitions `2 stale, 1 missing of 31`.
pub(super) fn status_text(summary: &Summary, external: bool, partitioned: bool) -> String {
    let word = status(summary, external);
    let style = match word {
        "fresh" => GREEN,
        "external" => DIM,
        _ => YELLOW,
    };
    if !partitioned || external {
        return format!("{style}{word}{style:#}");
    }
    let total = summary.n_fresh + summary.n_stale + summary.n_missing;
    let parts = [(summary.n_stale, "stale"), (summary.n_missing, "missing"), (summary.n_fresh, "fresh")];
    let parts: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    if total == 0 {
        return "no partitions".to_owned();
    }
    format!("{style}{}{style:#} of {total}", parts.join(", "))
}
