//! Scopes: what a step is mapped over follows from what its inputs are mapped over.

use cofferdam_model::{Diagnostic, JobDef, Name, Span, StepDef};

use crate::inputs::{Feed, Ref, Wired};

/// The dynamic outputs that a step is mapped over, outermost first; steps by place of definition.
pub(crate) type Scope = Vec<(usize, Name)>;

/// The scope of a step whose sources have theirs already: the longest that an input asks for. The others
/// must be prefixes of it; their values are then the same for several copies.
pub(crate) fn scope_of(
    def: &StepDef,
    inputs: &[Wired<'_>],
    scopes: &[Scope],
    job: &JobDef,
    problems: &mut Vec<Diagnostic>,
) -> Scope {
    let mut asked: Vec<(Scope, &Name, Option<&Span>)> = vec![];
    for input in inputs {
        let mut ask = |scope: Scope| asked.push((scope, &input.spec.name, input.span.as_ref()));
        match &input.feed {
            Feed::One(from) => ask(scopes[from.step].clone()),
            Feed::Map(from) => ask(inner(*from, scopes)),
            Feed::FanIn(from) => from.iter().for_each(|from| ask(scopes[from.step].clone())),
            Feed::Collect(from) => {
                let scope = collected(*from, scopes);
                if scope.is_none() {
                    problems.push(nothing_to_collect(input, *from, job));
                }
                ask(scope.unwrap_or_default());
            }
            Feed::Value(_) | Feed::Values(_) => {}
        }
    }
    // Reversed, because the first of equal ones is meant.
    let Some((scope, longest, _)) = asked.iter().rev().max_by_key(|(scope, _, _)| scope.len()).cloned()
    else {
        return vec![];
    };
    for (other, input, span) in &asked {
        if !scope.starts_with(other) {
            problems.push(two_scopes(def, job, (&scope, longest), (other, input), *span));
        }
    }
    for input in inputs {
        match &input.feed {
            // Read plainly it is fine only where the step is mapped over it.
            Feed::One(from) if from.output.dynamic && !scope.starts_with(&inner(*from, scopes)) => {
                problems.push(read_as_one(input, *from, job));
            }
            Feed::Collect(from)
                if collected(*from, scopes).is_some_and(|outer| scope.len() > outer.len()) =>
            {
                problems.push(collected_inside(def, input, *from, job));
            }
            _ => {}
        }
    }
    scope
}

/// The scope of a step that collects an output: its own if it is dynamic, else without the innermost mapping.
fn collected(from: Ref<'_>, scopes: &[Scope]) -> Option<Scope> {
    let mut scope = scopes[from.step].clone();
    if !from.output.dynamic {
        scope.pop()?;
    }
    Some(scope)
}

fn two_scopes(
    def: &StepDef,
    job: &JobDef,
    (scope, longest): (&Scope, &Name),
    (other, input): (&Scope, &Name),
    span: Option<&Span>,
) -> Diagnostic {
    let words = |scope: &Scope| {
        let parts: Vec<String> = scope
            .iter()
            .map(|(step, output)| format!("`{}.{output}`", job.steps[*step].name.value))
            .collect();
        parts.join(", then ")
    };
    Diagnostic::error(
        "plan::two-scopes",
        format!(
            "step `{}` would be mapped over two things: `{longest}` over {}, `{input}` over {}",
            def.name.value,
            words(scope),
            words(other)
        ),
    )
    .at(span, "of another mapping")
    .at(def.name.span.as_ref(), "this step")
    .hint("collect one of them, as in `{ collect = \"…\" }`; a product of two mappings is not possible")
}

fn read_as_one(input: &Wired<'_>, from: Ref<'_>, job: &JobDef) -> Diagnostic {
    let path = path(from, job);
    Diagnostic::error(
        "plan::dynamic-output",
        format!("`{path}` is dynamic: it gives many values, input `{}` reads it as one", input.spec.name),
    )
    .at(input.span.as_ref(), "neither mapped nor collected")
    .hint(format!(
        "write `{{ map = \"{path}\" }}` to run one copy per value, or `{{ collect = \"{path}\" }}`"
    ))
}

fn collected_inside(def: &StepDef, input: &Wired<'_>, from: Ref<'_>, job: &JobDef) -> Diagnostic {
    let name = &def.name.value;
    Diagnostic::error(
        "plan::collect-in-mapping",
        format!(
            "step `{name}` is mapped, input `{}` collects what is outside of that mapping",
            input.spec.name
        ),
    )
    .at(input.span.as_ref(), "collected once, not per copy")
    .at(def.name.span.as_ref(), "mapped")
    .hint(format!(
        "collect `{}` in a step of its own that is not mapped, and let `{name}` read that step's output",
        path(from, job)
    ))
}

fn path(from: Ref<'_>, job: &JobDef) -> String {
    format!("{}.{}", job.steps[from.step].name.value, from.output.name)
}

fn inner(from: Ref<'_>, scopes: &[Scope]) -> Scope {
    let mut scope = scopes[from.step].clone();
    scope.push((from.step, from.output.name.clone()));
    scope
}

fn nothing_to_collect(input: &Wired<'_>, from: Ref<'_>, job: &JobDef) -> Diagnostic {
    let path = path(from, job);
    Diagnostic::error(
        "plan::nothing-to-collect",
        format!("`{path}` is a single value: its step is not mapped and the output is not dynamic"),
    )
    .at(input.span.as_ref(), "nothing to collect")
    .hint(format!("write `\"{path}\"`, or `[\"{path}\"]` for a list of one"))
}
