//! IO managers: where values are kept
