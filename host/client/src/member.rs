//! How a worker becomes a member of its cluster and stays one. It makes a key, has it signed for the token, and shows the
//! certificate from then on; before that ends it has another key signed. Both are kept in the worker's folder, so one
//! that starts again there is the same member and needs no token.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use cofferdam_crash::reach;
use cofferdam_wire::private::{self, PrivateError};
use cofferdam_wire::tls::{Credentials, PublicKey};
use cofferdam_wire::v1::EnrolRequest;
use cofferdam_wire::v1::workers_client::WorkersClient;
use cofferdam_wire::{InvalidAddress, Token};
use tokio::time::Instant;

use crate::{CERTIFICATE, Cluster, Error, Proof};

/// A certificate is renewed at half of its life, and tried again after so much of it.
const RENEW_AGAIN: u32 = 20;
/// What the folder keeps: key, certificate and that of the authority.
const FILE: &str = "identity.pem";
const LOCK: &str = "identity.lock";

#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    #[error("failed to use {}", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{why}")]
    NoToken { why: String },
}

/// A worker's place in a cluster.
pub struct Membership {
    cluster: Cluster,
    token: Option<Token>,
    /// Where its key is kept; none if another process of this folder is that member.
    place: Option<(PathBuf, File)>,
    /// Of the certificate that was signed last, since this process started.
    signed: Mutex<Option<Signed>>,
}

#[derive(Clone, Copy)]
struct Signed {
    at: Instant,
    life: Duration,
}

impl Signed {
    fn renew_at(self) -> Instant {
        self.at + self.life / 2
    }
}

impl Membership {
    /// Takes what an earlier worker left in the folder, unless it is of another cluster than the token. Gives also what a
    /// person should know. Without a token that says otherwise everything is encrypted.
    pub fn open(
        address: &str,
        token: Option<Token>,
        folder: &Path,
    ) -> Result<(Membership, Option<String>), MembershipError> {
        let path = folder.join(LOCK);
        let failed = |source| MembershipError::Folder { path: path.clone(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        let encrypted = token.as_ref().is_none_or(|token| token.authority.is_some());
        let place = (encrypted && lock.try_lock().is_ok()).then(|| (folder.join(FILE), lock));
        let found = place.as_ref().map_or(Ok(None), |(path, _)| read(path));
        let (found, why) = match found {
            Ok(found) => (found, None),
            Err(why) => (None, Some(why)),
        };
        let right =
            |own: &Credentials| token.as_ref().is_none_or(|token| token.authority == Some(own.authority()));
        let found = found.filter(right);
        let cluster = match (&found, &token) {
            (Some(own), _) => Cluster::showing(address, Proof::Certificate(own))?,
            (None, Some(token)) => Cluster::at(address, token)?,
            (None, None) => {
                let why = why.unwrap_or_else(|| {
                    format!("{} holds no certificate of an earlier worker", folder.display())
                });
                return Err(MembershipError::NoToken { why });
            }
        };
        let said = why.map(|why| format!("{why}; this worker joins as a new one"));
        Ok((Membership { cluster, token, place, signed: Mutex::default() }, said))
    }

    /// The cluster, over connections that show what the worker has by then.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Makes sure that there is a certificate which holds for a while, and was signed since this process started.
    pub(crate) async fn ready(&self) -> Result<(), Error> {
        match self.signed() {
            Some(signed) if Instant::now() < signed.renew_at() => Ok(()),
            _ => self.enrol().await,
        }
    }

    /// Ends when a new certificate is shown; until then calls go on with the one that there is.
    pub(crate) async fn renewed(&self) {
        let Some(signed) = self.signed() else { return std::future::pending().await };
        tokio::time::sleep_until(signed.renew_at()).await;
        while let Err(error) = self.enrol().await {
            tracing::warn!(%error, "the worker's certificate could not be renewed");
            tokio::time::sleep(signed.life / RENEW_AGAIN).await;
        }
    }

    fn signed(&self) -> Option<Signed> {
        *self.signed.lock().expect("nobody panics while holding it")
    }

    /// Has a key signed, if connections are encrypted.
    pub(crate) async fn enrol(&self) -> Result<(), Error> {
        if !self.cluster.is_encrypted() {
            return Ok(());
        }
        match (self.sign().await, &self.token) {
            // It was away for too long. Who has the token may join as a new member.
            (Err(Error::Denied { shown: CERTIFICATE, .. }), Some(token)) => {
                tracing::warn!("the scheduler refuses this worker's certificate; it joins as a new one");
                self.cluster.show(Proof::Token(token));
                self.sign().await
            }
            (signed, _) => signed,
        }
    }

    /// Has a fresh key signed, and shows its certificate from then on.
    async fn sign(&self) -> Result<(), Error> {
        let doing = "join the cluster";
        let own = |why: &dyn std::error::Error| Error::Refused { doing, why: why.to_string() };
        let key = PublicKey::generate().map_err(|error| own(&error))?;
        let request = EnrolRequest { public_key: key.public().to_vec().into() };
        let asked = Instant::now();
        let reply = WorkersClient::new(self.cluster.link()).enrol(request).await;
        let reply = reply.map_err(self.cluster.failed(doing))?.into_inner();
        let chain = reply.chain.iter().map(|certificate| certificate.to_vec().into()).collect();
        let signed = key.signed(chain).map_err(|error| own(&error))?;
        reach("join.before_keep");
        if let Some((path, _)) = &self.place
            && let Err(error) = private::write(path, &signed.to_pem())
        {
            // It works on without; only the next worker here has to show the token again.
            tracing::warn!(%error, "the worker's key is not kept");
        }
        self.cluster.show(Proof::Certificate(&signed));
        let signed = Signed { at: asked, life: Duration::from_millis(reply.life_ms) };
        *self.signed.lock().expect("nobody panics while holding it") = Some(signed);
        Ok(())
    }
}

/// What an earlier worker left; an error says why it cannot be used.
fn read(path: &Path) -> Result<Option<Credentials>, String> {
    let text = private::read(path).map_err(|error| match &error {
        PrivateError::Exposed { .. } | PrivateError::Foreign { .. } => {
            format!("the worker's key is not used: {error}")
        }
        PrivateError::Read { source, .. } => format!("the worker's key is not used: {error}: {source}"),
        PrivateError::Write { .. } => error.to_string(),
    })?;
    let Some(text) = text else { return Ok(None) };
    let read = Credentials::from_pem(&text);
    read.map(Some).map_err(|error| format!("the worker's key in {} is not used: {error}", path.display()))
}
