//! Log lines and progress: what a guest says about itself, bounded. Logs are the cheapest way to fill a
//! disk, so every line is cut, lines and bytes are capped, and what is dropped is counted.

use std::time::Instant;

use cofferdam_model::{Limits, LogLevel, LogLine, LogSource, Progress, Timestamp};

use crate::text::cut;
use crate::{PROGRESS_INTERVAL, StepIo};

/// Fields of one line.
const FIELDS_MAX: usize = 64;
/// Lines of stderr that are remembered as the likely cause of a trap.
const LAST_WORDS_MAX: usize = 3;

/// Decides line by line what is kept.
pub(crate) struct Log {
    line_bytes_max: usize,
    lines_left: u32,
    bytes_left: u64,
    pub(crate) lines_dropped: u64,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    last_words: Vec<String>,
    progress: Option<Progress>,
    progress_at: Option<Instant>,
}

impl Log {
    pub(crate) fn new(limits: &Limits) -> Log {
        Log {
            line_bytes_max: usize::try_from(limits.log_line_bytes_max).unwrap_or(usize::MAX),
            lines_left: limits.log_lines_max,
            bytes_left: limits.log_bytes_max,
            lines_dropped: 0,
            stdout: vec![],
            stderr: vec![],
            last_words: vec![],
            progress: None,
            progress_at: None,
        }
    }

    /// One line, whatever its source.
    pub(crate) fn line(
        &mut self,
        io: &mut dyn StepIo,
        source: LogSource,
        level: LogLevel,
        message: String,
        mut fields: Vec<(String, String)>,
    ) {
        if self.lines_left == 0 {
            self.lines_dropped += 1;
            return;
        }
        let message = cut(message, self.line_bytes_max);
        let mut room = self.line_bytes_max.saturating_sub(message.len());
        fields.truncate(FIELDS_MAX);
        for (name, value) in &mut fields {
            *name = cut(std::mem::take(name), room.min(256));
            *value = cut(std::mem::take(value), room);
            room = room.saturating_sub(name.len() + value.len());
        }
        let bytes =
            message.len() + fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        if bytes as u64 > self.bytes_left {
            // Nothing more is kept, not even short lines: a gap in the middle would mislead.
            self.lines_left = 0;
            self.lines_dropped += 1;
            return;
        }
        self.bytes_left -= bytes as u64;
        self.lines_left -= 1;
        let at = io.now();
        io.log(LogLine { at, level, source, message, fields });
    }

    /// Bytes of stdout or stderr: split at newlines; a line over the bound becomes several, so that a line
    /// without an end costs what it is.
    pub(crate) fn print(&mut self, io: &mut dyn StepIo, source: LogSource, bytes: &[u8]) {
        let line_bytes_max = self.line_bytes_max.max(1);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (mut text, ends) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            loop {
                let buffer = self.buffer(source);
                let room = line_bytes_max.saturating_sub(buffer.len()).min(text.len());
                let (now, later) = text.split_at(room);
                buffer.extend_from_slice(now);
                text = later;
                if buffer.len() >= line_bytes_max || (text.is_empty() && ends) {
                    self.flush(io, source);
                }
                if text.is_empty() {
                    break;
                }
            }
        }
    }

    fn buffer(&mut self, source: LogSource) -> &mut Vec<u8> {
        if source == LogSource::Stderr { &mut self.stderr } else { &mut self.stdout }
    }

    fn flush(&mut self, io: &mut dyn StepIo, source: LogSource) {
        let bytes = std::mem::take(self.buffer(source));
        let text = String::from_utf8_lossy(&bytes).trim_end_matches('\r').to_owned();
        let level = if source == LogSource::Stderr { LogLevel::Warn } else { LogLevel::Info };
        if source == LogSource::Stderr && !text.trim().is_empty() {
            if self.last_words.len() == LAST_WORDS_MAX {
                self.last_words.remove(0);
            }
            self.last_words.push(text.clone());
        }
        self.line(io, source, level, text, vec![]);
    }

    /// Keeps the newest of the calls that come within one interval.
    pub(crate) fn progress(&mut self, io: &mut dyn StepIo, mut progress: Progress) {
        progress.message = cut(progress.message, self.line_bytes_max);
        let now = Instant::now();
        if self.progress_at.is_some_and(|at| now.duration_since(at) < PROGRESS_INTERVAL) {
            self.progress = Some(progress);
            return;
        }
        self.progress_at = Some(now);
        self.progress = None;
        io.progress(progress);
    }

    /// The last words on stderr, oldest first: a panic's message stands there.
    pub(crate) fn last_words(&self) -> &[String] {
        &self.last_words
    }

    /// Hands on what is left: lines without an end, the last progress, and how many lines were dropped.
    pub(crate) fn finish(&mut self, io: &mut dyn StepIo) {
        for source in [LogSource::Stdout, LogSource::Stderr] {
            if !self.buffer(source).is_empty() {
                self.flush(io, source);
            }
        }
        if let Some(progress) = self.progress.take() {
            io.progress(progress);
        }
        if self.lines_dropped > 0 {
            let at: Timestamp = io.now();
            io.log(LogLine {
                at,
                level: LogLevel::Warn,
                source: LogSource::Host,
                message: format!(
                    "{} log lines dropped: the limit of this attempt is reached",
                    self.lines_dropped
                ),
                fields: vec![],
            });
        }
    }
}
