//! A real OCI registry, which a test starts for itself on loopback, and another program that speaks to it.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::port;

/// How long it may take to answer, also on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(20);
/// The password `secret` of the user `me`, as `htpasswd -B` writes it.
const PASSWORDS: &str = "me:$2b$04$mLOpVZn2UmDzdhj2i8twlOF/YnCXHiChYmQOdi6C78tp9EUV23r.e\n";

/// A registry with its data in a folder of its own. Dropped, it is gone.
#[derive(Debug)]
pub struct Registry {
    folder: TempDir,
    child: Child,
    pub address: SocketAddr,
}

impl Registry {
    /// One that lets everybody in.
    pub fn start() -> Registry {
        Registry::start_with("")
    }

    /// One that lets the user `me` in, whose password is `secret`.
    pub fn start_with_login() -> Registry {
        Registry::start_with("auth: {htpasswd: {realm: here, path: passwords}}\n")
    }

    fn start_with(settings: &str) -> Registry {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port::steady()));
        let settings = format!(
            "version: 0.1\nlog: {{level: warn, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: data}}}}\nhttp: {{addr: {address}}}\n{settings}"
        );
        for (name, text) in [("settings.yml", settings.as_str()), ("passwords", PASSWORDS)] {
            std::fs::write(folder.path().join(name), text).expect("a file can be written");
        }
        let log = std::fs::File::create(folder.path().join("log")).expect("a log can be made");
        let mut command = Command::new(program());
        command.args(["serve", "settings.yml"]).current_dir(folder.path()).stdin(Stdio::null());
        let errors = log.try_clone().expect("a file can be opened twice");
        let child = command.stdout(log).stderr(errors).spawn().expect("the registry can be started");
        let mut registry = Registry { folder, child, address };
        registry.wait();
        registry
    }

    /// The file in which it keeps the bytes with that digest (`sha256:…`).
    pub fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").expect("a digest");
        let blobs = self.folder.path().join("data/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }

    fn wait(&mut self) {
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let ended = self.child.try_wait().expect("a child can be asked for");
            assert_eq!(ended, None, "the registry ended: {}", log());
            assert!(Instant::now() < until, "the registry does not answer: {}", log());
            std::thread::sleep(ASK_EVERY);
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself; one that cannot be waited for has been.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program in Python that may `import oras`; its output.
pub fn oras(folder: &Path, script: &str) -> String {
    let python = installed().join("python/bin/python");
    let mut command = Command::new(&python);
    command.arg("-").current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}: {HINT}", python.display()));
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(script.as_bytes()).expect("Python reads its script");
    drop(stdin);
    let ended = child.wait_with_output().expect("a child can be waited for");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).expect("text")
}

const HINT: &str = "run `cargo xtask setup`";

fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([installed().join("usr/bin")]);
    let mut programs =
        folders.flat_map(|folder| ["docker-registry", "registry"].map(|name| folder.join(name)));
    programs.find(|program| program.is_file()).unwrap_or_else(|| {
        panic!(
            "this test runs a real OCI registry and finds neither `docker-registry` nor `registry`: {HINT}"
        )
    })
}

/// Where `cargo xtask setup` has put what it installs.
fn installed() -> PathBuf {
    cofferdam_toolchain::cache_folder().expect("there is a cache folder").join("test-registry")
}
