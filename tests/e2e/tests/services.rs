//! Resources and IO managers that differ from one environment to the next while the code stays the same: a folder
//! here, a bucket behind a real S3 server there.

use cofferdam_e2e::look::{id, step, text};
use cofferdam_e2e::s3::{self, S3};
use cofferdam_e2e::{Ended, Project};
use serde_json::{Value, json};

const BUCKET: &str = "lake";

/// Runs with `--json` and the variables that the environment `s3` names.
fn with_s3(project: &Project, server: &S3, args: &[&str]) -> Value {
    let mut command = project.command(args);
    command.arg("--json").env("ENDPOINT", server.endpoint());
    command.env("ACCESS_KEY", s3::ACCESS_KEY).env("SECRET_KEY", s3::SECRET_KEY);
    let ended = Ended::from(command.output().expect("the program can be started")).expect(0);
    serde_json::from_str(&ended.stdout).expect("one JSON document")
}

const BLOBS: &str = r#"
[libraries.resources]
wasm = "lib/resources.wasm"

[resources.lake]
kind = "blob"
url = "file:blobs"

[environments.s3.resources.lake]
kind = "blob"
url = "s3://lake/ops"
region = "us-east-1"
endpoint = { env = "ENDPOINT" }
access_key_id = { env = "ACCESS_KEY" }
secret_access_key = { env = "SECRET_KEY" }

[jobs.j.steps.write]
op = "resources.heavy"
inputs.bytes = { value = 1000 }
"#;

#[test]
fn a12_the_same_digest_runs_on_a_folder_and_on_s3_by_a_swap_of_its_resource() {
    let server = S3::start(&[BUCKET]);
    let project = Project::with(BLOBS, &["resources"]);
    let digest = |args: &[&str]| {
        let plan = with_s3(&project, &server, args);
        text(&plan["plan"]["libraries"], "resources").to_owned()
    };
    assert_eq!(digest(&["plan"]), digest(&["plan", "--env", "s3"]));

    let run = with_s3(&project, &server, &["run"]);
    assert_eq!(step(&run, "write")["status"], "succeeded");
    let object = || server.object(BUCKET, "ops/heavy");
    assert_eq!((project.read("blobs/heavy").len(), object()), (1000, None));

    std::fs::remove_dir_all(project.path().join("blobs")).expect("the folder is there");
    let run = with_s3(&project, &server, &["run", "--env", "s3"]);
    assert_eq!(step(&run, "write")["status"], "succeeded");
    assert_eq!(object().map(|bytes| bytes.len()), Some(1000));
    assert!(!project.path().join("blobs").exists(), "nothing lies in the folder");
    let secret = s3::SECRET_KEY.as_bytes();
    for file in [".cofferdam/runlog.sqlite", ".cofferdam/runlog.sqlite-wal"] {
        let kept = std::fs::read(project.path().join(file)).unwrap_or_default();
        assert!(!kept.windows(secret.len()).any(|window| window == secret), "the secret is in {file}");
    }
}

const MANAGED: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"

[io_managers.lake]
kind = "filesystem"
base_dir = "lake"

[environments.s3.io_managers.lake]
kind = "s3"
bucket = "lake"
prefix = "team"
region = "us-east-1"
endpoint = { env = "ENDPOINT" }
access_key_id = { env = "ACCESS_KEY" }
secret_access_key = { env = "SECRET_KEY" }

[io_managers.left]
kind = "op"
store = "typed.put"
load = "typed.get"
config = { shelf = "left" }

[io_managers.right]
kind = "op"
store = "typed.put"
load = "typed.get"
config = { shelf = "right" }

[jobs.j.steps.one]
op = "typed.double"
inputs.number = { value = 3 }
outputs.result = { io_manager = "lake", metadata = { unit = "cm" } }

[jobs.j.steps.two]
op = "typed.double"
inputs.number = "one"
outputs.result = { io_manager = "left" }

[jobs.j.steps.three]
op = "typed.double"
inputs.number = "two"
input_managers = { number = "right" }

[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 2 }
io_manager = "lake"

[partitions.days]
kind = "static"
keys = ["mon", "tue"]

[assets.total]
key = "shop/total"
op = "typed.double"
inputs.number = { value = 5 }
partitions = "days"
io_manager = "lake"
"#;

/// Where a reader of Dagster's would look, below the manager's root: the outputs of the run and the asset.
fn paths(run: &Value) -> [String; 4] {
    let of = |path: &str| format!("{}/{path}", id(run));
    [of("one/result"), of("numbers/each/n0"), of("numbers/each/n1"), "shop/total/mon".to_owned()]
}

/// The values that lie there, in CBOR.
const VALUES: [&[u8]; 4] = [&[6], &[0], &[1], &[10]];

#[test]
fn e1_each_output_has_its_io_manager_on_folders_s3_and_ops_with_config_and_facts() {
    let server = S3::start(&[BUCKET]);
    let project = Project::with(MANAGED, &["typed"]);
    for environment in [&[][..], &["--env", "s3"]] {
        let run = with_s3(&project, &server, &[&["run", "j"], environment].concat());
        let made = &["asset", "materialize", "shop/total", "--partition", "mon"][..];
        with_s3(&project, &server, &[made, environment].concat());
        let [one, first, second, asset] = paths(&run);
        let found = |path: &str, root: &str| match environment {
            [] => std::fs::read(project.path().join("lake").join(path)).ok(),
            _ => server.object(BUCKET, &format!("team/{root}{path}")),
        };
        let storage = "storage/";
        let kept = [found(&one, storage), found(&first, storage), found(&second, storage), found(&asset, "")];
        assert_eq!(kept.each_ref().map(Option::as_deref), VALUES.map(Some), "{environment:?}");

        // A manager made of ops got its config, and the reader's own manager loads what the writer's has stored.
        let put = project.json(["value", "show", id(&run), "two.outputs.result.store"]).1;
        assert_eq!(put["value"], json!({ "shelf": "left", "number": 12 }));
        assert!(project.logged().is_empty(), "the newest run made the asset");
        let (_, logs) = project.json(["logs", id(&run)]);
        assert!(logs.to_string().contains("from left by right"), "{logs:#}");
        assert_eq!(project.json(["value", "show", id(&run), "three"]).1["value"], 24);

        let facts = &step(&run, "one")["outputs"][0]["metadata"];
        assert!(
            facts.to_string().contains("cm"),
            "facts that the definitions state of its output: {facts:#}"
        );
        std::fs::remove_dir_all(project.path().join("lake")).unwrap_or_default();
    }
}
