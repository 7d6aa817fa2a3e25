//! Mistakes in the settings of resources, as a user sees them.

use cofferdam_config::{Texts, read_definitions, render};
use cofferdam_plan::check_resources;

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
    render(&texts, &check_resources(&definitions), false, 100)
}

#[test]
fn every_wrong_setting_of_every_resource_is_shown_in_its_place_and_no_secret_is() {
    let told = told(WRONG);
    assert!(!told.contains("hunter2"), "{told}");
    insta::assert_snapshot!(told, @"");
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
