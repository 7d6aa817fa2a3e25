//! The scheduler over a log in memory.

mod driving;
mod kit;
mod quotas;
mod sessions;
