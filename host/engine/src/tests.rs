//! The engine from outside: rules one by one, then random runs, then random runs of an engine with a bug.

mod ahead;
mod assets;
pub(crate) mod bug;
mod dynamic;
mod kit;
mod lost;
mod near;
mod placement;
mod products;
mod random;
mod retries;
mod roles;
mod rules;
mod take_over;
mod why;
