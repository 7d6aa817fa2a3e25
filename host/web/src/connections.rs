//! Connections of callers: HTTP/1 alone, so many at a time, and none that keeps the others waiting by saying nothing.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tower::ServiceExt;

/// At a time, sockets of live pages among them. Others wait.
const CONNECTIONS_MAX: usize = 1000;
/// How long a caller may take to say what it wants, and a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Between two tries where no connection can be taken: it may be that no file can be opened, and the next try would fail
/// at once.
const ACCEPT_INTERVAL: Duration = Duration::from_millis(100);

/// A connection's place among those that may be open, left with each of its requests: a socket outlives the request that
/// opened it and goes on holding the place.
#[derive(Clone)]
pub(crate) struct Place(#[expect(dead_code, reason = "it is held, not read")] Arc<OwnedSemaphorePermit>);

/// Answers until it is dropped.
pub(crate) async fn serve(listener: TcpListener, app: Router) -> Infallible {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut open = JoinSet::new();
    loop {
        let (stream, from, place) = accept(&listener, &room).await;
        while open.try_join_next().is_some() {}
        let app = app.clone();
        let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(from));
            request.extensions_mut().insert(place.clone());
            app.clone().oneshot(request)
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES_MAX);
        let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        open.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, %from, "a caller of the pages went away");
            }
        });
    }
}

async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> (TcpStream, SocketAddr, Place) {
    let place = room.clone().acquire_owned().await.expect("it is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                // An answer is one piece: waiting for more of it is for nothing.
                let _ = stream.set_nodelay(true);
                return (stream, from, Place(Arc::new(place)));
            }
            Err(error) => {
                tracing::debug!(%error, "a caller of the pages went away");
                tokio::time::sleep(ACCEPT_INTERVAL).await;
            }
        }
    }
}
