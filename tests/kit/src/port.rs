//! Ports for servers that a test stops and starts again, or that must be told their port.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::ops::Range;

/// Below the ports that systems give to connections and to who asks for any (32768 and up on Linux, 49152 on macOS): such a
/// port can be another's while its server is down, be it that of the very connection that looks for the server.
const STEADY: Range<u16> = 12_000..32_000;

/// A port of loopback that nobody has, and nobody gets who does not ask for it by its number.
pub fn steady() -> u16 {
    steady_at(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// The same of another address of this host.
pub fn steady_at(address: IpAddr) -> u16 {
    // Tests run side by side, and each begins to look somewhere else.
    let n_ports = usize::from(STEADY.end - STEADY.start);
    let start = RandomState::new().hash_one("port") as usize % n_ports;
    let mut ports = STEADY.cycle().skip(start).take(n_ports);
    ports.find(|&port| TcpListener::bind((address, port)).is_ok()).expect("a port is free")
}
