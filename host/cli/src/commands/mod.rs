//! One command per file.

pub(crate) mod asset;
pub(crate) mod build;
pub(crate) mod cancel;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod drain;
pub(crate) mod exit_codes;
pub(crate) mod explain;
pub(crate) mod gc;
pub(crate) mod library;
pub(crate) mod logs;
pub(crate) mod new;
pub(crate) mod plan;
pub(crate) mod replay;
pub(crate) mod rerun;
pub(crate) mod revoke;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod scaffold;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod token;
pub(crate) mod value;
pub(crate) mod why;
pub(crate) mod worker;
pub(crate) mod workers;
