//! `cofferdam test`: the tests that the authors of libraries wrote.

use cofferdam_model::LibrarySource;
use serde_json::json;

use crate::args;
use crate::args::Global;
use crate::error::{Failed, Result};
use crate::libraries;
use crate::output::Output;
use crate::project::Project;

pub(crate) fn run(args: &args::Test, global: &Global, output: Output) -> Result<()> {
    let project = Project::open(global, output)?;
    project.state.create()?;
    let mut tested = vec![];
    for (name, library) in libraries::chosen(&project, &args.libraries)? {
        match &library.source.value {
            LibrarySource::Source { language, folder } => {
                libraries::test(&project, name, *language, folder, output)?;
                tested.push(name);
            }
            LibrarySource::Wasm(_) if args.libraries.is_empty() => {}
            LibrarySource::Wasm(_) => {
                return Err(Failed::usage(format!(
                    "library `{name}` is a component, and has no source to test"
                ))
                .hint("its tests are where it was built"));
            }
        }
    }
    if output.json {
        return output.document("cofferdam.test/v1", json!({ "libraries": tested }));
    }
    let names: Vec<&str> = tested.iter().map(|name| name.as_str()).collect();
    output.answer(&format!("tests pass: {}", names.join(", ")))
}
