//! What tests of several crates share: servers of other people's software, started and stopped by the test.

pub mod postgres;
