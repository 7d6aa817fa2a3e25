//! The engine from outside: rules one by one, then random runs.

mod kit;
mod random;
mod rules;
