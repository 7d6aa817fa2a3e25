//! `Command`, and what comes of one.

use std::rc::Rc;

use super::{Fault, lent};
use crate::error::{Error, Result};

/// Bytes from the end of standard error that a failure repeats: the last lines say why.
const LAST_WORDS_BYTES_MAX: usize = 2 * 1024;

/// One program of the host, from its operator's list.
///
/// ```
/// use cofferdam_op::{Command, Result, command::Outcome, op};
///
/// #[op]
/// fn build(dbt: Command) -> Result<String> {
///     dbt.run(&["build"])?.ok()?.text()
/// }
/// let dbt = Command::test(|arguments, _| Ok(Outcome::exited(0, arguments.join(" "), "")));
/// assert_eq!(build(dbt).unwrap(), "build");
/// ```
#[derive(Clone)]
pub struct Command {
    pub(crate) calls: Rc<dyn CommandCalls>,
}

pub(crate) trait CommandCalls {
    fn run(&self, arguments: &[String], stdin: &[u8]) -> Result<Outcome, Fault>;
}

lent!(Command, Command);

impl Command {
    /// Runs the program to its end, without input.
    pub fn run<A: AsRef<str>>(&self, arguments: &[A]) -> Result<Outcome, Fault> {
        self.run_with(arguments, b"")
    }

    /// Runs the program to its end.
    pub fn run_with<A: AsRef<str>>(
        &self,
        arguments: &[A],
        stdin: impl AsRef<[u8]>,
    ) -> Result<Outcome, Fault> {
        let arguments: Vec<String> = arguments.iter().map(|argument| argument.as_ref().to_owned()).collect();
        self.calls.run(&arguments, stdin.as_ref())
    }
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// None if a signal ended it.
    pub exit_code: Option<i32>,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it complained about.
    pub stderr: Vec<u8>,
}

impl Outcome {
    /// As a double in a test may answer.
    pub fn exited(code: i32, stdout: impl Into<Vec<u8>>, stderr: impl Into<Vec<u8>>) -> Outcome {
        Outcome { exit_code: Some(code), stdout: stdout.into(), stderr: stderr.into() }
    }

    /// Itself if the program succeeded; else an error with the end of its standard error.
    pub fn ok(self) -> Result<Outcome> {
        let how = match self.exit_code {
            Some(0) => return Ok(self),
            Some(code) => format!("ended with code {code}"),
            None => "was ended by a signal".to_owned(),
        };
        let tail = &self.stderr[self.stderr.len().saturating_sub(LAST_WORDS_BYTES_MAX)..];
        let tail = String::from_utf8_lossy(tail);
        let error = Error::new(format!("the program {how}"));
        Err(match tail.trim() {
            "" => error,
            words => Error::new(words).context(error.message()),
        })
    }

    /// What it printed, as text; fails if it is not UTF-8.
    pub fn text(&self) -> Result<String> {
        let invalid = |_| Error::permanent("the program printed what is not UTF-8");
        String::from_utf8(self.stdout.clone()).map_err(invalid)
    }
}

#[cfg(not(target_family = "wasm"))]
mod double {
    use std::rc::Rc;

    use super::{Command, CommandCalls, Fault, Outcome};

    impl Command {
        /// One that answers as told, for native tests: arguments and input in, outcome out.
        pub fn test(answer: impl Fn(&[String], &[u8]) -> Result<Outcome, Fault> + 'static) -> Command {
            Command { calls: Rc::new(answer) }
        }
    }

    impl<F: Fn(&[String], &[u8]) -> Result<Outcome, Fault>> CommandCalls for F {
        fn run(&self, arguments: &[String], stdin: &[u8]) -> Result<Outcome, Fault> {
            self(arguments, stdin)
        }
    }
}
