//! The objects of a cluster over a network that fails: real services, a proxy that counts, cuts and damages.

mod far;
mod objects;
mod peers;
mod uploads;
