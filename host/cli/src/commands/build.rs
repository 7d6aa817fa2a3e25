//! `cofferdam build`: libraries into components.

use cofferdam_model::{Language, LibrarySource};
use serde_json::json;

use crate::args;
use crate::args::Global;
use crate::error::Result;
use crate::instance;
use crate::libraries;
use crate::output::{GREEN, Output};
use crate::prepare::describe;
use crate::project::{Project, shown};
use crate::text::size;

pub(crate) async fn run(args: &args::Build, global: &Global, output: Output) -> Result<()> {
    let project = Project::open(global, output)?;
    let chosen = libraries::chosen(&project, &args.libraries)?;
    project.state.create()?;
    let depot = instance::depot(&project.state)?;
    let mut built = vec![];
    for (name, library) in chosen {
        let ready = libraries::prepare(&project, &depot, name, library, true, output).await?;
        // The other languages' builders look at the ops themselves.
        if let LibrarySource::Source { language: Language::C | Language::Go, .. } = &library.source.value {
            describe(&project, &depot, name, ready.digest).await?;
        }
        let bytes = std::fs::metadata(&ready.component).map_or(0, |metadata| metadata.len());
        built.push((ready, bytes));
    }
    if output.json {
        let libraries: Vec<_> = built
            .iter()
            .map(|(ready, bytes)| {
                json!({ "name": ready.name, "digest": ready.digest, "bytes": bytes, "component": ready.component })
            })
            .collect();
        return output.document("cofferdam.build/v1", json!({ "libraries": libraries }));
    }
    let lines: Vec<String> = built
        .iter()
        .map(|(ready, bytes)| {
            let libraries::Ready { name, digest, component, .. } = ready;
            format!("{GREEN}{name}{GREEN:#}  {digest}  {}  {}", size(*bytes), shown(component))
        })
        .collect();
    output.answer(&lines.join("\n"))
}
