//! A machine with another kind of processor: emulated, with a kernel of its own, so that its cells have their whole wall.
//! It has a network in which 10.0.2.2 is this machine's loopback, no disk, and the program as it was built for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::{Cluster, Process};

const FOLDERS: [&str; 7] = ["bin", "lib", "modules", "proc", "sys", "dev", "tmp"];
const INIT: &str = "#!/bin/busybox sh
busybox mount -t proc proc /proc; busybox mount -t sysfs sys /sys; busybox mount -t devtmpfs dev /dev
busybox mount -t tmpfs tmp /tmp; busybox mkdir /dev/shm; busybox mount -t tmpfs shm /dev/shm
for module in MODULES; do busybox insmod /modules/$module.ko; done
busybox ifconfig lo 127.0.0.1 up; busybox ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
busybox route add default gw 10.0.2.2
export HOME=/tmp NO_COLOR=1
COMMAND
busybox poweroff -f
";
const REGULAR: u32 = 0o100_755;
const FOLDER: u32 = 0o040_755;

/// What `cargo xtask arm64` has put there: the emulator, a kernel with its modules, a shell, a C library, the program.
fn parts() -> PathBuf {
    let folder =
        std::env::var_os("COFFERDAM_ARM64").map(PathBuf::from).expect("COFFERDAM_ARM64 names a folder");
    assert!(folder.join("cofferdam").is_file(), "{} has no program", folder.display());
    folder
}

/// Starts a machine with the processor that `arch=aarch64` stands for, as a worker of that cluster.
pub fn arm64_worker(cluster: &Cluster, name: &str) -> Process {
    let (parts, port) = (parts(), cluster.address.rsplit(':').next().expect("an address has a port"));
    let command = format!(
        "/bin/cofferdam doctor; /bin/cofferdam worker --scheduler 10.0.2.2:{port} --token-file /token --name {name} --slots 1 --local-directory /tmp/local"
    );
    let archive = parts.join(format!("{}-{name}.cpio", std::process::id()));
    let modules = std::fs::read_to_string(parts.join("kernel/modules.txt")).expect("they are listed");
    let modules: Vec<&str> = modules.lines().collect();
    let init = INIT.replace("MODULES", &modules.join(" ")).replace("COMMAND", &command);
    std::fs::write(&archive, root(&parts, &modules, &cluster.token_file(), &init))
        .expect("a file can be written");
    let mut emulator = Command::new(parts.join("qemu-system-aarch64"));
    emulator.args([
        "-M",
        "virt",
        "-cpu",
        "neoverse-n1",
        "-accel",
        "tcg,thread=multi",
        "-smp",
        "2",
        "-m",
        "2G",
    ]);
    // What its console says is said by this process.
    emulator.args(["-nodefaults", "-display", "none", "-no-reboot", "-serial", "file:/dev/stderr"]);
    emulator.args(["-netdev", "user,id=net,ipv6=off", "-device", "virtio-net-pci,netdev=net,romfile="]);
    emulator.args(["-append", "console=ttyAMA0 quiet panic=-1", "-kernel"]).arg(parts.join("kernel/vmlinuz"));
    let machine = Process::start(emulator.arg("-initrd").arg(&archive));
    // It is in the machine's memory.
    machine.wait_for("seccomp   refuses");
    std::fs::remove_file(archive).expect("the file can be removed");
    machine
}

/// All its files, as the kernel unpacks them.
fn root(parts: &Path, modules: &[&str], token: &Path, init: &str) -> Vec<u8> {
    let read =
        |path: PathBuf| std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut archive = Archive::default();
    for folder in FOLDERS {
        archive.add(folder, FOLDER, &[]);
    }
    archive.add("init", REGULAR, init.as_bytes());
    archive.add("token", REGULAR, &read(token.to_owned()));
    archive.add("bin/busybox", REGULAR, &read(parts.join("kernel/busybox")));
    archive.add("bin/cofferdam", REGULAR, &read(parts.join("cofferdam")));
    for module in modules {
        let file = format!("{module}.ko");
        archive.add(&format!("modules/{file}"), REGULAR, &read(parts.join("kernel").join(file)));
    }
    for library in std::fs::read_dir(parts.join("libc")).expect("there is a C library").flatten() {
        let name = library.file_name().into_string().expect("its files have names in ASCII");
        archive.add(&format!("lib/{name}"), REGULAR, &read(library.path()));
    }
    archive.end()
}

/// The format `newc`: a head in hexadecimal digits, the name, the content, each to a multiple of four bytes.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    n_files: usize,
}

impl Archive {
    fn add(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.n_files += 1;
        let (number, size, length) = (self.n_files, content.len(), name.len() + 1);
        // Number, mode, user, group, links, time, size, four of devices, length of the name, a sum that nobody reads.
        let head = format!(
            "070701{number:08x}{mode:08x}{0:08x}{0:08x}{1:08x}{0:08x}{size:08x}{0:032x}{length:08x}{0:08x}",
            0, 1
        );
        self.bytes.extend_from_slice(head.as_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn end(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, &[]);
        self.bytes
    }
}
