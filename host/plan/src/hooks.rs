//! Hooks: an op that runs when a step has ended becomes a step of its own beside it.

use cofferdam_model::{
    CBOR, Diagnostic, HOOK_EVENT_INPUT, HookDef, OpSpec, PlanInput, PlanStep, Role, Source, StepKey, ValueRef,
};

use crate::draft::Draft;
use crate::encode_cbor;
use crate::job::{Checked, Job};

impl<'a> Job<'a> {
    /// Adds the hooks of all steps.
    pub(crate) fn add_hooks(&mut self, draft: &mut Draft) {
        for at in (0..self.flat.steps.len()).filter(|at| self.places[*at].is_some()).collect::<Vec<_>>() {
            let hooks = self.flat.steps[at].hooks.clone();
            for (number, hook) in hooks.into_iter().enumerate() {
                if let Some(step) = self.hook(draft, at, number, hook) {
                    draft.push(step, at);
                }
            }
        }
    }

    fn hook(&mut self, draft: &Draft, at: usize, number: usize, hook: &'a HookDef) -> Option<PlanStep> {
        let (op, config) = self.checked_hook(hook)?;
        let of = self.place(at);
        let step = &draft.steps[of.index()];
        let library = self.libs.get(&hook.op.value.library)?.0;
        let suffix = if number == 0 { String::new() } else { format!("_{}", number + 1) };
        let event = op.inputs.iter().find(|input| input.name.as_str() == HOOK_EVENT_INPUT);
        let inputs = event.map(|event| PlanInput {
            name: event.name.clone(),
            // The engine puts what happened here.
            source: Source::Value(ValueRef::inline(CBOR, encode_cbor(&serde_json::Value::Null))),
            required: false,
        });
        Some(PlanStep {
            config: config.value,
            env: config.env,
            inputs: inputs.into_iter().collect(),
            outputs: self.plan_outputs(op),
            scope: step.scope.clone(),
            role: Role::Hook { of, on: hook.on },
            ..PlanStep::new(
                StepKey::new(&format!("{}.hooks.{}{suffix}", step.key, op.name)),
                library,
                op.name.clone(),
            )
        })
    }

    /// One hook may stand beside each step of a job: it is looked at once.
    fn checked_hook(&mut self, hook: &'a HookDef) -> Option<(&'a OpSpec, Checked)> {
        let address = std::ptr::from_ref(hook).addr();
        if let Some(known) = self.hooks.get(&address) {
            return known.clone();
        }
        let found = self.check_hook(hook);
        self.hooks.insert(address, found.clone());
        found
    }

    fn check_hook(&mut self, hook: &'a HookDef) -> Option<(&'a OpSpec, Checked)> {
        let (path, span) = (&hook.op.value, hook.op.span.as_ref());
        let op = self.op(path, span, "hook")?;
        let need = op
            .resources
            .first()
            .map(|need| (format!("it needs the resource `{}`", need.name), "hooks use no resources"));
        let other = op.inputs.iter().find(|input| input.required && input.name.as_str() != HOOK_EVENT_INPUT);
        let other = other.map(|input| {
            (
                format!("its input `{}` has no source", input.name),
                "a hook is given one input, `event`; the rest is config",
            )
        });
        if let Some((why, hint)) = other.or(need) {
            self.problems.push(
                Diagnostic::error("plan::bad-hook", format!("op `{path}` cannot be a hook: {why}"))
                    .at(span, "hook")
                    .hint(hint),
            );
            return None;
        }
        let config =
            self.fixed_config(op, hook.config.as_ref(), &format!("hooks.{}", op.name), hook.span.as_ref());
        Some((op, config))
    }
}
