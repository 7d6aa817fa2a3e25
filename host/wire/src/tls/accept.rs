//! Connections as they come in: encrypted unless who listens says otherwise, and cut as soon as the certificate at their
//! other end holds no more.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::Seen;

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

/// What who listens decides over connections.
pub trait Door: Send + Sync + 'static {
    /// Said to who speaks HTTP/2 without encryption.
    const NOT_ENCRYPTED: &'static str;

    /// For the handshake of a connection that comes in now; none if nothing is encrypted.
    fn acceptor(&self) -> io::Result<Option<TlsAcceptor>>;

    /// Ends when a connection with this certificate is to be cut. None if the certificate holds no more already: then it
    /// is not cut, so that every call can be refused in words.
    fn end(&self, seen: &Seen) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>>;
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    pub address: SocketAddr,
    /// What its certificate says, if it has shown one that the authority signed.
    pub worker: Option<Seen>,
}

enum Bytes {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection that was made.
pub struct Connection {
    bytes: Bytes,
    peer: Peer,
    /// Ready when it is to be cut.
    end: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// The connections that come in, each when it is ready to be talked over.
pub fn incoming<D: Door>(listener: TcpListener, door: Arc<D>) -> impl Stream<Item = io::Result<Connection>> {
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
        let door = door.clone();
        async move {
            let made = tokio::time::timeout(HANDSHAKE_TIMEOUT, receive(tcp, address, &*door)).await;
            let made = made.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            made.inspect_err(|error| tracing::info!(%address, %error, "a connection was not made")).ok()
        }
    });
    made.buffer_unordered(HANDSHAKES_MAX).filter_map(|made| async { made.map(Ok) })
}

async fn receive<D: Door>(mut tcp: TcpStream, address: SocketAddr, door: &D) -> io::Result<Connection> {
    tcp.set_nodelay(true)?;
    let Some(acceptor) = door.acceptor()? else {
        let peer = Peer { address, worker: None };
        return Ok(Connection { bytes: Bytes::Plain(tcp), peer, end: None });
    };
    let mut first = [0];
    if tcp.peek(&mut first).await? == 1 && first[0] != TLS_HANDSHAKE {
        tcp.write_all(&EMPTY_SETTINGS).await?;
        // A call that finds its connection ended before it was sent is not told why it ended. Who sends none, or speaks
        // something else, need not be waited for.
        let _ = first_call(&mut tcp).await;
        tcp.write_all(&farewell(D::NOT_ENCRYPTED)).await?;
        tcp.shutdown().await?;
        // What is not read would make the system break the connection before the reason has arrived.
        tokio::io::copy(&mut tcp.take(UNREAD_BYTES_MAX), &mut tokio::io::sink()).await?;
        return Err(io::Error::other("it is not encrypted"));
    }
    let stream = acceptor.accept(tcp).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let worker = shown.map(Seen::read).transpose().map_err(io::Error::other)?;
    let end = worker.as_ref().and_then(|seen| door.end(seen));
    Ok(Connection { bytes: Bytes::Tls(Box::new(stream)), peer: Peer { address, worker }, end })
}

/// The frame with which an HTTP/2 server begins a connection.
const EMPTY_SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Reads to the end of the frame with which an HTTP/2 client begins its first call.
async fn first_call(tcp: &mut TcpStream) -> io::Result<()> {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const HEADERS: u8 = 1;
    let mut left = tcp.take(UNREAD_BYTES_MAX);
    for expected in PREFACE {
        if left.read_u8().await? != *expected {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    loop {
        let mut head = [0; 9];
        left.read_exact(&mut head).await?;
        let length = u64::from(u32::from_be_bytes([0, head[0], head[1], head[2]]));
        tokio::io::copy(&mut (&mut left).take(length), &mut tokio::io::sink()).await?;
        if head[3] == HEADERS {
            return Ok(());
        }
    }
}

/// The frame with which an HTTP/2 server ends a connection for a reason: GOAWAY with INADEQUATE_SECURITY.
fn farewell(why: &str) -> Vec<u8> {
    const GOAWAY: u8 = 7;
    const INADEQUATE_SECURITY: u8 = 12;
    let length = u8::try_from(8 + why.len()).expect("the reason is short");
    let mut frames = vec![0, 0, length, GOAWAY, 0, 0, 0, 0, 0];
    frames.extend([0, 0, 0, 0, 0, 0, 0, INADEQUATE_SECURITY]);
    frames.extend(why.as_bytes());
    frames
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
