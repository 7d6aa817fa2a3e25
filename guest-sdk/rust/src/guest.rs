//! The component's side: bindings to `wit/`, conversions to the plain types, and the panic hook. The only
//! file that knows WebAssembly.

pub(crate) mod resources;

use std::rc::Rc;
use std::time::Duration;

use crate::context::{AttemptInfo, Context, Level};
use crate::contract as plain;
use crate::host::{Host, StoredBytes, StoredWriter, ValueError};
use crate::metadata::MetadataValue;

/// Generated from `wit/`.
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, reason = "generated code")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "library",
        pub_export_macro: true,
        export_macro_name: "export_library",
        default_bindings_module: "cofferdam_op::__private::guest::bindings",
    });
}

pub use bindings::cofferdam::op::types::{Completion, Failure, Invocation, LibrarySpec};
pub use bindings::export_library;
pub use bindings::exports::cofferdam::op::ops::Guest;

use bindings::cofferdam::op::{context, types as wit, values};

/// What the component's `describe` answers.
pub fn describe(spec: plain::LibrarySpec) -> wit::LibrarySpec {
    wit::LibrarySpec {
        name: spec.name,
        version: spec.version,
        ops: spec.ops.into_iter().map(op_spec).collect(),
    }
}

fn op_spec(op: plain::OpSpec) -> wit::OpSpec {
    let input = |input: plain::InputSpec| wit::InputSpec {
        name: input.name,
        doc: input.doc,
        media_type: input.media_type,
        schema: input.schema,
        required: input.required,
        many: input.many,
    };
    let output = |output: plain::OutputSpec| wit::OutputSpec {
        name: output.name,
        doc: output.doc,
        media_type: output.media_type,
        schema: output.schema,
        required: output.required,
        dynamic: output.dynamic,
    };
    wit::OpSpec {
        name: op.name,
        doc: op.doc,
        inputs: op.inputs.into_iter().map(input).collect(),
        outputs: op.outputs.into_iter().map(output).collect(),
        config_schema: op.config_schema,
        resources: op.resources.into_iter().map(resources::need).collect(),
        pure: op.pure,
    }
}

/// What the component's `run` does with the ops of the library.
pub fn run(
    ops: &[crate::library::Entry],
    op: &str,
    invocation: wit::Invocation,
) -> Result<wit::Completion, wit::Failure> {
    std::panic::set_hook(Box::new(report_panic));
    let ctx = Context { host: Rc::new(Imports) };
    let ran = crate::library::run(ops, op, &ctx, plain_invocation(invocation));
    // What `print!` left without a newline is a log line too; a host that takes no output loses nothing else.
    let _ = std::io::Write::flush(&mut std::io::stdout());
    match ran {
        Ok(outputs) => Ok(wit::Completion { outputs: outputs.into_iter().map(output).collect() }),
        Err(error) => Err(failure(error.into_failure())),
    }
}

/// Says what the panic said, before the trap ends the attempt: the trap itself carries no message.
fn report_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let said = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = format!("the op panicked at {place}: {said}");
    context::log(context::Level::Error, &message, &[("panic".to_owned(), place)]);
}

fn plain_invocation(invocation: wit::Invocation) -> plain::Invocation {
    let input_value = |given: wit::InputValue| match given {
        wit::InputValue::One(one) => plain::InputValue::One(value(one)),
        wit::InputValue::Many(many) => plain::InputValue::Many(
            many.into_iter().map(|element| (element.key, value(element.value))).collect(),
        ),
    };
    let inputs = invocation.inputs.into_iter();
    plain::Invocation {
        config: invocation.config,
        inputs: inputs.map(|input| (input.name, input_value(input.value))).collect(),
    }
}

fn value(value: wit::Value) -> plain::Value {
    plain::Value {
        media_type: value.media_type,
        content: match value.content {
            wit::Content::Bytes(bytes) => plain::Content::Bytes(bytes),
            wit::Content::Stored(number) => plain::Content::Stored(number),
        },
    }
}

fn output(output: plain::Output) -> wit::Output {
    wit::Output {
        name: output.name,
        key: output.key,
        value: wit::Value {
            media_type: output.value.media_type,
            content: match output.value.content {
                plain::Content::Bytes(bytes) => wit::Content::Bytes(bytes),
                plain::Content::Stored(number) => wit::Content::Stored(number),
            },
        },
        metadata: output.metadata.into_iter().map(|(name, value)| metadata(name, value)).collect(),
    }
}

fn failure(failure: plain::Failure) -> wit::Failure {
    wit::Failure {
        message: failure.message,
        causes: failure.causes,
        retry: match failure.retry {
            plain::RetryAdvice::Policy => wit::RetryAdvice::Policy,
            plain::RetryAdvice::Never => wit::RetryAdvice::Never,
            plain::RetryAdvice::AfterMs(millis) => wit::RetryAdvice::After(millis),
        },
        metadata: failure.metadata.into_iter().map(|(name, value)| metadata(name, value)).collect(),
    }
}

fn metadata(name: String, value: MetadataValue) -> wit::MetadataEntry {
    let value = match value {
        MetadataValue::Text(v) => wit::MetadataValue::Text(v),
        MetadataValue::Integer(v) => wit::MetadataValue::Integer(v),
        MetadataValue::Number(v) => wit::MetadataValue::Number(v),
        MetadataValue::Truth(v) => wit::MetadataValue::Truth(v),
        MetadataValue::Url(v) => wit::MetadataValue::Url(v),
        MetadataValue::Path(v) => wit::MetadataValue::Path(v),
        MetadataValue::Json(v) => wit::MetadataValue::Json(v),
        MetadataValue::Markdown(v) => wit::MetadataValue::Markdown(v),
        MetadataValue::Table(v) => wit::MetadataValue::Table(v),
        MetadataValue::Timestamp(v) => wit::MetadataValue::Timestamp(v),
    };
    wit::MetadataEntry { name, value }
}

impl From<values::ValueError> for ValueError {
    fn from(error: values::ValueError) -> ValueError {
        match error {
            values::ValueError::Unknown => ValueError::Unknown,
            values::ValueError::Unavailable => ValueError::Unavailable,
            values::ValueError::Limit => ValueError::Limit,
            values::ValueError::Finished => ValueError::Finished,
        }
    }
}

/// The imports of the component.
struct Imports;

impl Host for Imports {
    fn attempt(&self) -> AttemptInfo {
        let info = context::attempt();
        AttemptInfo {
            run_id: info.run_id,
            step_key: info.step_key,
            attempt: info.attempt,
            idempotency_key: info.idempotency_key,
            partition: info.partition,
            tags: info.tags,
        }
    }

    fn remaining(&self) -> Option<Duration> {
        context::remaining_ms().map(Duration::from_millis)
    }

    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let level = match level {
            Level::Trace => context::Level::Trace,
            Level::Debug => context::Level::Debug,
            Level::Info => context::Level::Info,
            Level::Warn => context::Level::Warn,
            Level::Error => context::Level::Error,
        };
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        context::log(level, message, &fields.iter().map(owned).collect::<Vec<_>>());
    }

    fn progress(&self, done: u64, total: Option<u64>, message: &str) {
        context::progress(done, total, message);
    }

    fn add_metadata(&self, name: &str, value: MetadataValue) {
        context::add_metadata(&[metadata(name.to_owned(), value)]);
    }

    fn open(&self, number: u32) -> Result<Box<dyn StoredBytes>, ValueError> {
        Ok(Box::new(values::open(number)?))
    }

    fn create(&self) -> Result<Box<dyn StoredWriter>, ValueError> {
        Ok(Box::new(values::create()?))
    }
}

impl StoredBytes for values::Reader {
    fn size(&self) -> u64 {
        values::Reader::size(self)
    }

    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, ValueError> {
        Ok(values::Reader::read(self, offset, length)?)
    }
}

impl StoredWriter for values::Writer {
    fn write(&mut self, bytes: &[u8]) -> Result<(), ValueError> {
        Ok(values::Writer::write(self, bytes)?)
    }

    fn finish(&mut self) -> Result<u32, ValueError> {
        Ok(values::Writer::finish(self)?)
    }
}
