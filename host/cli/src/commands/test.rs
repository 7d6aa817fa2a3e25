//! `cofferdam test`: the tests that the authors of libraries wrote, and then those of the project, in sandboxes.

mod difference;
mod judge;
pub(crate) mod project;

use cofferdam_model::LibrarySource;
use serde_json::json;

use crate::args;
use crate::args::Global;
use crate::error::{Failed, Result};
use crate::libraries;
use crate::output::Output;
use crate::project::Project;
use crate::text::count;

pub(crate) async fn run(args: &args::Test, global: &Global, output: Output) -> Result<()> {
    let project = Project::open(global, output)?;
    project.state.create()?;
    let chosen = libraries::chosen(&project, &args.libraries)?;
    let mut tested = vec![];
    for (name, library) in &chosen {
        if let LibrarySource::Source { language, folder } = &library.source.value {
            libraries::test(&project, name, *language, folder, output)?;
            tested.push(*name);
        }
    }
    let definitions = &project.definitions;
    let is_chosen = |test: &_| chosen.iter().any(|(name, _)| project::is_about(definitions, test, name));
    let tests = definitions.tests.iter().filter(|(_, test)| is_chosen(test));
    let tests = tests.map(|(name, test)| (name.clone(), test.clone())).collect();
    refuse_untested(&project, args, &tests)?;
    let tested: Vec<_> = tested.into_iter().cloned().collect();
    let n_tests = tests.len();
    if n_tests > 0 {
        project::run(project, tests.clone(), output).await?;
    }
    if output.json {
        let names: Vec<_> = tests.keys().collect();
        return output.document("cofferdam.test/v1", json!({ "libraries": tested, "tests": names }));
    }
    let names: Vec<&str> = tested.iter().map(|name| name.as_str()).collect();
    let own = (n_tests > 0).then(|| count(n_tests, "test") + " of the project");
    let parts: Vec<String> = names.into_iter().map(str::to_owned).chain(own).collect();
    output.answer(&format!("tests pass: {}", parts.join(", ")))
}

/// A library that was named and has no test of any kind.
fn refuse_untested(project: &Project, args: &args::Test, tests: &project::Tests) -> Result<()> {
    for asked in &args.libraries {
        let library = project.definitions.libraries.iter().find(|(name, _)| name.as_str() == asked);
        let Some((name, library)) = library else { continue };
        let is_component = !matches!(library.source.value, LibrarySource::Source { .. });
        let definitions = &project.definitions;
        if is_component && !tests.values().any(|test| project::is_about(definitions, test, name)) {
            let message = format!("library `{name}` is a component, and no test of the project is about it");
            let hint = format!("add [tests.NAME] with `op = \"{name}.OP\"`, or test it where it was built");
            return Err(Failed::usage(message).hint(hint));
        }
    }
    Ok(())
}
