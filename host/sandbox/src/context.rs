//! `cofferdam:op/context`: who am I, how long have I got, and what I have to say.

use std::time::Instant;

use cofferdam_model::{LogSource, Progress};

use crate::bindings::context::{AttemptInfo, Host, Level};
use crate::bindings::types::MetadataEntry;
use crate::state::State;

impl Host for State {
    fn attempt(&mut self) -> wasmtime::Result<AttemptInfo> {
        self.called()?;
        Ok(AttemptInfo {
            run_id: self.id.run.to_string(),
            step_key: self.id.step.to_string(),
            attempt: self.id.attempt,
            idempotency_key: format!("{}/{}", self.id.run, self.id.step),
            partition: self.partition.clone(),
            tags: self.tags.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        })
    }

    fn remaining_ms(&mut self) -> wasmtime::Result<Option<u64>> {
        self.called()?;
        Ok(self.deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
        }))
    }

    fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        self.called()?;
        self.log.line(&mut *self.io, LogSource::Op, level.into(), message, fields);
        Ok(())
    }

    fn progress(&mut self, done: u64, total: Option<u64>, message: String) -> wasmtime::Result<()> {
        self.called()?;
        self.log.progress(&mut *self.io, Progress { done, total, message });
        Ok(())
    }

    fn add_metadata(&mut self, entries: Vec<MetadataEntry>) -> wasmtime::Result<()> {
        self.called()?;
        self.metadata.add(entries);
        Ok(())
    }
}

impl crate::bindings::types::Host for State {}
