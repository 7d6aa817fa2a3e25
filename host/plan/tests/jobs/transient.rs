//! Outputs that workers keep.

use cofferdam_model::{Plan, Role};

use crate::common::{job, plan, text_ops};

/// Every output with its manager.
fn managers(plan: &Plan) -> String {
    let outputs = plan.steps.iter().flat_map(|step| step.outputs.iter().map(move |output| (step, output)));
    let lines = outputs.map(|(step, output)| {
        let manager = output.io_manager.as_ref().map_or("the store", |name| name.as_str());
        format!("{}.{}: {manager}\n", step.key, output.name)
    });
    lines.collect()
}

fn good(toml: &str) -> Plan {
    plan(&text_ops(), &job(toml), "").unwrap_or_else(|text| panic!("{text}"))
}

#[test]
fn what_no_step_reads_is_kept_for_good_although_it_is_named() {
    let plan = good(
        r#"
[io_managers.scratch]
kind = "transient"
[jobs.j]
io_manager = "scratch"
[jobs.j.steps]
parts = { op = "t.emit" }
each = { op = "t.pass", inputs.value = { map = "parts.items" } }
all = { op = "t.gather", inputs.all = { collect = "each" } }
last = { op = "t.pass", inputs.value = "all", outputs.result = { io_manager = "scratch" } }
"#,
    );
    insta::assert_snapshot!(managers(&plan), @r"
    parts.items: scratch
    parts.result: the store
    each.result: scratch
    all.result: scratch
    last.result: the store
    ");
}

#[test]
fn a_resource_ends_after_all_that_may_have_its_users_run_again() {
    let plan = good(
        r#"
[io_managers.scratch]
kind = "transient"
[resources.session]
kind = "op"
set_up = "t.open"
tear_down = "t.close"
[jobs.j.steps]
a = { op = "t.pass", inputs.value = { resource = "session" }, io_manager = "scratch" }
b = { op = "t.pass", inputs.value = "a", io_manager = "scratch" }
c = { op = "t.pass", inputs.value = "b" }
d = { op = "t.pass", inputs.value = "c" }
"#,
    );
    let users = plan.steps.iter().find_map(|step| match &step.role {
        Role::TearDown { users, .. } => {
            Some(users.iter().map(|user| plan.step(*user).key.as_str()).collect::<Vec<_>>())
        }
        _ => None,
    });
    assert_eq!(users.unwrap(), ["a", "b", "c"]);
}
