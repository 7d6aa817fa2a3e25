//! Rust forms of the contract in `wit/`, generated once, and their way to the words of `model`.

use cofferdam_model as model;

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "library",
    imports: { default: trappable },
    with: {
        "cofferdam:op/values.reader": crate::values::Reader,
        "cofferdam:op/values.writer": crate::values::Writer,
    },
});

pub(crate) use cofferdam::op::{blob, command, context, http, keyvalue, settings, sql, types, values};

use types::{MetadataEntry, MetadataValue};

impl From<context::Level> for model::LogLevel {
    fn from(level: context::Level) -> model::LogLevel {
        match level {
            context::Level::Trace => model::LogLevel::Trace,
            context::Level::Debug => model::LogLevel::Debug,
            context::Level::Info => model::LogLevel::Info,
            context::Level::Warn => model::LogLevel::Warn,
            context::Level::Error => model::LogLevel::Error,
        }
    }
}

impl From<types::RetryAdvice> for model::RetryAdvice {
    fn from(advice: types::RetryAdvice) -> model::RetryAdvice {
        match advice {
            types::RetryAdvice::Policy => model::RetryAdvice::Policy,
            types::RetryAdvice::Never => model::RetryAdvice::Never,
            types::RetryAdvice::After(millis) => {
                let wait = std::time::Duration::from_millis(millis);
                model::RetryAdvice::After(wait.min(model::RETRY_DELAY_MAX))
            }
        }
    }
}

impl From<MetadataEntry> for model::MetadataEntry {
    fn from(entry: MetadataEntry) -> model::MetadataEntry {
        let value = match entry.value {
            MetadataValue::Text(text) => model::MetadataValue::Text(text),
            MetadataValue::Integer(number) => model::MetadataValue::Integer(number),
            MetadataValue::Number(number) => model::MetadataValue::Number(number),
            MetadataValue::Truth(truth) => model::MetadataValue::Truth(truth),
            MetadataValue::Url(text) => model::MetadataValue::Url(text),
            MetadataValue::Path(text) => model::MetadataValue::Path(text),
            MetadataValue::Json(text) => model::MetadataValue::Json(text),
            MetadataValue::Markdown(text) => model::MetadataValue::Markdown(text),
            MetadataValue::Table(text) => model::MetadataValue::Table(text),
            MetadataValue::Timestamp(text) => model::MetadataValue::Timestamp(text),
        };
        model::MetadataEntry { name: entry.name, value }
    }
}
