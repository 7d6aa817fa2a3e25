//! What tests of several crates share: servers of other people's software, started and stopped by the test, a bad
//! network before them, and tools of guest languages.

pub mod port;
pub mod postgres;
pub mod proxy;
pub mod registry;
pub mod tools;
