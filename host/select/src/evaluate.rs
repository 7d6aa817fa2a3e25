//! The meaning of an expression: which nodes of a graph it selects.

use cofferdam_model::nearest;

use crate::bits::Bits;
use crate::expr::{Depth, End, Expr, Term, Value};
use crate::graph::{Edges, Graph, Lists, Shape};
use crate::names::{fits, holders};
use crate::problem::{Place, Problem, ProblemKind, listed};

impl Expr {
    /// The selected nodes by number, ascending. Fails with all that is wrong: names that nothing bears,
    /// attributes that the graph does not know; or else if nothing is selected.
    ///
    /// Takes time in proportion to the graph for each `+`, `sinks` and `roots`, and to what is selected for
    /// each value.
    pub fn evaluate(&self, graph: &Graph) -> Result<Vec<usize>, Vec<Problem>> {
        let mut problems = vec![];
        self.terms(&mut |term| problems.extend(graph.problem(term, &problems)));
        if !problems.is_empty() {
            return Err(problems);
        }
        let selected: Vec<usize> = graph.select(self).iter().collect();
        if selected.is_empty() {
            /// Characters of the normal form that a message shows.
            const SHOWN_MAX: usize = 200;
            let mut normal = self.to_string();
            if let Some((end, _)) = normal.char_indices().nth(SHOWN_MAX) {
                normal.truncate(end);
                normal.push('…');
            }
            let place = self.first_place();
            return Err(vec![Problem { place, kind: ProblemKind::Nothing { normal } }]);
        }
        Ok(selected)
    }

    /// Somewhere in it, for what is wrong with the whole.
    fn first_place(&self) -> Place {
        let mut first = None;
        self.terms(&mut |term| {
            first.get_or_insert_with(|| term.place.clone());
        });
        first.unwrap_or_default()
    }
}

impl Graph {
    fn none(&self) -> Bits {
        Bits::none(self.names.len())
    }

    fn is_name(&self, term: &Term) -> bool {
        term.attribute.name == self.vocabulary.name().name
    }

    fn problem(&self, term: &Term, before: &[Problem]) -> Option<Problem> {
        /// A near name is looked for in the whole graph, so only for the first few.
        const HINTED_MAX: usize = 8;
        let kind = if !self.is_name(term) {
            let (subject, attribute) = (self.vocabulary.subject, term.attribute.name);
            if self.attributes.contains_key(attribute) {
                return None;
            }
            let names =
                [self.vocabulary.name().name].into_iter().chain(self.attributes.keys().map(String::as_str));
            ProblemKind::Unanswerable { subject, attribute, known: listed(names) }
        } else {
            let Value::Text(name) = &term.value else { return None };
            if name.contains('*') || self.bears(name) {
                return None;
            }
            let near = if before.len() < HINTED_MAX { self.near(name) } else { None };
            ProblemKind::UnknownName { subject: self.vocabulary.subject, name: name.clone(), near }
        };
        Some(Problem { place: term.place.clone(), kind })
    }

    fn bears(&self, name: &str) -> bool {
        let mut any = false;
        self.named(name, &mut |_| any = true);
        any
    }

    /// A name that was left short (`leaf` for `outer.leaf`), or else one that is spelled alike.
    fn near(&self, name: &str) -> Option<String> {
        let paths = self.shape != Shape::Keys;
        let tail = |holder: &&str| {
            let cut = if paths { '.' } else { '/' };
            holder.strip_suffix(name).is_some_and(|before| before.ends_with(cut))
        };
        let words = || self.names.iter().flat_map(|node| self.words(node));
        words().find(tail).or_else(|| nearest(name, words())).map(str::to_owned)
    }

    /// The names by which one can mean a node.
    fn words<'a>(&self, node: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
        let skipped = if self.shape == Shape::Keys { holders(node).count() - 1 } else { 0 };
        holders(node).skip(skipped)
    }

    fn select(&self, expr: &Expr) -> Bits {
        match expr {
            Expr::All => self.everything.clone(),
            Expr::Term(term) => {
                let mut selected = self.none();
                self.add_term(term, &mut selected);
                selected
            }
            Expr::Reach { of, up, down } => {
                let from = self.select(of);
                let mut selected = self.none();
                if *up > Depth::NONE {
                    selected.add(&from);
                    selected.add(&self.reach(&from, *up, |edges| &edges.up));
                    // What cannot be made is not asked for by asking for all that comes before.
                    selected.keep(&self.everything);
                }
                if *down > Depth::NONE {
                    selected.add(&from);
                    selected.add(&self.reach(&from, *down, |edges| &edges.down));
                }
                selected
            }
            Expr::Ends { end, of } => {
                let mut selected = self.select(of);
                let others = match end {
                    End::Sinks => self.reach(&selected, Depth::ALL, |edges| &edges.up),
                    End::Roots => self.reach(&selected, Depth::ALL, |edges| &edges.down),
                };
                selected.remove(&others);
                selected
            }
            Expr::Not(of) => {
                let mut selected = self.everything.clone();
                selected.remove(&self.select(of));
                selected
            }
            Expr::And(parts) => {
                let mut selected = self.select(&parts[0]);
                parts[1..].iter().for_each(|part| selected.keep(&self.select(part)));
                selected
            }
            Expr::Or(parts) => {
                let mut selected = self.none();
                for part in parts {
                    match part {
                        // A list of many names fills one set instead of making one for each.
                        Expr::Term(term) => self.add_term(term, &mut selected),
                        other => selected.add(&self.select(other)),
                    }
                }
                selected
            }
        }
    }

    fn add_term(&self, term: &Term, selected: &mut Bits) {
        if self.is_name(term) {
            if let Value::Text(name) = &term.value {
                self.named(name, &mut |node| {
                    selected.insert(node);
                });
            }
            return;
        }
        let Some(values) = self.attributes.get(term.attribute.name) else { return };
        let mut add = |nodes: &[u32]| {
            let nodes = nodes.iter().map(|node| *node as usize);
            for node in nodes.filter(|node| term.attribute.external || self.everything.contains(*node)) {
                selected.insert(node);
            }
        };
        match &term.value {
            Value::Text(pattern) if term.attribute.wildcards && pattern.contains('*') => {
                values
                    .iter()
                    .filter(|((value, _), _)| fits(pattern, value))
                    .for_each(|(_, nodes)| add(nodes));
            }
            Value::Text(text) => add(values.get(&(text.clone(), String::new())).map_or(&[], |nodes| nodes)),
            Value::Pair(key, value) => {
                add(values.get(&(key.clone(), value.clone())).map_or(&[], |nodes| nodes));
            }
            Value::Null => {
                let mut bearers = self.none();
                values.values().flatten().for_each(|node| {
                    bearers.insert(*node as usize);
                });
                let mut bare = self.everything.clone();
                bare.remove(&bearers);
                selected.add(&bare);
            }
        }
    }

    /// Calls `each` with every node that bears a name, or is part of what does.
    fn named(&self, name: &str, each: &mut impl FnMut(usize)) {
        // `leaf[?]` is how a mapped step is called before its keys are known: all its copies.
        let pattern = name.replace("[?]", "[*]");
        if pattern.contains('*') {
            for (node, bearer) in self.names.iter().enumerate() {
                if self.words(bearer).any(|word| fits(&pattern, word)) {
                    each(node);
                }
            }
            return;
        }
        let name_of = |node: &u32| self.names[*node as usize].as_str();
        let from = self.by_name.partition_point(|node| name_of(node) < name);
        let same = self.by_name[from..].iter().take_while(|node| name_of(node) == name);
        same.for_each(|node| each(*node as usize));
        if self.shape == Shape::Keys {
            return;
        }
        for opening in ['.', '['] {
            let prefix = format!("{name}{opening}");
            let from = self.by_name.partition_point(|node| name_of(node) < prefix.as_str());
            let held = self.by_name[from..].iter().take_while(|node| name_of(node).starts_with(&prefix));
            held.for_each(|node| each(*node as usize));
        }
    }

    /// What lies one level or more from a set, in one direction, up to a depth. A node of the set is in it only
    /// if another one leads to it.
    fn reach(&self, from: &Bits, depth: Depth, direction: impl Fn(&Edges) -> &Lists) -> Bits {
        let Some(units) = &self.units else {
            return walk(direction(&self.edges), from.iter(), depth);
        };
        let n_units = units.members.len();
        let mut whole = Bits::none(n_units);
        let mut parts = vec![];
        let mut n_selected = vec![0; n_units];
        from.iter().for_each(|node| n_selected[units.of_node[node] as usize] += 1);
        for node in from.iter() {
            let unit = units.of_node[node] as usize;
            if n_selected[unit] == units.members.of(unit).len() {
                whole.insert(unit);
            } else {
                parts.push(node);
            }
        }
        let mut reached = walk(direction(&self.edges), parts.into_iter(), depth);
        for unit in walk(direction(&units.edges), whole.iter(), depth).iter() {
            for node in units.members.of(unit) {
                reached.insert(*node as usize);
            }
        }
        reached
    }
}

fn walk(next: &Lists, from: impl Iterator<Item = usize>, depth: Depth) -> Bits {
    let mut reached = Bits::none(next.len());
    let mut level: Vec<usize> = from.collect();
    for _ in 0..depth.0 {
        let mut further = vec![];
        for node in level {
            for to in next.of(node) {
                if reached.insert(*to as usize) {
                    further.push(*to as usize);
                }
            }
        }
        if further.is_empty() {
            break;
        }
        level = further;
    }
    reached
}
