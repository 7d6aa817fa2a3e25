//! `cofferdam replay`: runs one step again as it was run, and compares what comes out. Nothing is recorded.

use clap::Args;
use cofferdam_engine::StepView;
use cofferdam_io::Stores;
use cofferdam_model::{
    Assignment, Failure, Fence, LogLine, Name, Order, Outcome, Output as Made, Report, StepKey, Usage,
    ValueDigest,
};
use cofferdam_runlog::StoredLog;
use serde_json::{Value, json};

use crate::commands::logs::{line_json, line_text};
use crate::commands::show;
use crate::commands::value::find_step;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::instance;
use crate::output::{DIM, GREEN, Output, RED, YELLOW, printable};
use crate::project::StateDir;
use crate::settings;
use crate::text::{count, duration, size};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cofferdam replay 0193 sum
  cofferdam replay 0193 'clean[m01]'")]
pub(crate) struct Replay {
    /// Run: its id or a unique start of it.
    pub(crate) run: String,
    /// The step, with its mapping keys.
    pub(crate) step: String,
    /// Lend the step its resources. It then reads and changes what is outside as any attempt does.
    #[arg(long)]
    pub(crate) with_resources: bool,
}

/// What the attempt did.
struct Replayed {
    lines: Vec<LogLine>,
    outcome: Outcome,
    usage: Usage,
}

/// An output then and now.
struct Compared {
    name: Name,
    key: Option<Name>,
    then: Option<ValueDigest>,
    now: Option<ValueDigest>,
}

pub(crate) async fn run(args: &Replay, state: &StateDir, output: Output) -> Result<Exit> {
    let log = settings::read(state).await?;
    let id = instance::find_run(&*log, Some(&args.run)).await?;
    let run = show::load(&*log, id).await?;
    let step = find_step(&run, &args.step)?;
    let assignment = assignment(&step, args.with_resources)?;
    let attempt = assignment.id.attempt;
    let stores = instance::stores(state)?;
    let replayed = attempt_once(assignment, state).await?;
    if let Outcome::Succeeded { outputs, .. } = &replayed.outcome {
        forget(outputs, &stores).await?;
    }
    let compared = compare(&step, &replayed.outcome);
    if output.json {
        let document = document(&step, attempt, &replayed, &compared);
        output.document("cofferdam.replay/v1", json!({ "run": id, "replay": document }))?;
    } else {
        output.answer(&text(&step, attempt, &replayed, &compared))?;
    }
    let same = compared.iter().all(|output| output.then.is_none() || output.then == output.now);
    let succeeded = matches!(replayed.outcome, Outcome::Succeeded { .. });
    Ok(if same && succeeded { Exit::Ok } else { Exit::RunFailed })
}

/// The order that the last attempt of the step had, with a fence of its own.
fn assignment(step: &StepView<'_>, with_resources: bool) -> Result<Assignment> {
    // Schedulers count fences up from 1, so none of them gets here; two replays at a time are two processes.
    let fence = Fence(u64::MAX - u64::from(std::process::id()));
    let Some(mut assignment) = step.assignment(fence) else {
        let message = format!("step `{}` was not run: it is {}", step.key(), step.status());
        return Err(Failed::usage(message).hint("only what has run can be run again"));
    };
    if !assignment.resources.is_empty() && !with_resources {
        let names: Vec<&str> = assignment.resources.values().map(|lent| lent.name.as_str()).collect();
        let message = format!("step `{}` uses resources: {}", step.key(), names.join(", "));
        return Err(Failed::usage(message).hint(
            "what is outside may have changed, and the step may change it; `--with-resources` runs it all the same",
        ));
    }
    // What comes out is compared and dropped: no IO manager has to know of it.
    assignment.io_managers.clear();
    assignment.outputs.iter_mut().for_each(|output| output.io_manager = None);
    Ok(assignment)
}

/// Runs one attempt on a worker of its own.
async fn attempt_once(assignment: Assignment, state: &StateDir) -> Result<Replayed> {
    let mut worker = instance::start_worker(state, state.project(), 1)?;
    let order = vec![Order::Run(Box::new(assignment))];
    let gone = || Failed::new(Exit::Internal, "the worker ended before the attempt did");
    worker.orders.send(order).await.map_err(|_| gone())?;
    let mut lines = vec![];
    loop {
        for report in worker.reports.recv().await.ok_or_else(gone)? {
            match report {
                Report::Started { .. } | Report::Progress { .. } => {}
                // It is the only one: nothing is in front of it.
                Report::Returned { .. } => return Err(gone()),
                Report::Lacks { .. } => {
                    let lacks = "what it read was kept with workers, and is gone";
                    return Err(Failed::invalid(lacks).hint(
                        "give the outputs that it reads an IO manager that keeps them, and run again",
                    ));
                }
                Report::Logs { lines: more, .. } => lines.extend(more),
                Report::Finished { outcome, usage, .. } => {
                    drop(worker.orders);
                    worker.worker.join().await;
                    return Ok(Replayed { lines, outcome, usage });
                }
            }
        }
    }
}

/// Removes what the attempt has stored.
async fn forget(outputs: &[Made], stores: &Stores) -> Result<()> {
    for made in outputs.iter().filter(|made| made.value.place.key().is_some()) {
        let store = stores.main();
        let key = store.key(&made.value.place).doing(Exit::Internal, "find a value of the replay")?;
        store.delete(&key).await.doing(Exit::Unreachable, "remove a value of the replay")?;
    }
    Ok(())
}

/// Recorded outputs in their order, then those that are new.
fn compare(step: &StepView<'_>, outcome: &Outcome) -> Vec<Compared> {
    let now: &[Made] = match outcome {
        Outcome::Succeeded { outputs, .. } => outputs,
        Outcome::Failed(_) => &[],
    };
    let digest = |of: &[Made], like: &Made| {
        let found = of.iter().find(|made| made.name == like.name && made.key == like.key);
        found.map(|made| made.value.digest)
    };
    let new = now.iter().filter(|made| digest(step.outputs(), made).is_none());
    let all = step.outputs().iter().chain(new);
    all.map(|made| Compared {
        name: made.name.clone(),
        key: made.key.clone(),
        then: digest(step.outputs(), made),
        now: digest(now, made),
    })
    .collect()
}

impl Compared {
    fn word(&self) -> &'static str {
        match (&self.then, &self.now) {
            (Some(then), Some(now)) if then == now => "same",
            (Some(_), Some(_)) => "different",
            (Some(_), None) => "missing",
            (None, _) => "new",
        }
    }
}

fn stored(key: &StepKey, attempt: u32, lines: &[LogLine]) -> Vec<StoredLog> {
    let numbered = (1..).zip(lines);
    numbered
        .map(|(number, line)| StoredLog { number, step: key.clone(), attempt, line: line.clone() })
        .collect()
}

fn document(step: &StepView<'_>, attempt: u32, replayed: &Replayed, compared: &[Compared]) -> Value {
    let failure = match &replayed.outcome {
        Outcome::Succeeded { .. } => None,
        Outcome::Failed(failure) => Some(failure),
    };
    let outputs: Vec<Value> = compared
        .iter()
        .map(|output| {
            json!({
                "output": output.name,
                "key": output.key,
                "verdict": output.word(),
                "then": output.then,
                "now": output.now,
            })
        })
        .collect();
    json!({
        "step": step.key(),
        "status": if failure.is_some() { "failed" } else { "succeeded" },
        "failure": failure,
        "outputs": outputs,
        "usage": replayed.usage,
        "lines": stored(step.key(), attempt, &replayed.lines).iter().map(line_json).collect::<Vec<_>>(),
    })
}

fn text(step: &StepView<'_>, attempt: u32, replayed: &Replayed, compared: &[Compared]) -> String {
    let mut lines: Vec<String> = stored(step.key(), attempt, &replayed.lines).iter().map(line_text).collect();
    let took = duration(std::time::Duration::from_micros(replayed.usage.wall_us));
    let used = format!("{DIM}in {took}, {}{DIM:#}", size(replayed.usage.memory_bytes_peak));
    match &replayed.outcome {
        Outcome::Failed(failure) => {
            lines.push(format!("{RED}{} failed{RED:#} again as it is now {used}", step.key()));
            lines.extend(failure_lines(failure));
            let before = match step.failure() {
                Some(before) if before.kind == failure.kind && before.message == failure.message => {
                    "the recorded attempt failed in the same way"
                }
                Some(_) => "the recorded attempt failed in another way",
                None => "the recorded attempt had succeeded",
            };
            lines.push(before.to_owned());
        }
        Outcome::Succeeded { .. } => {
            let differing = compared.iter().filter(|output| output.word() != "same").count();
            let verdict = match (step.outputs().is_empty(), differing) {
                (true, 0) => "nothing to compare".to_owned(),
                (true, _) => "nothing was recorded to compare with".to_owned(),
                (false, 0) => "the same outputs as recorded".to_owned(),
                (false, n) => format!("{} not as recorded", count(n, "output")),
            };
            let style = if differing == 0 { GREEN } else { YELLOW };
            lines.push(format!("{style}{} succeeded{style:#}: {verdict} {used}", step.key()));
        }
    }
    for output in compared {
        let key = output.key.as_ref().map(|key| format!("[{key}]")).unwrap_or_default();
        let digest = output.now.or(output.then).map(|digest| digest.to_string()).unwrap_or_default();
        lines.push(format!("  {:<9} {}{key}  {DIM}{digest}{DIM:#}", output.word(), output.name));
    }
    lines.join("\n")
}

fn failure_lines(failure: &Failure) -> Vec<String> {
    let mut lines = vec![format!("  {} [{}]", printable(&failure.message), failure.kind)];
    lines.extend(failure.causes.iter().map(|cause| format!("  because: {}", printable(cause))));
    lines.extend(failure.backtrace.iter().map(|frame| format!("  {DIM}at {}{DIM:#}", printable(frame))));
    lines
}
