//! Which libraries have to be built for what is asked for.

use cofferdam_config::{Texts, read_definitions};
use cofferdam_model::{Name, RunConfig};
use cofferdam_plan::{Present, Request, Target, libraries_used};

use crate::common::name;

const DEFINITIONS: &str = r#"
[libraries]
step = { wasm = "1" }
hook = { wasm = "2" }
inner = { wasm = "3" }
mapping = { wasm = "4" }
manager = { wasm = "5" }
resource = { wasm = "6" }
asset = { wasm = "7" }
check = { wasm = "8" }
staging = { wasm = "9" }

[jobs.plain.steps.a]
op = "step.x"

[jobs.rich]
hooks = [{ on = "failure", op = "hook.x" }]
[jobs.rich.steps.a]
graph = "outer"

[graphs.outer.steps.a]
graph = "deep"
[graphs.deep]
config_mapping = { schema = { type = "object" }, op = "mapping.x" }
[graphs.deep.steps.a]
op = "inner.x"
[graphs.deep.steps.b]
graph = "outer"

[assets.made]
op = "asset.x"
[asset_checks.fine]
asset = "made"
op = "check.x"
[asset_jobs.all]
select = "*"
"#;

const HELPERS: &str = r#"
[io_managers.kept]
kind = "op"
store = "manager.put"
load = "manager.get"
[environments.staging.resources.session]
kind = "op"
set_up = "staging.open"
[resources.session]
kind = "op"
set_up = "resource.open"
tear_down = "resource.close"
"#;

fn used(definitions: &str, target: Target<'_>, environment: Option<&Name>) -> String {
    let (definitions, found) = read_definitions(&mut Texts::default(), "cofferdam.toml", definitions);
    assert_eq!(found, []);
    let run_config = RunConfig::default();
    let request = Request { target, run_config: &run_config, environment, selection: &[], partition: None };
    let used = libraries_used(&definitions, request, &Present::default());
    used.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_job_uses_the_libraries_of_its_steps_hooks_and_mappings() {
    assert_eq!(used(DEFINITIONS, Target::Job(&name("plain")), None), "step");
    assert_eq!(used(DEFINITIONS, Target::Job(&name("rich")), None), "hook inner mapping");
    assert_eq!(used(DEFINITIONS, Target::Job(&name("all")), None), "asset check");
    assert_eq!(used(DEFINITIONS, Target::Assets(&["made".to_owned()]), None), "asset check");
}

#[test]
fn resources_and_managers_made_of_ops_count_because_nobody_knows_yet_who_needs_them() {
    let definitions = format!("{DEFINITIONS}{HELPERS}");
    let plain = name("plain");
    assert_eq!(used(&definitions, Target::Job(&plain), None), "manager resource step");
    let there = used(&definitions, Target::Job(&plain), Some(&name("staging")));
    assert_eq!(there, "manager resource staging step");
}

#[test]
fn what_is_not_there_may_use_anything() {
    let all = "asset check hook inner manager mapping resource staging step";
    assert_eq!(used(DEFINITIONS, Target::Job(&name("absent")), None), all);
}
