//! Exit codes: a contract with scripts. `cofferdam help exit-codes` prints this table.

use std::process::ExitCode;

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Ok = 0,
    Internal = 1,
    Usage = 2,
    Invalid = 3,
    Prerequisite = 4,
    Unreachable = 5,
    RunFailed = 10,
    RunCancelled = 11,
    Interrupted = 130,
}

impl Exit {
    pub const ALL: [Exit; 9] = [
        Exit::Ok,
        Exit::Internal,
        Exit::Usage,
        Exit::Invalid,
        Exit::Prerequisite,
        Exit::Unreachable,
        Exit::RunFailed,
        Exit::RunCancelled,
        Exit::Interrupted,
    ];

    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Ok => "it worked",
            Exit::Internal => "something is wrong with cofferdam or with this machine",
            Exit::Usage => "wrong arguments",
            Exit::Invalid => "a definition, a config or a library is not valid",
            Exit::Prerequisite => "a tool that is needed is missing",
            Exit::Unreachable => "the instance's state cannot be reached, or somebody else is using it",
            Exit::RunFailed => "the run failed",
            Exit::RunCancelled => "the run was cancelled",
            Exit::Interrupted => "interrupted before the run ended; `cofferdam resume` goes on",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
