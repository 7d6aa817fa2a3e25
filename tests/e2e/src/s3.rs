//! A server that speaks S3, for tests of the whole program: s3s-fs over a folder, on a port of this machine. It
//! checks signatures, so that whoever gets in had the credentials.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cofferdam_kit::port;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// How long what it does may take to end when it is stopped.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

pub const ACCESS_KEY: &str = "AKIATEST";
pub const SECRET_KEY: &str = "s3cret/of/the+tests";

/// Runs until it is dropped.
pub struct S3 {
    address: SocketAddr,
    folder: tempfile::TempDir,
    /// None while it is stopped.
    runtime: Option<Runtime>,
}

impl S3 {
    /// Starts a server with these empty buckets.
    pub fn start(buckets: &[&str]) -> S3 {
        S3::start_at("127.0.0.1", buckets)
    }

    /// The same at another address of this host.
    pub fn start_at(address: &str, buckets: &[&str]) -> S3 {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        for bucket in buckets {
            std::fs::create_dir(folder.path().join(bucket)).expect("a folder can be made");
        }
        let address = address.parse().expect("an address");
        let address = SocketAddr::new(address, port::steady_at(address));
        let mut server = S3 { address, folder, runtime: None };
        server.start_again();
        server
    }

    /// Starts it after it was stopped, where it was and with the objects that it had.
    pub fn start_again(&mut self) {
        let files = s3s_fs::FileSystem::new(self.folder.path()).expect("the folder is there");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = service.build();
        let runtime = Runtime::new().expect("a runtime can be made");
        let listener = runtime.block_on(TcpListener::bind(self.address)).expect("the port is free");
        runtime.spawn(serve(listener, service));
        self.runtime = Some(runtime);
    }

    /// Ends it at once, with every connection. Uploads in parts are forgotten; gives how many parts had come.
    pub fn stop(&mut self) -> usize {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(STOP_TIMEOUT);
        }
        let parts = self.parts();
        for part in &parts {
            std::fs::remove_file(part).expect("a file can be removed");
        }
        parts.len()
    }

    /// Files of uploads in parts that are neither complete nor given up.
    pub fn parts(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path()).expect("the folder is there");
        let of_upload = |path: &PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(".upload"))
        };
        entries.map(|entry| entry.expect("it can be read").path()).filter(of_upload).collect()
    }

    /// The server's address, as settings name it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The bytes of an object, read behind the server's back; none if it is not there.
    pub fn object(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        let path: PathBuf = self.folder.path().join(bucket).join(key);
        std::fs::read(path).ok()
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let service = service.clone();
        connections.spawn(async move {
            let http = Builder::new(TokioExecutor::new());
            // A client that goes away is no failure of the server.
            let _ = http.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}
