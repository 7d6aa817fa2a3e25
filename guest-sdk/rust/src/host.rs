//! What the SDK asks of the host, as traits with two implementations: `guest` (the component's imports) and
//! `memory` (native tests).

use std::fmt;
use std::io;
use std::time::Duration;

use crate::context::{AttemptInfo, Level};
use crate::metadata::MetadataValue;

/// The imports `context` and `values`.
pub(crate) trait Host {
    fn attempt(&self) -> AttemptInfo;
    fn remaining(&self) -> Option<Duration>;
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]);
    fn progress(&self, done: u64, total: Option<u64>, message: &str);
    fn add_metadata(&self, name: &str, value: MetadataValue);
    /// Opens a stored input.
    fn open(&self, number: u32) -> Result<Box<dyn StoredBytes>, ValueError>;
    /// Starts a stored output.
    fn create(&self) -> Result<Box<dyn StoredWriter>, ValueError>;
}

/// An open stored input.
pub(crate) trait StoredBytes {
    fn size(&self) -> u64;
    /// At most `length` bytes; empty at or past the end.
    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, ValueError>;
}

/// An output being written.
pub(crate) trait StoredWriter {
    fn write(&mut self, bytes: &[u8]) -> Result<(), ValueError>;
    fn finish(&mut self) -> Result<u32, ValueError>;
}

/// Why the host did not serve a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_family = "wasm"), expect(dead_code, reason = "the memory host never refuses"))]
pub(crate) enum ValueError {
    Unknown,
    Unavailable,
    Limit,
    Finished,
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ValueError::Unknown => "the host knows no input of that number",
            ValueError::Unavailable => "the value store is not available now",
            ValueError::Limit => "the limit on output bytes or open handles is reached",
            ValueError::Finished => "the writer is finished already",
        })
    }
}

impl std::error::Error for ValueError {}

impl From<ValueError> for io::Error {
    fn from(error: ValueError) -> io::Error {
        io::Error::other(error)
    }
}

impl ValueError {
    /// True if another try with the same inputs would end the same way.
    pub(crate) fn is_permanent(self) -> bool {
        self != ValueError::Unavailable
    }

    /// The host's answer inside an IO error, if it came from there.
    pub(crate) fn of(error: &io::Error) -> Option<ValueError> {
        error.get_ref()?.downcast_ref::<ValueError>().copied()
    }
}
