//! `cofferdam why`: what a step waits for.

use cofferdam_model::{Reasons, StepKey, Why};
use serde_json::{Value, json};

use crate::args;
use crate::cluster;
use crate::error::Result;
use crate::instance;
use crate::output::{Output, printable};
use crate::project::StateDir;
use crate::site::There;
use crate::text::count;

pub(crate) async fn run(args: &args::Why, own: Option<StateDir>, output: Output) -> Result<()> {
    let there = There::new(&cluster::address(&args.fleet, own.as_ref()), &args.fleet.token, own)?;
    let log = there.log().await?;
    let run = instance::find_run(&*log, Some(&args.run)).await?;
    let reasons = there.cluster.why(run, args.step.as_deref()).await.map_err(cluster::failed)?;
    if output.json {
        let Reasons { steps, more } = &reasons;
        let steps: Vec<Value> = steps.iter().map(document).collect();
        return output.document("cofferdam.why/v1", json!({ "run": run, "steps": steps, "more": more }));
    }
    if reasons.steps.is_empty() {
        output.say("no step of this run could run now: they have ended, or wait for others that run");
        return Ok(());
    }
    output.answer(&lines(&reasons))
}

fn document((step, why): &(StepKey, Why)) -> Value {
    json!({ "step": step, "why": why, "text": why.to_string() })
}

fn lines(Reasons { steps, more }: &Reasons) -> String {
    let lines = steps
        .iter()
        .map(|(step, why)| format!("`{}`: {}", printable(step.as_str()), printable(&why.to_string())));
    let rest = (*more > 0).then(|| format!("and {}", count(*more, "more step")));
    lines.chain(rest).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_line_and_what_is_left_out_is_counted() {
        let steps = vec![(StepKey::new("a"), Why::NoWorker), (StepKey::new("b[x]"), Why::Cancelling)];
        assert_eq!(
            lines(&Reasons { steps, more: 2 }),
            "`a`: no worker has joined\n`b[x]`: its run is being cancelled\nand 2 more steps"
        );
    }
}
