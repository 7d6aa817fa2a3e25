//! Which guest compiler to take: a pure decision over what the machine has.

use super::facts::Facts;
use super::{GuestToolchain, TARGET};
use crate::Error;
use std::path::PathBuf;

/// The variable that chooses.
pub const VARIABLE: &str = "COFFERDAM_GUEST_TOOLCHAIN";

/// Where the guest compiler shall come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Choice {
    /// What is here already; else rustup's target; else Debian's packages.
    #[default]
    Auto,
    /// The rustup toolchain, with `rustup target add` if need be.
    Rustup,
    /// The private sysroot from Debian's packages. rustup is asked for nothing.
    Debian,
    /// This `rustc`, which must have the target.
    Path(PathBuf),
}

impl Choice {
    /// The choice made by [`VARIABLE`]; `Auto` when it is not set or empty.
    pub fn from_env() -> Result<Choice, Error> {
        let value = std::env::var_os(VARIABLE).unwrap_or_default();
        Choice::parse(&value.to_string_lossy())
    }

    /// One of the words `auto`, `rustup`, `debian`, or a path, which must contain a `/` so that a misspelt word is
    /// not taken for a file.
    pub fn parse(value: &str) -> Result<Choice, Error> {
        match value {
            "" | "auto" => Ok(Choice::Auto),
            "rustup" => Ok(Choice::Rustup),
            "debian" => Ok(Choice::Debian),
            path if path.contains('/') => Ok(Choice::Path(path.into())),
            _ => Err(Error::UnknownChoice { value: value.to_owned() }),
        }
    }
}

/// What has to be done for a choice.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Ready(GuestToolchain),
    /// Never empty; the first that works.
    Install(Vec<Installer>),
}

/// A way to get a guest compiler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Installer {
    RustupTarget,
    DebianSysroot,
}

impl Installer {
    pub(crate) fn describe(&self) -> String {
        match self {
            Installer::RustupTarget => format!("rustup target add {TARGET} (about 25 MB)"),
            Installer::DebianSysroot => format!(
                "a private compiler for {TARGET} from Debian's packages, in your cache folder \
                 (140 MB to load, 500 MB on disk, about a minute, once)"
            ),
        }
    }
}

/// Decides from `facts` alone. Fails when the choice cannot be met on this machine.
pub(crate) fn decide(choice: &Choice, facts: &Facts) -> Result<Decision, Error> {
    let rustup = || GuestToolchain {
        rustc: None,
        description: format!("the toolchain in {}", facts.host.sysroot.display()),
    };
    let debian = |rustc: &PathBuf| GuestToolchain {
        rustc: Some(rustc.clone()),
        description: format!("{} (from Debian's packages)", rustc.display()),
    };
    match choice {
        Choice::Path(rustc) => match &facts.named {
            Some(Ok(())) => Ok(Decision::Ready(GuestToolchain {
                rustc: Some(rustc.clone()),
                description: format!("{} (from {VARIABLE})", rustc.display()),
            })),
            Some(Err(reason)) => Err(Error::NamedCompiler { rustc: rustc.clone(), reason: reason.clone() }),
            None => unreachable!("facts are gathered for the same choice"),
        },
        Choice::Rustup if facts.host_has_target => Ok(Decision::Ready(rustup())),
        Choice::Rustup if facts.rustup => Ok(Decision::Install(vec![Installer::RustupTarget])),
        Choice::Rustup => {
            let purpose = "add the target wasm32-wasip2";
            Err(Error::ProgramMissing { program: "rustup".into(), purpose })
        }
        Choice::Debian => match &facts.sysroot {
            Some(rustc) => Ok(Decision::Ready(debian(rustc))),
            None if facts.apt => Ok(Decision::Install(vec![Installer::DebianSysroot])),
            None => {
                let purpose = "get Debian's packages";
                Err(Error::ProgramMissing { program: "apt-get".into(), purpose })
            }
        },
        Choice::Auto => {
            if facts.host_has_target {
                return Ok(Decision::Ready(rustup()));
            }
            if let Some(rustc) = &facts.sysroot {
                return Ok(Decision::Ready(debian(rustc)));
            }
            let ways = [(facts.rustup, Installer::RustupTarget), (facts.apt, Installer::DebianSysroot)];
            let ways: Vec<_> = ways.into_iter().filter(|(here, _)| *here).map(|(_, way)| way).collect();
            match ways.is_empty() {
                true => Err(Error::NoWay { looked_in: facts.host.sysroot.clone() }),
                false => Ok(Decision::Install(ways)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rust::facts::Host;

    /// A machine with neither rustup nor apt nor anything installed.
    fn bare() -> Facts {
        Facts {
            host: Host { sysroot: "/rust".into(), triple: "x86_64-unknown-linux-gnu".into() },
            host_has_target: false,
            rustup: false,
            apt: false,
            sysroot: None,
            named: None,
        }
    }

    fn ready(choice: Choice, facts: &Facts) -> Option<PathBuf> {
        match decide(&choice, facts).unwrap() {
            Decision::Ready(toolchain) => toolchain.rustc,
            Decision::Install(ways) => panic!("would install {ways:?}"),
        }
    }

    fn installs(choice: Choice, facts: &Facts) -> Vec<Installer> {
        match decide(&choice, facts).unwrap() {
            Decision::Install(ways) => ways,
            Decision::Ready(toolchain) => panic!("found {toolchain:?}"),
        }
    }

    #[test]
    fn words_and_paths_are_told_apart_and_a_misspelt_word_is_refused() {
        assert_eq!(Choice::parse("").unwrap(), Choice::Auto);
        assert_eq!(Choice::parse("debian").unwrap(), Choice::Debian);
        assert_eq!(Choice::parse("./rustc").unwrap(), Choice::Path("./rustc".into()));
        let error = Choice::parse("debain").unwrap_err();
        assert!(error.to_string().contains("`debain`") && error.hint().contains("debian"));
    }

    #[test]
    fn auto_takes_the_target_of_the_toolchain_before_all_else() {
        let facts = Facts { host_has_target: true, sysroot: Some("/cache/rustc".into()), ..bare() };
        assert_eq!(ready(Choice::Auto, &facts), None);
    }

    #[test]
    fn auto_reuses_a_sysroot_rather_than_install_anything() {
        let facts = Facts { rustup: true, apt: true, sysroot: Some("/cache/rustc".into()), ..bare() };
        assert_eq!(ready(Choice::Auto, &facts), Some("/cache/rustc".into()));
    }

    #[test]
    fn auto_tries_rustup_first_and_then_debian() {
        let both = Facts { rustup: true, apt: true, ..bare() };
        assert_eq!(installs(Choice::Auto, &both), [Installer::RustupTarget, Installer::DebianSysroot]);
        let apt = Facts { apt: true, ..bare() };
        assert_eq!(installs(Choice::Auto, &apt), [Installer::DebianSysroot]);
    }

    #[test]
    fn debian_never_asks_rustup_even_when_its_target_is_there() {
        let facts = Facts { host_has_target: true, rustup: true, apt: true, ..bare() };
        assert_eq!(installs(Choice::Debian, &facts), [Installer::DebianSysroot]);
    }

    #[test]
    fn rustup_never_falls_back_to_debian() {
        let facts = Facts { rustup: true, apt: true, sysroot: Some("/cache/rustc".into()), ..bare() };
        assert_eq!(installs(Choice::Rustup, &facts), [Installer::RustupTarget]);
    }

    #[test]
    fn a_machine_without_any_way_gets_a_command_that_mends_it() {
        let error = decide(&Choice::Auto, &bare()).unwrap_err();
        assert!(error.to_string().contains("`/rust`"), "{error}");
        assert_eq!(error.hint(), "rustup target add wasm32-wasip2");
        for (choice, program) in [(Choice::Rustup, "`rustup`"), (Choice::Debian, "`apt-get`")] {
            assert!(decide(&choice, &bare()).unwrap_err().to_string().contains(program));
        }
    }

    #[test]
    fn a_named_compiler_without_the_target_is_refused_with_the_reason() {
        let facts = Facts { named: Some(Err("no std".into())), ..bare() };
        let error = decide(&Choice::Path("/opt/rustc".into()), &facts).unwrap_err();
        assert!(error.to_string().contains("/opt/rustc") && error.to_string().contains("no std"), "{error}");
    }
}
