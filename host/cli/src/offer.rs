//! What a worker offers, and whether a plan's steps can be had for it.

use std::collections::BTreeMap;

use cofferdam_model::{LABELS_MAX, Plan, PlanStep, Wait, check_label};
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
    Ok(WorkerOffer {
        slots,
        queue: slots * QUEUE_PER_SLOT,
        resources: resources(&local.resources)?,
        labels: labels(&local.labels)?,
        lifetime: None,
    })
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

/// `zone=eu`, over what every machine says of itself.
fn labels(given: &[String]) -> Result<BTreeMap<String, String>> {
    let own = [("os", std::env::consts::OS), ("arch", std::env::consts::ARCH)];
    let mut labels: BTreeMap<String, String> =
        own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    for text in given {
        let usage = |why: &str| {
            Failed::usage(format!("`{text}` is not a label{why}")).hint("write `--labels zone=eu,disk=fast`")
        };
        let (name, value) = text.split_once('=').ok_or_else(|| usage(""))?;
        let (name, value) = (name.trim(), value.trim());
        for part in [name, value] {
            check_label(part).map_err(|why| usage(&format!(": `{part}` {why}")))?;
        }
        if own.iter().any(|(own, _)| *own == name) {
            return Err(usage(&format!(": every machine says its `{name}` itself")));
        }
        if labels.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(usage(&format!(": `{name}` is given twice")));
        }
    }
    if labels.len() > LABELS_MAX {
        return Err(Failed::usage(format!("{} labels are too many", labels.len()))
            .hint(format!("give at most {}", LABELS_MAX - own.len())));
    }
    Ok(labels)
}

/// What a step asks for and this offer has not: amounts, and other values of labels.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lacks {
    pub(crate) resources: BTreeMap<String, f64>,
    pub(crate) labels: BTreeMap<String, String>,
}

impl Lacks {
    pub(crate) fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.labels.is_empty()
    }

    /// `GPU=2,zone=eu`
    pub(crate) fn words(&self) -> String {
        let resources = self.resources.iter().map(|(name, amount)| format!("{name}={amount}"));
        let labels = self.labels.iter().map(|(name, value)| format!("{name}={value}"));
        resources.chain(labels).collect::<Vec<_>>().join(",")
    }
}

pub(crate) fn lacks(step: &PlanStep, offer: &WorkerOffer) -> Lacks {
    let offered = |name: &String| offer.resources.get(name).copied().unwrap_or(0.0);
    let few = step.resources.iter().filter(|(name, amount)| offered(name) < **amount);
    let other = step.labels.iter().filter(|(name, value)| offer.labels.get(*name) != Some(value));
    Lacks {
        resources: few.map(|(name, amount)| (name.clone(), *amount)).collect(),
        labels: other.map(|(name, value)| (name.clone(), value.clone())).collect(),
    }
}

/// Refuses a plan that a process of its own could never end: what the worker in it does not offer, and steps that wait
/// to be approved by somebody who cannot reach it.
pub(crate) fn refuse_alone(plan: &Plan, offer: &WorkerOffer) -> Result<()> {
    refuse(plan, offer)?;
    let Some(step) = plan.steps.iter().find(|step| step.wait.is_some_and(Wait::is_approval)) else {
        return Ok(());
    };
    Err(Failed::invalid(format!("`{}` waits to be approved, and nobody can reach a run in this process", step.key))
        .hint("hand the run to `cofferdam dev` or another cluster with `--cluster ADDR`; `cofferdam approve` reaches it there"))
}

/// Refuses a plan with steps that the only worker there is could never run: they would wait for ever.
pub(crate) fn refuse(plan: &Plan, offer: &WorkerOffer) -> Result<()> {
    let mut needed = Lacks::default();
    let mut steps = vec![];
    for step in &plan.steps {
        let lacks = lacks(step, offer);
        if !lacks.is_empty() {
            steps.push(format!("`{}`", step.key));
        }
        for (name, amount) in lacks.resources {
            let most = needed.resources.entry(name).or_default();
            *most = most.max(amount);
        }
        needed.labels.extend(lacks.labels);
    }
    if steps.is_empty() {
        return Ok(());
    }
    let all = steps.len();
    steps.truncate(STEPS_NAMED_MAX);
    let more = if all > steps.len() { format!(" and {} more", all - steps.len()) } else { String::new() };
    let message = format!(
        "{}{more} could never start: this machine does not offer {}",
        steps.join(", "),
        needed.words()
    );
    let resources = Lacks { resources: needed.resources.clone(), ..Lacks::default() }.words();
    let labels = Lacks { labels: needed.labels.clone(), ..Lacks::default() }.words();
    let options = [("--resources", resources), ("--labels", labels)];
    let options = options.iter().filter(|(_, given)| !given.is_empty());
    let options: Vec<String> = options.map(|(option, given)| format!("{option} {given}")).collect();
    Err(Failed::invalid(message).hint(format!(
        "if it has that, say so with `{}`; on a cluster a worker may offer it",
        options.join(" ")
    )))
}
