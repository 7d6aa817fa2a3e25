//! Connections to PostgreSQL: how one is made, with TLS unless the URL says otherwise, and the task that moves its
//! bytes. What is asked over them is the business of whoever asks.

mod tls;

use tokio::task::JoinSet;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};

use crate::tls::Tls;

/// A connection and the task that moves its bytes, which ends with it. Dropped, the server undoes a transaction that
/// is under way.
pub struct Session {
    pub client: Client,
    _task: JoinSet<()>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to read which certificates this machine trusts")]
    Trust(#[from] rustls::Error),
    #[error("failed to connect to PostgreSQL")]
    Connect(#[from] tokio_postgres::Error),
}

/// Connects. What ends the connection later is told to whoever awaits an answer on it.
pub async fn connect(config: &Config) -> Result<Session, Error> {
    let mut task = JoinSet::new();
    let client = if config.get_ssl_mode() == SslMode::Disable {
        let (client, connection) = config.connect(NoTls).await?;
        task.spawn(async move { drop(connection.await) });
        client
    } else {
        let (client, connection) = config.connect(Tls::new()?).await?;
        task.spawn(async move { drop(connection.await) });
        client
    };
    Ok(Session { client, _task: task })
}
