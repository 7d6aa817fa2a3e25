//! The benchmarks: the program and the guests as users get them, measured as whole runs.

use crate::shell::{Failure, Shell};
use crate::{guests, setup};

/// Builds in release, runs `cofferdam-bench` with the arguments given; a JSON line per measurement on stdout.
pub(crate) fn bench(shell: &mut Shell, arguments: &[&str]) -> Result<(), Failure> {
    let toolchain = setup::setup(shell)?;
    guests::build(shell, &toolchain)?;
    let mut build = shell.command("cargo");
    build.args(["build", "--release", "--package", "cofferdam", "--package", "cofferdam-bench"]);
    shell.run("build for speed", &mut build)?;
    let release = shell.target_dir().join("release");
    let mut bench = shell.command(release.join("cofferdam-bench"));
    bench.args(arguments).env("COFFERDAM_BIN", release.join("cofferdam"));
    bench.env("COFFERDAM_TEST_GUESTS", guests::folder(&shell.root));
    shell.run("measure", &mut bench)?;
    shell.finish("bench");
    Ok(())
}
