//! Where a scheduler listens, and a connection to it.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use crate::tls::{Dial, Tls};

/// Where a scheduler listens unless it is told otherwise.
pub const ADDRESS_DEFAULT: &str = "127.0.0.1:4040";

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a silent connection is asked whether the other side is there.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// How long the other side may take to say so: a host that fell silent is noticed after the sum of both.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes under way on one stream before the receiver must catch up; fills a link of 1 Gbit/s at 30 ms.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// The same for all streams of a connection.
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// The text is not `HOST:PORT`.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an address: write HOST:PORT, such as {ADDRESS_DEFAULT}")]
pub struct InvalidAddress(String);

/// A connection that is made when it is first used, and anew when it is lost. `address` is `HOST:PORT`. Without TLS
/// everybody on the way reads what travels.
pub fn connect(address: &str, tls: Option<Tls>) -> Result<Channel, InvalidAddress> {
    let invalid = || InvalidAddress(address.chars().take(200).collect());
    let (host, port) = address.rsplit_once(':').ok_or_else(invalid)?;
    let port = port.parse().map_err(|_| invalid())?;
    if host.is_empty() || host.contains(['/', '@', ' ']) {
        return Err(invalid());
    }
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|_| invalid())?;
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(match tls {
        None => endpoint.connect_lazy(),
        Some(tls) => endpoint.connect_with_connector_lazy(Dial { tls, host, port }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_are_hosts_with_ports() {
        for good in ["127.0.0.1:4040", "[::1]:4040", "scheduler.lab:80"] {
            assert!(connect(good, None).is_ok(), "{good}");
        }
        for bad in ["", "4040", ":4040", "http://a:1", "a:b", "a:70000", "me@host:1", "a b:1"] {
            let error = connect(bad, None).unwrap_err().to_string();
            assert!(error.contains("write HOST:PORT"), "{error}");
        }
    }
}
