//! The far end of these tests: services that are stopped and started, behind a proxy.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cofferdam_client::{Cluster, Membership, Objects};
use cofferdam_depot::Depot;
use cofferdam_io::{ValueKey, ValueStore};
use cofferdam_model::{AttemptId, Fence, Name, RunId, StepKey};
use cofferdam_runlog::{Memory, RunLog};
use cofferdam_scheduler::{Scheduler, system_clock};
use cofferdam_server::{Admission, Audit, Parts, Security, Server};
use cofferdam_wire::tls::Tls;
use cofferdam_wire::v1::workers_client::WorkersClient;
use cofferdam_wire::v1::{Holder, LocateRequest};
use cofferdam_wire::{Introduce, Token};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

pub(crate) const ROOM: u64 = 1 << 30;

/// The services over folders of their own.
pub(crate) struct Far {
    folder: tempfile::TempDir,
    address: SocketAddr,
    pub(crate) token: Token,
    security: Security,
    /// Everything that serves; none while it is stopped.
    running: Option<Runtime>,
    pub(crate) proxy: Proxy,
}

impl Far {
    /// Nothing is encrypted, so that the proxy can do to what travels what it is told.
    pub(crate) async fn start() -> Far {
        Far::start_with(Security::Plaintext).await
    }

    pub(crate) async fn start_with(security: Security) -> Far {
        let folder = tempfile::tempdir().unwrap();
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let (running, address) = serve(folder.path(), free, security).await;
        let token = std::fs::read_to_string(folder.path().join("state/token")).unwrap().parse().unwrap();
        Far { folder, address, token, security, running: Some(running), proxy: Proxy::start(address).await }
    }

    /// As a process that is killed: connections break.
    pub(crate) fn stop(&mut self) {
        self.running.take().expect("it runs").shutdown_background();
    }

    pub(crate) async fn start_again(&mut self) {
        self.running = Some(serve(self.folder.path(), self.address, self.security).await.0);
    }

    /// Another host, through the proxy.
    pub(crate) fn cluster(&self) -> Cluster {
        Cluster::at(&self.proxy.address.to_string(), &self.token).unwrap()
    }

    /// A worker's place there, with a folder for its key.
    pub(crate) fn membership(&self, local: &Path) -> Membership {
        let opened = Membership::open(&self.proxy.address.to_string(), Some(self.token.clone()), local);
        opened.unwrap().0
    }

    pub(crate) fn objects(&self, local: &Path, bytes_max: u64) -> Arc<Objects> {
        Arc::new(Objects::new(self.cluster(), local, Some(bytes_max)).unwrap())
    }

    /// Its face towards workers.
    pub(crate) fn workers(&self) -> WorkersClient<InterceptedService<Channel, Introduce>> {
        let tls = self.token.authority.map(|authority| Tls::to_scheduler(authority, None));
        let channel = cofferdam_wire::connect(&self.proxy.address.to_string(), tls).unwrap();
        WorkersClient::new(InterceptedService::new(channel, Introduce::new(Some(&self.token.secret))))
    }

    /// Whom it names for an object.
    pub(crate) async fn locate(&self, key: &str) -> Vec<Holder> {
        let request = LocateRequest { key: key.to_owned() };
        self.workers().locate(request).await.unwrap().into_inner().holders
    }

    /// Where its tokens are.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// What it keeps itself.
    pub(crate) fn values(&self) -> ValueStore {
        values(self.folder.path())
    }

    /// Files of values and libraries, also unfinished ones.
    pub(crate) fn n_files(&self) -> usize {
        fn count(folder: &Path) -> usize {
            let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
        }
        ["values", "libraries"].iter().map(|part| count(&self.folder.path().join(part))).sum()
    }

    /// Bytes of libraries.
    pub(crate) fn n_bytes(&self) -> u64 {
        fn sum(folder: &Path) -> u64 {
            let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            entries.map(|path| if path.is_dir() { sum(&path) } else { path.metadata().unwrap().len() }).sum()
        }
        sum(&self.folder.path().join("libraries"))
    }

    pub(crate) fn depot(&self) -> Depot {
        Depot::local(&self.folder.path().join("libraries")).unwrap()
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown_background();
        }
    }
}

async fn serve(folder: &Path, address: SocketAddr, security: Security) -> (Runtime, SocketAddr) {
    let running = Runtime::new().unwrap();
    let (told, address_told) = tokio::sync::oneshot::channel();
    let (values, depot) = (values(folder), Depot::local(&folder.join("libraries")).unwrap());
    std::fs::create_dir_all(folder.join("state")).unwrap();
    let admission = Admission::open(&folder.join("state"), security, system_clock());
    let admission = Arc::new(admission.unwrap());
    let audit = Arc::new(Audit::new(&folder.join("state"), system_clock()));
    running.spawn(async move {
        let log: Arc<dyn RunLog> = Arc::new(Memory::new());
        let scheduler = Arc::new(Scheduler::start(log.clone(), system_clock()).await.unwrap());
        let parts = Parts {
            scheduler,
            log,
            depot,
            values,
            audit: audit.clone(),
            grants: [].into(),
            signers: [].into(),
        };
        let server = loop {
            match Server::bind(address, parts.clone(), admission.clone()).await {
                // The one before it is closed in the background.
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                    tokio::time::sleep(Duration::from_millis(5)).await
                }
                server => break server.unwrap(),
            }
        };
        told.send(server.address().unwrap()).unwrap();
        server.serve(std::future::pending()).await.unwrap();
    });
    (running, address_told.await.unwrap())
}

fn values(folder: &Path) -> ValueStore {
    ValueStore::local(&folder.join("values"), namespace()).unwrap()
}

fn namespace() -> Name {
    Name::new("default").unwrap()
}

/// The store as a host sees it that has these objects.
pub(crate) fn store(objects: &Arc<Objects>) -> ValueStore {
    ValueStore::of_cluster(objects.clone(), namespace())
}

/// A key for each fence.
pub(crate) fn key(fence: u64) -> ValueKey {
    let run: RunId = "01890000-0000-7000-8000-000000000001".parse().unwrap();
    let attempt = AttemptId { run, step: StepKey::new("a"), attempt: 1, fence: Fence(fence) };
    ValueKey::output(&namespace(), &attempt, &Name::new("result").unwrap(), None)
}

/// Bytes that do not shrink.
pub(crate) fn noise(seed: u64, length: usize) -> Bytes {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes.into()
}

/// Passes bytes on, and does to them what it is told.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    down: Way,
    up: Way,
}

/// One direction.
#[derive(Default)]
struct Way {
    /// Bytes that were passed on.
    passed: AtomicU64,
    /// After so many bytes of a connection it is cut: the last one is for the next connection that comes so far.
    cuts: Mutex<Vec<u64>>,
    damages: AtomicBool,
    damaged: AtomicU64,
    once: AtomicBool,
    /// All that was passed on, for who is on the way and reads.
    read: Mutex<Vec<u8>>,
}

impl Proxy {
    pub(crate) async fn start(to: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy { address: listener.local_addr().unwrap(), shared: Arc::default() };
        let shared = proxy.shared.clone();
        #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(to).await else { continue };
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                let (down, up) = (shared.clone(), shared.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = pass(&down.down, far_in, near_out) => {}
                        () = pass(&up.up, near_in, far_out) => {}
                    }
                });
            }
        });
        proxy
    }

    /// Bytes that came from the services.
    pub(crate) fn down(&self) -> u64 {
        self.shared.down.passed.load(Ordering::Relaxed)
    }

    /// Bytes that went to them.
    pub(crate) fn up(&self) -> u64 {
        self.shared.up.passed.load(Ordering::Relaxed)
    }

    /// Whether that has come by, on its way there or back.
    pub(crate) fn has_read(&self, part: &[u8]) -> bool {
        let found = |way: &Way| way.read.lock().unwrap().windows(part.len()).any(|window| window == part);
        found(&self.shared.up) || found(&self.shared.down)
    }

    /// Cuts connections after so many bytes from the services, one for each number.
    pub(crate) fn cut_down(&self, after: &[u64]) {
        *self.shared.down.cuts.lock().unwrap() = after.to_vec();
    }

    pub(crate) fn cut_up(&self, after: &[u64]) {
        *self.shared.up.cuts.lock().unwrap() = after.to_vec();
    }

    /// Flips a bit in what comes from the services: of one long piece, or of every one.
    pub(crate) fn damage_down(&self, once: bool) {
        self.shared.down.once.store(once, Ordering::Relaxed);
        self.shared.down.damages.store(true, Ordering::Relaxed);
    }

    pub(crate) fn damaged(&self) -> u64 {
        self.shared.down.damaged.load(Ordering::Relaxed)
    }

    /// Waits until so many bytes have come from the services.
    pub(crate) async fn has_passed_down(&self, bytes: u64) {
        while self.down() < bytes {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) async fn has_passed_up(&self, bytes: u64) {
        while self.up() < bytes {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn pass(way: &Way, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    /// More than control frames have.
    const LONG: usize = 4096;
    let mut buffer = vec![0; 16 * 1024];
    let mut of_this = 0;
    loop {
        let cut = way.cuts.lock().unwrap().last().copied();
        let room = cut.map_or(buffer.len(), |cut| buffer.len().min(cut.saturating_sub(of_this) as usize));
        if room == 0 {
            way.cuts.lock().unwrap().pop();
            // What was passed on is read; nothing follows.
            let _ = to.shutdown().await;
            return;
        }
        let Ok(n) = from.read(&mut buffer[..room]).await else { return };
        if n == 0 {
            return;
        }
        if n >= LONG && way.damages.load(Ordering::Relaxed) {
            buffer[n / 2] ^= 1;
            way.damaged.fetch_add(1, Ordering::Relaxed);
            way.damages.fetch_and(!way.once.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
        of_this += n as u64;
        way.read.lock().unwrap().extend_from_slice(&buffer[..n]);
        way.passed.fetch_add(n as u64, Ordering::Relaxed);
    }
}
