//! The second wall with native code in the guest's place: a process of its own that does what somebody would who had broken
//! out of the engine.

#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "it makes system calls that no library wraps, as an attacker does")]

use std::collections::BTreeMap;
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::process::Command;

use libc::{c_char, c_long};

/// Says on which side of the wall the calls are made.
const SIDE: &str = "COFFERDAM_TEST_SIDE";
/// The folder of a worker in which another tenant has things.
const FOLDER: &str = "COFFERDAM_TEST_FOLDER";
/// The cell of another tenant.
const NEIGHBOUR: &str = "COFFERDAM_TEST_NEIGHBOUR";

/// What a worker keeps of its tenants, in files that its own user can read.
const KEPT: [&str; 3] = ["values/of-another-tenant", "artefacts/of-another-tenant.cwasm", "artefacts/key"];

fn text(path: &'static [u8]) -> c_long {
    assert_eq!(path.last(), Some(&0));
    path.as_ptr().cast::<c_char>() as c_long
}

/// One call: nothing if the kernel has done it, or its error.
fn call(number: c_long, arguments: &[c_long]) -> i32 {
    let at = |n: usize| arguments.get(n).copied().unwrap_or(0);
    // SAFETY: the arguments are numbers, and texts that live for ever; who is given a wrong pointer says so by an error.
    let answer = unsafe { libc::syscall(number, at(0), at(1), at(2), at(3), at(4), at(5)) };
    match answer {
        -1 => std::io::Error::last_os_error().raw_os_error().expect("a call has failed"),
        _ => 0,
    }
}

fn assert_refused(tried: &BTreeMap<String, i32>) {
    for (what, errno) in tried {
        let refused = [libc::EPERM, libc::EACCES, libc::ENOSYS].contains(errno);
        assert!(refused, "{what}: {}", std::io::Error::from_raw_os_error(*errno));
    }
}

type Tried = Vec<(&'static str, i32)>;

fn parent() -> c_long {
    c_long::from(std::os::unix::process::parent_id())
}

/// What harms nobody where it is done: most of it can be done outside.
fn looks() -> Tried {
    let here = c_long::from(libc::AT_FDCWD);
    let (stream, datagram, raw) =
        (c_long::from(libc::SOCK_STREAM), c_long::from(libc::SOCK_DGRAM), c_long::from(libc::SOCK_RAW));
    let family = c_long::from;
    vec![
        ("read a file of the host", call(libc::SYS_openat, &[here, text(b"/etc/passwd\0"), 0])),
        ("read its own program", call(libc::SYS_openat, &[here, text(b"/proc/self/exe\0"), 0])),
        (
            "read the first process's variables",
            call(libc::SYS_openat, &[here, text(b"/proc/1/environ\0"), 0]),
        ),
        ("connect by TCP", call(libc::SYS_socket, &[family(libc::AF_INET), stream, 0])),
        ("send by UDP", call(libc::SYS_socket, &[family(libc::AF_INET), datagram, 0])),
        ("talk to the host by a socket", call(libc::SYS_socket, &[family(libc::AF_UNIX), stream, 0])),
        ("talk to the kernel's network", call(libc::SYS_socket, &[family(libc::AF_NETLINK), raw, 0])),
        ("take its supervisor's files", call(libc::SYS_pidfd_open, &[parent(), 0])),
        ("signal its supervisor", call(libc::SYS_kill, &[parent(), 0])),
        ("be looked into again", call(libc::SYS_prctl, &[c_long::from(libc::PR_SET_DUMPABLE), 1])),
    ]
}

/// What is tried behind the wall only.
fn blows() -> Tried {
    let here = c_long::from(libc::AT_FDCWD);
    let (stream, datagram, raw) =
        (c_long::from(libc::SOCK_STREAM), c_long::from(libc::SOCK_DGRAM), c_long::from(libc::SOCK_RAW));
    let family = c_long::from;
    let write = c_long::from(libc::O_WRONLY | libc::O_CREAT);
    vec![
        ("write into its own memory's file", call(libc::SYS_openat, &[here, text(b"/proc/self/mem\0"), 2])),
        ("make a file", call(libc::SYS_openat, &[here, text(b"/tmp/cofferdam-wall\0"), write, 0o600])),
        ("open by the newer call", call(libc::SYS_openat2, &[here, text(b"/etc/passwd\0"), 0, 24])),
        ("make a folder", call(libc::SYS_mkdirat, &[here, text(b"/tmp/cofferdam-wall-folder\0"), 0o700])),
        ("remove a file", call(libc::SYS_unlinkat, &[here, text(b"/tmp/cofferdam-wall\0"), 0])),
        ("send by UDP over IPv6", call(libc::SYS_socket, &[family(libc::AF_INET6), datagram, 0])),
        ("send packets as they are", call(libc::SYS_socket, &[family(libc::AF_PACKET), raw, 0])),
        ("make a pair of sockets", call(libc::SYS_socketpair, &[family(libc::AF_UNIX), stream, 0, 0])),
        ("take another's connection", call(libc::SYS_connect, &[0, 0, 0])),
        ("start a program", call(libc::SYS_execve, &[text(b"/bin/true\0"), 0, 0])),
        ("start a program from memory", call(libc::SYS_execveat, &[0, text(b"\0"), 0, 0, 0x1000])),
        ("make a process", call(libc::SYS_clone, &[c_long::from(libc::SIGCHLD)])),
        ("make a process by the newer call", call(libc::SYS_clone3, &[0, 0])),
        ("stop its supervisor", call(libc::SYS_ptrace, &[c_long::from(libc::PTRACE_SEIZE), parent(), 0, 0])),
        ("read its supervisor's memory", call(libc::SYS_process_vm_readv, &[parent(), 0, 0, 0, 0, 0])),
        ("signal its supervisor's thread", call(libc::SYS_tgkill, &[parent(), parent(), 0])),
        ("change its supervisor's limits", call(libc::SYS_prlimit64, &[parent(), 7, 0, 0])),
        ("mount", call(libc::SYS_mount, &[text(b"none\0"), text(b"/tmp\0"), text(b"tmpfs\0"), 0, 0])),
        ("leave its namespaces", call(libc::SYS_unshare, &[c_long::from(libc::CLONE_NEWUSER)])),
        ("change its root", call(libc::SYS_chroot, &[text(b"/tmp\0")])),
        ("load a program into the kernel", call(libc::SYS_bpf, &[0, 0, 0])),
        ("use rings", call(libc::SYS_io_uring_setup, &[1, 0])),
        ("handle page faults", call(libc::SYS_userfaultfd, &[0])),
        ("read keys", call(libc::SYS_keyctl, &[0, -3, 0])),
        ("count events", call(libc::SYS_perf_event_open, &[0, 0, -1, -1, 0])),
        ("load a module", call(libc::SYS_init_module, &[0, 0, 0])),
        ("control a device", call(libc::SYS_ioctl, &[1, 0x5413, 0])),
        ("change its user", call(libc::SYS_setuid, &[1])),
    ]
}

/// The process of a test that makes the calls of one side.
fn child(test: &str, side: &str) -> Command {
    let own = std::env::current_exe().expect("a test knows its program");
    let mut command = Command::new(own);
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(SIDE, side);
    command
}

/// Makes the calls in a process of its own.
fn on(child: &mut Command) -> BTreeMap<String, i32> {
    let output = child.output().expect("a test can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = said.lines().filter_map(|line| line.strip_prefix("tried: ")?.rsplit_once(" = "));
    lines.map(|(what, errno)| (what.to_owned(), errno.parse().expect("a number"))).collect()
}

#[expect(clippy::print_stdout, reason = "the process that started this one reads it")]
fn tell(tried: Tried) {
    let lines = tried.into_iter().map(|(what, errno)| format!("\ntried: {what} = {errno}"));
    println!("{}", lines.collect::<String>());
}

#[test]
fn h_093_native_code_in_the_place_of_a_guest_reaches_nothing() {
    match std::env::var(SIDE).as_deref() {
        Ok("inside") => {
            let wall = cofferdam_cell::close_wall().expect("the wall can be closed");
            assert!(wall.is_whole(), "this host offers no Landlock");
            return tell([looks(), blows()].concat());
        }
        Ok(_) => return tell(looks()),
        Err(_) => {}
    }
    let this = "h_093_native_code_in_the_place_of_a_guest_reaches_nothing";
    let (inside, outside) = (on(&mut child(this, "inside")), on(&mut child(this, "outside")));
    assert_eq!(inside.len(), 38);
    assert_refused(&inside);
    // Without the wall the same calls do what they are for, so it is the wall that refuses them.
    let done = outside.values().filter(|errno| **errno == 0).count();
    assert!(done + 1 >= outside.len() && outside.len() == 10, "{outside:?}");
}

/// What would go on when a cell has ended, or be found by the one after it. A file in memory is not: it goes with who has it
/// open, and the engine needs it.
fn remains() -> Tried {
    let here = c_long::from(libc::AT_FDCWD);
    let make = c_long::from(libc::IPC_CREAT | 0o600);
    let (write, child) = (c_long::from(libc::O_RDWR | libc::O_CREAT), c_long::from(libc::SIGCHLD));
    let unnamed = c_long::from(libc::O_TMPFILE | libc::O_RDWR);
    vec![
        ("make a process", call(libc::SYS_clone, &[child])),
        (
            "make a process that has another parent",
            call(libc::SYS_clone, &[child | c_long::from(libc::CLONE_PARENT)]),
        ),
        ("make a process by the newer call", call(libc::SYS_clone3, &[0, 0])),
        ("leave its session", call(libc::SYS_setsid, &[])),
        ("leave its group", call(libc::SYS_setpgid, &[0, 0])),
        ("outlive its supervisor", call(libc::SYS_prctl, &[c_long::from(libc::PR_SET_PDEATHSIG), 0])),
        ("make a secret file in memory", call(libc::SYS_memfd_secret, &[0])),
        ("make memory that is shared by number", call(libc::SYS_shmget, &[0x00c0_ffe4, 4096, make])),
        ("make a queue by number", call(libc::SYS_msgget, &[0x00c0_ffe4, make])),
        ("make semaphores by number", call(libc::SYS_semget, &[0x00c0_ffe4, 1, make])),
        ("make a queue by name", call(libc::SYS_mq_open, &[text(b"cofferdam-wall\0"), write, 0o600, 0])),
        (
            "make shared memory by name",
            call(libc::SYS_openat, &[here, text(b"/dev/shm/cofferdam-wall\0"), write, 0o600]),
        ),
        ("make a file without a name", call(libc::SYS_openat, &[here, text(b"/tmp\0"), unnamed, 0o600])),
        (
            "keep a key",
            call(libc::SYS_add_key, &[text(b"user\0"), text(b"cofferdam-wall\0"), text(b"x\0"), 1, -3]),
        ),
    ]
}

#[test]
fn h_097_native_code_in_the_place_of_a_guest_leaves_nothing_behind() {
    match std::env::var(SIDE).as_deref() {
        Ok("inside") => {
            let wall = cofferdam_cell::close_wall().expect("the wall can be closed");
            assert!(wall.is_whole(), "this host offers no Landlock");
            return tell(remains());
        }
        // What leaves nothing when the process has ended.
        Ok(_) => {
            return tell(vec![
                ("leave its group", call(libc::SYS_setpgid, &[0, 0])),
                ("outlive its supervisor", call(libc::SYS_prctl, &[c_long::from(libc::PR_SET_PDEATHSIG), 0])),
            ]);
        }
        Err(_) => {}
    }
    let this = "h_097_native_code_in_the_place_of_a_guest_leaves_nothing_behind";
    let (inside, outside) = (on(&mut child(this, "inside")), on(&mut child(this, "outside")));
    assert_eq!(inside.len(), 14);
    assert_refused(&inside);
    assert!(outside.len() == 2 && outside.values().all(|errno| *errno == 0), "{outside:?}");
}

/// What belongs to others and is of the same user: the files of a worker, and the cell beside this one.
fn reaches_for_others(folder: &Path, neighbour: c_long) -> Tried {
    let open = |path: PathBuf, how: c_long| {
        let path = CString::new(path.into_os_string().into_encoded_bytes()).expect("a path has no zero byte");
        call(libc::SYS_openat, &[c_long::from(libc::AT_FDCWD), path.as_ptr() as c_long, how])
    };
    let (read, change) = (c_long::from(libc::O_RDONLY), c_long::from(libc::O_WRONLY));
    let list = c_long::from(libc::O_RDONLY | libc::O_DIRECTORY);
    let of_neighbour = |what: &str| PathBuf::from(format!("/proc/{neighbour}/{what}"));
    let [value, code, key] = KEPT.map(|kept| folder.join(kept));
    vec![
        ("read a value of another tenant", open(value.clone(), read)),
        ("change a value of another tenant", open(value, change)),
        ("read the compiled library of another tenant", open(code.clone(), read)),
        ("change the compiled library of another tenant", open(code, change)),
        ("read the key of the worker's cache", open(key, read)),
        ("see which values there are", open(folder.join("values"), list)),
        ("see which libraries there are", open(folder.join("artefacts"), list)),
        ("see the files of another tenant's cell", open(of_neighbour("fd"), list)),
        ("read the memory of another tenant's cell", open(of_neighbour("mem"), read)),
        ("read what another tenant's cell was started with", open(of_neighbour("cmdline"), read)),
        ("see that another tenant's cell is there", call(libc::SYS_kill, &[neighbour, 0])),
    ]
}

#[test]
fn f13_native_code_in_the_place_of_a_guest_reaches_nothing_of_another_tenant() {
    let set = |name: &str| std::env::var(name).expect("its parent says that");
    let tried = || reaches_for_others(Path::new(&set(FOLDER)), set(NEIGHBOUR).parse().expect("a number"));
    match std::env::var(SIDE).as_deref() {
        Ok("inside") => {
            let wall = cofferdam_cell::close_wall().expect("the wall can be closed");
            assert!(wall.is_whole(), "this host offers no Landlock");
            return tell(tried());
        }
        Ok(_) => return tell(tried()),
        Err(_) => {}
    }
    let folder = tempfile::tempdir().expect("a folder can be made");
    for kept in KEPT {
        let path = folder.path().join(kept);
        std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder can be made");
        std::fs::write(path, "theirs").expect("a file can be written");
    }
    let mut neighbour = Command::new("sleep").arg("600").spawn().expect("a process can be started");
    let this = "f13_native_code_in_the_place_of_a_guest_reaches_nothing_of_another_tenant";
    let [inside, outside] = ["inside", "outside"].map(|side| {
        let mut child = child(this, side);
        on(child.env(FOLDER, folder.path()).env(NEIGHBOUR, neighbour.id().to_string()))
    });
    neighbour.kill().and_then(|()| neighbour.wait()).expect("it can be ended");
    assert_eq!(inside.len(), 11);
    assert_refused(&inside);
    // Without the wall all of it is done, but for memory: that can be closed to neighbours on any host.
    let not_done: Vec<_> = outside.iter().filter(|(_, errno)| **errno != 0).map(|(what, _)| what).collect();
    assert!(not_done.iter().all(|what| what.contains("the memory of")), "{not_done:?}");
}
