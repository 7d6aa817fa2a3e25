//! What a worker offers, and whether a plan's steps can be had for it.

use std::collections::BTreeMap;

use cofferdam_model::{Plan, PlanStep};
use cofferdam_scheduler::WorkerOffer;

use crate::args::Local;
use crate::error::{Failed, Result};

/// Attempts that a worker holds beyond those that run, per slot, so that no cell waits for a round trip.
const QUEUE_PER_SLOT: u32 = 64;
/// Steps that a refusal names.
const STEPS_NAMED_MAX: usize = 5;

/// What this machine offers: as many slots as there are cores, if nobody says otherwise, and the resources that are
/// said.
pub(crate) fn offer(local: &Local) -> Result<WorkerOffer> {
    let cores = || std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
    let slots = local.slots.unwrap_or_else(cores);
    Ok(WorkerOffer { slots, queue: slots * QUEUE_PER_SLOT, resources: resources(&local.resources)? })
}

/// Slots and resources of this process mean nothing to a cluster.
pub(crate) fn refuse_with_cluster(local: &Local) -> Result<()> {
    if local.slots.is_none() && local.resources.is_empty() {
        return Ok(());
    }
    Err(Failed::usage(
        "`--slots` and `--resources` say what this process offers, and `--cluster` runs elsewhere",
    )
    .hint("give them to `cofferdam worker`, or leave `--cluster` out"))
}

/// `GPU=2`, `MEMORY=64e9`
fn resources(given: &[String]) -> Result<BTreeMap<String, f64>> {
    let mut resources = BTreeMap::new();
    for text in given {
        let amount = text.split_once('=').and_then(|(name, amount)| {
            let amount: f64 = amount.trim().parse().ok()?;
            (!name.trim().is_empty() && amount.is_finite() && amount >= 0.0).then(|| (name.trim(), amount))
        });
        let (name, amount) = amount.ok_or_else(|| {
            Failed::usage(format!("`{text}` is not a resource")).hint("write `--resources GPU=2,MEMORY=64e9`")
        })?;
        if resources.insert(name.to_owned(), amount).is_some() {
            return Err(Failed::usage(format!("the resource `{name}` is given twice"))
                .hint("give it once, with all that there is"));
        }
    }
    Ok(resources)
}

/// What a step asks for and this offer has not.
pub(crate) fn lacks(step: &PlanStep, offer: &WorkerOffer) -> BTreeMap<String, f64> {
    let offered = |name: &String| offer.resources.get(name).copied().unwrap_or(0.0);
    let lacking = step.resources.iter().filter(|(name, amount)| offered(name) < **amount);
    lacking.map(|(name, amount)| (name.clone(), *amount)).collect()
}

/// Refuses a plan with steps that the only worker there is could never run: they would wait for ever.
pub(crate) fn refuse(plan: &Plan, offer: &WorkerOffer) -> Result<()> {
    let mut needed: BTreeMap<String, f64> = BTreeMap::new();
    let mut steps = vec![];
    for step in &plan.steps {
        let lacks = lacks(step, offer);
        if !lacks.is_empty() {
            steps.push(format!("`{}`", step.key));
        }
        for (name, amount) in lacks {
            let most = needed.entry(name).or_default();
            *most = most.max(amount);
        }
    }
    if steps.is_empty() {
        return Ok(());
    }
    let all = steps.len();
    steps.truncate(STEPS_NAMED_MAX);
    let more = if all > steps.len() { format!(" and {} more", all - steps.len()) } else { String::new() };
    let needed: Vec<String> = needed.iter().map(|(name, amount)| format!("{name}={amount}")).collect();
    let needed = needed.join(",");
    let message =
        format!("{}{more} could never start: this machine does not offer {needed}", steps.join(", "));
    Err(Failed::invalid(message).hint(format!(
        "if it has that, say so with `--resources {needed}`; on a cluster a worker may offer it"
    )))
}
