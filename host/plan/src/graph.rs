//! The order of steps: a step comes after all that it depends on, otherwise in the order of definition.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use cofferdam_model::Diagnostic;
use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::flat::Flat;

/// Steps of a printed cycle; the middle of a longer one is left out.
const CYCLE_SHOWN_MAX: usize = 10;

/// Steps by their place in the definition; an edge leads from a step to one that needs it and says how.
pub(crate) type StepGraph<'a> = DiGraph<usize, &'a str>;

/// Topological order by place of definition, or one finding per knot of steps that need each other.
pub(crate) fn order(graph: &StepGraph<'_>, flat: &Flat<'_>) -> Result<Vec<usize>, Vec<Diagnostic>> {
    let mut waits: Vec<usize> =
        graph.node_indices().map(|node| graph.edges_directed(node, Direction::Incoming).count()).collect();
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..waits.len()).filter(|step| waits[*step] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(waits.len());
    while let Some(Reverse(step)) = ready.pop() {
        order.push(step);
        for edge in graph.edges(NodeIndex::new(step)) {
            let next = edge.target().index();
            waits[next] -= 1;
            if waits[next] == 0 {
                ready.push(Reverse(next));
            }
        }
    }
    if order.len() == waits.len() {
        return Ok(order);
    }
    let mut knots: Vec<Vec<NodeIndex>> = kosaraju_scc(graph)
        .into_iter()
        .filter(|knot| knot.len() > 1 || graph.contains_edge(knot[0], knot[0]))
        .collect();
    knots.iter_mut().for_each(|knot| knot.sort());
    knots.sort();
    Err(knots.iter().map(|knot| cycle(graph, knot, flat)).collect())
}

/// Walks within the knot, always to the first next step, until a step comes again.
fn cycle(graph: &StepGraph<'_>, knot: &[NodeIndex], flat: &Flat<'_>) -> Diagnostic {
    let members: HashSet<NodeIndex> = knot.iter().copied().collect();
    let mut path: Vec<(NodeIndex, &str)> = vec![];
    let mut visited = HashMap::new();
    let mut at = knot[0];
    while !visited.contains_key(&at) {
        visited.insert(at, path.len());
        let edge = graph
            .edges(at)
            .filter(|edge| members.contains(&edge.target()))
            .min_by_key(|edge| edge.target())
            .expect("each step of a knot leads to another one of it");
        path.push((at, edge.weight()));
        at = edge.target();
    }
    let path = &path[visited[&at]..];
    let name = |node: NodeIndex| flat.steps[node.index()].key.as_str();
    let words: Vec<String> =
        path.iter().map(|(node, label)| format!("{} -[{label}]->", name(*node))).collect();
    let shown = if words.len() > CYCLE_SHOWN_MAX {
        let half = CYCLE_SHOWN_MAX / 2;
        let hidden = words.len() - CYCLE_SHOWN_MAX;
        let (first, last) = (&words[..half], &words[words.len() - half..]);
        format!("{} … {hidden} more … {}", first.join(" "), last.join(" "))
    } else {
        words.join(" ")
    };
    let start = name(path[0].0);
    Diagnostic::error("plan::cycle", format!("steps need each other: {shown} {start}"))
        .at(flat.steps[path[0].0.index()].def.name.span.as_ref(), "a step of the cycle")
        .hint("remove one of these inputs or `after` entries; a step cannot wait for itself")
}
