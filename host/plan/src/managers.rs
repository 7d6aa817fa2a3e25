//! IO managers: which one each output has, and the steps that store and load where a manager is made of ops.

use std::collections::HashMap;

use cofferdam_model::{
    Diagnostic, IoManagerDef, IoManagerKind, IoManagerOpsDef, Name, OpSpec, OutputRef, PlanInput,
    PlanIoManager, PlanOutput, PlanStep, Source, Span, Spanned, StepIdx, StepKey,
};

use crate::draft::{Draft, for_each_output};
use crate::files::known;
use crate::job::Job;

/// Output → the step that stores it, and its manager.
type Stored = HashMap<OutputRef, (StepIdx, Name)>;

/// Input of the op that stores.
const VALUE_INPUT: &str = "value";
/// Input of the op that loads.
const STORED_INPUT: &str = "stored";

impl<'a> Job<'a> {
    pub(crate) fn io_manager_def(&self, name: &Name) -> Option<&'a IoManagerDef> {
        let over = self.environment.and_then(|environment| environment.io_managers.get(name));
        over.or_else(|| self.defs.io_managers.get(name))
    }

    fn io_manager(&mut self, name: &'a Spanned<Name>, what: &str) -> Option<&'a IoManagerDef> {
        let found = self.io_manager_def(&name.value);
        if found.is_none() {
            let over = self.environment.into_iter().flat_map(|environment| environment.io_managers.keys());
            let names: Vec<&str> = self.defs.io_managers.keys().chain(over).map(Name::as_str).collect();
            let problem = Diagnostic::error(
                "plan::missing-io-manager",
                format!("there is no IO manager `{}`", name.value),
            )
            .at(name.span.as_ref(), what);
            let problem = known(problem, name.value.as_str(), names.into_iter());
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
        found
    }

    /// The outputs of a step with their IO managers and what the step says about them.
    pub(crate) fn managed_outputs(&mut self, at: usize, op: &'a OpSpec) -> Vec<PlanOutput> {
        let def = self.flat.steps[at].def;
        for (name, output) in &def.outputs {
            if op.output(name).is_none() {
                let key = &self.flat.steps[at].key;
                let problem = Diagnostic::error(
                    "plan::unknown-output",
                    format!("op `{}` has no output `{name}`", op.name),
                )
                .at(output.span.as_ref(), format!("output of step `{key}`"));
                let names = op.outputs.iter().map(|output| output.name.as_str());
                self.problems.push(known(problem, name.as_str(), names));
            }
        }
        let mut outputs = self.plan_outputs(op);
        for output in &mut outputs {
            let given = def.outputs.get(&output.name);
            let name = given.and_then(|given| given.io_manager.as_ref()).or(self.flat.steps[at].io_manager);
            if let Some(name) = name {
                output.io_manager = self.manage(name, &output.name, at);
            }
            if let Some(given) = given {
                output.metadata.clone_from(&given.metadata);
            }
        }
        outputs
    }

    /// Notes that a manager is used. None where the value store is meant.
    fn manage(&mut self, name: &'a Spanned<Name>, output: &Name, at: usize) -> Option<Name> {
        let what = format!("IO manager of `{}.{output}`", self.flat.steps[at].key);
        let def = self.io_manager(name, &what)?;
        if def.kind.value == IoManagerKind::Store {
            return None;
        }
        if def.kind.value != IoManagerKind::Op && !self.io_managers.contains_key(&name.value) {
            let settings = def.settings.to_json();
            for problem in crate::check_io_manager(def.kind.value, &settings) {
                let span = match problem.secret {
                    true => def.span.as_ref(),
                    false => def.settings.nearest(&problem.path).span.as_ref().or(def.span.as_ref()),
                };
                let mut diagnostic = Diagnostic::error("plan::io-manager-setting", problem.message);
                diagnostic = diagnostic.at(span, format!("of IO manager `{}`", name.value));
                diagnostic.hint = problem.hint;
                self.problems.push(diagnostic);
            }
            let manager = PlanIoManager { kind: def.kind.value, settings };
            self.io_managers.insert(name.value.clone(), manager);
        }
        Some(name.value.clone())
    }

    /// Puts a storing step behind each output whose manager is made of ops, and a loading step before each input
    /// that reads it or that names such a manager itself.
    pub(crate) fn add_manager_steps(&mut self, draft: &mut Draft) {
        let n_steps = draft.steps.len();
        let mut stored = Stored::new();
        for at in 0..n_steps {
            for output in 0..draft.steps[at].outputs.len() {
                let Some(name) = draft.steps[at].outputs[output].io_manager.clone() else { continue };
                let Some(ops) = self.io_manager_def(&name).and_then(|def| def.ops.as_ref()) else { continue };
                draft.steps[at].outputs[output].io_manager = None;
                let of = OutputRef {
                    step: StepIdx(u32::try_from(at).expect("STEPS_MAX fits into 32 bits")),
                    output: draft.steps[at].outputs[output].name.clone(),
                };
                let dynamic = draft.steps[at].outputs[output].dynamic;
                if let Some(step) = self.store_step(draft, &name, ops, &of, dynamic) {
                    let near = draft.near(of.step);
                    let idx = draft.push(step, near);
                    stored.insert(of, (idx, name));
                }
            }
        }
        for at in 0..n_steps {
            for input in 0..draft.steps[at].inputs.len() {
                self.load_input(draft, at, input, &stored);
            }
        }
    }

    fn store_step(
        &mut self,
        draft: &Draft,
        name: &Name,
        ops: &'a IoManagerOpsDef,
        of: &OutputRef,
        dynamic: bool,
    ) -> Option<PlanStep> {
        let producer = &draft.steps[of.step.index()];
        let key = format!("{}.outputs.{}.store", producer.key, of.output);
        let mut scope = producer.scope.clone();
        if dynamic {
            scope.push(of.clone());
        }
        let retry = producer.retry;
        let step = self.manager_step(&key, name, ops, &ops.store, VALUE_INPUT, Source::Output(of.clone()))?;
        Some(PlanStep { scope, retry, ..step })
    }

    fn manager_step(
        &mut self,
        key: &str,
        name: &Name,
        ops: &'a IoManagerOpsDef,
        path: &'a Spanned<cofferdam_model::OpPath>,
        input: &str,
        source: Source,
    ) -> Option<PlanStep> {
        let what = format!("IO manager `{name}`");
        let op = self.op(&path.value, path.span.as_ref(), &what)?;
        if !self.fits_manager(op, input, &what, path.span.as_ref()) {
            return None;
        }
        let at = format!("io_managers.{name}");
        let config = self.fixed_config(op, ops.config.as_ref(), &at, path.span.as_ref());
        let library = self.libs.get(&path.value.library)?.0;
        let name = op.inputs.iter().find(|spec| spec.name.as_str() == input)?.name.clone();
        Some(PlanStep {
            config: config.value,
            env: config.env,
            inputs: vec![PlanInput { name, source, required: true }],
            outputs: self.plan_outputs(op),
            ..PlanStep::new(StepKey::new(key), library, op.name.clone())
        })
    }

    fn fits_manager(&mut self, op: &OpSpec, input: &str, what: &str, span: Option<&Span>) -> bool {
        let takes = op.inputs.iter().any(|spec| spec.name.as_str() == input && !spec.many);
        let only = op.inputs.iter().all(|spec| !spec.required || spec.name.as_str() == input);
        let gives = op.outputs.iter().any(|o| o.name == Name::result() && o.required && !o.dynamic);
        if takes && only && gives {
            return true;
        }
        let problem = Diagnostic::error(
            "plan::bad-io-manager-op",
            format!("{what}: op `{}` must take one input `{input}` and give one output `result`", op.name),
        )
        .at(span, "cannot be used here")
        .hint(
            "`store` takes `value` and gives what is kept; `load` takes that as `stored` and gives the value",
        );
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
        false
    }

    /// Lets an input read through the manager of each output that it names, or through its own.
    fn load_input(&mut self, draft: &mut Draft, at: usize, input: usize, stored: &Stored) {
        let name = draft.steps[at].inputs[input].name.clone();
        let here = StepIdx(u32::try_from(at).expect("STEPS_MAX fits into 32 bits"));
        let of_step = draft.steps[at].role.is_op().then(|| self.flat.steps[draft.near(here)].def);
        let own = of_step.and_then(|def| def.input_managers.get(&name));
        let mut source = draft.steps[at].inputs[input].source.clone();
        let mut outputs = vec![];
        for_each_output(&mut source, &mut |output| outputs.push(output.clone()));
        for (number, of) in outputs.iter().enumerate() {
            let found = stored.get(of);
            let manager = match (own, found) {
                (Some(own), _) => &own.value,
                (None, Some((_, manager))) => manager,
                (None, None) => continue,
            };
            let what = format!("input `{}.{name}`", draft.steps[at].key);
            let def = match own {
                Some(own) => self.io_manager(own, &what),
                None => self.io_manager_def(manager),
            };
            let Some(ops) = def.and_then(|def| def.ops.as_ref()) else {
                if let (Some(own), Some(def)) = (own, def) {
                    self.problems.push(
                        Diagnostic::error(
                            "plan::input-manager",
                            format!("{what}: IO manager `{manager}` is of kind `{}`, it loads only what it stored", def.kind.value),
                        )
                        .at(own.span.as_ref(), "expected a manager of kind `op`"),
                    );
                }
                continue;
            };
            let from = found
                .map_or_else(|| of.clone(), |(step, _)| OutputRef { step: *step, output: Name::result() });
            let suffix = if outputs.len() > 1 { format!("_{}", number + 1) } else { String::new() };
            let key = format!("{}.inputs.{name}.load{suffix}", draft.steps[at].key);
            let manager = manager.clone();
            let Some(step) =
                self.manager_step(&key, &manager, ops, &ops.load, STORED_INPUT, Source::Output(from.clone()))
            else {
                continue;
            };
            let scope = self.scope_of_value(draft, of, &from);
            let retry = draft.steps[at].retry;
            let near = draft.near(StepIdx(u32::try_from(at).expect("STEPS_MAX fits into 32 bits")));
            let idx = draft.push(PlanStep { scope, retry, ..step }, near);
            let mut seen = 0;
            for_each_output(&mut source, &mut |output| {
                if seen == number {
                    *output = OutputRef { step: idx, output: Name::result() };
                }
                seen += 1;
            });
        }
        draft.steps[at].inputs[input].source = source;
    }

    /// The scope in which one value of an output is read.
    fn scope_of_value(&self, draft: &Draft, of: &OutputRef, from: &OutputRef) -> Vec<OutputRef> {
        if of != from {
            return draft.steps[from.step.index()].scope.clone();
        }
        let producer = &draft.steps[of.step.index()];
        let mut scope = producer.scope.clone();
        if producer.outputs.iter().any(|output| output.name == of.output && output.dynamic) {
            scope.push(of.clone());
        }
        scope
    }
}
