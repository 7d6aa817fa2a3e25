//! What end-to-end tests share: the built program, the built guests, and projects in temporary folders.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

pub mod ask;
pub mod cluster;
pub mod exposition;
pub mod history;
pub mod hosts;
pub mod look;
pub mod machine;
pub mod matrix;
pub mod naughty;
pub mod network;
pub mod pages;
pub mod s3;
pub mod served;
pub mod web;

/// The repository.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().and_then(Path::parent).expect("this crate is two folders below the root").to_path_buf()
}

/// The program under test.
pub fn program() -> PathBuf {
    let built = std::env::var_os("COFFERDAM_BIN").map(PathBuf::from);
    let built = built.unwrap_or_else(|| workspace().join("target/debug/cofferdam"));
    assert!(built.is_file(), "{} is not built: run `cargo xtask test`, which builds it", built.display());
    built
}

/// A built test guest.
pub fn guest(name: &str) -> PathBuf {
    let folder = std::env::var_os("COFFERDAM_TEST_GUESTS").map(PathBuf::from);
    let path = folder.unwrap_or_else(|| workspace().join("target/guests")).join(format!("{name}.wasm"));
    assert!(
        path.is_file(),
        "{} is not built: run `cargo xtask test`, which builds the guests",
        path.display()
    );
    path
}

/// A project in a temporary folder, removed when dropped.
#[derive(Debug)]
pub struct Project {
    folder: tempfile::TempDir,
    /// Address and file with the token of the cluster that its commands are for.
    cluster: Option<(String, PathBuf)>,
}

/// How a command ended and what it printed.
#[derive(Debug)]
pub struct Ended {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Project {
    /// A project with that `cofferdam.toml` and the guests `behaviours` and `typed` in its folder `lib`.
    pub fn new(definitions: &str) -> Project {
        Project::with(definitions, &["behaviours", "typed"])
    }

    /// A project with that `cofferdam.toml` and these guests in its folder `lib`.
    pub fn with(definitions: &str, guests: &[&str]) -> Project {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let project = Project { folder, cluster: None };
        project.write("cofferdam.toml", definitions);
        for name in guests {
            let component = std::fs::read(guest(name)).expect("the guest can be read");
            project.write(&format!("lib/{name}.wasm"), component);
        }
        project
    }

    /// Its commands are for that cluster from now on.
    pub fn on(self, cluster: &cluster::Cluster) -> Project {
        Project { cluster: Some((cluster.address.clone(), cluster.token_file())), ..self }
    }

    pub fn is_on_a_cluster(&self) -> bool {
        self.cluster.is_some()
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file that is nobody else's business; where it is.
    pub fn write_secret(&self, name: &str, content: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        self.write(name, content);
        let path = self.path().join(name);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("it is this one's");
        path
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder can be made");
        std::fs::write(path, content).expect("a file can be written");
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The program, in this project, with nothing of the caller's environment that changes its output.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(program());
        command.args(args).current_dir(self.path()).stdin(Stdio::null());
        command.env("NO_COLOR", "1").env("COLUMNS", "100").env_remove("COFFERDAM_STATE_DIR");
        command.env_remove("COFFERDAM_PROJECT").env_remove("COFFERDAM_SLOTS").env_remove("COFFERDAM_LOG");
        command
            .env_remove("COFFERDAM_CLUSTER")
            .env_remove("COFFERDAM_TOKEN")
            .env_remove("COFFERDAM_TOKEN_FILE");
        if let Some((address, token)) = &self.cluster {
            command.env("COFFERDAM_CLUSTER", address).env("COFFERDAM_TOKEN_FILE", token);
        }
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ended {
        self.command(args).output().expect("the program can be started").into()
    }

    /// Runs with `--json`; the one document on stdout.
    pub fn json<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> (i32, Value) {
        let mut command = self.command(args);
        let ended: Ended = command.arg("--json").output().expect("the program can be started").into();
        let document = serde_json::from_str(&ended.stdout);
        (ended.exit, document.unwrap_or_else(|error| panic!("{error} in {ended:#?}")))
    }

    /// Starts the program and does not wait.
    pub fn start<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Child {
        self.command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started")
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Ended {
        Ended {
            exit: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }
}

impl Ended {
    /// Panics unless the program ended with that code.
    pub fn expect(self, exit: i32) -> Ended {
        assert_eq!(self.exit, exit, "{self:#?}");
        self
    }
}
