//! What holds for every text and every graph.

use std::collections::BTreeSet;

use cofferdam_select::{
    ASSETS, Depth, End, Expr, Graph, GraphBuilder, OPS, Place, Shape, Term, Value, Vocabulary, parse,
};
use proptest::prelude::*;

fn term(vocabulary: &'static Vocabulary) -> impl Strategy<Value = Expr> {
    let text = || prop_oneof!["[a-d]", "[a-d*]{0,3}", any::<String>()];
    let attribute = prop::sample::select(vocabulary.attributes.iter().collect::<Vec<_>>());
    (attribute, text(), text(), any::<bool>()).prop_map(|(attribute, text, second, null)| {
        let value = match attribute {
            attribute if attribute.optional && null => Value::Null,
            attribute if attribute.pairs => Value::Pair(text, second),
            attribute if !attribute.values.is_empty() => Value::Text(attribute.values[0].to_owned()),
            _ => Value::Text(text),
        };
        Expr::Term(Term { attribute, value, place: Place::default() })
    })
}

fn expr() -> impl Strategy<Value = Expr> {
    let depth = || prop_oneof![Just(Depth::NONE), Just(Depth::ALL), (1..4u32).prop_map(Depth)];
    prop_oneof![9 => term(&ASSETS), 1 => Just(Expr::All)].prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            (inner.clone(), depth(), depth()).prop_map(|(of, up, down)| Expr::reach(of, up, down)),
            (inner.clone(), any::<bool>()).prop_map(|(of, sinks)| Expr::Ends {
                end: if sinks { End::Sinks } else { End::Roots },
                of: Box::new(of)
            }),
            inner.clone().prop_map(|of| Expr::Not(Box::new(of))),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Expr::and),
            prop::collection::vec(inner, 1..4).prop_map(Expr::or),
        ]
    })
}

/// Pieces of the language in any order.
fn soup() -> impl Strategy<Value = String> {
    let pieces = [
        "key",
        "name",
        "tag",
        ":",
        "\"",
        "\\",
        "(",
        ")",
        "+",
        "*",
        "and",
        "OR",
        "not",
        "sinks",
        "<null>",
        "=",
        " ",
        "a",
        "1",
        "99999999999",
        "[?]",
        ".",
        "/",
        "é",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..20).prop_map(|pieces| pieces.concat())
}

/// A few nodes with edges from earlier to later ones, and the same as sets of pairs.
fn small_graph(edges: &[(usize, usize)], shape: Shape) -> (Graph, BTreeSet<(usize, usize)>) {
    let mut graph = GraphBuilder::new(&OPS, shape);
    (0..8).for_each(|node| assert_eq!(graph.node(&format!("n{node}")), node));
    let edges: BTreeSet<_> =
        edges.iter().map(|(a, b)| (*a.min(b), *a.max(b))).filter(|(a, b)| a != b).collect();
    edges.iter().for_each(|(from, to)| graph.edge(*from, *to));
    (graph.build(), edges)
}

/// Levels counted by hand: the set, and what one more step reaches, over and over.
fn reach_by_hand(start: usize, edges: &BTreeSet<(usize, usize)>, up: usize, down: usize) -> BTreeSet<usize> {
    let (mut before, mut after) = (BTreeSet::from([start]), BTreeSet::from([start]));
    for _ in 0..up {
        let more: Vec<usize> =
            edges.iter().filter(|(_, to)| before.contains(to)).map(|(from, _)| *from).collect();
        before.extend(more);
    }
    for _ in 0..down {
        let more: Vec<usize> =
            edges.iter().filter(|(from, _)| after.contains(from)).map(|(_, to)| *to).collect();
        after.extend(more);
    }
    &before | &after
}

proptest! {
    #[test]
    fn the_normal_form_parses_to_the_same_expression(expr in expr()) {
        let normal = expr.to_string();
        prop_assert_eq!(parse(&[&normal], &ASSETS).unwrap_or_else(|found| panic!("{normal}: {found:?}")), expr);
    }

    #[test]
    fn no_text_brings_the_parser_down(text in prop_oneof![any::<String>(), soup()]) {
        for vocabulary in [&ASSETS, &OPS] {
            match parse(&[&text], vocabulary) {
                Ok(expr) => {
                    let normal = expr.to_string();
                    prop_assert_eq!(parse(&[&normal], vocabulary), Ok(expr));
                }
                Err(problems) => for problem in problems {
                    prop_assert!(text.get(problem.place.range.clone()).is_some(), "{problem:?}");
                },
            }
        }
    }

    #[test]
    fn levels_are_counted_as_one_would_by_hand(
        edges in prop::collection::vec((0..8usize, 0..8usize), 0..16), start in 0..8usize, up in 0..4usize,
        down in 0..4usize, levels in any::<bool>(),
    ) {
        let (graph, edges) = small_graph(&edges, if levels { Shape::Levels } else { Shape::Paths });
        let clause = format!("{}n{start}{}", "+".repeat(up), "+".repeat(down));
        let selected = parse(&[&clause], &OPS).unwrap().evaluate(&graph).unwrap();
        let expected: Vec<usize> = reach_by_hand(start, &edges, up, down).into_iter().collect();
        prop_assert_eq!(selected, expected);
    }

    #[test]
    fn sinks_are_those_of_which_no_other_comes_after(
        edges in prop::collection::vec((0..8usize, 0..8usize), 0..16), chosen in prop::collection::btree_set(0..8usize, 1..8),
    ) {
        let (graph, edges) = small_graph(&edges, Shape::Paths);
        let names: Vec<String> = chosen.iter().map(|node| format!("name:n{node}")).collect();
        let select = |text: &str| parse(&[text], &OPS).unwrap().evaluate(&graph).unwrap();
        let is_end = |node: &usize, up, down| {
            reach_by_hand(*node, &edges, up, down).intersection(&chosen).count() == 1
        };
        let sinks: Vec<usize> = chosen.iter().copied().filter(|node| is_end(node, 0, 8)).collect();
        let roots: Vec<usize> = chosen.iter().copied().filter(|node| is_end(node, 8, 0)).collect();
        prop_assert_eq!(select(&format!("sinks({})", names.join(" or "))), sinks);
        prop_assert_eq!(select(&format!("roots({})", names.join(" or "))), roots);
    }
}

#[test]
fn a_hundred_thousand_steps_are_selected_from_in_proportion() {
    const N: usize = 100_000;
    let mut graph = GraphBuilder::new(&OPS, Shape::Levels);
    for node in 0..N {
        graph.node(&format!("part{}.s{node}", node / 100));
        (1..=3.min(node)).for_each(|back| graph.edge(node - back, node));
    }
    let graph = graph.build();
    let select = |texts: &[&str]| parse(texts, &OPS).unwrap().evaluate(&graph).unwrap().len();
    assert_eq!(select(&["*part999"]), N);
    assert_eq!(select(&["+part999"]), 200);
    assert_eq!(select(&["part3.s301+"]), 4);
    assert_eq!(select(&["part0.s0*"]), N);
    assert_eq!(select(&["sinks(*)"]), 100);
    assert_eq!(select(&["roots(not name:\"part0\")"]), 100);
    assert_eq!(select(&["name:\"part99*\" and not name:\"part99\""]), 1000);
    // As many names as fit: one set is filled, none is made for each.
    let names: Vec<String> = (0..15_000).map(|n| format!("part{}.s{n}", n / 100)).collect();
    assert_eq!(select(&names.iter().map(String::as_str).collect::<Vec<_>>()), 15_000);
}
