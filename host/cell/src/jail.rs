//! The second wall: what the kernel refuses a child whatever its code has become. A guest that broke out of the engine
//! finds no file, no network, no program to start and no other process. It stands before the first byte of a guest is
//! read, and nothing takes it down again.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};

/// Files that a child has open at most: its three, and the artefacts that are on their way to it.
const FILES_MAX: u64 = 256;

/// What of the wall stands on a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wall {
    /// Landlock refuses every file, TCP, and signals and abstract sockets of others.
    pub landlock: bool,
    /// seccomp refuses every system call that is not on the list.
    pub seccomp: bool,
}

impl Wall {
    /// Both stand, each behind the other.
    pub fn is_whole(self) -> bool {
        self.landlock && self.seccomp
    }
}

/// Closes the wall round this process, which must have a single thread: the others come into being behind it. Fails if
/// the host offers a part and refuses it.
pub fn close() -> io::Result<Wall> {
    // A core file would hold the values of whoever ran here.
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, FILES_MAX)?;
    kernel::close()
}

/// At most so much, for good.
pub(crate) fn limit(resource: Resource, amount: u64) -> io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(amount), maximum: Some(amount) })?)
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    /// There is neither here; this is for development only.
    pub(super) fn close() -> std::io::Result<super::Wall> {
        Ok(super::Wall::default())
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::collections::BTreeMap;
    use std::io;

    use landlock::{ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetStatus, Scope};
    use nix::sys::prctl;
    use seccompiler::{
        BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
        SeccompFilter, SeccompRule,
    };

    use super::Wall;

    /// The newest rights that are asked for. A kernel that knows only older ones enforces those: files since the first.
    const LANDLOCK: ABI = ABI::V6;
    /// Names memory, for people who look at a process.
    const PR_SET_VMA: u64 = 0x5356_4d41;
    /// Stands for the calling process.
    const OWN: u64 = 0;

    /// What a child calls: memory, its threads, time, its own signals, and the files that it was given. It may open
    /// what it holds already, by `/proc/self/fd`: Landlock refuses all other files.
    const ALLOWED: &[i64] = &[
        libc::SYS_brk,
        libc::SYS_clock_getres,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_close,
        libc::SYS_dup,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_faccessat,
        libc::SYS_fcntl,
        libc::SYS_fstat,
        libc::SYS_ftruncate,
        libc::SYS_futex,
        libc::SYS_getpid,
        libc::SYS_getrandom,
        libc::SYS_getrusage,
        libc::SYS_gettid,
        libc::SYS_gettimeofday,
        libc::SYS_lseek,
        libc::SYS_madvise,
        libc::SYS_membarrier,
        libc::SYS_memfd_create,
        libc::SYS_mmap,
        libc::SYS_mprotect,
        libc::SYS_mremap,
        libc::SYS_munmap,
        libc::SYS_nanosleep,
        libc::SYS_newfstatat,
        libc::SYS_openat,
        libc::SYS_ppoll,
        libc::SYS_pread64,
        libc::SYS_pwrite64,
        libc::SYS_read,
        libc::SYS_readlinkat,
        libc::SYS_readv,
        libc::SYS_recvfrom,
        libc::SYS_recvmsg,
        libc::SYS_restart_syscall,
        libc::SYS_rseq,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sched_getaffinity,
        libc::SYS_sched_yield,
        libc::SYS_sendmsg,
        libc::SYS_sendto,
        libc::SYS_set_robust_list,
        libc::SYS_sigaltstack,
        libc::SYS_statx,
        libc::SYS_sysinfo,
        libc::SYS_uname,
        libc::SYS_write,
        libc::SYS_writev,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_arch_prctl,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_readlink,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_stat,
    ];

    pub(super) fn close() -> io::Result<Wall> {
        // If memory runs out, it is a child that goes and not its supervisor. Where this cannot be said, nothing is lost.
        let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
        // Nobody of the same user looks into it or takes its memory.
        prctl::set_dumpable(false)?;
        let landlock = refuse_files().map_err(io::Error::other)?;
        // Landlock has seen to it that nothing here gains rights by starting a program; without it this does.
        prctl::set_no_new_privs()?;
        refuse_calls().map_err(io::Error::other)?;
        Ok(Wall { landlock, seccomp: true })
    }

    /// Whether files are refused: not by a kernel that has no Landlock.
    fn refuse_files() -> Result<bool, landlock::RulesetError> {
        let rules = Ruleset::default()
            .handle_access(AccessFs::from_all(LANDLOCK))?
            .handle_access(AccessNet::from_all(LANDLOCK))?
            .scope(Scope::from_all(LANDLOCK))?;
        let enforced = rules.create()?.restrict_self()?;
        Ok(enforced.ruleset != RulesetStatus::NotEnforced)
    }

    fn refuse_calls() -> Result<(), seccompiler::Error> {
        let mut allowed: BTreeMap<i64, Vec<SeccompRule>> =
            ALLOWED.iter().map(|call| (*call, vec![])).collect();
        // Threads of this process, and no processes.
        let thread = libc::CLONE_THREAD as u64;
        allowed.insert(libc::SYS_clone, only(SeccompCmpOp::MaskedEq(thread), &[thread])?);
        allowed.insert(libc::SYS_tgkill, only(SeccompCmpOp::Eq, &[u64::from(std::process::id())])?);
        allowed.insert(libc::SYS_prlimit64, only(SeccompCmpOp::Eq, &[OWN])?);
        allowed.insert(libc::SYS_prctl, only(SeccompCmpOp::Eq, &[libc::PR_SET_NAME as u64, PR_SET_VMA])?);
        // The newer call hides behind a pointer what it is to make. It is said not to be there, and the C library takes
        // the older one.
        let hidden: BTreeMap<i64, Vec<SeccompRule>> = [(libc::SYS_clone3, vec![])].into();
        allowed.extend(hidden.clone());
        let errno = |number: i32| SeccompAction::Errno(number.unsigned_abs());
        let filters = [
            filter(hidden, SeccompAction::Allow, errno(libc::ENOSYS))?,
            filter(allowed, errno(libc::EPERM), SeccompAction::Allow)?,
        ];
        filters.iter().try_for_each(|filter| seccompiler::apply_filter(filter))
    }

    /// Calls whose first argument is one of these.
    fn only(compare: SeccompCmpOp, values: &[u64]) -> Result<Vec<SeccompRule>, BackendError> {
        let rule = |value: &u64| {
            let first = SeccompCondition::new(0, SeccompCmpArgLen::Qword, compare.clone(), *value)?;
            SeccompRule::new(vec![first])
        };
        values.iter().map(rule).collect()
    }

    fn filter(
        calls: BTreeMap<i64, Vec<SeccompRule>>,
        others: SeccompAction,
        these: SeccompAction,
    ) -> Result<BpfProgram, BackendError> {
        SeccompFilter::new(calls, others, these, std::env::consts::ARCH.try_into()?)?.try_into()
    }
}
