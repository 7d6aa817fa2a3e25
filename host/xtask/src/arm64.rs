//! `cargo xtask arm64`: one cluster with two kinds of processors. Builds the program for arm64, and runs the test whose
//! second worker is on an emulated machine: with a kernel of its own, so that its cells have their whole wall.
//!
//! For Debian on x86-64, with the guest compiler from its packages: that one's std is there for arm64 as well. Nothing of
//! it is installed but the cross linker; all else is unpacked into the cache folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian::{CROSS_LIBC, CROSS_LINKER};
use crate::shell::{self, Failure, Shell, say};
use crate::{guests, setup};
use cofferdam_toolchain::rust::GuestToolchain;

const TARGET: &str = "aarch64-unknown-linux-gnu";
const LINKER: &str = "aarch64-linux-gnu-gcc";
/// Counted up whenever what is unpacked changes.
const FOLDER: &str = "arm64-r1";
const MEGABYTES: u32 = 100;
/// What the emulated machine needs of its kernel to have a network, in the order in which it is loaded. The test reads it
/// from a file beside them.
const MODULES: [&str; 8] = [
    "failover",
    "net_failover",
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_net",
];
const LIBC: [&str; 4] = ["ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libgcc_s.so.1"];
/// Compiling with little care is several times faster, but what compiles guests there must not be slow beyond measure.
const PROFILE: [&str; 9] = [
    "profile.dev.package.\"*\".opt-level=0",
    "profile.dev.package.cranelift-codegen.opt-level=1",
    "profile.dev.package.cranelift-frontend.opt-level=1",
    "profile.dev.package.wasmtime-internal-cranelift.opt-level=1",
    "profile.dev.package.wasmparser.opt-level=1",
    "profile.dev.package.regalloc2.opt-level=1",
    "profile.dev.opt-level=0",
    "profile.dev.debug=false",
    "profile.dev.strip=\"debuginfo\"",
];

/// Sets up, builds both programs and the guests, runs the test.
pub(crate) fn command(shell: &mut Shell) -> Result<(), Failure> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(Failure::Prerequisite("the emulated machine is for Linux on x86-64".to_owned()));
    }
    let toolchain = setup::setup(shell)?;
    CROSS_LINKER.setup(shell)?;
    CROSS_LIBC.setup(shell)?;
    let parts = parts(shell, &toolchain)?;
    build(shell, &toolchain, &parts)?;
    let mut program = shell.command("cargo");
    shell.run("build the program", program.args(["build", "--workspace", "--bins"]))?;
    guests::build(shell, &toolchain)?;
    let mut test = shell.command("cargo");
    test.args(["nextest", "run", "--workspace", "--test", "fleet"]);
    test.env("COFFERDAM_TEST_GUESTS", guests::folder(&shell.root)).env("COFFERDAM_BIN", shell.program());
    shell.run("one library on two kinds of processors", test.env("COFFERDAM_ARM64", &parts))?;
    shell.finish("arm64");
    Ok(())
}

/// The folder of the emulator, a kernel with a shell, a C library and std; unpacked if it is not there.
fn parts(shell: &mut Shell, toolchain: &GuestToolchain) -> Result<PathBuf, Failure> {
    let cache = cofferdam_toolchain::cache_folder()
        .ok_or_else(|| Failure::Prerequisite("failed to find a cache folder\nhint: export HOME".into()))?;
    let home = cache.join(FOLDER);
    if home.is_dir() {
        return Ok(home);
    }
    let compiler = debian_compiler(toolchain)?;
    let place = home.display();
    say(&format!(
        "will load an emulator, a kernel and std for arm64 from Debian ({MEGABYTES} MB) into {place}"
    ));
    let work = cache.join(format!("{FOLDER}-building"));
    shell.step("load and unpack what arm64 needs", |_| {
        make(&work, &compiler).inspect_err(|_| drop(fs::remove_dir_all(&work)))
    })?;
    fs::rename(work.join("parts"), &home).map_err(failed("move into place", &home))?;
    fs::remove_dir_all(&work).map_err(failed("remove", &work))?;
    Ok(home)
}

/// The folder of the guest compiler that Debian's packages made.
fn debian_compiler(toolchain: &GuestToolchain) -> Result<PathBuf, Failure> {
    let folder = toolchain.rustc.as_ref().and_then(|rustc| rustc.ancestors().nth(2));
    let folder = folder.filter(|folder| folder.join("libexec/rustc").is_file());
    folder.map(Path::to_owned).ok_or_else(|| {
        Failure::Prerequisite(
            "std for arm64 goes with the guest compiler from Debian's packages\n\
             hint: COFFERDAM_GUEST_TOOLCHAIN=debian cargo xtask arm64"
                .into(),
        )
    })
}

fn make(work: &Path, compiler: &Path) -> Result<(), Failure> {
    if work.exists() {
        fs::remove_dir_all(work).map_err(failed("remove", work))?;
    }
    let parts = folder(work.join("parts"))?;
    let apt = Apt::new(work)?;
    let version = rust_version(compiler)?;
    let kernel = apt.dependency("linux-image-cloud-arm64:arm64", "linux-image-")?;
    let std = apt.version("libstd-rust-web-dev:arm64", &version)?;
    let arm64 = [
        format!("libstd-rust-web-dev:arm64={std}"),
        format!("{kernel}:arm64"),
        "busybox-static:arm64".into(),
        "libc6:arm64".into(),
        "libgcc-s1:arm64".into(),
    ];
    let unpacked = apt.unpacked(&arm64, &work.join("arm64"))?;
    let emulator = apt.unpacked_with_all("qemu-system-arm", &parts.join("qemu"))?;
    write(&parts.join("qemu-system-aarch64"), &run_emulator(&emulator))?;

    let boot = folder(parts.join("kernel"))?;
    copy(&one(&unpacked.join("boot"), "vmlinuz-")?, &boot.join("vmlinuz"))?;
    copy(&unpacked.join("bin/busybox"), &boot.join("busybox"))?;
    let modules = find_all(&unpacked.join("lib/modules"))?;
    for name in MODULES {
        let file = format!("{name}.ko");
        let found = modules.iter().find(|module| module.file_name().is_some_and(|name| *name == *file));
        let found = found.ok_or_else(|| Failure::Step(format!("the kernel {kernel} has no {file}")))?;
        copy(found, &boot.join(&file))?;
    }
    write(&boot.join("modules.txt"), &MODULES.join("\n"))?;
    let libc = folder(parts.join("libc"))?;
    for name in LIBC {
        copy(&unpacked.join("lib/aarch64-linux-gnu").join(name), &libc.join(name))?;
    }
    let rustlib = folder(parts.join("sysroot/lib/rustlib"))?;
    let own = unpacked.join("usr/lib/rustlib").join(TARGET);
    fs::rename(&own, rustlib.join(TARGET)).map_err(failed("move into place", &own))
}

/// Builds the program for arm64, and puts it where the emulated machine takes it from.
fn build(shell: &mut Shell, toolchain: &GuestToolchain, parts: &Path) -> Result<(), Failure> {
    let compiler = debian_compiler(toolchain)?;
    let target_dir = shell.target_dir().join("arm64");
    // What the program's build scripts and macros are compiled for is with the guest compiler.
    let host = "x86_64-unknown-linux-gnu";
    let (from, link) =
        (compiler.join("lib/rustlib").join(host), parts.join("sysroot/lib/rustlib").join(host));
    if link.is_symlink() {
        fs::remove_file(&link).map_err(failed("remove", &link))?;
    }
    std::os::unix::fs::symlink(&from, &link).map_err(failed("link", &link))?;
    let rustc = parts.join("rustc");
    write(&rustc, &run_compiler(&compiler, &parts.join("sysroot")))?;
    let mut cargo = shell.command("cargo");
    cargo.args(["build", "--locked", "--package", "cofferdam", "--bin", "cofferdam", "--target", TARGET]);
    cargo.args(PROFILE.iter().flat_map(|setting| ["--config", setting]));
    cargo.env("RUSTC", rustc).env("CARGO_TARGET_DIR", &target_dir).env("CARGO_INCREMENTAL", "0");
    cargo.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER);
    cargo
        .env("CC_aarch64_unknown_linux_gnu", LINKER)
        .env("AR_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-ar");
    shell.run("build the program for arm64", &mut cargo)?;
    copy(&target_dir.join(TARGET).join("debug/cofferdam"), &parts.join("cofferdam"))
}

/// Not `sh`: Debian's forgets variables with names that it could not write, such as cargo's for programs with a dash.
fn run_compiler(compiler: &Path, sysroot: &Path) -> String {
    let (compiler, sysroot) = (compiler.display(), sysroot.display());
    format!(
        "#!/bin/bash\nLD_LIBRARY_PATH=\"{compiler}/lib\" exec \"{compiler}/libexec/rustc\" --sysroot \"{sysroot}\" \"$@\"\n"
    )
}

/// With all of its libraries, and nothing of the system's: the packages of what the system has may be newer.
fn run_emulator(folder: &Path) -> String {
    let folder = folder.file_name().expect("it has a name").display();
    let libraries =
        "$q/lib/x86_64-linux-gnu:$q/usr/lib/x86_64-linux-gnu:$q/usr/lib/x86_64-linux-gnu/pulseaudio";
    format!(
        "#!/bin/sh\nq=$(dirname \"$(readlink -f \"$0\")\")/{folder}\n\
         exec \"$q/lib64/ld-linux-x86-64.so.2\" --library-path \"{libraries}\" \"$q/usr/bin/qemu-system-aarch64\" -L \"$q/usr/share/qemu\" \"$@\"\n"
    )
}

fn rust_version(compiler: &Path) -> Result<String, Failure> {
    let mut rustc = Command::new(compiler.join("bin/rustc"));
    let text = shell::output(rustc.arg("--version"))?;
    let version = text.split(' ').nth(1).map(str::to_owned);
    version.ok_or_else(|| Failure::Step(format!("the compiler does not say its version: {text}")))
}

/// The packages of the system's own sources for two architectures, with lists and a state apart: to it, nothing is installed.
struct Apt {
    config: PathBuf,
}

impl Apt {
    fn new(work: &Path) -> Result<Apt, Failure> {
        let state = folder(work.join("apt"))?;
        for below in ["lists/partial", "cache/archives/partial"] {
            folder(state.join(below))?;
        }
        write(&state.join("status"), "")?;
        let at = state.display();
        let text = format!(
            "APT::Architecture \"amd64\"; APT::Architectures {{ \"amd64\"; \"arm64\"; }};\n\
             Dir::State \"{at}\"; Dir::State::status \"{at}/status\"; Dir::State::lists \"{at}/lists\"; Dir::Cache \"{at}/cache\";\n\
             Acquire::Languages \"none\"; APT::Sandbox::User \"root\"; Debug::NoLocking \"1\";\n"
        );
        let config = state.join("apt.conf");
        write(&config, &text)?;
        let apt = Apt { config };
        shell::output(apt.command("apt-get").args(["update", "--quiet"]))?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.config).env("LC_ALL", "C");
        command
    }

    /// The first package with that start of a name that another one depends on.
    fn dependency(&self, of: &str, start: &str) -> Result<String, Failure> {
        let text = shell::output(self.command("apt-cache").args(["depends", of]))?;
        let mut depends = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
        let found = depends.find(|name| name.starts_with(start));
        let found = found.map(|name| name.split(':').next().unwrap_or(name).to_owned());
        found.ok_or_else(|| Failure::Step(format!("Debian's {of} depends on no {start}…")))
    }

    /// The version of a package that is of this version of Rust.
    fn version(&self, package: &str, rust: &str) -> Result<String, Failure> {
        let text = shell::output(self.command("apt-cache").args(["madison", package]))?;
        let mut versions = text.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim);
        let found = versions.find(|version| version.starts_with(&format!("{rust}+"))).map(str::to_owned);
        found.ok_or_else(|| {
            Failure::Step(format!("Debian has no {package} {rust}, which goes with the guest compiler; remove that one from the cache folder, so that it is loaded anew"))
        })
    }

    fn unpacked(&self, packages: &[String], to: &Path) -> Result<PathBuf, Failure> {
        let debs = folder(to.with_extension("debs"))?;
        let mut load = self.command("apt-get");
        shell::output(load.args(["download", "--quiet"]).args(packages).current_dir(&debs))?;
        unpack(&debs, to)
    }

    /// The same with all that the package needs.
    fn unpacked_with_all(&self, package: &str, to: &Path) -> Result<PathBuf, Failure> {
        let archives = self.config.with_file_name("cache").join("archives");
        let mut load = self.command("apt-get");
        load.args(["install", "--download-only", "--yes", "--quiet", "--no-install-recommends", package]);
        shell::output(load.args(["--option", "APT::Architectures::=amd64"]))?;
        unpack(&archives, to)
    }
}

fn unpack(debs: &Path, to: &Path) -> Result<PathBuf, Failure> {
    folder(to.to_owned())?;
    for deb in entries(debs)?.iter().filter(|path| path.extension().is_some_and(|end| end == "deb")) {
        shell::output(Command::new("dpkg").arg("-x").args([deb.as_path(), to]))?;
    }
    Ok(to.to_owned())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let read = || folder.read_dir()?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
    read().map_err(failed("list", folder))
}

/// All files below a folder.
fn find_all(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = vec![];
    for path in entries(folder)? {
        if path.is_dir() && !path.is_symlink() {
            found.extend(find_all(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

/// The file of a folder whose name begins so.
fn one(folder: &Path, start: &str) -> Result<PathBuf, Failure> {
    let is = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start));
    let found = entries(folder)?.into_iter().find(is);
    found.ok_or_else(|| Failure::Step(format!("{} has no {start}…", folder.display())))
}

fn folder(path: PathBuf) -> Result<PathBuf, Failure> {
    fs::create_dir_all(&path).map_err(failed("make the folder", &path))?;
    Ok(path)
}

/// Scripts can be run.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, text).map_err(failed("write", path))?;
    let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed("set the mode of", path))
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::copy(from, to).map(|_| ()).map_err(failed("copy", from))
}

fn failed<'a>(what: &'a str, path: &'a Path) -> impl Fn(std::io::Error) -> Failure + 'a {
    move |error| Failure::Step(format!("failed to {what} {}: {error}", path.display()))
}
