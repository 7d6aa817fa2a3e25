//! From what a guest returned to outputs that may be committed: declared, complete, within the limits.

use std::collections::BTreeSet;

use cofferdam_model::{Failure, FailureKind, INLINE_BYTES_MAX, Limits, Name, PlanOutput};

use crate::bindings::types;
use crate::metadata::Metadata;
use crate::state::State;
use crate::text::{cut, human_bytes};
use crate::{Completion, Emitted, EmittedContent};

/// Bytes of all inline outputs of an attempt: they are kept in one commit.
const INLINE_SUM_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a guest's word that are repeated in an error.
const QUOTE_BYTES_MAX: usize = 100;

/// Checks a completion and moves what is large to the store.
pub(crate) fn accept(
    state: &mut State,
    declared: &[PlanOutput],
    limits: &Limits,
    completion: types::Completion,
) -> Result<Completion, Failure> {
    if completion.outputs.len() as u64 > u64::from(limits.outputs_max) {
        let found = completion.outputs.len();
        let message = format!("returned {found} outputs, at most {} are allowed", limits.outputs_max);
        return Err(Failure::new(FailureKind::OutputLimit, message));
    }
    let mut acceptance = Acceptance { declared, seen: BTreeSet::new(), inline_bytes: 0 };
    let mut outputs = Vec::with_capacity(completion.outputs.len());
    for output in completion.outputs {
        outputs.push(acceptance.output(state, output)?);
    }
    acceptance.check_missing()?;
    Ok(Completion { outputs, metadata: state.metadata_taken() })
}

struct Acceptance<'a> {
    declared: &'a [PlanOutput],
    seen: BTreeSet<(Name, Option<Name>)>,
    inline_bytes: usize,
}

fn broken(message: String) -> Failure {
    Failure::new(FailureKind::OutputSpec, message)
}

fn quote(text: &str) -> String {
    format!("`{}`", cut(text.to_owned(), QUOTE_BYTES_MAX).escape_debug())
}

impl<'a> Acceptance<'a> {
    fn output(&mut self, state: &mut State, output: types::Output) -> Result<Emitted, Failure> {
        let spec = self.declaration(&output.name)?;
        let key = key(spec, output.key.as_deref())?;
        if !self.seen.insert((spec.name.clone(), key.clone())) {
            let twice = match &key {
                Some(key) => format!("the key `{key}` of output `{}`", spec.name),
                None => format!("output `{}`", spec.name),
            };
            return Err(broken(format!("returned {twice} twice")));
        }
        let media_type = media_type(spec, output.value.media_type)?;
        let content = self.content(state, spec, output.value.content)?;
        let mut metadata = Metadata::default();
        metadata.add(output.metadata);
        Ok(Emitted { name: spec.name.clone(), key, media_type, content, metadata: metadata.into_entries() })
    }

    fn declaration(&self, name: &str) -> Result<&'a PlanOutput, Failure> {
        let found = Name::new(name).ok().and_then(|name| self.declared.iter().find(|spec| spec.name == name));
        found.ok_or_else(|| {
            let names: Vec<String> = self.declared.iter().map(|spec| format!("`{}`", spec.name)).collect();
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            broken(format!(
                "returned an output {} that the op does not declare; it declares {known}",
                quote(name)
            ))
        })
    }

    fn content(
        &mut self,
        state: &mut State,
        spec: &PlanOutput,
        content: types::Content,
    ) -> Result<EmittedContent, Failure> {
        match content {
            types::Content::Stored(writer) => {
                // Taken away, so that no two outputs share one stored value.
                if state.finished.remove(&writer).is_none() {
                    return Err(broken(format!(
                        "output `{}` names the stored value {writer}, which no writer of this attempt finished \
                         or which another output has already named",
                        spec.name
                    )));
                }
                Ok(EmittedContent::Stored { writer })
            }
            types::Content::Bytes(bytes) => {
                if !state.count_output(bytes.len()) {
                    let max = human_bytes(state.output_bytes_max);
                    let message = format!("returned more than {max} of outputs");
                    return Err(Failure::new(FailureKind::OutputLimit, message));
                }
                let sum = self.inline_bytes + bytes.len();
                if bytes.len() <= INLINE_BYTES_MAX && sum <= INLINE_SUM_BYTES_MAX {
                    self.inline_bytes = sum;
                    return Ok(EmittedContent::Bytes(bytes));
                }
                let stored = state.store(&bytes);
                stored.map(|writer| EmittedContent::Stored { writer }).map_err(|error| {
                    Failure::new(error.kind(), format!("output `{}` cannot be stored", spec.name))
                        .because(error)
                })
            }
        }
    }

    fn check_missing(&self) -> Result<(), Failure> {
        let missing = self
            .declared
            .iter()
            .find(|spec| spec.required && !spec.dynamic && !self.seen.contains(&(spec.name.clone(), None)));
        match missing {
            Some(spec) => Err(broken(format!("did not return its required output `{}`", spec.name))),
            None => Ok(()),
        }
    }
}

fn key(spec: &PlanOutput, key: Option<&str>) -> Result<Option<Name>, Failure> {
    match (spec.dynamic, key) {
        (false, None) => Ok(None),
        (false, Some(key)) => {
            Err(broken(format!("gave output `{}` the key {}, but it is not dynamic", spec.name, quote(key))))
        }
        (true, None) => Err(broken(format!("gave no key to a value of the dynamic output `{}`", spec.name))),
        (true, Some(key)) => {
            let checked = Name::key(key).map_err(|error| {
                broken(format!("gave the dynamic output `{}` the key {}", spec.name, quote(key)))
                    .because(error)
            })?;
            Ok(Some(checked))
        }
    }
}

/// A value must be of the declared type; `*/*` and `text/*` leave the choice to the guest.
fn media_type(spec: &PlanOutput, found: String) -> Result<String, Failure> {
    let wanted = spec.media_type.as_str();
    let fits = match wanted.strip_suffix("/*") {
        Some("*") => is_media_type(&found),
        Some(group) => is_media_type(&found) && found.split('/').next() == Some(group),
        None => wanted == found,
    };
    if fits {
        return Ok(found);
    }
    Err(broken(format!("output `{}` is of the type {}, declared is `{wanted}`", spec.name, quote(&found))))
}

/// `type/subtype`, lower case, without parameters, of a sane length.
pub(crate) fn is_media_type(text: &str) -> bool {
    let part = |part: &str| {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$&^_.+-".contains(&b);
        !part.is_empty() && part.bytes().all(legal)
    };
    text.len() <= 255 && text.split_once('/').is_some_and(|(kind, subtype)| part(kind) && part(subtype))
}
