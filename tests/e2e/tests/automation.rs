//! Schedules and sensors of a project that `cofferdam dev` shows: what they run, what is recorded of it, and what people
//! do with them by the API and by the command line.

#![expect(clippy::print_stdout, reason = "what is measured is told")]

use std::time::{Duration, Instant, SystemTime};

use cofferdam_crash::{CRASH_AT, DAEMON};
use cofferdam_e2e::Project;
use cofferdam_e2e::ask::until;
use cofferdam_e2e::cluster::Process;
use cofferdam_e2e::web::Pages;
use serde_json::{Value, json};

const JOB: &str = r#"
[libraries.text]
wasm = "lib/text.wasm"

[jobs.hello.steps.greet]
op = "text.greet"
"#;
const COUNTING: &str = r#"
[sensors.counting]
op = "text.look"
jobs = ["hello"]
minimum_interval = "1s"
status = "running"
"#;
/// How late a tick may come on a machine that does other things too.
const LATE_MAX: Duration = Duration::from_secs(5);

const SENSOR: &str = "query($name: String!) { sensorOrError(name: $name) { __typename ... on Error { message } \
    ... on Sensor { sensorState { status canReset cursor lastRunKey nextTick ticks(limit: 50) { tickId status \
    skipReason error { message } logs runs { runId runKey refused run { status tags { key value } } } } } } } }";

fn project(more: &str) -> Project {
    Project::with(&format!("{JOB}{more}"), &["text"])
}

/// How a sensor is now.
fn state(pages: &Pages, name: &str) -> Value {
    pages.ask(SENSOR, json!({ "name": name }))["sensorOrError"]["sensorState"].clone()
}

/// Its ticks that have ended, newest first.
fn ended(pages: &Pages, name: &str) -> Vec<Value> {
    let mut ticks = state(pages, name)["ticks"].as_array().expect("a list").clone();
    ticks.retain(|tick| tick["status"] != "STARTED");
    ticks
}

fn runs(pages: &Pages) -> Vec<Value> {
    let query = "{ runsOrError { ... on Runs { results { runId status tags { key value } } } } }";
    pages.ask(query, json!({}))["runsOrError"]["results"].as_array().expect("a list").clone()
}

fn tag<'a>(run: &'a Value, key: &str) -> &'a str {
    let tags = run["tags"].as_array().expect("a list").iter();
    tags.filter(|tag| tag["key"] == key).find_map(|tag| tag["value"].as_str()).unwrap_or_default()
}

fn until_done(pages: &Pages, n: usize) -> Vec<Value> {
    until("the runs are done", || runs(pages).iter().filter(|run| run["status"] == "SUCCESS").count() >= n);
    runs(pages)
}

#[test]
fn i4_a_sensor_goes_on_from_its_cursor_and_each_tick_is_kept_with_its_run() {
    let project = project(COUNTING);
    let pages = Pages::loaded(&project);
    until("three ticks", || ended(&pages, "counting").len() >= 3);
    let mut ticks = ended(&pages, "counting");
    ticks.reverse();
    for (number, tick) in ticks.iter().take(3).enumerate() {
        let key = format!("tick-{number}");
        assert_eq!(
            (&tick["status"], &tick["runs"][0]["runKey"]),
            (&json!("SUCCESS"), &json!(key)),
            "{tick:#}"
        );
        let from = if number == 0 { "the beginning".to_owned() } else { number.to_string() };
        assert_eq!(tick["logs"], json!([format!("info looking from {from}")]));
    }
    let runs = until_done(&pages, 3);
    let first = runs.last().expect("there are runs");
    assert_eq!((tag(first, "dagster/sensor_name"), tag(first, "dagster/run_key")), ("counting", "tick-0"));
}

#[test]
fn h_001_a_sensor_that_never_answers_is_stopped_at_its_timeout_and_holds_up_no_other() {
    let stuck = r#"
[sensors.stuck]
op = "text.look"
jobs = ["hello"]
minimum_interval = "1s"
timeout = "1s"
config = { stuck = true }
status = "running"
"#;
    let project = project(&format!("{COUNTING}{stuck}"));
    let pages = Pages::loaded(&project);
    until("it is stopped", || !ended(&pages, "stuck").is_empty());
    let tick = &ended(&pages, "stuck")[0];
    assert_eq!(tick["status"], "FAILURE");
    let why = tick["error"]["message"].as_str().expect("a reason");
    assert!(why.contains("1 s") || why.contains("timeout"), "{why}");
    until("the other goes on", || ended(&pages, "counting").len() >= 2);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a schedule is about the wall clock")]
fn i2_a_schedule_ticks_at_its_minute_and_asks_for_one_run() {
    let schedule = r#"
[schedules.minutely]
job = "hello"
cron = "* * * * *"
config = { ops = { greet = { config = { name = "Ada" } } } }
status = "running"
"#;
    let project = project(schedule);
    let pages = Pages::loaded(&project);
    let query = "{ scheduleOrError(name: \"minutely\") { ... on Schedule { scheduleState { nextTick ticks { \
        timestamp startTimestamp status runs { runId } } } } } }";
    let state = || pages.ask(query, json!({}))["scheduleOrError"]["scheduleState"].clone();
    until("it is known", || state()["nextTick"].is_number());
    let due = state()["nextTick"].as_f64().expect("seconds");
    let now =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970").as_secs_f64();
    assert!(due > now && due - now <= 61.0 && due % 60.0 == 0.0, "{due} from {now}");
    // Not a wait for something to settle: the minute has to come.
    std::thread::sleep(Duration::from_secs_f64(due - now));
    until("it ticks", || state()["ticks"][0]["status"] == "SUCCESS");
    let ticks = state()["ticks"].clone();
    let late = ticks[0]["startTimestamp"].as_f64().expect("seconds") - due;
    println!("a tick began {:.0} ms after its time", late * 1000.0);
    assert!(ticks[0]["timestamp"] == due && (0.0..LATE_MAX.as_secs_f64()).contains(&late), "{ticks:#}");
    let runs = until_done(&pages, 1);
    assert_eq!((runs.len(), &runs[0]["runId"]), (1, &ticks[0]["runs"][0]["runId"]));
    assert_eq!(tag(&runs[0], "dagster/schedule_name"), "minutely");
}

#[test]
fn i2_a_death_between_any_two_writes_of_a_tick_makes_each_run_once() {
    let sensor = r#"
[sensors.both]
op = "text.look"
jobs = ["hello"]
minimum_interval = "1s"
config = { keys = ["a", "b"] }
status = "running"
"#;
    for point in DAEMON {
        let project = project(sensor);
        let mut dev = project.command(["dev", "--listen", "127.0.0.1:0"]);
        Process::start_as_is(dev.env(CRASH_AT, point)).crashed();
        let pages = Pages::loaded(&project);
        let runs = until_done(&pages, 2);
        until("a tick later", || ended(&pages, "both").iter().any(|tick| tick["status"] == "SKIPPED"));
        let mut keys: Vec<&str> = runs.iter().map(|run| tag(run, "dagster/run_key")).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["a", "b"], "{point}");
        let asked: Vec<Value> =
            ended(&pages, "both").into_iter().filter(|tick| tick["status"] == "SUCCESS").collect();
        assert_eq!(asked.len(), 1, "{point}: {asked:#?}");
        let made = asked[0]["runs"].as_array().expect("a list");
        assert!(
            made.len() == 2 && made.iter().all(|run| run["run"]["status"] == "SUCCESS"),
            "{point}: {made:#?}"
        );
    }
}

const OFF: &str = r#"
[schedules.nightly]
job = "hello"
cron = ["30 2 * * *", "@weekly"]
timezone = "Europe/Berlin"
config = { ops = { greet = { config = { name = "Ada" } } } }

[sensors.counting]
op = "text.look"
jobs = ["hello"]
minimum_interval = "1s"

[sensors.moody]
op = "text.look"
jobs = ["hello"]
config = { moody = true }
"#;

#[test]
fn i10_the_command_line_turns_on_and_off_tries_and_shows_beside_the_pages() {
    let project = project(OFF);
    let pages = Pages::loaded(&project);
    let cofferdam = |args: &[&str]| project.run(args).expect(0).stdout;
    assert_eq!(cofferdam(&["sensor", "start", "counting"]), "sensor `counting` is running\n");
    assert_eq!(state(&pages, "counting")["status"], "RUNNING");
    until("it ticks", || ended(&pages, "counting").len() >= 2);
    assert_eq!(cofferdam(&["sensor", "stop", "counting"]), "sensor `counting` is stopped\n");
    until("what was under way ends", || state(&pages, "counting")["ticks"][0]["status"] != "STARTED");
    let n_runs = runs(&pages).len();
    assert_eq!(state(&pages, "counting")["nextTick"], Value::Null);
    // Tried from elsewhere, it leaves its cursor where it is, and nothing runs.
    let cursor = state(&pages, "counting")["cursor"].clone();
    let (_, tried) = project.json(["sensor", "try", "counting", "--cursor", "70"]);
    assert_eq!((&tried["runs"][0]["run_key"], &tried["cursor"]), (&json!("tick-70"), &json!("71")));
    assert_eq!((state(&pages, "counting")["cursor"].clone(), runs(&pages).len()), (cursor, n_runs));
    let used = cofferdam(&["sensor", "try", "counting", "--cursor", "0"]);
    assert!(used.contains("would run hello tick-0: no, an earlier run had this run key"), "{used}");
    cofferdam(&["sensor", "cursor", "counting", "40"]);
    assert_eq!(state(&pages, "counting")["cursor"], "40");
    let shown = cofferdam(&["sensor", "show", "counting"]);
    assert!(shown.contains("40") && shown.contains("tick-0"), "{shown}");
    let failed = project.run(["sensor", "try", "moody"]).expect(10);
    assert!(failed.stderr.contains("because: no weather today"), "{failed:#?}");
}

#[test]
fn what_is_turned_on_while_nobody_shows_the_pages_is_on_when_somebody_does() {
    let project = project(OFF);
    let started = project.run(["sensor", "start", "counting"]).expect(0);
    assert!(started.stderr.contains("it ticks while `cofferdam dev`, or"), "{started:#?}");
    let (_, all) = project.json(["schedule", "list"]);
    let nightly = &all["schedules"][0];
    assert_eq!((&nightly["status"], &nightly["next"]), (&json!("stopped"), &Value::Null));
    let tried = project.run(["schedule", "try", "nightly"]).expect(0).stdout;
    assert!(tried.contains("would run hello\n") && tried.ends_with("nothing was launched\n"), "{tried}");
    project.run(["schedule", "start", "nightly"]).expect(0);
    let (_, shown) = project.json(["schedule", "show", "nightly"]);
    assert_eq!((&shown["status"], shown["next"].is_string()), (&json!("running"), true), "{shown:#}");
    let unknown = project.run(["schedule", "start", "nighty"]).expect(2);
    assert!(unknown.stderr.contains("known: nightly"), "{unknown:#?}");
    let pages = Pages::loaded(&project);
    until("it ticks", || !ended(&pages, "counting").is_empty());
    // A sign that a kill leaves is nobody's.
    pages.process.expect("it is this one's").kill();
    assert_eq!(
        project.run(["sensor", "reset", "counting"]).expect(0).stdout,
        "sensor `counting` is stopped\n"
    );
}

#[test]
fn definitions_that_are_saved_are_followed_and_wrong_ones_leave_the_old() {
    let project = project(OFF);
    let pages = Pages::loaded(&project);
    let names = || {
        let query = "{ sensorsOrError { ... on Sensors { results { name } } } }";
        let all = pages.ask(query, json!({}))["sensorsOrError"]["results"].clone();
        all.as_array()
            .expect("a list")
            .iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(), ["counting", "moody"]);
    project.write("cofferdam.toml", format!("{JOB}{}", OFF.replace("[sensors.moody]", "[sensors.cheerful]")));
    until("it is read", || names() == ["cheerful", "counting"]);
    project.write("cofferdam.toml", format!("{JOB}{}", OFF.replace("30 2 * * *", "30 25 * * *")));
    let failed = "{ workspaceOrError { ... on Workspace { locationEntries { loadStatus } } } }";
    let status =
        || pages.ask(failed, json!({}))["workspaceOrError"]["locationEntries"][0]["loadStatus"].clone();
    until("it is refused", || status() == "FAILED");
    assert_eq!(names(), ["cheerful", "counting"]);
}

#[test]
fn c_32_a_sensor_whose_answer_is_none_fails_its_tick_in_words() {
    let odd = r#"
[sensors.odd]
op = "text.load"
jobs = ["hello"]
status = "running"
"#;
    let project = project(odd);
    let pages = Pages::loaded(&project);
    until("it ticks", || !ended(&pages, "odd").is_empty());
    let tick = &ended(&pages, "odd")[0];
    let why = tick["error"]["message"].as_str().expect("a reason");
    assert!(why.contains("is a list, expected a map"), "{why}");
}

#[test]
fn a_sensor_costs_little_beside_its_op() {
    let project = project(OFF);
    let pages = Pages::loaded(&project);
    let query = "mutation { sensorDryRun(name: \"counting\") { \
        ... on DryRunInstigationTick { runRequests { runKey } } } }";
    // The first one compiles the library.
    assert_eq!(pages.ask(query, json!({}))["sensorDryRun"]["runRequests"][0]["runKey"], "tick-0");
    let began = Instant::now();
    assert_eq!(pages.ask(query, json!({}))["sensorDryRun"]["runRequests"][0]["runKey"], "tick-0");
    let took = began.elapsed();
    println!("a sensor is asked in {} ms", took.as_millis());
    assert!(took < Duration::from_secs(5), "{took:?}");
}
