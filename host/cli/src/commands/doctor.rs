//! `cofferdam doctor`: what this host can enforce, asked of a cell that was started for it.

use serde_json::json;

use crate::error::{Failed, Result};
use crate::exit::Exit;
use crate::instance;
use crate::output::{GREEN, Output, YELLOW};

pub(crate) async fn run(output: Output) -> Result<()> {
    let (engine, wall) = cofferdam_worker::cell(&instance::cell_command()?)
        .await
        .map_err(|failure| Failed::new(Exit::Internal, format!("failed to start a cell: {failure}")))?;
    if output.json {
        let wall = json!({ "landlock": wall.landlock, "seccomp": wall.seccomp });
        return output.document("cofferdam.doctor/v1", json!({ "engine": engine, "wall": wall }));
    }
    let parts = [
        ("landlock", wall.landlock, "files, TCP, and signals and abstract sockets of others"),
        ("seccomp", wall.seccomp, "system calls that a cell does not need"),
    ];
    let lines = parts.map(|(name, stands, what)| {
        let (colour, word) = if stands { (GREEN, "refuses") } else { (YELLOW, "does not refuse") };
        format!("{name:<10}{colour}{word}{colour:#} {what}")
    });
    output.answer(&lines.join("\n"))?;
    if !wall.is_whole() {
        output.say("code that breaks out of the engine has here what this host does not refuse: run only libraries that you trust");
    }
    Ok(())
}
