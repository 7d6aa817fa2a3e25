//! Jobs, ops and the graph that a plan is.

use std::collections::BTreeMap;

use async_graphql::{Json, SimpleObject};
use cofferdam_model::{
    InputSpec, LibraryDigest, LibrarySpec, Name, OpSpec, OutputRef, OutputSpec, Plan, PlanStep, Role, Source,
};
use serde_json::Value;

use super::convert::{Tag, tags};
use crate::workspace::Outline;

/// Steps and what flows between them.
#[derive(SimpleObject)]
pub(crate) struct Graph {
    /// A step comes after all that it depends on.
    steps: Vec<GraphStep>,
    edges: Vec<GraphEdge>,
}

#[derive(SimpleObject)]
pub(crate) struct GraphStep {
    /// Dotted where the step is within graphs.
    key: String,
    op: String,
    /// As the definitions call it.
    library: String,
    description: String,
    /// op, hook, set_up, tear_down or check.
    role: &'static str,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    config_schema: Option<Json<Value>>,
    /// It has a copy for each value of a dynamic output.
    mapped: bool,
    tags: Vec<Tag>,
    /// Resources that it is lent.
    resources: Vec<String>,
    retries: u32,
    pool: Option<String>,
}

/// Without output and input it is about order only.
#[derive(SimpleObject)]
pub(crate) struct GraphEdge {
    from: String,
    output: Option<String>,
    to: String,
    input: Option<String>,
}

#[derive(SimpleObject)]
pub(crate) struct Op {
    name: String,
    description: String,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    config_schema: Option<Json<Value>>,
    pure: bool,
}

#[derive(SimpleObject)]
pub(crate) struct Port {
    name: String,
    description: String,
    media_type: String,
    /// JSON Schema of one value.
    schema: Json<Value>,
    required: bool,
    /// An input that takes many values.
    many: bool,
    /// An output that gives any number of values.
    dynamic: bool,
}

impl From<&InputSpec> for Port {
    fn from(input: &InputSpec) -> Port {
        Port {
            name: input.name.to_string(),
            description: input.doc.clone(),
            media_type: input.media_type.clone(),
            schema: Json(input.schema.clone()),
            required: input.required,
            many: input.many,
            dynamic: false,
        }
    }
}

impl From<&OutputSpec> for Port {
    fn from(output: &OutputSpec) -> Port {
        Port {
            name: output.name.to_string(),
            description: output.doc.clone(),
            media_type: output.media_type.clone(),
            schema: Json(output.schema.clone()),
            required: output.required,
            many: false,
            dynamic: output.dynamic,
        }
    }
}

impl From<&OpSpec> for Op {
    fn from(op: &OpSpec) -> Op {
        Op {
            name: op.name.to_string(),
            description: op.doc.clone(),
            inputs: op.inputs.iter().map(Port::from).collect(),
            outputs: op.outputs.iter().map(Port::from).collect(),
            config_schema: op.config_schema.clone().map(Json),
            pure: op.pure,
        }
    }
}

impl Graph {
    /// With what the libraries say of their ops.
    pub(crate) fn of_outline(outline: &Outline) -> Graph {
        let specs = outline.specs.iter().map(|(digest, _, spec)| (*digest, spec)).collect();
        Graph::of(&outline.plan, &specs)
    }

    /// Ports are known by name only where a library's description is not at hand.
    pub(crate) fn of(plan: &Plan, specs: &BTreeMap<LibraryDigest, &LibrarySpec>) -> Graph {
        let names = plan.libraries.iter().map(|(name, digest)| (*digest, name)).collect();
        let step = |step: &PlanStep| {
            let spec = specs.get(&step.library).and_then(|spec| spec.op(&step.op));
            graph_step(step, spec, &names)
        };
        Graph { steps: plan.steps.iter().map(step).collect(), edges: edges(plan) }
    }
}

fn graph_step(step: &PlanStep, spec: Option<&OpSpec>, names: &BTreeMap<LibraryDigest, &Name>) -> GraphStep {
    let inputs = spec.map(|op| op.inputs.iter().map(Port::from).collect());
    let outputs = spec.map(|op| op.outputs.iter().map(Port::from).collect());
    GraphStep {
        key: step.key.to_string(),
        op: step.op.to_string(),
        library: names.get(&step.library).map_or_else(|| step.library.to_string(), ToString::to_string),
        description: spec.map(|op| op.doc.clone()).unwrap_or_default(),
        role: match step.role {
            Role::Op => "op",
            Role::Hook { .. } => "hook",
            Role::SetUp { .. } => "set_up",
            Role::TearDown { .. } => "tear_down",
            Role::Check { .. } => "check",
        },
        inputs: inputs.unwrap_or_else(|| {
            let planned = step.inputs.iter();
            planned.map(|input| bare(&input.name, "*/*", input.required, false)).collect()
        }),
        outputs: outputs.unwrap_or_else(|| {
            let planned = step.outputs.iter();
            planned
                .map(|output| bare(&output.name, &output.media_type, output.required, output.dynamic))
                .collect()
        }),
        config_schema: spec.and_then(|op| op.config_schema.clone()).map(Json),
        mapped: !step.scope.is_empty(),
        tags: tags(&step.tags),
        resources: step.bind.values().map(Name::to_string).collect(),
        retries: step.retry.max_retries,
        pool: step.pool.as_ref().map(Name::to_string),
    }
}

fn bare(name: &Name, media_type: &str, required: bool, dynamic: bool) -> Port {
    Port {
        name: name.to_string(),
        description: String::new(),
        media_type: media_type.to_owned(),
        schema: Json(Value::Bool(true)),
        required,
        many: false,
        dynamic,
    }
}

fn edges(plan: &Plan) -> Vec<GraphEdge> {
    let key = |at: cofferdam_model::StepIdx| plan.step(at).key.to_string();
    let mut edges = vec![];
    for step in &plan.steps {
        for input in &step.inputs {
            for from in read_by(&input.source) {
                edges.push(GraphEdge {
                    from: key(from.step),
                    output: Some(from.output.to_string()),
                    to: step.key.to_string(),
                    input: Some(input.name.to_string()),
                });
            }
        }
        let only_after = step.after.iter().map(|before| (key(*before), None));
        edges.extend(only_after.map(|(from, output)| GraphEdge {
            from,
            output,
            to: step.key.to_string(),
            input: None,
        }));
    }
    edges
}

fn read_by(source: &Source) -> Vec<&OutputRef> {
    match source {
        Source::Value(_) | Source::Values(_) => vec![],
        Source::Output(from) | Source::Collect(from) => vec![from],
        Source::FanIn(all) => all.iter().collect(),
    }
}
