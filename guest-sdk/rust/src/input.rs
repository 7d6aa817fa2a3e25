//! What the parameters of an op may be, and how each is made from what the host gives.

use std::fmt;
use std::ops::Deref;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::cbor;
use crate::context::Context;
use crate::contract::{ANY, CBOR, InputSpec, InputValue, Invocation, JSON, OCTET_STREAM, OpSpec, Value};
use crate::error::{Error, Result};
use crate::host::ValueError;
use crate::reader::Reader;
use crate::schema;

/// Bytes as they are. As an input it takes a value of any media type; as an output it is
/// `application/octet-stream`, or what `#[output(media_type = "..")]` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bytes(pub Vec<u8>);

/// A type that one input value can become: everything that is `Deserialize` and `JsonSchema`, [`Bytes`],
/// [`Reader`], and `Table` with the feature `arrow`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an input of an op",
    label = "not an input type",
    note = "a structured input derives `serde::Deserialize` and `schemars::JsonSchema`",
    note = "else use `Bytes`, `Reader`, or `Many<T>` for a list from many sources"
)]
pub trait InputType: Sized {
    /// The media type that is expected.
    #[doc(hidden)]
    const MEDIA_TYPE: &'static str;
    /// JSON Schema of a value.
    #[doc(hidden)]
    fn schema() -> String;
    /// Reads a value.
    #[doc(hidden)]
    fn read(reader: Reader) -> Result<Self, Unreadable>;
}

/// Why a value could not become an input.
#[doc(hidden)]
#[derive(Debug)]
pub struct Unreadable {
    path: String,
    message: String,
    permanent: bool,
}

impl Unreadable {
    pub(crate) fn content(message: impl Into<String>) -> Unreadable {
        Unreadable { path: String::new(), message: message.into(), permanent: true }
    }

    fn into_error(self, what: fmt::Arguments<'_>) -> Error {
        let place = match self.path.as_str() {
            "" => String::new(),
            path => format!(" at `{path}`"),
        };
        let message = format!("{what} cannot be read{place}: {}", self.message);
        match self.permanent {
            true => Error::permanent(message),
            false => Error::new(message),
        }
    }
}

impl From<std::io::Error> for Unreadable {
    fn from(error: std::io::Error) -> Unreadable {
        Unreadable {
            path: String::new(),
            message: error.to_string(),
            permanent: ValueError::of(&error).is_some_and(ValueError::is_permanent),
        }
    }
}

impl From<cbor::DecodeError> for Unreadable {
    fn from(error: cbor::DecodeError) -> Unreadable {
        let path = error.path();
        match error.problem {
            cbor::Problem::Io(error) => Unreadable { path, ..error.into() },
            cbor::Problem::Content(message) => Unreadable { path, ..Unreadable::content(message) },
        }
    }
}

impl<T: DeserializeOwned + JsonSchema> InputType for T {
    const MEDIA_TYPE: &'static str = CBOR;

    fn schema() -> String {
        schema::of_input::<T>()
    }

    fn read(mut reader: Reader) -> Result<T, Unreadable> {
        match reader.media_type() {
            CBOR => Ok(cbor::from_reader(&mut reader)?),
            JSON => Ok(cbor::from_reader(&mut json_as_cbor(reader)?)?),
            other => {
                let message = format!("it is `{other}`, expected `{CBOR}` or `{JSON}`");
                Err(Unreadable::content(message))
            }
        }
    }
}

/// Makes CBOR of JSON, so that each type is decoded by one piece of code and components stay small.
fn json_as_cbor(reader: Reader) -> Result<Reader, Unreadable> {
    let value: serde_json::Value =
        serde_json::from_reader(reader).map_err(|error| match error.io_error_kind() {
            Some(_) => Unreadable::from(std::io::Error::from(error)),
            None => Unreadable::content(format!("it is not JSON: {error}")),
        })?;
    let bytes = cbor::to_vec(&value).map_err(|error| Unreadable::content(error.to_string()))?;
    Ok(Reader::inline(CBOR.to_owned(), bytes))
}

impl InputType for Reader {
    const MEDIA_TYPE: &'static str = ANY;

    fn schema() -> String {
        "true".to_owned()
    }

    fn read(reader: Reader) -> Result<Reader, Unreadable> {
        Ok(reader)
    }
}

impl InputType for Bytes {
    const MEDIA_TYPE: &'static str = ANY;

    fn schema() -> String {
        "true".to_owned()
    }

    fn read(reader: Reader) -> Result<Bytes, Unreadable> {
        Ok(Bytes(reader.into_bytes()?))
    }
}

/// The values of an input with many sources: a fan-in list, or a collected dynamic output. Reads like a
/// slice of [`Element`]s.
#[derive(Debug, Clone, PartialEq)]
pub struct Many<T>(Vec<Element<T>>);

/// One value of a [`Many`].
#[derive(Debug, Clone, PartialEq)]
pub struct Element<T> {
    /// The mapping key, where the source is a dynamic output; nested keys are joined by `/`.
    pub key: Option<String>,
    /// The value.
    pub value: T,
}

impl<T> Many<T> {
    /// The values without their keys.
    pub fn into_values(self) -> impl Iterator<Item = T> {
        self.0.into_iter().map(|element| element.value)
    }
}

impl<T> Deref for Many<T> {
    type Target = [Element<T>];
    fn deref(&self) -> &[Element<T>] {
        &self.0
    }
}

impl<T> IntoIterator for Many<T> {
    type Item = Element<T>;
    type IntoIter = std::vec::IntoIter<Element<T>>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'m, T> IntoIterator for &'m Many<T> {
    type Item = &'m Element<T>;
    type IntoIter = std::slice::Iter<'m, Element<T>>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T> FromIterator<T> for Many<T> {
    /// Values without keys.
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Many<T> {
        Many(values.into_iter().map(|value| Element { key: None, value }).collect())
    }
}

impl<K: Into<String>, T> FromIterator<(K, T)> for Many<T> {
    /// Values with their keys.
    fn from_iter<I: IntoIterator<Item = (K, T)>>(values: I) -> Many<T> {
        let element = |(key, value): (K, T)| Element { key: Some(key.into()), value };
        Many(values.into_iter().map(element).collect())
    }
}

/// The type of a parameter: an [`InputType`], [`Many`] of one, or a resource such as [`Sql`](crate::Sql).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an input of an op",
    label = "not an input type",
    note = "a structured input derives `serde::Deserialize` and `schemars::JsonSchema`",
    note = "else use `Bytes`, `Reader`, or `Many<T>` for a list from many sources"
)]
pub trait Input: Sized {
    /// May it be an `Option`?
    #[doc(hidden)]
    const MAY_LACK: bool = true;
    /// Adds itself to the description of its op.
    #[doc(hidden)]
    fn describe(name: &str, doc: &str, required: bool, op: &mut OpSpec);
    /// None if it has no value.
    #[doc(hidden)]
    fn take(inputs: &mut Inputs<'_>, name: &str) -> Result<Option<Self>>;
}

fn describe<T: InputType>(name: &str, doc: &str, required: bool, many: bool, op: &mut OpSpec) {
    op.inputs.push(InputSpec {
        name: name.to_owned(),
        doc: doc.to_owned(),
        media_type: T::MEDIA_TYPE.to_owned(),
        schema: T::schema(),
        required,
        many,
    });
}

fn read<T: InputType>(value: Value, what: fmt::Arguments<'_>, ctx: &Context) -> Result<T> {
    Reader::open(value, &*ctx.host)
        .map_err(|error| Unreadable::from(std::io::Error::from(error)))
        .and_then(T::read)
        .map_err(|error| error.into_error(what))
}

impl<T: InputType> Input for T {
    fn describe(name: &str, doc: &str, required: bool, op: &mut OpSpec) {
        describe::<T>(name, doc, required, false, op);
    }

    fn take(inputs: &mut Inputs<'_>, name: &str) -> Result<Option<T>> {
        let (op, ctx) = (inputs.op, inputs.ctx);
        let what = format_args!("input `{name}` of op `{op}`");
        match inputs.value(name) {
            None => Ok(None),
            Some(InputValue::One(value)) => read(value, what, ctx).map(Some),
            Some(InputValue::Many(values)) => {
                let n = values.len();
                Err(Error::permanent(format!(
                    "{what} takes one value, {n} were given; declare it as `Many<..>` to take a list"
                )))
            }
        }
    }
}

impl<T: InputType> Input for Many<T> {
    fn describe(name: &str, doc: &str, required: bool, op: &mut OpSpec) {
        describe::<T>(name, doc, required, true, op);
    }

    fn take(inputs: &mut Inputs<'_>, name: &str) -> Result<Option<Many<T>>> {
        let values = match inputs.value(name) {
            None => return Ok(None),
            Some(InputValue::One(value)) => vec![(None, value)],
            Some(InputValue::Many(values)) => values,
        };
        let (what, ctx) = (format_args!("input `{name}` of op `{}`", inputs.op), inputs.ctx);
        let element = |(at, (key, value)): (usize, (Option<String>, Value))| {
            let value = match &key {
                Some(key) => read(value, format_args!("{what}, element `{key}`,"), ctx),
                None => read(value, format_args!("{what}, element {at},"), ctx),
            };
            Ok(Element { value: value?, key })
        };
        values.into_iter().enumerate().map(element).collect::<Result<_>>().map(|values| Some(Many(values)))
    }
}

/// The inputs of one attempt, taken one by one.
#[doc(hidden)]
pub struct Inputs<'a> {
    op: &'static str,
    ctx: &'a Context,
    invocation: Invocation,
}

impl<'a> Inputs<'a> {
    pub fn new(op: &'static str, ctx: &'a Context, invocation: Invocation) -> Inputs<'a> {
        Inputs { op, ctx, invocation }
    }

    pub fn required<T: Input>(&mut self, name: &str) -> Result<T> {
        self.optional(name)?.ok_or_else(|| {
            let op = self.op;
            Error::permanent(format!(
                "input `{name}` of op `{op}` has no value; connect it, or make it an `Option`"
            ))
        })
    }

    pub fn optional<T: Input>(&mut self, name: &str) -> Result<Option<T>> {
        T::take(self, name)
    }

    fn value(&mut self, name: &str) -> Option<InputValue> {
        let inputs = &mut self.invocation.inputs;
        let at = inputs.iter().position(|(given, _)| given == name)?;
        Some(inputs.swap_remove(at).1)
    }

    /// The config; nothing at all stands for `null`.
    pub fn config<T: InputType>(&mut self) -> Result<T> {
        let mut bytes = std::mem::take(&mut self.invocation.config);
        if bytes.is_empty() {
            bytes = cbor::to_vec(&()).expect("null has a form");
        }
        T::read(Reader::inline(T::MEDIA_TYPE.replace(ANY, OCTET_STREAM), bytes))
            .map_err(|error| error.into_error(format_args!("the config of op `{}`", self.op)))
    }
}
