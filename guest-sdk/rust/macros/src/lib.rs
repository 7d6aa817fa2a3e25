//! The attribute `#[op]`.
