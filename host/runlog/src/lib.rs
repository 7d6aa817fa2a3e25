//! The run log: append-only events, projections, logs
