//! The writer of deterministic CBOR.

use std::fmt;
use std::io::{self, Write};
use std::ops::Range;

use ciborium_ll::{Encoder, Header, simple, tag};
use serde::Serialize;
use serde::ser;

use crate::contract::CHUNK_BYTES;

/// Why a value cannot be written.
#[derive(Debug)]
pub(crate) enum EncodeError {
    /// The value has no form that JSON Schema could describe, or its `Serialize` refused.
    Value(String),
    Io(io::Error),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeError::Value(message) => f.write_str(message),
            EncodeError::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for EncodeError {}

impl ser::Error for EncodeError {
    fn custom<T: fmt::Display>(message: T) -> EncodeError {
        EncodeError::Value(message.to_string())
    }
}

impl From<io::Error> for EncodeError {
    fn from(error: io::Error) -> EncodeError {
        EncodeError::Io(error)
    }
}

/// The bytes of a value.
pub(crate) fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut state = State::default();
    value.serialize(Serializer { state: &mut state })?;
    Ok(state.out)
}

/// Writes a value. While the encoder is inside arrays only, whose lengths are known, it hands on what it
/// has, so that a long list of rows is never in memory as bytes.
pub(crate) fn to_writer<T: Serialize + ?Sized>(value: &T, writer: &mut dyn Write) -> Result<(), EncodeError> {
    let mut state = State { writer: Some(writer), ..State::default() };
    value.serialize(Serializer { state: &mut state })?;
    let State { out, writer, .. } = state;
    Ok(writer.expect("it was just put there").write_all(&out)?)
}

#[derive(Default)]
struct State<'w> {
    out: Vec<u8>,
    writer: Option<&'w mut dyn Write>,
    /// Containers that have begun and still need their bytes moved: nothing may leave before they end.
    open: usize,
    /// Key and whole entry of each map that is open, innermost last.
    entries: Vec<Entry>,
}

struct Entry {
    key: Range<usize>,
    end: usize,
}

impl State<'_> {
    fn push(&mut self, header: Header) {
        let Ok(()) = Encoder::from(&mut self.out).push(header) else {
            unreachable!("a vector takes all bytes");
        };
    }

    fn big(&mut self, tag: u64, number: u128) {
        let bytes = number.to_be_bytes();
        let shortest = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
        self.push(Header::Tag(tag));
        self.push(Header::Bytes(Some(shortest.len())));
        self.out.extend_from_slice(shortest);
    }

    fn text(&mut self, text: &str) {
        self.push(Header::Text(Some(text.len())));
        self.out.extend_from_slice(text.as_bytes());
    }

    fn hand_on(&mut self) -> Result<(), EncodeError> {
        if let Some(writer) = &mut self.writer
            && self.open == 0
            && self.out.len() >= CHUNK_BYTES
        {
            writer.write_all(&self.out)?;
            self.out.clear();
        }
        Ok(())
    }

    /// Puts a header in front of what was written since `start`, for lengths that are known only now.
    fn insert(&mut self, start: usize, header: Header) {
        let body = self.out.split_off(start);
        self.push(header);
        self.out.extend_from_slice(&body);
    }

    /// Ends a map whose entries begin at `start` and whose records begin at `first`: sorts them.
    fn end_map(&mut self, start: usize, first: usize) -> Result<(), EncodeError> {
        let out = &self.out;
        let key = |entry: &Entry| &out[entry.key.clone()];
        let entries = &mut self.entries[first..];
        let sorted = entries.is_sorted_by(|a, b| key(a) < key(b));
        let n_entries = entries.len();
        if !sorted {
            entries.sort_by(|a, b| key(a).cmp(key(b)));
            if let Some(pair) = entries.windows(2).find(|pair| key(&pair[0]) == key(&pair[1])) {
                return Err(EncodeError::Value(format!("a map has the key {} twice", show(key(&pair[0])))));
            }
            let mut body = Vec::with_capacity(out.len() - start);
            entries.iter().for_each(|entry| body.extend_from_slice(&out[entry.key.start..entry.end]));
            self.out.truncate(start);
            self.push(Header::Map(Some(n_entries)));
            self.out.extend_from_slice(&body);
        } else {
            self.insert(start, Header::Map(Some(n_entries)));
        }
        self.entries.truncate(first);
        Ok(())
    }
}

/// An encoded text key, as a person wrote it.
fn show(key: &[u8]) -> String {
    let head = match key.first() {
        Some(0x60..=0x77) => 1,
        Some(0x78) => 2,
        _ => 3,
    };
    format!("`{}`", String::from_utf8_lossy(key.get(head..).unwrap_or_default()))
}

struct Serializer<'s, 'w> {
    state: &'s mut State<'w>,
}

impl<'s, 'w> Serializer<'s, 'w> {
    fn push(self, header: Header) -> Result<(), EncodeError> {
        self.state.push(header);
        Ok(())
    }

    fn list(self, len: Option<usize>) -> List<'s, 'w> {
        let start = self.state.out.len();
        match len {
            Some(len) => self.state.push(Header::Array(Some(len))),
            None => self.state.open += 1,
        }
        List { state: self.state, start, announced: len, n_elements: 0, wrapped: false }
    }

    fn map(self) -> Map<'s, 'w> {
        self.state.open += 1;
        Map {
            start: self.state.out.len(),
            first: self.state.entries.len(),
            state: self.state,
            pending: None,
            wrapped: false,
        }
    }

    /// The outer map of an enum variant with content: `{variant: content}`.
    fn variant(&mut self, variant: &str) {
        self.state.open += 1;
        self.state.push(Header::Map(Some(1)));
        self.state.text(variant);
    }
}

impl<'s, 'w> ser::Serializer for Serializer<'s, 'w> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = List<'s, 'w>;
    type SerializeTuple = List<'s, 'w>;
    type SerializeTupleStruct = List<'s, 'w>;
    type SerializeTupleVariant = List<'s, 'w>;
    type SerializeMap = Map<'s, 'w>;
    type SerializeStruct = Map<'s, 'w>;
    type SerializeStructVariant = Map<'s, 'w>;

    fn serialize_bool(self, v: bool) -> Result<(), EncodeError> {
        self.push(Header::Simple(if v { simple::TRUE } else { simple::FALSE }))
    }
    fn serialize_i8(self, v: i8) -> Result<(), EncodeError> {
        self.serialize_i64(v.into())
    }
    fn serialize_i16(self, v: i16) -> Result<(), EncodeError> {
        self.serialize_i64(v.into())
    }
    fn serialize_i32(self, v: i32) -> Result<(), EncodeError> {
        self.serialize_i64(v.into())
    }
    fn serialize_i64(self, v: i64) -> Result<(), EncodeError> {
        self.push(match u64::try_from(v) {
            Ok(v) => Header::Positive(v),
            Err(_) => Header::Negative(!v as u64),
        })
    }
    fn serialize_i128(self, v: i128) -> Result<(), EncodeError> {
        if let Ok(v) = u128::try_from(v) {
            return self.serialize_u128(v);
        }
        match u64::try_from(!v) {
            Ok(v) => self.push(Header::Negative(v)),
            Err(_) => {
                self.state.big(tag::BIGNEG, !v as u128);
                Ok(())
            }
        }
    }
    fn serialize_u8(self, v: u8) -> Result<(), EncodeError> {
        self.serialize_u64(v.into())
    }
    fn serialize_u16(self, v: u16) -> Result<(), EncodeError> {
        self.serialize_u64(v.into())
    }
    fn serialize_u32(self, v: u32) -> Result<(), EncodeError> {
        self.serialize_u64(v.into())
    }
    fn serialize_u64(self, v: u64) -> Result<(), EncodeError> {
        self.push(Header::Positive(v))
    }
    fn serialize_u128(self, v: u128) -> Result<(), EncodeError> {
        match u64::try_from(v) {
            Ok(v) => self.push(Header::Positive(v)),
            Err(_) => {
                self.state.big(tag::BIGPOS, v);
                Ok(())
            }
        }
    }
    fn serialize_f32(self, v: f32) -> Result<(), EncodeError> {
        self.serialize_f64(v.into())
    }
    fn serialize_f64(self, v: f64) -> Result<(), EncodeError> {
        // One NaN for all: its sign and payload carry no meaning.
        self.push(Header::Float(if v.is_nan() { f64::NAN } else { v }))
    }
    fn serialize_char(self, v: char) -> Result<(), EncodeError> {
        self.serialize_str(v.encode_utf8(&mut [0; 4]))
    }
    fn serialize_str(self, v: &str) -> Result<(), EncodeError> {
        self.state.text(v);
        Ok(())
    }
    fn serialize_bytes(self, v: &[u8]) -> Result<(), EncodeError> {
        self.state.push(Header::Bytes(Some(v.len())));
        self.state.out.extend_from_slice(v);
        Ok(())
    }
    fn serialize_none(self) -> Result<(), EncodeError> {
        self.serialize_unit()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<(), EncodeError> {
        self.push(Header::Simple(simple::NULL))
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), EncodeError> {
        self.serialize_unit()
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), EncodeError> {
        self.serialize_str(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.variant(variant);
        value.serialize(Serializer { state: &mut *self.state })?;
        self.state.open -= 1;
        Ok(())
    }
    fn serialize_seq(self, len: Option<usize>) -> Result<List<'s, 'w>, EncodeError> {
        Ok(self.list(len))
    }
    fn serialize_tuple(self, len: usize) -> Result<List<'s, 'w>, EncodeError> {
        Ok(self.list(Some(len)))
    }
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<List<'s, 'w>, EncodeError> {
        Ok(self.list(Some(len)))
    }
    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<List<'s, 'w>, EncodeError> {
        self.variant(variant);
        let mut list = self.list(Some(len));
        list.wrapped = true;
        Ok(list)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Map<'s, 'w>, EncodeError> {
        Ok(self.map())
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Map<'s, 'w>, EncodeError> {
        Ok(self.map())
    }
    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Map<'s, 'w>, EncodeError> {
        self.variant(variant);
        let mut map = self.map();
        map.wrapped = true;
        Ok(map)
    }
}

/// An array that is being written.
struct List<'s, 'w> {
    state: &'s mut State<'w>,
    start: usize,
    announced: Option<usize>,
    n_elements: usize,
    /// Inside the map of an enum variant.
    wrapped: bool,
}

impl List<'_, '_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        value.serialize(Serializer { state: &mut *self.state })?;
        self.n_elements += 1;
        self.state.hand_on()
    }

    fn finish(self) -> Result<(), EncodeError> {
        match self.announced {
            None => {
                self.state.insert(self.start, Header::Array(Some(self.n_elements)));
                self.state.open -= 1;
            }
            Some(announced) if announced != self.n_elements => {
                let n = self.n_elements;
                return Err(EncodeError::Value(format!("a list announced {announced} elements and has {n}")));
            }
            Some(_) => {}
        }
        self.state.open -= usize::from(self.wrapped);
        Ok(())
    }
}

macro_rules! list_is {
    ($($part:ident :: $method:ident),*) => {$(
        impl ser::$part for List<'_, '_> {
            type Ok = ();
            type Error = EncodeError;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
                self.element(value)
            }
            fn end(self) -> Result<(), EncodeError> {
                self.finish()
            }
        }
    )*};
}
list_is!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// A map that is being written.
struct Map<'s, 'w> {
    state: &'s mut State<'w>,
    start: usize,
    /// Where its records begin in `State::entries`.
    first: usize,
    /// The key that waits for its value.
    pending: Option<Range<usize>>,
    wrapped: bool,
}

impl Map<'_, '_> {
    fn value<T: Serialize + ?Sized>(&mut self, key: Range<usize>, value: &T) -> Result<(), EncodeError> {
        value.serialize(Serializer { state: &mut *self.state })?;
        let end = self.state.out.len();
        self.state.entries.push(Entry { key, end });
        Ok(())
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), EncodeError> {
        let start = self.state.out.len();
        self.state.text(name);
        self.value(start..self.state.out.len(), value)
    }

    fn finish(self) -> Result<(), EncodeError> {
        self.state.end_map(self.start, self.first)?;
        self.state.open -= 1 + usize::from(self.wrapped);
        Ok(())
    }
}

impl ser::SerializeMap for Map<'_, '_> {
    type Ok = ();
    type Error = EncodeError;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        let start = self.state.out.len();
        // JSON's text form of a key: numbers in digits, unit variants by name.
        match serde_json::to_value(key) {
            Ok(serde_json::Value::String(text)) => self.state.text(&text),
            Ok(serde_json::Value::Number(number)) => self.state.text(&number.to_string()),
            Ok(serde_json::Value::Bool(truth)) => self.state.text(if truth { "true" } else { "false" }),
            _ => return Err(EncodeError::Value("the key of a map must be text or a number".to_owned())),
        }
        self.pending = Some(start..self.state.out.len());
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        let key = self.pending.take().expect("serde gives the key first");
        self.value(key, value)
    }
    fn end(self) -> Result<(), EncodeError> {
        self.finish()
    }
}

macro_rules! map_is {
    ($($part:ident),*) => {$(
        impl ser::$part for Map<'_, '_> {
            type Ok = ();
            type Error = EncodeError;
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), EncodeError> {
                self.field(name, value)
            }
            fn end(self) -> Result<(), EncodeError> {
                self.finish()
            }
        }
    )*};
}
map_is!(SerializeStruct, SerializeStructVariant);
