//! Resources: which one each op gets, whether it is of the right kind, and the steps that set up and tear down
//! those that are made of ops.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_model::{
    Diagnostic, InputSpec, Name, OpSpec, OutputRef, PlanInput, PlanResource, PlanStep, ResourceDef,
    ResourceKind, Role, Source, Span, StepIdx, StepKey,
};

use crate::draft::Draft;
use crate::files::known;
use crate::inputs::Feed;
use crate::job::{Checked, Job};

/// Name of the output that a set-up op gives.
const RESULT: &str = "result";
/// Name of the input of a tear-down op.
const RESOURCE_INPUT: &str = "resource";

impl<'a> Job<'a> {
    /// The resource of that name in this environment.
    pub(crate) fn resource_def(&self, name: &Name) -> Option<&'a ResourceDef> {
        let over = self.environment.and_then(|environment| environment.resources.get(name));
        over.or_else(|| self.defs.resources.get(name))
    }

    fn resource_names(&self) -> BTreeSet<&'a str> {
        let over = self.environment.into_iter().flat_map(|environment| environment.resources.keys());
        self.defs.resources.keys().chain(over).map(Name::as_str).collect()
    }

    /// The op's own name for each resource that it needs → the resource's.
    pub(crate) fn bind(&mut self, at: usize, op: &'a OpSpec) -> BTreeMap<Name, Name> {
        let step = &self.flat.steps[at];
        let (key, def) = (step.key.clone(), step.def);
        for (name, bound) in &def.bind {
            if !op.resources.iter().any(|need| need.name == *name) {
                let problem = Diagnostic::error(
                    "plan::unknown-binding",
                    format!("op `{}` needs no resource `{name}`", op.name),
                )
                .at(bound.span.as_ref(), format!("bound in step `{key}`"));
                let names = op.resources.iter().map(|need| need.name.as_str());
                self.problems.push(known(problem, name.as_str(), names));
            }
        }
        let mut bound = BTreeMap::new();
        for need in &op.resources {
            let given = self.flat.steps[at].bind.get(&need.name).copied();
            let name = given.map_or(&need.name, |given| &given.value);
            let span = given.and_then(|given| given.span.as_ref()).or(def.name.span.as_ref());
            if self.use_resource(&key, (&need.name, need.kind), name, span) {
                bound.insert(need.name.clone(), name.clone());
            }
        }
        bound
    }

    fn use_resource(
        &mut self,
        step: &str,
        (need, kind): (&Name, ResourceKind),
        name: &Name,
        span: Option<&Span>,
    ) -> bool {
        let Some(def) = self.resource_def(name) else {
            let problem = Diagnostic::error(
                "plan::missing-resource",
                format!(
                    "step `{step}` needs a resource `{need}` of kind `{kind}`, there is no resource `{name}`"
                ),
            )
            .at(span, format!("needs `{need}`"));
            let names = self.resource_names();
            let problem = known(problem, name.as_str(), names.iter().copied());
            self.problems.push(problem.hint_also(&format!(
                "define it as `[resources.{name}]` with `kind = \"{kind}\"`, or bind another one with `bind = {{ {need} = \"NAME\" }}`"
            )));
            return false;
        };
        let found = def.kind.value;
        if found != kind {
            self.problems.push(
                Diagnostic::error(
                    "plan::resource-kind",
                    format!("step `{step}` needs `{need}` to be of kind `{kind}`, resource `{name}` is of kind `{found}`"),
                )
                .at(span, format!("needs kind `{kind}`"))
                .at(def.kind.span.as_ref(), format!("is of kind `{found}`"))
                .hint("bind a resource of the right kind"),
            );
            return false;
        }
        if !self.resources.contains_key(name) {
            let given = self.given.resources.get(name);
            let settings = given.map_or_else(|| def.settings.to_json(), |given| given.value.clone());
            self.resources.insert(name.clone(), PlanResource { kind, settings });
        }
        true
    }

    /// The value of a resource made of ops, through an input.
    pub(crate) fn resource_value(
        &mut self,
        step: &str,
        spec: &InputSpec,
        name: &'a Name,
        span: Option<&Span>,
    ) -> Option<Feed<'a>> {
        let port = format!("{step}.{}", spec.name);
        let Some(def) = self.resource_def(name) else {
            let problem =
                Diagnostic::error("plan::missing-resource", format!("there is no resource `{name}`"))
                    .at(span, format!("source of `{port}`"));
            let names = self.resource_names();
            self.problems.push(known(problem, name.as_str(), names.iter().copied()));
            return None;
        };
        if def.ops.is_none() {
            let kind = def.kind.value;
            self.problems.push(
                Diagnostic::error(
                    "plan::resource-kind",
                    format!(
                        "resource `{name}` is of kind `{kind}` and has no value that `{port}` could take"
                    ),
                )
                .at(span, "expected a resource of kind `op`")
                .at(def.kind.span.as_ref(), format!("is of kind `{kind}`"))
                .hint("an op reaches it by declaring that it needs it, not through an input"),
            );
            return None;
        }
        Some(Feed::Resource(name))
    }

    /// Adds set-up and tear-down of the resources made of ops, and lets their users read them. `users` says which
    /// step reads which resource through which input.
    pub(crate) fn add_resource_steps(&mut self, draft: &mut Draft, users: &[(usize, Name, &'a Name)]) {
        let names: BTreeSet<&'a Name> = users.iter().map(|(_, _, name)| *name).collect();
        for name in names {
            let Some(def) = self.resource_def(name) else { continue };
            let Some(ops) = &def.ops else { continue };
            let users: Vec<(usize, &Name)> =
                users.iter().filter(|(_, _, of)| *of == name).map(|(at, input, _)| (*at, input)).collect();
            let near = users.iter().map(|(at, _)| *at).min().unwrap_or(0);
            let what = format!("`set_up` of resource `{name}`");
            let Some(op) = self.op(&ops.set_up.value, ops.set_up.span.as_ref(), &what) else { continue };
            if !self.check_life_op(op, None, &what, ops.set_up.span.as_ref()) {
                continue;
            }
            let path = format!("resources.{name}.set_up");
            let config = self.given.resources.get(name).cloned().map_or_else(Checked::default, Checked::from);
            let Some((library, _)) = self.libs.get(&ops.set_up.value.library) else { continue };
            let step = PlanStep {
                config: config.value,
                env: config.env,
                outputs: self.plan_outputs(op),
                role: Role::SetUp { resource: name.clone() },
                retry: self.def.retry.unwrap_or(cofferdam_model::RetryPolicy::NEVER),
                ..PlanStep::new(StepKey::new(&path), *library, op.name.clone())
            };
            let set_up = draft.push(step, near);
            let result = OutputRef { step: set_up, output: Name::result() };
            for (at, input) in &users {
                let inputs = &mut draft.steps[self.place(*at).index()].inputs;
                if let Some(found) = inputs.iter_mut().find(|found| found.name == **input) {
                    found.source = Source::Output(result.clone());
                }
            }
            self.add_tear_down(draft, name, def, &result, &users);
        }
    }

    fn add_tear_down(
        &mut self,
        draft: &mut Draft,
        name: &Name,
        def: &'a ResourceDef,
        result: &OutputRef,
        users: &[(usize, &Name)],
    ) {
        let Some(path) = def.ops.as_ref().and_then(|ops| ops.tear_down.as_ref()) else { return };
        let what = format!("`tear_down` of resource `{name}`");
        let Some(op) = self.op(&path.value, path.span.as_ref(), &what) else { return };
        if !self.check_life_op(op, Some(RESOURCE_INPUT), &what, path.span.as_ref()) {
            return;
        }
        let key = format!("resources.{name}.tear_down");
        let config = self.fixed_config(op, None, &key, path.span.as_ref());
        let Some((library, _)) = self.libs.get(&path.value.library) else { return };
        let mut of: Vec<StepIdx> = users.iter().map(|(at, _)| self.place(*at)).collect();
        of.sort();
        of.dedup();
        let near = of.last().map_or(0, |last| draft.near(*last));
        let input = op.inputs.iter().find(|input| input.name.as_str() == RESOURCE_INPUT);
        let inputs = input.map(|input| PlanInput {
            name: input.name.clone(),
            source: Source::Output(result.clone()),
            required: input.required,
        });
        let step = PlanStep {
            config: config.value,
            env: config.env,
            inputs: inputs.into_iter().collect(),
            outputs: self.plan_outputs(op),
            role: Role::TearDown { resource: name.clone(), set_up: result.step, users: of },
            ..PlanStep::new(StepKey::new(&key), *library, op.name.clone())
        };
        draft.push(step, near);
    }

    /// Whether an op can make or end a resource.
    fn check_life_op(&mut self, op: &OpSpec, input: Option<&str>, what: &str, span: Option<&Span>) -> bool {
        let other = op.inputs.iter().find(|given| given.required && Some(given.name.as_str()) != input);
        let result = op
            .outputs
            .iter()
            .any(|output| output.name.as_str() == RESULT && output.required && !output.dynamic);
        let problem = match (other, input) {
            (Some(other), None) => {
                format!("{what}: op `{}` has an input `{}`, it can have none", op.name, other.name)
            }
            (Some(other), Some(input)) => {
                format!("{what}: op `{}` has an input `{}`, it can have only `{input}`", op.name, other.name)
            }
            (None, None) if !result => format!("{what}: op `{}` has no required output `{RESULT}`", op.name),
            _ => return true,
        };
        self.problems.push(
            Diagnostic::error("plan::bad-resource-op", problem)
                .at(span, "cannot be used here")
                .hint("`set_up` takes config only and gives the output `result`; `tear_down` takes that as its input `resource`"),
        );
        false
    }
}
