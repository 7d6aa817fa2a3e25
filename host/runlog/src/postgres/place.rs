//! Where the database is, how sessions are opened there, and which of its errors pass by themselves.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use cofferdam_postgres::Session;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::Error;

/// Time for a connection to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A session that reads. A query that takes longer than this is ended by the server.
const READING: &str = "SET search_path = cofferdam; SET default_transaction_read_only = on; \
                       SET statement_timeout = '30s'";

/// A session that writes: what was answered survives a crash of the server; a lock that somebody else holds is given
/// up and tried again; a host that is gone is noticed by the server, so that its lock does not outlive it for hours.
const WRITING: &str = "SET search_path = cofferdam; SET lock_timeout = '10s'; \
                       SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
                       SELECT set_config('synchronous_commit', 'on', false) \
                       WHERE current_setting('synchronous_commit') = 'off'";

/// A database. Shown without user and password.
#[derive(Debug)]
pub(super) struct Place(Config);

impl Place {
    pub(super) fn parse(url: &str) -> Result<Place, Error> {
        let mut config: Config = url.parse().map_err(Error::Url)?;
        config.application_name("cofferdam").connect_timeout(CONNECT_TIMEOUT);
        Ok(Place(config))
    }

    pub(super) async fn reader(&self) -> Result<Session, Error> {
        self.session(READING).await
    }

    pub(super) async fn writer(&self) -> Result<Session, Error> {
        self.session(WRITING).await
    }

    async fn session(&self, settings: &str) -> Result<Session, Error> {
        let unreached = |source| Error::Unreachable { store: self.to_string(), source };
        let session = cofferdam_postgres::connect(&self.0).await.map_err(unreached)?;
        session.client.batch_execute(settings).await.map_err(self.failed("take settings"))?;
        Ok(session)
    }

    /// Names what could not be done.
    pub(super) fn failed(&self, what: &'static str) -> impl Fn(tokio_postgres::Error) -> Error + use<> {
        let store = self.to_string();
        move |source| Error::Postgres { store: store.clone(), what, source }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match self.0.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".to_owned(),
        };
        let port = self.0.get_ports().first().map(|port| format!(":{port}")).unwrap_or_default();
        let database = self.0.get_dbname().or(self.0.get_user()).unwrap_or_default();
        write!(f, "postgres://{host}{port}/{database}")
    }
}

/// Whether the same may succeed later: the database is away, full, read-only or busy, or somebody else holds a lock.
pub(super) fn passes(error: &Error) -> bool {
    match error {
        Error::InUse { .. } | Error::TooSlow { .. } => true,
        Error::Postgres { source, .. }
        | Error::Unreachable { source: cofferdam_postgres::Error::Connect(source), .. } => {
            let Some(database) = source.as_db_error() else {
                let cause = source.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
                return source.is_closed() || cause.is_some();
            };
            // The first two letters of a code are its class (appendix A of PostgreSQL's manual); 25006 is a database
            // that is read-only, as a standby is or one whose disk is full.
            let code = database.code().code();
            matches!(&code[..2], "08" | "40" | "53" | "55" | "57" | "58") || code == "25006"
        }
        _ => false,
    }
}

/// Whether the server has said that a statement failed and the session goes on: nothing of it was done.
pub(super) fn is_refusal(error: &tokio_postgres::Error) -> bool {
    use tokio_postgres::error::Severity;
    error.as_db_error().is_some_and(|database| database.parsed_severity() == Some(Severity::Error))
}
