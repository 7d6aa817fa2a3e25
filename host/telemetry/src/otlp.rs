//! Spans as OTLP wants them: the protobuf messages of `opentelemetry.proto.collector.trace.v1`, as far as they are
//! used here. Twelve fields of seven messages are no reason for a code generator.

use crate::spans::{Attribute, Span};

/// Who tells the spans.
const SCOPE: &str = "cofferdam";

/// Kinds of spans: work within a process, and a call that another process answers.
const INTERNAL: u64 = 1;
/// `STATUS_CODE_ERROR`
const ERROR: u64 = 2;

/// A request that exports these spans.
pub(crate) fn request(resource: &[(String, String)], spans: &[Span]) -> Vec<u8> {
    let mut told = Message::default();
    for (key, value) in resource {
        told.message(1, attribute(key, &Attribute::Text(value.clone())));
    }
    let mut scope = Message::default();
    scope.bytes(1, SCOPE.as_bytes());
    let mut scoped = Message::default();
    scoped.message(1, scope);
    for span in spans {
        scoped.message(2, of(span));
    }
    let mut of_resource = Message::default();
    of_resource.message(1, told);
    of_resource.message(2, scoped);
    let mut request = Message::default();
    request.message(1, of_resource);
    request.0
}

fn of(span: &Span) -> Message {
    let mut message = Message::default();
    message.bytes(1, &span.context.trace.to_be_bytes());
    message.bytes(2, &span.context.span.to_be_bytes());
    if let Some(parent) = span.parent {
        message.bytes(4, &parent.to_be_bytes());
    }
    message.bytes(5, span.name.as_bytes());
    message.number(6, INTERNAL);
    message.fixed(7, span.start_ns);
    message.fixed(8, span.end_ns);
    for (key, value) in &span.attributes {
        message.message(9, attribute(key, value));
    }
    if span.failed {
        let mut status = Message::default();
        status.number(3, ERROR);
        message.message(15, status);
    }
    message
}

fn attribute(key: &str, value: &Attribute) -> Message {
    let mut any = Message::default();
    match value {
        Attribute::Text(text) => any.bytes(1, text.as_bytes()),
        Attribute::Number(number) => any.number(3, *number),
    }
    let mut pair = Message::default();
    pair.bytes(1, key.as_bytes());
    pair.message(2, any);
    pair
}

/// A message of protobuf on its way out.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// The number of a field and how it is written: 0 varint, 1 eight bytes, 2 with its length.
    fn key(&mut self, field: u64, form: u64) {
        self.varint(field << 3 | form);
    }

    fn number(&mut self, field: u64, number: u64) {
        self.key(field, 0);
        self.varint(number);
    }

    fn fixed(&mut self, field: u64, number: u64) {
        self.key(field, 1);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, message: Message) {
        self.bytes(field, &message.0);
    }
}
