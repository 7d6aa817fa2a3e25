//! `cofferdam revoke`: a worker is cut off, at once and for good.

use cofferdam_client::Whom;
use serde_json::json;

use crate::args;
use crate::cluster;
use crate::commands::drain::find;
use crate::error::Result;
use crate::output::{Output, printable};
use crate::project::StateDir;

/// Digits of what a certificate names.
const MEMBER_DIGITS: usize = 32;

pub(crate) async fn run(args: &args::Revoke, own: Option<StateDir>, output: Output) -> Result<()> {
    let cluster = cluster::of(&args.fleet, own.as_ref())?;
    let workers = cluster.workers().await.map_err(cluster::failed)?;
    let workers: Vec<(u64, &str)> = workers.iter().map(|worker| (worker.worker, &*worker.name)).collect();
    let asked = &args.worker;
    let (whom, name) = match find(&workers, asked) {
        Ok((worker, name)) => (Whom::Worker(worker), name),
        Err(_) if is_member(asked) => (Whom::Member(asked.clone()), &**asked),
        Err(failed) => return Err(failed),
    };
    let member = cluster.revoke(whom).await.map_err(cluster::failed)?;
    if output.json {
        return output.document("cofferdam.revoke/v1", json!({ "member": member, "name": name }));
    }
    output.say("who still has the token can join anew: `cofferdam token rotate` makes another one");
    output.answer(&format!("worker {} is cut off; what it ran runs elsewhere", printable(name)))
}

fn is_member(text: &str) -> bool {
    text.len() == MEMBER_DIGITS && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}
