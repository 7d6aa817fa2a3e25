//! What hangs on the graph: asset jobs and asset checks.

use std::collections::BTreeMap;

use cofferdam_model::{Definitions, Diagnostic, Name, Span, Spanned};
use cofferdam_select::Problem;

use super::{AssetGraph, AssetIdx};
use crate::Partitions;

/// An asset job, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct AssetJob {
    /// In the order of the graph.
    pub assets: Vec<AssetIdx>,
    /// A run is for one of them (or a range). Its assets without partitions go along.
    pub partitions: Option<Partitions>,
}

impl AssetGraph {
    /// The asset jobs by name; those with mistakes are left out.
    pub fn jobs(&self, definitions: &Definitions) -> (BTreeMap<Name, AssetJob>, Vec<Diagnostic>) {
        let mut jobs = BTreeMap::new();
        let mut mistakes = vec![];
        for (name, def) in &definitions.asset_jobs {
            match self.job(name, &def.select) {
                Ok(job) => {
                    jobs.insert(name.clone(), job);
                }
                Err(wrong) => mistakes.extend(wrong),
            }
        }
        (jobs, mistakes)
    }

    fn job(&self, name: &Name, select: &Spanned<String>) -> Result<AssetJob, Vec<Diagnostic>> {
        let selected = self.select(&[&select.value]);
        let assets = selected.map_err(|problems| {
            let diagnostic = |problem: &Problem| problem.diagnostic(place(problem, select).as_ref());
            problems.iter().map(diagnostic).collect::<Vec<Diagnostic>>()
        })?;
        let refuse = |code, message: String, hint: &str| {
            Err(vec![Diagnostic::error(code, message).at(select.span.as_ref(), "").hint(hint)])
        };
        let mut first: Option<(AssetIdx, &Partitions)> = None;
        for asset in &assets {
            let (key, maker) = (&self.asset(*asset).key, self.maker_of(*asset));
            if maker.external {
                let message = format!("the asset job `{name}` selects `{key}`, which is made elsewhere");
                return refuse("assets::external", message, "add `and is:materializable`");
            }
            match (first, &maker.partitions) {
                (None, Some(partitions)) => first = Some((*asset, partitions)),
                (Some((leader, partitions)), Some(others)) if partitions != others => {
                    let leader = &self.asset(leader).key;
                    let message = format!(
                        "the asset job `{name}` selects `{leader}` and `{key}`, which have different partitions"
                    );
                    return refuse(
                        "assets::unlike-partitions",
                        message,
                        "one run makes assets of the same partitions",
                    );
                }
                _ => {}
            }
        }
        Ok(AssetJob { assets, partitions: first.map(|(_, partitions)| partitions.clone()) })
    }

    /// The checks of each asset by name; those of unknown assets are left out.
    pub fn checks(&self, definitions: &Definitions) -> (BTreeMap<AssetIdx, Vec<Name>>, Vec<Diagnostic>) {
        let mut checks: BTreeMap<AssetIdx, Vec<Name>> = BTreeMap::new();
        let mut mistakes = vec![];
        for (name, def) in &definitions.asset_checks {
            match self.find(&def.asset.value) {
                Some(asset) => checks.entry(asset).or_default().push(name.clone()),
                None => mistakes.push(self.unknown_asset(&def.asset.value, def.asset.span.as_ref())),
            }
        }
        (checks, mistakes)
    }
}

/// Where a problem lies in the file: exactly if the text stands there as it is, quoted or not; otherwise (it
/// has escapes) the whole text.
fn place(problem: &Problem, select: &Spanned<String>) -> Option<Span> {
    let span = select.span.as_ref()?;
    let n_quotes = span.range.len().checked_sub(select.value.len())?;
    if !matches!(n_quotes, 0 | 2) {
        return Some(span.clone());
    }
    let start = span.range.start + n_quotes / 2;
    let text = Span { text: span.text, range: start..span.range.end - n_quotes / 2 };
    Some(problem.place.within(&text))
}
