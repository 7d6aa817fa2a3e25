//! The reader of CBOR: any well-formed item is accepted, whatever its form. Errors carry the path inside.

use std::io;

use ciborium_ll::{Decoder as Heads, Header, simple, tag};
use serde::de::{self, DeserializeOwned, IntoDeserializer, Visitor};

use self::access::{Elements, Entries, Variant};
use crate::reader::Reader;

mod access;
mod error;

pub(crate) use error::{DecodeError, Problem};

/// Containers inside each other; more would exhaust the stack.
const DEPTH_MAX: usize = 128;
/// Bytes that are taken on trust at once: a length is only a claim until its bytes have come.
const TAKE_BYTES: usize = 64 * 1024;

/// Reads one value, which must be all that the reader holds.
pub(crate) fn from_reader<T: DeserializeOwned>(reader: &mut Reader) -> Result<T, DecodeError> {
    let mut decoder = Decoder { heads: Heads::from(reader), peeked: None, text: Vec::new(), depth: 0 };
    let value = T::deserialize(&mut decoder)?;
    let mut byte = [0];
    match ciborium_io::Read::read_exact(&mut decoder.heads, &mut byte) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(value),
        Err(error) => Err(error.into()),
        Ok(()) => Err(DecodeError::content("more bytes follow the value")),
    }
}

/// The beginning of an item, tags taken off.
#[derive(Clone, Copy)]
enum Head {
    Unsigned(u64),
    /// `-1 - n`
    Negative(u64),
    Big {
        negative: bool,
        number: u128,
    },
    Float(f64),
    Bool(bool),
    Null,
    Bytes(Option<usize>),
    Text(Option<usize>),
    Array(Option<usize>),
    Map(Option<usize>),
    Break,
}

struct Decoder<'r> {
    heads: Heads<&'r mut Reader>,
    peeked: Option<Head>,
    /// The text or bytes read last; kept to save allocations, and for the path of an error.
    text: Vec<u8>,
    depth: usize,
}

impl Decoder<'_> {
    fn head(&mut self) -> Result<Head, DecodeError> {
        if let Some(head) = self.peeked.take() {
            return Ok(head);
        }
        loop {
            return Ok(match self.heads.pull()? {
                Header::Positive(n) => Head::Unsigned(n),
                Header::Negative(n) => Head::Negative(n),
                Header::Float(n) => Head::Float(n),
                Header::Simple(simple::FALSE) => Head::Bool(false),
                Header::Simple(simple::TRUE) => Head::Bool(true),
                Header::Simple(simple::NULL | simple::UNDEFINED) => Head::Null,
                Header::Simple(n) => {
                    return Err(DecodeError::content(format!("the simple value {n} has no meaning")));
                }
                Header::Tag(tag @ (tag::BIGPOS | tag::BIGNEG)) => self.big(tag == tag::BIGNEG)?,
                Header::Tag(_) => continue,
                Header::Break => Head::Break,
                Header::Bytes(len) => Head::Bytes(len),
                Header::Text(len) => Head::Text(len),
                Header::Array(len) => Head::Array(len),
                Header::Map(len) => Head::Map(len),
            });
        }
    }

    fn big(&mut self, negative: bool) -> Result<Head, DecodeError> {
        let Header::Bytes(len) = self.heads.pull()? else {
            return Err(DecodeError::content("a big number must hold bytes"));
        };
        self.take(len, true)?;
        let digits = &self.text[self.text.iter().take_while(|byte| **byte == 0).count()..];
        if digits.len() > size_of::<u128>() {
            return Err(DecodeError::content("the number has more than 128 bits"));
        }
        let number = digits.iter().fold(0, |number, byte| number << 8 | u128::from(*byte));
        Ok(Head::Big { negative, number })
    }

    /// Reads the content of a text or byte string into `self.text`.
    fn take(&mut self, len: Option<usize>, bytes: bool) -> Result<(), DecodeError> {
        self.text.clear();
        if let Some(len) = len {
            return self.take_segment(len);
        }
        loop {
            match self.heads.pull()? {
                Header::Break => return Ok(()),
                Header::Bytes(Some(len)) if bytes => self.take_segment(len)?,
                Header::Text(Some(len)) if !bytes => self.take_segment(len)?,
                _ => return Err(DecodeError::content("a string in pieces holds a piece of another kind")),
            }
        }
    }

    fn take_segment(&mut self, mut len: usize) -> Result<(), DecodeError> {
        while len > 0 {
            let n = len.min(TAKE_BYTES);
            let at = self.text.len();
            self.text.resize(at + n, 0);
            ciborium_io::Read::read_exact(&mut self.heads, &mut self.text[at..])?;
            len -= n;
        }
        Ok(())
    }

    fn take_text(&mut self, len: Option<usize>) -> Result<&str, DecodeError> {
        self.take(len, false)?;
        std::str::from_utf8(&self.text).map_err(|_| DecodeError::content("a text is not UTF-8"))
    }

    fn deeper<T>(
        &mut self,
        inside: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        if self.depth == DEPTH_MAX {
            return Err(DecodeError::content(format!("nested deeper than {DEPTH_MAX}")));
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }

    fn visit<'de, V: Visitor<'de>>(&mut self, head: Head, visitor: V) -> Result<V::Value, DecodeError> {
        match head {
            Head::Unsigned(n) => visitor.visit_u64(n),
            Head::Negative(n) => match i64::try_from(n) {
                Ok(n) => visitor.visit_i64(!n),
                Err(_) => visitor.visit_i128(!i128::from(n)),
            },
            Head::Big { negative: false, number } => visitor.visit_u128(number),
            Head::Big { number, .. } => match i128::try_from(number) {
                Ok(n) => visitor.visit_i128(!n),
                Err(_) => Err(DecodeError::content("the number has more than 128 bits")),
            },
            Head::Float(n) => visitor.visit_f64(n),
            Head::Bool(truth) => visitor.visit_bool(truth),
            Head::Null => visitor.visit_unit(),
            Head::Bytes(len) => {
                self.take(len, true)?;
                visitor.visit_bytes(&self.text)
            }
            Head::Text(len) => visitor.visit_str(self.take_text(len)?),
            Head::Array(left) => self.list(left, visitor),
            Head::Map(left) => self.deeper(|decoder| {
                let mut entries = Entries { decoder, left, key: String::new() };
                let value = visitor.visit_map(&mut entries)?;
                entries.end()?;
                Ok(value)
            }),
            Head::Break => Err(DecodeError::content("an end mark without a beginning")),
        }
    }

    fn list<'de, V: Visitor<'de>>(
        &mut self,
        left: Option<usize>,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deeper(|decoder| {
            let mut elements = Elements { decoder, left, at: 0 };
            let value = visitor.visit_seq(&mut elements)?;
            if elements.more()? {
                let expected = format!("a list of {} elements", elements.at);
                return Err(DecodeError::content(format!("the list is too long, expected {expected}")));
            }
            Ok(value)
        })
    }

    /// True if another item follows; takes the end mark of a container of unknown length.
    fn more(&mut self, left: &mut Option<usize>) -> Result<bool, DecodeError> {
        match left {
            Some(0) => Ok(false),
            Some(n) => {
                *n -= 1;
                Ok(true)
            }
            None => match self.head()? {
                Head::Break => {
                    *left = Some(0);
                    Ok(false)
                }
                head => {
                    self.peeked = Some(head);
                    Ok(true)
                }
            },
        }
    }
}

/// A whole number may be written as a float: JSON Schema calls `2.0` an integer.
fn whole(n: f64) -> Option<i64> {
    // 2^53: up to here every whole number has a float of its own.
    (n.fract() == 0.0 && n.abs() <= 9_007_199_254_740_992.0).then_some(n as i64)
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            match self.head()? {
                Head::Float(n) if whole(n).is_some() => match whole(n) {
                    Some(n @ 0..) => visitor.visit_u64(n.unsigned_abs()),
                    Some(n) => visitor.visit_i64(n),
                    None => visitor.visit_f64(n),
                },
                head => self.visit(head, visitor),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for &mut Decoder<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let head = self.head()?;
        self.visit(head, visitor)
    }

    integers!(deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128);

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.head()? {
            Head::Null => visitor.visit_none(),
            head => {
                self.peeked = Some(head);
                visitor.visit_some(self)
            }
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    /// A list of numbers may be given as a byte string.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.head()? {
            Head::Bytes(len) => {
                self.take(len, true)?;
                visitor.visit_seq(de::value::SeqDeserializer::new(self.text.iter().copied()))
            }
            head => self.visit(head, visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.head()? {
            Head::Text(len) => visitor.visit_enum(self.take_text(len)?.into_deserializer()),
            Head::Map(mut left) => self.deeper(|decoder| {
                let expected = "an enum is a text, or a map with one entry: the variant and its content";
                if !decoder.more(&mut left)? {
                    return Err(DecodeError::content(expected));
                }
                let value = visitor.visit_enum(Variant { decoder })?;
                if decoder.more(&mut left)? {
                    return Err(DecodeError::content(expected));
                }
                Ok(value)
            }),
            head => self.visit(head, visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        bool f32 f64 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct
        identifier ignored_any
    }
}
