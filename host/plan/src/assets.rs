//! Assets in a plan: a selection of assets becomes a job of their ops, what is not made in it is read as it was
//! made before, and outputs say which asset they are.

mod making;
mod values;

use std::collections::BTreeMap;

use cofferdam_assets::{
    AssetGraph, AssetIdx, Extents, NO_PARTITION, Scope, scope, scope_without_partitions, targets_of,
};
use cofferdam_model::{
    AssetDef, AssetJobDef, AssetKey, DataVersionRule, Definitions, Diagnostic, JobDef, Materialization, Name,
    PlanAssetInput, PlanAssetPartition, Role,
};

use crate::Libraries;
use crate::compile::{Present, Request, Stage, Target, compile_target};
use crate::files::known;
use crate::selection::problem;
use making::Making;

/// Name of the job that is made up where assets are selected by hand. Dagster's is `__ASSET_JOB`.
pub(crate) const IMPLICIT_JOB: &str = "__assets";

/// The latest materialisation of each asset and partition.
pub type Catalog = BTreeMap<(AssetKey, Option<String>), Materialization>;

/// What the steps of a job make of assets, by step key.
#[derive(Debug, Clone, Default)]
pub(crate) struct AssetPlaces {
    /// By the step that was placed and its output.
    outputs: BTreeMap<(Name, Name), AssetOutput>,
    checks: BTreeMap<String, Role>,
    /// What a check step takes through its one needed input that has no source: a placed step and its output.
    pub(crate) checked: BTreeMap<String, (Name, Name)>,
    /// What an input reads that this run does not make: partitions of an asset.
    reads: BTreeMap<(Name, Name), Vec<Option<String>>>,
}

#[derive(Debug, Clone)]
struct AssetOutput {
    key: AssetKey,
    partition: Option<String>,
    partitions: Vec<PlanAssetPartition>,
    code_version: Option<String>,
    data_version: DataVersionRule,
    inputs: Vec<PlanAssetInput>,
}

impl AssetPlaces {
    pub(crate) fn role(&self, step: &str) -> Role {
        self.checks.get(step).cloned().unwrap_or_default()
    }
}

/// A job that is made up for assets.
pub(crate) struct AssetJob {
    pub(crate) def: JobDef,
    pub(crate) places: AssetPlaces,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// The job that makes some assets: those of a definition, or those that expressions select.
pub(crate) fn asset_job(
    defs: &Definitions,
    def: Option<&AssetJobDef>,
    selection: &[String],
    partition: Option<&str>,
    stage: Stage<'_>,
) -> Result<AssetJob, Vec<Diagnostic>> {
    let (graph, mistakes) = AssetGraph::new(defs);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let texts = def.map_or_else(|| selection.to_vec(), |def| vec![def.select.value.clone()]);
    let span = def.and_then(|def| def.select.span.as_ref());
    let selected = graph.select(&texts).map_err(|found| {
        found
            .iter()
            .map(|one| if span.is_some() { one.diagnostic(span) } else { problem(one) })
            .collect::<Vec<_>>()
    })?;
    let nothing = Catalog::new();
    let catalog = match stage {
        Stage::Making(world) => &world.catalog,
        Stage::Checking(_) => &nothing,
    };
    let Present { now, dynamic } = stage.present();
    let extents = graph
        .extents(*now, dynamic)
        .map_err(|error| vec![Diagnostic::error("plan::too-many-partitions", error.to_string())])?;
    let mut made_here: Vec<AssetIdx> = selected;
    made_here.retain(|asset| !graph.maker_of(*asset).external);
    let (scope, warnings) = match (stage, partition) {
        (Stage::Checking(_), None) => any_scope(&graph, &extents, &made_here)?,
        _ => (scope(&graph, &extents, &targets_of(&graph, &extents, &made_here, partition)?)?, vec![]),
    };
    let mut making = Making {
        defs,
        graph: &graph,
        extents: &extents,
        catalog,
        partition_is_chosen: matches!(stage, Stage::Making(_)),
        makers: &scope.makers,
        places: AssetPlaces::default(),
        problems: vec![],
    };
    let steps = making.steps();
    if !making.problems.is_empty() {
        return Err(making.problems);
    }
    let places = making.places;
    let def = match def {
        Some(def) => JobDef {
            description: def.description.clone(),
            steps,
            tags: def.tags.clone(),
            retry: def.retry,
            max_concurrent: def.max_concurrent,
            tag_limits: def.tag_limits.clone(),
            labels: def.labels.clone(),
            config: def.config.clone(),
            hooks: def.hooks.clone(),
            span: def.span.clone(),
            ..JobDef::default()
        },
        None => JobDef { steps, ..JobDef::default() },
    };
    Ok(AssetJob { def, places, warnings })
}

/// What is made of assets while nobody has chosen a partition: that of the last one. Where there is none yet, all
/// but what the assets read of each other, with a warning.
fn any_scope(
    graph: &AssetGraph,
    extents: &Extents,
    assets: &[AssetIdx],
) -> Result<(Scope, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut partitioned = assets.iter().filter(|asset| graph.maker_of(**asset).partitions.is_some());
    let Some(first) = partitioned.next() else {
        return Ok((scope(graph, extents, &targets_of(graph, extents, assets, None)?)?, vec![]));
    };
    let extent = extents.of_asset(graph, *first);
    if let Some(last) = extent.last().and_then(|last| extent.key(last)) {
        return Ok((scope(graph, extents, &targets_of(graph, extents, assets, Some(&last))?)?, vec![]));
    }
    let mut mistakes = targets_of(graph, extents, assets, None).err().unwrap_or_default();
    mistakes.retain(|mistake| mistake.code != NO_PARTITION);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let message = format!("asset `{}` has no partition yet", graph.asset(*first).key);
    let warning = Diagnostic::warning("plan::no-partition-yet", message)
        .hint("what its steps read of other assets is checked when there is one");
    Ok((scope_without_partitions(graph, assets), vec![warning]))
}

/// Everything that is wrong with assets, their checks and jobs, as far as that can be told without a run.
pub(crate) fn check(defs: &Definitions, libs: &Libraries, present: &Present) -> Vec<Diagnostic> {
    if defs.assets.is_empty() && defs.asset_jobs.is_empty() && defs.asset_checks.is_empty() {
        return vec![];
    }
    let (_, mut problems) = AssetGraph::new(defs);
    if !problems.is_empty() {
        return problems;
    }
    let run_config = cofferdam_model::RunConfig::default();
    let all = ["is:materializable".to_owned()];
    let mut one_by_one: Vec<String> = vec![];
    for def in defs.assets.values().filter(|def| def.step.is_some()) {
        one_by_one.extend(def.outputs.first().map(|output| format!("key:\"{}\"", output.key.value)));
    }
    let mut targets: Vec<Target<'_>> = vec![];
    let together = Request { target: Target::Assets(&all), ..Request::job(job_name(defs), &run_config) };
    let (plan, found) = compile_target(defs, libs, together, Stage::Checking(present));
    // Assets of unlike partitions are checked one by one: no run makes them together.
    if plan.is_none() && found.iter().any(|problem| problem.code == "assets::unlike-partitions") {
        targets.extend(one_by_one.iter().map(|text| Target::Assets(std::slice::from_ref(text))));
    } else {
        problems.extend(found);
    }
    targets.extend(defs.asset_jobs.keys().map(Target::Job));
    for target in targets {
        let request = Request { target, ..Request::job(job_name(defs), &run_config) };
        for found in compile_target(defs, libs, request, Stage::Checking(present)).1 {
            if !problems.contains(&found) {
                problems.push(found);
            }
        }
    }
    for (name, check) in &defs.asset_checks {
        let makes = |def: &AssetDef| def.outputs.iter().any(|output| output.key.value == check.asset.value);
        if !defs.assets.values().any(makes) {
            let problem = Diagnostic::error(
                "plan::unknown-asset",
                format!("check `{name}` is of an asset `{}`, which there is not", check.asset.value),
            )
            .at(check.asset.span.as_ref(), "of this asset");
            let keys: Vec<String> = keys(defs);
            problems.push(known(problem, &check.asset.value.to_string(), keys.iter().map(String::as_str)));
        }
    }
    problems
}

/// Any name: what is selected by expressions has none of its own.
fn job_name(defs: &Definitions) -> &Name {
    defs.assets
        .keys()
        .chain(defs.asset_jobs.keys())
        .chain(defs.asset_checks.keys())
        .next()
        .expect("there is one")
}

fn keys(defs: &Definitions) -> Vec<String> {
    defs.assets.values().flat_map(|def| &def.outputs).map(|output| output.key.value.to_string()).collect()
}
