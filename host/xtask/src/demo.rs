//! The demo: from a checkout to the report of a real job.

use crate::setup;
use crate::shell::{Failure, Shell, say};

/// Sets up, builds the program and the ops of `examples/flights`, and runs the job `delays`.
pub(crate) fn demo(shell: &mut Shell) -> Result<(), Failure> {
    setup::demo_setup(shell)?;
    let mut cargo = shell.command("cargo");
    // Of the whole workspace, so that what it depends on has the features that the tests give it too, and `test` after
    // it does not compile the engine once more.
    let build = ["build", "--workspace", "--bin", "cofferdam"];
    shell.run("build the program", cargo.args(build))?;

    let project = shell.root.join("examples/flights");
    let export = shell.root.join("target/demo");
    let program = shell.program();
    let mut build = shell.command(&program);
    shell.run("build the ops", build.args(["build", "flights"]).current_dir(&project))?;
    let mut run = shell.command(&program);
    run.args(["run", "delays", "--force", "--export"]).arg(&export).current_dir(&project);
    shell.run("run the job", &mut run)?;

    shell.finish("demo");
    say(&format!("the job's outputs are in {}", export.display()));
    let mut files = files_in(&export);
    files.sort();
    for file in files {
        say(&format!("  {file}"));
    }
    Ok(())
}

fn files_in(folder: &std::path::Path) -> Vec<String> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    entries.map(|entry| entry.path().display().to_string()).collect()
}
