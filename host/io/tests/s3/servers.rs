//! Two servers that speak S3 and have nothing in common: s3s-fs (Rust, over a folder, checks signatures) in this
//! process, and moto (Python, in memory) as a child.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

pub(crate) const BUCKET: &str = "lake";
pub(crate) const ACCESS_KEY: &str = "AKIATEST";
pub(crate) const SECRET_KEY: &str = "s3cret/of/the+tests";

/// moto wants a signature, and does not look at it.
const ANYBODY: &str =
    "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=any";

/// A server that runs until it is dropped, with one empty bucket.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    kept: Kept,
}

enum Kept {
    Folder { folder: tempfile::TempDir, _tasks: JoinSet<()> },
    Child { _moto: Child },
}

/// Both of them.
pub(crate) async fn both() -> [Server; 2] {
    [s3s_fs().await, moto().await]
}

impl Server {
    /// Forgets every upload that is neither complete nor given up, as a server does that is started anew with such state
    /// in its memory; gives how many parts it had. Only of the one over a folder.
    pub(crate) fn forget_uploads(&self) -> usize {
        let Kept::Folder { folder, .. } = &self.kept else { panic!("moto keeps everything or nothing") };
        let files = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let uploads = files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(".upload"));
        uploads.map(|path| std::fs::remove_file(path).unwrap()).count()
    }

    /// The bytes of an object, got without the code under test.
    pub(crate) async fn object(&self, key: &str) -> Option<Vec<u8>> {
        match &self.kept {
            Kept::Folder { folder, .. } => std::fs::read(folder.path().join(BUCKET).join(key)).ok(),
            Kept::Child { .. } => {
                let url = format!("http://{}/{BUCKET}/{key}", self.address);
                let answer = client().get(url).header("authorization", ANYBODY).send().await.unwrap();
                answer.status().is_success().then_some(answer)?.bytes().await.ok().map(Vec::from)
            }
        }
    }
}

async fn s3s_fs() -> Server {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
    let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
    service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    let service = service.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            connections.spawn(async move {
                let http = Builder::new(TokioExecutor::new());
                // A client that goes away is no failure of the server.
                let _ = http.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    Server { name: "s3s-fs", address, kept: Kept::Folder { folder, _tasks: tasks } }
}

async fn moto() -> Server {
    let mut moto = Command::new(moto_program())
        .args(["-H", "127.0.0.1", "-p", "0"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("moto starts");
    let mut lines = BufReader::new(moto.stderr.take().unwrap()).lines();
    let address = loop {
        let line = lines.next_line().await.unwrap().expect("moto says where it listens");
        if let Some((_, address)) = line.split_once("Running on http://") {
            break address.trim().parse().unwrap();
        }
    };
    // It writes a line per request, and a full pipe would stop it.
    let mut drain = JoinSet::new();
    drain.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    drain.detach_all();
    let made = client().put(format!("http://{address}/{BUCKET}")).send().await.unwrap();
    assert!(made.status().is_success(), "{}", made.status());
    Server { name: "moto", address, kept: Kept::Child { _moto: moto } }
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// Where `cargo xtask setup` has put it.
fn moto_program() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let wanted = std::fs::read_to_string(root.join("tests/requirements.txt")).unwrap();
    let folder = cofferdam_toolchain::cache_folder().expect("there is a cache folder").join("test-servers");
    let installed = std::fs::read_to_string(folder.join("installed.txt")).unwrap_or_default();
    assert!(
        installed == wanted,
        "the servers for tests are not installed in {}, or not as tests/requirements.txt says: run `cargo xtask setup`",
        folder.display()
    );
    folder.join("bin/moto_server")
}
