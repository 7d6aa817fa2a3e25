//! Steps: says each one before it is done, runs its program in the workspace, and keeps the times.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Why a command ends early. Each kind has its exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    Usage(String),
    /// Something has to be installed by the user; the text says what and how.
    Prerequisite(String),
    Step(String),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Step(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Prerequisite(_) => 4,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) | Failure::Prerequisite(text) | Failure::Step(text) => f.write_str(text),
        }
    }
}

/// The workspace and the times of the steps done in it.
pub(crate) struct Shell {
    pub(crate) root: PathBuf,
    started: Instant,
    times: Vec<(String, f32)>,
}

impl Shell {
    pub(crate) fn new() -> Result<Shell, Failure> {
        let root = root();
        if !root.join("Cargo.toml").is_file() {
            let text = format!(
                "failed to find the workspace at {}: it was moved since xtask was built",
                root.display()
            );
            return Err(Failure::Step(text));
        }
        Ok(Shell { root, started: Instant::now(), times: Vec::new() })
    }

    /// Does one step, named before it starts.
    pub(crate) fn step<T>(
        &mut self,
        name: &str,
        work: impl FnOnce(&Shell) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        say(name);
        let started = Instant::now();
        let outcome = work(self);
        self.times.push((name.to_owned(), started.elapsed().as_secs_f32()));
        outcome
    }

    /// A step that is one program, whose output goes straight to the user.
    pub(crate) fn run(&mut self, name: &str, command: &mut Command) -> Result<(), Failure> {
        self.step(name, |_| status(command))
    }

    /// A command in the root of the workspace.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target_dir(&self) -> PathBuf {
        match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => self.root.join(folder),
            None => self.root.join("target"),
        }
    }

    /// The program `cofferdam` of the dev profile.
    pub(crate) fn program(&self) -> PathBuf {
        self.target_dir().join("debug").join(format!("cofferdam{}", std::env::consts::EXE_SUFFIX))
    }

    /// Says how long it all took, and the steps of at least a second.
    pub(crate) fn finish(&self, command: &str) {
        let long = self.times.iter().filter(|(_, seconds)| *seconds >= 1.0);
        let long: Vec<String> = long.map(|(name, seconds)| format!("{name} {seconds:.1} s")).collect();
        let details = if long.is_empty() { String::new() } else { format!(" ({})", long.join(", ")) };
        say(&format!("{command} done in {:.1} s{details}", self.started.elapsed().as_secs_f32()));
    }
}

/// The root of the workspace that this program was built in.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("the package lies two folders below the root").to_owned()
}

/// One line for the user.
pub(crate) fn say(line: &str) {
    eprintln!("xtask: {line}");
}

/// The answer, on stdout. A reader that went away (`| head`) is not an error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Step(format!("failed to write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Runs a program to its end with its output shown as it comes.
pub(crate) fn status(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|error| not_started(command, &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::Step(format!("`{}` failed: {status}", shown(command))))
    }
}

/// Runs a program and shows its output as it comes, stderr and stdout alike, and returns the lines with whether it
/// succeeded.
pub(crate) fn watch(command: &mut Command) -> Result<(Vec<String>, bool), Failure> {
    // Both streams share one pipe, so that lines keep their order and no thread is needed.
    let (reader, writer) = std::io::pipe().map_err(|error| not_started(command, &error))?;
    let twin = writer.try_clone().map_err(|error| not_started(command, &error))?;
    let spawned = command.stdin(Stdio::null()).stdout(writer).stderr(twin).spawn();
    // The command holds the write ends; the reader ends only when they are closed.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = spawned.map_err(|error| not_started(command, &error))?;
    let mut lines = Vec::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line
            .map_err(|error| Failure::Step(format!("failed to read from `{}`: {error}", shown(command))))?;
        let line = String::from_utf8_lossy(&line).into_owned();
        eprintln!("{line}");
        lines.push(line);
    }
    let status = child.wait().map_err(|error| not_started(command, &error))?;
    Ok((lines, status.success()))
}

/// Runs a program and returns its stdout.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let done = command.output().map_err(|error| not_started(command, &error))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&done.stderr);
    Err(Failure::Step(format!("`{}` failed: {}\n{}", shown(command), done.status, text.trim_end())))
}

pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::Step(format!("failed to read {}: {error}", path.display())))
}

fn not_started(command: &Command, error: &std::io::Error) -> Failure {
    Failure::Step(format!("failed to run `{}`: {error}", shown(command)))
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
