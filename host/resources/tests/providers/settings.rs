//! The table of settings in `plan` and the providers' own types say the same.

use crate::support::World;
use cofferdam_model::{HttpRequest, ResourceCall, ResourceKind};
use cofferdam_plan::{check_settings, settings_schema};
use serde_json::{Value, json};

/// Settings that use all there is, by kind.
fn examples() -> Vec<(ResourceKind, Value)> {
    vec![
        (
            ResourceKind::Http,
            json!({
                "base_url": "http://127.0.0.1:9/api", "headers": { "authorization": { "env": "SECRET" }, "accept": "*/*" },
                "allow": ["GET", "POST"], "allow_private": true, "timeout": "1.5s",
            }),
        ),
        (ResourceKind::Keyvalue, json!({ "backend": "file", "path": "kv.db", "timeout": "1m" })),
        (ResourceKind::Keyvalue, json!({ "backend": "memory" })),
        (
            ResourceKind::Blob,
            json!({
                "url": "s3://bucket/prefix", "endpoint": "http://127.0.0.1:9", "region": "eu-central-1",
                "access_key_id": "me", "secret_access_key": { "env": "SECRET" }, "session_token": { "env": "SECRET" },
                "timeout": "100ms",
            }),
        ),
        (ResourceKind::Blob, json!({ "url": "file:lake" })),
        (ResourceKind::Sql, json!({ "url": "sqlite:data.db", "read_only": false, "timeout": "2h" })),
        (ResourceKind::Sql, json!({ "url": { "env": "DATABASE" } })),
        (ResourceKind::Config, json!({ "entries": { "a": "b", "c": { "env": "SECRET" } } })),
        (
            ResourceKind::Command,
            json!({
                "program": "/bin/echo", "arguments": ["a", { "env": "SECRET" }], "allow_arguments": ["*"],
                "env": { "A": "b", "C": { "env": "SECRET" } }, "folder": ".", "timeout": "1d",
            }),
        ),
    ]
}

fn call(kind: ResourceKind) -> ResourceCall {
    match kind {
        ResourceKind::Http => ResourceCall::Http(HttpRequest {
            method: "GET".into(),
            path: String::new(),
            headers: vec![],
            body: vec![],
        }),
        ResourceKind::Keyvalue => ResourceCall::KeyGet { key: "a".into() },
        ResourceKind::Blob => ResourceCall::BlobSize { path: "a".into() },
        ResourceKind::Sql => ResourceCall::SqlQuery { statement: "SELECT 1".into(), parameters: vec![] },
        ResourceKind::Config | ResourceKind::Op => ResourceCall::ConfigGet { key: "a".into() },
        ResourceKind::Command => ResourceCall::Command { arguments: vec![], stdin: vec![] },
    }
}

#[tokio::test]
async fn what_the_plan_accepts_the_provider_opens() {
    let world = World::new(&[("SECRET", "hunter2-and-more"), ("DATABASE", "sqlite:other.db")]);
    for (kind, settings) in examples() {
        assert_eq!(check_settings(kind, &settings), [], "{settings}");
        assert!(jsonschema::is_valid(&settings_schema(kind), &settings), "{settings}");
        // Whether anybody listens is another matter; the settings are understood.
        if let Err(fault) = world.call(kind, &settings, call(kind)).await {
            assert_eq!(fault.kind, cofferdam_model::FaultKind::Unavailable, "{settings}: {fault}");
        }
    }
}

#[tokio::test]
async fn every_setting_of_the_table_is_in_an_example() {
    for kind in ResourceKind::ALL {
        let schema = settings_schema(kind);
        for name in schema["properties"].as_object().into_iter().flat_map(|properties| properties.keys()) {
            let used = examples().iter().any(|(of, settings)| *of == kind && settings.get(name).is_some());
            assert!(used, "`{name}` of `{kind}` is in no example");
        }
    }
}

#[tokio::test]
async fn what_the_plan_refuses_the_provider_refuses() {
    let world = World::new(&[]);
    for (kind, settings) in [
        (ResourceKind::Http, json!({ "base_url": "http://127.0.0.1:9", "colour": "red" })),
        (ResourceKind::Http, json!({ "base_url": "127.0.0.1" })),
        (ResourceKind::Keyvalue, json!({ "backend": "redis" })),
        (ResourceKind::Keyvalue, json!({ "backend": "memory", "path": "x" })),
        (ResourceKind::Blob, json!({ "url": "lake" })),
        (ResourceKind::Sql, json!({ "url": "mysql://host/db" })),
        (ResourceKind::Sql, json!({})),
        (ResourceKind::Config, json!({ "entries": { "a": 1 } })),
        (ResourceKind::Command, json!({ "program": "bin/x" })),
        (ResourceKind::Command, json!({ "program": "/bin/echo", "timeout": "soon" })),
    ] {
        assert_ne!(check_settings(kind, &settings), [], "{settings}");
        let fault = world.call(kind, &settings, call(kind)).await.unwrap_err();
        assert_eq!(fault.kind, cofferdam_model::FaultKind::Invalid, "{settings}: {fault}");
    }
}

#[test]
fn every_mistake_in_the_settings_is_told_with_a_way_out() {
    let cases = [
        (
            ResourceKind::Http,
            json!({ "baseurl": "x", "allow": ["FETCH"], "timeout": 5, "headers": { "Authorization": "Bearer hunter2" } }),
        ),
        (
            ResourceKind::Http,
            json!({ "base_url": "api.example", "headers": { "a": { "from": "X" } }, "allow_private": "yes" }),
        ),
        (ResourceKind::Keyvalue, json!({ "backend": "redis", "path": { "env": "X" } })),
        (ResourceKind::Blob, json!({ "url": "lake", "secret_access_key": "hunter2", "region": 7 })),
        (ResourceKind::Sql, json!({ "url": "postgres://me:hunter2@db/x", "readonly": true })),
        (ResourceKind::Config, json!({ "token": "hunter2" })),
        (
            ResourceKind::Command,
            json!({ "program": "./dbt", "arguments": "run", "env": { "A": { "env": "" } } }),
        ),
        (ResourceKind::Command, json!(["dbt"])),
    ];
    let mut text = String::new();
    for (kind, settings) in cases {
        text += &format!("{kind}\n");
        for problem in check_settings(kind, &settings) {
            text += &format!("  {}: {}\n", problem.path.join("."), problem.message);
            if let Some(hint) = problem.hint {
                text += &format!("    hint: {hint}\n");
            }
        }
    }
    assert!(!text.contains("hunter2"), "{text}");
    insta::assert_snapshot!(text, @r#"
http
  allow.0: `allow.0` cannot be `FETCH`
    hint: it is one of `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS`
  baseurl: a resource of kind `http` has no setting `baseurl`
    hint: did you mean `base_url`?
  timeout: `timeout` is a duration: text with a number and a unit
    hint: write for example `timeout = "30s"`; units are ms, s, m, h and d
  : a resource of kind `http` needs the setting `base_url`
    hint: Where requests go; an op adds a path below it and cannot leave it.
  headers.Authorization: `headers.Authorization` holds a secret, which must not stand in a definition
    hint: keep the secret in a variable and name it: `headers.Authorization = { env = "NAME" }`
http
  allow_private: `allow_private` is `true` or `false`, this is text
  headers.a: `headers.a` is a table, but not the name of a variable
    hint: write `{ env = "NAME" }`
  base_url: `base_url` does not say what it leads to
    hint: it starts with `http://`, `https://`
keyvalue
  backend: `backend` cannot be `redis`
    hint: it is one of `memory`, `file`
  path: `path` is plain text: it is part of the plan and cannot come from the environment
blob
  region: `region` is text or `{ env = "NAME" }`, this is a number
  secret_access_key: `secret_access_key` holds a secret, which must not stand in a definition
    hint: keep the secret in a variable and name it: `secret_access_key = { env = "NAME" }`
  url: `url` does not say what it leads to
    hint: it starts with `s3://`, `file:`, `memory:`
sql
  readonly: a resource of kind `sql` has no setting `readonly`
    hint: did you mean `read_only`?
  url: `url` holds a secret, which must not stand in a definition
    hint: keep the secret in a variable and name it: `url = { env = "NAME" }`
config
  token: a resource of kind `config` has no setting `token`
    hint: it has `entries`
  : a resource of kind `config` needs the setting `entries`
    hint: Texts by key.
command
  arguments: `arguments` is a list of texts, this is text
  env.A: `env.A` is a table, but not the name of a variable
    hint: write `{ env = "NAME" }`
  program: `program` is an absolute path or a bare name, this is a relative path
command
  : the settings of a resource are a table, this is a list
"#);
}

#[test]
fn the_readme_tells_every_setting_as_the_table_has_it() {
    let readme = include_str!("../../README.md");
    for kind in ResourceKind::ALL {
        let schema = settings_schema(kind);
        let Some(properties) = schema["properties"].as_object() else { continue };
        let section = readme
            .split(&format!("\n## {kind}\n"))
            .nth(1)
            .unwrap_or_else(|| panic!("no section on `{kind}`"));
        let section = section.split("\n## ").next().unwrap();
        let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(rows.len(), properties.len(), "settings of `{kind}`");
        for (name, setting) in properties {
            let row = rows.iter().find(|row| row.starts_with(&format!("| `{name}` |")));
            let row = row.unwrap_or_else(|| panic!("`{name}` of `{kind}` is not told"));
            let required = schema["required"].as_array().unwrap().contains(&json!(name));
            assert_eq!(row.contains(", required |"), required, "{row}");
            let doc = setting["description"].as_str().unwrap();
            assert!(row.ends_with(&format!("| {doc} |")), "{row}\ndoes not end with\n{doc}");
        }
    }
}
