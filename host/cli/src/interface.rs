//! Where a worker listens for others: an address of this host, or the name of one of its network interfaces, as `ib0`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use nix::ifaddrs::getifaddrs;

use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;

/// Longest name that the kernel gives an interface.
const NAME_BYTES_MAX: usize = 15;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Interface {
    Address(SocketAddr),
    /// By its name; what its address is, is looked up when the worker starts.
    Named {
        name: String,
        port: u16,
    },
}

/// `10.0.0.2`, `[fd00::2]:4041`, `ib0`, `ib0:4041`; without a port a free one is taken.
impl FromStr for Interface {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Interface, String> {
        let address = text.parse().or_else(|_| text.parse().map(|ip: IpAddr| SocketAddr::new(ip, 0)));
        if let Ok(address) = address {
            return Ok(Interface::Address(address));
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, port.parse().ok()),
            None => (text, Some(0)),
        };
        let is_name = (1..=NAME_BYTES_MAX).contains(&name.len())
            && !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace());
        match port.filter(|_| is_name) {
            Some(port) => Ok(Interface::Named { name: name.to_owned(), port }),
            None => Err("that is neither an address nor an interface of this host; write ADDRESS, NAME, ADDRESS:PORT or NAME:PORT, such as 10.0.0.2, ib0 or [fd00::2]:4041".to_owned()),
        }
    }
}

impl Interface {
    /// Fails if no interface of this host has that name, or it has no address that other hosts could use.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        let (name, port) = match self {
            Interface::Address(address) => return Ok(*address),
            Interface::Named { name, port } => (name, *port),
        };
        let interfaces = interfaces()?;
        let Some(addresses) = interfaces.get(name) else {
            let names: Vec<&str> = interfaces.keys().map(String::as_str).collect();
            return Err(Failed::usage(format!("this host has no network interface `{name}`"))
                .hint(format!("it has {}", names.join(", "))));
        };
        // Most networks of a cluster have both kinds, and IPv4 is what people look for in a log.
        let best = addresses.iter().find(|ip| ip.is_ipv4()).or(addresses.first());
        let ip = best.ok_or_else(|| {
            Failed::usage(format!("the network interface `{name}` has no address that other hosts could use"))
                .hint("name another one, or give the address itself")
        })?;
        Ok(SocketAddr::new(*ip, port))
    }
}

/// The interfaces of this host, each with its addresses. Those that hold on one link only cannot be told to others.
fn interfaces() -> Result<BTreeMap<String, Vec<IpAddr>>> {
    let mut interfaces: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    for found in getifaddrs().doing(Exit::Internal, "list the network interfaces of this host")? {
        let addresses = interfaces.entry(found.interface_name).or_default();
        let Some(address) = found.address else { continue };
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        let v6 = address.as_sockaddr_in6().map(|address| address.ip());
        let v6 = v6.filter(|ip| !ip.is_unicast_link_local()).map(IpAddr::V6);
        addresses.extend(v4.or(v6));
    }
    Ok(interfaces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_an_address_or_a_name_with_or_without_a_port() {
        let address = |text: &str| Ok(Interface::Address(text.parse().unwrap()));
        let named = |name: &str, port| Ok(Interface::Named { name: name.to_owned(), port });
        for (text, expected) in [
            ("10.0.0.2", address("10.0.0.2:0")),
            ("10.0.0.2:4041", address("10.0.0.2:4041")),
            ("fd00::2", address("[fd00::2]:0")),
            ("[fd00::2]:4041", address("[fd00::2]:4041")),
            ("ib0", named("ib0", 0)),
            ("bond1:4041", named("bond1", 4041)),
            ("eth0.100", named("eth0.100", 0)),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
        for text in
            ["", "ib0:", "ib0:http", "ib0:70000", "a name", "of/a/path", "longer-than-any-is", "[fd00::2"]
        {
            assert!(text.parse::<Interface>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_loopback_interface_has_its_address_and_an_unknown_one_is_told_with_those_that_there_are() {
        let named = |name: &str| Interface::Named { name: name.to_owned(), port: 4041 }.address();
        assert_eq!(named("lo").ok(), Some("127.0.0.1:4041".parse().unwrap()));
        let failed = named("ib77").expect_err("there is none");
        assert_eq!(failed.message, "this host has no network interface `ib77`");
        assert!(failed.hint.is_some_and(|hint| hint.contains("lo")));
    }
}
