//! What an op may say and ask while it runs.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::error::Result;
use crate::host::Host;
use crate::metadata::MetadataValue;
use crate::writer::Writer;

/// Logs, progress, metadata, and who is running. An op gets it by a parameter of type `&Context`.
pub struct Context {
    pub(crate) host: Rc<dyn Host>,
    #[cfg(not(target_family = "wasm"))]
    pub(crate) memory: Option<Rc<crate::memory::Memory>>,
}

/// How important a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// Which attempt of which step is running.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AttemptInfo {
    /// The run.
    pub run_id: String,
    /// Dotted, with mapping keys: `outer.clean[jan]`.
    pub step_key: String,
    /// 1 for the first try.
    pub attempt: u32,
    /// The same for every attempt of this step in this run: send it with effects outside, so that the other
    /// side can see a repetition.
    pub idempotency_key: String,
    /// Of a run over partitions.
    pub partition: Option<String>,
    /// Tags of the run and the step.
    pub tags: Vec<(String, String)>,
}

impl Context {
    /// Writes a log line with named fields. The host keeps a bounded number of lines and counts the rest.
    pub fn log(&self, level: Level, message: impl AsRef<str>, fields: &[(&str, &str)]) {
        self.host.log(level, message.as_ref(), fields);
    }

    /// Writes a line that helps to find a mistake.
    pub fn debug(&self, message: impl AsRef<str>) {
        self.log(Level::Debug, message, &[]);
    }

    /// Writes a line that is good to know.
    pub fn info(&self, message: impl AsRef<str>) {
        self.log(Level::Info, message, &[]);
    }

    /// Writes a line about something that looks wrong.
    pub fn warn(&self, message: impl AsRef<str>) {
        self.log(Level::Warn, message, &[]);
    }

    /// Writes a line about something that went wrong. The op goes on; to fail, return an error.
    pub fn error(&self, message: impl AsRef<str>) {
        self.log(Level::Error, message, &[]);
    }

    /// Says how far the work is: `done` of `total`, if the total is known.
    pub fn progress(&self, done: u64, total: impl Into<Option<u64>>, message: impl AsRef<str>) {
        self.host.progress(done, total.into(), message.as_ref());
    }

    /// States a fact about the step. A name given twice keeps the later value.
    pub fn metadata(&self, name: impl AsRef<str>, value: impl Into<MetadataValue>) {
        self.host.add_metadata(name.as_ref(), value.into());
    }

    /// Who is running.
    pub fn attempt(&self) -> AttemptInfo {
        self.host.attempt()
    }

    /// Time until the host stops this attempt; none if there is no limit.
    pub fn remaining(&self) -> Option<Duration> {
        self.host.remaining()
    }

    /// Starts an output that is too large to hold.
    pub fn create_writer(&self) -> Result<Writer> {
        Ok(Writer::new(self.host.clone()))
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}
