//! Resources, IO managers and environments.

use serde_json::Value;

use super::check::Checks;
use crate::{
    EnvironmentDef, IoManagerDef, IoManagerKind, IoManagerOpsDef, Node, NodeKind, ResourceDef, ResourceKind,
    ResourceOpsDef, Spanned,
};

/// Says what is different in one environment.
#[derive(Debug, Default)]
#[must_use]
pub struct EnvironmentBuilder {
    environment: EnvironmentDef,
    checks: Checks,
}

impl EnvironmentBuilder {
    pub fn new() -> EnvironmentBuilder {
        EnvironmentBuilder::default()
    }

    /// `place` is the environment, if it is one.
    pub(super) fn finish(self, place: Option<&str>, outer: &mut Checks) -> EnvironmentDef {
        outer.take(place, self.checks);
        self.environment
    }

    fn define_resource(&mut self, name: &str, resource: ResourceDef) {
        self.checks.define("resource", name, resource, &mut self.environment.resources);
    }

    fn define_io_manager(&mut self, name: &str, manager: IoManagerDef) {
        self.checks.define("IO manager", name, manager, &mut self.environment.io_managers);
    }

    /// A resource whose settings are an object.
    pub fn resource(mut self, name: &str, kind: ResourceKind, settings: Value) -> Self {
        if kind == ResourceKind::Op {
            self.checks.wrong(format!("resource `{name}`"), "use `resource_of_ops`");
        }
        let settings = self.checks.table(&format!("resource `{name}`"), &settings);
        let kind = Spanned::new(kind, None);
        self.define_resource(name, ResourceDef { kind, settings, ops: None, span: None });
        self
    }

    /// A resource made of ops; `config` is that of `set_up`.
    pub fn resource_of_ops(
        mut self,
        name: &str,
        set_up: &str,
        tear_down: Option<&str>,
        config: Option<Value>,
    ) -> Self {
        let checks = &mut self.checks;
        let ops = ResourceOpsDef {
            set_up: checks.op(set_up),
            tear_down: tear_down.map(|op| checks.op(op)),
            config: config.map(|config| checks.table(&format!("resource `{name}`"), &config)),
        };
        let kind = Spanned::new(ResourceKind::Op, None);
        self.define_resource(name, ResourceDef { kind, settings: nothing(), ops: Some(ops), span: None });
        self
    }

    /// An IO manager whose settings are an object.
    pub fn io_manager(mut self, name: &str, kind: IoManagerKind, settings: Value) -> Self {
        if kind == IoManagerKind::Op {
            self.checks.wrong(format!("IO manager `{name}`"), "use `io_manager_of_ops`");
        }
        let settings = self.checks.table(&format!("IO manager `{name}`"), &settings);
        let kind = Spanned::new(kind, None);
        self.define_io_manager(name, IoManagerDef { kind, settings, ops: None, span: None });
        self
    }

    /// An IO manager made of ops; `config` is that of both.
    pub fn io_manager_of_ops(mut self, name: &str, store: &str, load: &str, config: Option<Value>) -> Self {
        let checks = &mut self.checks;
        let ops = IoManagerOpsDef {
            store: checks.op(store),
            load: checks.op(load),
            config: config.map(|config| checks.table(&format!("IO manager `{name}`"), &config)),
        };
        let kind = Spanned::new(IoManagerKind::Op, None);
        self.define_io_manager(name, IoManagerDef { kind, settings: nothing(), ops: Some(ops), span: None });
        self
    }

    /// Run config over that of each job: an object.
    pub fn config(mut self, config: Value) -> Self {
        self.environment.config = Some(self.checks.table("config", &config));
        self
    }
}

fn nothing() -> Node {
    Node::bare(NodeKind::Map(vec![]))
}
