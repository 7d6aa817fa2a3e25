//! The listener where metrics are read: `GET /metrics`, and nothing else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::Exposed;

/// Connections at a time: a few who look regularly, and a person. Others wait.
const CONNECTIONS_MAX: usize = 16;
/// How long a caller may take to say what it wants.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const CONTENT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Brings up to date what is only known when somebody asks for it.
pub type Refresh = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// Listens until the handle is dropped. Gives also the address: port 0 takes a free one.
pub async fn listen(
    address: SocketAddr,
    exposed: Exposed,
    refresh: Refresh,
) -> std::io::Result<(SocketAddr, Listening)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    #[expect(clippy::disallowed_methods, reason = "the handle is kept and aborted on drop")]
    let task = tokio::spawn(accept(listener, exposed, refresh));
    Ok((address, Listening(task)))
}

/// Dropped, it stops.
#[derive(Debug)]
pub struct Listening(JoinHandle<()>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept(listener: TcpListener, exposed: Exposed, refresh: Refresh) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let permit = room.clone().acquire_owned().await.expect("it is never closed");
        while connections.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a caller for metrics went away");
                // What is wrong may be that no file can be opened: the next try would fail at once.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (exposed, refresh) = (exposed.clone(), refresh.clone());
        connections.spawn(async move {
            let service = service_fn(|request| answer(request, &exposed, &refresh));
            let served = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(HEAD_BYTES_MAX)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "a caller for metrics went away");
            }
            drop(permit);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    exposed: &Exposed,
    refresh: &Refresh,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let response = Response::builder();
    let answer = if request.uri().path() != "/metrics" {
        response.status(StatusCode::NOT_FOUND).body("only /metrics is here\n".into())
    } else if request.method() != Method::GET {
        response.status(StatusCode::METHOD_NOT_ALLOWED).header(ALLOW, "GET").body(Bytes::new().into())
    } else {
        refresh().await;
        response.header(CONTENT_TYPE, CONTENT).body(Bytes::from(exposed.text()).into())
    };
    Ok(answer.expect("its parts are constants"))
}
