//! The kind `config`: texts by key, secrets among them.

use std::collections::BTreeMap;

use cofferdam_model::{ResourceAnswer, ResourceFault};
use serde::Deserialize;

use crate::settings::{Resolver, Text, parse};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    entries: BTreeMap<String, Text>,
}

pub(crate) struct Config {
    entries: BTreeMap<String, String>,
}

impl Config {
    pub(crate) fn open(
        settings: &serde_json::Value,
        resolver: &mut Resolver,
    ) -> Result<Config, ResourceFault> {
        let settings: Settings = parse(settings)?;
        Ok(Config { entries: resolver.map("entries", settings.entries)? })
    }

    pub(crate) fn get(&self, key: &str) -> ResourceAnswer {
        ResourceAnswer::Text(self.entries.get(key).cloned())
    }
}
