//! The host of native tests: it keeps in memory what the op says and writes.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::context::{AttemptInfo, Context, Level};
use crate::contract::Content;
use crate::host::{Host, StoredBytes, StoredWriter, ValueError};
use crate::metadata::MetadataValue;
use crate::writer::Stored;

/// What an op said to [`Context::test`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recorded {
    /// Log lines, in order.
    pub logs: Vec<LogLine>,
    /// Progress, in order: done, total, message.
    pub progress: Vec<(u64, Option<u64>, String)>,
    /// Metadata, each name once.
    pub metadata: Vec<(String, MetadataValue)>,
}

/// One recorded log line.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// As given.
    pub level: Level,
    /// As given.
    pub message: String,
    /// As given.
    pub fields: Vec<(String, String)>,
}

impl Context {
    /// A context for unit tests: it records instead of sending. Its attempt is the first one of step `test`
    /// in run `test`, without a time limit.
    pub fn test() -> Context {
        let memory = Rc::new(Memory::default());
        Context { host: memory.clone(), memory: Some(memory) }
    }

    /// What the op has said so far. Empty if this is not a context for tests.
    pub fn recorded(&self) -> Recorded {
        let recorded = self.memory.as_ref().map(|memory| memory.recorded.borrow().clone());
        recorded.unwrap_or_default()
    }

    /// The bytes that a writer of this context wrote; none if it was another context's.
    pub fn stored_bytes(&self, stored: &Stored) -> Option<Vec<u8>> {
        match &stored.0 {
            Content::Bytes(bytes) => Some(bytes.clone()),
            Content::Stored(number) => self.memory.as_ref()?.bytes(*number),
        }
    }
}

/// Recorded calls and finished values.
#[derive(Default)]
pub(crate) struct Memory {
    recorded: RefCell<Recorded>,
    values: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl Memory {
    fn bytes(&self, number: u32) -> Option<Vec<u8>> {
        self.values.borrow().get(number as usize).cloned()
    }

    /// Keeps a value, as the host keeps a stored input, and gives its number.
    #[cfg(test)]
    pub(crate) fn keep(&self, bytes: Vec<u8>) -> u32 {
        let mut values = self.values.borrow_mut();
        values.push(bytes);
        values.len() as u32 - 1
    }
}

impl Host for Memory {
    fn attempt(&self) -> AttemptInfo {
        AttemptInfo {
            run_id: "test".to_owned(),
            step_key: "test".to_owned(),
            attempt: 1,
            idempotency_key: "test".to_owned(),
            ..AttemptInfo::default()
        }
    }

    fn remaining(&self) -> Option<Duration> {
        None
    }

    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let fields = fields.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        self.recorded.borrow_mut().logs.push(LogLine {
            level,
            message: message.to_owned(),
            fields: fields.collect(),
        });
    }

    fn progress(&self, done: u64, total: Option<u64>, message: &str) {
        let mut recorded = self.recorded.borrow_mut();
        recorded.progress.push((done, total, message.to_owned()));
    }

    fn add_metadata(&self, name: &str, value: MetadataValue) {
        let mut recorded = self.recorded.borrow_mut();
        recorded.metadata.retain(|(known, _)| known != name);
        recorded.metadata.push((name.to_owned(), value));
    }

    fn open(&self, number: u32) -> Result<Box<dyn StoredBytes>, ValueError> {
        Ok(Box::new(self.bytes(number).ok_or(ValueError::Unknown)?))
    }

    fn create(&self) -> Result<Box<dyn StoredWriter>, ValueError> {
        Ok(Box::new(MemoryWriter { bytes: vec![], values: self.values.clone() }))
    }
}

impl StoredBytes for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, ValueError> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let end = start.saturating_add(length as usize).min(self.len());
        Ok(self[start..end].to_vec())
    }
}

struct MemoryWriter {
    bytes: Vec<u8>,
    values: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl StoredWriter for MemoryWriter {
    fn write(&mut self, bytes: &[u8]) -> Result<(), ValueError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self) -> Result<u32, ValueError> {
        let mut values = self.values.borrow_mut();
        values.push(std::mem::take(&mut self.bytes));
        Ok(u32::try_from(values.len() - 1).expect("a test writes few values"))
    }
}
