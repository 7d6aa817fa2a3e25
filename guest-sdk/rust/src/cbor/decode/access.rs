//! What is inside arrays, maps and variants, element by element.

use serde::de::{self, DeserializeSeed, IntoDeserializer, Unexpected, Visitor};

use super::error::Step;
use super::{DecodeError, Decoder, Head};

/// The elements of an array.
pub(super) struct Elements<'d, 'r> {
    pub(super) decoder: &'d mut Decoder<'r>,
    pub(super) left: Option<usize>,
    pub(super) at: usize,
}

impl Elements<'_, '_> {
    pub(super) fn more(&mut self) -> Result<bool, DecodeError> {
        self.decoder.more(&mut self.left)
    }
}

impl<'de> de::SeqAccess<'de> for &mut Elements<'_, '_> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        if !self.more()? {
            return Ok(None);
        }
        let at = self.at;
        self.at += 1;
        let element = seed.deserialize(&mut *self.decoder);
        element.map(Some).map_err(|error| error.inside(|| Step::Element(at)))
    }

    fn size_hint(&self) -> Option<usize> {
        self.left
    }
}

/// The entries of a map.
pub(super) struct Entries<'d, 'r> {
    pub(super) decoder: &'d mut Decoder<'r>,
    pub(super) left: Option<usize>,
    /// The key of the value that comes next.
    pub(super) key: String,
}

impl Entries<'_, '_> {
    pub(super) fn end(&mut self) -> Result<(), DecodeError> {
        if self.decoder.more(&mut self.left)? {
            return Err(DecodeError::content("a map has more entries than expected"));
        }
        Ok(())
    }
}

impl<'de> de::MapAccess<'de> for &mut Entries<'_, '_> {
    type Error = DecodeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, DecodeError> {
        if !self.decoder.more(&mut self.left)? {
            return Ok(None);
        }
        self.key.clear();
        match self.decoder.head()? {
            Head::Text(len) => self.key.push_str(self.decoder.take_text(len)?),
            Head::Unsigned(n) => self.key.push_str(&n.to_string()),
            Head::Negative(n) => self.key.push_str(&(!i128::from(n)).to_string()),
            Head::Bool(truth) => self.key.push_str(if truth { "true" } else { "false" }),
            _ => return Err(DecodeError::content("the key of a map must be text or a whole number")),
        }
        seed.deserialize(Key(&self.key)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DecodeError> {
        let value = seed.deserialize(&mut *self.decoder);
        value.map_err(|error| error.inside(|| Step::Key(self.key.clone())))
    }

    fn size_hint(&self) -> Option<usize> {
        self.left
    }
}

/// The key of a map: a text, from which numbers are read where the type wants numbers.
struct Key<'k>(&'k str);

macro_rules! keys {
    ($($method:ident $visit:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            match self.0.parse() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(de::Error::invalid_type(Unexpected::Str(self.0), &visitor)),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Key<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_str(self.0)
    }

    keys!(deserialize_i8 visit_i8 deserialize_i16 visit_i16 deserialize_i32 visit_i32 deserialize_i64 visit_i64
        deserialize_i128 visit_i128 deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32
        deserialize_u64 visit_u64 deserialize_u128 visit_u128 deserialize_bool visit_bool);

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    serde::forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

/// A variant with content: the entry of a map.
pub(super) struct Variant<'d, 'r> {
    pub(super) decoder: &'d mut Decoder<'r>,
}

impl<'de> de::EnumAccess<'de> for Variant<'_, '_> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), DecodeError> {
        Ok((seed.deserialize(&mut *self.decoder)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, '_> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        de::Deserialize::deserialize(self.decoder)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, DecodeError> {
        seed.deserialize(self.decoder)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DecodeError> {
        de::Deserializer::deserialize_any(self.decoder, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        de::Deserializer::deserialize_any(self.decoder, visitor)
    }
}
