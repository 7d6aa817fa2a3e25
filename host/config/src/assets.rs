//! `[assets.NAME]`, `[asset_checks.NAME]` and `[asset_jobs.NAME]`.

use std::collections::BTreeMap;

use cofferdam_model::builder::AssetFacts;
use cofferdam_model::{
    AssetCheckDef, AssetDef, AssetDependencyDef, AssetJobDef, AssetKey, DataVersionRule, Diagnostic, Name,
    Node, NodeDef, NodeKind, OutputDef, Spanned, StepDef,
};

use crate::mappings::{asset_key, read_mapping};
use crate::policies::{
    read_config, read_hooks, read_labels, read_limits_by_tag, read_max_concurrent, read_retry, read_tags,
};
use crate::reader::{Problems, Table, wrong_type};
use crate::steps::{op_path, read_node, read_output_keys, read_placing};

pub(crate) fn read_asset(name: &Spanned<Name>, node: &Node, problems: &mut Problems) -> Option<AssetDef> {
    let external = matches!(node.get("external").map(|node| &node.kind), Some(NodeKind::Bool(true)));
    let what = if external { "external asset" } else { "asset" };
    let mut table = Table::new(node, format!("{what} `{}`", name.value), problems)?;
    table.truth("external", problems);
    let mut facts = read_facts(&mut table, problems);
    let key = table.text("key", problems);
    let partitions = table.name("partitions", "set of partitions", problems);
    let deps = read_dependencies(&mut table, problems);
    let (mut step, mut can_subset, mut assets) = (None, false, vec![]);
    if external {
        facts.io_manager = table.name("io_manager", "IO manager", problems);
        facts.description = table.text("description", problems).map(|text| text.value);
    } else {
        let placed = read_node(&mut table, problems);
        let placing = read_placing(name, &mut table, "step_tags", problems);
        can_subset = table.truth("can_subset", problems).unwrap_or(false);
        let outputs;
        (outputs, assets) = read_outputs(&mut table, problems);
        step = placed.map(|placed| StepDef { node: placed.clone(), outputs, ..placing(placed.value) });
    }
    let (what, span) = (table.what().to_owned(), table.span.cloned());
    table.finish(problems);
    if let Some(step) = &step {
        facts.io_manager.clone_from(&step.io_manager);
        facts.description = Some(step.description.clone());
    } else if !external {
        return None;
    }
    let manager_of = |output: &Name| step.as_ref()?.outputs.get(output)?.io_manager.clone();
    let outputs = if assets.is_empty() {
        let key = key.unwrap_or(Spanned::new(name.value.to_string(), name.span.clone()));
        let key = asset_key(&key, problems)?;
        facts.io_manager = manager_of(&Name::result()).or(facts.io_manager);
        vec![facts.output(Name::result(), key)]
    } else {
        if let Some(key) = key {
            problems.push(two_ways(&what, &key, &assets[0].1));
        }
        let make = |(output, key, own): OutputAsset| {
            let own = AssetFacts { io_manager: manager_of(&output), ..own };
            own.over(&facts).output(output, key)
        };
        assets.into_iter().map(make).collect()
    };
    Some(AssetDef { step, name: name.clone(), outputs, deps, partitions, can_subset, span })
}

fn two_ways(what: &str, key: &Spanned<String>, output: &Spanned<AssetKey>) -> Diagnostic {
    Diagnostic::error("config::contradiction", format!("{what} has both `key` and outputs with a `key`"))
        .at(key.span.as_ref(), "the key of its only asset")
        .at(output.span.as_ref(), "the key of one of several")
        .hint("move the first one to the output that it is meant for")
}

/// Without `description` and `io_manager`, which a step has as well.
fn read_facts(table: &mut Table<'_>, problems: &mut Problems) -> AssetFacts {
    let plain = |found: Vec<Spanned<String>>| found.into_iter().map(|text| text.value).collect();
    let owners = table.texts("owners", problems);
    for owner in &owners {
        check_owner(owner, table.what(), problems);
    }
    let kinds = table.texts("kinds", problems);
    let words = [("content", DataVersionRule::Content), ("provenance", DataVersionRule::Provenance)];
    AssetFacts {
        group: table.name("group", "group", problems).map(|name| name.value),
        owners: table.has("owners").then(|| plain(owners)),
        kinds: table.has("kinds").then(|| plain(kinds)),
        tags: read_tags(table, "tags", problems),
        code_version: table.text("code_version", problems).map(|text| text.value),
        data_version: table.word("data_version", &words, problems),
        ..AssetFacts::default()
    }
}

/// A person by e-mail address or a team, as Dagster has it.
fn check_owner(owner: &Spanned<String>, what: &str, problems: &mut Problems) {
    let is_team = owner.value.strip_prefix("team:").is_some_and(|team| !team.is_empty());
    let is_person = owner.value.split_once('@').is_some_and(|(who, at)| !who.is_empty() && !at.is_empty());
    if !is_team && !is_person {
        problems.push(
            Diagnostic::error("config::bad-value", format!("{what}: `{}` is not an owner", owner.value))
                .at(owner.span.as_ref(), "expected an e-mail address or `team:…`")
                .hint("write for example `team:data` or `ada@example.org`"),
        );
    }
}

type OutputAsset = (Name, Spanned<AssetKey>, AssetFacts);

/// All outputs, and among them those that are assets because they have a key.
fn read_outputs(
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> (BTreeMap<Name, OutputDef>, Vec<OutputAsset>) {
    let (mut defs, mut assets) = (BTreeMap::new(), vec![]);
    for (output, node) in table.children("outputs", "output", problems) {
        let Some(mut table) = Table::new(node, format!("output `{}`", output.value), problems) else {
            continue;
        };
        let def = read_output_keys(&mut table, problems);
        if table.has("io_manager") || table.has("metadata") {
            defs.insert(output.value.clone(), def);
        }
        let mut facts = read_facts(&mut table, problems);
        facts.description = table.text("description", problems).map(|text| text.value);
        let only_of_assets =
            ["group", "owners", "kinds", "tags", "code_version", "data_version", "description"];
        if !table.has("key") && only_of_assets.iter().any(|key| table.has(key)) {
            problems.push(table.missing("key", &format!("key = \"{}\"", output.value)));
        }
        let key = table.text("key", problems).and_then(|text| asset_key(&text, problems));
        table.finish(problems);
        if let Some(key) = key {
            assets.push((output.value, key, facts));
        }
    }
    (defs, assets)
}

/// `deps = ["ref/x", { asset = "y", partitions = "last" }]`
fn read_dependencies(table: &mut Table<'_>, problems: &mut Problems) -> Vec<AssetDependencyDef> {
    let Some(node) = table.get("deps") else { return vec![] };
    let what = format!("`deps` of {}", table.what());
    let NodeKind::List(items) = &node.kind else {
        problems.push(wrong_type(&what, "a list of asset keys", node).hint(
            "write for example `[\"raw/flights\", { asset = \"raw/airlines\", partitions = \"all\" }]`",
        ));
        return vec![];
    };
    items.iter().filter_map(|item| read_dependency(item, &what, problems)).collect()
}

fn read_dependency(item: &Node, what: &str, problems: &mut Problems) -> Option<AssetDependencyDef> {
    match &item.kind {
        NodeKind::Text(key) => {
            let key = asset_key(&Spanned::new(key.clone(), item.span.clone()), problems)?;
            Some(AssetDependencyDef { key, mapping: None })
        }
        NodeKind::Map(_) => {
            let mut table = Table::new(item, format!("an entry of {what}"), problems)?;
            if !table.has("asset") {
                problems.push(table.missing("asset", "asset = \"raw/flights\""));
            }
            let key = table.text("asset", problems).and_then(|text| asset_key(&text, problems));
            let mapping = table.get("partitions").and_then(|node| read_mapping(node, what, problems));
            table.finish(problems);
            Some(AssetDependencyDef { key: key?, mapping })
        }
        _ => {
            problems.push(wrong_type(what, "an asset key or a table", item).hint(
                "write for example `\"raw/flights\"` or `{ asset = \"raw/flights\", partitions = \"all\" }`",
            ));
            None
        }
    }
}

pub(crate) fn read_asset_check(
    name: &Spanned<Name>,
    node: &Node,
    problems: &mut Problems,
) -> Option<AssetCheckDef> {
    let mut table = Table::new(node, format!("asset check `{}`", name.value), problems)?;
    if !table.has("asset") {
        problems.push(table.missing("asset", "asset = \"flights/delays\""));
    }
    let asset = table.text("asset", problems).and_then(|text| asset_key(&text, problems));
    if !table.has("op") {
        problems.push(table.missing("op", "op = \"flights.check_rows\""));
    }
    let op = table.text("op", problems).and_then(|text| op_path(&text, problems));
    let placing = read_placing(name, &mut table, "tags", problems);
    let blocking = table.truth("blocking", problems).unwrap_or(false);
    let span = table.span.cloned();
    table.finish(problems);
    let op = op?;
    let placed = Spanned::new(NodeDef::Op(op.value.clone()), op.span);
    let step = StepDef { node: placed, ..placing(NodeDef::Op(op.value)) };
    Some(AssetCheckDef { asset: asset?, description: step.description.clone(), step, blocking, span })
}

pub(crate) fn read_asset_job(
    name: &Spanned<Name>,
    node: &Node,
    problems: &mut Problems,
) -> Option<AssetJobDef> {
    let mut table = Table::new(node, format!("asset job `{}`", name.value), problems)?;
    if !table.has("select") {
        problems.push(table.missing("select", "select = \"group:flights\""));
    }
    let select = table.text("select", problems);
    let description = table.text("description", problems).map_or(String::new(), |text| text.value);
    let tags = read_tags(&mut table, "tags", problems);
    let retry = read_retry(&mut table, problems);
    let max_concurrent = read_max_concurrent(&mut table, problems);
    let tag_limits = read_limits_by_tag(&mut table, problems);
    let labels = read_labels(&mut table, problems);
    let config = read_config(&mut table, problems);
    let hooks = read_hooks(&mut table, problems);
    let span = table.span.cloned();
    table.finish(problems);
    Some(AssetJobDef {
        description,
        select: select?,
        tags,
        retry,
        max_concurrent,
        tag_limits,
        labels,
        config,
        hooks,
        span,
    })
}
