//! Which steps of a plan would take an earlier result, and why the others would not.
//!
//! A run of the plan is played without workers: searches for earlier results are answered from the log, so
//! that a step whose inputs all come from such results has its memo as well. Nothing is recorded.

use std::sync::Arc;

use cofferdam_engine::{self as engine, Action, Engine, Input, Layout, MemoPart};
use cofferdam_model::{Known, Memo, Plan, RunId, StepKey, StepStatus, Timestamp, ValueDigest};
use cofferdam_runlog::RunLog;

use crate::Error;
use crate::again::load;

/// What would become of a step that may take an earlier result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Explanation {
    /// It takes this step's outputs.
    Hit { run: RunId, step: StepKey },
    /// It runs. Against the newest result of a step of the same key, these parts of the memo differ.
    Differs { run: RunId, parts: Vec<String> },
    /// It runs: no step of that key has left a result.
    Never,
    /// It depends on what steps before it will make.
    InputsUnknown,
}

/// Explains every step of the plan that may take an earlier result, in the order of the plan; mapped copies as
/// far as their keys are known. `run` is an id that no run has.
pub async fn explain(
    plan: Arc<Plan>,
    run: RunId,
    known: Known,
    log: &dyn RunLog,
) -> Result<Vec<(StepKey, Explanation)>, Error> {
    let mut at_once = (*plan).clone();
    // What a step would wait for changes nothing of what it takes.
    at_once.steps.iter_mut().for_each(|step| step.wait = None);
    let layout = Layout::new(Arc::new(at_once))?;
    let submission =
        engine::Submission { run, layout, plan: plan.digest(), origin: None, known: Arc::new(known) };
    let now = Timestamp::default();
    let mut engine = Engine::new(engine::Settings::default());
    let mut searches = recalls(engine.handle(Input::RunSubmitted(Box::new(submission)), now));
    while let Some((step, memo)) = searches.pop() {
        let found = log.catalog().recall(vec![memo]).await?.pop().flatten();
        searches.extend(recalls(engine.handle(Input::Recalled { run, step, found }, now)));
    }
    let mut explanations = vec![];
    let Some(played) = engine.run(run) else {
        return Ok(explanations);
    };
    for step in played.steps().filter(|step| plan.step(step.template()).memoize) {
        let explanation = match (step.taken_over(), step.status()) {
            (Some(engine::TakenOver::Cached { run, step, .. }), _) => {
                Explanation::Hit { run: *run, step: step.clone() }
            }
            (None, StepStatus::Waiting) => Explanation::InputsUnknown,
            (None, StepStatus::Ready) => match played.memo_parts(step.key()) {
                Some(parts) => miss(step.key(), &parts, log).await?,
                None => continue,
            },
            _ => continue,
        };
        explanations.push((step.key().clone(), explanation));
    }
    Ok(explanations)
}

fn recalls(actions: Vec<Action>) -> Vec<(StepKey, ValueDigest)> {
    let recalls = actions.into_iter().filter_map(|action| match action {
        Action::Recall { step, memo, .. } => Some((step, memo)),
        _ => None,
    });
    recalls.collect()
}

/// Compares a memo that was not found with that of the newest result of a step of the same key.
async fn miss(step: &StepKey, parts: &[MemoPart], log: &dyn RunLog) -> Result<Explanation, Error> {
    let Some((_, Memo { run, step, .. })) = log.catalog().memo_of_step(step.clone()).await? else {
        return Ok(Explanation::Never);
    };
    let earlier = load(log, run).await?;
    let earlier = earlier.memo_parts(&step).unwrap_or_default();
    let mut names: Vec<String> = parts
        .iter()
        .filter(|part| !earlier.contains(part))
        .chain(earlier.iter().filter(|part| !parts.contains(part)))
        .map(|part| part.name.clone())
        .collect();
    names.sort();
    names.dedup();
    Ok(Explanation::Differs { run, parts: names })
}
