//! Enums: a name, and what stands in its brackets.

use serde::de::{self, DeserializeSeed, Visitor};

use super::{Complaint, Error, Fields, Items, Nothing, Step, error};
use crate::tree::{Name, Node, Value};

/// A variant as it is written.
pub(super) struct Choice<'de> {
    pub(super) name: &'de Name,
    pub(super) payload: Option<&'de Node>,
}

impl<'de> de::EnumAccess<'de> for Choice<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name = de::value::BorrowedStrDeserializer::new(&self.name.text);
        let variant = seed
            .deserialize(name)
            .map_err(|error: Error| error.at(self.name.span))?;
        Ok((variant, self))
    }
}

impl<'de> de::VariantAccess<'de> for Choice<'de> {
    type Error = Error;

    /// `Local`; `Local()` means the same.
    fn unit_variant(self) -> Result<(), Error> {
        match self.payload.map(|payload| (payload, &payload.value)) {
            None => Ok(()),
            Some((_, Value::Tuple(items))) if items.is_empty() => Ok(()),
            Some((payload, _)) => {
                let expected = format!("`{}` without brackets", self.name.text);
                Err(Error::new(Complaint::Type {
                    expected,
                    help: None,
                })
                .at(payload.spot())
                .under(Step::Payload))
            }
        }
    }

    /// `Fixed("1s")`; a struct's own brackets may be left out: `Cilium(mode: Snat)`, and with them all its fields: `Cilium`.
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        let nothing = Nothing {
            name: &self.name.text,
            span: self.name.span,
        };
        let Some(payload) = self.payload else {
            return seed
                .deserialize(nothing)
                .map_err(|error| error.at(self.name.span));
        };
        match &payload.value {
            Value::Tuple(items) if items.is_empty() => seed
                .deserialize(nothing)
                .map_err(|error| error.at(self.name.span)),
            Value::Tuple(items) if items.len() == 1 => {
                seed.deserialize(&items[0]).map_err(|error| {
                    error
                        .at(items[0].spot())
                        .under(Step::Entry(0))
                        .under(Step::Payload)
                })
            }
            _ => seed
                .deserialize(payload)
                .map_err(|error| error.at(self.name.span).under(Step::Payload)),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        let expected = || format!("{length} values in brackets, `{}(..)`", self.name.text);
        let Some(Node {
            value: Value::Tuple(items),
            ..
        }) = self.payload
        else {
            return Err(Error::new(Complaint::Type {
                expected: expected(),
                help: None,
            })
            .at(self.name.span));
        };
        if items.len() != length {
            let found = items.len();
            return Err(Error::new(Complaint::Length {
                expected: expected(),
                found,
            })
            .at(self.name.span));
        }
        visitor
            .visit_seq(Items::new(items))
            .map_err(|error: Error| error.at(self.name.span).under(Step::Payload))
    }

    /// `LogNormal(mean: "20ms", cv: 1.0)`; without brackets every field is at its default.
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let at_name = |error: Error| error.at(self.name.span);
        let Some(payload) = self.payload else {
            return visitor.visit_map(Fields::new(&[])).map_err(at_name);
        };
        match &payload.value {
            Value::Struct(written) => visitor
                .visit_map(Fields::new(written))
                .map_err(|error: Error| at_name(error).under(Step::Payload)),
            Value::Tuple(items) => match items.as_slice() {
                [] => visitor.visit_map(Fields::new(&[])).map_err(at_name),
                [
                    Node {
                        value: Value::Struct(written),
                        ..
                    },
                ] => visitor
                    .visit_map(Fields::new(written))
                    .map_err(|error: Error| {
                        at_name(error).under(Step::Entry(0)).under(Step::Payload)
                    }),
                [first, ..] => {
                    let name = &self.name.text;
                    let example: Vec<String> =
                        fields.iter().map(|field| format!("{field}: ..")).collect();
                    let expected = format!("named fields, `{name}({})`", example.join(", "));
                    let help = format!("its fields are {}", error::and_list(fields));
                    let complaint = Complaint::Type {
                        expected,
                        help: Some(help),
                    };
                    Err(Error::new(complaint)
                        .at(first.spot())
                        .under(Step::Entry(0))
                        .under(Step::Payload))
                }
            },
            _ => unreachable!("the parser gives a variant fields or values in round brackets"),
        }
    }
}
