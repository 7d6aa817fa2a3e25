//! TLS between the hosts of a cluster: a private authority, what it signs, and who checks what. TLS 1.3 only.
//!
//! Who connects knows the authority by the fingerprint that the token carries, or that its certificate came with. Names
//! are roles and not addresses: the scheduler is `scheduler.cofferdam` wherever it listens and through whatever tunnel
//! it is reached, a worker is `<member>.worker.cofferdam`. So no certificate depends on an address, and none of a worker
//! can stand for the scheduler.

mod accept;
mod authority;
mod certificate;
mod dial;
mod fingerprint;
mod parsed;
mod pinned;
mod serve;
mod standing;
mod voucher;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use accept::{Connection, Door, Peer, incoming};
pub use authority::{Authority, AuthorityError};
pub use certificate::{Credentials, MEMBER_BYTES, Member, PublicKey, Seen, Undecipherable};
pub(crate) use dial::Dial;
pub use dial::{Tls, Unsafe};
pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use serve::{SCHEDULER, acceptor};
pub use standing::CutOff;

/// HTTP/2, as both sides say in the handshake.
const PROTOCOL: &[u8] = b"h2";

/// Ring, without asking what the process has installed.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
mod tests;
