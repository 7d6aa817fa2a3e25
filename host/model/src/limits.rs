//! What one attempt may use at most. Defaults follow SAFETY.md, section 5.6.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Limits of one attempt. Every figure is for the whole store: all memories, tables and instances together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Linear memory in bytes, summed over all memories of the attempt.
    pub memory_bytes_max: u64,
    /// Table elements, summed over all tables.
    pub table_elements_max: u64,
    /// Core instances of the component.
    pub instances_max: u32,
    /// Wall time from the moment the guest starts; none means no limit.
    pub timeout: Option<Duration>,
    /// Exact budget of executed instructions in wasmtime's fuel; none means that fuel is not counted.
    pub fuel: Option<u64>,
    /// Bytes of all outputs together.
    pub output_bytes_max: u64,
    /// Number of outputs, keys of dynamic outputs counted one by one.
    pub outputs_max: u32,
    /// Log bytes kept; what is over is dropped and counted.
    pub log_bytes_max: u64,
    /// Log lines kept.
    pub log_lines_max: u32,
    /// Bytes of one log line; longer ones are cut.
    pub log_line_bytes_max: u32,
    /// Calls from the guest into the host.
    pub host_calls_max: u64,
}

/// A message of an error, cut to this many bytes.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// Frames of a guest's backtrace that are kept.
pub const BACKTRACE_FRAMES_MAX: usize = 64;
/// Entries of metadata that an attempt may add.
pub const METADATA_ENTRIES_MAX: usize = 1000;
/// Bytes of one metadata value.
pub const METADATA_VALUE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a library.
pub const LIBRARY_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Steps of one run, expanded ones included.
pub const STEPS_MAX: usize = 2_000_000;

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory_bytes_max: 256 * 1024 * 1024,
            table_elements_max: 100_000,
            instances_max: 64,
            timeout: Some(Duration::from_secs(3600)),
            fuel: None,
            output_bytes_max: 4 * 1024 * 1024 * 1024,
            outputs_max: 10_000,
            log_bytes_max: 8 * 1024 * 1024,
            log_lines_max: 10_000,
            log_line_bytes_max: 16 * 1024,
            host_calls_max: 10_000_000,
        }
    }
}
