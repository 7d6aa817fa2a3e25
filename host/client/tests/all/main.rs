//! The objects of a cluster over a network that fails: real services, a proxy that counts, cuts and damages. And who may
//! call them.

mod calls;
mod far;
mod members;
mod objects;
mod peers;
mod peers_encrypted;
mod uploads;
