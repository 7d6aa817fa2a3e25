//! The worker over real cells and real guests.

mod attempts;
mod bench;
mod deaths;
mod functions;
mod lent;
mod libraries;
mod managers;
mod namespaces;
mod neighbours;
mod stores;
mod stress;
