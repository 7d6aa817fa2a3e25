//! What is selected from: nodes with names and attributes, and edges.

use std::collections::{BTreeMap, HashMap};

use crate::bits::Bits;
use crate::names::top;
use crate::vocabulary::Vocabulary;

/// How names and edges are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Names have no parts (assets).
    Keys,
    /// Names are dotted paths with mapping keys; the name of a graph or a mapped step is that of all it holds.
    /// Levels are counted along the edges between nodes (steps of a run).
    Paths,
    /// The same, but an outermost graph that is selected whole moves as one, and is reached as one (ops of a
    /// job, as Dagster has it). What is selected of a graph in part moves along the edges between nodes.
    Levels,
}

/// Takes nodes, then gives a [`Graph`].
#[derive(Debug)]
pub struct GraphBuilder {
    vocabulary: &'static Vocabulary,
    shape: Shape,
    names: Vec<String>,
    edges: Vec<(u32, u32)>,
    outside: Vec<u32>,
    /// Nodes by attribute, value, and second half of a pair.
    attributes: BTreeMap<String, HashMap<(String, String), Vec<u32>>>,
}

/// Nodes in the order in which they were given, ready to be selected from.
#[derive(Debug)]
pub struct Graph {
    pub(crate) vocabulary: &'static Vocabulary,
    pub(crate) shape: Shape,
    pub(crate) names: Vec<String>,
    /// Nodes in the order of their names: what one name holds lies together.
    pub(crate) by_name: Vec<u32>,
    pub(crate) edges: Edges,
    /// With [`Shape::Levels`].
    pub(crate) units: Option<Units>,
    /// What `*` means.
    pub(crate) everything: Bits,
    pub(crate) attributes: BTreeMap<String, HashMap<(String, String), Vec<u32>>>,
}

/// Outermost graphs and the steps beside them.
#[derive(Debug)]
pub(crate) struct Units {
    pub(crate) of_node: Vec<u32>,
    pub(crate) members: Lists,
    pub(crate) edges: Edges,
}

/// Neighbours both ways.
#[derive(Debug)]
pub(crate) struct Edges {
    pub(crate) up: Lists,
    pub(crate) down: Lists,
}

/// A list of numbers for each number, in two allocations.
#[derive(Debug)]
pub(crate) struct Lists {
    starts: Vec<usize>,
    items: Vec<u32>,
}

impl GraphBuilder {
    pub fn new(vocabulary: &'static Vocabulary, shape: Shape) -> GraphBuilder {
        GraphBuilder {
            vocabulary,
            shape,
            names: vec![],
            edges: vec![],
            outside: vec![],
            attributes: BTreeMap::new(),
        }
    }

    /// Adds a node. Gives its number, which [`crate::Expr::evaluate`] answers with: 0, 1, 2 …
    pub fn node(&mut self, name: &str) -> usize {
        self.names.push(name.to_owned());
        self.names.len() - 1
    }

    /// `to` comes after `from`. An edge from a node to itself changes nothing.
    pub fn edge(&mut self, from: usize, to: usize) {
        if from != to {
            self.edges.push((narrow(from), narrow(to)));
        }
    }

    /// The node can be named, but is no part of `*`: an external asset.
    pub fn outside(&mut self, node: usize) {
        self.outside.push(narrow(node));
    }

    /// Says that the graph knows an attribute, even if no node has it.
    pub fn knows(&mut self, attribute: &str) {
        self.attributes.entry(attribute.to_owned()).or_default();
    }

    /// A node has an attribute. It may have several values.
    pub fn attribute(&mut self, node: usize, attribute: &str, value: &str) {
        self.pair(node, attribute, value, "");
    }

    /// A node has an attribute whose values are pairs.
    pub fn pair(&mut self, node: usize, attribute: &str, key: &str, value: &str) {
        if !self.attributes.contains_key(attribute) {
            self.knows(attribute);
        }
        let values = self.attributes.get_mut(attribute).expect("it was made just now");
        values.entry((key.to_owned(), value.to_owned())).or_default().push(narrow(node));
    }

    pub fn build(self) -> Graph {
        let n_nodes = self.names.len();
        let mut by_name: Vec<u32> = (0..narrow(n_nodes)).collect();
        by_name.sort_by(|a, b| self.names[*a as usize].cmp(&self.names[*b as usize]));
        let mut everything = Bits::none(n_nodes);
        (0..n_nodes).for_each(|node| {
            everything.insert(node);
        });
        let mut outside = Bits::none(n_nodes);
        for node in &self.outside {
            outside.insert(*node as usize);
        }
        everything.remove(&outside);
        Graph {
            vocabulary: self.vocabulary,
            shape: self.shape,
            by_name,
            units: (self.shape == Shape::Levels).then(|| Units::new(&self.names, &self.edges)),
            edges: Edges::new(n_nodes, &self.edges),
            names: self.names,
            everything,
            attributes: self.attributes,
        }
    }
}

/// Nodes are counted in 32 bits; a plan has `STEPS_MAX` at most, which is far less.
fn narrow(node: usize) -> u32 {
    u32::try_from(node).expect("a graph has fewer than 2^32 nodes")
}

impl Units {
    fn new(names: &[String], edges: &[(u32, u32)]) -> Units {
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let of_node: Vec<u32> = names
            .iter()
            .map(|name| {
                let next = narrow(numbers.len());
                *numbers.entry(top(name)).or_insert(next)
            })
            .collect();
        let n_units = numbers.len();
        let mut between: Vec<(u32, u32)> = edges
            .iter()
            .map(|(from, to)| (of_node[*from as usize], of_node[*to as usize]))
            .filter(|(from, to)| from != to)
            .collect();
        between.sort_unstable();
        between.dedup();
        let members = of_node.iter().enumerate().map(|(node, unit)| (*unit, narrow(node)));
        Units { members: Lists::new(n_units, members), edges: Edges::new(n_units, &between), of_node }
    }
}

impl Edges {
    fn new(n_nodes: usize, edges: &[(u32, u32)]) -> Edges {
        Edges {
            up: Lists::new(n_nodes, edges.iter().map(|(from, to)| (*to, *from))),
            down: Lists::new(n_nodes, edges.iter().copied()),
        }
    }
}

impl Lists {
    fn new(n: usize, pairs: impl Iterator<Item = (u32, u32)> + Clone) -> Lists {
        let mut starts = vec![0; n + 1];
        for (at, _) in pairs.clone() {
            starts[at as usize + 1] += 1;
        }
        for at in 0..n {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut items = vec![0; starts[n]];
        for (at, item) in pairs {
            let place = &mut next[at as usize];
            items[*place] = item;
            *place += 1;
        }
        Lists { starts, items }
    }

    pub(crate) fn of(&self, at: usize) -> &[u32] {
        &self.items[self.starts[at]..self.starts[at + 1]]
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }
}
