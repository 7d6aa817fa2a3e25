//! The ops of the flights example: from monthly files of flights to a report on their delays.

pub mod airlines;
pub mod clean;
pub mod gunzip;
pub mod month;
pub mod ops;
pub mod report;
mod row;
pub mod table;
pub mod tally;
