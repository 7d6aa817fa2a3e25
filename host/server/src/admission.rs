//! Who may call, and what proves it. Holders of the token are clients, and workers that join for the first time; a
//! worker that has joined shows a certificate which this instance's authority signed. All of it lies in the state
//! folder, for its owner only:
//!
//! - `token`: the secret, and the authority's fingerprint. Written anew while the scheduler runs, the new one counts.
//! - `authority.pem`: the authority's key and certificate, made on the first start.
//! - `revoked`: a line for each worker that was cut off.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use cofferdam_model::{Timestamp, WorkerId};
use cofferdam_scheduler::Clock;
use cofferdam_wire::private::{self, PrivateError};
use cofferdam_wire::tls::{Authority, AuthorityError, Fingerprint, Member, Seen};
use cofferdam_wire::{InvalidToken, Token, TokenSecret};
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Status};

use crate::accept::Peer;
use crate::revoked::{Revoked, RevokedError};

/// How long a certificate holds, unless it is said otherwise. It is renewed at half of that.
pub const CERTIFICATE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// How far the clock of another host may be behind.
const SKEW: Duration = Duration::from_secs(60 * 60);
/// How often the file with the token is looked at.
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
}

/// Who makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Knows the token, over a connection that is not encrypted.
    Open,
    /// Knows the token.
    Holder,
    Worker(Member),
}

impl Caller {
    pub(crate) fn of(extensions: &Extensions) -> Caller {
        *extensions.get().expect("every service is behind the gate")
    }
}

/// Decides who may call.
pub struct Admission {
    token_file: PathBuf,
    token: RwLock<Token>,
    pub(crate) tls: Option<Arc<Tls>>,
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
                Some(Arc::new(Tls { authority, revoked, certificate_life, clock }))
            }
        };
        let token_file = folder.join(TOKEN);
        let token = token(&token_file, tls.as_ref().map(|tls| tls.authority.fingerprint()))?;
        Ok(Admission { token_file, token: RwLock::new(token), tls })
    }

    /// Who calls, over a connection with that peer and with these headers. An error is for the caller's eyes.
    pub(crate) fn caller(&self, peer: &Peer, headers: &MetadataMap) -> Result<Caller, Status> {
        if let (Some(tls), Some(seen)) = (&self.tls, &peer.worker) {
            tls.check(seen)?;
            return Ok(Caller::Worker(seen.member));
        }
        let token = self.token.read().expect("nobody panics while holding it");
        match token.secret.is_in(headers) {
            Some(true) if self.tls.is_some() => Ok(Caller::Holder),
            Some(true) => Ok(Caller::Open),
            Some(false) => Err(Status::unauthenticated("the token is not this cluster's, or not any more")),
            None => Err(Status::unauthenticated("the call carries no token")),
        }
    }

    /// Takes a token that was written meanwhile, again and again.
    pub(crate) async fn follow_token(&self) -> ! {
        loop {
            tokio::time::sleep(TOKEN_INTERVAL).await;
            let text = tokio::fs::read_to_string(&self.token_file).await;
            // What is not there, or half there, changes nothing.
            let Ok(Ok(token)) = text.map(|text| text.parse::<Token>()) else { continue };
            let mut current = self.token.write().expect("nobody panics while holding it");
            if *current != token {
                tracing::info!("the token was rotated");
                *current = token;
            }
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
        let (member, now) = (seen.member, self.now());
        if self.revoked.contains(member) {
            return Err(Status::permission_denied(format!(
                "worker {member} was cut off by `cofferdam revoke`"
            )));
        }
        if !seen.valid.contains(&now) {
            let (from, until) = (seen.valid.start(), seen.valid.end());
            return Err(Status::unauthenticated(format!(
                "the certificate of worker {member} holds from {from} until {until}, and by the scheduler's clock it is {now}"
            )));
        }
        Ok(())
    }

    /// Ends when a connection with this certificate is to be cut.
    pub(crate) fn end(&self, seen: &Seen) -> impl Future<Output = ()> + Send + use<> {
        let revoked = self.revoked.wait_for(seen.member);
        let left = seen.valid.end().since(self.now());
        async move {
            tokio::select! {
                () = revoked => {}
                () = tokio::time::sleep(left) => {}
            }
        }
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
    let text = match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(source) => return Err(PrivateError::Read { path: path.to_owned(), source }.into()),
    };
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

/// Writes another secret into the token of the instance in this folder. A scheduler that runs there takes it within a
/// second; who has only the old one is refused from then on. Gives the file; none if the folder has no token.
pub fn rotate_token(folder: &Path) -> Result<Option<PathBuf>, AdmissionError> {
    let path = folder.join(TOKEN);
    if !path.exists() {
        return Ok(None);
    }
    let old = token(&path, None)?;
    let new = Token { secret: TokenSecret::generate()?, authority: old.authority };
    private::write(&path, &(new.reveal() + "\n"))?;
    Ok(Some(path))
}
