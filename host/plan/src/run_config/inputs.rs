//! What a run config gives for inputs: a literal, files, or a value that is there already. Whether the values fit is checked where they are read.

use std::collections::BTreeMap;

use cofferdam_model::{Diagnostic, DocumentForm, Name, Node, NodeKind, SourceDef, Spanned};

use super::document::entries;
use super::tree::GivenInput;
use super::{Places, Problems};

/// The inputs of the `inputs` tables of all documents, a later one in place of an earlier.
pub(super) fn read_inputs(
    nodes: &[&Node],
    place: &[String],
    of_job: bool,
    problems: &mut Problems,
) -> BTreeMap<Name, GivenInput> {
    let mut given = BTreeMap::new();
    let mut place = if of_job { vec![] } else { place.to_vec() };
    place.push("inputs".to_owned());
    let places = Places(&place);
    for node in nodes {
        for (key, node) in entries(node, &format!("`{}`", places.dotted(&[])), problems) {
            match Name::new(&key.value) {
                Ok(name) => {
                    if let Some(source) = read_input(places, &name, node, problems) {
                        let source = Spanned::new(source, node.span.clone());
                        given.insert(name, GivenInput { span: key.span.clone(), source });
                    }
                }
                Err(error) => problems.list.push(
                    Diagnostic::error("plan::unknown-input", format!("`{}` cannot name an input", key.value))
                        .at(key.span.as_ref(), error.to_string()),
                ),
            }
        }
    }
    given
}

fn read_input(places: Places<'_>, input: &Name, node: &Node, problems: &mut Problems) -> Option<SourceDef> {
    let NodeKind::Map(entries) = &node.kind else {
        return Some(SourceDef::Value(node.clone()));
    };
    let text = |node: &Node| match &node.kind {
        NodeKind::Text(text) => Some(Spanned::new(text.clone(), node.span.clone())),
        _ => None,
    };
    let path = |node: &Node| match &node.kind {
        NodeKind::Map(entries) if entries.len() == 1 => text(node.get("path")?),
        _ => None,
    };
    let source = match entries.as_slice() {
        [(key, value)] => match key.value.as_str() {
            "value" => Some(SourceDef::Value(value.clone())),
            "file" => text(value).map(SourceDef::File),
            "files" => text(value).map(SourceDef::Files),
            "blob" => text(value).map(SourceDef::Blob),
            "json" => path(value).map(|path| SourceDef::Document(DocumentForm::Json, path)),
            "cbor" => path(value).map(|path| SourceDef::Document(DocumentForm::Cbor, path)),
            _ => None,
        },
        _ => None,
    };
    if source.is_none() {
        let what = places.dotted(&[input.to_string()]);
        problems.list.push(
            Diagnostic::error("plan::bad-run-config", format!("`{what}` is no source"))
                .at(
                    node.span.as_ref(),
                    "expected `{value: …}`, `{file: PATH}`, `{files: PATTERN}`, `{json: {path: PATH}}`, \
                     `{cbor: {path: PATH}}` or `{blob: DIGEST}`",
                )
                .hint(format!("write a table as `{input}: {{value: {{…}}}}`")),
        );
    }
    source
}
