//! `cofferdam library inspect`: what a component is, what it may reach, which ops it has.

use std::path::{Path, PathBuf};

use cofferdam_model::{LibraryDigest, LibrarySpec, Name, OpSpec};
use serde_json::{Value, json};

use crate::args::Global;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::instance;
use crate::libraries;
use crate::output::{DIM, GREEN, Output, printable};
use crate::project::{Project, StateDir};
use crate::text::size;

/// What is known of one library.
struct Inspected {
    digest: LibraryDigest,
    bytes: Vec<u8>,
    imports: Vec<String>,
    spec: LibrarySpec,
}

/// What a library says of itself; it is named as for `inspect`.
pub(crate) async fn describe(library: &str, global: &Global, output: Output) -> Result<LibrarySpec> {
    let (path, place) = locate(library, global, output).await?;
    Ok(look(&path, &place).await?.spec)
}

pub(crate) async fn inspect(library: &str, global: &Global, output: Output) -> Result<()> {
    let (path, place) = locate(library, global, output).await?;
    let inspected = look(&path, &place).await?;
    if output.json {
        return output.document("cofferdam.library/v1", document(&inspected));
    }
    output.answer(&text(&inspected))
}

/// A component that may be a library.
pub(crate) struct Component {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: LibraryDigest,
    pub(crate) admitted: cofferdam_sandbox::Admitted,
}

/// The component of a library, which is not run; it is named as for `inspect`.
pub(crate) async fn component(library: &str, global: &Global, output: Output) -> Result<Component> {
    let (path, _place) = locate(library, global, output).await?;
    let bytes = std::fs::read(&path).doing(Exit::Invalid, format!("read {}", path.display()))?;
    let admitted = cofferdam_sandbox::admit(&bytes).map_err(|refusal| {
        Failed::invalid(format!("{} is not a library", path.display())).because(&refusal)
    })?;
    Ok(Component { digest: cofferdam_depot::digest(&bytes), bytes, admitted })
}

/// A file if there is one of that name, else a library of the project.
async fn locate(library: &str, global: &Global, output: Output) -> Result<(PathBuf, Place)> {
    let path = PathBuf::from(library);
    if path.is_file() {
        return Ok((path, Place::temporary()?));
    }
    let unknown = || {
        Failed::usage(format!("`{library}` is neither a file nor a library of the project"))
            .hint("give the path of a component, or a name from [libraries] in cofferdam.toml")
    };
    let name = Name::new(library).map_err(|_| unknown())?;
    let project = Project::open(global, output).map_err(|failed| match failed.exit {
        Exit::Usage => unknown(),
        _ => failed,
    })?;
    let definition = project.definitions.libraries.get(&name).ok_or_else(unknown)?;
    project.state.create()?;
    let depot = instance::depot(&project.state)?;
    let ready = libraries::prepare(&project, &depot, &name, definition, false, output).await?;
    Ok((ready.component, Place { state: project.state.clone(), _temporary: None }))
}

/// Where the library is compiled to be asked: the project's state, or a folder that goes away.
struct Place {
    state: StateDir,
    _temporary: Option<tempfile::TempDir>,
}

impl Place {
    fn temporary() -> Result<Place> {
        let folder = tempfile::tempdir().doing(Exit::Internal, "make a temporary folder")?;
        Ok(Place { state: StateDir::at(folder.path()), _temporary: Some(folder) })
    }
}

async fn look(path: &Path, place: &Place) -> Result<Inspected> {
    let bytes = std::fs::read(path).doing(Exit::Invalid, format!("read {}", path.display()))?;
    let refused = |error: &dyn std::error::Error| {
        Failed::invalid(format!("{} is not a library", path.display())).because(error)
    };
    let admitted = cofferdam_sandbox::admit(&bytes).map_err(|refusal| refused(&refusal))?;
    place.state.create()?;
    let depot = instance::depot(&place.state)?;
    let digest =
        depot.put(bytes.clone().into()).await.doing(Exit::Unreachable, "put the library into the depot")?;
    let spec = instance::describe(&place.state, &depot, &digest).await.map_err(|failure| Failed {
        causes: failure.causes,
        ..Failed::invalid(format!("{}: {}", path.display(), failure.message))
    })?;
    Ok(Inspected { digest, bytes, imports: admitted.imports, spec })
}

fn document(inspected: &Inspected) -> Value {
    json!({
        "digest": inspected.digest,
        "bytes": inspected.bytes.len(),
        "imports": inspected.imports,
        "library": inspected.spec,
    })
}

fn text(inspected: &Inspected) -> String {
    let Inspected { digest, bytes, imports, spec } = inspected;
    let mut lines = vec![
        format!("{GREEN}{} {}{GREEN:#}", printable(&spec.name), printable(&spec.version)),
        format!("  digest   {digest}"),
        format!("  size     {}", size(bytes.len() as u64)),
        format!("  imports  {}", if imports.is_empty() { "nothing".to_owned() } else { imports.join(", ") }),
    ];
    for op in &spec.ops {
        lines.push(String::new());
        lines.extend(op_lines(op));
    }
    lines.join("\n")
}

fn op_lines(op: &OpSpec) -> Vec<String> {
    let mut lines = vec![format!("{GREEN}{}{GREEN:#}", op.name)];
    lines.extend(op.doc.lines().next().map(|summary| format!("  {}", printable(summary))));
    for input in &op.inputs {
        let many = if input.many { "many " } else { "" };
        let optional = if input.required { "" } else { ", optional" };
        let kind = kind(&input.media_type, &input.schema);
        lines.push(format!("  in   {}: {many}{kind}{optional}{}", input.name, doc(&input.doc)));
    }
    for output in &op.outputs {
        let how = match (output.dynamic, output.required) {
            (true, _) => "dynamic ",
            (false, false) => "optional ",
            (false, true) => "",
        };
        lines.push(format!(
            "  out  {}: {how}{}{}",
            output.name,
            kind(&output.media_type, &output.schema),
            doc(&output.doc)
        ));
    }
    if let Some(schema) = &op.config_schema {
        lines.extend(config_lines(schema));
    }
    lines
}

fn doc(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    if first.is_empty() { String::new() } else { format!("  {DIM}{}{DIM:#}", printable(first)) }
}

/// The type in a few words: of structured values what the schema says, else the media type.
fn kind(media_type: &str, schema: &Value) -> String {
    match schema.get("title").and_then(Value::as_str) {
        _ if media_type != cofferdam_model::CBOR => printable(media_type),
        Some(title) => printable(title),
        None => printable(&cofferdam_plan::in_words(schema, schema)),
    }
}

fn config_lines(schema: &Value) -> Vec<String> {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    properties
        .map(|(name, property)| {
            let default = match property.get("default") {
                Some(default) => format!(" = {default}"),
                None if required.contains(&name.as_str()) => ", required".to_owned(),
                None => ", optional".to_owned(),
            };
            let text = property.get("description").and_then(Value::as_str).unwrap_or_default();
            let kind = printable(&cofferdam_plan::in_words(schema, property));
            format!("  conf {}: {kind}{}{}", printable(name), printable(&default), doc(text))
        })
        .collect()
}
