//! What can go wrong on the way to a guest compiler. Each error says what was looked for and where;
//! [`Error::hint`] is the one thing to do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why there is no guest compiler. The text reads on from "failed to".
#[derive(Debug)]
pub enum Error {
    /// `COFFERDAM_GUEST_TOOLCHAIN` is neither a known word nor a path.
    UnknownChoice { value: String },
    /// The compiler that the user named is absent or lacks std for the target.
    NamedCompiler { rustc: PathBuf, reason: String },
    /// The host's own `rustc` cannot be asked.
    HostCompiler { reason: String },
    /// No way to install on this machine: neither rustup nor apt.
    NoWay { looked_in: PathBuf },
    /// A program that is needed is not installed.
    ProgramMissing { program: String, purpose: &'static str },
    /// A program that is needed is too old.
    ProgramOld { program: &'static str, found: String, needed: String },
    /// A program ran and failed; `output` is the end of what it said.
    ProgramFailed { command: String, output: String },
    /// rustup reported success, but the target is not there.
    TargetStillMissing { sysroot: PathBuf },
    /// Debian's archive, as this machine sees it, has no compiler of the version that is needed.
    PackageMissing { package: String, found: Option<String>, needed: String },
    /// The host toolchain has no linker for WASM components. Only rustup's does.
    LinkerMissing { path: PathBuf },
    /// There is no cache folder to build in: neither `XDG_CACHE_HOME` nor `HOME` is set.
    NoCacheFolder,
    /// A file operation failed.
    File { action: &'static str, path: PathBuf, source: io::Error },
}

const NODE_HINT: &str =
    "install Node.js 20 or newer, with npm: apt install nodejs npm, or from https://nodejs.org";
const RUST_HINT: &str = "install Rust with rustup (https://rustup.rs) and put its `rustc` first in PATH";

impl Error {
    /// The one thing to do about it: a command where there is one.
    pub fn hint(&self) -> String {
        match self {
            Error::UnknownChoice { .. } => {
                "set COFFERDAM_GUEST_TOOLCHAIN to auto, rustup, debian or the path of a rustc".into()
            }
            Error::NamedCompiler { .. } => {
                "unset COFFERDAM_GUEST_TOOLCHAIN, or name a rustc that has std for wasm32-wasip2".into()
            }
            Error::HostCompiler { .. } | Error::LinkerMissing { .. } => RUST_HINT.into(),
            Error::NoWay { .. } | Error::TargetStillMissing { .. } => {
                "rustup target add wasm32-wasip2".into()
            }
            Error::ProgramMissing { program, .. } => match program.as_str() {
                "rustup" => {
                    "install rustup (https://rustup.rs), or set COFFERDAM_GUEST_TOOLCHAIN=debian on Debian"
                        .into()
                }
                "python3" => {
                    "install Python 3.10 or newer with its modules `venv` and `ensurepip` (on Debian: apt install \
                     python3-venv)"
                        .into()
                }
                "node" | "npm" => NODE_HINT.into(),
                "cargo" => RUST_HINT.into(),
                "clang-19" => {
                    "apt install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32 (Debian 12 or newer)".into()
                }
                "go" => {
                    "install Go 1.24 or newer (https://go.dev), or Python 3 with pip, which can bring it: apt install \
                     python3-pip"
                        .into()
                }
                "cc" => "apt install gcc libc6-dev, or name a C compiler in the variable CC".into(),
                program => format!("put `{program}` in PATH, or set COFFERDAM_GUEST_TOOLCHAIN=rustup"),
            },
            Error::ProgramOld { .. } => NODE_HINT.into(),
            Error::ProgramFailed { command, .. } => {
                format!("run `{command}` by hand to see all of its output")
            }
            Error::PackageMissing { package, .. } if package.starts_with("clang") => {
                "use a Debian, or a system of its kind, that has the package".into()
            }
            Error::PackageMissing { .. } => "COFFERDAM_GUEST_TOOLCHAIN=rustup cargo xtask setup".into(),
            Error::NoCacheFolder => "export XDG_CACHE_HOME=FOLDER".into(),
            Error::File { path, .. } => {
                format!("make sure that {} can be written and has 2 GB free", path.display())
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::UnknownChoice { value } => {
                write!(
                    f,
                    "read COFFERDAM_GUEST_TOOLCHAIN: `{value}` is not `auto`, `rustup`, `debian` or a path"
                )
            }
            Error::NamedCompiler { rustc, reason } => {
                write!(f, "use `{}` from COFFERDAM_GUEST_TOOLCHAIN for guests: {reason}", rustc.display())
            }
            Error::HostCompiler { reason } => write!(f, "ask `rustc` for its sysroot: {reason}"),
            Error::NoWay { looked_in } => write!(
                f,
                "find a way to get std for wasm32-wasip2: it is not in `{}`, and there is neither `rustup` nor `apt-get`",
                looked_in.display()
            ),
            Error::ProgramMissing { program, purpose } => {
                write!(f, "find the program `{program}` in PATH, which is needed to {purpose}")
            }
            Error::ProgramOld { program, found, needed } => {
                write!(
                    f,
                    "use the program `{program}` in PATH: it is version {found}, {needed} or newer is needed"
                )
            }
            Error::ProgramFailed { command, output } => write!(f, "run `{command}`: {output}"),
            Error::TargetStillMissing { sysroot } => {
                write!(
                    f,
                    "find std for wasm32-wasip2 below `{}` after rustup had added it",
                    sysroot.display()
                )
            }
            Error::PackageMissing { package, found: None, needed } => {
                write!(f, "find the package `{package}` {needed} or newer: apt knows none")
            }
            Error::PackageMissing { package, found: Some(found), needed } => {
                write!(f, "find the package `{package}` {needed} or newer: apt offers {found}")
            }
            Error::LinkerMissing { path } => {
                write!(f, "find the linker for components at `{}`", path.display())
            }
            Error::NoCacheFolder => {
                write!(f, "find the user's cache folder: neither XDG_CACHE_HOME nor HOME is set")
            }
            Error::File { action, path, .. } => write!(f, "{action} `{}`", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::File { source, .. } => Some(source),
            _ => None,
        }
    }
}
