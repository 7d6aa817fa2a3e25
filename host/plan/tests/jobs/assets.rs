//! Selections of ops, and assets as jobs: which steps are there, what they read, what they make.

use std::collections::BTreeMap;

use cofferdam_config::{Texts, read_definitions, render};
use cofferdam_model::{
    AssetKey, CBOR, Definitions, Materialization, Plan, Role, RunConfig, Timestamp, ValueRef,
};
use cofferdam_plan::{
    Catalog, Present, Request, Target, World, check, compile, expand_defaults, file_sources, with_config_tree,
};

use crate::common::{WIDTH, job, name, text_ops};
use crate::mapping::drawn;

/// 2026-01-04T00:00:00Z
const NOW: Timestamp = Timestamp(1_767_484_800_000);

fn made(key: &str, partition: Option<&str>, value: &str) -> ((AssetKey, Option<String>), Materialization) {
    let key = AssetKey::parse(key).unwrap();
    let value = ValueRef::inline(CBOR, cofferdam_plan::encode_cbor(&value.into()));
    let partition = partition.map(str::to_owned);
    let materialization = Materialization {
        key: key.clone(),
        partition: partition.clone(),
        code_version: "1".to_owned(),
        data_version: value.digest.hex(),
        inputs: vec![],
        value: Some(value),
        metadata: vec![],
    };
    ((key, partition), materialization)
}

struct Asked<'a> {
    target: Target<'a>,
    selection: &'a [String],
    partition: Option<&'a str>,
    latest: Catalog,
}

fn definitions(toml: &str) -> (Texts, Definitions) {
    let mut texts = Texts::default();
    let (defs, found) = read_definitions(&mut texts, "cofferdam.toml", job(toml));
    assert!(found.is_empty(), "{}", render(&texts, &found, false, WIDTH));
    (texts, defs)
}

fn planned(toml: &str, asked: Asked<'_>) -> Result<Plan, String> {
    let (texts, defs) = definitions(toml);
    let run_config = RunConfig::default();
    let request = Request {
        target: asked.target,
        run_config: &run_config,
        environment: None,
        selection: asked.selection,
        partition: asked.partition,
    };
    let present = Present { now: NOW, ..Present::default() };
    let world = World { catalog: asked.latest, present, ..World::default() };
    match compile(&defs, &text_ops(), request, &world) {
        Ok((plan, _)) => Ok(plan),
        Err(found) => Err(render(&texts, &found, false, WIDTH)),
    }
}

fn selected(selection: &[&str]) -> Result<Plan, String> {
    let toml = r#"
[graphs.twice]
inputs = ["text"]
outputs.result = "second"
steps.first = { op = "t.pass", inputs.value = { input = "text" } }
steps.second = { op = "t.pass", inputs.value = "first" }
[jobs.j.steps]
a = { op = "t.make" }
b = { graph = "twice", inputs.text = "a" }
c = { op = "t.gather", inputs.all = ["a", "b"] }
d = { op = "t.notify", after = ["c"], config = { channel = "x" } }
"#;
    let selection: Vec<String> = selection.iter().map(|text| (*text).to_owned()).collect();
    let job = name("j");
    planned(
        toml,
        Asked { target: Target::Job(&job), selection: &selection, partition: None, latest: BTreeMap::new() },
    )
}

#[test]
fn a_selection_leaves_steps_out_and_cuts_what_they_would_have_given() {
    let keys = |selection: &[&str]| {
        let plan = selected(selection).unwrap_or_else(|text| panic!("{text}"));
        plan.steps.iter().map(|step| step.key.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(keys(&[]), "a b.first b.second c d");
    assert_eq!(keys(&["*c"]), "a b.first b.second c");
    assert_eq!(keys(&["name:\"a\" or name:\"d\""]), "a d");
    assert_eq!(keys(&["a", "c"]), "a c");
    let plan = selected(&["a", "c"]).unwrap();
    assert_eq!(plan.selection.as_deref(), Some("name:\"a\" or name:\"c\""));
    // Of the list, what was not selected is left out.
    insta::assert_snapshot!(drawn(&plan), @r"
        a over []
        c over [] all=[a.result]
        ");
    insta::assert_snapshot!(selected(&["b"]).unwrap_err(), @r#"
        error[plan::not-selected]: input `b.first.value` reads `a.result`, which is not selected
          --> cofferdam.toml:11:38
           |
        11 | b = { graph = "twice", inputs.text = "a" }
           |                                      ^^^ left out by the selection
           |
           = hint: add `a` to the selection, or give `ops.b.ops.first.inputs.value` in the run config
        "#);
    insta::assert_snapshot!(selected(&["cc+", "**a"]).unwrap_err(), @r"
        error[plan::bad-selection]: selection: expected a name, found `*`
         |
         = hint: one `*` stands for all levels
        ");
}

#[test]
fn a_selection_that_leaves_a_mapping_out_says_which_step_to_add() {
    let toml = r#"
[jobs.j.steps]
emit = { op = "t.emit" }
each = { op = "t.pass", inputs.value = { map = "emit.items" } }
more = { op = "t.pass", inputs.value = "each" }
all = { op = "t.gather", inputs.all = { collect = "more" } }
"#;
    let job = name("j");
    let message = |selection: &[&str]| {
        let selection: Vec<String> = selection.iter().map(|text| (*text).to_owned()).collect();
        let target = Target::Job(&job);
        planned(toml, Asked { target, selection: &selection, partition: None, latest: Catalog::new() })
            .unwrap_err()
    };
    insta::assert_snapshot!(message(&["all"]), @r#"
        error[plan::not-selected]: input `all.all` collects `more.result`, which is not selected
         --> cofferdam.toml:8:39
          |
        8 | all = { op = "t.gather", inputs.all = { collect = "more" } }
          |                                       ^^^^^^^^^^^^^^^^^^^^ left out by the selection
          |
          = hint: add `more` to the selection, or give `ops.all.inputs.all` in the run config
        "#);
    insta::assert_snapshot!(message(&["each", "more", "all"]), @r#"
        error[plan::not-selected]: input `each.value` is mapped over `emit.items`, which is not selected
         --> cofferdam.toml:6:40
          |
        6 | each = { op = "t.pass", inputs.value = { map = "emit.items" } }
          |                                        ^^^^^^^^^^^^^^^^^^^^^^ left out by the selection
          |
          = hint: add `emit` to the selection, or give `ops.each.inputs.value` in the run config

        error[plan::not-selected]: `more.result` is a single value here: what its step is mapped over is not selected
         --> cofferdam.toml:8:39
          |
        8 | all = { op = "t.gather", inputs.all = { collect = "more" } }
          |                                       ^^^^^^^^^^^^^^^^^^^^ nothing to collect
          |
          = hint: add `emit` to the selection
        "#);
    insta::assert_snapshot!(message(&["more", "all"]), @r#"
        error[plan::not-selected]: input `more.value` reads `each.result`, which is not selected
         --> cofferdam.toml:7:40
          |
        7 | more = { op = "t.pass", inputs.value = "each" }
          |                                        ^^^^^^ left out by the selection
          |
          = hint: add `each` to the selection, or give `ops.more.inputs.value` in the run config

        error[plan::not-selected]: `more.result` is a single value here: what its step is mapped over is not selected
         --> cofferdam.toml:8:39
          |
        8 | all = { op = "t.gather", inputs.all = { collect = "more" } }
          |                                       ^^^^^^^^^^^^^^^^^^^^ nothing to collect
          |
          = hint: add `emit`, `each` to the selection
        "#);
}

const ASSETS: &str = r#"
[partitions.daily]
kind = "daily"
start = "2026-01-01"
[assets.raw]
key = "raw/text"
op = "t.make"
partitions = "daily"
group = "raw"
[assets.clean]
op = "t.pass"
inputs.value = { asset = "raw/text" }
partitions = "daily"
[assets.summary]
op = "t.gather"
inputs.all = { asset = "clean", partitions = "all" }
[assets.fetched]
key = "outside"
external = true
[asset_checks.not_empty]
asset = "raw/text"
op = "t.pass"
blocking = true
[asset_jobs.refresh]
select = "key:\"raw/text\" or key:\"clean\""
[asset_jobs.last]
select = "key:\"summary\""
"#;

#[test]
fn an_asset_job_makes_what_is_selected_for_one_partition_with_its_checks() {
    let refresh = name("refresh");
    let asked = |partition| Asked {
        target: Target::Job(&refresh),
        selection: &[],
        partition,
        latest: BTreeMap::new(),
    };
    let plan = planned(ASSETS, asked(Some("2026-01-02"))).unwrap_or_else(|text| panic!("{text}"));
    insta::assert_snapshot!(drawn(&plan), @r"
        raw over []
        not_empty over [] value=raw.result
        clean over [] value=raw.result
        ");
    let check = plan.step(plan.find("not_empty").unwrap());
    assert!(
        matches!(&check.role, Role::Check { blocking: true, asset, .. } if asset.to_string() == "raw/text")
    );
    let clean = plan.step(plan.find("clean").unwrap());
    assert_eq!(clean.after, [plan.find("not_empty").unwrap()]);
    let asset = clean.outputs[0].asset.as_ref().expect("it is an asset");
    assert_eq!((asset.key.to_string().as_str(), asset.partition.as_deref()), ("clean", Some("2026-01-02")));
    assert_eq!(asset.inputs.len(), 1);
    assert_eq!(plan.partition.as_deref(), Some("2026-01-02"));
    assert_eq!(asset.partitions, []);

    let plan =
        planned(ASSETS, asked(Some("2026-01-01...2026-01-03"))).unwrap_or_else(|text| panic!("{text}"));
    let clean = plan.step(plan.find("clean").unwrap());
    let asset = clean.outputs[0].asset.as_ref().expect("it is an asset");
    let made: Vec<String> = asset
        .partitions
        .iter()
        .map(|made| {
            let read = made.inputs.iter().map(|at| asset.inputs[*at as usize].partition.as_deref());
            format!("{} from {:?}", made.key, read.collect::<Vec<_>>())
        })
        .collect();
    insta::assert_snapshot!(made.join("\n"), @r#"
        2026-01-01 from [Some("2026-01-01")]
        2026-01-02 from [Some("2026-01-02")]
        2026-01-03 from [Some("2026-01-03")]
        "#);
    insta::assert_snapshot!(planned(ASSETS, asked(None)).unwrap_err(), @r"
        error[assets::no-partition]: `clean` has partitions, and none is given
         |
         = hint: the last one is `2026-01-03`
        ");
    insta::assert_snapshot!(planned(ASSETS, asked(Some("2026-01-09"))).unwrap_err(), @r"
        error[assets::partition]: `clean` has other partitions: the window `2026-01-09` comes after the last one, `2026-01-03`
         |
         = hint: a window exists once it has ended; `end_offset` adds later ones
        ");
}

#[test]
fn an_asset_that_is_not_made_here_is_read_as_it_was_made_before() {
    let last = name("last");
    let days = ["2026-01-01", "2026-01-02", "2026-01-03"];
    let latest: BTreeMap<_, _> = days.iter().map(|day| made("clean", Some(day), day)).collect();
    let asked = |latest| Asked { target: Target::Job(&last), selection: &[], partition: None, latest };
    let plan = planned(ASSETS, asked(latest.clone())).unwrap_or_else(|text| panic!("{text}"));
    insta::assert_snapshot!(drawn(&plan), @"summary over [] all=3 values");
    let inputs = &plan.steps[0].outputs[0].asset.as_ref().unwrap().inputs;
    let versions: Vec<_> = inputs.iter().map(|input| input.data_version.clone().unwrap()).collect();
    assert_eq!(versions, latest.values().map(|made| made.data_version.clone()).collect::<Vec<_>>());
    let two = latest.into_iter().take(2).collect();
    insta::assert_snapshot!(planned(ASSETS, asked(two)).unwrap_err(), @r#"
        error[plan::asset-missing]: asset `clean`, partition `2026-01-03`, has never been materialized
          --> cofferdam.toml:18:14
           |
        18 | inputs.all = { asset = "clean", partitions = "all" }
           |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ source of `summary.all`
           |
           = hint: materialize it first: `cofferdam asset materialize 'key:"clean"'`
        "#);
}

#[test]
fn assets_are_selected_by_hand() {
    let texts = ["group:\"raw\"".to_owned()];
    let asked = Asked {
        target: Target::Assets(&texts),
        selection: &[],
        partition: Some("2026-01-03"),
        latest: BTreeMap::new(),
    };
    let plan = planned(ASSETS, asked).unwrap_or_else(|text| panic!("{text}"));
    assert_eq!(plan.steps.iter().map(|step| step.key.as_str()).collect::<Vec<_>>(), ["raw", "not_empty"]);
    let unknown = ["group:\"rw\"".to_owned()];
    let asked =
        Asked { target: Target::Assets(&unknown), selection: &[], partition: None, latest: BTreeMap::new() };
    insta::assert_snapshot!(planned(ASSETS, asked).unwrap_err(), @r#"
        error[plan::bad-selection]: selection: nothing is selected by `group:"rw"`
         |
         = hint: write `*` to select everything
        "#);
}

/// What `check` says at an instant.
fn checked(toml: &str, now: Timestamp) -> String {
    let (texts, defs) = definitions(toml);
    let present = Present { now, ..Present::default() };
    render(&texts, &check(&defs, &text_ops(), &present), false, WIDTH)
}

#[test]
fn what_is_made_by_partition_is_checked_without_choosing_one() {
    assert_eq!(checked(ASSETS, NOW), "");
    let bad = ASSETS.replace("[assets.clean]", "[assets.clean]\nconfig = { chanel = 1 }");
    insta::assert_snapshot!(checked(&bad, NOW), @r"
        error[plan::unknown-key]: `ops.clean.config`: there is nothing to configure
          --> cofferdam.toml:13:10
           |
        13 | config = { chanel = 1 }
           |          ^^^^^^^^^^^^^^ its op takes no config
           |
           = hint: remove it
        ");
}

#[test]
fn before_the_first_partition_there_is_a_warning_and_everything_else_is_checked() {
    insta::assert_snapshot!(checked(ASSETS, Timestamp(0)), @r"
        warning[plan::no-partition-yet]: asset `clean` has no partition yet
         |
         = hint: what its steps read of other assets is checked when there is one
        ");
    let bad = ASSETS.replace("[assets.clean]", "[assets.clean]\nconfig = { chanel = 1 }");
    insta::assert_snapshot!(checked(&bad, Timestamp(0)), @r"
        error[plan::unknown-key]: `ops.clean.config`: there is nothing to configure
          --> cofferdam.toml:13:10
           |
        13 | config = { chanel = 1 }
           |          ^^^^^^^^^^^^^^ its op takes no config
           |
           = hint: remove it

        warning[plan::no-partition-yet]: asset `clean` has no partition yet
         |
         = hint: what its steps read of other assets is checked when there is one
        ");
}

#[test]
fn files_and_config_of_what_is_made_by_partition_are_found() {
    let toml = r#"
[partitions.daily]
kind = "daily"
start = "2026-01-01"
[assets.told]
op = "t.notify"
partitions = "daily"
[assets.read]
op = "t.pass"
partitions = "daily"
inputs.value = { file = "data/day.cbor" }
[asset_jobs.all]
select = "*"
"#;
    let toml = toml.replace("t.notify", "t.configured");
    let (_, defs) = definitions(&toml);
    let mut libraries = text_ops();
    let spec = &mut libraries.get_mut(&name("t")).unwrap().1;
    let mut op = spec.op(&name("notify")).unwrap().clone();
    op.name = name("configured");
    op.outputs = spec.op(&name("make")).unwrap().outputs.clone();
    spec.ops.push(op);
    let present = Present { now: NOW, ..Present::default() };
    let (all, run_config) = (name("all"), RunConfig::default());
    for partition in [None, Some("2026-01-02")] {
        let request = Request { partition, ..Request::job(&all, &run_config) };
        let (files, found) = file_sources(&defs, &libraries, request, &present, &BTreeMap::new());
        assert_eq!((files.len(), found), (1, vec![]));
        let written =
            with_config_tree(&defs, &libraries, request, &present, |tree| expand_defaults(tree, None));
        assert_eq!(written.unwrap().0, "ops:\n  told:\n    config:\n      channel: all\n");
    }
}
