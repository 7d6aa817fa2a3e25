//! Steps that are there for others: hooks, set-ups and tear-downs follow what runs; checks are work.

use cofferdam_model::{AssetKey, HookOn, Role};

use super::*;

/// A resource that `a` and `b` use, a hook on each, a check between `b` and `c`.
fn with_roles() -> Plan {
    let mut plan = plan(
        "open:\n a: open\n b: open a\n check: b\n c: b ^check\n close: open\n a.hooks.note:\n b.hooks.note:\n c.hooks.note:",
    );
    let at = |key: &str| plan.find(key).unwrap();
    let hook = |of: &str| Role::Hook { of: at(of), on: HookOn::Failure };
    let users = vec![at("a"), at("b")];
    let roles = [
        ("open", Role::SetUp { resource: name("db") }),
        ("close", Role::TearDown { resource: name("db"), set_up: at("open"), users }),
        ("a.hooks.note", hook("a")),
        ("b.hooks.note", hook("b")),
        ("c.hooks.note", hook("c")),
        (
            "check",
            Role::Check {
                check: name("check"),
                asset: AssetKey::from_parts(vec!["b".to_owned()]).unwrap(),
                blocking: true,
            },
        ),
    ];
    for (key, role) in roles {
        let at = plan.find(key).unwrap();
        plan.steps[at.index()].role = role;
    }
    plan
}

#[test]
fn a_resource_is_made_anew_for_the_users_that_run() {
    let words = "open ok, a ok, b failed, check abandoned, c abandoned, close ok, a.hooks.note skipped, \
                 b.hooks.note ok, c.hooks.note skipped";
    let plan = with_roles();
    assert_eq!(from_failure(&plan, words), both("open b check c close b.hooks.note c.hooks.note", "a=1"));
    let child = try_rerun(&plan, &[&Ended::new(1, &plan, words)], &Request::FromFailure).unwrap();
    let close = child.plan.step(child.plan.find("close").unwrap());
    let users = vec![child.plan.find("b").unwrap()];
    let set_up = child.plan.find("open").unwrap();
    assert_eq!(close.role, Role::TearDown { resource: name("db"), set_up, users });
}

#[test]
fn a_failed_check_runs_again_with_what_it_blocks() {
    let words = "open ok, a ok, b ok, check failed, c abandoned, close ok";
    assert_eq!(from_failure(&with_roles(), words), both("check c c.hooks.note", "b=1"));
}

#[test]
fn a_failed_set_up_runs_again_with_its_users() {
    let words = "open failed, a abandoned, b abandoned, check abandoned, c abandoned, close skipped";
    assert_eq!(
        from_failure(&with_roles(), words),
        both("open a b check c close a.hooks.note b.hooks.note c.hooks.note", "")
    );
}

#[test]
fn failed_helpers_alone_are_nothing_to_start_again_from() {
    let plan = with_roles();
    let words = "open ok, a ok, b ok, check ok, c ok, close failed, a.hooks.note failed, b.hooks.note failed";
    let problems = try_rerun(&plan, &[&Ended::new(1, &plan, words)], &Request::FromFailure).unwrap_err();
    assert_eq!(problems, [RerunProblem::NothingToRun { run: run_id(1) }]);
}

#[test]
fn helpers_are_not_selected_by_themselves() {
    let plan = with_roles();
    let parent = Ended::new(1, &plan, "open ok, a ok, b ok, check ok, c ok, close ok");
    assert_eq!(told(&plan, &[&parent], &steps(&["a"])), both("open a close a.hooks.note", ""));
    assert_eq!(told(&plan, &[&parent], &steps(&["c"])), both("c c.hooks.note", "b=1"));
    assert!(matches!(
        try_rerun(&plan, &[&parent], &steps(&["close"])).unwrap_err()[..],
        [RerunProblem::Selection(_)]
    ));
}
