//! `cofferdam serve` with code locations: what is loaded, who may look and change, and what is asked by itself.

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::{joined, until};
use cofferdam_e2e::served::{Served, http};
use cofferdam_e2e::web::Pages;
use cofferdam_kit::postgres::Server;
use serde_json::{Value, json};

const LAUNCH: &str = "mutation($request: LaunchRequest!) { launchRun(request: $request) { __typename \
    ... on Error { message } ... on LaunchRunSuccess { run { runId } unservable } } }";
const RUN: &str = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }";
const SCHEDULES: &str = "{ schedulesOrError { ... on Schedules { results { name location \
    scheduleState { status } } } } }";
const JSON: (&str, &str) = ("content-type", "application/json");

fn launch(pages: &Pages, request: Value) -> Value {
    pages.ask(LAUNCH, json!({ "request": request }))["launchRun"].clone()
}

/// Which of the schedules are on, as `location/name`.
fn on(pages: &Pages) -> Vec<String> {
    let found = pages.ask(SCHEDULES, json!({}))["schedulesOrError"]["results"].clone();
    let found = found.as_array().expect("a list").iter();
    let found = found.filter(|one| one["scheduleState"]["status"] == "RUNNING");
    found.map(|one| format!("{}/{}", one["location"], one["name"]).replace('"', "")).collect()
}

fn set(pages: &Pages, what: &str, location: Option<&str>) -> Value {
    let query = format!(
        "mutation($location: String) {{ done: {what}(name: \"nightly\", location: $location) \
        {{ __typename ... on Error {{ message }} }} }}"
    );
    pages.ask(&query, json!({ "location": location }))["done"].clone()
}

fn said<'a>(answer: &'a Value, typename: &str) -> &'a str {
    assert_eq!(answer["__typename"], typename, "{answer:#}");
    answer["message"].as_str().expect("a message")
}

#[test]
fn code_locations_are_loaded_and_fail_each_on_its_own() {
    let served = Served::start();
    let pages = &served.pages;
    let _worker = joined(served.cluster.worker("w", &[]));
    let status = |name: &str, status: &str| (name.to_owned(), status.to_owned());
    let loaded =
        |third: &str| [status("first", "LOADED"), status("second", "LOADED"), status("third", third)];
    assert_eq!(served.statuses(pages), loaded("FAILED"));
    // Two of them have one of that name.
    let which = launch(pages, json!({ "jobName": "hello" }));
    let expected = "name one of: first, second";
    assert!(said(&which, "PipelineNotFoundError").ends_with(expected), "{which:#}");
    let launched = launch(pages, json!({ "jobName": "hello", "location": "second" }));
    let run = launched["run"]["runId"].as_str().expect("a run").to_owned();
    until("the run", || pages.ask(RUN, json!({ "id": run }))["runOrError"]["status"] == "SUCCESS");
    let greeting = served.here(&["value", "show", &run, "greet"]).expect(0);
    assert!(greeting.stdout.contains("Hello, Grace"), "{greeting:#?}");
    // What is mended is read, and what is broken leaves what was.
    Served::location(&served.folder, "third", "[libraries.text]\nwasm = \"lib/text.wasm\"\n");
    until("it is mended", || served.statuses(pages) == loaded("LOADED"));
    served.folder.write("first/cofferdam.toml", "[jobs.hello\n");
    let first = || served.statuses(pages)[0].clone();
    until("it is broken", || first() == status("first", "FAILED"));
    assert!(on(pages).is_empty());
    assert_eq!(set(pages, "startSchedule", Some("first"))["__typename"], "Schedule");
    assert_eq!(on(pages), ["first/nightly"]);
}

#[test]
fn a_folder_that_is_not_there_fails_until_it_is_and_definitions_around_it_are_not_its_own() {
    let folder = Project::with("", &[]);
    std::fs::create_dir(folder.path().join("empty")).expect("a folder can be made");
    folder.write(
        "workspace.toml",
        "[locations.gone]\nfolder = \"gone\"\n[locations.empty]\nfolder = \"empty\"\n",
    );
    let served = Served::over(folder, "");
    let query = "{ workspaceOrError { ... on Workspace { locationEntries { diagnostics { message } } } } }";
    let found = served.pages.ask(query, json!({}))["workspaceOrError"]["locationEntries"].clone();
    let told = |n: usize| found[n]["diagnostics"][0]["message"].as_str().expect("a message");
    assert!(told(0).contains("there is no cofferdam.toml in"), "{found:#}");
    assert!(told(1).contains("gone"), "{found:#}");
    Served::location(&served.folder, "gone", "");
    until("it is there", || served.statuses(&served.pages)[1].1 == "LOADED");
}

#[test]
fn f16_who_opens_the_pages_shows_a_token_and_does_what_its_role_may() {
    let served = Served::start();
    let address = &served.pages.address;
    let [viewer, launcher, operator] = ["viewer", "launcher", "operator"]
        .map(|role| served.as_who_has(&served.token(role, &["--role", role])));
    // Everybody sees who they are; nobody is seen who shows nothing.
    let me = "{ instance { visitor { name role } daemonHealth { allDaemonStatuses { healthy } } } }";
    let seen = viewer.ask(me, json!({}))["instance"].clone();
    assert_eq!(seen["visitor"], json!({ "name": "viewer", "role": "VIEWER" }));
    assert_eq!(seen["daemonHealth"]["allDaemonStatuses"][0]["healthy"], true);
    let question = json!({ "query": me }).to_string();
    for path in ["POST /graphql", "GET /graphql/ws", "GET /values/x/y/z"] {
        let (head, body) = http(address, path, &[JSON], &question);
        assert!(head.starts_with("HTTP/1.1 401 ") && body.contains("carries no token"), "{head}\n{body}");
    }
    let wrong = format!("Bearer cofferdam_{}", "0".repeat(64));
    let (head, body) = http(address, "POST /graphql", &[JSON, ("authorization", &wrong)], &question);
    assert!(head.starts_with("HTTP/1.1 401 ") && body.contains("not this cluster's"), "{head}\n{body}");
    // The pages themselves hold no secret.
    assert!(http(address, "GET /", &[], "").0.starts_with("HTTP/1.1 200 "));

    let hello = || json!({ "jobName": "hello", "location": "first" });
    let refused = launch(&viewer, hello());
    let expected = "token `viewer` has the role viewer and may not submit runs: that takes the role launcher";
    assert_eq!(said(&refused, "UnauthorizedError"), expected);
    let launched = launch(&launcher, hello());
    let run = launched["run"]["runId"].as_str().expect("a run").to_owned();
    assert!(launched["unservable"].as_str().expect("a reason").contains("no worker has joined"));
    let cancel = |pages: &Pages| {
        let query = "mutation($id: ID!) { terminateRun(runId: $id) { __typename ... on Error { message } } }";
        pages.ask(query, json!({ "id": run }))["terminateRun"].clone()
    };
    assert!(said(&cancel(&viewer), "UnauthorizedError").contains("may not cancel runs"));
    assert_eq!(cancel(&launcher)["__typename"], "TerminateRunSuccess");
    let start = |pages: &Pages| set(pages, "startSchedule", Some("second"));
    let expected = "may not change schedules and sensors: that takes the role operator";
    assert!(said(&start(&launcher), "UnauthorizedError").ends_with(expected));
    let several = set(&operator, "startSchedule", None);
    assert!(said(&several, "UnexpectedError").contains("name one of first, second"), "{several:#}");
    assert_eq!(start(&operator)["__typename"], "Schedule");
    assert_eq!(on(&viewer), ["second/nightly"]);
    let reload = "mutation { reloadWorkspace { __typename ... on Error { message } } }";
    let refused = launcher.ask(reload, json!({}))["reloadWorkspace"].clone();
    assert!(said(&refused, "UnauthorizedError").contains("may not read definitions again"));
    assert_eq!(operator.ask(reload, json!({}))["reloadWorkspace"]["__typename"], "Workspace");

    // Who did what, and who was refused, stands in the log.
    let log: Value = serde_json::from_str(&served.here(&["audit", "--json"]).expect(0).stdout).expect("JSON");
    assert_eq!(log["whole"], true);
    let entries = log["entries"].as_array().expect("a list");
    let has = |who: &str, did: &str, done: bool| {
        let is_it = |entry: &&Value| {
            entry["who"] == format!("token `{who}`")
                && entry["did"] == did
                && entry["refused"].is_null() == done
        };
        assert!(entries.iter().any(|entry| is_it(&entry)), "{who} {did}: {log:#}");
    };
    has("viewer", "run.submit", false);
    has("launcher", "run.submit", true);
    has("launcher", "run.cancel", true);
    has("launcher", "automation.change", false);
    has("operator", "automation.change", true);
    has("operator", "definitions.reload", true);
}

#[test]
fn h_108_a_browser_carries_its_token_where_no_script_reads_it_until_it_is_revoked() {
    let served = Served::start();
    let address = &served.pages.address;
    let token = served.token("viewer", &["--role", "viewer"]);
    let sign_in =
        |token: &str| http(address, "POST /session", &[JSON], json!({ "token": token }).to_string());
    for wrong in ["", "hello", &format!("cofferdam_{}", "0".repeat(64))] {
        let (head, body) = sign_in(wrong);
        assert!(head.starts_with("HTTP/1.1 401 ") && !head.contains("set-cookie"), "{head}");
        assert!(body.contains("errors") && (wrong.is_empty() || !body.contains(wrong)), "{body}");
    }
    assert!(http(address, "POST /session", &[JSON], "{}").0.starts_with("HTTP/1.1 400 "));
    // For some namespaces only: the pages show all.
    let some = served.token("some", &["--role", "admin", "--namespace", "team-a"]);
    assert!(sign_in(&some).1.contains("is for the namespace `team-a`, and the pages show all"));
    let (head, _) = sign_in(&token);
    assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let carried = cookie.split(';').next().expect("a name and a value");
    let question = json!({ "query": "{ instance { visitor { name } } }" }).to_string();
    let ask = |headers: &[(&str, &str)]| http(address, "POST /graphql", headers, &question);
    let (_, body) = ask(&[JSON, ("cookie", &format!("other=1; {carried}"))]);
    assert!(body.contains("\"viewer\""), "{body}");
    // Another site's page is sent away before anybody looks at the cookie.
    let (head, _) = ask(&[JSON, ("cookie", carried), ("origin", "http://evil.example")]);
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    let (head, _) = ask(&[("content-type", "text/plain"), ("cookie", carried)]);
    assert!(head.starts_with("HTTP/1.1 415 "), "{head}");
    let (head, _) = http(address, "DELETE /session", &[("cookie", carried)], "");
    assert!(head.starts_with("HTTP/1.1 204 ") && head.contains("Max-Age=0"), "{head}");

    let mut socket = served.as_who_has(&token).socket();
    socket.follow("subscription { locationStateChangeEvents { version } }", json!({}));
    socket.next_data().expect("how it is now");
    served.here(&["token", "revoke", "viewer"]).expect(0);
    socket.until_cut();
    let (head, body) = ask(&[JSON, ("cookie", carried)]);
    assert!(head.starts_with("HTTP/1.1 401 ") && body.contains("not any more"), "{head}\n{body}");
}

#[test]
fn c_64_a_token_counts_where_it_belongs_only_and_everybody_shows_their_own() {
    let served = Served::start();
    let address = &served.pages.address;
    let token = served.token("viewer", &["--role", "viewer"]);
    let question = json!({ "query": "{ instance { visitor { name } } }" }).to_string();
    let port = address.rsplit(':').next().expect("a port");
    // Nowhere but in a cookie of that name or the header of programs, and it is taken from no address.
    let refused: [&[(&str, &str)]; 5] = [
        &[],
        &[("authorization", &token)],
        &[("authorization", &format!("Basic {token}"))],
        &[("cookie", &format!("cofferdam={token}"))],
        &[("cookie", &format!("cofferdam_{port}=chosen-by-somebody"))],
    ];
    for headers in refused {
        for path in
            ["/graphql", &format!("/graphql?token={token}"), &format!("/graphql?access_token={token}")]
        {
            let (head, body) =
                http(address, &format!("POST {path}"), &[&[JSON][..], headers].concat(), &question);
            assert!(head.starts_with("HTTP/1.1 401 ") && !head.contains("set-cookie"), "{head}\n{body}");
            assert!(!body.contains(&token), "{body}");
        }
    }
    let page = http(address, &format!("GET /?token={token}"), &[], "").0;
    assert!(page.starts_with("HTTP/1.1 200 ") && !page.contains("set-cookie"), "{page}");
    // A cookie that somebody has planted gives way to the one of who signs in.
    let body = json!({ "token": token }).to_string();
    let planted = ("cookie", format!("cofferdam_{port}=chosen-by-somebody"));
    let (head, _) = http(address, "POST /session", &[JSON, (planted.0, &planted.1)], &body);
    assert!(head.contains(&format!("set-cookie: cofferdam_{port}={token}; Path=/; ")), "{head}");
    // What is at the pages' address is never told to others.
    assert!(
        head.contains("referrer-policy: no-referrer") && head.contains("cache-control: no-store"),
        "{head}"
    );
}

#[test]
fn i10_commands_of_a_project_change_what_its_cluster_asks_while_it_serves_and_while_it_does_not() {
    let mut served = Served::start();
    let second = served.folder.path().join("second").display().to_string();
    let command = |served: &Served, args: &[&str]| served.here(&[&["-C", &second], args].concat());
    let started = command(&served, &["schedule", "start", "nightly"]).expect(0);
    assert!(started.stdout.contains("`nightly` is running"), "{started:#?}");
    assert_eq!(on(&served.pages), ["second/nightly"]);
    let listed: Value =
        serde_json::from_str(&command(&served, &["schedule", "list", "--json"]).expect(0).stdout)
            .expect("JSON");
    assert_eq!(listed["schedules"][0]["status"], "running");
    let tried = command(&served, &["schedule", "try", "nightly"]).expect(0);
    assert!(tried.stdout.contains("would run hello"), "{tried:#?}");
    let process = served.pages.process.take().expect("it is ours");
    assert_eq!(process.terminate(), Some(0));
    command(&served, &["schedule", "stop", "nightly"]).expect(0);
    let more = ["--workspace", &format!("{}/workspace.toml", served.folder.path().display())];
    let serving = served.cluster.serve_with_args(&[&more[..], &["--pages", "127.0.0.1:0"]].concat());
    let pages = Served::pages(&served.cluster, serving);
    until("all are known", || served.statuses(&pages).iter().all(|(_, status)| status != "LOADING"));
    assert_eq!(on(&pages), [""; 0]);
}

const COUNTING: &str = r#"
[libraries.text]
wasm = "lib/text.wasm"

[jobs.hello.steps.greet]
op = "text.greet"

[sensors.counting]
op = "text.look"
jobs = ["hello"]
minimum_interval = "1s"
status = "running"
"#;

/// Keys of the runs that were asked for, the oldest first.
fn keys(pages: &Pages) -> Vec<String> {
    let query = "{ runsOrError { ... on Runs { results { tags { key value } } } } }";
    let found = pages.ask(query, json!({}))["runsOrError"]["results"].clone();
    let key = |run: &Value| {
        let mut tags = run["tags"].as_array().expect("a list").iter();
        let tag = tags.find(|tag| tag["key"] == "dagster/run_key").expect("it has a key");
        tag["value"].as_str().expect("a text").to_owned()
    };
    let mut keys: Vec<String> = found.as_array().expect("a list").iter().map(key).collect();
    keys.reverse();
    keys
}

#[test]
fn i11_the_scheduler_in_office_asks_and_its_successor_goes_on_where_it_was() {
    let server = Server::start();
    let settings = format!("[run_log]\npostgres = \"{}\"\n", server.database("runs"));
    let folder = Project::with("", &[]);
    Served::location(&folder, "counts", COUNTING);
    folder.write("workspace.toml", "[locations.counts]\nfolder = \"counts\"\n");
    let file = folder.path().join("workspace.toml").display().to_string();
    let mut served = Served::over(folder, &settings);
    let standby = served.cluster.serve_with_args(&["--workspace", &file, "--pages", "127.0.0.1:0"]);
    standby.wait_for("waiting for the scheduler in office");
    until("it asks", || keys(&served.pages).len() >= 3);
    let before = keys(&served.pages);
    served.pages.process.take().expect("it is ours").kill();
    let pages = Served::pages(&served.cluster, standby);
    until("the other one goes on", || keys(&pages).len() >= before.len() + 3);
    let after = keys(&pages);
    let counted: Vec<String> = (0..after.len()).map(|n| format!("tick-{n}")).collect();
    assert_eq!(after, counted, "none was left out, and none asked for twice");
    let health = "{ instance { daemonHealth { allDaemonStatuses { healthy lastHeartbeatTime } } } }";
    let health = pages.ask(health, json!({}))["instance"]["daemonHealth"]["allDaemonStatuses"][0].clone();
    assert!(health["healthy"] == true && health["lastHeartbeatTime"].is_number(), "{health:#}");
}

#[test]
fn h_088_what_is_asked_for_by_itself_runs_no_library_either_that_nobody_has_signed_who_must() {
    let key = format!("ed25519:{}", "0a".repeat(32));
    let folder = Project::with("", &[]);
    Served::location(&folder, "counts", COUNTING);
    folder.write("workspace.toml", "[locations.counts]\nfolder = \"counts\"\n");
    let served = Served::over(folder, &format!("[[signers]]\nkeys = [\"{key}\"]\n"));
    let query = "{ sensorOrError(name: \"counting\") { ... on Sensor { sensorState { ticks { status runs \
        { refused } } } } } }";
    let ticks = || served.pages.ask(query, json!({}))["sensorOrError"]["sensorState"]["ticks"].clone();
    let refused = |ticks: &Value| {
        ticks
            .as_array()
            .expect("a list")
            .iter()
            .find_map(|tick| tick["runs"][0]["refused"].as_str().map(str::to_owned))
    };
    until("it is refused", || refused(&ticks()).is_some());
    let why = refused(&ticks()).expect("it is refused");
    assert!(why.contains("has no signature of a key that may sign for `default`"), "{why}");
    assert_eq!(keys(&served.pages), [""; 0]);
    let launcher = served.as_who_has(&served.token("launcher", &["--role", "launcher"]));
    let config = "ops: { greet: { config: { name: Ada } } }";
    let refused = launch(&launcher, json!({ "jobName": "hello", "runConfigYaml": config }));
    assert!(said(&refused, "UnauthorizedError").contains("has no signature of a key"), "{refused:#}");
}

#[test]
fn what_cannot_be_served_is_refused_before_anything_is_opened() {
    let folder = Project::with("", &[]);
    folder.write("workspace.toml", "[locations.a]\nfoldr = \"a\"\n");
    let serve = |args: &[&str]| folder.run([&["serve", "--listen", "127.0.0.1:0"], args].concat());
    let wrong = serve(&["--workspace", "workspace.toml"]).expect(3);
    assert!(
        wrong.stderr.contains("has no `folder`") && wrong.stderr.contains("workspace.toml:"),
        "{wrong:#?}"
    );
    let open = serve(&["--pages", "0.0.0.0:0"]).expect(2);
    assert!(
        open.stderr.contains("the pages encrypt nothing") && open.stderr.contains("--pages-url"),
        "{open:#?}"
    );
    let url = serve(&["--pages", "0.0.0.0:0", "--pages-url", "pages.example"]).expect(2);
    assert!(url.stderr.contains("https://pages.example"), "{url:#?}");
    assert!(!folder.path().join(".cofferdam").exists());
}

const FETCHES: &str = r#"
[libraries.resources]
wasm = "lib/resources.wasm"
[resources.web]
kind = "http"
base_url = "https://api.example/v1/"
[jobs.fetches.steps.fetch]
op = "resources.fetch"
bind = { api = "web" }
inputs.path = { value = "x" }
"#;

#[test]
fn c_68_nobody_is_sent_elsewhere_and_no_form_sends_a_worker_where_the_operator_lets_none_go() {
    let folder = Project::with("", &["resources"]);
    folder.write("cofferdam.toml", FETCHES);
    folder.write("workspace.toml", "[locations.own]\nfolder = \".\"\n");
    let served = Served::over(folder, "[[grants]]\nreach = [\"http https://api.example/*\"]\n");
    let pages = served.as_who_has(&served.token("ada", &["--role", "launcher"]));
    let run = |base: &str| {
        let config = format!("resources: {{web: {{config: {{base_url: \"{base}\"}}}}}}");
        launch(&pages, json!({ "jobName": "fetches", "runConfigYaml": config }))
    };
    // It is let in; that nobody is there by that name is another matter.
    assert_eq!(run("https://api.example/v1/")["__typename"], "LaunchRunSuccess");
    let scheduler = format!("http://{}/", served.cluster.address);
    let pages_themselves = format!("http://{}/", pages.address);
    for elsewhere in [
        "http://169.254.169.254/latest/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://localhost:4040/",
        "http://10.0.0.1/",
        "http://2130706433/",
        "https://api.example.evil.example/v1/",
        "https://api.example@evil.example/v1/",
        "http://api.example/v1/",
        &scheduler,
        &pages_themselves,
    ] {
        let refused = run(elsewhere);
        assert_ne!(refused["__typename"], "LaunchRunSuccess", "{elsewhere}: {refused}");
        let told = refused.to_string();
        assert!(told.contains("is not granted what it asks for") || told.contains("base_url"), "{told}");
    }
    for to in ["//evil.example", "https://evil.example", "/%5cevil.example", "javascript:alert(1)"] {
        for what in ["GET /", "GET /runs", "GET /signin", "POST /session", "GET /graphql", "POST /graphql"] {
            for name in ["next", "redirect", "return_to", "url", "continue"] {
                let asked = format!("{what}?{name}={to}");
                let (head, _) = http(&pages.address, &asked, &[JSON, ("referer", to)], "{}");
                let is_sent = head.starts_with("HTTP/1.1 3") || head.to_lowercase().contains("\nlocation:");
                assert!(!is_sent && !head.to_lowercase().contains("\nrefresh:"), "{asked}: {head}");
            }
        }
    }
    for path in ["//evil.example/", "/%2f%2fevil.example/", "/\\evil.example", "//evil.example/..", "/runs/"]
    {
        let (head, _) = http(&pages.address, &format!("GET {path}"), &[], "");
        assert!(
            !head.starts_with("HTTP/1.1 3") && !head.to_lowercase().contains("\nlocation:"),
            "{path}: {head}"
        );
    }
}

#[test]
fn c_69_a_page_that_tries_tokens_is_told_to_wait_and_who_is_signed_in_is_not() {
    let served = Served::start();
    let address = &served.pages.address;
    let sign_in = |token: &str| {
        let (head, _) = http(address, "POST /session", &[JSON], json!({ "token": token }).to_string());
        head.split(' ').nth(1).expect("a code").to_owned()
    };
    let ada = served.token("ada", &["--role", "viewer"]);
    assert_eq!(sign_in(&ada), "204");
    let codes: Vec<String> = (0..200).map(|n| sign_in(&format!("cofferdam_{n:064x}"))).collect();
    let n_of = |code: &str| codes.iter().filter(|one| *one == code).count();
    // Some are forgotten meanwhile.
    assert!((30..60).contains(&n_of("401")) && n_of("401") + n_of("429") == 200, "{codes:?}");
    assert_eq!(sign_in(&served.token("eve", &["--role", "viewer"])), "429", "a guess, for all one knows");
    assert_eq!(sign_in(&ada), "204");
    let question = json!({ "query": "{ version }" }).to_string();
    let (head, _) =
        http(address, "POST /graphql", &[JSON, ("authorization", &format!("Bearer {ada}"))], question);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}
