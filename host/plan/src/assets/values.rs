//! Assets of a job that is being compiled: values that were made before, and what outputs and checks are.

use cofferdam_model::{
    AssetKey, Diagnostic, InputSpec, KeyedValue, Name, PartitionMappingDef, PlanAsset, PlanStep, Span,
};

use crate::inputs::Feed;
use crate::job::Job;

impl<'a> Job<'a> {
    /// The value of an asset that this run does not make.
    pub(crate) fn asset_value(
        &mut self,
        step: &str,
        spec: &InputSpec,
        key: &AssetKey,
        mapping: Option<&PartitionMappingDef>,
        span: Option<&Span>,
    ) -> Option<Feed<'a>> {
        let catalog = &self.world?.catalog;
        let partitions = self.partitions_read(step, spec, key, mapping);
        let mut values = vec![];
        for partition in partitions {
            let latest = catalog.get(&(key.clone(), partition.clone()));
            let Some(value) = latest.and_then(|found| found.value.clone()) else {
                let of = partition.as_ref().map_or_else(String::new, |key| format!(", partition `{key}`,"));
                self.problems.push(
                    Diagnostic::error(
                        "plan::asset-missing",
                        format!("asset `{key}`{of} has never been materialized"),
                    )
                    .at(span, format!("source of `{step}.{}`", spec.name))
                    .hint(format!("materialize it first: `cofferdam asset materialize 'key:\"{key}\"'`")),
                );
                return None;
            };
            values.push(KeyedValue { key: partition.as_deref().map(mapping_key), value });
        }
        if spec.many {
            return Some(Feed::Values(values));
        }
        if let [_] = values.as_slice() {
            return values.pop().map(|value| Feed::Value(value.value));
        }
        self.problems.push(
            Diagnostic::error(
                "plan::not-many",
                format!(
                    "input `{step}.{}` takes one value, {} partitions of `{key}` are read",
                    spec.name,
                    values.len()
                ),
            )
            .at(span, "many partitions")
            .hint("an op takes many by declaring its input as many (`Many<T>` in Rust)"),
        );
        None
    }

    /// Which partitions of an asset an input reads.
    fn partitions_read(
        &self,
        step: &str,
        spec: &InputSpec,
        key: &AssetKey,
        mapping: Option<&PartitionMappingDef>,
    ) -> Vec<Option<String>> {
        let placed = Name::new(step.split('.').next().unwrap_or(step)).ok();
        let noted = placed.and_then(|name| self.assets.reads.get(&(name, spec.name.clone())));
        if let Some(noted) = noted {
            return noted.clone();
        }
        // In a job that is not one of assets: what was made.
        let catalog = self.world.map(|world| &world.catalog);
        let made = catalog.into_iter().flat_map(|catalog| catalog.keys());
        let made: Vec<Option<String>> =
            made.filter(|(of, _)| of == key).map(|(_, partition)| partition.clone()).collect();
        match mapping {
            Some(PartitionMappingDef::Last) => made.last().cloned().into_iter().collect(),
            Some(PartitionMappingDef::All) => made,
            _ if made.contains(&None) || self.partition.is_none() => vec![None],
            _ => vec![self.partition.map(str::to_owned)],
        }
    }

    /// Gives each check the asset through the one input that is needed and has no source.
    pub(crate) fn feed_checks(&mut self) {
        for at in 0..self.flat.steps.len() {
            let step = &self.flat.steps[at];
            let (Some((maker, output)), Some(op)) = (self.assets.checked.get(&step.key), self.ops[at]) else {
                continue;
            };
            let open = |spec: &&InputSpec| {
                spec.required && !step.inputs.iter().any(|(name, _)| name.value == spec.name)
            };
            let Some(path) = self.flat.output_of(maker, output) else { continue };
            match op.inputs.iter().filter(open).collect::<Vec<_>>().as_slice() {
                [] => {}
                [spec] => self.checks.push((at, spec.name.clone(), path)),
                [_, second, ..] => self.problems.push(
                    Diagnostic::error(
                        "plan::missing-input",
                        format!(
                            "check `{}`: its op `{}` needs more than the asset: `{}`",
                            step.key, op.name, second.name
                        ),
                    )
                    .at(step.def.name.span.as_ref(), "this check")
                    .hint("feed its other inputs, as in `inputs.limit = { value = 3 }`"),
                ),
            }
        }
    }

    /// What an output of a step is, if it is an asset.
    pub(crate) fn asset_of(&self, at: usize, output: &Name, step: &PlanStep) -> Option<PlanAsset> {
        let (of, name) = self.asset_output(at, output)?;
        let found = self.assets.outputs.get(&(of, name))?;
        let code_version = found
            .code_version
            .clone()
            .unwrap_or_else(|| cofferdam_assets::code_version(&step.library, &step.op, &step.config));
        Some(PlanAsset {
            key: found.key.clone(),
            partition: found.partition.clone(),
            partitions: found.partitions.clone(),
            code_version,
            data_version: found.data_version,
            inputs: found.inputs.clone(),
        })
    }

    /// The placed step and the output of it that an output of an op becomes, through the graphs around it.
    fn asset_output(&self, at: usize, output: &Name) -> Option<(Name, Name)> {
        let step = &self.flat.steps[at];
        let (mut child, mut container, mut output) = (step.def, step.container, output);
        loop {
            let here = &self.flat.containers[container];
            let Some((outer, placing)) = here.placed else {
                return Some((child.name.value.clone(), output.clone()));
            };
            let (_, graph) = here.graph?;
            let (name, _) = graph
                .outputs
                .iter()
                .find(|(_, path)| path.value.step == child.name.value && path.value.output == *output)?;
            (child, container, output) = (placing, outer, &name.value);
        }
    }
}

/// A partition as a mapping key: what a name cannot hold becomes `_`.
fn mapping_key(partition: &str) -> Name {
    let legal: String = partition
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .take(cofferdam_model::NAME_BYTES_MAX)
        .collect();
    Name::key(&legal).unwrap_or_else(|_| Name::result())
}
