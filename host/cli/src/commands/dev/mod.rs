//! `cofferdam dev`: work on a project, and see at once what comes of it.

mod again;
mod pages;

use crate::args;
use crate::args::Global;
use crate::error::Result;
use crate::exit::Exit;
use crate::output::Output;

pub(crate) async fn run(args: &args::Dev, global: &Global, output: Output) -> Result<Exit> {
    match args.run.job.job {
        Some(_) => again::run(&args.run, global, output).await,
        None => pages::run(args, global, output).await,
    }
}
