//! Runs a job, and runs it again each time something of the project is saved.

use std::path::PathBuf;

use crate::args;
use crate::args::Global;
use crate::commands::run;
use crate::draft::Force;
use crate::error::Result;
use crate::exit::Exit;
use crate::interrupts::Interrupts;
use crate::locations::saves::{Saves, sources};
use crate::output::{DIM, Output};
use crate::project::{StateDir, project_root, shown};

pub(crate) async fn run(args: &args::Run, global: &Global, output: Output) -> Result<Exit> {
    // A round replaces what the one before it wrote.
    let export = args::Export { force: Force { force: true }, ..args.export.clone() };
    let args = &args::Run { export, ..args.clone() };
    let root = project_root(global)?;
    let mut written: Vec<PathBuf> = vec![StateDir::find(global)?.folder().to_path_buf()];
    written.extend(args.export.dir.clone());
    let mut saves = Saves::new(written)?;
    let mut interrupts = Interrupts::listen()?;
    loop {
        // What is saved while the job runs is seen too: first look, then run.
        saves.watch(&root)?;
        for folder in sources(global, output) {
            saves.watch(&folder)?;
        }
        match run::run(args, global, output).await {
            Ok(Exit::RunCancelled) => return Ok(Exit::RunCancelled),
            Ok(_) => {}
            Err(failed) => output.failure(&failed),
        }
        output
            .say(&format!("{DIM}runs again when something in {} is saved; Ctrl-C ends{DIM:#}", shown(&root)));
        tokio::select! {
            () = saves.next() => {}
            _ = interrupts.next() => return Ok(Exit::Ok),
        }
    }
}
