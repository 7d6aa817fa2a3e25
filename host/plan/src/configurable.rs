//! What can be configured in a job that was opened: the tree along which a run config is checked.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use cofferdam_model::{InputSpec, Name, Node, ResourceDef, ResourceKind, StepDef};

use crate::flat::{Child, Container, FlatKind};
use crate::job::Job;
use crate::resource_schemas::settings_schema;
use crate::run_config::{ConfigBody, ConfigSection, ConfigTree, InputPoint, ResourceSection};

impl<'a> Job<'a> {
    /// The job as a tree of what can be configured, with the layers of run config below that of the person.
    pub(crate) fn config_tree(&self) -> ConfigTree<'a> {
        let unfed = self.unfed();
        let root = &self.flat.containers[0];
        let children = self.sections(root, &unfed);
        let mapping = self.def.config_mapping.as_ref();
        let job = ConfigSection {
            name: self.name.clone(),
            doc: Cow::Borrowed(&self.def.description),
            span: self.def.span.clone(),
            schema: mapping.map(|mapping| Cow::Owned(mapping.schema.to_json())),
            layer: None,
            inputs: unfed_points(&unfed, 0),
            body: match mapping {
                Some(mapping) => ConfigBody::Mapped(mapping, children),
                None => ConfigBody::Graph(children),
            },
            selected: true,
        };
        let environment = self.environment.and_then(|environment| environment.config.as_ref());
        let layers: Vec<&'a Node> = self.def.config.iter().chain(environment).collect();
        ConfigTree { job, resources: self.resource_sections(), layers }
    }

    /// Inputs of graphs and of the job that nothing feeds, with what reads them.
    fn unfed(&self) -> BTreeMap<(usize, &'a Name), (&'a InputSpec, bool)> {
        let mut found: BTreeMap<(usize, &'a Name), (&'a InputSpec, bool)> = BTreeMap::new();
        for (at, step) in self.flat.steps.iter().enumerate() {
            let Some(op) = self.ops[at] else { continue };
            for (input, source) in &step.inputs {
                let FlatKind::Unfed { container, input: outer } = source.kind else { continue };
                let Some(spec) = op.input(&input.value) else { continue };
                let needed = self.is_selected(at) && spec.required;
                let entry = found.entry((container, outer)).or_insert((spec, false));
                entry.1 |= needed;
            }
        }
        found
    }

    fn sections(
        &self,
        container: &Container<'a>,
        unfed: &BTreeMap<(usize, &'a Name), (&'a InputSpec, bool)>,
    ) -> Vec<ConfigSection<'a>> {
        let children = container.children.iter();
        children.filter_map(|(step, child)| self.section(step, *child, unfed)).collect()
    }

    fn section(
        &self,
        step: &'a StepDef,
        child: Child,
        unfed: &BTreeMap<(usize, &'a Name), (&'a InputSpec, bool)>,
    ) -> Option<ConfigSection<'a>> {
        let name = step.name.value.clone();
        let span = step.name.span.clone();
        match child {
            Child::Broken => None,
            Child::Op(at) => {
                let op = self.ops[at]?;
                Some(ConfigSection {
                    name,
                    doc: Cow::Borrowed(op.doc.lines().next().unwrap_or_default()),
                    span,
                    schema: op.config_schema.as_ref().map(Cow::Borrowed),
                    layer: step.config.as_ref(),
                    inputs: self.open_inputs(at, op),
                    body: ConfigBody::Op,
                    selected: self.is_selected(at),
                })
            }
            Child::Graph(at) => {
                let inner = &self.flat.containers[at];
                let children = self.sections(inner, unfed);
                let mapping = inner.graph.and_then(|(_, graph)| graph.config_mapping.as_ref());
                let mut leaves = vec![];
                self.flat.leaves(child, &mut leaves);
                let selected = leaves.iter().any(|leaf| self.is_selected(*leaf));
                Some(ConfigSection {
                    name,
                    doc: Cow::Borrowed(inner.graph.map_or("", |(_, graph)| &graph.description)),
                    span,
                    schema: mapping.map(|mapping| Cow::Owned(mapping.schema.to_json())),
                    layer: step.config.as_ref(),
                    inputs: unfed_points(unfed, at),
                    body: match mapping {
                        Some(mapping) => ConfigBody::Mapped(mapping, children),
                        None => ConfigBody::Graph(children),
                    },
                    selected,
                })
            }
        }
    }

    /// Inputs of an op that no step feeds: without a source they are needed, a value of the definition may be
    /// replaced.
    fn open_inputs(&self, at: usize, op: &'a cofferdam_model::OpSpec) -> Vec<InputPoint<'a>> {
        let step = &self.flat.steps[at];
        let open = op.inputs.iter().filter_map(|spec| {
            let source = step.inputs.iter().find(|(name, _)| name.value == spec.name);
            match source {
                Some((_, source)) if self.is_cut(source) => Some(point(spec, &spec.name, spec.required)),
                Some((_, source))
                    if source.kind.is_fed_by_steps() || matches!(source.kind, FlatKind::Unfed { .. }) =>
                {
                    None
                }
                Some(_) => Some(point(spec, &spec.name, false)),
                None => Some(point(spec, &spec.name, spec.required)),
            }
        });
        open.collect()
    }

    /// Resources that this job's steps may use, those of selected steps marked.
    fn resource_sections(&self) -> Vec<ResourceSection<'a>> {
        let mut used: BTreeSet<&Name> = BTreeSet::new();
        for (at, step) in self.flat.steps.iter().enumerate().filter(|(at, _)| self.is_selected(*at)) {
            let needs = self.ops[at].into_iter().flat_map(|op| &op.resources);
            used.extend(needs.map(|need| step.bind.get(&need.name).map_or(&need.name, |name| &name.value)));
            used.extend(step.inputs.iter().filter_map(|(_, source)| match source.kind {
                FlatKind::Resource(name) => Some(name),
                _ => None,
            }));
        }
        let over = self.environment.into_iter().flat_map(|environment| environment.resources.keys());
        let names: BTreeSet<&'a Name> = self.defs.resources.keys().chain(over).collect();
        let sections = names.into_iter().filter_map(|name| {
            let def = self.resource_def(name)?;
            Some(self.resource_section(name, def, used.contains(name)))
        });
        sections.collect()
    }

    fn resource_section(&self, name: &Name, def: &'a ResourceDef, used: bool) -> ResourceSection<'a> {
        let kind = def.kind.value;
        let (schema, layer) = match &def.ops {
            Some(ops) => {
                let library = self.libs.get(&ops.set_up.value.library);
                let op = library.and_then(|(_, spec)| spec.op(&ops.set_up.value.op));
                (op.and_then(|op| op.config_schema.as_ref()).map(Cow::Borrowed), ops.config.as_ref())
            }
            None => (Some(Cow::Owned(settings_schema(kind))), Some(&def.settings)),
        };
        ResourceSection {
            name: name.clone(),
            doc: Cow::Owned(format!("Resource of kind `{kind}`.")),
            span: def.span.clone(),
            schema,
            layer,
            keeps_env: kind != ResourceKind::Op,
            used,
        }
    }
}

fn unfed_points<'a>(
    unfed: &BTreeMap<(usize, &'a Name), (&'a InputSpec, bool)>,
    container: usize,
) -> Vec<InputPoint<'a>> {
    let here = unfed.iter().filter(|((of, _), _)| *of == container);
    here.map(|((_, name), (spec, required))| point(spec, name, *required)).collect()
}

fn point<'a>(spec: &'a InputSpec, name: &Name, required: bool) -> InputPoint<'a> {
    InputPoint {
        name: name.clone(),
        doc: Cow::Borrowed(&spec.doc),
        media_type: Cow::Borrowed(&spec.media_type),
        schema: &spec.schema,
        many: spec.many,
        required,
    }
}
