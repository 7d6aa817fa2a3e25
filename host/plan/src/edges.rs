//! Scopes: what a step is mapped over follows from what its inputs are mapped over.

use cofferdam_model::{Diagnostic, Name, Span};

use crate::flat::{Flat, FlatKind};
use crate::inputs::{Feed, Ref, Wired, selecting};

/// The dynamic outputs that a step is mapped over, outermost first; steps by place of definition.
pub(crate) type Scope = Vec<(usize, Name)>;

/// What an input asks for: the scope that the step must have, and the part of it that must come first because
/// what is read lives there.
struct Asked<'a> {
    from: Ref<'a>,
    scope: Scope,
    outer_len: usize,
    input: &'a Name,
    span: Option<&'a Span>,
}

/// The scope of a step whose sources have theirs already: what its inputs ask for, put together. What an input
/// maps over in addition to the others comes further in, in the order of the op's inputs, so that the step is
/// copied for each pair. What is read must live in a part that comes first.
pub(crate) fn scope_of<'a>(
    at: usize,
    inputs: &'a [Wired<'a>],
    scopes: &[Scope],
    flat: &Flat<'_>,
    is_selected: &dyn Fn(usize) -> bool,
    problems: &mut Vec<Diagnostic>,
) -> Scope {
    let mut asked = vec![];
    for input in inputs {
        let mut ask = |from: Ref<'a>, scope: Scope, outer_len: usize| {
            asked.push(Asked { from, scope, outer_len, input: &input.spec.name, span: input.span.as_ref() });
        };
        match &input.feed {
            Feed::One(from) => ask(*from, scopes[from.step].clone(), scopes[from.step].len()),
            Feed::Map(from) => ask(*from, inner(*from, scopes), scopes[from.step].len()),
            Feed::FanIn(from) => {
                from.iter().for_each(|from| ask(*from, scopes[from.step].clone(), scopes[from.step].len()));
            }
            Feed::Collect(from) => match collected(*from, scopes) {
                Some(scope) => {
                    let len = scope.len();
                    ask(*from, scope, len);
                }
                None => problems.push(match unselected_mapping(from.step, flat, is_selected).as_slice() {
                    [] => nothing_to_collect(input, *from, flat),
                    missing => not_mapped_here(input, *from, missing, flat),
                }),
            },
            Feed::Value(_) | Feed::Values(_) | Feed::Resource(_) => {}
        }
    }
    // The longest first, and what must come first before what may be added; then as the op lists its inputs.
    asked.sort_by_key(|asked| std::cmp::Reverse((asked.outer_len, asked.scope.len())));
    let mut scope: Scope = vec![];
    for part in asked.iter().flat_map(|asked| &asked.scope) {
        if !scope.contains(part) {
            scope.push(part.clone());
        }
    }
    for other in &asked {
        if !scope.starts_with(&other.scope[..other.outer_len]) {
            problems.push(two_scopes(at, flat, &scope, other));
        }
    }
    for input in inputs {
        match &input.feed {
            // Read plainly it is fine only where the step is mapped over it.
            Feed::One(from)
                if from.output.dynamic && !scope.contains(&(from.step, from.output.name.clone())) =>
            {
                problems.push(read_as_one(input, *from, flat));
            }
            Feed::Collect(from)
                if collected(*from, scopes).is_some_and(|outer| scope.len() > outer.len()) =>
            {
                problems.push(collected_inside(
                    &flat.steps[at].key,
                    flat.steps[at].def.name.span.as_ref(),
                    input,
                    *from,
                    flat,
                ));
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

fn two_scopes(at: usize, flat: &Flat<'_>, scope: &Scope, other: &Asked<'_>) -> Diagnostic {
    let words = |scope: &[(usize, Name)]| {
        let parts: Vec<String> =
            scope.iter().map(|(step, output)| format!("`{}.{output}`", flat.steps[*step].key)).collect();
        parts.join(", then ")
    };
    let step = &flat.steps[at];
    Diagnostic::error(
        "plan::two-scopes",
        format!(
            "step `{}` is mapped over {}, its input `{}` reads a step that is mapped over {} by itself",
            step.key,
            words(scope),
            other.input,
            words(&other.scope[..other.outer_len])
        ),
    )
    .at(other.span, "of another mapping")
    .at(step.def.name.span.as_ref(), "this step")
    .hint(pairing(other, flat))
}

/// How to pair the values of two mapped chains: their copies have no order in which one is inside of the other, so
/// the dynamic outputs are paired and what follows reads the pairs.
fn pairing(other: &Asked<'_>, flat: &Flat<'_>) -> String {
    let (input, read) = (other.input, path(other.from, flat));
    match other.scope[..other.outer_len].last() {
        Some((step, output)) => format!(
            "to pair the values write `inputs.{input} = {{ map = \"{}.{output}\" }}` and put `{}` behind it; \
             to take all of them `{{ collect = \"{read}\" }}`",
            flat.steps[*step].key, flat.steps[other.from.step].key
        ),
        None => format!("to take all of them write `{{ collect = \"{read}\" }}`"),
    }
}

/// Steps that were left out on the way from a step back to the dynamic outputs it is mapped over; none if it is not
/// mapped in the definitions either.
fn unselected_mapping(step: usize, flat: &Flat<'_>, is_selected: &dyn Fn(usize) -> bool) -> Vec<usize> {
    let mut seen = vec![step];
    let mut next = 0;
    let mut mapped = false;
    while let Some(at) = seen.get(next).copied() {
        next += 1;
        for (_, source) in &flat.steps[at].inputs {
            mapped |= matches!(source.kind, FlatKind::Map(_));
            for path in source.kind.paths() {
                if !seen.contains(&path.step) {
                    seen.push(path.step);
                }
            }
        }
    }
    seen.retain(|step| mapped && !is_selected(*step));
    seen.sort_unstable();
    seen
}

fn not_mapped_here(input: &Wired<'_>, from: Ref<'_>, missing: &[usize], flat: &Flat<'_>) -> Diagnostic {
    let steps: Vec<&str> = missing.iter().map(|step| flat.steps[*step].key.as_str()).collect();
    let path = path(from, flat);
    Diagnostic::error(
        "plan::not-selected",
        format!("`{path}` is a single value here: what its step is mapped over is not selected"),
    )
    .at(input.span.as_ref(), "nothing to collect")
    .hint(format!("add {} to the selection", selecting(&steps)))
}

fn read_as_one(input: &Wired<'_>, from: Ref<'_>, flat: &Flat<'_>) -> Diagnostic {
    let path = path(from, flat);
    Diagnostic::error(
        "plan::dynamic-output",
        format!("`{path}` is dynamic: it gives many values, input `{}` reads it as one", input.spec.name),
    )
    .at(input.span.as_ref(), "neither mapped nor collected")
    .hint(format!(
        "write `{{ map = \"{path}\" }}` to run one copy per value, or `{{ collect = \"{path}\" }}`"
    ))
}

fn collected_inside(
    name: &str,
    span: Option<&Span>,
    input: &Wired<'_>,
    from: Ref<'_>,
    flat: &Flat<'_>,
) -> Diagnostic {
    Diagnostic::error(
        "plan::collect-in-mapping",
        format!(
            "step `{name}` is mapped, input `{}` collects what is outside of that mapping",
            input.spec.name
        ),
    )
    .at(input.span.as_ref(), "collected once, not per copy")
    .at(span, "mapped")
    .hint(format!(
        "collect `{}` in a step of its own that is not mapped, and let `{name}` read that step's output",
        path(from, flat)
    ))
}

fn path(from: Ref<'_>, flat: &Flat<'_>) -> String {
    format!("{}.{}", flat.steps[from.step].key, from.output.name)
}

fn inner(from: Ref<'_>, scopes: &[Scope]) -> Scope {
    let mut scope = scopes[from.step].clone();
    scope.push((from.step, from.output.name.clone()));
    scope
}

fn nothing_to_collect(input: &Wired<'_>, from: Ref<'_>, flat: &Flat<'_>) -> Diagnostic {
    let path = path(from, flat);
    Diagnostic::error(
        "plan::nothing-to-collect",
        format!("`{path}` is a single value: its step is not mapped and the output is not dynamic"),
    )
    .at(input.span.as_ref(), "nothing to collect")
    .hint(format!("write `\"{path}\"`, or `[\"{path}\"]` for a list of one"))
}
