//! A line to PostgreSQL that is cut in the middle of a COMMIT: before the server has read it, or after it has answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A COMMIT as it is sent: kind of message, length, text.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
/// Every so many COMMITs one is cut off.
const CUT_EVERY: u64 = 5;

#[derive(Debug, Default)]
pub(crate) struct Counts {
    commits: AtomicU64,
    /// Cut off before the server has read the COMMIT.
    pub(crate) before: AtomicU64,
    /// Cut off when the server had answered and nobody had heard it.
    pub(crate) after: AtomicU64,
}

/// Listens in front of a server. Dropped, it cuts everything.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    pub(crate) counts: Arc<Counts>,
    _task: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn start(server: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let counts = Arc::new(Counts::default());
        let mut task = JoinSet::new();
        let shared = counts.clone();
        task.spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                lines.spawn(line(client, server, shared.clone()));
            }
        });
        Proxy { port, counts, _task: task }
    }
}

async fn line(mut client: TcpStream, server: u16, counts: Arc<Counts>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut asked, mut answered) = ([0; 65536], [0; 65536]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(n @ 1..) = read else { return };
                let bytes = &asked[..n];
                if bytes.ends_with(COMMIT) {
                    let number = counts.commits.fetch_add(1, Ordering::Relaxed) + 1;
                    if number.is_multiple_of(2 * CUT_EVERY) {
                        counts.before.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                    if number.is_multiple_of(CUT_EVERY) {
                        // Only a server that has answered has committed for sure.
                        let passed = server.write_all(bytes).await;
                        assert!(passed.is_ok() && server.read(&mut answered).await.is_ok_and(|n| n > 0));
                        counts.after.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                }
                if server.write_all(bytes).await.is_err() { return }
            }
            read = server.read(&mut answered) => {
                let Ok(n @ 1..) = read else { return };
                if client.write_all(&answered[..n]).await.is_err() { return }
            }
        }
    }
}
