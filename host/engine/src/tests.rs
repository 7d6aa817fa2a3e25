//! The engine from outside: rules one by one, then random runs, then random runs of an engine with a bug.

pub(crate) mod bug;
mod dynamic;
mod kit;
mod random;
mod rules;
