//! What one store holds: the attempt's bounds and counters, its way out ([`StepIo`]), and why the host
//! ended it, if it did.

use std::collections::BTreeMap;
use std::time::Instant;

use cofferdam_model::{AttemptId, CHUNK_BYTES, Limits, MetadataEntry, Name, ResourceKind};
use wasmtime::component::ResourceTable;

use crate::clock::{Clock, Random};
use crate::limiter::Limiter;
use crate::log::Log;
use crate::metadata::Metadata;
use crate::{IoError, StepIo};

/// Handles of any kind that a guest may hold at a time; one more is a trap.
pub(crate) const HANDLES_MAX: usize = 10_000;
/// Readers, writers and pollables among them. Fewer, so that a guest is told before it is ended.
const ENTRIES_MAX: usize = HANDLES_MAX - 100;
/// Bytes that a guest may hand over in one call, its completion included. Larger values are written in
/// chunks.
pub(crate) const CALL_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why the host ended a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    Timeout,
    /// Too many or too large calls into the host.
    HostCalls(String),
    OutputLimit(String),
    /// The guest left its process instead of returning.
    Exit(u8),
    /// Anything else that the contract forbids.
    Misuse(String),
}

pub(crate) struct State {
    pub(crate) table: ResourceTable,
    pub(crate) limiter: Limiter,
    pub(crate) io: Box<dyn StepIo>,
    pub(crate) log: Log,
    pub(crate) clock: Clock,
    seed: u64,
    random: Option<Random>,
    pub(crate) id: AttemptId,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) resources: BTreeMap<Name, ResourceKind>,
    pub(crate) partition: Option<String>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) metadata: Metadata,
    /// Size of each stored input.
    pub(crate) stored: BTreeMap<u32, u64>,
    /// Writers that are finished and not yet named in an output.
    pub(crate) finished: BTreeMap<u32, u64>,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
    pub(crate) output_bytes_max: u64,
    pub(crate) host_calls: u64,
    host_calls_max: u64,
    pub(crate) stop: Option<Stop>,
    /// The last trouble with a value: if the guest gives up, that is why.
    pub(crate) trouble: Option<IoError>,
}

/// What a store is made for.
pub(crate) struct Purpose<'a> {
    pub(crate) id: AttemptId,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) resources: BTreeMap<Name, ResourceKind>,
    pub(crate) partition: Option<String>,
    pub(crate) seed: u64,
    pub(crate) limits: &'a Limits,
    pub(crate) stored: BTreeMap<u32, u64>,
}

impl State {
    pub(crate) fn new(purpose: Purpose<'_>, deadline: Option<Instant>, io: Box<dyn StepIo>) -> State {
        let limits = purpose.limits;
        let mut table = ResourceTable::new();
        table.set_max_capacity(ENTRIES_MAX);
        State {
            table,
            limiter: Limiter::new(limits),
            io,
            log: Log::new(limits),
            clock: Clock::default(),
            seed: purpose.seed,
            random: None,
            id: purpose.id,
            tags: purpose.tags,
            resources: purpose.resources,
            partition: purpose.partition,
            deadline,
            metadata: Metadata::default(),
            stored: purpose.stored,
            finished: BTreeMap::new(),
            input_bytes: 0,
            output_bytes: 0,
            output_bytes_max: limits.output_bytes_max,
            host_calls: 0,
            host_calls_max: limits.host_calls_max,
            stop: None,
            trouble: None,
        }
    }

    /// Counts a call into the host; every host function does this first.
    pub(crate) fn called(&mut self) -> wasmtime::Result<()> {
        self.host_calls += 1;
        if self.host_calls > self.host_calls_max {
            let max = self.host_calls_max;
            return Err(self.end(Stop::HostCalls(format!("made more than {max} calls into the host"))));
        }
        Ok(())
    }

    /// Ends the guest. The first reason counts.
    pub(crate) fn end(&mut self, stop: Stop) -> wasmtime::Error {
        self.stop.get_or_insert(stop);
        wasmtime::Error::msg("the host ended this attempt")
    }

    pub(crate) fn random(&mut self) -> &mut Random {
        self.random.get_or_insert_with(|| Random::new(self.seed))
    }

    pub(crate) fn metadata_taken(&mut self) -> Vec<MetadataEntry> {
        std::mem::take(&mut self.metadata).into_entries()
    }

    /// Counts output bytes before they are stored.
    pub(crate) fn count_output(&mut self, bytes: usize) -> bool {
        let sum = self.output_bytes.saturating_add(bytes as u64);
        let fits = sum <= self.output_bytes_max;
        if fits {
            self.output_bytes = sum;
        }
        fits
    }

    /// Stores bytes that the guest returned inline but that are too large to stay so.
    pub(crate) fn store(&mut self, bytes: &[u8]) -> Result<u32, IoError> {
        let writer = self.io.create()?;
        for chunk in bytes.chunks(CHUNK_BYTES) {
            self.io.write(writer, chunk)?;
        }
        self.io.finish(writer)?;
        Ok(writer)
    }
}
