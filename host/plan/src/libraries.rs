//! Which libraries a request may use, as far as the definitions tell: it is known before any of them is built.

use std::collections::BTreeSet;

use cofferdam_model::{
    ConfigMapping, ConfigMappingDef, Definitions, HookDef, IoManagerDef, Name, NodeDef, OpPath, ResourceDef,
    Spanned, StepDef,
};

use crate::compile::{Present, Request, Stage, resolve_target};

/// The libraries whose ops the plan may name: those of the steps of what is asked for, whichever are selected, of their
/// hooks and config mappings, and of every resource and IO manager that is made of ops, because which of these a step
/// needs its library says. All libraries if what is asked for is not right: then it is not known what is meant.
pub fn libraries_used(defs: &Definitions, request: Request<'_>, present: &Present) -> BTreeSet<Name> {
    let Ok(subject) = resolve_target(defs, request, Stage::Checking(present)) else {
        return defs.libraries.keys().cloned().collect();
    };
    let mut used = Used { defs, libraries: BTreeSet::new(), graphs: BTreeSet::new() };
    used.steps(&subject.def.steps);
    used.hooks(&subject.def.hooks);
    used.mapping(subject.def.config_mapping.as_ref());
    used.resources(defs.resources.values());
    used.io_managers(defs.io_managers.values());
    if let Some(environment) = subject.environment {
        used.resources(environment.resources.values());
        used.io_managers(environment.io_managers.values());
    }
    used.libraries
}

struct Used<'a> {
    defs: &'a Definitions,
    libraries: BTreeSet<Name>,
    /// Those that were looked into, also such as place themselves.
    graphs: BTreeSet<&'a Name>,
}

impl<'a> Used<'a> {
    fn op(&mut self, path: &OpPath) {
        self.libraries.insert(path.library.clone());
    }

    fn steps(&mut self, steps: &[StepDef]) {
        for step in steps {
            self.hooks(&step.hooks);
            match &step.node.value {
                NodeDef::Op(path) => self.op(path),
                NodeDef::Graph(name) => self.graph(name),
            }
        }
    }

    fn graph(&mut self, name: &Name) {
        let Some((name, graph)) = self.defs.graphs.get_key_value(name) else { return };
        if self.graphs.insert(name) {
            self.mapping(graph.config_mapping.as_ref());
            self.steps(&graph.steps);
        }
    }

    fn hooks(&mut self, hooks: &[HookDef]) {
        hooks.iter().for_each(|hook| self.op(&hook.op.value));
    }

    fn mapping(&mut self, mapping: Option<&ConfigMappingDef>) {
        if let Some(ConfigMapping::Op(Spanned { value: path, .. })) = mapping.map(|mapping| &mapping.mapping)
        {
            self.op(path);
        }
    }

    fn resources(&mut self, resources: impl Iterator<Item = &'a ResourceDef>) {
        for ops in resources.filter_map(|resource| resource.ops.as_ref()) {
            self.op(&ops.set_up.value);
            ops.tear_down.iter().for_each(|path| self.op(&path.value));
        }
    }

    fn io_managers(&mut self, managers: impl Iterator<Item = &'a IoManagerDef>) {
        for ops in managers.filter_map(|manager| manager.ops.as_ref()) {
            self.op(&ops.store.value);
            self.op(&ops.load.value);
        }
    }
}
