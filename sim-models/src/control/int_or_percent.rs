//! How many of a number of pods? As Kubernetes writes it: a number, or a percentage of what is there.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number of pods such as `1`, or a share such as `"25%"`.
///
/// Source: Kubernetes API, `apimachinery/pkg/util/intstr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntOrPercent {
    /// That many.
    Int(u32),
    /// That many of a hundred.
    Percent(u32),
}

/// Why a text is neither a number nor a percentage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is neither a number nor a percentage: expected 2 or \"25%\"")]
pub struct NotIntOrPercent {
    found: String,
}

impl IntOrPercent {
    /// Its share of `total`, rounded up.
    pub fn rounded_up(self, total: u32) -> u32 {
        match self {
            Self::Int(number) => number,
            Self::Percent(share) => saturated(of_hundred(share, total).div_ceil(100)),
        }
    }

    /// Its share of `total`, rounded down.
    pub fn rounded_down(self, total: u32) -> u32 {
        match self {
            Self::Int(number) => number,
            Self::Percent(share) => saturated(of_hundred(share, total) / 100),
        }
    }

    /// Whether it is 0, of whatever.
    pub fn is_zero(self) -> bool {
        matches!(self, Self::Int(0) | Self::Percent(0))
    }
}

fn of_hundred(share: u32, total: u32) -> u64 {
    u64::from(share) * u64::from(total)
}

fn saturated(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl fmt::Display for IntOrPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => write!(f, "{number}"),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

impl FromStr for IntOrPercent {
    type Err = NotIntOrPercent;

    fn from_str(text: &str) -> Result<Self, NotIntOrPercent> {
        let read = match text.strip_suffix('%') {
            Some(share) => share.parse().map(Self::Percent),
            None => text.parse().map(Self::Int),
        };
        read.map_err(|_| NotIntOrPercent {
            found: text.to_owned(),
        })
    }
}

impl Serialize for IntOrPercent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Int(number) => serializer.serialize_u32(*number),
            Self::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for IntOrPercent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl de::Visitor<'_> for Reader {
    type Value = IntOrPercent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of pods or a percentage, such as 2 or \"25%\"")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<IntOrPercent, E> {
        let number = u32::try_from(number).map_err(E::custom)?;
        Ok(IntOrPercent::Int(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<IntOrPercent, E> {
        text.parse().map_err(E::custom)
    }
}

impl JsonSchema for IntOrPercent {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "IntOrPercent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "examples": ["25%"] },
        ] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_rounded_as_who_asks_wants_it() {
        // 25 % of 10 is 2.5; 50 % of 7 is 3.5; 100 % of anything is all of it.
        let rounded = |text: &str, total| {
            let it: IntOrPercent = text.parse().expect("a number or a percentage");
            (it.rounded_down(total), it.rounded_up(total))
        };
        assert_eq!(rounded("25%", 10), (2, 3));
        assert_eq!(rounded("50%", 7), (3, 4));
        assert_eq!(rounded("100%", 7), (7, 7));
        assert_eq!(rounded("3", 7), (3, 3));
    }

    #[test]
    fn what_is_written_is_read_again() {
        for it in [IntOrPercent::Int(3), IntOrPercent::Percent(40)] {
            assert_eq!(it.to_string().parse(), Ok(it));
        }
        assert!("2.5%".parse::<IntOrPercent>().is_err());
        assert!("half".parse::<IntOrPercent>().is_err());
        assert!("-1".parse::<IntOrPercent>().is_err());
    }
}
