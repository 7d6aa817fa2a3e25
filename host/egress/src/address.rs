//! Which addresses a request may go to. Names are looked up here, once per connection, and the connection goes to
//! what was checked, so an answer that changes between check and connection gains nothing.

use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Addresses of one name that are looked at; more is no honest answer.
const ADDRESSES_MAX: usize = 16;

/// Where clouds tell whoever asks from inside what the machine may do. Never reachable.
const METADATA: [IpAddr; 6] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Asks for the addresses of a name.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// Looks names up for one destination that an operator has named.
#[derive(Clone)]
pub struct Guard {
    allow_private: bool,
    lookup: Lookup,
}

/// An address that may not be reached.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` leads to the address {address}, which is {what}; {way_out}")]
pub struct Refused {
    name: String,
    address: IpAddr,
    what: &'static str,
    way_out: &'static str,
}

#[derive(Debug, PartialEq, Eq)]
enum Reach {
    Public,
    /// A private network, or this machine.
    Private,
    Never(&'static str),
}

impl Guard {
    /// A URL that names a private host by its address, or this machine as `localhost`, means it.
    /// Fails if it names an address that is never reached.
    ///
    /// # Panics
    ///
    /// If the URL has no host.
    pub fn new(url: &Url, allow_private: bool) -> Result<Guard, Refused> {
        let host = url.host().expect("who makes a guard has seen to it that there is a host");
        let address = match host {
            Host::Ipv4(address) => IpAddr::V4(address),
            Host::Ipv6(address) => IpAddr::V6(address),
            Host::Domain(_) => return Ok(Guard::over(system(), allow_private || is_this_machine(url))),
        };
        let guard = Guard::over(system(), true);
        guard.check(&host.to_string(), address)?;
        Ok(guard)
    }

    /// One that looks names up in another way than this machine does.
    pub fn over(lookup: Lookup, allow_private: bool) -> Guard {
        Guard { allow_private, lookup }
    }

    /// The addresses of a host, for who connects without HTTP.
    pub async fn addresses(&self, host: &str) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
        let found = (self.lookup)(host.to_owned()).await?;
        Ok(self.admit(host, found.into_iter())?)
    }

    fn check(&self, name: &str, address: IpAddr) -> Result<(), Refused> {
        let (what, way_out) = match reach(address) {
            Reach::Public => return Ok(()),
            Reach::Private if self.allow_private => return Ok(()),
            Reach::Private => (
                "in a private network or on this machine",
                "`allow_private = true` in its settings would allow it",
            ),
            Reach::Never(what) => (what, "no setting allows it"),
        };
        Err(Refused { name: name.to_owned(), address, what, way_out })
    }

    /// The addresses of a name: all of them are fine, or none is used.
    fn admit(&self, name: &str, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
        let found: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
        for address in &found {
            self.check(name, address.ip())?;
        }
        Ok(found)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let admitted: Addrs = Box::new(guard.addresses(name.as_str()).await?.into_iter());
            Ok(admitted)
        })
    }
}

/// Whether a URL leads to this machine, and says so: what goes there crosses no network.
pub fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

/// As this machine looks names up.
fn system() -> Lookup {
    Arc::new(|name| async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }.boxed())
}

fn reach(address: IpAddr) -> Reach {
    let address = address.to_canonical();
    if METADATA.contains(&address) {
        return Reach::Never("where a cloud keeps a machine's credentials");
    }
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        [0, ..] => Reach::Never("unspecified"),
        [10, ..] | [127, ..] | [169, 254, ..] | [192, 168, ..] => Reach::Private,
        [172, second, ..] if (16..32).contains(&second) => Reach::Private,
        // Shared by the customers of a carrier (RFC 6598).
        [100, second, ..] if (64..128).contains(&second) => Reach::Private,
        [192, 0, 0, _] | [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Reach::Never("reserved for protocols and documentation")
        }
        [198, 18 | 19, ..] => Reach::Never("reserved for benchmarks"),
        [first, ..] if first >= 224 => Reach::Never("for many hosts, or reserved"),
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    let s = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        reach(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
    };
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0] => Reach::Never("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Private,
        // Addresses that hold an IPv4 address: compatible (deprecated), NAT64 (RFC 6052), 6to4 (RFC 3056).
        [0, 0, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            match embedded(high, low) {
                Reach::Public => Reach::Public,
                _ => Reach::Never("a private address in the clothes of IPv6"),
            }
        }
        // NAT64 with a prefix of the network's own (RFC 8215) can hold anything.
        [0x64, 0xff9b, 1, ..] => Reach::Private,
        [0x2001, 0, ..] => Reach::Never("a tunnel to an address that cannot be told"),
        [0x2001, 0xdb8, ..] => Reach::Never("reserved for documentation"),
        [first, ..] if first & 0xfe00 == 0xfc00 || first & 0xff80 == 0xfe80 => Reach::Private,
        [first, ..] if first & 0xff00 == 0xff00 => Reach::Never("for many hosts"),
        _ => Reach::Public,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h_066_private_and_odd_addresses_are_told_from_public_ones() {
        let public = [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
        ];
        for address in public {
            assert_eq!(reach(address.parse().unwrap()), Reach::Public, "{address}");
        }
        let private = [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "64:ff9b:1::1",
        ];
        for address in private {
            assert_eq!(reach(address.parse().unwrap()), Reach::Private, "{address}");
        }
        let never = [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fd00:ec2::254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.2.1",
            "::",
            "::127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::169.254.169.254",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "ff02::1",
        ];
        for address in never {
            assert!(matches!(reach(address.parse().unwrap()), Reach::Never(_)), "{address}");
        }
    }

    #[test]
    fn h_068_one_bad_address_refuses_the_whole_answer() {
        let guard = Guard { allow_private: false, lookup: system() };
        let answer = |addresses: &[&str]| {
            let found: Vec<SocketAddr> =
                addresses.iter().map(|a| SocketAddr::new(a.parse().unwrap(), 0)).collect();
            guard.admit("api.example", found.into_iter()).map(|admitted| admitted.len())
        };
        assert_eq!(answer(&["1.1.1.1", "2606:4700::1111"]).unwrap(), 2);
        let refused = answer(&["1.1.1.1", "10.0.0.7"]).unwrap_err();
        insta::assert_snapshot!(refused, @"`api.example` leads to the address 10.0.0.7, which is in a private network or on this machine; `allow_private = true` in its settings would allow it");
    }
}
