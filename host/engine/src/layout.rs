//! A plan with what can be computed from it once: who waits for whom, and which steps are copied together.
//!
//! The steps of one scope (the same chain of dynamic outputs) live and are copied together, as a *group*: one
//! group per path of mapping keys, the root group being that of the steps without scope.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cofferdam_model::{IoManagerKind, Name, OutputRef, Plan, PlanStep, Role, Source, StepIdx};

use crate::demand::Demand;
use crate::lines::{Line, Lines};

/// A plan and its indices; shared by all runs of the plan.
#[derive(Debug)]
pub struct Layout {
    pub(crate) plan: Arc<Plan>,
    pub(crate) templates: Vec<Template>,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) lines: Lines,
    /// Number of different ops, for what is measured per op.
    pub(crate) n_ops: usize,
    /// Some outputs may be kept with workers, and be lost with them.
    pub(crate) keeps_with_workers: bool,
}

/// What is known of a [`PlanStep`] beyond its definition.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) scope: u32,
    /// Place among the steps of its scope.
    pub(crate) local: u32,
    /// Templates that must have ended first, each once.
    pub(crate) deps: Vec<u32>,
    /// Templates that have this one among their `deps`.
    pub(crate) dependents: Vec<u32>,
    /// Scopes that are copied over a dynamic output of this step: within its own scope, or, for a product,
    /// within scopes further in.
    pub(crate) spawns: Vec<(Name, u32)>,
    /// Where it waits for its turn.
    pub(crate) line: u32,
    pub(crate) op: u32,
    /// The first template of the outermost scope (itself, if it has no scope): mapped regions take their
    /// turn where they stand in the plan.
    pub(crate) anchor: u32,
}

#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) depth: u32,
    /// Scopes from the root (exclusive) to this one (inclusive).
    pub(crate) chain: Vec<u32>,
    /// The scope around it; the root is around itself.
    pub(crate) parent: u32,
    /// The dynamic output that is mapped; none for the root.
    pub(crate) mapped: Option<OutputRef>,
    /// Scopes directly in this one whose producer lives further out: products.
    pub(crate) products: Vec<u32>,
    pub(crate) members: Vec<u32>,
}

/// Why a plan cannot be run. The plan compiler makes no such plan; a file that was changed by hand may be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLayout {
    #[error("step `{step}` depends on step number {on}, which does not come before it")]
    Order { step: String, on: u32 },
    #[error("step `{step}` reads `{from}`, which is mapped over other keys")]
    Scope { step: String, from: String },
    #[error("step `{step}` refers to the output `{output}` of `{from}`, which has no such {kind} output")]
    Output { step: String, from: String, output: Name, kind: &'static str },
    #[error("step `{step}` asks for {amount} of `{resource}`; expected a number of 0 or more")]
    Resource { step: String, resource: String, amount: String },
    #[error("two steps have the key `{step}`")]
    Twice { step: String },
}

impl Layout {
    /// Checks the plan's inner references and computes the indices.
    pub fn new(plan: Arc<Plan>) -> Result<Arc<Layout>, InvalidLayout> {
        let mut builder = Builder { lines: Lines::new(&plan.tag_limits), ..Builder::default() };
        for (at, step) in plan.steps.iter().enumerate() {
            builder.add(&plan, at, step)?;
        }
        builder.anchor();
        Ok(Arc::new(Layout {
            templates: builder.templates,
            scopes: builder.scopes,
            lines: builder.lines,
            n_ops: builder.ops.len(),
            keeps_with_workers: plan
                .io_managers
                .values()
                .any(|manager| manager.kind == IoManagerKind::Transient),
            plan,
        }))
    }

    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    pub(crate) fn scope_of(&self, template: u32) -> &Scope {
        &self.scopes[self.templates[template as usize].scope as usize]
    }

    pub(crate) fn line_of(&self, template: u32) -> &Line {
        &self.lines.all[self.templates[template as usize].line as usize]
    }

    pub(crate) fn step(&self, template: u32) -> &PlanStep {
        &self.plan.steps[template as usize]
    }
}

struct Builder {
    templates: Vec<Template>,
    scopes: Vec<Scope>,
    by_chain: HashMap<Vec<OutputRef>, u32>,
    lines: Lines,
    ops: HashMap<(cofferdam_model::LibraryDigest, Name), u32>,
    keys: BTreeSet<String>,
}

impl Default for Builder {
    fn default() -> Builder {
        let root =
            Scope { depth: 0, chain: vec![], parent: 0, mapped: None, products: vec![], members: vec![] };
        Builder {
            templates: vec![],
            scopes: vec![root],
            by_chain: HashMap::from([(vec![], 0)]),
            lines: Lines::default(),
            ops: HashMap::new(),
            keys: BTreeSet::new(),
        }
    }
}

impl Builder {
    fn add(&mut self, plan: &Plan, at: usize, step: &PlanStep) -> Result<(), InvalidLayout> {
        if !self.keys.insert(step.key.as_str().to_owned()) {
            return Err(InvalidLayout::Twice { step: step.key.to_string() });
        }
        let template = u32::try_from(at).expect("the compiler bounds the number of steps");
        let scope = self.scope(plan, step)?;
        let deps = self.deps(plan, step, scope)?;
        for dep in &deps {
            self.templates[*dep as usize].dependents.push(template);
        }
        let next_op = u32::try_from(self.ops.len()).expect("there are no more ops than steps");
        let op = *self.ops.entry((step.library, step.op.clone())).or_insert(next_op);
        let line = self.line(plan, step)?;
        let members = &mut self.scopes[scope as usize].members;
        let local = u32::try_from(members.len()).expect("there are no more members than steps");
        members.push(template);
        self.templates.push(Template {
            scope,
            local,
            deps,
            dependents: vec![],
            spawns: vec![],
            line,
            op,
            anchor: template,
        });
        Ok(())
    }

    /// The step's scope, made together with the outer ones if it is new.
    fn scope(&mut self, plan: &Plan, step: &PlanStep) -> Result<u32, InvalidLayout> {
        let mut scope = 0;
        for depth in 1..=step.scope.len() {
            let chain = &step.scope[..depth];
            if let Some(known) = self.by_chain.get(chain) {
                scope = *known;
                continue;
            }
            let mapped = &chain[depth - 1];
            let producer = self.before(step, mapped.step)?;
            let around = self.templates[producer as usize].scope;
            if !self.contains(around, scope) {
                return Err(scope_error(plan, step, producer));
            }
            declared(plan, step, mapped, Some(true))?;
            let new = u32::try_from(self.scopes.len()).expect("there are no more scopes than outputs");
            let mut whole = self.scopes[scope as usize].chain.clone();
            whole.push(new);
            self.scopes.push(Scope {
                depth: u32::try_from(depth).expect("a scope is as deep as its chain is long"),
                chain: whole,
                parent: scope,
                mapped: Some(mapped.clone()),
                products: vec![],
                members: vec![],
            });
            if around != scope {
                self.scopes[scope as usize].products.push(new);
            }
            self.templates[producer as usize].spawns.push((mapped.output.clone(), new));
            self.by_chain.insert(chain.to_vec(), new);
            scope = new;
        }
        Ok(scope)
    }

    fn deps(&self, plan: &Plan, step: &PlanStep, scope: u32) -> Result<Vec<u32>, InvalidLayout> {
        let mut deps = BTreeSet::new();
        deps.extend(self.scopes[scope as usize].chain.iter().filter_map(|scope| self.producer(*scope)));
        let mut outer = |output: &OutputRef| -> Result<(), InvalidLayout> {
            let dep = self.before(step, output.step)?;
            declared(plan, step, output, None)?;
            if !self.contains(self.templates[dep as usize].scope, scope) {
                return Err(scope_error(plan, step, dep));
            }
            deps.insert(dep);
            Ok(())
        };
        for input in &step.inputs {
            match &input.source {
                Source::Value(_) | Source::Values(_) | Source::Collect(_) => {}
                Source::Output(output) => outer(output)?,
                Source::FanIn(outputs) => outputs.iter().try_for_each(&mut outer)?,
            }
        }
        for input in &step.inputs {
            if let Source::Collect(output) = &input.source {
                let dep = self.before(step, output.step)?;
                let from = &self.scopes[self.templates[dep as usize].scope as usize];
                let one_in = from.depth == self.scopes[scope as usize].depth + 1;
                let same = self.templates[dep as usize].scope == scope;
                declared(plan, step, output, same.then_some(true))?;
                if !same && !one_in {
                    return Err(scope_error(plan, step, dep));
                }
                self.inner(plan, step, scope, dep, &mut deps)?;
            }
        }
        for after in step.after.iter().chain(&waits_for(&step.role)) {
            let dep = self.before(step, *after)?;
            if self.contains(self.templates[dep as usize].scope, scope) {
                deps.insert(dep);
            } else {
                self.inner(plan, step, scope, dep, &mut deps)?;
            }
        }
        Ok(deps.into_iter().collect())
    }

    /// Waiting for all copies of `dep` means waiting for every producer on the way to it as well.
    fn inner(
        &self,
        plan: &Plan,
        step: &PlanStep,
        scope: u32,
        dep: u32,
        deps: &mut BTreeSet<u32>,
    ) -> Result<(), InvalidLayout> {
        let from = self.templates[dep as usize].scope;
        if !self.contains(scope, from) {
            return Err(scope_error(plan, step, dep));
        }
        let depth = self.scopes[scope as usize].depth as usize;
        let on_the_way = self.scopes[from as usize].chain[depth..].iter();
        deps.extend(on_the_way.filter_map(|scope| self.producer(*scope)));
        deps.insert(dep);
        Ok(())
    }

    /// Template of the step whose output a scope is mapped over.
    fn producer(&self, scope: u32) -> Option<u32> {
        self.scopes[scope as usize].mapped.as_ref().map(|mapped| mapped.step.0)
    }

    /// Whether every path of `inner` begins with a path of `outer`.
    fn contains(&self, outer: u32, inner: u32) -> bool {
        let outer = &self.scopes[outer as usize].chain;
        self.scopes[inner as usize].chain.starts_with(outer)
    }

    fn before(&self, step: &PlanStep, on: StepIdx) -> Result<u32, InvalidLayout> {
        if on.index() < self.templates.len() {
            return Ok(on.0);
        }
        Err(InvalidLayout::Order { step: step.key.to_string(), on: on.0 })
    }

    fn line(&mut self, plan: &Plan, step: &PlanStep) -> Result<u32, InvalidLayout> {
        let demand = Demand::of(step).map_err(|resource| InvalidLayout::Resource {
            step: step.key.to_string(),
            resource: resource.to_owned(),
            amount: step.resources[resource].to_string(),
        })?;
        Ok(self.lines.of(demand, &plan.tag_limits, &step.tags))
    }

    fn anchor(&mut self) {
        let mut first = HashMap::new();
        for (at, template) in (0_u32..).zip(&mut self.templates) {
            if let Some(outermost) = self.scopes[template.scope as usize].chain.first() {
                template.anchor = *first.entry(*outermost).or_insert(at);
            }
        }
    }
}

/// Steps that must have ended before a step of that role can be judged, however they ended.
fn waits_for(role: &Role) -> Vec<StepIdx> {
    match role {
        Role::Op | Role::SetUp { .. } | Role::Check { .. } => vec![],
        Role::Hook { of, .. } => vec![*of],
        Role::TearDown { set_up, users, .. } => std::iter::once(set_up).chain(users).copied().collect(),
    }
}

fn declared(
    plan: &Plan,
    step: &PlanStep,
    output: &OutputRef,
    dynamic: Option<bool>,
) -> Result<(), InvalidLayout> {
    let from = plan.step(output.step);
    let found = from.outputs.iter().find(|declared| declared.name == output.output);
    match found {
        Some(found) if dynamic.is_none_or(|dynamic| dynamic == found.dynamic) => Ok(()),
        _ => Err(InvalidLayout::Output {
            step: step.key.to_string(),
            from: from.key.to_string(),
            output: output.output.clone(),
            kind: if dynamic == Some(true) { "dynamic" } else { "declared" },
        }),
    }
}

fn scope_error(plan: &Plan, step: &PlanStep, from: u32) -> InvalidLayout {
    InvalidLayout::Scope { step: step.key.to_string(), from: plan.steps[from as usize].key.to_string() }
}
