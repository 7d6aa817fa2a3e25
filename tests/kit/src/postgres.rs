//! A real PostgreSQL, which a test starts for itself on loopback, ends as it likes, and leaves nothing of.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::port;

/// How long a server may take to answer or to end, also on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// A server with its data in a folder of its own. Dropped, it is gone.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    child: Option<Child>,
    settings: Vec<String>,
    pub port: u16,
}

impl Server {
    /// Starts a server and waits until it answers.
    pub fn start() -> Server {
        Server::start_with(&[], |_| {})
    }

    /// With the PEM of a certificate and its key, the server speaks TLS.
    pub fn start_with_tls(certificate: &str, key: &str) -> Server {
        Server::start_with(&["ssl=on"], |data| {
            for (name, pem) in [("server.crt", certificate), ("server.key", key)] {
                let file = data.join(name);
                std::fs::write(&file, pem).expect("the folder of the data can be written to");
                let mode = std::fs::Permissions::from_mode(0o600);
                std::fs::set_permissions(&file, mode).expect("an own file");
                own(&file);
            }
        })
    }

    /// With settings, `name=value`, and after whatever is done to the folder of its data.
    pub fn start_with(settings: &[&str], prepare: impl FnOnce(&Path)) -> Server {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        own(folder.path());
        let data = folder.path().join("data");
        let mut initdb = as_owner("initdb", folder.path());
        initdb
            .args(["--no-sync", "--auth=trust", "--username=me", "--encoding=UTF8", "--locale=C"])
            .arg(&data);
        let made = initdb.output().expect("initdb can be started");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        prepare(&data);
        let port = port::steady();
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut server = Server { folder, child: None, settings, port };
        server.start_again();
        server
    }

    /// Starts it after it was ended, with the data that it had, and waits until it answers.
    pub fn start_again(&mut self) {
        assert!(self.child.is_none(), "it was ended before");
        let mut postgres = as_owner("postgres", self.folder.path());
        let port = self.port.to_string();
        postgres.arg("-D").arg(self.folder.path().join("data"));
        postgres.args(["-h", "127.0.0.1", "-p", &port, "-k", ""]);
        for setting in &self.settings {
            postgres.args(["-c", setting]);
        }
        let log = self.folder.path().join("log");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("a log can be made");
        let child = postgres.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        self.child = Some(child.expect("postgres can be started"));
        self.wait_until("the server answers", |server| {
            let answer = server.psql("postgres", "SELECT 1").output().expect("psql can be started");
            answer.status.success()
        });
    }

    /// As `pg_ctl stop -m immediate`: all its processes end at once and nothing is written any more; the next start
    /// recovers from the log.
    pub fn end_at_once(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::QUIT);
        }
        // A child that cannot be waited for has been.
        let _ = child.wait();
    }

    /// Makes a database of that name; its URL.
    pub fn database(&self, name: &str) -> String {
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(name)
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://me@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// What statements answer: a line per row, columns with `|` between.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let output = self.psql(database, statements).output().expect("psql can be started");
        assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// A process that carries out statements in one session.
    pub fn psql(&self, database: &str, statements: &str) -> Command {
        let mut psql = as_owner("psql", self.folder.path());
        psql.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            &self.url(database),
            "-c",
            statements,
        ]);
        psql.stdin(Stdio::null());
        psql
    }

    /// What the server has said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn wait_until(&mut self, what: &str, is_so: impl Fn(&Server) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so(self) {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok()).flatten();
            assert_eq!(ended, None, "the server ended: {}", self.log());
            assert!(Instant::now() < until, "not true that {what}: {}", self.log());
            std::thread::sleep(ASK_EVERY);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end_at_once();
    }
}

/// The folder of PostgreSQL's programs: the newest that Debian has installed, or the one that PATH names.
fn programs() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut debian: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
        debian.sort();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders = debian.into_iter().rev().chain(std::env::split_paths(&path));
        let has_all =
            |folder: &PathBuf| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).is_file());
        folders.find(has_all).expect(
            "this test runs a real PostgreSQL and finds no `initdb`, `postgres` and `psql`: run `cargo xtask setup`",
        )
    })
}

/// PostgreSQL refuses to run as root; then it runs as the user that its package made, or as nobody.
fn owner() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("users are listed");
    let ids = |name: &str| {
        let mut fields = users.lines().find(|line| line.starts_with(&format!("{name}:")))?.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    Some(ids("postgres").or_else(|| ids("nobody")).expect("root can run the server as nobody"))
}

/// Makes a file or folder the server's.
fn own(path: &Path) {
    if let Some((user, group)) = owner() {
        std::os::unix::fs::chown(path, Some(user), Some(group)).expect("root can give files away");
    }
}

fn as_owner(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(programs().join(program));
    // Whose home the caller's is may not look into it.
    command.current_dir(folder).env_remove("PGDATA").env("HOME", folder);
    if let Some((user, group)) = owner() {
        command.uid(user).gid(group);
    }
    command
}
