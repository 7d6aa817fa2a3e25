//! The catalog in memory: lists that are searched from end to end.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use cofferdam_model::{AssetKey, Channel, Event, LibraryDigest, Memo, Recorded, RunId, StepKey, ValueDigest};

use super::Memory;
use crate::{By, Catalog, Checked, Error, Materialized, PAGE_ROWS_MAX, Promotion};

#[derive(Debug, Default)]
pub(super) struct Shared {
    memos: BTreeMap<ValueDigest, Memo>,
    materialized: Vec<Materialized>,
    checked: Vec<Checked>,
    partitions: BTreeMap<String, Vec<String>>,
    pins: BTreeSet<RunId>,
    promotions: Vec<Promotion>,
}

impl Shared {
    /// Folds one event.
    pub(super) fn apply(&mut self, run: RunId, recorded: &Recorded) {
        let (seq, at) = (recorded.seq, recorded.at);
        match &recorded.event {
            Event::StepSucceeded { step, outputs, memo: Some(memo), .. } => {
                let (step, outputs) = (step.clone(), outputs.clone());
                self.memos.entry(*memo).or_insert(Memo { run, step, outputs });
            }
            Event::AssetMaterialized { step, output, materialization } => {
                self.materialized.push(Materialized {
                    number: self.materialized.len() as u64 + 1,
                    run,
                    seq,
                    at,
                    step: step.clone(),
                    output: output.clone(),
                    materialization: (**materialization).clone(),
                });
            }
            Event::AssetChecked { step, evaluation } => self.checked.push(Checked {
                number: self.checked.len() as u64 + 1,
                run,
                seq,
                at,
                step: step.clone(),
                evaluation: (**evaluation).clone(),
            }),
            _ => {}
        }
    }

    fn promoted(&self, channel: &Channel) -> Option<&Promotion> {
        self.promotions.iter().rfind(|one| one.channel == *channel)
    }

    /// As the next one.
    fn keep(&mut self, promotion: Promotion) {
        let number = self.promotions.len() as u64 + 1;
        self.promotions.push(Promotion { number, ..promotion });
    }

    /// The newest of each partition, oldest first.
    fn latest(&self, wanted: impl Fn(&AssetKey) -> bool) -> impl Iterator<Item = &Materialized> {
        let mut newest = BTreeMap::new();
        for made in self.materialized.iter().filter(|made| wanted(&made.materialization.key)) {
            newest.insert((&made.materialization.key, &made.materialization.partition), made.number);
        }
        let numbers: BTreeSet<u64> = newest.into_values().collect();
        self.materialized.iter().filter(move |made| numbers.contains(&made.number))
    }
}

#[async_trait]
impl Catalog for Memory {
    async fn recall(&self, memos: Vec<ValueDigest>) -> Result<Vec<Option<Memo>>, Error> {
        let state = self.state();
        Ok(memos.into_iter().map(|memo| state.shared.memos.get(&memo).cloned()).collect())
    }

    async fn memo_of_step(&self, step: StepKey) -> Result<Option<(ValueDigest, Memo)>, Error> {
        let state = self.state();
        let found = state.shared.memos.iter().filter(|(_, memo)| memo.step == step);
        let newest = found.max_by_key(|(_, memo)| memo.run);
        Ok(newest.map(|(key, memo)| (*key, memo.clone())))
    }

    async fn forget_memos(&self, run: RunId) -> Result<u64, Error> {
        let mut state = self.state();
        let memos = &mut state.shared.memos;
        let before = memos.len();
        memos.retain(|_, memo| memo.run != run);
        Ok((before - memos.len()) as u64)
    }

    async fn latest(
        &self,
        asset: AssetKey,
        partition: Option<String>,
    ) -> Result<Option<Materialized>, Error> {
        let state = self.state();
        let mut made = state.shared.materialized.iter().rev().map(|made| (made, &made.materialization));
        let found = made.find(|(_, what)| what.key == asset && what.partition == partition);
        Ok(found.map(|(made, _)| made.clone()))
    }

    async fn latest_all(
        &self,
        assets: Vec<AssetKey>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Materialized>, Error> {
        let state = self.state();
        let latest = state.shared.latest(|key| assets.contains(key));
        let latest = latest.filter(|made| after.is_none_or(|after| made.number > after));
        Ok(latest.take(limit.min(PAGE_ROWS_MAX)).cloned().collect())
    }

    async fn materializations(
        &self,
        asset: AssetKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Materialized>, Error> {
        let state = self.state();
        let made = state.shared.materialized.iter().rev();
        let made = made.filter(|made| made.materialization.key == asset);
        let made = made.filter(|made| before.is_none_or(|before| made.number < before));
        Ok(made.take(limit.min(PAGE_ROWS_MAX)).cloned().collect())
    }

    async fn partitions_of(
        &self,
        asset: AssetKey,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<String>, Error> {
        let state = self.state();
        let made = state.shared.materialized.iter().map(|made| &made.materialization);
        let made = made.filter(|made| made.key == asset);
        let names: BTreeSet<&String> = made.filter_map(|made| made.partition.as_ref()).collect();
        let names = names.into_iter().filter(|name| after.as_ref().is_none_or(|after| *name > after));
        Ok(names.take(limit.min(PAGE_ROWS_MAX)).cloned().collect())
    }

    async fn checks(
        &self,
        asset: AssetKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Checked>, Error> {
        let state = self.state();
        let checked = state.shared.checked.iter().rev().filter(|checked| checked.evaluation.asset == asset);
        let checked = checked.filter(|checked| before.is_none_or(|before| checked.number < before));
        Ok(checked.take(limit.min(PAGE_ROWS_MAX)).cloned().collect())
    }

    async fn add_partitions(&self, set: String, partitions: Vec<String>) -> Result<u64, Error> {
        let mut state = self.state();
        let known = state.shared.partitions.entry(set).or_default();
        let before = known.len();
        for partition in partitions {
            if !known.contains(&partition) {
                known.push(partition);
            }
        }
        Ok((known.len() - before) as u64)
    }

    async fn remove_partitions(&self, set: String, partitions: Vec<String>) -> Result<u64, Error> {
        let mut state = self.state();
        let known = state.shared.partitions.entry(set).or_default();
        let before = known.len();
        known.retain(|partition| !partitions.contains(partition));
        Ok((before - known.len()) as u64)
    }

    async fn partitions(&self, set: String) -> Result<Vec<String>, Error> {
        Ok(self.state().shared.partitions.get(&set).cloned().unwrap_or_default())
    }

    async fn pin(&self, run: RunId) -> Result<bool, Error> {
        let mut state = self.state();
        state.run(run)?;
        Ok(state.shared.pins.insert(run))
    }

    async fn unpin(&self, run: RunId) -> Result<bool, Error> {
        Ok(self.state().shared.pins.remove(&run))
    }

    async fn pins(&self) -> Result<Vec<RunId>, Error> {
        Ok(self.state().shared.pins.iter().copied().collect())
    }

    async fn promote(&self, channel: Channel, library: LibraryDigest, by: By) -> Result<bool, Error> {
        let mut state = self.state();
        let last = state.shared.promoted(&channel);
        if last.is_some_and(|last| last.library == library) {
            return Ok(false);
        }
        let back = last.map(|last| last.number);
        state.shared.keep(Promotion { number: 0, channel, library, back, rolled_back: false, by });
        Ok(true)
    }

    async fn roll_back(&self, channel: Channel, by: By) -> Result<bool, Error> {
        let mut state = self.state();
        let back = state.shared.promoted(&channel).and_then(|last| last.back);
        let found = state.shared.promotions.iter().find(|one| Some(one.number) == back).cloned();
        let Some(found) = found else { return Ok(false) };
        state.shared.keep(Promotion { rolled_back: true, by, ..found });
        Ok(true)
    }

    async fn channels(&self) -> Result<Vec<Promotion>, Error> {
        let state = self.state();
        let newest: BTreeMap<_, _> =
            state.shared.promotions.iter().map(|one| (one.channel.clone(), one.clone())).collect();
        Ok(newest.into_values().collect())
    }

    async fn promotions(
        &self,
        channel: Channel,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Promotion>, Error> {
        let state = self.state();
        let found = state.shared.promotions.iter().rev().filter(|one| one.channel == channel);
        let found = found.filter(|one| before.is_none_or(|before| one.number < before));
        Ok(found.take(limit.min(PAGE_ROWS_MAX)).cloned().collect())
    }
}
