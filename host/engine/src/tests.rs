//! The engine from outside: rules one by one, then random runs, then random runs of an engine with a bug.

mod ahead;
mod assets;
pub(crate) mod bug;
mod dagster;
mod dynamic;
mod hedge;
mod invariants;
mod kit;
mod limits;
mod lost;
mod near;
mod placement;
mod products;
mod quotas;
mod random;
mod retries;
mod rogue;
mod roles;
mod rules;
mod run_queue;
mod take_over;
mod waits;
mod why;
