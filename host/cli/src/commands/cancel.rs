//! `cofferdam cancel`: asks for the end of a run that is a cluster's.

use serde_json::json;

use crate::args;
use crate::cluster;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::instance;
use crate::output::Output;
use crate::project::StateDir;
use crate::site::There;

pub(crate) async fn run(args: &args::Cancel, own: Option<StateDir>, output: Output) -> Result<()> {
    let there = There::new(&cluster::address(&args.fleet, own.as_ref()), &args.fleet.token, own)?;
    let log = there.log().await?;
    let run = instance::find_run(&*log, Some(&args.run)).await?;
    let status = log.summary(run).await.doing(Exit::Unreachable, "read the run log")?.status;
    if status.is_terminal() {
        return Err(Failed::usage(format!("run {run} has ended: it {status}"))
            .hint(format!("`cofferdam show {run}` shows it")));
    }
    there.cluster.cancel(run).await.map_err(cluster::failed)?;
    if output.json {
        return output.document("cofferdam.cancel/v1", json!({ "run": run }));
    }
    output.answer(&format!("run {run} starts nothing more and ends when its running steps have"))
}
