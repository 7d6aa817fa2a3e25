//! The kind `command`: one host program from the operator's list, in an environment and a process group of its own.
//! The program and the first arguments are fixed; what an op may add is listed word by word. When a call ends, for
//! whatever reason, every process of the group is killed. A process that leaves its group (`setsid`) escapes that.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_model::{CommandResult, FaultKind, ResourceAnswer, ResourceFault};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::Place;
use crate::fault::fault;
use crate::leash::{Leash, Tied};
use crate::settings::{Resolver, Span, Text, parse};

/// Longest time of one command whose settings name none: a build or a load of data takes minutes.
const TIMEOUT: Duration = Duration::from_secs(600);
/// Bytes of standard output; it is data, and is held in memory.
const STDOUT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of standard error; it is for people.
const STDERR_BYTES_MAX: usize = 1024 * 1024;
/// Arguments that an op may add.
const ARGUMENTS_MAX: usize = 1000;
/// Bytes of one argument; the kernel takes 128 KiB.
const ARGUMENT_BYTES_MAX: usize = 64 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    program: String,
    #[serde(default)]
    arguments: Vec<Text>,
    #[serde(default)]
    allow_arguments: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, Text>,
    folder: Option<PathBuf>,
    timeout: Option<Span>,
}

pub(crate) struct Command {
    program: PathBuf,
    arguments: Vec<String>,
    allow_arguments: Vec<String>,
    env: BTreeMap<String, String>,
    folder: PathBuf,
    leash: Arc<Leash>,
    pub(crate) timeout: Duration,
}

/// A running process group, killed when this goes.
struct Group {
    id: Pid,
    /// Killed also if this process is.
    _tied: Tied,
}

impl Command {
    /// Finds the program. Fails if it is not there, or if a variable is not set.
    pub(crate) fn open(
        settings: &serde_json::Value,
        place: &Place,
        resolver: &mut Resolver,
    ) -> Result<Command, ResourceFault> {
        let settings: Settings = parse(settings)?;
        let path = resolver.path_variable();
        let program = find(&settings.program, path)?;
        let mut arguments = Vec::new();
        for (index, argument) in settings.arguments.into_iter().enumerate() {
            arguments.push(resolver.text(&format!("arguments.{index}"), argument)?);
        }
        let env = resolver.map("env", settings.env)?;
        if let Some(name) = env.keys().find(|name| name.is_empty() || name.contains(['=', '\0'])) {
            return Err(fault(
                FaultKind::Invalid,
                format!("`{name}` in `env` cannot be the name of a variable"),
            ));
        }
        let folder = settings.folder.map_or_else(|| place.folder.clone(), |folder| place.folder.join(folder));
        if !folder.is_dir() {
            let message =
                format!("the folder `{}`, in which the program is to run, is not there", folder.display());
            return Err(fault(FaultKind::Failed, message));
        }
        let timeout = settings.timeout.map_or(TIMEOUT, |span| span.0);
        let (allow_arguments, leash) = (settings.allow_arguments, place.leash.clone());
        Ok(Command { program, arguments, allow_arguments, env, folder, leash, timeout })
    }

    /// Runs the program to its end. A code other than 0 is an answer, not a fault.
    pub(crate) async fn run(
        &self,
        arguments: Vec<String>,
        stdin: Vec<u8>,
    ) -> Result<ResourceAnswer, ResourceFault> {
        self.check(&arguments)?;
        let mut command = self.leash.starts(&self.program);
        command.args(&self.arguments).args(&arguments);
        command.env_clear().envs(&self.env).current_dir(&self.folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| {
            fault(FaultKind::Failed, format!("failed to start `{}`: {error}", self.program.display()))
        })?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let id = pid.expect("a child that nobody has waited for has an id");
        let tied = self.leash.tie(id).map_err(|error| {
            let message = format!("failed to start what ends programs with their worker: {error}");
            fault(FaultKind::Failed, message)
        })?;
        let group = Group { id, _tied: tied };
        let mut input = child.stdin.take().expect("stdin is piped");
        let output = child.stdout.take().expect("stdout is piped");
        let errors = child.stderr.take().expect("stderr is piped");
        let feed = async move {
            // A program need not read all that it is given; that it did not is no fault of the call.
            if input.write_all(self.leash.go()).await.is_ok() {
                let _ = input.write_all(&stdin).await;
            }
            drop(input);
            Ok(())
        };
        let wait = async {
            let status = child.wait().await;
            // What it left running in the background would keep the pipes open.
            drop(group);
            status
                .map_err(|error| fault(FaultKind::Failed, format!("failed to wait for the program: {error}")))
        };
        let (_, stdout, stderr, status) = tokio::try_join!(
            feed,
            collect(output, STDOUT_BYTES_MAX, "standard output"),
            collect(errors, STDERR_BYTES_MAX, "standard error"),
            wait
        )?;
        Ok(ResourceAnswer::Command(CommandResult { exit_code: status.code(), stdout, stderr }))
    }

    fn check(&self, arguments: &[String]) -> Result<(), ResourceFault> {
        if arguments.len() > ARGUMENTS_MAX {
            let message =
                format!("{} arguments are more than the {ARGUMENTS_MAX} that are allowed", arguments.len());
            return Err(fault(FaultKind::TooLarge, message));
        }
        for argument in arguments {
            if argument.len() > ARGUMENT_BYTES_MAX {
                let message = format!(
                    "an argument of {} bytes is more than the {ARGUMENT_BYTES_MAX} that are allowed",
                    argument.len()
                );
                return Err(fault(FaultKind::TooLarge, message));
            }
            if argument.contains('\0') {
                return Err(fault(FaultKind::Invalid, "an argument holds a zero byte"));
            }
            if !self.allow_arguments.iter().any(|pattern| allows(pattern, argument)) {
                let allowed = match self.allow_arguments.as_slice() {
                    [] => "it lets ops add no arguments; `allow_arguments` in its settings would list them"
                        .to_owned(),
                    some => format!("`allow_arguments` in its settings lists `{}`", some.join("`, `")),
                };
                return Err(fault(
                    FaultKind::Denied,
                    format!("the argument `{argument}` is not allowed: {allowed}"),
                ));
            }
        }
        Ok(())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It fails if all have ended, which is what is wanted. Its number is not used again meanwhile: the kernel
        // hands numbers out in turn, and the leader was waited for a moment ago at most.
        let _ = kill_process_group(self.id, Signal::KILL);
    }
}

async fn collect(pipe: impl AsyncRead + Unpin, most: usize, what: &str) -> Result<Vec<u8>, ResourceFault> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).expect("a bound fits 64 bits") + 1;
    pipe.take(limit)
        .read_to_end(&mut bytes)
        .await
        .map_err(|error| fault(FaultKind::Failed, format!("failed to read the program's {what}: {error}")))?;
    if bytes.len() > most {
        let message = format!("the program was killed: it wrote more than {most} bytes to {what}");
        return Err(fault(FaultKind::TooLarge, message));
    }
    Ok(bytes)
}

/// Whether a pattern lets an argument through. `*` stands for any text; but a pattern that starts with it lets no
/// option through, and no pattern with it lets a `..` through, so that `models/*` stays in `models`.
fn allows(pattern: &str, argument: &str) -> bool {
    if !pattern.contains('*') {
        return pattern == argument;
    }
    if (pattern.starts_with('*') && argument.starts_with('-'))
        || argument.split(['/', '=']).any(|part| part == "..")
    {
        return false;
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| argument.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        // The first place is the best one: it leaves the most for what follows.
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The program's file: as it is if it is a path, else the first of that name in `PATH` that may be run.
fn find(program: &str, path: Option<String>) -> Result<PathBuf, ResourceFault> {
    let given = Path::new(program);
    if given.is_absolute() {
        return match runnable(given) {
            true => Ok(given.to_owned()),
            false => {
                Err(fault(FaultKind::Failed, format!("there is no program at `{program}` that may be run")))
            }
        };
    }
    if program.is_empty() || program.contains('/') {
        let message =
            format!("`program` is `{program}`; write an absolute path, or a name that is looked up in PATH");
        return Err(fault(FaultKind::Invalid, message));
    }
    let path = OsString::from(path.unwrap_or_default());
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(program)).find(|file| runnable(file)).ok_or_else(|| {
        let message = format!(
            "the program `{program}` is not in the PATH of the worker; install it there, or name it by its absolute path"
        );
        fault(FaultKind::Failed, message)
    })
}

fn runnable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_but_not_for_a_way_out() {
        let cases = [
            ("run", "run", true),
            ("run", "runs", false),
            ("--select=*", "--select=a,b", true),
            ("--select=*", "--project-dir=/etc", false),
            ("models/*.sql", "models/a.sql", true),
            ("models/*.sql", "models/a.py", false),
            ("models/*", "models/../secrets", false),
            ("--dir=*", "--dir=..", false),
            ("*", "-rf", false),
            ("*", "plain", true),
            ("a*b*a", "aba", true),
            ("a*a", "a", false),
            ("*ab*ab", "ab", false),
            ("", "x", false),
        ];
        for (pattern, argument, expected) in cases {
            assert_eq!(allows(pattern, argument), expected, "{pattern} {argument}");
        }
    }
}
