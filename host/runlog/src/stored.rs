//! The stored forms that all databases share, and what events mean across runs.

use std::fmt;

use cofferdam_model::{
    Delivery, EVENT_VERSION, Event, Instigator, InstigatorStatus, InvalidChannel, InvalidDigest,
    InvalidInstigator, LogLevel, Memo, Name, Recorded, RunId, StepKey, Tick, Timestamp, ValueDigest,
};
use serde::de::DeserializeOwned;

use crate::ticks::status_word;
use crate::{By, Checked, Error, Materialized, Promotion};

pub(crate) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("the model's types have no maps with keys other than text")
}

/// Reads a JSON column.
pub(crate) fn parse<T: DeserializeOwned>(text: &str, what: impl fmt::Display) -> Result<T, Error> {
    serde_json::from_str(text)
        .map_err(|source| Error::Damaged { what: what.to_string(), source: Box::new(source) })
}

/// Reads the stored form of an event.
pub(crate) fn recorded(run: RunId, seq: u64, at: u64, version: u32, text: &str) -> Result<Recorded, Error> {
    if version > EVENT_VERSION {
        return Err(Error::Damaged {
            what: format!("event {seq} of run `{run}`"),
            source: format!("it has form version {version}, this program reads up to {EVENT_VERSION}").into(),
        });
    }
    let event = parse(text, format_args!("event {seq} of run `{run}`"))?;
    Ok(Recorded { seq, at: Timestamp(at), event })
}

/// The stored form of a level; larger is worse.
pub(crate) fn level_number(level: LogLevel) -> u8 {
    match level {
        LogLevel::Trace => 0,
        LogLevel::Debug => 1,
        LogLevel::Info => 2,
        LogLevel::Warn => 3,
        LogLevel::Error => 4,
    }
}

/// A partition as it is stored.
pub(crate) fn partition(partition: Option<&str>) -> &str {
    partition.unwrap_or_default()
}

/// What an event means across runs: a row of the catalog, found by the event's run and number.
pub(crate) enum Meaning<'a> {
    Memo { memo: String, step: &'a StepKey },
    Made { asset: String, partition: &'a str },
    Checked { asset: String },
}

/// What an event means across runs, if anything.
pub(crate) fn meaning(event: &Event) -> Option<Meaning<'_>> {
    match event {
        Event::StepSucceeded { step, memo: Some(memo), .. } => {
            Some(Meaning::Memo { memo: memo.to_string(), step })
        }
        Event::AssetMaterialized { materialization: made, .. } => Some(Meaning::Made {
            asset: made.key.to_string(),
            partition: partition(made.partition.as_deref()),
        }),
        Event::AssetChecked { evaluation, .. } => {
            Some(Meaning::Checked { asset: evaluation.asset.to_string() })
        }
        _ => None,
    }
}

/// The result that an event records under a memo.
pub(crate) fn memo(run: RunId, recorded: Recorded) -> Option<(ValueDigest, Memo)> {
    match recorded.event {
        Event::StepSucceeded { step, outputs, memo: Some(memo), .. } => {
            Some((memo, Memo { run, step, outputs }))
        }
        _ => None,
    }
}

/// The materialisation of that number that an event records.
pub(crate) fn materialized(number: u64, run: RunId, recorded: Recorded) -> Option<Materialized> {
    let Recorded { seq, at, event } = recorded;
    match event {
        Event::AssetMaterialized { step, output, materialization } => {
            Some(Materialized { number, run, seq, at, step, output, materialization: *materialization })
        }
        _ => None,
    }
}

/// A promotion, of its channel and its library.
pub(crate) fn promotion(
    number: u64,
    (channel, library): (String, String),
    back: Option<u64>,
    rolled_back: bool,
    by: By,
) -> Result<Promotion, Error> {
    let damaged = |source: Box<dyn std::error::Error + Send + Sync>| Error::Damaged {
        what: format!("promotion {number}"),
        source,
    };
    let channel = channel.parse().map_err(|error: InvalidChannel| damaged(error.into()))?;
    let library = library.parse().map_err(|error: InvalidDigest| damaged(error.into()))?;
    Ok(Promotion { number, channel, library, back, rolled_back, by })
}

/// The evaluation of that number that an event records.
pub(crate) fn checked(number: u64, run: RunId, recorded: Recorded) -> Option<Checked> {
    let Recorded { seq, at, event } = recorded;
    match event {
        Event::AssetChecked { step, evaluation } => {
            Some(Checked { number, run, seq, at, step, evaluation: *evaluation })
        }
        _ => None,
    }
}

/// The tick of that number.
pub(crate) fn tick(number: u64, text: &str) -> Result<Tick, Error> {
    Ok(Tick { number, ..parse(text, format_args!("tick {number}"))? })
}

/// The delivery of that number.
pub(crate) fn delivery(number: u64, text: &str) -> Result<Delivery, Error> {
    Ok(Delivery { number, ..parse(text, format_args!("delivery {number}"))? })
}

/// The target of deliveries.
pub(crate) fn target(text: &str) -> Result<Name, Error> {
    Name::new(text).map_err(|source| Error::Damaged {
        what: format!("the alert target `{text}`"),
        source: source.into(),
    })
}

/// A schedule or a sensor as it is stored.
pub(crate) fn instigator(text: &str) -> Result<Instigator, Error> {
    text.parse().map_err(|source: InvalidInstigator| Error::Damaged {
        what: format!("the instigator `{text}`"),
        source: source.into(),
    })
}

/// What [`crate::ticks::status_word`] wrote.
pub(crate) fn status(word: Option<&str>) -> Result<Option<InstigatorStatus>, Error> {
    let known = [InstigatorStatus::Running, InstigatorStatus::Stopped];
    word.map(|word| {
        known.into_iter().find(|status| status_word(*status) == word).ok_or_else(|| Error::Damaged {
            what: format!("the status `{word}`"),
            source: "it is none that this program knows".into(),
        })
    })
    .transpose()
}
