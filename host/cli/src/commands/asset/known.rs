//! What is known of a project's assets at one moment: their graph, their partitions, what was made of them.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_assets::{
    AssetGraph, AssetIdx, Catalog, Extent, Extents, Judge, Partitions, StaleCause, StaleStatus, Staleness,
};
use cofferdam_config::Texts;
use cofferdam_model::{AssetKey, RunConfig, nearest};
use cofferdam_runlog::Materialized;
use cofferdam_scheduler::system_time;

use crate::args::{At, Given, Global};
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::output::Output;
use crate::prepare::{Reading, Wanted, prepare_wanted};
use crate::project::Project;
use crate::site::Site;

/// Materialisations that are read at once.
const PAGE_ROWS: usize = 1000;
/// Different causes that are told of one asset; `asset show` tells more.
const CAUSES_TOLD_MAX: usize = 3;

/// The assets of a project.
pub(crate) struct Known {
    pub(crate) project: Project,
    pub(crate) graph: AssetGraph,
    pub(crate) extents: Extents,
    pub(crate) catalog: Catalog,
    /// The newest materialisation of each asset, whatever its partition.
    pub(crate) newest: BTreeMap<AssetKey, Materialized>,
    /// Those of assets that were made at least once, as far as they are known.
    pub(crate) code_versions: BTreeMap<AssetKey, String>,
}

/// Partitions of an asset by status; one that has none counts as one.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) n_fresh: usize,
    pub(crate) n_stale: usize,
    pub(crate) n_missing: usize,
    /// The first different ones.
    pub(crate) causes: Vec<StaleCause>,
}

impl Known {
    /// Reads definitions and catalog; refuses if there is no asset. Nothing is built.
    pub(crate) async fn open(at: &At, global: &Global, output: Output) -> Result<Known> {
        let (project, graph) = graph_of(Project::open_at(at, global, output)?)?;
        if graph.assets().is_empty() {
            return Err(Failed::invalid("the project defines no asset")
                .hint("add a table [assets.NAME] with an `op` to cofferdam.toml"));
        }
        Known::read(project, graph).await
    }

    /// The same of a project that may have none.
    pub(crate) async fn of(project: Project) -> Result<Known> {
        let (project, graph) = graph_of(project)?;
        Known::read(project, graph).await
    }

    async fn read(project: Project, graph: AssetGraph) -> Result<Known> {
        let dynamic = dynamic_partitions(&project).await?;
        let extents = graph.extents(system_time(), &dynamic).doing(Exit::Invalid, "count the partitions")?;
        let made = latest_all(&project.site, &graph).await?;
        let mut known = Known {
            project,
            graph,
            extents,
            catalog: Catalog::default(),
            newest: BTreeMap::new(),
            code_versions: BTreeMap::new(),
        };
        made.into_iter().for_each(|made| known.record(made));
        Ok(known)
    }

    /// Oldest first.
    fn record(&mut self, made: Materialized) {
        self.catalog.record(made.materialization.clone());
        self.newest.insert(made.materialization.key.clone(), made);
    }

    /// Finds the versions that the code of the assets has now. Builds libraries that have changed. What cannot be
    /// planned at present (a value that it reads is missing) is left out: then its code is not compared.
    pub(crate) async fn compare_code(&mut self, global: &Global, output: Output) -> Result<()> {
        let quiet = Output { quiet: true, ..output };
        let mut classes: Vec<(Option<&Partitions>, Vec<AssetIdx>)> = vec![];
        for asset in self.graph.indices() {
            let maker = self.graph.maker_of(asset);
            if maker.external || !self.newest.contains_key(&self.graph.asset(asset).key) {
                continue;
            }
            match classes.iter_mut().find(|(partitions, _)| *partitions == maker.partitions.as_ref()) {
                Some((_, assets)) => assets.push(asset),
                None => classes.push((maker.partitions.as_ref(), vec![asset])),
            }
        }
        let mut found = BTreeMap::new();
        for (_, assets) in classes {
            // Together if that can be planned; what cannot must not hide the versions of the others.
            match self.planned_versions(&assets, global, quiet).await {
                Ok(versions) => found.extend(versions),
                Err(failed) if failed.diagnostics.is_none() => return Err(failed),
                Err(_) if assets.len() > 1 => {
                    for asset in assets {
                        if let Ok(versions) = self.planned_versions(&[asset], global, quiet).await {
                            found.extend(versions);
                        }
                    }
                }
                Err(_) => {}
            }
        }
        self.code_versions = found;
        Ok(())
    }

    async fn planned_versions(
        &self,
        assets: &[AssetIdx],
        global: &Global,
        output: Output,
    ) -> Result<BTreeMap<AssetKey, String>> {
        let project = Project { site: self.project.site.clone(), ..Project::open(global, output)? };
        let wanted = Wanted::Assets(self.expressions(assets));
        let extent = assets.first().map(|asset| self.extent(*asset));
        let last = extent.and_then(|extent| extent.key(extent.last()?));
        let given = Given { config: None, environment: None, partition: last };
        let config = RunConfig::default();
        let prepared = prepare_wanted(project, &wanted, &given, &config, Reading::Digest, output).await?;
        let outputs = prepared.plan.steps.into_iter().flat_map(|step| step.outputs);
        Ok(outputs.filter_map(|output| output.asset).map(|asset| (asset.key, asset.code_version)).collect())
    }

    /// A selection that means exactly these.
    pub(crate) fn expressions(&self, assets: &[AssetIdx]) -> Vec<String> {
        assets.iter().map(|asset| expression(&self.graph.asset(*asset).key)).collect()
    }

    /// The assets that expressions select; all if there are none.
    pub(crate) fn select(&self, texts: &[String]) -> Result<Vec<AssetIdx>> {
        if texts.is_empty() {
            return Ok(self.graph.indices().collect());
        }
        self.graph.select(texts).map_err(|problems| {
            let of = |problem: &cofferdam_select::Problem| {
                let mut found = problem.diagnostic(None);
                if let Some(text) = texts.get(problem.place.clause) {
                    found.message = format!("selection `{text}`: {}", found.message);
                }
                found
            };
            Failed::diagnosed(Texts::default(), problems.iter().map(of).collect())
        })
    }

    /// The asset of that key.
    pub(crate) fn find(&self, text: &str) -> Result<AssetIdx> {
        let key = AssetKey::parse(text)
            .map_err(|error| Failed::usage(format!("`{text}` is no asset key")).because(&error))?;
        self.graph.find(&key).ok_or_else(|| {
            let keys: Vec<String> = self.graph.assets().iter().map(|asset| asset.key.to_string()).collect();
            let failed = Failed::usage(format!("there is no asset `{key}`"));
            match nearest(text, keys.iter().map(String::as_str)) {
                Some(near) => failed.hint(format!("did you mean `{near}`?")),
                None => failed.hint("`cofferdam asset list` lists the assets"),
            }
        })
    }

    /// Keys of the assets that it is made from.
    pub(crate) fn upstream(&self, asset: AssetIdx) -> Vec<String> {
        self.graph.upstream(asset).into_iter().map(|other| self.graph.asset(other).key.to_string()).collect()
    }

    /// Keys of the assets that are made from it.
    pub(crate) fn downstream(&self, asset: AssetIdx) -> Vec<String> {
        let reads = |other: &AssetIdx| self.graph.upstream(*other).contains(&asset);
        self.graph.indices().filter(reads).map(|other| self.graph.asset(other).key.to_string()).collect()
    }

    pub(crate) fn extent(&self, asset: AssetIdx) -> &Extent {
        self.extents.of_asset(&self.graph, asset)
    }

    pub(crate) fn judge(&self) -> Judge<'_> {
        Judge {
            graph: &self.graph,
            extents: &self.extents,
            catalog: &self.catalog,
            code_versions: &self.code_versions,
        }
    }

    /// Judges all partitions of an asset.
    pub(crate) fn summary(&self, asset: AssetIdx) -> Summary {
        let mut summary = Summary::default();
        let mut causes = BTreeSet::new();
        for partition in self.extent(asset).all().iter() {
            let Staleness { status, causes: found } = self.judge().staleness(asset, partition);
            match status {
                StaleStatus::Fresh => summary.n_fresh += 1,
                StaleStatus::Stale => summary.n_stale += 1,
                StaleStatus::Missing => summary.n_missing += 1,
            }
            if causes.len() < CAUSES_TOLD_MAX {
                causes.extend(found);
            }
        }
        summary.causes = causes.into_iter().take(CAUSES_TOLD_MAX).collect();
        summary
    }
}

/// The expression that selects exactly this asset.
pub(crate) fn expression(key: &AssetKey) -> String {
    let text = key.to_string().replace('\\', "\\\\").replace('"', "\\\"");
    format!("key:\"{text}\"")
}

pub(crate) fn status_word(status: StaleStatus) -> &'static str {
    match status {
        StaleStatus::Missing => "missing",
        StaleStatus::Stale => "stale",
        StaleStatus::Fresh => "fresh",
    }
}

/// A cause as programs see it.
pub(crate) fn cause_json(cause: &StaleCause) -> serde_json::Value {
    use cofferdam_assets::StaleCategory;
    let category = match cause.category() {
        StaleCategory::Code => "code",
        StaleCategory::Data => "data",
        StaleCategory::Dependencies => "dependencies",
    };
    serde_json::json!({ "category": category, "text": cause.to_string() })
}

/// The first eight characters of a version that is a digest; another text is shown as it is.
pub(crate) fn short_version(version: &str) -> String {
    const DIGEST_DIGITS: usize = 64;
    const SHOWN_CHARS: usize = 8;
    let is_digest = version.len() == DIGEST_DIGITS && version.chars().all(|c| c.is_ascii_hexdigit());
    if is_digest { version.chars().take(SHOWN_CHARS).collect() } else { crate::output::printable(version) }
}

fn graph_of(project: Project) -> Result<(Project, AssetGraph)> {
    let (graph, mistakes) = AssetGraph::new(&project.definitions);
    if mistakes.is_empty() { Ok((project, graph)) } else { Err(Failed::diagnosed(project.texts, mistakes)) }
}

async fn dynamic_partitions(project: &Project) -> Result<BTreeMap<cofferdam_model::Name, Vec<String>>> {
    let mut dynamic = BTreeMap::new();
    let Some(log) = project.site.log_if_any().await? else { return Ok(dynamic) };
    for name in project.definitions.partitions.keys() {
        let keys = log.catalog().partitions(name.to_string()).await;
        dynamic.insert(name.clone(), keys.doing(Exit::Unreachable, "read the run log")?);
    }
    Ok(dynamic)
}

/// The newest materialisation of every partition, oldest first.
async fn latest_all(site: &Site, graph: &AssetGraph) -> Result<Vec<Materialized>> {
    let mut all: Vec<Materialized> = vec![];
    let Some(log) = site.log_if_any().await? else { return Ok(all) };
    let keys: Vec<AssetKey> = graph.assets().iter().map(|asset| asset.key.clone()).collect();
    loop {
        let after = all.last().map(|made| made.number);
        let page = log.catalog().latest_all(keys.clone(), after, PAGE_ROWS).await;
        let page = page.doing(Exit::Unreachable, "read the run log")?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}
