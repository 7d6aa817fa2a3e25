//! The graph that definitions make: dependencies, asset jobs, checks.

use cofferdam_assets::{AssetGraph, Mapping};
use cofferdam_model::{
    AssetCheckDef, AssetJobDef, Cadence, GraphDef, NodeDef, OpPath, PartitionMappingDef, SourceDef, Spanned,
    StepDef,
};

use crate::kit::{Kit, bare, fixed, key, name, windows};

fn step(called: &str, node: NodeDef, takes: &[(&str, &str)]) -> StepDef {
    let mut step = StepDef::new(name(called), node);
    let input = |(input, asset): &(&str, &str)| (bare(name(input)), bare(SourceDef::Asset(key(asset), None)));
    step.inputs = takes.iter().map(input).collect();
    step
}

fn op() -> NodeDef {
    NodeDef::Op(OpPath { library: name("lib"), op: name("make") })
}

#[test]
fn assets_are_made_from_what_their_inputs_and_inner_steps_take_and_what_comes_first() {
    let mut kit = Kit::default();
    kit.asset("a", None, &[]).asset("b", None, &[]).asset("c", None, &[]).asset("d", None, &[("a", None)]);
    let inner = GraphDef { steps: vec![step("deep", op(), &[("text", "c")])], ..GraphDef::default() };
    let again = step("again", NodeDef::Graph(name("outer")), &[]);
    let nested = step("nested", NodeDef::Graph(name("inner")), &[]);
    let outer = GraphDef { steps: vec![nested, again], ..GraphDef::default() };
    kit.definitions.graphs = [(name("inner"), inner), (name("outer"), outer)].into();
    let def = kit.definitions.assets.get_mut(&name("d")).unwrap();
    def.step = Some(step("d", NodeDef::Graph(name("outer")), &[("table", "b")]));
    let graph = kit.graph().graph;
    let maker = graph.maker_of(graph.find(&key("d")).unwrap());
    let taken: Vec<String> = maker
        .upstream
        .iter()
        .map(|dep| {
            format!("{} {:?}", graph.asset(dep.asset).key, dep.input.as_ref().map(|name| name.as_str()))
        })
        .collect();
    assert_eq!(taken, ["b Some(\"table\")", "c None", "a None"]);
    assert!(
        maker.upstream.iter().all(|dep| dep.mapping == Mapping::All),
        "without partitions it is all of it"
    );
    let order: Vec<&str> = graph.order().iter().map(|maker| graph.maker(*maker).name.as_str()).collect();
    assert_eq!(order, ["a", "b", "c", "d"]);
}

fn select(kit: &mut Kit, job: &str, selection: &str) {
    let span = kit.place(&format!("\"{selection}\""));
    let def = AssetJobDef {
        description: String::new(),
        select: Spanned::new(selection.to_owned(), span),
        tags: Default::default(),
        retry: None,
        max_concurrent: None,
        tag_limits: vec![],
        labels: Default::default(),
        config: None,
        hooks: vec![],
        span: None,
    };
    kit.definitions.asset_jobs.insert(name(job), def);
}

fn shop() -> Kit {
    let mut kit = Kit::default();
    kit.partitions("days", windows(Cadence::Daily, "2026-11-01"))
        .partitions("shops", fixed(&["hamburg", "cuxhaven"]))
        .external("site", None)
        .asset("clicks", Some("days"), &[("site", None)])
        .asset("sales", Some("days"), &[])
        .asset("staff", Some("shops"), &[])
        .asset("report", None, &[("clicks", Some(PartitionMappingDef::Last)), ("sales", None)]);
    kit
}

#[test]
fn an_asset_job_is_what_it_selects_with_the_partitions_that_all_have() {
    let mut kit = shop();
    select(&mut kit, "all", "key:clicks or key:sales or key:report");
    select(&mut kit, "last", "key:report");
    let graph = kit.graph().graph;
    let (jobs, mistakes) = graph.jobs(&kit.definitions);
    assert_eq!(mistakes, []);
    let keys = |job: &str| {
        let assets = jobs[&name(job)].assets.iter();
        assets.map(|asset| graph.asset(*asset).key.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!((keys("all"), keys("last")), ("clicks report sales".to_owned(), "report".to_owned()));
    assert_eq!(jobs[&name("all")].partitions, graph.maker_of(graph.find(&key("sales")).unwrap()).partitions);
    assert_eq!(jobs[&name("last")].partitions, None);
}

#[test]
fn asset_jobs_that_make_no_sense_are_told_where_they_go_wrong() {
    let mut kit = shop();
    select(&mut kit, "a", "key:clicks or key:sale");
    select(&mut kit, "b", "key:clicks or");
    select(&mut kit, "c", "key:sales or key:staff");
    select(&mut kit, "d", "key:site");
    let (graph, _) = AssetGraph::new(&kit.definitions);
    insta::assert_snapshot!(kit.show(&graph.jobs(&kit.definitions).1), @r#"
        [select::unknown-name] there is no asset `sale`
          > key:sale  unknown name
          hint: did you mean `sales`?
        [select::syntax] expected an attribute, found the end
          >   expected an attribute
        [assets::unlike-partitions] the asset job `c` selects `sales` and `staff`, which have different partitions
          > "key:sales or key:staff"
          hint: one run makes assets of the same partitions
        [assets::external] the asset job `d` selects `site`, which is made elsewhere
          > "key:site"
          hint: add `and is:materializable`
        "#);
}

#[test]
fn checks_belong_to_assets() {
    let mut kit = shop();
    for (check, asset) in [("fresh", "sales"), ("whole", "sales"), ("lost", "sails")] {
        let span = kit.place(&format!("asset = \"{asset}\""));
        let def = AssetCheckDef {
            asset: Spanned::new(key(asset), span),
            step: step(check, op(), &[]),
            blocking: true,
            description: String::new(),
            span: None,
        };
        kit.definitions.asset_checks.insert(name(check), def);
    }
    let graph = kit.graph().graph;
    let (checks, mistakes) = graph.checks(&kit.definitions);
    assert_eq!(checks, [(graph.find(&key("sales")).unwrap(), vec![name("fresh"), name("whole")])].into());
    insta::assert_snapshot!(kit.show(&mistakes), @r#"
        [assets::unknown-asset] there is no asset `sails`
          > asset = "sails"
        "#);
}
