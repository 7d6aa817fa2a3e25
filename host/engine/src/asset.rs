//! What the end of a step means for assets: materialisations with their data versions, evaluations of checks,
//! and what is published at readable places.

use cofferdam_model::{
    AssetKey, CHECK_PASSED, CHECK_SEVERITY, CheckEvaluation, CheckSeverity, DATA_VERSION, DataVersionRule,
    Failure, FailureKind, IoManagerKind, Materialization, MetadataEntry, MetadataValue, Name, Output,
    PlanAsset, PlanAssetInput, Publication, Role, ValueDigest,
};

use crate::run::{Run, Step, TakenOver};

/// Separates these digests from digests of values.
const PROVENANCE_DOMAIN: &[u8] = b"cofferdam asset provenance 1";

impl Run {
    /// What a step that has just committed its outputs has made of assets.
    pub(crate) fn materializations(&self, at_step: u32) -> Vec<(Name, Materialization)> {
        let mut made = vec![];
        for (asset, output) in self.assets(at_step) {
            let inputs = self.versioned(&asset.inputs);
            let version = data_version(asset, &inputs, output);
            let of = |partition: Option<String>, inputs| Materialization {
                key: asset.key.clone(),
                partition,
                code_version: asset.code_version.clone(),
                data_version: version.clone(),
                inputs,
                value: Some(output.value.clone()),
                metadata: output.metadata.clone(),
            };
            let name = || output.name.clone();
            if asset.partitions.is_empty() {
                made.push((name(), of(asset.partition.clone(), inputs)));
                continue;
            }
            for partition in &asset.partitions {
                let own = partition.inputs.iter().filter_map(|at| inputs.get(*at as usize));
                made.push((name(), of(Some(partition.key.clone()), own.cloned().collect())));
            }
        }
        made
    }

    /// Keeps the data versions of assets that a step took over from a run before, for those that read them.
    pub(crate) fn note_versions(&mut self, at_step: u32) {
        for (_, made) in self.materializations(at_step) {
            self.versions.insert((made.key, made.partition), made.data_version);
        }
    }

    /// The outputs of a step that are assets.
    fn assets(&self, at_step: u32) -> impl Iterator<Item = (&PlanAsset, &Output)> {
        let declared = &self.layout.step(self.steps[at_step as usize].template).outputs;
        let assets = declared.iter().filter_map(|output| Some((&output.name, output.asset.as_ref()?)));
        assets.filter_map(move |(name, asset)| {
            let found = self.outputs(at_step).iter().find(|output| output.name == *name)?;
            Some((asset, found))
        })
    }

    /// The inputs of an asset with the versions that are known by now.
    fn versioned(&self, inputs: &[PlanAssetInput]) -> Vec<PlanAssetInput> {
        let version = |input: &PlanAssetInput| {
            let made = self.versions.get(&(input.key.clone(), input.partition.clone()));
            PlanAssetInput {
                data_version: made.cloned().or_else(|| input.data_version.clone()),
                ..input.clone()
            }
        };
        inputs.iter().map(version).collect()
    }

    /// What a check said, from the metadata of its attempt. None if the step is no check, or did not say
    /// whether it passed.
    pub(crate) fn evaluation(&self, at_step: u32, metadata: &[MetadataEntry]) -> Option<CheckEvaluation> {
        let Role::Check { check, asset, .. } = self.role(at_step) else {
            return None;
        };
        let find = |name| metadata.iter().find(|entry| entry.name == name).map(|entry| &entry.value);
        let Some(MetadataValue::Truth(passed)) = find(CHECK_PASSED) else {
            return None;
        };
        let severity = match find(CHECK_SEVERITY) {
            Some(MetadataValue::Text(text)) if text == "warn" => CheckSeverity::Warn,
            _ => CheckSeverity::Error,
        };
        let others = metadata.iter().filter(|entry| ![CHECK_PASSED, CHECK_SEVERITY].contains(&&*entry.name));
        Some(CheckEvaluation {
            check: check.clone(),
            asset: asset.clone(),
            partition: self.layout.plan.partition.clone(),
            passed: *passed,
            severity,
            metadata: others.cloned().collect(),
        })
    }

    /// The failure of a check that keeps what follows from running.
    pub(crate) fn blocked_by(&self, at_step: u32, evaluation: &CheckEvaluation) -> Option<Box<Failure>> {
        let blocking = matches!(self.role(at_step), Role::Check { blocking: true, .. });
        if evaluation.passed || evaluation.severity == CheckSeverity::Warn || !blocking {
            return None;
        }
        let message =
            format!("the check `{}` of asset `{}` did not pass", evaluation.check, evaluation.asset);
        let mut failure = Failure::new(FailureKind::Check, message);
        failure.metadata.clone_from(&evaluation.metadata);
        Some(Box::new(failure))
    }

    /// The committed outputs of a step that people look for at readable places.
    pub(crate) fn publications(&self, step: &Step) -> Vec<Publication> {
        let plan = &self.layout.plan;
        let mut publications = vec![];
        let reused = matches!(step.taken_over(), Some(TakenOver::Reused { .. }));
        if plan.io_managers.is_empty() || reused {
            return publications;
        }
        for declared in &self.layout.step(step.template).outputs {
            let named = declared.io_manager.as_ref();
            let Some((name, manager)) = named.and_then(|name| Some((name, plan.io_managers.get(name)?)))
            else {
                continue;
            };
            if !has_readable_places(manager.kind) {
                continue;
            }
            let assets = places(declared.asset.as_ref());
            for output in step.outputs().iter().filter(|output| output.name == declared.name) {
                publications.extend(assets.iter().map(|asset| Publication {
                    run: self.id,
                    step: step.key.clone(),
                    output: output.name.clone(),
                    key: output.key.clone(),
                    asset: asset.clone(),
                    manager: manager.clone(),
                    manager_name: name.clone(),
                    value: output.value.clone(),
                }));
            }
        }
        publications
    }
}

/// The assets and partitions that an output is published as: one place each.
fn places(asset: Option<&PlanAsset>) -> Vec<Option<(AssetKey, Option<String>)>> {
    match asset {
        Some(asset) if !asset.partitions.is_empty() => {
            let keys = asset.partitions.iter().map(|partition| partition.key.clone());
            keys.map(|key| Some((asset.key.clone(), Some(key)))).collect()
        }
        other => vec![other.map(|asset| (asset.key.clone(), asset.partition.clone()))],
    }
}

fn has_readable_places(kind: IoManagerKind) -> bool {
    match kind {
        IoManagerKind::Filesystem | IoManagerKind::S3 | IoManagerKind::Gcs | IoManagerKind::Azure => true,
        IoManagerKind::Store | IoManagerKind::Memory | IoManagerKind::Transient | IoManagerKind::Op => false,
    }
}

/// The data version of a value: what its op said, else by the asset's rule.
fn data_version(asset: &PlanAsset, inputs: &[PlanAssetInput], output: &Output) -> String {
    let said = output.metadata.iter().find(|entry| entry.name == DATA_VERSION);
    if let Some(MetadataValue::Text(version)) = said.map(|entry| &entry.value) {
        return version.clone();
    }
    match asset.data_version {
        DataVersionRule::Content => output.value.digest.hex(),
        DataVersionRule::Provenance => provenance(&asset.code_version, inputs),
    }
}

/// Digest of the code version and the inputs' versions, sorted by key: each part with its length before it,
/// so that no two lists of parts give the same bytes.
fn provenance(code_version: &str, inputs: &[PlanAssetInput]) -> String {
    let mut sorted: Vec<&PlanAssetInput> = inputs.iter().collect();
    sorted.sort_by_key(|input| (&input.key, &input.partition));
    let mut bytes = PROVENANCE_DOMAIN.to_vec();
    let mut part = |text: Option<&str>| {
        bytes.push(u8::from(text.is_some()));
        let text = text.unwrap_or_default();
        bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    };
    part(Some(code_version));
    for input in sorted {
        part(Some(&input.key.to_string()));
        part(input.partition.as_deref());
        part(input.data_version.as_deref());
    }
    ValueDigest::of(&bytes).hex()
}
