//! Every message about graphs, services, partitions and assets, as a person sees it.

use crate::shown::{below, found, shown};

const STEP: &str = "[jobs.j.steps.a]\nop = \"t.x\"";
const JOB: &str = "[jobs.j]\nsteps = {}";
const ASSET: &str = "[assets.a]\nop = \"t.x\"";

#[test]
fn messages_of_graphs() {
    insta::assert_snapshot!(shown(&[
        "[graphs.g]",
        "[graphs.g]\nsteps = {}\ninputs = \"text\"",
        "[graphs.g]\nsteps = {}\ninputs = [\"text\", \"te xt\", \"text\"]",
        "[graphs.g]\nsteps = {}\noutputs = \"a\"",
        "[graphs.g]\nsteps = {}\noutputs.result = \"a b\"",
        "[graphs.g]\nsteps = {}\noutputs.result = [\"a\"]",
        "[graphs.g]\nsteps = {}\nhooks = []",
        "[graphs.tidy-up]\nsteps = {}\n[graphs.tidy_up]\nsteps = {}",
        "graphs = []",
    ]));
}

#[test]
fn messages_of_what_a_step_places() {
    insta::assert_snapshot!(shown(&[
        "[jobs.j.steps.a]",
        "[jobs.j.steps.a]\nop = \"t.x\"\ngraph = \"g\"",
        "[jobs.j.steps.a]\ngraph = \"t.x\"",
        "[jobs.j.steps.a]\ngraph = 3",
        "[jobs.j.steps.a]\ngrahp = \"g\"",
    ]));
}

#[test]
fn messages_of_config_mappings() {
    insta::assert_snapshot!(below(
        "[graphs.g]\nsteps = {}",
        &[
            "config_mapping = \"t.map\"",
            "config_mapping = {}",
            "config_mapping = { schema = \"string\", op = \"t.map\" }",
            "config_mapping = { schema = {}, op = \"t.map\", ops = {} }",
            "config_mapping = { schema = {}, op = \"map\" }",
            "config_mapping = { schema = {}, ops = [] }",
            "config_mapping = { schema = { maximum = inf }, ops = { a = nan } }",
            "config_mapping = { schema = {}, template = {} }",
        ]
    ));
}

#[test]
fn messages_of_hooks_and_run_retries() {
    insta::assert_snapshot!(below(
        JOB,
        &[
            "hooks = \"alerts.notify\"",
            "hooks = { on = \"failure\", op = \"alerts.notify\" }",
            "hooks = [\"alerts.notify\"]",
            "hooks = [{}]",
            "hooks = [{ on = \"failed\", op = \"notify\" }]",
            "hooks = [{ on = \"failure\", op = \"t.x\", confg = {} }]",
            "run_retry = 2",
            "run_retry = { strategy = \"from-failure\" }",
            "run_retry = { max_retries = 1, strategy = \"selection\", on_step_failure = \"yes\" }",
            "run_retry = { max_retries = 1001 }",
            "io_manager = [\"lake\"]",
            "partitions = \"every day\"",
            "inputs = [\"a\", \"a\"]",
        ]
    ));
}

#[test]
fn messages_of_bindings_outputs_and_managers_of_a_step() {
    insta::assert_snapshot!(below(
        STEP,
        &[
            "bind = \"warehouse\"",
            "bind = { db = 1 }",
            "bind = { db = \"ware house\" }",
            "bind = { \"d b\" = \"warehouse\" }",
            "memoize = \"yes\"",
            "io_manager = 3",
            "outputs = [\"table\"]",
            "outputs.table = \"lake\"",
            "outputs.table = { manager = \"lake\" }",
            "outputs.table = { metadata = \"x\", io_manager = \"a/b\" }",
            "input_managers = { table = [] }",
            "description = 1",
        ]
    ));
}

#[test]
fn messages_of_waits() {
    insta::assert_snapshot!(below(
        STEP,
        &[
            "wait = \"2h\"",
            "wait = {}",
            "wait = { for = 2 }",
            "wait = { for = \"0s\" }",
            "wait = { for = \"2h\", approval = true }",
            "wait = { for = \"2h\", timeout = \"1d\" }",
            "wait = { timeout = \"1d\" }",
            "wait = { approval = false }",
            "wait = { approval = \"ana\" }",
            "wait = { approval = true, timeout = \"soon\" }",
            "wait = { approvl = true }",
        ]
    ));
}

#[test]
fn messages_of_inputs_from_outside() {
    insta::assert_snapshot!(below(
        STEP,
        &[
            "inputs.x = { input = 1 }",
            "inputs.x = { input = \"a.b\" }",
            "inputs.x = { resource = \"my session\" }",
            "inputs.x = { asset = 3 }",
            "inputs.x = { asset = \"a//b\" }",
            "inputs.x = { asset = \"a\\\\b\" }",
            "inputs.x = { asset = \"a\", partition = \"all\" }",
            "inputs.x = { asset = \"a\", map = \"b\" }",
            "inputs.x = { aset = \"a\" }",
        ]
    ));
}

#[test]
fn messages_of_partition_mappings() {
    let mapping = |mapping: &str| format!("inputs.x = {{ asset = \"a\", partitions = {mapping} }}");
    let lines: Vec<String> = [
        "3",
        "\"identiti\"",
        "\"some\"",
        "{}",
        "{ offset = \"-1\" }",
        "{ offset = 1000001 }",
        "{ offset = -1, end_offset = 0 }",
        "{ start_offset = 1 }",
        "{ offset = -1, dimension = \"date\" }",
        "{ ofset = -1 }",
        "{ static = [\"a\"] }",
        "{ static = { a = 1 } }",
        "{ specific = [] }",
        "{ dimension = 1 }",
        "{ multi = \"date\" }",
        "{ multi = { date = \"day\" } }",
        "{ multi = { date = { mapping = \"al\" } } }",
        "{ multi = { date = { dimension = \"day\", mapping = { multi = {} } } } }",
    ]
    .map(mapping)
    .into();
    insta::assert_snapshot!(below(STEP, &lines.iter().map(String::as_str).collect::<Vec<_>>()));
}

#[test]
fn messages_of_resources_and_io_managers() {
    insta::assert_snapshot!(shown(&[
        "resources = \"sql\"",
        "[resources.db]\nurl = \"x\"",
        "[resources.db]\nkind = \"sqlite\"",
        "[resources.db]\nkind = \"slq\"",
        "[resources.db]\nkind = 1",
        "[resources.db]\nkind = \"sql\"\npool = inf",
        "[resources.db]\nkind = \"op\"",
        "[resources.db]\nkind = \"op\"\nset_up = \"open\"\ntear_down = 1\nconfig = 1",
        "[resources.db]\nkind = \"op\"\nset_up = \"t.open\"\nurl = \"x\"",
        "[resources.a-b]\nkind = \"http\"\n[resources.a_b]\nkind = \"http\"",
        "[io_managers.lake]",
        "[io_managers.lake]\nkind = \"filesytem\"",
        "[io_managers.lake]\nkind = \"pickle\"",
        "[io_managers.lake]\nkind = \"op\"\nstore = \"t.put\"",
        "[io_managers.lake]\nkind = \"op\"\nstore = \"t.put\"\nload = \"t.get\"\nbase_dir = \"x\"",
        "io_managers.lake = \"filesystem\"",
    ]));
}

#[test]
fn messages_of_environments() {
    insta::assert_snapshot!(shown(&[
        "[environments]\nprod = \"x\"",
        "[environments.prod.resource.db]\nkind = \"sql\"",
        "[environments.prod.resources.db]\nurl = \"x\"",
        "[environments.prod.io_managers]\nlake = 1",
        "[environments.prod]\nconfig = \"prod.yaml\"",
        "[environments.prod.jobs.j]\nsteps = {}",
    ]));
}

#[test]
fn messages_of_partitions() {
    insta::assert_snapshot!(shown(&[
        "[partitions.p]",
        "[partitions.p]\nkind = \"dayly\"",
        "[partitions.p]\nkind = \"yearly\"",
        "[partitions.p]\nkind = \"daily\"",
        "[partitions.p]\nkind = \"daily\"\nstart = 2013",
        "[partitions.p]\nkind = \"daily\"\nstart = \"2013-01-01\"\nhour_offset = -1\nminute_offset = 60",
        "[partitions.p]\nkind = \"daily\"\nstart = \"2013-01-01\"\nday_offset = 1",
        "[partitions.p]\nkind = \"hourly\"\nstart = \"2013-01-01\"\nhour_offset = 1",
        "[partitions.p]\nkind = \"weekly\"\nstart = \"2013-01-01\"\nday_offset = 7",
        "[partitions.p]\nkind = \"monthly\"\nstart = \"2013-01-01\"\nday_offset = 0",
        "[partitions.p]\nkind = \"cron\"\nstart = \"2013-01-01\"",
        "[partitions.p]\nkind = \"cron\"\nstart = \"2013-01-01\"\ncron = \"0 0 * * *\"\nminute_offset = 3",
        "[partitions.p]\nkind = \"daily\"\nstart = \"2013-01-01\"\nend_offset = 1.5\ntimezone = 1\nend = 1",
        "[partitions.p]\nkind = \"static\"",
        "[partitions.p]\nkind = \"static\"\nkeys = []",
        "[partitions.p]\nkind = \"static\"\nkeys = [\"a\", 1, \"a\"]",
        "[partitions.p]\nkind = \"static\"\nkeys = \"a\"",
        "[partitions.p]\nkind = \"dynamic\"\nkeys = [\"a\"]",
        "[partitions.p]\nkind = \"multi\"",
        "[partitions.p]\nkind = \"multi\"\ndimensions = { date = \"daily\" }",
        "[partitions.p]\nkind = \"multi\"\ndimensions = { date = 1, region = \"a b\" }",
        "[partitions.p]\nkind = \"multi\"\ndimensions = [\"daily\", \"regions\"]",
    ]));
}

#[test]
fn messages_of_assets() {
    insta::assert_snapshot!(shown(&[
        "[assets.a]",
        "[assets]\na = \"t.x\"",
        "[assets.\"a/b\"]\nop = \"t.x\""
    ]));
    insta::assert_snapshot!(below(
        ASSET,
        &[
            "key = \"a//b\"",
            "key = [\"a\", \"b\"]",
            "group = \"my group\"",
            "owners = \"team:data\"",
            "owners = [\"data\", \"team:\", \"ada@example.org\"]",
            "kinds = [1]",
            "tags = \"x\"",
            "code_version = 3",
            "data_version = \"bytes\"",
            "can_subset = 1",
            "deps = \"ref/x\"",
            "deps = [1]",
            "deps = [\"a//b\"]",
            "deps = [{ key = \"x\" }]",
            "deps = [{ asset = \"x\", partitions = \"lst\" }]",
            "key = \"a\"\noutputs.table = { key = \"b\" }",
            "outputs.table = { group = \"x\" }",
            "outputs.table = { key = \"b\", can_subset = true }",
            "graph = \"g\"",
            "external = \"yes\"",
        ]
    ));
    insta::assert_snapshot!(shown(&[
        "[assets.a]\nexternal = true\nop = \"t.x\"\ninputs.x = \"b\"",
        "[assets.a]\nop = \"t.x\"\n[assets.b]\nop = \"t.x\"\nkey = \"a\"",
        "[assets.a]\nop = \"t.x\"\noutputs.x = { key = \"k\" }\noutputs.y = { key = \"k\" }",
        "[assets.daily-delays]\nop = \"t.x\"\n[assets.daily_delays]\nop = \"t.x\"\nkey = \"b\"",
    ]));
}

#[test]
fn messages_of_asset_checks_and_asset_jobs() {
    insta::assert_snapshot!(shown(&[
        "[asset_checks.c]",
        "[asset_checks.c]\nasset = \"a\"\nop = \"rows\"\nblocking = \"yes\"",
        "[asset_checks.c]\nasset = \"a\"\ngraph = \"g\"",
        "[asset_checks.c]\nasset = \"a/\"\nop = \"t.x\"\nseverity = \"warn\"",
        "[asset_jobs.j]",
        "[asset_jobs.j]\nselect = [\"a\"]",
        "[asset_jobs.j]\nselect = \"*\"\nsteps = {}",
        "[asset_jobs.j]\nselect = \"*\"\nmax_concurrent = 0\nretry = 1\nhooks = 1\nconfig = 1\ntags = 1",
        "[asset_jobs.refresh]\nselect = \"*\"\n[jobs.Refresh]\nsteps = {}",
    ]));
}

#[test]
fn messages_of_schedules_and_sensors() {
    insta::assert_snapshot!(shown(&[
        "[schedules.s]",
        "[schedules]\ns = \"0 0 * * *\"",
        "[schedules.s]\njob = \"j\"\nselect = \"*\"\ncron = \"@daily\"",
        "[schedules.s]\njob = \"a b\"\ncron = 5",
        "[schedules.s]\njob = \"j\"\ncron = []",
        "[schedules.s]\njob = \"j\"\ncron = [\"@daily\", 1, \"@daily\"]",
        "[schedules.s]\njob = \"j\"\ncrn = \"@daily\"",
        "[schedules.s]\njob = \"j\"\ncron = \"@daily\"\ncatch_up = 0\nmax_tick_retries = 101",
        "[schedules.s]\njob = \"j\"\ncron = \"@daily\"\ncatch_up = \"al\"\nstatus = \"on\"",
        "[schedules.s]\njob = \"j\"\ncron = \"@daily\"\ncatch_up = true\nconfig = \"x.yaml\"\ntags = 1",
        "[schedules.s]\nselect = 1\ncron = \"@daily\"\ntimezone = 2\npartition = 3",
        "[schedules.a-b]\njob = \"j\"\ncron = \"@daily\"\n[schedules.a_b]\njob = \"j\"\ncron = \"@daily\"",
        "[sensors.s]",
        "[sensors.s]\nop = \"new_files\"\njobs = []",
        "[sensors.s]\nop = \"t.new_files\"\njobs = \"j\"",
        "[sensors.s]\nop = \"t.new_files\"\njobs = [\"j\", \"j\", \"a b\"]",
        "[sensors.s]\nop = \"t.new_files\"\njobs = [\"j\"]\nminimum_interval = \"100ms\"\ntimeout = \"0s\"",
        "[sensors.s]\nop = \"t.new_files\"\njobs = [\"j\"]\nminimum_interval = 30\ninterval = \"30s\"",
    ]));
}

#[test]
fn messages_of_tests() {
    insta::assert_snapshot!(shown(&[
        "[tests.t]",
        "[tests.t]\nop = \"rows\"",
        "[tests.t]\nop = \"t.x\"\ninputs.a = \"b\"",
        "[tests.t]\nop = \"t.x\"\nexpect.result = 1\nfails = \"no\"",
        "[tests.t]\nop = \"t.x\"\nexpect = 1",
        "[tests.t]\nop = \"t.x\"\nexpect.result = nan",
        "[tests.t]\nop = \"t.x\"\nfails = true\npool = \"p\"",
        "[tests.t]\nop = \"t.x\"\njob = \"j\"\n[jobs.j.steps]",
        "[tests.t]\njob = \"jj\"\nenvironment = \"e\"\n[jobs.j.steps]",
        "[tests.t]\njob = \"j\"\nfake.a = 1\nexpect = 1\nfails.a = 1\nselect = \"a\"\ninputs.x = 1\n[jobs.j.steps]",
        "[tests.t]\njob = \"j\"\nfake.a.b = \"c\"\nexpect.a.b = nan\n[jobs.j.steps]",
    ]));
}

#[test]
fn every_mistake_of_a_file_is_told_at_once() {
    let text = "[graphs.g]\n[resources.r]\n[io_managers.m]\n[partitions.p]\n[assets.a]\n[asset_checks.c]\n\
                [asset_jobs.j]\n[environments.e]\nx = 1\n[grahps.h]\n";
    let (_, found) = found(text);
    let mut messages: Vec<&str> = found.iter().map(|problem| problem.message.as_str()).collect();
    messages.sort_unstable();
    insta::assert_snapshot!(messages.join("\n"));
    assert!(found.iter().all(|problem| !problem.labels.is_empty() && problem.hint.is_some()));
}

#[test]
fn deep_mappings_and_templates_end_in_a_message_and_not_in_the_end_of_the_stack() {
    let deep = 20_000;
    let keys = vec!["multi.d.mapping"; deep].join(".");
    let snippets = [
        format!("{STEP}\ninputs.x.asset = \"a\"\ninputs.x.partitions.{keys} = \"all\""),
        format!("[graphs.g.config_mapping.schema.{keys}]"),
        format!("[resources.r]\nkind = \"sql\"\na = {}", "[".repeat(deep)),
        format!("[environments.e]\nconfig.{keys} = nan"),
    ];
    for snippet in &snippets {
        assert!(!shown(&[snippet]).is_empty());
    }
}
