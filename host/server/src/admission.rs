//! Who may call, and what proves it. Holders of the cluster's token are clients who may do everything, and workers that
//! join for the first time; a worker that has joined shows a certificate which this instance's authority signed; other
//! clients show a token of their own. All of it lies in the state folder, for its owner only:
//!
//! - `token`: the secret, and the authority's fingerprint. Written anew while the scheduler runs, the new one counts.
//! - `api-tokens.json`: what is known of the other tokens. Read anew in the same way.
//! - `authority.pem`: the authority's key and certificate, made on the first start.
//! - `revoked`: a line for each worker that was cut off.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use cofferdam_model::{Timestamp, WorkerId};
use cofferdam_scheduler::Clock;
use cofferdam_wire::private::{self, PrivateError};
use cofferdam_wire::tls::{Authority, AuthorityError, Fingerprint, Member, Peer, Seen};
use cofferdam_wire::{InvalidToken, Token, TokenSecret, carried};
use tokio::sync::watch;
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::api_tokens::{ApiToken, ApiTokenError, ApiTokens};
use crate::caller::Who;
use crate::guesses::Guesses;
use crate::revoked::{Revoked, RevokedError};

/// How long a certificate holds, unless it is said otherwise. It is renewed at half of that.
pub const CERTIFICATE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// How far the clock of another host may be behind.
const SKEW: Duration = Duration::from_secs(60 * 60);
/// How often the files with tokens are looked at.
const TOKEN_INTERVAL: Duration = Duration::from_secs(1);
/// What the key is for that binds workers' numbers to members.
const PROOF: &str = "cofferdam 2026 number of a worker";

const TOKEN: &str = "token";
const AUTHORITY: &str = "authority.pem";

/// What protects the network between the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Certificates that hold for so long.
    Tls { certificate_life: Duration },
    /// Nothing: who is on the way reads the token and all values.
    Plaintext,
}

#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    #[error(transparent)]
    File(#[from] PrivateError),
    #[error("failed to read the token in {}", path.display())]
    Token {
        path: PathBuf,
        #[source]
        source: InvalidToken,
    },
    #[error("failed to read the authority's key in {}", path.display())]
    Authority {
        path: PathBuf,
        #[source]
        source: AuthorityError,
    },
    #[error("failed to make a certificate")]
    Make(#[from] AuthorityError),
    #[error("failed to make a secret")]
    Random(#[from] getrandom::Error),
    #[error(transparent)]
    Revoked(#[from] RevokedError),
    #[error(transparent)]
    ApiTokens(#[from] ApiTokenError),
}

/// Decides who may call.
pub struct Admission {
    folder: PathBuf,
    token: RwLock<Token>,
    api_tokens: watch::Sender<ApiTokens>,
    pub(crate) tls: Option<Arc<Tls>>,
    guesses: Guesses,
    clock: Clock,
}

/// What certificates are made with and held against.
pub(crate) struct Tls {
    pub(crate) authority: Authority,
    pub(crate) revoked: Revoked,
    certificate_life: Duration,
    clock: Clock,
}

impl Admission {
    /// Reads what the folder holds, and makes what it lacks.
    pub fn open(folder: &Path, security: Security, clock: Clock) -> Result<Admission, AdmissionError> {
        let tls = match security {
            Security::Plaintext => None,
            Security::Tls { certificate_life } => {
                let authority = authority(&folder.join(AUTHORITY))?;
                let revoked = Revoked::open(folder)?;
                Some(Arc::new(Tls { authority, revoked, certificate_life, clock: clock.clone() }))
            }
        };
        let token = token(&folder.join(TOKEN), tls.as_ref().map(|tls| tls.authority.fingerprint()))?;
        let api_tokens = watch::Sender::new(ApiTokens::read(folder)?);
        let (token, guesses) = (RwLock::new(token), Guesses::default());
        Ok(Admission { folder: folder.to_owned(), token, api_tokens, tls, guesses, clock })
    }

    /// Who calls, over a connection with that peer and with these headers. An error is for the caller's eyes.
    pub(crate) fn caller(&self, peer: &Peer, headers: &MetadataMap) -> Result<Who, Status> {
        if let (Some(tls), Some(seen)) = (&self.tls, &peer.worker) {
            tls.check(seen)?;
            return Ok(Who::Worker(seen.member));
        }
        let carried = carried(headers).ok_or_else(|| Status::unauthenticated("the call carries no token"))?;
        self.holder(&carried, peer.address.ip())
    }

    /// Whose token it is that somebody at this address carries, by its hash.
    pub(crate) fn holder(&self, carried: &blake3::Hash, from: IpAddr) -> Result<Who, Status> {
        self.guesses.judge((carried, from), (self.clock)(), self.known(carried))
    }

    fn known(&self, carried: &blake3::Hash) -> Result<Who, Status> {
        let token = self.token.read().expect("nobody panics while holding it").secret.hash();
        if *carried == token {
            return Ok(if self.tls.is_some() { Who::Holder } else { Who::Open });
        }
        match self.find(carried) {
            Some(token) if token.has_expired((self.clock)()) => {
                Err(Status::unauthenticated(format!("the time of token `{}` is over", token.name)))
            }
            Some(token) => Ok(Who::Api(token)),
            None => Err(Status::unauthenticated("the token is not this cluster's, or not any more")),
        }
    }

    /// One may have been made, or revoked, a moment ago.
    fn find(&self, carried: &blake3::Hash) -> Option<Arc<ApiToken>> {
        let are_old = self.api_tokens.borrow().are_old(&self.folder);
        if are_old {
            self.take_api(ApiTokens::read(&self.folder));
        }
        self.api_tokens.borrow().find(carried).cloned()
    }

    /// Ends when somebody who was let in would not be let in any more, for what goes on for long. The cluster's own token
    /// may be given out anew while those who have the old one finish.
    pub(crate) async fn end(&self, who: &Who) {
        let Who::Api(token) = who else { return std::future::pending().await };
        let mut tokens = self.api_tokens.subscribe();
        loop {
            if !tokens.borrow_and_update().holds(token, (self.clock)()) {
                return;
            }
            // Its time may be over although the list does not change.
            let changed = tokio::time::timeout(TOKEN_INTERVAL, tokens.changed()).await;
            if let Ok(Err(_)) = changed {
                return;
            }
        }
    }

    /// Takes tokens that were written meanwhile, again and again. What is not there, or half there, changes nothing.
    pub(crate) async fn follow_tokens(&self) -> ! {
        loop {
            tokio::time::sleep(TOKEN_INTERVAL).await;
            let text = tokio::fs::read_to_string(self.folder.join(TOKEN)).await;
            if let Ok(Ok(token)) = text.map(|text| text.parse::<Token>()) {
                self.take(token);
            }
            let folder = self.folder.clone();
            if let Ok(read) = tokio::task::spawn_blocking(move || ApiTokens::read(&folder)).await {
                self.take_api(read);
            }
        }
    }

    fn take_api(&self, read: Result<ApiTokens, ApiTokenError>) {
        match read {
            Ok(tokens) => drop(self.api_tokens.send_if_modified(|current| {
                let differ = *current != tokens;
                *current = tokens;
                differ
            })),
            Err(error) => tracing::warn!(%error, "the tokens cannot be read; those known stay"),
        }
    }

    fn take(&self, token: Token) {
        let mut current = self.token.write().expect("nobody panics while holding it");
        if *current != token {
            tracing::info!("the token was rotated");
            *current = token;
        }
    }
}

impl Tls {
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// For certificates that are made now.
    pub(crate) fn valid(&self) -> RangeInclusive<Timestamp> {
        let now = self.now();
        Timestamp(now.0.saturating_sub(SKEW.as_millis() as u64))..=now + self.certificate_life
    }

    pub(crate) fn certificate_life(&self) -> Duration {
        self.certificate_life
    }

    /// Whether a certificate holds now.
    pub(crate) fn check(&self, seen: &Seen) -> Result<(), Status> {
        self.revoked.cut_off().check(seen, self.now())
    }

    /// Ends when a connection with this certificate is to be cut.
    pub(crate) fn end(&self, seen: &Seen) -> impl Future<Output = ()> + Send + use<> {
        self.revoked.cut_off().end(seen, self.now())
    }

    /// What makes one process of a member another one than a process of another member that says the same of itself.
    pub(crate) fn instance(&self, member: Member, said: u128) -> u128 {
        let bytes = self.bind(&format!("instance {said} of {member}"));
        u128::from_be_bytes(*bytes.as_bytes().first_chunk().expect("a hash has 32 bytes"))
    }

    /// Shows that the number was given to that member.
    pub(crate) fn proof(&self, member: Member, worker: WorkerId) -> blake3::Hash {
        self.bind(&format!("worker {} is {member}", worker.0))
    }

    fn bind(&self, text: &str) -> blake3::Hash {
        blake3::keyed_hash(&self.authority.secret(PROOF), text.as_bytes())
    }
}

fn authority(path: &Path) -> Result<Authority, AdmissionError> {
    if let Some(text) = private::read(path)? {
        let damaged = |source| AdmissionError::Authority { path: path.to_owned(), source };
        return Authority::from_pem(&text).map_err(damaged);
    }
    let authority = Authority::generate()?;
    private::write(path, &authority.to_pem())?;
    Ok(authority)
}

/// The token of this instance. One that names no authority, or another one, is written anew with the right one.
fn token(path: &Path, authority: Option<Fingerprint>) -> Result<Token, AdmissionError> {
    let text = private::read(path)?;
    let invalid = |source| AdmissionError::Token { path: path.to_owned(), source };
    let found: Option<Token> = text.map(|text| text.parse().map_err(invalid)).transpose()?;
    let token = match &found {
        Some(token) if authority.is_none() => token.clone(),
        Some(token) => Token { secret: token.secret.clone(), authority },
        None => Token { secret: TokenSecret::generate()?, authority },
    };
    if found.as_ref() != Some(&token) {
        private::write(path, &(token.reveal() + "\n"))?;
    }
    Ok(token)
}

/// The token of the instance in this folder; none if it was never served.
pub fn cluster_token(folder: &Path) -> Result<Option<Token>, AdmissionError> {
    let path = folder.join(TOKEN);
    if !path.exists() {
        return Ok(None);
    }
    token(&path, None).map(Some)
}

/// Writes another secret into the token of the instance in this folder. A scheduler that runs there takes it within a
/// second; who has only the old one is refused from then on. Gives the file; none if the folder has no token.
pub fn rotate_token(folder: &Path) -> Result<Option<PathBuf>, AdmissionError> {
    let path = folder.join(TOKEN);
    let Some(old) = cluster_token(folder)? else { return Ok(None) };
    let new = Token { secret: TokenSecret::generate()?, authority: old.authority };
    private::write(&path, &(new.reveal() + "\n"))?;
    Ok(Some(path))
}
