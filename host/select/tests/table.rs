//! Our answers beside Dagster's, row by row. `dagster/generate.py` asked Dagster; nothing here is guessed.

use std::collections::BTreeMap;

use cofferdam_select::{ASSETS, Graph, GraphBuilder, OPS, STEPS, Shape, Vocabulary, parse};
use serde::Deserialize;

#[derive(Deserialize)]
struct Table {
    dagster: String,
    graphs: BTreeMap<String, GraphTable>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct GraphTable {
    traversal: String,
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    name: String,
    deps: Vec<String>,
    #[serde(default)]
    external: bool,
    group: Option<String>,
    #[serde(default)]
    owners: Vec<String>,
    #[serde(default)]
    kinds: Vec<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Row {
    graph: String,
    selection: Vec<String>,
    /// What Dagster selects; none if it refuses.
    selected: Option<Vec<String>>,
    /// How Dagster writes it back.
    normal: Option<String>,
    /// Why we answer differently, and how: names, or the text `error`.
    differs: Option<String>,
    ours: Option<serde_json::Value>,
}

fn table() -> Table {
    serde_json::from_str(include_str!("dagster/table.json")).unwrap()
}

fn vocabulary(graph: &str) -> &'static Vocabulary {
    match graph {
        "assets" => &ASSETS,
        "steps" => &STEPS,
        _ => &OPS,
    }
}

fn graph(name: &str, table: &GraphTable) -> Graph {
    let shape = match (name, table.traversal.as_str()) {
        ("assets", _) => Shape::Keys,
        (_, "levels") => Shape::Levels,
        _ => Shape::Paths,
    };
    let mut graph = GraphBuilder::new(vocabulary(name), shape);
    let mut numbers = BTreeMap::new();
    for node in &table.nodes {
        numbers.insert(node.name.as_str(), graph.node(&node.name));
    }
    for (at, node) in table.nodes.iter().enumerate() {
        node.deps.iter().for_each(|up| graph.edge(numbers[up.as_str()], at));
        if node.external {
            graph.outside(at);
        }
        graph.attribute(at, "is", if node.external { "external" } else { "materializable" });
        node.group.iter().for_each(|group| graph.attribute(at, "group", group));
        node.owners.iter().for_each(|owner| graph.attribute(at, "owner", owner));
        node.kinds.iter().for_each(|kind| graph.attribute(at, "kind", kind));
        node.tags.iter().for_each(|(key, value)| graph.pair(at, "tag", key, value));
    }
    graph.build()
}

/// Sorted names, or what is wrong.
fn ours(selection: &[String], name: &str, table: &GraphTable) -> Result<Vec<String>, String> {
    let problems = |found: Vec<cofferdam_select::Problem>| {
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    let expr = parse(selection, vocabulary(name)).map_err(problems)?;
    let chosen = expr.evaluate(&graph(name, table)).map_err(problems)?;
    // The normal form means the same.
    let normal = expr.to_string();
    let again = parse(&[&normal], vocabulary(name)).unwrap_or_else(|found| panic!("{normal}: {found:?}"));
    assert_eq!(again, expr, "{normal}");
    let mut names: Vec<String> = chosen.into_iter().map(|at| table.nodes[at].name.clone()).collect();
    names.sort();
    Ok(names)
}

/// Every row of these graphs; what went wrong in any. Gives the number of rows.
fn check(wanted: impl Fn(&str) -> bool) -> usize {
    let table = table();
    let mut wrong = vec![];
    let rows: Vec<&Row> = table.rows.iter().filter(|row| wanted(&row.graph)).collect();
    for row in &rows {
        let found = ours(&row.selection, &row.graph, &table.graphs[&row.graph]);
        let expected = match &row.ours {
            None => row.selected.clone(),
            Some(serde_json::Value::String(_)) => None,
            Some(names) => Some(serde_json::from_value(names.clone()).unwrap()),
        };
        let place = format!("{} {:?}", row.graph, row.selection);
        if found.as_ref().ok() != expected.as_ref() {
            wrong.push(format!("{place}: {found:?} instead of {expected:?}"));
        }
        assert_eq!(row.differs.is_some(), row.ours.is_some(), "{place}");
        if row.differs.is_some() && found.ok() == row.selected {
            wrong.push(format!("{place}: does not differ"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    rows.len()
}

#[test]
fn b2_ops_and_steps_are_selected_as_dagster_itself_selects_them() {
    let n_rows = check(|graph| graph != "assets");
    assert!(n_rows >= 100, "{n_rows}");
    assert!(table().dagster.starts_with("1.13."));
}

#[test]
fn assets_are_selected_as_dagster_itself_selects_them() {
    let n_rows = check(|graph| graph == "assets");
    assert!(n_rows >= 100, "{n_rows}");
}

#[test]
fn dagsters_normal_form_means_the_same_to_us() {
    let table = table();
    let mut n_rows = 0;
    for row in table.rows.iter().filter(|row| row.differs.is_none()) {
        let (Some(normal), Some(selected)) = (&row.normal, &row.selected) else { continue };
        let found = ours(std::slice::from_ref(normal), &row.graph, &table.graphs[&row.graph]);
        assert_eq!(found.as_ref(), Ok(selected), "{normal}");
        n_rows += 1;
    }
    assert!(n_rows >= 90, "{n_rows}");
}

#[test]
fn an_old_clause_is_echoed_as_dagster_echoes_it() {
    let normal = |text: &str| parse(&[text], &ASSETS).unwrap().to_string();
    let table = table();
    let mut n_rows = 0;
    for row in table.rows.iter().filter(|row| row.graph == "assets" && !row.selection[0].contains(':')) {
        if let (Some(theirs), None) = (&row.normal, &row.differs)
            && !theirs.contains(" or ")
        {
            // Dagster writes the largest integer where all levels are meant.
            assert_eq!(normal(&row.selection[0]), theirs.replace("9223372036854775807", ""));
            n_rows += 1;
        }
    }
    assert!(n_rows >= 10, "{n_rows}");
    assert_eq!(parse(&["+a"], &OPS).unwrap().to_string(), "1+name:\"a\"");
    assert_eq!(parse(&["*a++", "b"], &OPS).unwrap().to_string(), "+name:\"a\"+2 or name:\"b\"");
}
