//! Plain components: libraries that were made without knowing Cofferdam. Each exported function that takes and returns
//! values of the WIT's own types is an op; what its inputs and outputs are follows from those types.

mod ports;
mod values;

use std::collections::BTreeMap;

use cofferdam_model::{
    CBOR, CHUNK_BYTES, Failure, FailureKind, LibrarySpec, MESSAGE_BYTES_MAX, Name, OCTET_STREAM,
};
use serde_json::Value as Json;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Type, Val};
use wasmtime::{Engine, Store};

use crate::bindings::types;
use crate::failure::library;
use crate::state::State;
use crate::text::{cut, human_bytes};
use crate::{Content, Input, InputValue};

/// Bytes of all inputs of one attempt. The host holds them as values, at up to 40 times their size; an op that reads
/// more is written with an SDK, which reads piece by piece.
const INPUT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Bytes that a result may take as values in the host, at about 40 for each byte, number or field.
pub(crate) const RESULT_BYTES_MAX: usize = 128 * 1024 * 1024;

/// The ops of a plain component.
#[derive(Clone)]
pub(crate) struct Plain {
    pub(crate) instance: InstancePre<State>,
    spec: LibrarySpec,
    functions: BTreeMap<Name, Function>,
}

/// An exported function.
#[derive(Clone)]
struct Function {
    index: ComponentExportIndex,
    ty: ComponentFunc,
}

/// How a function's call went: what it says, or why the guest is not to be heard any more.
pub(crate) type Called = wasmtime::Result<Result<types::Completion, Failure>>;

impl Plain {
    /// Reads the component's type. A function that takes or returns anything else than values is no op; a component
    /// without any op is described as a failure by [`Plain::describe`].
    pub(crate) fn new(engine: &Engine, component: &Component, instance: InstancePre<State>) -> Plain {
        let found = ports::functions(engine, component);
        let hermetic = component
            .component_type()
            .imports(engine)
            .all(|(_, import)| matches!(import.ty, ComponentItem::Type(_)));
        let spec = ports::spec(&found, hermetic);
        let functions = found
            .into_iter()
            .map(|found| (found.name, Function { index: found.index, ty: found.ty }))
            .collect();
        Plain { instance, spec, functions }
    }

    pub(crate) fn describe(&self) -> Result<LibrarySpec, Failure> {
        if self.spec.ops.is_empty() {
            return Err(library(
                "exports no function that takes and returns values only, and not the world `cofferdam:op/library`",
            ));
        }
        Ok(self.spec.clone())
    }

    /// Calls the function of that op. The outer error is a guest that did not return.
    pub(crate) fn call(&self, store: &mut Store<State>, op: &Name, inputs: Vec<Input>) -> Called {
        let Some(function) = self.functions.get(op) else {
            return Ok(Err(library(format!("has no op `{op}`"))));
        };
        let arguments = match arguments(store.data_mut(), &function.ty, inputs) {
            Ok(arguments) => arguments,
            Err(failure) => return Ok(Err(failure)),
        };
        store.set_hostcall_fuel(RESULT_BYTES_MAX);
        let instance = self
            .instance
            .instantiate(&mut *store)
            .map_err(|error| error.context(crate::failure::Instantiating))?;
        let called = instance.get_func(&mut *store, function.index).expect("the component exports it");
        let mut results = vec![Val::Bool(false); function.ty.results().len()];
        called.call(&mut *store, &arguments, &mut results)?;
        let ty = function.ty.results().next();
        Ok(results.pop().zip(ty).map_or(Ok(NOTHING), |(value, ty)| completion(value, ty)))
    }
}

/// The arguments in the function's order.
fn arguments(state: &mut State, function: &ComponentFunc, inputs: Vec<Input>) -> Result<Vec<Val>, Failure> {
    let mut given: BTreeMap<Name, InputValue> =
        inputs.into_iter().map(|input| (input.name, input.value)).collect();
    let mut left = INPUT_BYTES_MAX;
    let argument = |(name, ty): (&str, Type)| {
        let name = ports::name(name).expect("functions with other names are no ops");
        let wrong = |message: String| Failure::new(FailureKind::Input, message);
        match given.remove(&name) {
            Some(InputValue::One(value)) => {
                let bytes = read(state, value.content, &mut left)
                    .map_err(|message| wrong(format!("input `{name}` {message}")))?;
                let value = values::argument(&ty, &value.media_type, bytes);
                value.map_err(|message| wrong(format!("input `{name}`{message}")))
            }
            Some(InputValue::Many(_)) => Err(wrong(format!("input `{name}` takes one value, not many"))),
            None => Ok(Val::Option(None)),
        }
    };
    function.params().map(argument).collect()
}

/// The bytes of an input, as long as all of them together are few enough.
fn read(state: &mut State, content: Content, left: &mut u64) -> Result<Vec<u8>, String> {
    let size = match &content {
        Content::Bytes(bytes) => bytes.len() as u64,
        Content::Stored { size, .. } => *size,
    };
    *left = left.checked_sub(size).ok_or_else(|| {
        let max = human_bytes(INPUT_BYTES_MAX);
        format!("is too large: a component without an SDK takes at most {max} of inputs in all")
    })?;
    state.input_bytes += size;
    let number = match content {
        Content::Bytes(bytes) => return Ok(bytes),
        Content::Stored { number, .. } => number,
    };
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < size {
        let piece =
            state.io.read(number, bytes.len() as u64, u32::try_from(CHUNK_BYTES).expect("a chunk is small"));
        bytes.extend(piece.map_err(|error| format!("cannot be read: {error}"))?);
    }
    Ok(bytes)
}

const NOTHING: types::Completion = types::Completion { outputs: vec![] };

/// What the function's result says: an output, none, or a failure.
fn completion(value: Val, ty: Type) -> Result<types::Completion, Failure> {
    let (value, ty) = match (value, ty) {
        (Val::Result(Err(error)), _) => return Err(failed(error.map(|error| *error))),
        (Val::Result(Ok(value)), Type::Result(result)) => match value.zip(result.ok()) {
            Some((value, ty)) => (*value, ty),
            None => return Ok(NOTHING),
        },
        as_it_is => as_it_is,
    };
    let (value, ty) = match (value, ty) {
        (Val::Option(None), _) => return Ok(NOTHING),
        (Val::Option(Some(value)), Type::Option(option)) => (*value, option.ty()),
        as_it_is => as_it_is,
    };
    let (media_type, bytes) = if ports::is_bytes(&ty) {
        (OCTET_STREAM, values::bytes(value))
    } else {
        let json = values::json(value).map_err(|message| {
            Failure::new(FailureKind::OutputSpec, format!("output `{}`{message}", ports::RESULT))
        })?;
        (CBOR, cofferdam_model::cbor::encode(&json))
    };
    let value = types::Value { media_type: media_type.to_owned(), content: types::Content::Bytes(bytes) };
    let output = types::Output { name: ports::RESULT.to_owned(), key: None, value, metadata: vec![] };
    Ok(types::Completion { outputs: vec![output] })
}

/// The error case of a result: text is the message, a record's field `message` too, all else is shown as JSON.
fn failed(error: Option<Val>) -> Failure {
    let message = match error.map(values::json) {
        None => "the function returned an error, and says nothing of it".to_owned(),
        Some(Ok(Json::String(text))) => text,
        Some(Ok(json)) => match json.get("message").and_then(Json::as_str) {
            Some(text) => text.to_owned(),
            None => json.to_string(),
        },
        Some(Err(message)) => format!("the function returned an error{message}"),
    };
    Failure::new(FailureKind::Op, cut(message, MESSAGE_BYTES_MAX))
}
