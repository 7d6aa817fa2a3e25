//! The run state machine: events and time in, actions out
