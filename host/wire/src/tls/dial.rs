//! Connections that are made: TCP, then TLS to a role.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use cofferdam_model::Timestamp;
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;

use super::pinned::Pinned;
use super::serve::SCHEDULER;
use super::{Credentials, Fingerprint, Member, PROTOCOL, provider};

/// Why who answers cannot be trusted. No waiting mends it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unsafe {
    #[error(
        "another cluster's scheduler answers there, or somebody in between: the token is for the authority {expected}, who answers shows {}",
        found.map_or_else(|| "none".to_owned(), |found| found.to_string())
    )]
    OtherAuthority { expected: Fingerprint, found: Option<Fingerprint> },
    #[error(
        "the clocks of the two hosts differ too much: the certificate shown there is valid from {from} until {until}, and here it is {here}"
    )]
    Clock { from: Timestamp, until: Timestamp, here: Timestamp },
    #[error(
        "who answers there does not encrypt: its `cofferdam serve` may have been started with `--plaintext`, or it is something else"
    )]
    NotEncrypted,
    #[error("the encrypted connection was refused: {0}")]
    Refused(rustls::Error),
}

/// How the far end is checked, and what is shown to it.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// To the scheduler of that authority; a worker that has joined shows its credentials.
    pub fn to_scheduler(authority: Fingerprint, own: Option<&Credentials>) -> Tls {
        Tls::to(SCHEDULER.to_owned(), authority, own)
    }

    /// From worker to worker.
    pub fn to_member(member: Member, own: &Credentials) -> Tls {
        Tls::to(member.host(), own.authority(), Some(own))
    }

    fn to(name: String, authority: Fingerprint, own: Option<&Credentials>) -> Tls {
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("ring has what TLS 1.3 needs")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned::new(authority)));
        let mut config = match own {
            None => config.with_no_client_auth(),
            Some(own) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own.certified()))),
        };
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        config.resumption = Resumption::disabled();
        let name = ServerName::try_from(name).expect("roles are host names");
        Tls { config: Arc::new(config), name }
    }

    async fn connect(self, host: String, port: u16) -> io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect((host, port)).await?;
        tcp.set_nodelay(true)?;
        TlsConnector::from(self.config).connect(self.name, tcp).await.map_err(explain)
    }
}

/// What the handshake failed for, so that who looks for [`Unsafe`] among the causes finds it.
fn explain(error: io::Error) -> io::Error {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    let Some(cause) = cause else { return error };
    let why = match cause {
        rustls::Error::InvalidMessage(_) => Unsafe::NotEncrypted,
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            match other.0.downcast_ref::<Unsafe>() {
                Some(why) => why.clone(),
                None => Unsafe::Refused(cause.clone()),
            }
        }
        cause => Unsafe::Refused(cause.clone()),
    };
    io::Error::other(why)
}

/// Makes connections to one address.
pub(crate) struct Dial {
    pub(crate) tls: Tls,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Service<Uri> for Dial {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connecting = self.tls.clone().connect(self.host.clone(), self.port);
        Box::pin(async { connecting.await.map(TokioIo::new) })
    }
}
