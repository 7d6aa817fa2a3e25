//! Mapped steps: which scope each gets, what feeds it, and the wirings that have no meaning.

use cofferdam_model::{Plan, Source};

use crate::common::{job, plan, shapes};

/// `step scope <- source of each input`, one line a step.
pub(crate) fn drawn(plan: &Plan) -> String {
    let path = |from: &cofferdam_model::OutputRef| format!("{}.{}", plan.step(from.step).key, from.output);
    let mut out = String::new();
    for step in &plan.steps {
        let scope: Vec<String> = step.scope.iter().map(path).collect();
        let inputs: Vec<String> = step
            .inputs
            .iter()
            .map(|input| match &input.source {
                Source::Value(_) => format!("{}=value", input.name),
                Source::Values(values) => format!("{}={} values", input.name, values.len()),
                Source::Output(from) => format!("{}={}", input.name, path(from)),
                Source::FanIn(from) => {
                    let list: Vec<String> = from.iter().map(path).collect();
                    format!("{}=[{}]", input.name, list.join(", "))
                }
                Source::Collect(from) => format!("{}=collect {}", input.name, path(from)),
            })
            .collect();
        let line = format!("{} over [{}] {}", step.key, scope.join(" > "), inputs.join(" "));
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn good(steps: &str) -> String {
    drawn(&plan(&shapes(), &job(steps), "").unwrap_or_else(|text| panic!("{text}")))
}

fn bad(steps: &str) -> String {
    plan(&shapes(), &job(steps), "").expect_err("a wiring without meaning")
}

#[test]
fn a_map_inside_a_map_has_two_scopes_and_each_collect_takes_one_off() {
    let steps = r#"
[jobs.j.steps]
outer = { op = "t.emit" }
inner = { op = "t.spread", inputs.value = { map = "outer.items" } }
leaf = { op = "t.pass", inputs.value = { map = "inner.items" } }
chain = { op = "t.join", inputs.a = "leaf", inputs.b = "inner.items" }
above = { op = "t.join", inputs.a = "leaf", inputs.b = "outer.items" }
per_outer = { op = "t.gather", inputs.all = { collect = "chain" } }
all = { op = "t.gather", inputs.all = { collect = "per_outer" } }
keys = { op = "t.gather", inputs.all = { collect = "outer.items" } }
"#;
    insta::assert_snapshot!(good(steps), @r"
        outer over []
        inner over [outer.items] value=outer.items
        leaf over [outer.items > inner.items] value=inner.items
        chain over [outer.items > inner.items] a=leaf.result b=inner.items
        above over [outer.items > inner.items] a=leaf.result b=outer.items
        per_outer over [outer.items] all=collect chain.result
        all over [] all=collect per_outer.result
        keys over [] all=collect outer.items
        ");
}

#[test]
fn one_value_feeds_every_copy_and_a_list_keeps_its_order() {
    let steps = r#"
[jobs.j.steps]
outer = { op = "t.emit" }
one = { op = "t.make" }
two = { op = "t.pass", inputs.value = { value = "x" } }
both = { op = "t.join", inputs.a = { map = "outer.items" }, inputs.b = "one" }
list = { op = "t.gather", inputs.all = ["two", "one", "outer.result"] }
list_in_copy = { op = "t.gather", inputs.all = ["both", "one"] }
single = { op = "t.gather", inputs.all = "one" }
literals = { op = "t.gather", inputs.all = { value = ["a", "b"] } }
"#;
    insta::assert_snapshot!(good(steps), @r"
        outer over []
        one over []
        two over [] value=value
        both over [outer.items] a=outer.items b=one.result
        list over [] all=[two.result, one.result, outer.result]
        list_in_copy over [outer.items] all=[both.result, one.result]
        single over [] all=[one.result]
        literals over [] all=2 values
        ");
}

#[test]
fn a_step_mapped_over_two_dynamic_outputs_is_copied_for_each_pair() {
    let steps = r#"
[jobs.j.steps]
left = { op = "t.emit" }
right = { op = "t.emit" }
pair = { op = "t.join", inputs.a = { map = "left.items" }, inputs.b = { map = "right.items" } }
after = { op = "t.join", inputs.a = "pair", inputs.b = "right.items" }
chain = { op = "t.pass", inputs.value = { map = "right.items" } }
with_chain = { op = "t.join", inputs.a = { map = "left.items" }, inputs.b = "chain" }
per_left = { op = "t.gather", inputs.all = { collect = "after" } }
all = { op = "t.gather", inputs.all = { collect = "per_left" } }
"#;
    insta::assert_snapshot!(good(steps), @r"
        left over []
        right over []
        pair over [left.items > right.items] a=left.items b=right.items
        after over [left.items > right.items] a=pair.result b=right.items
        chain over [right.items] value=right.items
        with_chain over [right.items > left.items] a=left.items b=chain.result
        per_left over [left.items] all=collect after.result
        all over [] all=collect per_left.result
        ");
}

#[test]
fn wirings_of_mapped_steps_without_meaning_are_refused_in_words() {
    let emit = "[jobs.j.steps]\nouter = { op = \"t.emit\" }\nother = { op = \"t.emit\" }\n";
    let cases = [
        r#"one = { op = "t.pass", inputs.value = { map = "outer.items" } }
two = { op = "t.pass", inputs.value = { map = "other.items" } }
x = { op = "t.join", inputs.a = "one", inputs.b = "two" }"#,
        r#"x = { op = "t.pass", inputs.value = "outer.items" }"#,
        r#"x = { op = "t.gather", inputs.all = "outer.items" }"#,
        r#"x = { op = "t.gather", inputs.all = ["outer.result", "outer.items"] }"#,
        r#"x = { op = "t.gather", inputs.all = { map = "outer.items" } }"#,
        r#"x = { op = "t.pass", inputs.value = { map = "outer.result" } }"#,
        r#"x = { op = "t.gather", inputs.all = { collect = "outer.result" } }"#,
        r#"x = { op = "t.pass", inputs.value = { collect = "outer.items" } }"#,
        r#"x = { op = "t.gather", inputs.value = { map = "outer.items" }, inputs.all = { collect = "other.items" } }"#,
    ];
    let shown: Vec<String> = cases.iter().map(|case| bad(&format!("{emit}{case}"))).collect();
    insta::assert_snapshot!(shown.concat(), @r#"
        error[plan::two-scopes]: step `x` is mapped over `outer.items`, then `other.items`, its input `b` reads a step that is mapped over `other.items` by itself
         --> cofferdam.toml:8:51
          |
        8 | x = { op = "t.join", inputs.a = "one", inputs.b = "two" }
          | - this step                                       ^^^^^ of another mapping
          |
          = hint: to pair the values write `inputs.b = { map = "other.items" }` and put `two` behind it; to take all of them `{ collect = "two.result" }`

        error[plan::dynamic-output]: `outer.items` is dynamic: it gives many values, input `value` reads it as one
         --> cofferdam.toml:6:37
          |
        6 | x = { op = "t.pass", inputs.value = "outer.items" }
          |                                     ^^^^^^^^^^^^^ neither mapped nor collected
          |
          = hint: write `{ map = "outer.items" }` to run one copy per value, or `{ collect = "outer.items" }`

        error[plan::dynamic-output]: `outer.items` is dynamic: it gives many values, not one of a list
         --> cofferdam.toml:6:37
          |
        6 | x = { op = "t.gather", inputs.all = "outer.items" }
          |                                     ^^^^^^^^^^^^^ gives many values
          |
          = hint: write `{ collect = "outer.items" }`

        error[plan::dynamic-output]: `outer.items` is dynamic: it gives many values, not one of a list
         --> cofferdam.toml:6:37
          |
        6 | x = { op = "t.gather", inputs.all = ["outer.result", "outer.items"] }
          |                                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ gives many values
          |
          = hint: write `{ collect = "outer.items" }`

        error[plan::many-mapped]: input `x.all` takes many values
         --> cofferdam.toml:6:37
          |
        6 | x = { op = "t.gather", inputs.all = { map = "outer.items" } }
          |                                     ^^^^^^^^^^^^^^^^^^^^^^^ gives each copy one value
          |
          = hint: write `{ collect = "outer.items" }`

        error[plan::not-dynamic]: `outer.result` is not dynamic and cannot be mapped over
         --> cofferdam.toml:6:37
          |
        6 | x = { op = "t.pass", inputs.value = { map = "outer.result" } }
          |                                     ^^^^^^^^^^^^^^^^^^^^^^^^ one value
          |
          = hint: write `"outer.result"`; a step that reads a mapped step is mapped with it

        error[plan::nothing-to-collect]: `outer.result` is a single value: its step is not mapped and the output is not dynamic
         --> cofferdam.toml:6:37
          |
        6 | x = { op = "t.gather", inputs.all = { collect = "outer.result" } }
          |                                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ nothing to collect
          |
          = hint: write `"outer.result"`, or `["outer.result"]` for a list of one

        error[plan::not-many]: input `x.value` takes one value, not a collected list
         --> cofferdam.toml:6:37
          |
        6 | x = { op = "t.pass", inputs.value = { collect = "outer.items" } }
          |                                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^ many values
          |
          = hint: name one step or file; an op takes many by declaring its input as many (`Many<T>` in Rust)

        error[plan::collect-in-mapping]: step `x` is mapped, input `all` collects what is outside of that mapping
         --> cofferdam.toml:6:77
          |
        6 | x = { op = "t.gather", inputs.value = { map = "outer.items" }, inputs.all = { collect = "other.items" } }
          | - mapped                                                                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^ collected once, not per copy
          |
          = hint: collect `other.items` in a step of its own that is not mapped, and let `x` read that step's output
        "#);
}
