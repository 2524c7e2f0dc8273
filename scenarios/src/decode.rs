//! What do the values of the tree mean?
//!
//! A serde deserializer over [`Node`]s, so that the stages' `Config` types need nothing but `#[derive(Deserialize)]`. Enums are
//! written as variants, `Option`s without `Some`, structs in round brackets, maps in braces. Every complaint knows the innermost
//! value it is about, and says what stands there in the user's words.

use serde::de::{self, DeserializeOwned, DeserializeSeed, Expected, MapAccess, Visitor};

use crate::source::Span;
use crate::tree::{Entry, Field, Name, Node, Value};

mod collect;
mod error;
#[cfg(test)]
mod tests;
mod variant;

pub use collect::decode;
pub use error::Error;
use error::{Complaint, Step};

/// Decodes one value and stops at the first complaint.
fn decode_once<T: DeserializeOwned>(node: &Node) -> Result<T, Error> {
    T::deserialize(node).map_err(|error| error.at(node.spot()))
}

/// A wrong shape: what the type wants, in its own words where it has some.
fn wrong(node: &Node, expected: impl Into<String>) -> Error {
    Error::new(Complaint::Type {
        expected: expected.into(),
        help: None,
    })
    .at(node.spot())
}

fn wrong_with_help(node: &Node, expected: impl Into<String>, help: impl Into<String>) -> Error {
    Error::new(Complaint::Type {
        expected: expected.into(),
        help: Some(help.into()),
    })
    .at(node.spot())
}

/// What a visitor says it expects.
fn wish<'de, V: Visitor<'de>>(visitor: &V) -> String {
    error::in_plain_words(&(visitor as &dyn Expected).to_string())
}

macro_rules! whole_numbers {
    ($($method:ident $visit:ident $type:ty;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let least = if wish(&visitor).ends_with("from 1 up") { 1 } else { <$type>::MIN };
            let range = || format!("a whole number from {least} to {}", <$type>::MAX);
            match &self.value {
                Value::Integer(value) => match <$type>::try_from(*value) {
                    Ok(value) => visitor.$visit(value).map_err(|error: Error| error.at(self.spot())),
                    Err(_) => Err(Error::new(Complaint::Value { expected: range() }).at(self.spot())),
                },
                _ => Err(self.not_a_number(if wish(&visitor).starts_with("a whole number") {
                    "a whole number".to_owned()
                } else {
                    wish(&visitor)
                })),
            }
        })*
    };
}

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let result = match &self.value {
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => match (u64::try_from(*value), i64::try_from(*value)) {
                (Ok(value), _) => visitor.visit_u64(value),
                (_, Ok(value)) => visitor.visit_i64(value),
                _ => visitor.visit_i128(*value),
            },
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Char(value) => visitor.visit_char(*value),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::List(items) => visitor.visit_seq(Items::new(items)),
            Value::Tuple(items) if items.is_empty() => visitor.visit_unit(),
            Value::Tuple(items) => visitor.visit_seq(Items::new(items)),
            Value::Map(entries) => visitor.visit_map(Entries::new(entries)),
            Value::Struct(fields) => visitor.visit_map(Fields::new(fields)),
            Value::Variant(name, payload) => visitor.visit_enum(variant::Choice {
                name,
                payload: payload.as_deref(),
            }),
        };
        result.map_err(|error| error.at(self.spot()))
    }

    whole_numbers! {
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_u128 visit_u128 u128;
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_i128 visit_i128 i128;
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value = match &self.value {
            Value::Float(value) if value.is_finite() => *value,
            #[expect(
                clippy::cast_precision_loss,
                reason = "a number beyond 2^53 written for a decimal one is rounded like any decimal"
            )]
            Value::Integer(value) => *value as f64,
            Value::Float(_) => {
                return Err(Error::new(Complaint::Value {
                    expected: "a finite number".into(),
                })
                .at(self.spot()));
            }
            _ => return Err(self.not_a_number(wish(&visitor))),
        };
        visitor
            .visit_f64(value)
            .map_err(|error: Error| error.at(self.spot()))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            Value::Bool(value) => visitor.visit_bool(*value),
            _ => Err(wrong(self, wish(&visitor))),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            Value::Char(value) => visitor.visit_char(*value),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            _ => Err(wrong(self, wish(&visitor))),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            Value::Text(text) => visitor
                .visit_borrowed_str(text)
                .map_err(|error: Error| error.at(self.spot())),
            Value::Variant(name, None) => Err(wrong_with_help(
                self,
                wish(&visitor),
                format!("a text stands in quotes: \"{}\"", name.text),
            )),
            _ => Err(wrong(self, wish(&visitor))),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.key_text() {
            Some(text) => visitor
                .visit_borrowed_str(text)
                .map_err(|error: Error| error.at(self.spot())),
            None => Err(wrong(self, "a name")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            Value::Variant(name, None) if name.text == "None" => visitor.visit_none(),
            Value::Variant(name, Some(payload)) if name.text == "Some" => match &payload.value {
                Value::Tuple(items) if items.len() == 1 => {
                    visitor.visit_some(&items[0]).map_err(|error: Error| {
                        error
                            .at(items[0].spot())
                            .under(Step::Entry(0))
                            .under(Step::Payload)
                    })
                }
                _ => visitor
                    .visit_some(&**payload)
                    .map_err(|error: Error| error.at(payload.spot()).under(Step::Payload)),
            },
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            Value::Tuple(items) if items.is_empty() => visitor.visit_unit(),
            _ => Err(wrong(self, "empty round brackets `()`")),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor
            .visit_newtype_struct(self)
            .map_err(|error: Error| error.at(self.spot()))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            Value::List(items) => visitor
                .visit_seq(Items::new(items))
                .map_err(|error: Error| error.at(self.spot())),
            Value::Tuple(_) => Err(wrong_with_help(
                self,
                "a list in square brackets `[..]`",
                "lists stand in square brackets: `[1, 2]`",
            )),
            _ => Err(wrong(self, "a list in square brackets `[..]`")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let expected = || format!("{length} values in round brackets");
        let (Value::Tuple(items) | Value::List(items)) = &self.value else {
            return Err(wrong(self, expected()));
        };
        if items.len() != length {
            let found = items.len();
            return Err(Error::new(Complaint::Length {
                expected: expected(),
                found,
            })
            .at(self.spot()));
        }
        visitor
            .visit_seq(Items::new(items))
            .map_err(|error: Error| error.at(self.spot()))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            Value::Map(entries) => visitor
                .visit_map(Entries::new(entries))
                .map_err(|error: Error| error.at(self.spot())),
            Value::Struct(_) | Value::Tuple(_) => Err(wrong_with_help(
                self,
                "a map in braces `{..}`",
                "things with names of your own stand in braces and in quotes: `{ \"nginx\": (..) }`",
            )),
            _ => Err(wrong(self, "a map in braces `{..}`")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.value {
            Value::Struct(fields) => visitor
                .visit_map(Fields::new(fields))
                .map_err(|error: Error| error.at(self.spot())),
            Value::Tuple(items) if items.is_empty() => visitor
                .visit_map(Fields::new(&[]))
                .map_err(|error: Error| error.at(self.spot())),
            Value::Variant(written, Some(payload)) if written.text == name => payload
                .deserialize_struct(name, fields, visitor)
                .map_err(|error| error.at(self.spot()).under(Step::Payload)),
            Value::Map(_) => {
                let example = fields.first().map_or("field", |first| first);
                let help =
                    format!("fields stand in round brackets and without quotes: `({example}: ..)`");
                Err(wrong_with_help(
                    self,
                    "fields in round brackets `(..)`",
                    help,
                ))
            }
            _ => Err(wrong(self, "fields in round brackets `(..)`")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.value {
            Value::Variant(name, payload) => visitor
                .visit_enum(variant::Choice {
                    name,
                    payload: payload.as_deref(),
                })
                .map_err(|error: Error| error.at(self.spot())),
            Value::Text(text) => match variants.iter().find(|variant| *variant == text) {
                Some(variant) => Err(wrong_with_help(
                    self,
                    error::one_of(variants),
                    format!("choices have no quotes: {variant}"),
                )),
                None => Err(wrong(self, error::one_of(variants))),
            },
            _ => Err(wrong(self, error::one_of(variants))),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}

impl Node {
    fn not_a_number(&self, expected: String) -> Error {
        match &self.value {
            Value::Text(text) if text.parse::<f64>().is_ok() => {
                wrong_with_help(self, expected, format!("numbers have no quotes: {text}"))
            }
            _ => wrong(self, expected),
        }
    }
}

/// The items of a list or tuple, in order.
struct Items<'de> {
    items: &'de [Node],
    at: usize,
}

impl<'de> Items<'de> {
    fn new(items: &'de [Node]) -> Self {
        Items { items, at: 0 }
    }
}

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(item) = self.items.get(self.at) else {
            return Ok(None);
        };
        let index = self.at;
        self.at += 1;
        seed.deserialize(item)
            .map(Some)
            .map_err(|error| error.at(item.spot()).under(Step::Entry(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.at)
    }
}

/// The fields of a struct, in the order of the text.
struct Fields<'de> {
    fields: &'de [Field],
    at: usize,
}

impl<'de> Fields<'de> {
    fn new(fields: &'de [Field]) -> Self {
        Fields { fields, at: 0 }
    }
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some(Field {
            name: Name { span, text },
            ..
        }) = self.fields.get(self.at)
        else {
            return Ok(None);
        };
        let name = de::value::BorrowedStrDeserializer::new(text);
        seed.deserialize(name)
            .map(Some)
            .map_err(|error: Error| error.at(*span).under(Step::Key(self.at)))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let index = self.at;
        let value = &self.fields[index].value;
        self.at += 1;
        seed.deserialize(value)
            .map_err(|error| error.at(value.spot()).under(Step::Entry(index)))
    }
}

/// The entries of a map, in the order of the text.
struct Entries<'de> {
    entries: &'de [Entry],
    at: usize,
}

impl<'de> Entries<'de> {
    fn new(entries: &'de [Entry]) -> Self {
        Entries { entries, at: 0 }
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some(Entry { key, .. }) = self.entries.get(self.at) else {
            return Ok(None);
        };
        seed.deserialize(key)
            .map(Some)
            .map_err(|error| error.at(key.spot()).under(Step::Key(self.at)))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let index = self.at;
        let value = &self.entries[index].value;
        self.at += 1;
        seed.deserialize(value)
            .map_err(|error| error.at(value.spot()).under(Step::Entry(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len() - self.at)
    }
}

/// What stands behind a variant that is written without brackets: nothing, which is a struct with every field at its default.
struct Nothing<'a> {
    name: &'a str,
    span: Span,
}

impl<'de> de::Deserializer<'de> for Nothing<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let expected = format!("{} in brackets, `{}(..)`", wish(&visitor), self.name);
        Err(Error::new(Complaint::Type {
            expected,
            help: None,
        })
        .at(self.span))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor
            .visit_map(Fields::new(&[]))
            .map_err(|error: Error| error.at(self.span))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
