//! `cofferdam approve` and `cofferdam reject`: a step that waits for it may run, or has failed.

use cofferdam_model::NOTE_BYTES_MAX;
use serde_json::json;

use crate::args;
use crate::cluster;
use crate::error::{Failed, Result};
use crate::instance;
use crate::output::{Output, printable};
use crate::project::StateDir;
use crate::site::There;

pub(crate) async fn run(
    args: &args::Review,
    approved: bool,
    own: Option<StateDir>,
    output: Output,
) -> Result<()> {
    if args.note.as_ref().is_some_and(|note| note.len() > NOTE_BYTES_MAX) {
        return Err(Failed::usage(format!("a note has at most {NOTE_BYTES_MAX} bytes")));
    }
    let there = There::new(&cluster::address(&args.fleet, own.as_ref()), &args.fleet.token, own)?;
    let run = instance::find_run(&*there.log().await?, Some(&args.run)).await?;
    there.cluster.review(run, &args.step, approved, args.note.clone()).await.map_err(cluster::failed)?;
    if output.json {
        let about = json!({ "run": run, "step": args.step, "approved": approved });
        return output.document("cofferdam.review/v1", about);
    }
    let what = if approved { "may run" } else { "has failed" };
    output.answer(&format!("`{}` of run {run} {what}", printable(&args.step)))
}
