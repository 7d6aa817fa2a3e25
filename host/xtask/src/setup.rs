//! What the other commands need: a C compiler, the guest compiler, cargo-nextest, servers for tests. Found,
//! installed by name, or a message that says what to install.

use crate::debian::{CHROMIUM, POSTGRES};
use crate::pages;
use crate::programs::{SERVERS, TOOLS};
use crate::registry;
use crate::shell::{self, Failure, Shell, say};
use cofferdam_toolchain::rust::{self, Choice, GuestToolchain};
use cofferdam_toolchain::{c, go, javascript, python};
use std::process::Command;

/// Known to build with the workspace's Rust.
const NEXTEST_VERSION: &str = "0.9.143";

/// Prepares everything that `demo` and `test` need, and returns the guest compiler.
pub(crate) fn setup(shell: &mut Shell) -> Result<GuestToolchain, Failure> {
    let toolchain = demo_setup(shell)?;
    languages(shell)?;
    nextest(shell)?;
    POSTGRES.setup(shell)?;
    CHROMIUM.setup(shell)?;
    SERVERS.setup(shell)?;
    TOOLS.setup(shell)?;
    registry::setup(shell)?;
    pages::setup(shell)?;
    Ok(toolchain)
}

/// What tests build ops in other languages than Rust with. Each says what it installs, and where there is nothing to say
/// all of it is here.
fn languages(shell: &mut Shell) -> Result<(), Failure> {
    shell.step("tools of other guest languages", |_| {
        let mut say = |line: &str| say(&format!("  {line}"));
        python::prepare(&mut say).map_err(prerequisite)?;
        javascript::prepare(&mut say).map_err(prerequisite)?;
        c::prepare(&mut say).map_err(prerequisite)?;
        go::prepare(&mut say).map_err(prerequisite)?;
        Ok(())
    })
}

/// Prepares what building the program and its ops needs.
pub(crate) fn demo_setup(shell: &mut Shell) -> Result<GuestToolchain, Failure> {
    c_compiler()?;
    let choice = Choice::from_env().map_err(prerequisite)?;
    let planned = rust::plan(&choice).map_err(prerequisite)?;
    match planned.as_slice() {
        [] => {}
        [first, rest @ ..] => {
            say(&format!("will install: {first}"));
            for other in rest {
                say(&format!("  if that fails: {other}"));
            }
        }
    }
    shell.step("guest compiler", |_| {
        let toolchain = rust::prepare(&choice, &mut |line| say(&format!("  {line}")));
        let toolchain = toolchain.map_err(prerequisite)?;
        say(&format!("  {}", toolchain.description));
        Ok(toolchain)
    })
}

/// Says what is here and what `setup` would install. Fails if something must be installed by hand.
pub(crate) fn doctor() -> Result<(), Failure> {
    let mut text = String::new();
    let mut missing = Vec::new();
    let mut line = |name: &str, state: Result<String, Failure>| match state {
        Ok(state) => text.push_str(&format!("{name:<16}{state}\n")),
        Err(failure) => {
            text.push_str(&format!("{name:<16}missing\n"));
            missing.push(failure.to_string());
        }
    };
    line(
        "rust",
        version("rustc", &["--version"]).ok_or_else(|| Failure::Prerequisite("no `rustc` in PATH".into())),
    );
    line("C compiler", c_compiler());
    line("guest compiler", guest_state());
    line(
        "cargo-nextest",
        Ok(nextest_version().unwrap_or_else(|| format!("`setup` would run {}", nextest_install()))),
    );
    line("PostgreSQL", POSTGRES.state());
    line("browser", CHROMIUM.state());
    line("test servers", SERVERS.state(&shell::root()));
    line("test tools", TOOLS.state(&shell::root()));
    line("OCI registry", registry::state(&shell::root()));
    shell::print(&text)?;
    if missing.is_empty() { Ok(()) } else { Err(Failure::Prerequisite(missing.join("\n"))) }
}

fn guest_state() -> Result<String, Failure> {
    let choice = Choice::from_env().map_err(prerequisite)?;
    match rust::find(&choice).map_err(prerequisite)? {
        Some(toolchain) => Ok(toolchain.description),
        None => {
            let planned = rust::plan(&choice).map_err(prerequisite)?;
            Ok(format!("`setup` would install {}", planned.join("; else ")))
        }
    }
}

/// SQLite and a few other libraries are C; so is the linker's driver.
fn c_compiler() -> Result<String, Failure> {
    version("cc", &["--version"]).ok_or_else(|| {
        let text = "failed to find a C compiler `cc` in PATH, which SQLite is compiled with\n\
                    hint: apt-get install gcc libc6-dev (Debian, Ubuntu), dnf install gcc (Fedora), xcode-select --install (macOS)";
        Failure::Prerequisite(text.into())
    })
}

fn nextest(shell: &mut Shell) -> Result<(), Failure> {
    if nextest_version().is_some() {
        return Ok(());
    }
    say(&format!("will install the test runner: {} (about two minutes, once)", nextest_install()));
    let mut cargo = shell.command("cargo");
    cargo.args(["install", "--locked", "cargo-nextest", "--version", NEXTEST_VERSION]);
    shell.run("install cargo-nextest", &mut cargo)
}

fn nextest_install() -> String {
    format!("cargo install --locked cargo-nextest --version {NEXTEST_VERSION}")
}

fn nextest_version() -> Option<String> {
    version("cargo", &["nextest", "--version"])
}

/// The first line of what a program says of itself; `None` if it is not there.
fn version(program: &str, arguments: &[&str]) -> Option<String> {
    let done = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&done.stdout);
    done.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}

fn prerequisite(error: cofferdam_toolchain::Error) -> Failure {
    let hint = error.hint();
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    Failure::Prerequisite(format!("failed to {error}{cause}\nhint: {hint}"))
}
