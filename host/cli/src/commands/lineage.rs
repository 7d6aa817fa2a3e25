//! `cofferdam value lineage`: which run, code, config and values made a value, and which steps have read it, over runs that
//! took it over from one another.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use cofferdam_engine::{ReadView, Run, StepView, TakenOver};
use cofferdam_model::{LibraryDigest, Name, Output as Made, PlanStep, RunId, Source, StepKey, ValueDigest};
use cofferdam_runlog::{Error as LogError, RunLog};
use cofferdam_scheduler::{Error as SchedulerError, again};
use serde::Serialize;
use serde_json::Value as Json;

use crate::args::Global;
use crate::commands::show;
use crate::commands::value::{Lineage, find_output, find_step, summary};
use crate::error::{Doing, Result};
use crate::exit::Exit;
use crate::instance;
use crate::output::{CYAN, DIM, Output, printable};
use crate::site::Site;
use crate::text::count;

/// Runs that are read for one question. Those behind them are named and not followed.
const RUNS_MAX: usize = 100;
/// Values of one input that a person is told of.
const SHOWN_MAX: usize = 10;

/// What is known of a value.
#[derive(Serialize)]
struct Answer {
    run: RunId,
    step: StepKey,
    output: Name,
    key: Option<Name>,
    media_type: String,
    size: u64,
    digest: ValueDigest,
    /// The step that made it first, then those whose values it read, and so on back.
    made_by: Vec<Maker>,
    /// Steps that have read it, then those that have read what these made, and so on.
    read_by: Vec<Reader>,
}

/// A step on the way to the value.
#[derive(Serialize)]
struct Maker {
    run: RunId,
    step: StepKey,
    op: Name,
    /// As the definitions call it.
    library: Option<Name>,
    digest: LibraryDigest,
    /// As it was given, with nothing filled in.
    config: Json,
    /// It did not run: its outputs were taken over.
    taken_over_from: Option<From>,
    inputs: Vec<Input>,
}

#[derive(Serialize)]
struct From {
    run: RunId,
    step: StepKey,
    /// What is known of it was dropped.
    is_gone: bool,
}

#[derive(Serialize)]
struct Input {
    input: Name,
    /// None if the run was given it.
    from: Option<Of>,
    digest: ValueDigest,
}

/// An output of a step of the same run.
#[derive(Serialize)]
struct Of {
    step: StepKey,
    output: Name,
    key: Option<Name>,
}

/// A step that has read the value or what was made of it.
#[derive(Serialize)]
struct Reader {
    run: RunId,
    step: StepKey,
    /// By which it came.
    inputs: BTreeSet<Name>,
    outputs: Vec<Name>,
}

pub(crate) async fn run(args: &Lineage, global: &Global, output: Output) -> Result<()> {
    let log = Site::find(&args.at, global)?.log().await?;
    let id = instance::find_run(&*log, Some(&args.which.run)).await?;
    let mut runs = Runs { log, known: BTreeMap::new() };
    runs.known.insert(id, Some(Arc::new(show::load(&*runs.log, id).await?)));
    let of = runs.get(id).await?.expect("it was just read");
    let step = find_step(&of, &args.which.step)?;
    let made = find_output(&step, &args.which)?;
    let answer = Answer {
        run: id,
        step: step.key().clone(),
        output: made.name.clone(),
        key: made.key.clone(),
        media_type: made.value.media_type.clone(),
        size: made.value.size,
        digest: made.value.digest,
        made_by: makers(&mut runs, id, step.key()).await?,
        read_by: readers(&mut runs, id, step.key(), made).await?,
    };
    if output.json {
        let document = serde_json::to_value(&answer).expect("it is plain data");
        return output.document("cofferdam.lineage/v1", document);
    }
    output.say(&summary(&made.value));
    output.answer(&text(&answer))
}

/// Runs that were asked for; none where nothing is known of one any more.
struct Runs {
    log: Arc<dyn RunLog>,
    known: BTreeMap<RunId, Option<Arc<Run>>>,
}

impl Runs {
    async fn get(&mut self, id: RunId) -> Result<Option<Arc<Run>>> {
        if !self.known.contains_key(&id) && self.known.len() < RUNS_MAX {
            let found = match again::load(&*self.log, id).await {
                Err(SchedulerError::Log(LogError::UnknownRun(_))) => None,
                found => Some(Arc::new(found.doing(Exit::Unreachable, format!("read run {id}"))?)),
            };
            self.known.insert(id, found);
        }
        Ok(self.known.get(&id).cloned().flatten())
    }
}

async fn makers(runs: &mut Runs, id: RunId, step: &StepKey) -> Result<Vec<Maker>> {
    let mut makers = vec![];
    let mut seen = BTreeSet::from([(id, step.clone())]);
    let mut open = VecDeque::from([(id, step.clone())]);
    while let Some((id, key)) = open.pop_front() {
        let Some(run) = runs.get(id).await? else { continue };
        let Some(step) = run.step(&key) else { continue };
        let from = match step.taken_over() {
            None => None,
            Some(taken) => {
                let (of, source) = source(taken, &key);
                Some(From { run: of, is_gone: runs.get(of).await?.is_none(), step: source })
            }
        };
        let maker = maker(&run, &step, from);
        let before = match &maker.taken_over_from {
            Some(from) if !from.is_gone => vec![(from.run, from.step.clone())],
            _ => maker
                .inputs
                .iter()
                .filter_map(|input| Some((id, input.from.as_ref()?.step.clone())))
                .collect(),
        };
        open.extend(before.into_iter().filter(|one| seen.insert(one.clone())));
        makers.push(maker);
    }
    Ok(makers)
}

/// The step that made what another took over.
fn source(taken: &TakenOver, key: &StepKey) -> (RunId, StepKey) {
    match taken {
        TakenOver::Reused { run } => (*run, key.clone()),
        TakenOver::Cached { run, step, .. } => (*run, step.clone()),
    }
}

fn maker(run: &Run, step: &StepView<'_>, taken_over_from: Option<From>) -> Maker {
    let plan = run.plan();
    let plan_step = plan.step(step.template());
    let library = plan.libraries.iter().find(|(_, digest)| **digest == plan_step.library);
    let read = step.reads().into_iter().map(|read| Input {
        input: read.input.clone(),
        from: Some(Of {
            step: read.from.key().clone(),
            output: read.output.name.clone(),
            key: read.output.key.clone(),
        }),
        digest: read.output.value.digest,
    });
    Maker {
        run: run.id(),
        step: step.key().clone(),
        op: plan_step.op.clone(),
        library: library.map(|(name, _)| name.clone()),
        digest: plan_step.library,
        config: given_config(&plan.run_config, &plan_step.key),
        taken_over_from,
        inputs: given(plan_step).chain(read).collect(),
    }
}

/// What the plan has for a step.
fn given(step: &PlanStep) -> impl Iterator<Item = Input> {
    step.inputs.iter().flat_map(|input| {
        let values = match &input.source {
            Source::Value(value) => vec![value.digest],
            Source::Values(all) => all.iter().map(|one| one.value.digest).collect(),
            Source::Output(_) | Source::FanIn(_) | Source::Collect(_) => vec![],
        };
        values.into_iter().map(|digest| Input { input: input.name.clone(), from: None, digest })
    })
}

/// The part of a run config that is for a step: `ops: {outer: {ops: {inner: {config: …}}}}`.
fn given_config(run_config: &Json, step: &StepKey) -> Json {
    let path = step.as_str().split('.').map(|name| format!("/ops/{name}")).collect::<String>();
    run_config.pointer(&format!("{path}/config")).cloned().unwrap_or_default()
}

async fn readers(runs: &mut Runs, id: RunId, step: &StepKey, made: &Made) -> Result<Vec<Reader>> {
    let mut readers = vec![];
    let (mut seen, mut open) = (BTreeSet::from([id]), VecDeque::from([id]));
    while let Some(id) = open.pop_front() {
        let Some(run) = runs.get(id).await? else { continue };
        readers.extend(readers_in(&run, step, made));
        // Runs that execute this one again, as far as they took the step over.
        let children = again::children(&*runs.log, id).await.doing(Exit::Unreachable, "read the run log")?;
        for child in children {
            let taken = runs.get(child.run).await?;
            let is_taken =
                taken.is_some_and(|run| run.step(step).is_some_and(|step| step.taken_over().is_some()));
            if is_taken && seen.insert(child.run) {
                open.push_back(child.run);
            }
        }
    }
    Ok(readers)
}

/// In the order of the plan, so that each step comes after those whose values it read.
fn readers_in(run: &Run, step: &StepKey, made: &Made) -> Vec<Reader> {
    let mut tainted: BTreeSet<&StepKey> = BTreeSet::new();
    let mut readers = vec![];
    let mut steps: Vec<StepView<'_>> = run.steps().filter(|step| step.attempts().len() > 0).collect();
    steps.sort_by_key(StepView::template);
    for reader in steps {
        let is_it = |read: &ReadView<'_>| {
            let is_made = read.output.name == made.name && read.output.key == made.key;
            (read.from.key() == step && is_made) || tainted.contains(read.from.key())
        };
        let inputs: BTreeSet<Name> =
            reader.reads().iter().filter(|read| is_it(read)).map(|read| read.input.clone()).collect();
        if !inputs.is_empty() {
            tainted.insert(reader.key());
            let mut outputs: Vec<Name> = reader.outputs().iter().map(|made| made.name.clone()).collect();
            outputs.dedup();
            readers.push(Reader { run: run.id(), step: reader.key().clone(), inputs, outputs });
        }
    }
    readers
}

fn text(answer: &Answer) -> String {
    let mut lines = vec!["made by".to_owned()];
    lines.extend(answer.made_by.iter().flat_map(|maker| maker_lines(maker, answer.run)));
    match answer.read_by.is_empty() {
        true => lines.push("read by no step".to_owned()),
        false => lines.push("read by".to_owned()),
    }
    lines.extend(answer.read_by.iter().map(|reader| {
        let names = |names: &mut dyn Iterator<Item = &Name>| {
            names.map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let (inputs, outputs) = (names(&mut reader.inputs.iter()), names(&mut reader.outputs.iter()));
        let made = if outputs.is_empty() { String::new() } else { format!(", which made {outputs}") };
        let step = format!("{CYAN}{}{CYAN:#}{}", reader.step, at(reader.run, answer.run));
        format!("  {step} as {inputs}{made}")
    }));
    lines.join("\n")
}

fn at(run: RunId, asked: RunId) -> String {
    if run == asked { String::new() } else { format!(" {DIM}of run {run}{DIM:#}") }
}

fn maker_lines(maker: &Maker, asked: RunId) -> Vec<String> {
    let library = maker.library.as_ref().map_or("a library", |name| name.as_str());
    let mut lines = vec![format!(
        "  {CYAN}{}{CYAN:#}{}  {library}.{} {DIM}{}{DIM:#}",
        maker.step,
        at(maker.run, asked),
        maker.op,
        maker.digest
    )];
    if let Some(from) = &maker.taken_over_from {
        let gone = if from.is_gone { ", of which nothing is known any more" } else { "" };
        lines.push(format!("    taken over from {} of run {}{gone}", from.step, from.run));
    }
    if !maker.config.is_null() {
        lines.push(format!("    config {}", printable(&maker.config.to_string())));
    }
    let mut shown: BTreeMap<&Name, usize> = BTreeMap::new();
    for input in &maker.inputs {
        let n = shown.entry(&input.input).or_default();
        *n += 1;
        if *n <= SHOWN_MAX {
            let from = input.from.as_ref().map_or_else(|| "what the run was given".to_owned(), of_text);
            lines.push(format!("    {} ← {from}  {DIM}{}{DIM:#}", input.input, input.digest));
        }
    }
    let more = shown.into_iter().filter(|(_, n)| *n > SHOWN_MAX);
    lines.extend(more.map(|(input, n)| {
        format!("    {DIM}{input} ← {} more; `--json` has them{DIM:#}", count(n - SHOWN_MAX, "value"))
    }));
    lines
}

fn of_text(of: &Of) -> String {
    let key = of.key.as_ref().map(|key| format!("[{key}]")).unwrap_or_default();
    format!("{}.{}{key}", of.step, of.output)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_config_of_a_step_is_where_its_graphs_say() {
        let given = json!({ "ops": { "a": { "config": 1, "ops": { "b": { "config": { "n": 2 } } } } } });
        assert_eq!(given_config(&given, &StepKey::new("a.b")), json!({ "n": 2 }));
        assert_eq!(given_config(&given, &StepKey::new("a.c")), Json::Null);
        assert_eq!(given_config(&Json::Null, &StepKey::new("a")), Json::Null);
    }
}
