//! Selections of assets: which attributes this graph has. The language itself is tested in the crate `select`.

use crate::kit::{Kit, name};

fn shop() -> Kit {
    let mut kit = Kit::default();
    kit.external("site/clicks", None)
        .asset("raw/clicks", None, &[("site/clicks", None)])
        .asset("raw/orders", None, &[])
        .table(
            "facts",
            &[("sales", "facts/sales"), ("returns", "facts/returns")],
            None,
            &[("raw/orders", None)],
        )
        .asset("report", None, &[("facts/sales", None), ("raw/clicks", None)]);
    for (table, group, owner, kind, tag) in [
        ("raw_clicks", "raw", "ann@example.com", "arrow", ("tier", "1")),
        ("raw_orders", "raw", "team:data", "arrow", ("tier", "2")),
        ("report", "marts", "team:data", "pdf", ("public", "")),
    ] {
        let output = &mut kit.definitions.assets.get_mut(&name(table)).unwrap().outputs[0];
        output.group = name(group);
        output.owners.push(owner.to_owned());
        output.kinds.push(kind.to_owned());
        output.tags.insert(tag.0.to_owned(), tag.1.to_owned());
    }
    kit
}

fn selected(texts: &[&str]) -> String {
    let assets = shop().graph();
    match assets.graph.select(texts) {
        Ok(selected) => {
            let keys = selected.iter().map(|idx| assets.graph.asset(*idx).key.to_string());
            keys.collect::<Vec<_>>().join(" ")
        }
        Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    }
}

#[test]
fn assets_are_selected_by_key_group_owner_tag_kind_and_place() {
    assert_eq!(selected(&["*"]), "facts/sales facts/returns raw/clicks raw/orders report");
    assert_eq!(selected(&["key:\"facts/*\""]), "facts/sales facts/returns");
    assert_eq!(selected(&["group:raw and not owner:\"team:data\""]), "raw/clicks");
    assert_eq!(selected(&["tag:tier=2 or tag:public"]), "raw/orders report");
    assert_eq!(selected(&["kind:arrow"]), "raw/clicks raw/orders");
    assert_eq!(selected(&["is:external"]), "site/clicks");
    assert_eq!(selected(&["owner:<null> and group:default"]), "facts/sales facts/returns");
    assert_eq!(selected(&["key:\"raw/orders\"+1"]), "facts/sales facts/returns raw/orders");
    assert_eq!(selected(&["sinks(key:report or key:\"facts/returns\")"]), "facts/returns report");
    assert_eq!(selected(&["*report"]), "facts/sales raw/clicks raw/orders report");
    assert_eq!(selected(&["raw/clicks", "report"]), "raw/clicks report");
}

#[test]
fn what_is_unknown_is_told() {
    assert_eq!(selected(&["raw/click"]), "there is no asset `raw/click`");
    assert_eq!(selected(&["status:stale"]), "`status` of assets is not known here");
    assert_eq!(selected(&["group:none"]), "nothing is selected by `group:\"none\"`");
}
