//! Inputs whose values are known when the plan is made: literals and files, each against its input's schema and
//! media type.

use cofferdam_model::{
    CBOR, Diagnostic, DocumentForm, INLINE_BYTES_MAX, InputSpec, KeyedValue, Node, NodeKind, OCTET_STREAM,
    Spanned, ValueRef,
};
use serde_json::Value;

use crate::encode_cbor;
use crate::files::{bad_path, is_list};
use crate::inputs::Feed;
use crate::job::Job;
use crate::run_config::Apart;

impl<'a> Job<'a> {
    /// A literal. For an input that takes many, a list gives one value per item.
    pub(crate) fn literal(&mut self, step: &str, spec: &'a InputSpec, node: &Node) -> Option<Feed<'a>> {
        let what = format!("ops.{step}.inputs.{}", spec.name);
        if spec.many && is_list(node) {
            let NodeKind::List(items) = &node.kind else { return None };
            let values: Vec<Option<ValueRef>> =
                items.iter().map(|item| self.literal_value(&what, spec, item)).collect();
            let values = values.into_iter().collect::<Option<Vec<_>>>()?;
            return Some(Feed::Values(
                values.into_iter().map(|value| KeyedValue { key: None, value }).collect(),
            ));
        }
        let value = self.literal_value(&what, spec, node)?;
        if spec.many {
            return Some(Feed::Values(vec![KeyedValue { key: None, value }]));
        }
        Some(Feed::Value(value))
    }

    fn literal_value(&mut self, what: &str, spec: &'a InputSpec, node: &Node) -> Option<ValueRef> {
        let port = (&spec.schema, spec.media_type.as_str());
        literal_value(&mut self.apart, port, what, node, &mut self.problems)
    }

    pub(crate) fn files(
        &mut self,
        spec: &InputSpec,
        step: &str,
        path: &Spanned<String>,
        many: bool,
    ) -> Option<Feed<'a>> {
        if let Some(problem) = bad_path(&path.value, path.span.as_ref()) {
            self.problems.push(problem);
            return None;
        }
        let found = self.world?.files.values.get(&(path.value.clone(), many)).cloned().unwrap_or_default();
        if found.is_empty() {
            let message = if many {
                format!("no file matches `{}`", path.value)
            } else {
                format!("there is no file `{}`", path.value)
            };
            self.problems.push(no_file(message, path, step, spec));
            return None;
        }
        let values = self.of_media(spec, step, ("the file", path), found)?;
        if spec.many {
            return Some(Feed::Values(values));
        }
        values.into_iter().next().map(|keyed| Feed::Value(keyed.value))
    }

    /// A literal that a file holds.
    pub(crate) fn document(
        &mut self,
        spec: &'a InputSpec,
        step: &str,
        form: DocumentForm,
        path: &Spanned<String>,
    ) -> Option<Feed<'a>> {
        if let Some(problem) = bad_path(&path.value, path.span.as_ref()) {
            self.problems.push(problem);
            return None;
        }
        match self.world?.files.documents.get(&(path.value.clone(), form)) {
            Some(Ok(value)) => {
                let node = Node::of_json(value, path.span.as_ref());
                self.literal(step, spec, &node)
            }
            Some(Err(why)) => {
                let form = match form {
                    DocumentForm::Json => "JSON",
                    DocumentForm::Cbor => "CBOR",
                };
                let message = format!("`{}` cannot be read as {form}: {why}", path.value);
                self.problems.push(
                    Diagnostic::error("plan::bad-document", message)
                        .at(path.span.as_ref(), format!("input `{}` of step `{step}`", spec.name))
                        .hint("`{file: PATH}` gives the bytes of a file as they are"),
                );
                None
            }
            None => {
                let message = format!("there is no file `{}`", path.value);
                self.problems.push(no_file(message, path, step, spec));
                None
            }
        }
    }

    /// A value that a run has made.
    pub(crate) fn blob(
        &mut self,
        spec: &'a InputSpec,
        step: &str,
        digest: &Spanned<String>,
    ) -> Option<Feed<'a>> {
        let Some(found) = self.world?.files.blobs.get(&digest.value).cloned() else {
            self.problems.push(
                Diagnostic::error("plan::no-blob", format!("no run has made a value `{}`", digest.value))
                    .at(digest.span.as_ref(), format!("input `{}` of step `{step}`", spec.name))
                    .hint("`cofferdam value show RUN STEP` prints a value with its digest, `blake3:…`"),
            );
            return None;
        };
        if let Some(content) = &found.content {
            let what = format!("ops.{step}.inputs.{}", spec.name);
            let node = Node::of_json(content, digest.span.as_ref());
            let (_, problems) = self.apart.literal(&spec.schema, &node, &what);
            if !problems.is_empty() {
                self.problems.extend(problems);
                return None;
            }
        }
        let values = vec![KeyedValue { key: None, value: found.value }];
        let values = self.of_media(spec, step, ("the value", digest), values)?;
        if spec.many {
            return Some(Feed::Values(values));
        }
        values.into_iter().next().map(|keyed| Feed::Value(keyed.value))
    }

    /// Values of the media type that an input takes.
    fn of_media(
        &mut self,
        spec: &InputSpec,
        step: &str,
        (what, from): (&str, &Spanned<String>),
        mut values: Vec<KeyedValue>,
    ) -> Option<Vec<KeyedValue>> {
        for keyed in &mut values {
            let given = keyed.value.media_type.clone();
            let wanted = spec.media_type.as_str();
            if wanted == "*/*" || wanted == given || wanted == OCTET_STREAM {
                continue;
            }
            // Bytes that nobody described are taken for what the input needs, except for structured values.
            if given == OCTET_STREAM && wanted != CBOR {
                wanted.clone_into(&mut keyed.value.media_type);
                continue;
            }
            self.problems.push(
                Diagnostic::error(
                    "plan::media-type-mismatch",
                    format!("input `{step}.{}` takes {wanted}, {what} has {given}", spec.name),
                )
                .at(from.span.as_ref(), "media types differ")
                .hint("read the input as bytes (`Reader` in Rust), or give a literal with `{ value = … }`"),
            );
            return None;
        }
        Some(values)
    }
}

/// The value that a literal is, for a port of that schema and media type.
pub(crate) fn literal_value(
    apart: &mut Apart,
    (schema, media_type): (&Value, &str),
    what: &str,
    node: &Node,
    problems: &mut Vec<Diagnostic>,
) -> Option<ValueRef> {
    let (json, found) = apart.literal(schema, node, what);
    let failed = !found.is_empty();
    problems.extend(found);
    let (media_type, bytes) = match (&json, media_type) {
        (_, "*/*" | CBOR) => (CBOR, encode_cbor(&json)),
        (_, media @ "application/json") => (media, json.to_string().into_bytes()),
        (Value::String(text), media) if media.starts_with("text/") => (media, text.clone().into_bytes()),
        (_, media) => {
            problems.push(
                Diagnostic::error(
                    "plan::bad-literal",
                    format!("`{what}` takes {media}, which no literal can give"),
                )
                .at(node.span.as_ref(), "a literal")
                .hint("give a file, as in `{ file = \"data/input\" }`"),
            );
            return None;
        }
    };
    if bytes.len() > INLINE_BYTES_MAX {
        problems.push(
            Diagnostic::error(
                "plan::literal-too-large",
                format!("`{what}` has {} bytes, a literal has at most {INLINE_BYTES_MAX}", bytes.len()),
            )
            .at(node.span.as_ref(), "too large")
            .hint("put it into a file and write `{ file = \"PATH\" }`"),
        );
        return None;
    }
    (!failed).then(|| ValueRef::inline(media_type, bytes))
}

fn no_file(message: String, path: &Spanned<String>, step: &str, spec: &InputSpec) -> Diagnostic {
    Diagnostic::error("plan::no-file", message)
        .at(path.span.as_ref(), format!("input `{}` of step `{step}`", spec.name))
        .hint("paths are relative to the folder of `cofferdam.toml`")
}
