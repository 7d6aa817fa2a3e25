//! Runs other programs: quietly while they succeed, with the end of their output when they fail.

use crate::Error;
use std::process::{Command, Stdio};

/// How much of a failed program's output an error quotes, in lines: its last words name the cause.
const QUOTED_LINES_MAX: usize = 12;

/// Runs `command` to its end and returns its stdout. `purpose` says why it is needed, should it be absent.
pub(crate) fn output(purpose: &'static str, command: &mut Command) -> Result<String, Error> {
    let shown = shown(command);
    let done = match command.stdin(Stdio::null()).output() {
        Ok(done) => done,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::ProgramMissing {
                program: shown.split(' ').next().unwrap_or_default().to_owned(),
                purpose,
            });
        }
        Err(source) => {
            return Err(Error::ProgramFailed { command: shown, output: source.to_string() });
        }
    };
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(QUOTED_LINES_MAX);
    Err(Error::ProgramFailed {
        command: shown,
        output: format!("{}\n{}", done.status, lines[from..].join("\n")),
    })
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_program_is_named_with_what_it_is_needed_for() {
        let error = output("unpack packages", &mut Command::new("no-such-program-here")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "find the program `no-such-program-here` in PATH, which is needed to unpack packages"
        );
    }

    #[test]
    fn a_failed_program_is_quoted_with_its_last_lines() {
        let script = "for i in $(seq 30); do echo line $i; done; exit 3";
        let error = output("test", Command::new("sh").args(["-c", script])).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.ends_with("line 30"), "{error}");
        assert!(!error.contains("line 18\n"), "{error}");
    }
}
