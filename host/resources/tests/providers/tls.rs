//! TLS of HTTP and PostgreSQL: servers that the machine trusts are spoken to, others are not.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use cofferdam_kit::postgres::Server;
use cofferdam_model::{HttpRequest, ResourceAnswer, ResourceCall, ResourceKind, SqlValue};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::postgres::{query, rows};
use crate::support::World;

/// Set for the process that does the work: what a machine trusts is read from its environment, so the test runs
/// itself again in one where the authority of the test is all that is trusted.
const FOLDER: &str = "COFFERDAM_TEST_TLS_FOLDER";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for `localhost`, and its key.
fn certificate(authority: &Authority) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap(), key)
}

#[test]
fn https_and_postgresql_are_spoken_only_to_servers_that_the_machine_trusts() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(trusted_and_others(Path::new(&folder)));
    }
    let folder = tempfile::tempdir().unwrap();
    let authority = authority("trusted");
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let (certificate, key) = certificate(&authority);
    std::fs::write(folder.path().join("server.crt"), certificate.pem()).unwrap();
    std::fs::write(folder.path().join("server.key"), key.serialize_pem()).unwrap();
    let name = std::thread::current().name().unwrap().to_owned();
    let mut again = Command::new(std::env::current_exe().unwrap());
    again
        .args(["--exact", &name])
        .env(FOLDER, folder.path())
        .env("SSL_CERT_FILE", &file)
        .env_remove("SSL_CERT_DIR");
    let done = again.output().unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && told.contains("1 passed"),
        "{told}{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

async fn trusted_and_others(folder: &Path) {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let (trusted_certificate, trusted_key) = (read("server.crt"), read("server.key"));
    let (other_certificate, other_key) = certificate(&authority("unknown"));
    let (other_certificate, other_key) = (other_certificate.pem(), other_key.serialize_pem());

    let get = || {
        ResourceCall::Http(HttpRequest {
            method: "GET".into(),
            path: "x".into(),
            headers: vec![],
            body: vec![],
        })
    };
    let world = World::new(&[]);
    let trusted = Https::start(&trusted_certificate, &trusted_key).await;
    match world.call(ResourceKind::Http, &trusted.settings(), get()).await.unwrap() {
        ResourceAnswer::Http(response) => assert_eq!(response.body, b"secure"),
        other => panic!("{other:?}"),
    }
    let other = Https::start(&other_certificate, &other_key).await;
    let fault = world.fault(ResourceKind::Http, &other.settings(), get()).await;
    insta::assert_snapshot!(fault, @"Unavailable: resource `it` of kind `http`: the request failed: error sending request: client error (Connect): invalid peer certificate: UnknownIssuer");

    let is_secure = || query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]);
    for (certificate, key, is_trusted) in
        [(&trusted_certificate, &trusted_key, true), (&other_certificate, &other_key, false)]
    {
        let server = Server::start_with_tls(certificate, key);
        let url = |mode: &str| format!("postgres://me@localhost:{}/postgres{mode}", server.port);
        let world = World::new(&[
            ("PLAIN", &url("?sslmode=disable")),
            ("USUAL", &url("")),
            ("SURE", &url("?sslmode=require")),
        ]);
        let settings = |name: &str| json!({ "url": { "env": name } });
        assert_eq!(rows(&world, &settings("PLAIN"), is_secure()).await, [[SqlValue::Truth(false)]]);
        for name in ["USUAL", "SURE"] {
            if is_trusted {
                assert_eq!(rows(&world, &settings(name), is_secure()).await, [[SqlValue::Truth(true)]]);
            } else {
                let fault = world.fault(ResourceKind::Sql, &settings(name), is_secure()).await;
                insta::allow_duplicates! { insta::assert_snapshot!(fault, @"Unavailable: resource `it` of kind `sql`: failed to connect to PostgreSQL: error performing TLS handshake: invalid peer certificate: UnknownIssuer") };
            }
        }
    }
}

/// A server that answers every request with `secure`.
struct Https {
    port: u16,
    _task: JoinSet<()>,
}

impl Https {
    async fn start(certificate: &str, key: &str) -> Https {
        use rustls::pki_types::pem::PemObject;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let certificates =
            vec![rustls::pki_types::CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(
            config.with_no_client_auth().with_single_cert(certificates, key).unwrap(),
        ));
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // A client that does not trust us hangs up in the middle.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 6\r\n\r\nsecure";
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            }
        });
        Https { port, _task: task }
    }

    fn settings(&self) -> serde_json::Value {
        json!({ "base_url": format!("https://localhost:{}/", self.port) })
    }
}
