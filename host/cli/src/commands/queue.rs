//! `cofferdam queue`: the runs that may not begin yet, and the pools.

use cofferdam_model::{PoolUse, Queues};
use serde_json::json;

use crate::args;
use crate::cluster;
use crate::error::Result;
use crate::output::{Output, printable};
use crate::project::StateDir;
use crate::text::count;

pub(crate) async fn run(args: &args::Queue, own: Option<StateDir>, output: Output) -> Result<()> {
    let queues = cluster::of(&args.fleet, own.as_ref())?.queues().await.map_err(cluster::failed)?;
    if output.json {
        return output.document("cofferdam.queue/v1", json!(queues));
    }
    if queues == Queues::default() {
        output.say("no run waits in the run queue, and there is no pool");
        return Ok(());
    }
    output.answer(&lines(&queues))
}

fn lines(Queues { runs, more_runs, pools }: &Queues) -> String {
    let runs = runs.iter().map(|queued| {
        let (job, why) = (printable(queued.job.as_str()), printable(&queued.why.to_string()));
        format!("run {} of {job}, priority {}: {why}", queued.run, queued.priority)
    });
    let rest = (*more_runs > 0).then(|| format!("and {}", count(*more_runs, "more run")));
    runs.chain(rest).chain(pools.iter().map(pool)).collect::<Vec<_>>().join("\n")
}

fn pool(PoolUse { name, limit, taken, waiting, holders }: &PoolUse) -> String {
    let of = limit.map_or_else(|| "no limit".to_owned(), |limit| format!("of {limit}"));
    let waiting = if *waiting > 0 { format!(", {waiting} waiting") } else { String::new() };
    let named = holders.iter().map(|(run, step)| format!("{} of {run}", printable(step.as_str())));
    let named: Vec<String> = named.collect();
    let held = if named.is_empty() { String::new() } else { format!(": {}", named.join(", ")) };
    format!("pool `{}`: {taken} taken, {of}{waiting}{held}", printable(name))
}

#[cfg(test)]
mod tests {
    use cofferdam_model::{Name, QueuedRun, RunId, StepKey, Why};

    use super::*;

    #[test]
    fn runs_come_in_their_order_and_pools_say_who_has_them() {
        let run = RunId(uuid::Uuid::nil());
        let why = Why::RunQueue { tag: None, max: 1, held_by: vec![run], before: 0 };
        let job = Name::new("etl").unwrap();
        let pool = |name: &str, limit, holders: Vec<_>| PoolUse {
            name: name.to_owned(),
            limit,
            taken: u32::try_from(holders.len()).unwrap(),
            waiting: holders.len() as u64,
            holders,
        };
        let queues = Queues {
            runs: vec![QueuedRun { run, job, priority: 2, why: why.clone() }],
            more_runs: 3,
            pools: vec![pool("api", Some(2), vec![(run, StepKey::new("a"))]), pool("free", None, vec![])],
        };
        let expected = format!(
            "run {run} of etl, priority 2: {why}\nand 3 more runs\n\
             pool `api`: 1 taken, of 2, 1 waiting: a of {run}\npool `free`: 0 taken, no limit"
        );
        assert_eq!(lines(&queues), expected);
    }
}
