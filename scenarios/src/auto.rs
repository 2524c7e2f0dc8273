//! A value that twohop finds by itself unless it is given.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{I64Deserializer, StrDeserializer, U64Deserializer};
use serde::de::{
    self, Deserialize, DeserializeOwned, Deserializer, EnumAccess, IntoDeserializer, VariantAccess,
    Visitor,
};
use serde::ser::{Serialize, Serializer};

/// `Auto`, or a value: `warm_up: Auto` or `warm_up: "30s"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Auto<T> {
    /// Found from the runs themselves.
    #[default]
    Auto,
    /// As given.
    Given(T),
}

impl<T: Serialize> Serialize for Auto<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Auto::Auto => serializer.serialize_unit_variant("Auto", 0, "Auto"),
            Auto::Given(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Auto<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AutoVisitor(PhantomData))
    }
}

struct AutoVisitor<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for AutoVisitor<T> {
    type Value = Auto<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`Auto` or a value")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Auto<T>, E> {
        let value: StrDeserializer<'_, E> = text.into_deserializer();
        T::deserialize(value).map(Auto::Given)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Auto<T>, E> {
        let value: U64Deserializer<E> = number.into_deserializer();
        T::deserialize(value).map(Auto::Given)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Auto<T>, E> {
        let value: I64Deserializer<E> = number.into_deserializer();
        T::deserialize(value).map(Auto::Given)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Auto<T>, A::Error> {
        let (name, variant) = access.variant::<String>()?;
        if name != "Auto" {
            return Err(de::Error::unknown_variant(&name, &["Auto"]));
        }
        variant.unit_variant().map(|()| Auto::Auto)
    }
}

impl<T: JsonSchema> JsonSchema for Auto<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Auto_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "const": "Auto", "description": "Found from the runs themselves." },
            generator.subschema_for::<T>(),
        ] })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use sim_core::SimDuration;

    use super::*;
    use crate::decode::decode;
    use crate::parser::parse;
    use crate::source::Sources;

    fn read<T: DeserializeOwned>(text: &str) -> Result<Auto<T>, String> {
        let mut sources = Sources::default();
        let source = sources.add("test.ron", text);
        decode(&parse(&sources, source).expect("valid RON"))
            .map_err(|mut all| all.swap_remove(0).message)
    }

    #[test]
    fn auto_or_a_value_is_read() {
        assert_eq!(read::<NonZeroU32>("Auto"), Ok(Auto::Auto));
        assert_eq!(
            read::<NonZeroU32>("3"),
            Ok(Auto::Given(NonZeroU32::new(3).expect("not zero")))
        );
        assert_eq!(read("\"30s\""), Ok(Auto::Given(SimDuration::from_secs(30))));
    }

    #[test]
    fn anything_else_is_refused() {
        assert!(read::<NonZeroU32>("0").is_err());
        assert!(read::<NonZeroU32>("-1").is_err());
        assert_eq!(
            read::<NonZeroU32>("Atuo"),
            Err("`Atuo` is not a choice".to_owned())
        );
        assert!(
            read::<SimDuration>("\"30\"")
                .expect_err("no unit")
                .contains("without a unit")
        );
    }
}
