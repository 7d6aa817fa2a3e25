//! Mistakes in the settings of resources, as a user sees them.

use cofferdam_config::{Texts, read_definitions, render};
use cofferdam_plan::check;

const WRONG: &str = r#"
[resources.api]
kind = "http"
baseurl = "https://api.example"
allow = ["GET", "FETCH"]
headers = { Authorization = "Bearer hunter2" }

[resources.warehouse]
kind = "sql"
url = "postgres://me:hunter2@db/x"
readonly = true

[resources.lake]
kind = "blob"
url = "s3://lake"
secret_access_key = "hunter2"
timeout = 30

[resources.dbt]
kind = "command"
program = { env = "DBT" }
arguments = ["run", 1]

[environments.prod.resources.warehouse]
kind = "sql"
url = "warehouse.db"
"#;

/// What a user reads of the mistakes in these definitions.
fn told(toml: &str) -> String {
    let mut texts = Texts::default();
    let (definitions, found) = read_definitions(&mut texts, "cofferdam.toml", toml);
    assert_eq!(found, []);
    render(&texts, &check(&definitions, &Default::default(), &Default::default()), false, 100)
}

#[test]
fn every_wrong_setting_of_every_resource_is_shown_in_its_place_and_no_secret_is() {
    let told = told(WRONG);
    assert!(!told.contains("hunter2"), "{told}");
    insta::assert_snapshot!(told, @r#"
error[plan::resource-settings]: resource `api`: a resource of kind `http` needs the setting `base_url`
 --> cofferdam.toml:2:12
  |
2 | [resources.api]
  |            ^^^
  |
  = hint: Where requests go; an op adds a path below it and cannot leave it.

error[plan::resource-settings]: resource `api`: `headers.Authorization` holds a secret, which must not stand in a definition
 --> cofferdam.toml:2:12
  |
2 | [resources.api]
  |            ^^^
  |
  = hint: keep the secret in a variable and name it: `headers.Authorization = { env = "NAME" }`

error[plan::resource-settings]: resource `api`: a resource of kind `http` has no setting `baseurl`
 --> cofferdam.toml:4:11
  |
4 | baseurl = "https://api.example"
  |           ^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: did you mean `base_url`?

error[plan::resource-settings]: resource `api`: `allow.1` cannot be `FETCH`
 --> cofferdam.toml:5:17
  |
5 | allow = ["GET", "FETCH"]
  |                 ^^^^^^^
  |
  = hint: it is one of `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS`

error[plan::resource-settings]: resource `warehouse`: `url` holds a secret, which must not stand in a definition
 --> cofferdam.toml:8:12
  |
8 | [resources.warehouse]
  |            ^^^^^^^^^
  |
  = hint: keep the secret in a variable and name it: `url = { env = "NAME" }`

error[plan::resource-settings]: resource `warehouse`: a resource of kind `sql` has no setting `readonly`
  --> cofferdam.toml:11:12
   |
11 | readonly = true
   |            ^^^^
   |
   = hint: did you mean `read_only`?

error[plan::resource-settings]: resource `lake`: `secret_access_key` holds a secret, which must not stand in a definition
  --> cofferdam.toml:13:12
   |
13 | [resources.lake]
   |            ^^^^
   |
   = hint: keep the secret in a variable and name it: `secret_access_key = { env = "NAME" }`

error[plan::resource-settings]: resource `lake`: `timeout` is a duration: text with a number and a unit
  --> cofferdam.toml:17:11
   |
17 | timeout = 30
   |           ^^
   |
   = hint: write for example `timeout = "30s"`; units are ms, s, m, h and d

error[plan::resource-settings]: resource `dbt`: `program` is plain text: it is part of the plan and cannot come from the environment
  --> cofferdam.toml:21:11
   |
21 | program = { env = "DBT" }
   |           ^^^^^^^^^^^^^^^

error[plan::resource-settings]: resource `dbt`: `arguments.1` is text or `{ env = "NAME" }`, this is a number
  --> cofferdam.toml:22:21
   |
22 | arguments = ["run", 1]
   |                     ^

error[plan::resource-settings]: resource `warehouse` of environment `prod`: `url` does not say what it leads to
  --> cofferdam.toml:26:7
   |
26 | url = "warehouse.db"
   |       ^^^^^^^^^^^^^^
   |
   = hint: it starts with `sqlite:`, `postgres://`, `postgresql://`
"#);
}

#[test]
fn resources_with_the_settings_of_their_kind_are_fine() {
    let right = r#"
[resources.warehouse]
kind = "sql"
url = { env = "WAREHOUSE" }
[resources.texts]
kind = "config"
entries = { region = "eu", token = { env = "TOKEN" } }
[resources.session]
kind = "op"
set_up = "db.open"
config = { pool = 4 }
[environments.prod.resources.warehouse]
kind = "sql"
url = "sqlite:data/warehouse.db"
"#;
    assert_eq!(told(right), "");
}
