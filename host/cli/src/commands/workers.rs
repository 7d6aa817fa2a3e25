//! `cofferdam workers`: who carries out steps for a cluster now.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;

use crate::args;
use crate::cluster;
use crate::error::Result;
use crate::output::{Output, printable, terminal_width};
use crate::project::StateDir;

pub(crate) async fn run(args: &args::Workers, own: Option<StateDir>, output: Output) -> Result<()> {
    let workers = cluster::of(&args.fleet, own.as_ref())?.workers().await.map_err(cluster::failed)?;
    if output.json {
        let workers: Vec<_> = workers
            .iter()
            .map(|worker| {
                json!({
                    "worker": worker.worker,
                    "name": worker.name,
                    "address": worker.address,
                    "version": worker.version,
                    "slots": worker.slots,
                    "resources": worker.resources,
                    "leaving": worker.leaving,
                    "labels": worker.labels,
                    "member": worker.member,
                })
            })
            .collect();
        return output.document("cofferdam.workers/v1", json!({ "workers": workers }));
    }
    if workers.is_empty() {
        output.say("no worker has joined; `cofferdam worker` joins one");
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(terminal_width()).unwrap_or(u16::MAX));
    table.set_header(["WORKER", "NAME", "FROM", "SLOTS", "RESOURCES", "LABELS", "STATE"]);
    for worker in workers {
        let mut resources: Vec<String> =
            worker.resources.iter().map(|(name, amount)| format!("{}={amount}", printable(name))).collect();
        resources.sort();
        let mut labels: Vec<String> = worker
            .labels
            .iter()
            .map(|(name, value)| format!("{}={}", printable(name), printable(value)))
            .collect();
        labels.sort();
        table.add_row([
            worker.worker.to_string(),
            printable(&worker.name),
            worker.address,
            worker.slots.to_string(),
            resources.join(", "),
            labels.join(", "),
            (if worker.leaving { "leaving" } else { "" }).to_owned(),
        ]);
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    output.answer(&lines.join("\n"))
}
