//! Write Cofferdam ops in Rust.
