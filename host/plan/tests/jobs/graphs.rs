//! Graphs, hooks, resources, IO managers made of ops, config mappings: what they become in a plan.

use cofferdam_model::Role;

use crate::common::{job, plan, shapes, text_ops};
use crate::mapping::drawn;

fn good(toml: &str, yaml: &str) -> String {
    drawn(&plan(&text_ops(), &job(toml), yaml).unwrap_or_else(|text| panic!("{text}")))
}

fn bad(toml: &str) -> String {
    plan(&text_ops(), &job(toml), "").expect_err("a definition without meaning")
}

/// Two wide, six deep, as dagster-dask's own test of nested graphs.
fn nested() -> String {
    let mut toml = String::new();
    for depth in 0..6 {
        let inner =
            if depth == 5 { "op = \"t.pass\"".to_owned() } else { format!("graph = \"g{}\"", depth + 1) };
        let (input, output) = if depth == 5 { ("value", "result") } else { ("text", "result") };
        toml.push_str(&format!(
            "[graphs.g{depth}]\ninputs = [\"text\"]\noutputs.result = \"b.{output}\"\n\
             [graphs.g{depth}.steps.a]\n{inner}\ninputs.{input} = {{ input = \"text\" }}\n\
             [graphs.g{depth}.steps.b]\n{inner}\ninputs.{input} = \"a.{output}\"\n"
        ));
    }
    toml + "[jobs.j.steps.start]\nop = \"t.make\"\n[jobs.j.steps.outer]\ngraph = \"g0\"\ninputs.text = \"start\"\n\
            [jobs.j.steps.end]\nop = \"t.pass\"\ninputs.value = \"outer\"\n"
}

#[test]
fn a3_graphs_six_deep_and_two_wide_become_steps_with_dotted_names() {
    let plan = plan(&shapes(), &job(&nested()), "").unwrap_or_else(|text| panic!("{text}"));
    assert_eq!(plan.steps.len(), 2_usize.pow(6) + 2);
    let first = plan.find("outer.a.a.a.a.a.a").expect("the innermost first step");
    assert_eq!(
        drawn(&plan).lines().nth(first.index()).unwrap(),
        "outer.a.a.a.a.a.a over [] value=start.result"
    );
    // Each step reads the one before it, through all borders.
    for (before, step) in plan.steps.iter().zip(&plan.steps[1..]) {
        let cofferdam_model::Source::Output(from) = &step.inputs[0].source else { panic!("fed by a step") };
        assert_eq!(plan.step(from.step).key, before.key);
    }
}

#[test]
fn a_graph_may_be_mapped_collected_and_ordered_as_one() {
    let toml = r#"
[graphs.twice]
inputs = ["text"]
outputs = { once = "first", result = "second.result" }
steps.first = { op = "t.pass", inputs.value = { input = "text" } }
steps.second = { op = "t.pass", inputs.value = "first" }
[graphs.split]
outputs.items = "emit.items"
steps.emit = { op = "t.emit" }
[jobs.j.steps]
parts = { graph = "split" }
each = { graph = "twice", inputs.text = { map = "parts.items" } }
all = { op = "t.gather", inputs.all = { collect = "each" } }
once = { op = "t.gather", inputs.all = { collect = "each.once" } }
late = { op = "t.make", after = ["parts"] }
alone = { graph = "twice", inputs.text = { value = "x" }, after = ["late"] }
"#;
    insta::assert_snapshot!(good(toml, ""), @r"
        parts.emit over []
        each.first over [parts.emit.items] value=parts.emit.items
        each.second over [parts.emit.items] value=each.first.result
        all over [] all=collect each.second.result
        once over [] all=collect each.first.result
        late over []
        alone.first over [] value=value
        alone.second over [] value=alone.first.result
        ");
}

#[test]
fn inputs_of_jobs_and_graphs_that_nothing_feeds_come_from_the_run_config() {
    let toml = r#"
[graphs.g]
inputs = ["text"]
outputs.result = "first"
steps.first = { op = "t.pass", inputs.value = { input = "text" } }
[jobs.j]
inputs = ["name"]
[jobs.j.steps]
a = { op = "t.pass", inputs.value = { input = "name" } }
b = { graph = "g", inputs.text = { input = "name" } }
c = { graph = "g" }
"#;
    let yaml = "inputs: {name: x}\nops: {c: {inputs: {text: {value: y}}}}\n";
    insta::assert_snapshot!(good(toml, yaml), @r"
        a over [] value=value
        b.first over [] value=value
        c.first over [] value=value
        ");
    insta::assert_snapshot!(bad(toml), @r#"
        error[plan::missing-input]: input `text` of `c` has no source
         --> cofferdam.toml:7:47
          |
        7 | steps.first = { op = "t.pass", inputs.value = { input = "text" } }
          |                                               ^^^^^^^^^^^^^^^^^^ `c.first.value` needs it
          |
          = hint: give it in the run config as `ops.c.inputs.text`, or feed it where the graph is placed

        error[plan::missing-input]: input `name` of the job has no source
          --> cofferdam.toml:11:37
           |
        11 | a = { op = "t.pass", inputs.value = { input = "name" } }
           |                                     ^^^^^^^^^^^^^^^^^^ `a.value` needs it
           |
           = hint: give it in the run config as `inputs.name`, or feed it where the graph is placed

        error[plan::missing-input]: input `name` of the job has no source
          --> cofferdam.toml:12:34
           |
        12 | b = { graph = "g", inputs.text = { input = "name" } }
           |                                  ^^^^^^^^^^^^^^^^^^ `b.first.value` needs it
           |
           = hint: give it in the run config as `inputs.name`, or feed it where the graph is placed
        "#);
}

#[test]
fn hooks_stand_beside_their_steps() {
    let toml = r#"
[jobs.j]
hooks = [{ on = "failure", op = "t.notify", config = { channel = "jobs" } }]
[jobs.j.steps]
parts = { op = "t.emit" }
each = { op = "t.pass", inputs.value = { map = "parts.items" }, hooks = [{ on = "success", op = "t.notify" }] }
"#;
    let plan = plan(&text_ops(), &job(toml), "").unwrap_or_else(|text| panic!("{text}"));
    let hooks: Vec<String> = plan
        .steps
        .iter()
        .filter_map(|step| match &step.role {
            Role::Hook { of, on } => {
                Some(format!("{} of {} on {on:?}, {} deep", step.key, plan.step(*of).key, step.scope.len()))
            }
            _ => None,
        })
        .collect();
    insta::assert_snapshot!(hooks.join("\n"), @r"
        parts.hooks.notify of parts on Failure, 0 deep
        each.hooks.notify of each on Success, 1 deep
        each.hooks.notify_2 of each on Failure, 1 deep
        ");
}

#[test]
fn a_resource_made_of_ops_is_set_up_before_its_users_and_torn_down_after_them() {
    let toml = r#"
[resources.session]
kind = "op"
set_up = "t.open"
tear_down = "t.close"
config = { url = "db" }
[jobs.j.steps]
a = { op = "t.pass", inputs.value = { resource = "session" } }
b = { op = "t.join", inputs.a = "a", inputs.b = { resource = "session" } }
c = { op = "t.make" }
"#;
    let plan = plan(&text_ops(), &job(toml), "").unwrap_or_else(|text| panic!("{text}"));
    let down = plan.find("resources.session.tear_down").expect("a tear-down step");
    let Role::TearDown { set_up, users, .. } = &plan.step(down).role else { panic!("a tear-down") };
    assert_eq!(plan.step(*set_up).key.as_str(), "resources.session.set_up");
    let users: Vec<&str> = users.iter().map(|user| plan.step(*user).key.as_str()).collect();
    assert_eq!(users, ["a", "b"]);
    insta::assert_snapshot!(drawn(&plan), @r"
        resources.session.set_up over []
        a over [] value=resources.session.set_up.result
        b over [] a=a.result b=resources.session.set_up.result
        resources.session.tear_down over [] resource=resources.session.set_up.result
        c over []
        ");
}

#[test]
fn an_io_manager_made_of_ops_stores_behind_and_loads_before() {
    let toml = r#"
[io_managers.shelf]
kind = "op"
store = "t.put"
load = "t.get"
[jobs.j.steps]
parts = { op = "t.emit", outputs.items = { io_manager = "shelf" } }
each = { op = "t.pass", inputs.value = { map = "parts.items" }, io_manager = "shelf" }
other = { op = "t.make" }
all = { op = "t.gather", inputs.all = { collect = "each" } }
list = { op = "t.gather", inputs.all = ["other", "all"], input_managers = { all = "shelf" } }
"#;
    insta::assert_snapshot!(good(toml, ""), @r"
        parts over []
        parts.outputs.items.store over [parts.items] value=parts.items
        each.inputs.value.load over [parts.items] stored=parts.outputs.items.store.result
        each over [parts.items] value=each.inputs.value.load.result
        each.outputs.result.store over [parts.items] value=each.result
        other over []
        all.inputs.all.load over [parts.items] stored=each.outputs.result.store.result
        all over [] all=collect all.inputs.all.load.result
        list.inputs.all.load_1 over [] stored=other.result
        list.inputs.all.load_2 over [] stored=all.result
        list over [] all=[list.inputs.all.load_1.result, list.inputs.all.load_2.result]
        ");
}

#[test]
fn a_config_mapping_gives_the_steps_inside_their_config() {
    let toml = r#"
[graphs.shout]
config_mapping = { schema = { type = "object", additionalProperties = false, required = ["channel"], properties = { channel = { type = "string" } } }, ops = { one = { config = { channel = "$.channel" } }, two = { config = { channel = "${$.channel}!" } } } }
steps.one = { op = "t.notify" }
steps.two = { op = "t.notify" }
[jobs.j.steps]
loud = { graph = "shout" }
"#;
    let given = "ops: {loud: {config: {channel: hear}}}";
    let plan = plan(&text_ops(), &job(toml), given).unwrap_or_else(|text| panic!("{text}"));
    let configs: Vec<String> = plan
        .steps
        .iter()
        .map(|step| format!("{} {}", step.key, String::from_utf8_lossy(&step.config)))
        .collect();
    assert!(configs[0].starts_with("loud.one ") && configs[0].ends_with("hear"), "{configs:?}");
    assert!(configs[1].starts_with("loud.two ") && configs[1].ends_with("hear!"), "{configs:?}");
    insta::assert_snapshot!(bad(toml), @r#"
        error[plan::missing-config]: `ops.loud.config` has no `channel`
         --> cofferdam.toml:9:1
          |
        9 | loud = { graph = "shout" }
          | ^^^^ `channel` is needed
          |
          = hint: add for example `channel: "text"`
        "#);
}

#[test]
fn graphs_hooks_resources_and_managers_without_meaning_are_refused_in_words() {
    let cases = [
        "[jobs.j.steps]\na = { graph = \"missing\" }",
        "[graphs.g]\nsteps.a = { graph = \"h\" }\n[graphs.h]\nsteps.a = { graph = \"g\" }\n[jobs.j.steps]\na = { graph = \"g\" }",
        "[graphs.g]\noutputs.result = \"nobody\"\nsteps.a = { op = \"t.make\" }\n[jobs.j.steps]\na = { graph = \"g\" }\nb = { op = \"t.pass\", inputs.value = \"a\" }\nc = { op = \"t.pass\", inputs.value = \"a.other\" }",
        "[graphs.g]\ninputs = [\"text\"]\nsteps.a = { op = \"t.pass\", inputs.value = { input = \"tetx\" } }\n[jobs.j.steps]\na = { graph = \"g\", inputs.text = { value = \"x\" }, inputs.more = { value = 1 } }\nb = { graph = \"g\", inputs.text = { value = \"x\" } }",
        "[graphs.g]\nsteps.a = { op = \"t.make\" }\n[jobs.j.steps]\na = { graph = \"g\", retry = { max_retries = 1 }, priority = 2 }",
        "[jobs.j]\nhooks = [{ on = \"failure\", op = \"t.pass\" }, { on = \"success\", op = \"t.notfy\" }]\n[jobs.j.steps]\na = { op = \"t.make\" }\nb = { op = \"t.make\" }",
        "[jobs.j.steps]\na = { op = \"t.query\" }",
        "[resources.db]\nkind = \"keyvalue\"\nbackend = \"memory\"\n[jobs.j.steps]\na = { op = \"t.query\" }\nb = { op = \"t.query\", bind = { bd = \"db\" } }",
        "[resources.db]\nkind = \"keyvalue\"\nbackend = \"memory\"\n[jobs.j.steps]\na = { op = \"t.pass\", inputs.value = { resource = \"db\" } }\nb = { op = \"t.pass\", inputs.value = { resource = \"dp\" } }",
        "[resources.s]\nkind = \"op\"\nset_up = \"t.pass\"\ntear_down = \"t.join\"\n[jobs.j.steps]\na = { op = \"t.pass\", inputs.value = { resource = \"s\" } }",
        "[io_managers.m]\nkind = \"op\"\nstore = \"t.join\"\nload = \"t.get\"\n[jobs.j.steps]\na = { op = \"t.make\", io_manager = \"m\" }\nb = { op = \"t.make\", io_manager = \"n\", outputs.other = {} }",
    ];
    let shown: Vec<String> = cases.iter().map(|case| bad(case)).collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
        error[plan::unknown-graph]: there is no graph `missing`
         --> cofferdam.toml:4:15
          |
        4 | a = { graph = "missing" }
          |               ^^^^^^^^^ graph of step `a`
          |
          = hint: there is none


        error[plan::graph-in-itself]: graph `g` contains itself: g > h > g
         --> cofferdam.toml:6:21
          |
        6 | steps.a = { graph = "g" }
          |                     ^^^ placed here
          |
          = hint: a graph is opened when the plan is made, so it cannot recur; map over a dynamic output to repeat work


        error[plan::unknown-step]: there is no step `nobody`
         --> cofferdam.toml:4:18
          |
        4 | outputs.result = "nobody"
          |                  ^^^^^^^^ source of `outputs.result`
          |
          = hint: known: `a`

        error[plan::unknown-output]: step `a` (graph `g`) has no output `other`
         --> cofferdam.toml:9:37
          |
        9 | c = { op = "t.pass", inputs.value = "a.other" }
          |                                     ^^^^^^^^^ source of `c.value`
          |
          = hint: known: `result`


        error[plan::unknown-input]: graph `g` has no input `tetx`
         --> cofferdam.toml:5:43
          |
        5 | steps.a = { op = "t.pass", inputs.value = { input = "tetx" } }
          |                                           ^^^^^^^^^^^^^^^^^^ source of `a.value`
          |
          = hint: did you mean `text`? known: `text`; list it in the `inputs` of the graph or job

        error[plan::unknown-input]: graph `g` has no input `more`
         --> cofferdam.toml:7:58
          |
        7 | a = { graph = "g", inputs.text = { value = "x" }, inputs.more = { value = 1 } }
          |                                                          ^^^^ input of step `a`
          |
          = hint: known: `text`


        error[plan::not-for-graphs]: step `a` places a graph, `retry` is for steps that run an op
         --> cofferdam.toml:6:1
          |
        6 | a = { graph = "g", retry = { max_retries = 1 }, priority = 2 }
          | ^ places a graph
          |
          = hint: put `retry` on the steps inside of the graph

        error[plan::not-for-graphs]: step `a` places a graph, `priority` is for steps that run an op
         --> cofferdam.toml:6:1
          |
        6 | a = { graph = "g", retry = { max_retries = 1 }, priority = 2 }
          | ^ places a graph
          |
          = hint: put `priority` on the steps inside of the graph


        error[plan::bad-hook]: op `t.pass` cannot be a hook: its input `value` has no source
         --> cofferdam.toml:4:33
          |
        4 | hooks = [{ on = "failure", op = "t.pass" }, { on = "success", op = "t.notfy" }]
          |                                 ^^^^^^^^ hook
          |
          = hint: a hook is given one input, `event`; the rest is config

        error[plan::unknown-op]: library `t` has no op `notfy`
         --> cofferdam.toml:4:68
          |
        4 | hooks = [{ on = "failure", op = "t.pass" }, { on = "success", op = "t.notfy" }]
          |                                                                    ^^^^^^^^^ hook
          |
          = hint: did you mean `notify`? known: `emit`, `spread`, `make`, `pass`, `join`, `gather`, `notify`, `open`, `close`, `put`, `get`, `query`


        error[plan::missing-resource]: step `a` needs a resource `db` of kind `sql`, there is no resource `db`
         --> cofferdam.toml:4:1
          |
        4 | a = { op = "t.query" }
          | ^ needs `db`
          |
          = hint: there is none; define it as `[resources.db]` with `kind = "sql"`, or bind another one with `bind = { db = "NAME" }`


        error[plan::resource-kind]: step `a` needs `db` to be of kind `sql`, resource `db` is of kind `keyvalue`
         --> cofferdam.toml:7:1
          |
        4 | kind = "keyvalue"
          |        ---------- is of kind `keyvalue`
        ...
        7 | a = { op = "t.query" }
          | ^ needs kind `sql`
          |
          = hint: bind a resource of the right kind

        error[plan::resource-kind]: step `b` needs `db` to be of kind `sql`, resource `db` is of kind `keyvalue`
         --> cofferdam.toml:8:1
          |
        4 | kind = "keyvalue"
          |        ---------- is of kind `keyvalue`
        ...
        8 | b = { op = "t.query", bind = { bd = "db" } }
          | ^ needs kind `sql`
          |
          = hint: bind a resource of the right kind

        error[plan::unknown-binding]: op `query` needs no resource `bd`
         --> cofferdam.toml:8:37
          |
        8 | b = { op = "t.query", bind = { bd = "db" } }
          |                                     ^^^^ bound in step `b`
          |
          = hint: did you mean `db`? known: `db`


        error[plan::resource-kind]: resource `db` is of kind `keyvalue` and has no value that `a.value` could take
         --> cofferdam.toml:7:37
          |
        4 | kind = "keyvalue"
          |        ---------- is of kind `keyvalue`
        ...
        7 | a = { op = "t.pass", inputs.value = { resource = "db" } }
          |                                     ^^^^^^^^^^^^^^^^^^^ expected a resource of kind `op`
          |
          = hint: an op reaches it by declaring that it needs it, not through an input

        error[plan::missing-resource]: there is no resource `dp`
         --> cofferdam.toml:8:37
          |
        8 | b = { op = "t.pass", inputs.value = { resource = "dp" } }
          |                                     ^^^^^^^^^^^^^^^^^^^ source of `b.value`
          |
          = hint: did you mean `db`? known: `db`


        error[plan::bad-resource-op]: `set_up` of resource `s`: op `pass` has an input `value`, it can have none
         --> cofferdam.toml:5:10
          |
        5 | set_up = "t.pass"
          |          ^^^^^^^^ cannot be used here
          |
          = hint: `set_up` takes config only and gives the output `result`; `tear_down` takes that as its input `resource`


        error[plan::bad-io-manager-op]: IO manager `m`: op `join` must take one input `value` and give one output `result`
         --> cofferdam.toml:5:9
          |
        5 | store = "t.join"
          |         ^^^^^^^^ cannot be used here
          |
          = hint: `store` takes `value` and gives what is kept; `load` takes that as `stored` and gives the value

        error[plan::missing-io-manager]: there is no IO manager `n`
         --> cofferdam.toml:9:35
          |
        9 | b = { op = "t.make", io_manager = "n", outputs.other = {} }
          |                                   ^^^ IO manager of `b.result`
          |
          = hint: known: `m`

        error[plan::unknown-output]: op `make` has no output `other`
         --> cofferdam.toml:9:56
          |
        9 | b = { op = "t.make", io_manager = "n", outputs.other = {} }
          |                                                        ^^ output of step `b`
          |
          = hint: known: `result`
        "#);
}
