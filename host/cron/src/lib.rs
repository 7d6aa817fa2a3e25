//! Cron expressions, time zones by name, and the instants ("ticks") that one names in the other. Partitions and
//! schedules both count by them.
//!
//! Pure: no clock, and no zone files of the machine but those in the program, so that the same text means the same
//! instants everywhere.

mod expression;
mod schedule;
mod zone;

pub use expression::{Cron, InvalidCron};
pub use schedule::{Schedule, Seconds};
pub use zone::{UnknownZone, zone};
