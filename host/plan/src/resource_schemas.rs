//! What may be set for each kind of resource: one table, read three ways. As a JSON Schema for editors, as a check
//! that names every mistake at once, and as the list that the providers' own types are tested against.
//! Values that are read from the environment are not known here; who opens the resource checks those.

use cofferdam_model::{Definitions, Diagnostic, Name, ResourceDef, ResourceKind, nearest};
use serde_json::{Map, Value, json};

/// One setting of a kind.
struct Setting {
    name: &'static str,
    shape: Shape,
    required: bool,
    doc: &'static str,
}

/// What a setting may hold.
#[derive(Clone, Copy)]
enum Shape {
    /// Text, or `{ env = "NAME" }`.
    Text,
    /// Only `{ env = "NAME" }`: a definition is read by more people than a secret should be.
    Secret,
    /// Text that is known when the plan is made.
    Literal,
    Literals,
    Texts,
    /// Names that people choose, each with a text or `{ env = "NAME" }`.
    TextMap,
    Flag,
    /// `30s`, `5m`.
    Duration,
    Choice(&'static [&'static str]),
    Choices(&'static [&'static str]),
}

/// A mistake in the settings of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblem {
    /// Keys from the resource's table down to the place: `["headers", "accept"]`.
    pub path: Vec<String>,
    /// Reads as a sentence; never holds a value that may be a secret.
    pub message: String,
    pub hint: Option<String>,
    /// Whether what stands there may be a secret, so that its line is shown to nobody.
    pub secret: bool,
}

/// Methods of HTTP that a resource may allow.
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Headers whose value is a secret by their meaning.
const SECRET_HEADERS: &[&str] = &["authorization", "cookie", "x-api-key"];

const TIMEOUT: Setting =
    optional("timeout", Shape::Duration, "Longest time of one call; the step's own limit holds besides.");

const HTTP: &[Setting] = &[
    required("base_url", Shape::Text, "Where requests go; an op adds a path below it and cannot leave it."),
    optional("headers", Shape::TextMap, "Added to every request; an op can neither read nor replace them."),
    optional("allow", Shape::Choices(METHODS), "Methods that ops may use; `[\"GET\", \"HEAD\"]` if not set."),
    optional(
        "allow_private",
        Shape::Flag,
        "Whether the host's name may lead to an address of a private network or of this machine.",
    ),
    TIMEOUT,
];
const KEYVALUE: &[Setting] = &[
    required(
        "backend",
        Shape::Choice(&["memory", "file"]),
        "`memory` ends with the worker's process, `file` is a SQLite file.",
    ),
    optional("path", Shape::Literal, "The file, from the project's folder; one per resource if not set."),
    TIMEOUT,
];
const BLOB: &[Setting] = &[
    required(
        "url",
        Shape::Text,
        "`s3://bucket/prefix`, `file:folder` from the project's folder, or `memory:`.",
    ),
    optional("endpoint", Shape::Text, "Address of an S3 server that is not Amazon's."),
    optional("region", Shape::Text, "Region of the bucket."),
    optional("access_key_id", Shape::Text, "Who asks; without it the requests are not signed."),
    optional("secret_access_key", Shape::Secret, "The key that signs requests."),
    optional("session_token", Shape::Secret, "Belongs to keys that are lent for a time."),
    TIMEOUT,
];
const SQL: &[Setting] = &[
    required(
        "url",
        Shape::Text,
        "`sqlite:path/from/the/project.db` or `postgres://user@host/database`; with a password: `{ env = \"NAME\" }`.",
    ),
    optional("read_only", Shape::Flag, "Whether the database itself refuses every change."),
    TIMEOUT,
];
const CONFIG: &[Setting] = &[required("entries", Shape::TextMap, "Texts by key.")];
const COMMAND: &[Setting] = &[
    required(
        "program",
        Shape::Literal,
        "An absolute path, or a name that is looked up in the worker's PATH.",
    ),
    optional("arguments", Shape::Texts, "Always come first."),
    optional(
        "allow_arguments",
        Shape::Literals,
        "What ops may add: exact words, or patterns in which `*` stands for any text. Nothing if not set.",
    ),
    optional("env", Shape::TextMap, "The whole environment of the program; nothing is inherited."),
    optional("folder", Shape::Literal, "Where it runs, from the project's folder."),
    TIMEOUT,
];

const fn required(name: &'static str, shape: Shape, doc: &'static str) -> Setting {
    Setting { name, shape, required: true, doc }
}

const fn optional(name: &'static str, shape: Shape, doc: &'static str) -> Setting {
    Setting { name, shape, required: false, doc }
}

/// None for [`ResourceKind::Op`], whose settings are the config of its op.
fn settings_of(kind: ResourceKind) -> Option<&'static [Setting]> {
    match kind {
        ResourceKind::Http => Some(HTTP),
        ResourceKind::Keyvalue => Some(KEYVALUE),
        ResourceKind::Blob => Some(BLOB),
        ResourceKind::Sql => Some(SQL),
        ResourceKind::Config => Some(CONFIG),
        ResourceKind::Command => Some(COMMAND),
        ResourceKind::Op => None,
    }
}

/// The settings of a kind as a JSON Schema (draft 2020-12), `kind` itself left out.
pub fn settings_schema(kind: ResourceKind) -> Value {
    let Some(settings) = settings_of(kind) else { return json!({ "type": "object" }) };
    let mut properties = Map::new();
    for setting in settings {
        let mut schema = shape_schema(setting.shape);
        schema["description"] = setting.doc.into();
        properties.insert(setting.name.to_owned(), schema);
    }
    let required: Vec<&str> = settings.iter().filter(|setting| setting.required).map(|s| s.name).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn shape_schema(shape: Shape) -> Value {
    let variable = json!({
        "type": "object",
        "properties": { "env": { "type": "string", "minLength": 1 } },
        "required": ["env"],
        "additionalProperties": false,
    });
    let text = json!({ "anyOf": [{ "type": "string" }, variable] });
    match shape {
        Shape::Text => text,
        Shape::Secret => {
            let mut secret = variable;
            secret["writeOnly"] = true.into();
            secret
        }
        Shape::Literal => json!({ "type": "string" }),
        Shape::Literals => json!({ "type": "array", "items": { "type": "string" } }),
        Shape::Texts => json!({ "type": "array", "items": text }),
        Shape::TextMap => json!({ "type": "object", "additionalProperties": text }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Duration => json!({ "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$" }),
        Shape::Choice(words) => json!({ "enum": words }),
        Shape::Choices(words) => json!({ "type": "array", "items": { "enum": words } }),
    }
}

/// Every mistake in the settings of a resource, in the order of the settings. Nothing is read from the environment.
pub fn check_settings(kind: ResourceKind, settings: &Value) -> Vec<SettingProblem> {
    let Some(known) = settings_of(kind) else { return Vec::new() };
    let mut problems = Problems::default();
    let Some(given) = settings.as_object() else {
        problems.add(
            &[],
            format!("the settings of a resource are a table, this is {}", word(settings)),
            None,
        );
        return problems.0;
    };
    for (name, value) in given {
        match known.iter().find(|setting| setting.name == name) {
            Some(setting) => problems.shape(&[name], setting.shape, value),
            None => problems.add(
                &[name],
                format!("a resource of kind `{kind}` has no setting `{name}`"),
                Some(match nearest(name, known.iter().map(|setting| setting.name)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("it has {}", list(known.iter().map(|setting| setting.name))),
                }),
            ),
        }
    }
    for setting in known.iter().filter(|setting| setting.required && !given.contains_key(setting.name)) {
        problems.add(
            &[],
            format!("a resource of kind `{kind}` needs the setting `{}`", setting.name),
            Some(setting.doc.to_owned()),
        );
    }
    problems.meaning(kind, given);
    problems.0
}

/// Every mistake in the settings of all resources, those of environments included.
pub(crate) fn check_resources(definitions: &Definitions) -> Vec<Diagnostic> {
    let own = definitions.resources.iter().map(|(name, def)| (format!("resource `{name}`"), def));
    let others = definitions.environments.iter().flat_map(|(environment, over)| {
        let named = move |name: &Name| format!("resource `{name}` of environment `{environment}`");
        over.resources.iter().map(move |(name, def)| (named(name), def))
    });
    own.chain(others).flat_map(|(name, def)| check_resource(&name, def)).collect()
}

fn check_resource(name: &str, def: &ResourceDef) -> Vec<Diagnostic> {
    let problems = check_settings(def.kind.value, &def.settings.to_json());
    let told = problems.into_iter().map(|problem| {
        let place = match problem.path.as_slice() {
            [] => def.span.as_ref(),
            _ if problem.secret => def.span.as_ref(),
            path => def.settings.nearest(path).span.as_ref(),
        };
        let diagnostic = Diagnostic::error("plan::resource-settings", format!("{name}: {}", problem.message));
        let diagnostic = diagnostic.at(place, "");
        match problem.hint {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        }
    });
    told.collect()
}

#[derive(Default)]
struct Problems(Vec<SettingProblem>);

impl Problems {
    fn add(&mut self, path: &[&str], message: String, hint: Option<String>) {
        let path = path.iter().map(|&key| key.to_owned()).collect();
        self.0.push(SettingProblem { path, message, hint, secret: false });
    }

    fn shape(&mut self, path: &[&str], shape: Shape, value: &Value) {
        let at = path.join(".");
        let expected = |expected: &str| format!("`{at}` is {expected}, this is {}", word(value));
        match (shape, value) {
            (Shape::Text, Value::String(_))
            | (Shape::Literal, Value::String(_))
            | (Shape::Flag, Value::Bool(_)) => {}
            (Shape::Text, value) if value.is_object() => self.variable(path, value),
            (Shape::Text, _) => self.add(path, expected("text or `{ env = \"NAME\" }`"), None),
            (Shape::Secret, value) if value.is_object() => self.variable(path, value),
            (Shape::Secret, _) => {
                let hint =
                    format!("keep the secret in a variable and name it: `{at} = {{ env = \"NAME\" }}`");
                let message = format!("`{at}` holds a secret, which must not stand in a definition");
                let path = path.iter().map(|&key| key.to_owned()).collect();
                self.0.push(SettingProblem { path, message, hint: Some(hint), secret: true });
            }
            (Shape::Literal, Value::Object(_)) => self.add(
                path,
                format!("`{at}` is plain text: it is part of the plan and cannot come from the environment"),
                None,
            ),
            (Shape::Literal, _) => self.add(path, expected("text"), None),
            (Shape::Flag, _) => self.add(path, expected("`true` or `false`"), None),
            (Shape::Literals, Value::Array(items)) => self.items(path, Shape::Literal, items),
            (Shape::Texts, Value::Array(items)) => self.items(path, Shape::Text, items),
            (Shape::Choices(words), Value::Array(items)) => self.items(path, Shape::Choice(words), items),
            (Shape::Literals | Shape::Texts | Shape::Choices(_), _) => {
                self.add(path, expected("a list of texts"), None);
            }
            (Shape::TextMap, Value::Object(entries)) => {
                for (key, value) in entries {
                    self.shape(&[path, &[key]].concat(), Shape::Text, value);
                }
            }
            (Shape::TextMap, _) => self.add(path, expected("a table of texts"), None),
            (Shape::Duration, Value::String(text)) if is_duration(text) => {}
            (Shape::Duration, _) => {
                let hint = format!("write for example `{at} = \"30s\"`; units are ms, s, m, h and d");
                self.add(path, format!("`{at}` is a duration: text with a number and a unit"), Some(hint));
            }
            (Shape::Choice(words), Value::String(text)) if words.contains(&text.as_str()) => {}
            (Shape::Choice(words), Value::String(text)) => {
                self.add(
                    path,
                    format!("`{at}` cannot be `{text}`"),
                    Some(format!("it is one of {}", list(words))),
                );
            }
            (Shape::Choice(_), _) => self.add(path, expected("text"), None),
        }
    }

    fn items(&mut self, path: &[&str], shape: Shape, items: &[Value]) {
        for (index, item) in items.iter().enumerate() {
            self.shape(&[path, &[&index.to_string()]].concat(), shape, item);
        }
    }

    fn variable(&mut self, path: &[&str], value: &Value) {
        let fields = value.as_object().filter(|fields| fields.len() == 1);
        let name = fields.and_then(|fields| fields.get("env")).and_then(Value::as_str);
        if name.is_none_or(|name| name.is_empty() || name.contains(['=', '\0'])) {
            let message = format!("`{}` is a table, but not the name of a variable", path.join("."));
            self.add(path, message, Some("write `{ env = \"NAME\" }`".to_owned()));
        }
    }

    /// What a shape cannot say.
    fn meaning(&mut self, kind: ResourceKind, given: &Map<String, Value>) {
        let text = |name: &str| given.get(name).and_then(Value::as_str);
        match kind {
            ResourceKind::Http => {
                self.scheme("base_url", text("base_url"), &["http://", "https://"]);
                let headers = given.get("headers").and_then(Value::as_object);
                for (name, value) in headers.into_iter().flatten() {
                    if value.is_string() && SECRET_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
                        self.shape(&["headers", name], Shape::Secret, value);
                    }
                }
            }
            ResourceKind::Keyvalue if text("backend") == Some("memory") && given.contains_key("path") => {
                let hint = "write `backend = \"file\"`, or leave `path` out".to_owned();
                self.add(
                    &["path"],
                    "`path` has no meaning for `backend = \"memory\"`".to_owned(),
                    Some(hint),
                );
            }
            ResourceKind::Blob => self.scheme("url", text("url"), &["s3://", "file:", "memory:"]),
            ResourceKind::Sql => {
                self.scheme("url", text("url"), &["sqlite:", "postgres://", "postgresql://"]);
                if text("url").is_some_and(holds_password) {
                    self.shape(&["url"], Shape::Secret, &given["url"]);
                }
            }
            ResourceKind::Command
                if text("program").is_some_and(|p| p.contains('/') && !p.starts_with('/')) =>
            {
                let message =
                    "`program` is an absolute path or a bare name, this is a relative path".to_owned();
                self.add(&["program"], message, None);
            }
            ResourceKind::Keyvalue | ResourceKind::Command | ResourceKind::Config | ResourceKind::Op => {}
        }
    }

    fn scheme(&mut self, name: &str, url: Option<&str>, schemes: &[&str]) {
        if url.is_some_and(|url| !schemes.iter().any(|scheme| url.starts_with(scheme))) {
            let message = format!("`{name}` does not say what it leads to");
            self.add(&[name], message, Some(format!("it starts with {}", list(schemes))));
        }
    }
}

/// Whether a URL has a password before its host: `postgres://me:secret@host/`, or among its parameters.
fn holds_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) || rest.contains("password=")
}

fn is_duration(text: &str) -> bool {
    let unit = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    number.parse::<f64>().is_ok()
        && !number.starts_with('.')
        && !number.ends_with('.')
        && ["ms", "s", "m", "h", "d"].contains(&unit)
}

fn word(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "`true` or `false`",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

fn list<'a>(words: impl IntoIterator<Item = impl AsRef<str> + 'a>) -> String {
    words.into_iter().map(|word| format!("`{}`", word.as_ref())).collect::<Vec<_>>().join(", ")
}
