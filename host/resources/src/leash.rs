//! Programs do not outlive their worker. A small process of its own knows which of them run, and sees by a closed pipe
//! that the worker is gone, however it ended: then it kills those that still run. Programs themselves see no such thing.
//! What is started waits before it becomes the program until it is known to that process: a worker that is killed in
//! between leaves nothing behind either.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, BufRead as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

/// What a process waits for that is to become a program: the first byte of its input, which the program does not see.
pub(crate) const GO: u8 = b'\n';
/// Exit code of what could not become its program, as shells have it.
const NOT_RUN: u8 = 126;

/// How the process that holds the leash is started, with arguments that lead to [`hold_leash`]; with a program's path
/// and arguments after them, they lead to [`become_program`].
#[derive(Debug, Clone)]
pub struct LeashCommand {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
}

/// A worker's end. Without a command nobody holds the other one, and programs end as the worker's calls do.
#[derive(Debug, Default)]
pub(crate) struct Leash {
    command: Option<LeashCommand>,
    tied: Mutex<Groups>,
}

#[derive(Debug, Default)]
struct Groups {
    running: BTreeSet<i32>,
    /// Started with the first program.
    holder: Option<Holder>,
}

#[derive(Debug)]
struct Holder {
    child: Child,
    told: ChildStdin,
}

/// A process group on the leash, until this goes.
#[derive(Debug)]
pub(crate) struct Tied {
    leash: Arc<Leash>,
    group: i32,
}

impl Leash {
    pub(crate) fn new(command: LeashCommand) -> Leash {
        Leash { command: Some(command), tied: Mutex::default() }
    }

    /// Starts `program`. Where somebody holds the leash it waits for [`GO`], which is due when it is tied.
    pub(crate) fn starts(&self, program: &Path) -> tokio::process::Command {
        let Some(LeashCommand { program: waiting, arguments }) = &self.command else {
            return tokio::process::Command::new(program);
        };
        let mut command = tokio::process::Command::new(waiting);
        command.args(arguments).arg("--").arg(program);
        command
    }

    /// What a program that is tied is told before its own input.
    pub(crate) fn go(&self) -> &'static [u8] {
        if self.command.is_some() { &[GO] } else { &[] }
    }

    /// Fails if the process that holds it cannot be started.
    pub(crate) fn tie(self: &Arc<Leash>, group: Pid) -> io::Result<Tied> {
        let group = group.as_raw_nonzero().get();
        // Before the lock: it takes the lock when it goes, which it does at once if the holder cannot be told.
        let tied = Tied { leash: self.clone(), group };
        let mut groups = self.tied.lock().unwrap_or_else(PoisonError::into_inner);
        groups.running.insert(group);
        if let Some(command) = &self.command {
            groups.tell('+', group, command)?;
        }
        drop(groups);
        Ok(tied)
    }
}

impl Drop for Tied {
    fn drop(&mut self) {
        let mut groups = self.leash.tied.lock().unwrap_or_else(PoisonError::into_inner);
        groups.running.remove(&self.group);
        if let Some(holder) = &mut groups.holder {
            // If it is gone, the next one hears only of those that run.
            let _ = holder.tell('-', self.group);
        }
    }
}

impl Groups {
    fn tell(&mut self, what: char, group: i32, command: &LeashCommand) -> io::Result<()> {
        if let Some(holder) = &mut self.holder
            && holder.tell(what, group).is_ok()
        {
            return Ok(());
        }
        let mut holder = Holder::start(command)?;
        for group in &self.running {
            holder.tell('+', *group)?;
        }
        self.holder = Some(holder);
        Ok(())
    }
}

impl Holder {
    fn start(command: &LeashCommand) -> io::Result<Holder> {
        let mut child = Command::new(&command.program)
            .args(&command.arguments)
            .env_clear()
            // What a terminal or a service manager tells the worker's group is not for it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let told = child.stdin.take().expect("stdin is piped");
        Ok(Holder { child, told })
    }

    fn tell(&mut self, what: char, group: i32) -> io::Result<()> {
        self.told.write_all(format!("{what}{group}\n").as_bytes())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Whoever holds nothing has nothing to do; it may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Becomes a program with its arguments as soon as it is on the leash. Gives a code only if it never does: its worker
/// went first, or the kernel refuses the file.
pub fn become_program(program: &Path, arguments: &[OsString]) -> ExitCode {
    let mut first = [0];
    // Not through the standard library's buffer, which would swallow what follows.
    if !rustix::io::read(rustix::stdio::stdin(), &mut first).is_ok_and(|n| n == 1 && first == [GO]) {
        return ExitCode::FAILURE;
    }
    let error = Command::new(program).args(arguments).exec();
    let _ = writeln!(io::stderr(), "failed to start `{}`: {error}", program.display());
    ExitCode::from(NOT_RUN)
}

/// The process at the other end of the leash: hears which groups run, and kills those that do when its input ends.
pub fn hold_leash() -> ExitCode {
    let mut running = BTreeSet::new();
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let Some((what, group)) = line.split_at_checked(1) else { break };
        let Some(group) = group.parse().ok().and_then(Pid::from_raw) else { break };
        match what {
            "+" => running.insert(group.as_raw_nonzero()),
            _ => running.remove(&group.as_raw_nonzero()),
        };
    }
    for group in running.into_iter().filter_map(|group| Pid::from_raw(group.get())) {
        // One that has ended meanwhile is what is wanted.
        let _ = kill_process_group(group, Signal::KILL);
    }
    ExitCode::SUCCESS
}
