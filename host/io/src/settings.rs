//! Settings of IO managers, by kind: read from what a plan holds, with `{"env": "NAME"}` replaced by what the
//! environment says when the manager is opened. Texts from the environment are in no message and no `Debug`.

use std::sync::Arc;

use cofferdam_model::{IoManagerKind, Name, PlanIoManager};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Error;

/// Reads one variable of the environment; none if it is not set.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Prefix that Dagster's managers for object stores have by default.
const PREFIX: &str = "dagster";

/// Checked settings of one manager. No `Debug`: they hold secrets.
pub(crate) enum Settings {
    Store,
    Memory,
    Transient,
    Filesystem { base_dir: String },
    S3(S3),
    Gcs(Gcs),
    Azure(Azure),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filesystem {
    base_dir: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct S3 {
    pub(crate) bucket: String,
    #[serde(default = "prefix")]
    pub(crate) prefix: String,
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) access_key_id: Option<String>,
    pub(crate) secret_access_key: Option<String>,
    pub(crate) session_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gcs {
    pub(crate) bucket: String,
    #[serde(default = "prefix")]
    pub(crate) prefix: String,
    pub(crate) service_account_key: Option<String>,
    pub(crate) service_account_file: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Azure {
    pub(crate) account: String,
    pub(crate) container: String,
    #[serde(default = "prefix")]
    pub(crate) prefix: String,
    pub(crate) endpoint: Option<String>,
    pub(crate) access_key: Option<String>,
}

fn prefix() -> String {
    PREFIX.to_owned()
}

impl Settings {
    /// Fails if a variable is not set or if the settings are not those of the kind.
    pub(crate) fn read(
        name: &Name,
        manager: &PlanIoManager,
        environment: &Environment,
    ) -> Result<Settings, Error> {
        let mut settings = manager.settings.clone();
        if settings.is_null() {
            settings = Value::Object(serde_json::Map::new());
        }
        resolve(name, &mut settings, environment)?;
        Ok(match manager.kind {
            IoManagerKind::Store => typed(name, manager.kind, settings).map(|Nothing {}| Settings::Store)?,
            IoManagerKind::Memory => {
                typed(name, manager.kind, settings).map(|Nothing {}| Settings::Memory)?
            }
            IoManagerKind::Transient => {
                typed(name, manager.kind, settings).map(|Nothing {}| Settings::Transient)?
            }
            IoManagerKind::Filesystem => {
                let Filesystem { base_dir } = typed(name, manager.kind, settings)?;
                Settings::Filesystem { base_dir }
            }
            IoManagerKind::S3 => Settings::S3(typed(name, manager.kind, settings)?),
            IoManagerKind::Gcs => Settings::Gcs(typed(name, manager.kind, settings)?),
            IoManagerKind::Azure => Settings::Azure(typed(name, manager.kind, settings)?),
            IoManagerKind::Op => return Err(Error::MadeOfOps { manager: name.clone() }),
        })
    }
}

/// Replaces the members `{"env": NAME}` of the settings.
fn resolve(manager: &Name, settings: &mut Value, environment: &Environment) -> Result<(), Error> {
    for (key, value) in settings.as_object_mut().into_iter().flatten() {
        let variable = match value.as_object() {
            Some(marker) if marker.len() == 1 => marker.get("env").and_then(Value::as_str).map(str::to_owned),
            _ => None,
        };
        if let Some(variable) = variable {
            let unset = || Error::Variable {
                manager: manager.clone(),
                setting: key.clone(),
                variable: variable.clone(),
            };
            *value = Value::String(environment(&variable).ok_or_else(unset)?);
        }
    }
    Ok(())
}

fn typed<T: DeserializeOwned>(name: &Name, kind: IoManagerKind, settings: Value) -> Result<T, Error> {
    // serde's message quotes a value of the wrong type, and that may be a secret: only texts come from the
    // environment, and every setting is a text, so what it quotes was written in the definitions.
    T::deserialize(settings).map_err(|error| Error::Settings {
        manager: name.clone(),
        kind,
        message: error.to_string(),
    })
}
