//! Where a scheduler listens, and a connection to it.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

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

/// A connection that is made when it is first used, and anew when it is lost. `address` is `HOST:PORT`.
pub fn connect(address: &str) -> Result<Channel, InvalidAddress> {
    let invalid = || InvalidAddress(address.chars().take(200).collect());
    let (host, port) = address.rsplit_once(':').ok_or_else(invalid)?;
    if host.is_empty() || host.contains(['/', '@', ' ']) || port.parse::<u16>().is_err() {
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
    Ok(endpoint.connect_lazy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_are_hosts_with_ports() {
        for good in ["127.0.0.1:4040", "[::1]:4040", "scheduler.lab:80"] {
            assert!(connect(good).is_ok(), "{good}");
        }
        for bad in ["", "4040", ":4040", "http://a:1", "a:b", "a:70000", "me@host:1", "a b:1"] {
            let error = connect(bad).unwrap_err().to_string();
            assert!(error.contains("write HOST:PORT"), "{error}");
        }
    }
}
