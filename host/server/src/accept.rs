//! Connections as they come in: encrypted unless the instance says otherwise, and cut as soon as the certificate at
//! their other end holds no more.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use cofferdam_model::Timestamp;
use cofferdam_wire::tls::{AuthorityError, Seen, acceptor};
use futures::stream::{self, Stream, StreamExt};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::admission::{Admission, Tls};

/// Connections whose handshake is under way; more wait to be accepted.
const HANDSHAKES_MAX: usize = 1024;
/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Wait after a connection that could not be accepted: mostly there are too many open files.
const ACCEPT_WAIT: Duration = Duration::from_millis(100);
/// The first byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;
/// What is read of a connection that will not be served.
const UNREAD_BYTES_MAX: u64 = 64 * 1024;
/// What is said to who speaks HTTP/2 without encryption.
const NOT_ENCRYPTED: &str = "this scheduler takes encrypted connections only: leave out --plaintext, and use the token as `cofferdam serve` wrote it";

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// What its certificate says, if it has shown one that the authority signed.
    pub(crate) worker: Option<Seen>,
}

enum Bytes {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection that was made.
pub(crate) struct Connection {
    bytes: Bytes,
    peer: Peer,
    /// Ready when it is to be cut.
    end: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// The connections that come in, each when it is ready to be talked over.
pub(crate) fn incoming(
    listener: TcpListener,
    admission: Arc<Admission>,
    acceptor: Option<TlsAcceptor>,
) -> impl Stream<Item = io::Result<Connection>> {
    let accepted = stream::unfold(listener, |listener| async {
        loop {
            match listener.accept().await {
                Ok(accepted) => return Some((accepted, listener)),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_WAIT).await;
                }
            }
        }
    });
    let made = accepted.map(move |(tcp, address)| {
        let tls = admission.tls.clone().zip(acceptor.clone());
        async move {
            let made = tokio::time::timeout(HANDSHAKE_TIMEOUT, receive(tcp, address, tls)).await;
            let made = made.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            made.inspect_err(|error| tracing::info!(%address, %error, "a connection was not made")).ok()
        }
    });
    made.buffer_unordered(HANDSHAKES_MAX).filter_map(|made| async { made.map(Ok) })
}

async fn receive(
    mut tcp: TcpStream,
    address: SocketAddr,
    tls: Option<(Arc<Tls>, TlsAcceptor)>,
) -> io::Result<Connection> {
    tcp.set_nodelay(true)?;
    let Some((tls, acceptor)) = tls else {
        let peer = Peer { address, worker: None };
        return Ok(Connection { bytes: Bytes::Plain(tcp), peer, end: None });
    };
    let mut first = [0];
    if tcp.peek(&mut first).await? == 1 && first[0] != TLS_HANDSHAKE {
        tcp.write_all(&farewell(NOT_ENCRYPTED)).await?;
        tcp.shutdown().await?;
        // What is not read would make the system break the connection before the reason has arrived.
        tokio::io::copy(&mut tcp.take(UNREAD_BYTES_MAX), &mut tokio::io::sink()).await?;
        return Err(io::Error::other("it is not encrypted"));
    }
    let stream = acceptor.accept(tcp).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let worker = shown.map(Seen::read).transpose().map_err(io::Error::other)?;
    // Whose certificate holds no more is not cut here, so that every call can be refused in words.
    let end = worker.as_ref().filter(|seen| tls.check(seen).is_ok());
    let end = end.map(|seen| Box::pin(tls.end(seen)) as _);
    Ok(Connection { bytes: Bytes::Tls(Box::new(stream)), peer: Peer { address, worker }, end })
}

/// The frames with which an HTTP/2 server begins and at once ends a connection, for a reason: no settings, and GOAWAY
/// with INADEQUATE_SECURITY.
fn farewell(why: &str) -> Vec<u8> {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const GOAWAY: u8 = 7;
    const INADEQUATE_SECURITY: u8 = 12;
    let length = u8::try_from(8 + why.len()).expect("the reason is short");
    let mut frames = SETTINGS.to_vec();
    frames.extend([0, 0, length, GOAWAY, 0, 0, 0, 0, 0]);
    frames.extend([0, 0, 0, 0, 0, 0, 0, INADEQUATE_SECURITY]);
    frames.extend(why.as_bytes());
    frames
}

/// For handshakes with this instance.
pub(crate) fn tls_acceptor(tls: &Arc<Tls>) -> Result<TlsAcceptor, AuthorityError> {
    let own = Own { tls: tls.clone(), current: Mutex::new(make(tls)?) };
    let made = acceptor(tls.authority.certificate(), Arc::new(own));
    Ok(made.expect("the authority's certificate is one"))
}

/// The scheduler's own certificate. It is never stored: a new one is made when it is past the half of its life.
struct Own {
    tls: Arc<Tls>,
    current: Mutex<(Arc<CertifiedKey>, Timestamp)>,
}

fn make(tls: &Tls) -> Result<(Arc<CertifiedKey>, Timestamp), AuthorityError> {
    let made = tls.authority.scheduler(tls.valid())?;
    Ok((made.certified(), tls.now() + tls.certificate_life() / 2))
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Own")
    }
}

impl ResolvesServerCert for Own {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut current = self.current.lock().expect("nobody panics while holding it");
        if self.tls.now() >= current.1 {
            match make(&self.tls) {
                Ok(made) => *current = made,
                Err(error) => tracing::warn!(%error, "the scheduler's certificate could not be renewed"),
            }
        }
        Some(current.0.clone())
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl Connection {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let ended = self.end.as_mut().is_some_and(|end| end.as_mut().poll(context).is_ready());
        if ended {
            self.end = Some(Box::pin(std::future::ready(())));
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "its certificate holds no more"));
        }
        Ok(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        match &mut self.bytes {
            Bytes::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Bytes::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        match &mut self.bytes {
            Bytes::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Bytes::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        match &mut self.bytes {
            Bytes::Plain(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Bytes::Tls(stream) => Pin::new(stream).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.bytes {
            Bytes::Plain(stream) => stream.is_write_vectored(),
            Bytes::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.bytes {
            Bytes::Plain(stream) => Pin::new(stream).poll_flush(context),
            Bytes::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.bytes {
            Bytes::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Bytes::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
