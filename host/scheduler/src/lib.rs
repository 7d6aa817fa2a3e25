//! The loop that drives the engine: appends, then dispatches
