//! Nothing: what counts is where cargo puts the packages that this one names.
