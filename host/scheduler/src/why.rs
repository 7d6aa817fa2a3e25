//! Why the steps of a run do not run now: asked of the engine, and of the log for a run that has ended.

use cofferdam_engine::{Engine, Run};
use cofferdam_model::{Reasons, RunId, StepKey, Timestamp, Why, nearest};

use crate::again::load;
use crate::driver::Message;
use crate::{Error, Scheduler};

/// None if the run is not driven.
pub(crate) fn of_driven(
    engine: &Engine,
    run: RunId,
    step: Option<&StepKey>,
    now: Timestamp,
) -> Option<Result<Reasons, Error>> {
    let driven = engine.run(run)?;
    let Some(step) = step else { return engine.why_run(run, now).map(Ok) };
    let why = engine.why(run, step, now);
    Some(why.map(|why| of_one(step, why)).ok_or_else(|| no_step(driven, step)))
}

/// Fails if a step does not wait to be approved.
pub(crate) fn waits_for_review(
    engine: &Engine,
    run: RunId,
    step: &StepKey,
    now: Timestamp,
) -> Result<(), Error> {
    if engine.waits_for_review(run, step) {
        return Ok(());
    }
    let driven = engine.run(run).ok_or(Error::NotDriven(run))?;
    let why = engine.why(run, step, now).ok_or_else(|| no_step(driven, step))?;
    Err(Error::NotInReview { run, step: step.clone(), why: Box::new(why) })
}

impl Scheduler {
    /// Why a step does not run now, or all of a run that could.
    pub async fn why(&self, run: RunId, step: Option<StepKey>) -> Result<Reasons, Error> {
        let asked = step.clone();
        if let Some(reasons) = self.ask(|answer| Message::Why { run, step: asked, answer }).await? {
            return reasons;
        }
        let ended = load(&*self.log, run).await?;
        let Some(step) = step else { return Ok(Reasons::default()) };
        let status = ended.step(&step).map(|found| found.status()).ok_or_else(|| no_step(&ended, &step))?;
        Ok(of_one(&step, Why::Ended { status }))
    }
}

fn of_one(step: &StepKey, why: Why) -> Reasons {
    Reasons { steps: vec![(step.clone(), why)], more: 0 }
}

fn no_step(run: &Run, step: &StepKey) -> Error {
    let keys: Vec<&StepKey> = run.steps().map(|found| found.key()).collect();
    let nearest = nearest(step.as_str(), keys.iter().map(|key| key.as_str())).map(str::to_owned);
    Error::NoStep { run: run.id(), step: step.clone(), nearest }
}
