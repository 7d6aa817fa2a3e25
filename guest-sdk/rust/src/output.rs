//! What an op may return, and how it becomes the outputs of its completion.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cbor::{self, EncodeError};
use crate::context::Context;
use crate::contract::{CBOR, Content, OCTET_STREAM, Output as Emitted, OutputSpec, Value};
use crate::error::{Error, Result};
use crate::host::ValueError;
use crate::input::Bytes;
use crate::metadata::MetadataValue;
use crate::schema;
use crate::writer::{self, Stored, Writer};

/// The name of the output of an op that returns one value.
#[doc(hidden)]
pub const RESULT: &str = "result";
/// Longest mapping key, in bytes.
const KEY_BYTES_MAX: usize = 128;

/// A type that can be the value of an output: everything that is `Serialize` and `JsonSchema`, [`Bytes`],
/// [`Stored`], and `Table` with the feature `arrow`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an output of an op",
    label = "not an output type",
    note = "a structured output derives `serde::Serialize` and `schemars::JsonSchema`",
    note = "several outputs are a struct with `#[derive(Outputs)]`; bytes are `Bytes` or `Stored`"
)]
pub trait OutputType: Sized {
    /// Its media type, unless the output says otherwise.
    #[doc(hidden)]
    const MEDIA_TYPE: &'static str;
    /// JSON Schema of a value.
    #[doc(hidden)]
    fn schema() -> String;
    /// Facts about this value, to be shown with it.
    #[doc(hidden)]
    fn metadata(&mut self) -> Vec<(String, MetadataValue)> {
        vec![]
    }
    /// Hands the bytes over.
    #[doc(hidden)]
    fn write(self, ctx: &Context) -> Result<Content, EncodeFailure>;
}

/// Why a value could not become an output.
#[doc(hidden)]
#[derive(Debug)]
pub struct EncodeFailure(EncodeError);

impl From<EncodeError> for EncodeFailure {
    fn from(error: EncodeError) -> EncodeFailure {
        EncodeFailure(error)
    }
}

impl From<std::io::Error> for EncodeFailure {
    fn from(error: std::io::Error) -> EncodeFailure {
        EncodeFailure(EncodeError::Io(error))
    }
}

impl EncodeFailure {
    #[cfg(feature = "arrow")]
    pub(crate) fn value(message: String) -> EncodeFailure {
        EncodeFailure(EncodeError::Value(message))
    }

    fn into_error(self, output: &str, op: &str) -> Error {
        let permanent = match &self.0 {
            EncodeError::Value(_) => true,
            EncodeError::Io(error) => ValueError::of(error).is_some_and(ValueError::is_permanent),
        };
        let message = format!("output `{output}` of op `{op}` cannot be written: {}", self.0);
        match permanent {
            true => Error::permanent(message),
            false => Error::new(message),
        }
    }
}

impl<T: Serialize + JsonSchema> OutputType for T {
    const MEDIA_TYPE: &'static str = CBOR;

    fn schema() -> String {
        schema::of_output::<T>()
    }

    fn write(self, ctx: &Context) -> Result<Content, EncodeFailure> {
        let mut writer = Writer::new(ctx.host.clone());
        cbor::to_writer(&self, &mut writer)?;
        Ok(writer.finish()?.0)
    }
}

/// Output types whose bytes mean what the author says: they take `#[output(media_type = "..")]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has a media type of its own",
    label = "takes no `media_type`",
    note = "`media_type` is for `Bytes` and `Stored`"
)]
pub trait RawOutput {}
impl RawOutput for Bytes {}
impl RawOutput for Stored {}
impl<T: RawOutput> RawOutput for Option<T> {}
impl<T: RawOutput> RawOutput for Dynamic<T> {}
impl<T: RawOutput> RawOutput for WithMetadata<T> {}

impl OutputType for Bytes {
    const MEDIA_TYPE: &'static str = OCTET_STREAM;

    fn schema() -> String {
        "true".to_owned()
    }

    fn write(self, ctx: &Context) -> Result<Content, EncodeFailure> {
        Ok(writer::content_of(self.0, &ctx.host)?)
    }
}

impl OutputType for Stored {
    const MEDIA_TYPE: &'static str = OCTET_STREAM;

    fn schema() -> String {
        "true".to_owned()
    }

    fn write(self, _: &Context) -> Result<Content, EncodeFailure> {
        Ok(self.0)
    }
}

/// A value with facts that are shown with it, as an output or as one value of a [`Dynamic`].
///
/// ```
/// use cofferdam_op::{WithMetadata, op};
///
/// #[op]
/// fn count(text: String) -> WithMetadata<Vec<String>> {
///     let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
///     let n = words.len();
///     WithMetadata::new(words).with("words", n)
/// }
/// assert_eq!(count("to be".to_owned()).value, ["to", "be"]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct WithMetadata<T> {
    /// The value itself.
    pub value: T,
    /// The facts, by name.
    pub metadata: Vec<(String, MetadataValue)>,
}

impl<T> WithMetadata<T> {
    /// Without facts as yet.
    pub fn new(value: T) -> WithMetadata<T> {
        WithMetadata { value, metadata: vec![] }
    }

    /// Adds a fact.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, fact: impl Into<MetadataValue>) -> WithMetadata<T> {
        self.metadata.push((name.into(), fact.into()));
        self
    }
}

impl<T: OutputType> OutputType for WithMetadata<T> {
    const MEDIA_TYPE: &'static str = T::MEDIA_TYPE;

    fn schema() -> String {
        T::schema()
    }

    fn metadata(&mut self) -> Vec<(String, MetadataValue)> {
        let mut metadata = self.value.metadata();
        metadata.append(&mut self.metadata);
        metadata
    }

    fn write(self, ctx: &Context) -> Result<Content, EncodeFailure> {
        self.value.write(ctx)
    }
}

/// A dynamic output: any number of values, each under a key of its own. A step that maps over it runs once
/// per key, in this order.
#[derive(Debug, Clone, PartialEq)]
pub struct Dynamic<T>(Vec<(String, T)>);

impl<T> Dynamic<T> {
    /// Without values.
    pub fn new() -> Dynamic<T> {
        Dynamic(vec![])
    }

    /// Adds a value under a key of letters, digits and `_`. Fails, and adds nothing, if the key is not one
    /// or is there already.
    pub fn push(&mut self, key: impl Into<String>, value: T) -> Result<(), InvalidKey> {
        let key = key.into();
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(InvalidKey::Length { key });
        }
        if let Some(found) = key.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '_')) {
            return Err(InvalidKey::Character { key, found });
        }
        if self.0.iter().any(|(known, _)| *known == key) {
            return Err(InvalidKey::Double { key });
        }
        self.0.push((key, value));
        Ok(())
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is no value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keys and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }
}

impl<T> Default for Dynamic<T> {
    fn default() -> Dynamic<T> {
        Dynamic::new()
    }
}

/// Why a text cannot be the next key of a [`Dynamic`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum InvalidKey {
    Length { key: String },
    Character { key: String, found: char },
    Double { key: String },
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidKey::Length { key } => {
                write!(f, "a mapping key has 1 to {KEY_BYTES_MAX} bytes, this one has {}", key.len())
            }
            InvalidKey::Character { key, found } => {
                write!(f, "the mapping key `{key}` holds `{found}`; use letters, digits and `_`")
            }
            InvalidKey::Double { key } => write!(f, "the mapping key `{key}` is used twice"),
        }
    }
}

impl std::error::Error for InvalidKey {}

/// One output: an [`OutputType`], or [`Dynamic`] values of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an output of an op",
    label = "not an output type",
    note = "a structured output derives `serde::Serialize` and `schemars::JsonSchema`",
    note = "several outputs are a struct with `#[derive(Outputs)]`; bytes are `Bytes` or `Stored`"
)]
pub trait Output: Sized {
    #[doc(hidden)]
    fn spec(name: &str, doc: &str, media_type: Option<&str>, required: bool) -> OutputSpec;
    #[doc(hidden)]
    fn emit(self, name: &str, media_type: Option<&str>, emitter: &mut Emitter<'_>) -> Result<()>;
}

fn spec_of<T: OutputType>(
    name: &str,
    doc: &str,
    media_type: Option<&str>,
    required: bool,
    dynamic: bool,
) -> OutputSpec {
    OutputSpec {
        name: name.to_owned(),
        doc: doc.to_owned(),
        media_type: media_type.unwrap_or(T::MEDIA_TYPE).to_owned(),
        schema: T::schema(),
        required,
        dynamic,
    }
}

impl<T: OutputType> Output for T {
    fn spec(name: &str, doc: &str, media_type: Option<&str>, required: bool) -> OutputSpec {
        spec_of::<T>(name, doc, media_type, required, false)
    }

    fn emit(self, name: &str, media_type: Option<&str>, emitter: &mut Emitter<'_>) -> Result<()> {
        emitter.put(name, None, media_type, self)
    }
}

impl<T: OutputType> Output for Dynamic<T> {
    // No values at all are an empty list to who collects them; only an `Option` that is `None` skips it.
    fn spec(name: &str, doc: &str, media_type: Option<&str>, required: bool) -> OutputSpec {
        spec_of::<T>(name, doc, media_type, required, true)
    }

    fn emit(self, name: &str, media_type: Option<&str>, emitter: &mut Emitter<'_>) -> Result<()> {
        let mut values = self.0.into_iter();
        values.try_for_each(|(key, value)| emitter.put(name, Some(key), media_type, value))
    }
}

/// All that an op returns: one value, which is then the output `result`, or a struct with
/// `#[derive(Outputs)]`, each field of which is an output.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be what an op returns",
    label = "not an output type",
    note = "a structured output derives `serde::Serialize` and `schemars::JsonSchema`",
    note = "several outputs are a struct with `#[derive(Outputs)]`; bytes are `Bytes` or `Stored`"
)]
pub trait Outputs: Sized {
    #[doc(hidden)]
    fn specs() -> Vec<OutputSpec>;
    #[doc(hidden)]
    fn emit_all(self, emitter: &mut Emitter<'_>) -> Result<()>;
}

impl<T: Output> Outputs for T {
    fn specs() -> Vec<OutputSpec> {
        vec![T::spec(RESULT, "", None, true)]
    }

    fn emit_all(self, emitter: &mut Emitter<'_>) -> Result<()> {
        self.emit(RESULT, None, emitter)
    }
}

/// Collects the outputs of one attempt.
#[doc(hidden)]
pub struct Emitter<'a> {
    op: &'static str,
    ctx: &'a Context,
    outputs: Vec<Emitted>,
}

impl<'a> Emitter<'a> {
    pub fn new(op: &'static str, ctx: &'a Context) -> Emitter<'a> {
        Emitter { op, ctx, outputs: vec![] }
    }

    pub fn into_outputs(self) -> Vec<Emitted> {
        self.outputs
    }

    fn put<T: OutputType>(
        &mut self,
        name: &str,
        key: Option<String>,
        media_type: Option<&str>,
        mut value: T,
    ) -> Result<()> {
        let metadata = value.metadata();
        let written = value.write(self.ctx);
        let content = written.map_err(|error| error.into_error(name, self.op))?;
        let media_type = media_type.unwrap_or(T::MEDIA_TYPE).to_owned();
        let value = Value { media_type, content };
        self.outputs.push(Emitted { name: name.to_owned(), key, value, metadata });
        Ok(())
    }
}
