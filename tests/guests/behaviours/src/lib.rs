//! One op per behaviour, good and bad. Written on the bindings themselves, so that it can do what an SDK
//! prevents.

mod bad;
mod good;
mod raw;

wit_bindgen::generate!({ path: "../../../wit", world: "library" });

use cofferdam::op::types::{
    Completion, Content, Failure, InputSpec, InputValue, Invocation, LibrarySpec, MetadataEntry, OpSpec,
    Output, OutputSpec, RetryAdvice, Value,
};
use exports::cofferdam::op::ops::Guest;

pub type Ran = Result<Completion, Failure>;

pub struct Op {
    pub name: &'static str,
    pub run: fn(Invocation) -> Ran,
}

struct Behaviours;
export!(Behaviours);

fn ops() -> impl Iterator<Item = &'static Op> {
    good::OPS.iter().chain(bad::OPS).chain(raw::OPS)
}

impl Guest for Behaviours {
    fn describe() -> LibrarySpec {
        LibrarySpec { name: "behaviours".into(), version: "0.1.0".into(), ops: ops().map(describe).collect() }
    }

    fn run(op: String, invocation: Invocation) -> Ran {
        match ops().find(|candidate| candidate.name == op) {
            Some(op) => (op.run)(invocation),
            None => Err(failed(&format!("there is no op {op}"))),
        }
    }
}

fn describe(op: &Op) -> OpSpec {
    let any = "*/*".to_owned();
    OpSpec {
        name: op.name.into(),
        doc: String::new(),
        inputs: vec![InputSpec {
            name: "value".into(),
            doc: String::new(),
            media_type: any.clone(),
            schema: "true".into(),
            required: false,
            many: false,
        }],
        outputs: vec![OutputSpec {
            name: "result".into(),
            doc: String::new(),
            media_type: any,
            schema: "true".into(),
            required: false,
            dynamic: false,
        }],
        config_schema: None,
        resources: vec![],
        pure: false,
    }
}

pub fn failed(message: &str) -> Failure {
    Failure { message: message.into(), causes: vec![], retry: RetryAdvice::Policy, metadata: vec![] }
}

pub fn output(name: &str, key: Option<&str>, bytes: Vec<u8>) -> Output {
    Output {
        name: name.into(),
        key: key.map(Into::into),
        value: Value { media_type: "application/octet-stream".into(), content: Content::Bytes(bytes) },
        metadata: vec![],
    }
}

pub fn done(outputs: Vec<Output>) -> Ran {
    Ok(Completion { outputs })
}

pub fn result(bytes: impl Into<Vec<u8>>) -> Ran {
    done(vec![output("result", None, bytes.into())])
}

/// The number in the config: eight bytes, little-endian. Tests speak no CBOR to these ops.
pub fn number(invocation: &Invocation) -> u64 {
    let mut bytes = [0; 8];
    let given = invocation.config.len().min(8);
    bytes[..given].copy_from_slice(&invocation.config[..given]);
    u64::from_le_bytes(bytes)
}

pub fn first(invocation: &Invocation) -> Option<&Value> {
    match &invocation.inputs.first()?.value {
        InputValue::One(value) => Some(value),
        InputValue::Many(elements) => elements.first().map(|element| &element.value),
    }
}

pub fn entry(name: &str, value: cofferdam::op::types::MetadataValue) -> MetadataEntry {
    MetadataEntry { name: name.into(), value }
}
