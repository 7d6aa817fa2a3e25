//! Jobs from their text to a plan, or to messages that tell where, what was expected and how to mend it.

mod assets;
mod automation;
mod bad_config;
mod bad_jobs;
mod builder;
mod common;
mod edges;
mod executor;
mod fakes;
mod graphs;
mod libraries;
mod mapping;
mod random;
mod transient;
