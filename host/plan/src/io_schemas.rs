//! What may be set for each kind of IO manager: one table, read as a JSON Schema for editors and as a check that names
//! every mistake at once. The types that a worker reads the settings with are in `io`, and tested against this.

use cofferdam_model::{IoManagerKind, nearest};
use serde_json::{Map, Value, json};

use crate::SettingProblem;

/// One setting of a kind. All of them are texts.
struct Setting {
    name: &'static str,
    required: bool,
    /// Only `{ env = "NAME" }`: a definition is read by more people than a secret should be.
    secret: bool,
    doc: &'static str,
}

const FILESYSTEM: &[Setting] = &[needed(
    "base_dir",
    "Folder of the values, from the project's folder; workers on other machines must see it too.",
)];

const PREFIX: Setting = text("prefix", "Stands before the key of every object; `dagster` if not set.");
const ENDPOINT: Setting = text("endpoint", "URL of a server other than the service's own.");

const S3: &[Setting] = &[
    needed("bucket", "Name of the bucket."),
    PREFIX,
    text("region", "Region of the bucket; `AWS_REGION` of the worker, or `us-east-1`, if not set."),
    ENDPOINT,
    text("access_key_id", "Who asks; `AWS_ACCESS_KEY_ID` of the worker, or its machine's role, if not set."),
    secret(
        "secret_access_key",
        "The key that signs requests; `AWS_SECRET_ACCESS_KEY` of the worker if not set.",
    ),
    secret("session_token", "Belongs to keys that are lent for a time."),
];

const GCS: &[Setting] = &[
    needed("bucket", "Name of the bucket."),
    PREFIX,
    secret(
        "service_account_key",
        "The JSON of a service account's key; the machine's own account if not set.",
    ),
    text("service_account_file", "File of such a key on the worker."),
];

const AZURE: &[Setting] = &[
    needed("account", "Name of the storage account."),
    needed("container", "Name of the container."),
    PREFIX,
    ENDPOINT,
    secret("access_key", "Key of the account; the machine's own identity if not set."),
];

const fn needed(name: &'static str, doc: &'static str) -> Setting {
    Setting { name, required: true, secret: false, doc }
}

const fn text(name: &'static str, doc: &'static str) -> Setting {
    Setting { name, required: false, secret: false, doc }
}

const fn secret(name: &'static str, doc: &'static str) -> Setting {
    Setting { name, required: false, secret: true, doc }
}

/// None for managers made of ops, whose settings are the config of their ops.
fn settings_of(kind: IoManagerKind) -> Option<&'static [Setting]> {
    match kind {
        IoManagerKind::Store | IoManagerKind::Memory | IoManagerKind::Transient => Some(&[]),
        IoManagerKind::Filesystem => Some(FILESYSTEM),
        IoManagerKind::S3 => Some(S3),
        IoManagerKind::Gcs => Some(GCS),
        IoManagerKind::Azure => Some(AZURE),
        IoManagerKind::Op => None,
    }
}

/// The settings of a kind as a JSON Schema (draft 2020-12), `kind` itself left out.
pub fn io_manager_schema(kind: IoManagerKind) -> Value {
    let Some(settings) = settings_of(kind) else { return json!({ "type": "object" }) };
    let variable = json!({
        "type": "object",
        "properties": { "env": { "type": "string", "minLength": 1 } },
        "required": ["env"],
        "additionalProperties": false,
    });
    let properties = settings.iter().map(|setting| {
        let mut schema = match setting.secret {
            true => variable.clone(),
            false if setting.required => json!({ "anyOf": [{ "type": "string", "minLength": 1 }, variable] }),
            false => json!({ "anyOf": [{ "type": "string" }, variable] }),
        };
        schema["description"] = setting.doc.into();
        (setting.name.to_owned(), schema)
    });
    json!({
        "type": "object",
        "properties": properties.collect::<Map<_, _>>(),
        "required": settings.iter().filter(|setting| setting.required).map(|s| s.name).collect::<Vec<_>>(),
        "additionalProperties": false,
    })
}

/// Every mistake in the settings of an IO manager. Nothing is read from the environment.
pub fn check_io_manager(kind: IoManagerKind, settings: &Value) -> Vec<SettingProblem> {
    let Some(known) = settings_of(kind) else { return vec![] };
    let Some(given) = settings.as_object() else {
        return vec![problem(&[], "the settings of an IO manager are a table".to_owned(), None)];
    };
    let mut problems = vec![];
    for (name, value) in given {
        match known.iter().find(|setting| setting.name == name) {
            Some(setting) => problems.extend(check_setting(setting, value)),
            None => {
                let hint = match nearest(name, known.iter().map(|setting| setting.name)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if known.is_empty() => "it has none: leave this out".to_owned(),
                    None => format!("it has {}", list(known)),
                };
                let message = format!("an IO manager of kind `{kind}` has no setting `{name}`");
                problems.push(problem(&[name], message, Some(hint)));
            }
        }
    }
    for setting in known.iter().filter(|setting| setting.required && !given.contains_key(setting.name)) {
        let message = format!("an IO manager of kind `{kind}` needs the setting `{}`", setting.name);
        problems.push(problem(&[], message, Some(setting.doc.to_owned())));
    }
    for (name, other) in [("secret_access_key", "access_key_id"), ("session_token", "secret_access_key")] {
        if given.contains_key(name) && !given.contains_key(other) {
            problems.push(problem(&[name], format!("`{name}` has no meaning without `{other}`"), None));
        }
    }
    if given.contains_key("service_account_key") && given.contains_key("service_account_file") {
        let message = "`service_account_key` and `service_account_file` exclude each other".to_owned();
        problems.push(problem(&["service_account_file"], message, Some("leave one of them out".to_owned())));
    }
    problems
}

fn check_setting(setting: &Setting, value: &Value) -> Option<SettingProblem> {
    let name = setting.name;
    // What stands in the place of a secret is shown to nobody.
    let says = |message: String, hint: String| {
        Some(SettingProblem { secret: setting.secret, ..problem(&[name], message, Some(hint)) })
    };
    match value {
        Value::Object(fields) => {
            let variable = fields.get("env").and_then(Value::as_str).filter(|_| fields.len() == 1);
            if variable.is_some_and(|name| !name.is_empty() && !name.contains(['=', '\0'])) {
                return None;
            }
            says(
                format!("`{name}` is a table, but not the name of a variable"),
                "write `{ env = \"NAME\" }`".to_owned(),
            )
        }
        _ if setting.secret => says(
            format!("`{name}` holds a secret, which must not stand in a definition"),
            format!("keep the secret in a variable and name it: `{name} = {{ env = \"NAME\" }}`"),
        ),
        Value::String(text) if text.is_empty() && name != "prefix" => {
            says(format!("`{name}` is empty"), setting.doc.to_owned())
        }
        Value::String(text)
            if name == "endpoint" && !text.starts_with("https://") && !text.starts_with("http://") =>
        {
            says(format!("`{name}` is no URL"), "it starts with `https://` or `http://`".to_owned())
        }
        Value::String(text) if matches!(name, "bucket" | "container") && text.contains(['/', ':']) => says(
            format!("`{name}` is a name alone, without a scheme or a path"),
            "paths go into `prefix`".to_owned(),
        ),
        Value::String(_) => None,
        _ => says(format!("`{name}` is text or `{{ env = \"NAME\" }}`"), setting.doc.to_owned()),
    }
}

fn problem(path: &[&str], message: String, hint: Option<String>) -> SettingProblem {
    SettingProblem { path: path.iter().map(|key| (*key).to_owned()).collect(), message, hint, secret: false }
}

fn list(settings: &[Setting]) -> String {
    settings.iter().map(|setting| format!("`{}`", setting.name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn good() -> Vec<(IoManagerKind, Value)> {
        use IoManagerKind::{Azure, Filesystem, Gcs, Memory, Op, S3, Store};
        let secret = json!({ "env": "SECRET" });
        vec![
            (Store, json!({})),
            (Memory, json!({})),
            (Filesystem, json!({ "base_dir": "lake" })),
            (Filesystem, json!({ "base_dir": { "env": "LAKE" } })),
            (S3, json!({ "bucket": "b" })),
            (
                S3,
                json!({
                    "bucket": { "env": "BUCKET" }, "prefix": "", "region": "eu-west-1", "endpoint": "http://127.0.0.1:9",
                    "access_key_id": "id", "secret_access_key": secret, "session_token": secret,
                }),
            ),
            (Gcs, json!({ "bucket": "b", "service_account_key": secret })),
            (Azure, json!({ "account": "a", "container": "c", "access_key": secret })),
            (Op, json!({ "anything": 1 })),
        ]
    }

    #[test]
    fn what_is_right_passes_the_check_and_the_schema() {
        for (kind, settings) in good() {
            assert_eq!(check_io_manager(kind, &settings), [], "{kind}: {settings}");
            assert!(jsonschema::is_valid(&io_manager_schema(kind), &settings), "{kind}: {settings}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_a_way_out() {
        use IoManagerKind::{Azure, Filesystem, Gcs, Memory, S3, Store};
        let secret = json!({ "env": "SECRET" });
        let cases = [
            (Store, json!({ "base_dir": "x" })),
            (Memory, json!({ "size": 5 })),
            (Filesystem, json!({})),
            (Filesystem, json!({ "base_dri": "x" })),
            (Filesystem, json!({ "base_dir": "" })),
            (Filesystem, json!({ "base_dir": 5 })),
            (Filesystem, json!({ "base_dir": { "evn": "LAKE" } })),
            (Filesystem, json!("lake")),
            (S3, json!({ "bucket": "s3://lake/raw" })),
            (S3, json!({ "bucket": "lake", "endpoint": "minio:9000" })),
            (S3, json!({ "bucket": "lake", "access_key_id": "id", "secret_access_key": "hunter2" })),
            (S3, json!({ "bucket": "lake", "secret_access_key": secret })),
            (S3, json!({ "bucket": "lake", "session_token": secret })),
            (S3, json!({ "bucket": { "env": "" }, "zone": "eu", "path_style": true })),
            (Gcs, json!({ "bucket": "b", "service_account_key": secret, "service_account_file": "x" })),
            (Azure, json!({ "account": "a", "access_key": "hunter2" })),
        ];
        let mut text = String::new();
        for (kind, settings) in cases {
            let problems = check_io_manager(kind, &settings);
            assert_ne!(problems, [], "{kind}: {settings}");
            writeln!(text, "{kind} {}", settings.to_string().replace("hunter2", "…")).unwrap();
            for problem in problems {
                writeln!(text, "  {}: {}", problem.path.join("."), problem.message).unwrap();
                writeln!(text, "      hint: {}", problem.hint.unwrap_or_default()).unwrap();
            }
        }
        assert!(!text.contains("hunter2"), "no secret is repeated");
        insta::assert_snapshot!(text);
    }
}
