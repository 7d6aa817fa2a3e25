//! Time and chance as a guest sees them: both follow from the attempt alone, so that the same library, op,
//! config and inputs give the same outputs.
//!
//! The clock starts at 2000-01-01 (wall) and 0 (monotonic), moves by 1 ms each time it is read, and by the
//! whole time that the guest sleeps; a sleep costs no real time. So loops that wait for a time end, nothing
//! finer than 1 ms can be measured, and two workers cannot be told apart. Random bytes are the BLAKE3 stream
//! of the attempt's seed.

use std::time::Duration;

/// What the wall clock shows at first: 2000-01-01 00:00 UTC, in seconds since 1970.
const WALL_START_SECONDS: u64 = 946_684_800;
/// One reading.
const READING: Duration = Duration::from_millis(1);
/// Most random bytes of one call.
pub(crate) const RANDOM_BYTES_MAX: u64 = 64 * 1024;

#[derive(Default)]
pub(crate) struct Clock {
    nanos: u64,
}

impl Clock {
    /// Resolution, in nanoseconds.
    pub(crate) const RESOLUTION: u64 = READING.as_nanos() as u64;

    /// Reads the monotonic clock.
    pub(crate) fn read(&mut self) -> u64 {
        self.nanos = self.nanos.saturating_add(Self::RESOLUTION);
        self.nanos
    }

    /// The same without moving it.
    pub(crate) fn peek(&self) -> u64 {
        self.nanos
    }

    /// Reads the wall clock: seconds and nanoseconds.
    pub(crate) fn read_wall(&mut self) -> (u64, u32) {
        let now = Duration::from_nanos(self.read());
        (WALL_START_SECONDS + now.as_secs(), now.subsec_nanos())
    }

    /// Sleeps until then.
    pub(crate) fn advance_to(&mut self, nanos: u64) {
        self.nanos = self.nanos.max(nanos);
    }
}

pub(crate) struct Random(blake3::OutputReader);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        let mut hasher = blake3::Hasher::new_derive_key("cofferdam 2026 random bytes of an attempt");
        hasher.update(&seed.to_le_bytes());
        Random(hasher.finalize_xof())
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.fill(&mut bytes);
        bytes
    }

    pub(crate) fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}
