//! The S3 manager over the wire, against two servers, through a proxy that injects faults. Each test counts the
//! faults that happened: one that did not is a test that showed nothing.

mod proxy;
mod servers;
mod wire;
