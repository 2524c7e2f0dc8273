//! How much? Rates and sizes as people write them: "400/s", "64KiB".

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sim_core::SimDuration;

/// How often something happens, per second.
///
/// Range: above 0, at most 10^9 per second. Written "400/s", "60/min" or "10/h".
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rate(f64);

/// A number of bytes, a TiB at most.
///
/// Written "512B", "64KiB", "1MiB", "2GiB" (powers of 1024) or "64kB", "1MB", "1GB" (powers of 1000).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

/// What an interface carries, in bits per second.
///
/// Range: above 0, at most 10^15. Written "10Gbit/s", "750Mbit/s" or "64kbit/s" (powers of 1000).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bandwidth(u64);

/// Why a text is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantityError {
    /// Not a rate.
    #[error(
        "{found:?} is not a rate: expected a number above 0 and a unit of time, as in \"400/s\", \"60/min\" or \"10/h\""
    )]
    Rate {
        /// The text.
        found: String,
    },
    /// Not a bandwidth.
    #[error(
        "{found:?} is not a bandwidth: expected a whole number above 0 and a unit, as in \"10Gbit/s\" or \"750Mbit/s\""
    )]
    Bandwidth {
        /// The text.
        found: String,
    },
    /// Not a size.
    #[error(
        "{found:?} is not a size: expected a whole number and a unit, a TiB at most, as in \"512B\", \"64KiB\" or \"1MB\""
    )]
    Size {
        /// The text.
        found: String,
    },
}

impl Rate {
    /// The largest rate that is accepted: one event per nanosecond, the resolution of the clock.
    pub const MAX_PER_SECOND: f64 = 1e9;

    /// A rate in events per second; `None` outside (0, 10^9].
    pub fn per_second(value: f64) -> Option<Self> {
        (value > 0.0 && value <= Self::MAX_PER_SECOND).then_some(Self(value))
    }

    /// Events per second.
    pub fn as_per_second(self) -> f64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let error = || QuantityError::Rate {
            found: text.to_owned(),
        };
        let (number, unit) = text.split_once('/').ok_or_else(error)?;
        let seconds = match unit.trim() {
            "s" => 1.0,
            "min" => 60.0,
            "h" => 3600.0,
            _ => return Err(error()),
        };
        let number: f64 = number.trim().parse().map_err(|_| error())?;
        Self::per_second(number / seconds).ok_or_else(error)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

impl Size {
    /// The largest size that is accepted: a TiB.
    const MOST: u64 = 1 << 40;

    /// A size in bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Bytes.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }
}

/// Units of a [`Size`], the largest first.
const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl FromStr for Size {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let error = || QuantityError::Size {
            found: text.to_owned(),
        };
        let text = text.trim();
        let (unit, bytes) = SIZE_UNITS
            .iter()
            .find(|(unit, _)| text.ends_with(unit))
            .ok_or_else(error)?;
        let number: u64 = text[..text.len() - unit.len()]
            .trim()
            .parse()
            .map_err(|_| error())?;
        let size = number.checked_mul(*bytes);
        size.filter(|&size| size <= Self::MOST)
            .map(Self)
            .ok_or_else(error)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = SIZE_UNITS[..3]
            .iter()
            .find(|(_, bytes)| self.0 > 0 && self.0.is_multiple_of(*bytes));
        let (unit, bytes) = binary.unwrap_or(&SIZE_UNITS[6]);
        write!(f, "{}{unit}", self.0 / bytes)
    }
}

/// Units of a [`Bandwidth`], the largest first.
const BANDWIDTH_UNITS: [(&str, u64); 4] = [
    ("Gbit/s", 1_000_000_000),
    ("Mbit/s", 1_000_000),
    ("kbit/s", 1_000),
    ("bit/s", 1),
];

impl Bandwidth {
    /// The largest bandwidth that is accepted.
    const MOST: u64 = 1_000_000_000_000_000;

    /// How long so many bytes take.
    pub fn time_of(self, bytes: u64) -> SimDuration {
        let nanos = u128::from(bytes) * 8 * 1_000_000_000 / u128::from(self.0);
        SimDuration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl FromStr for Bandwidth {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let error = || QuantityError::Bandwidth {
            found: text.to_owned(),
        };
        let text = text.trim();
        let (unit, bits) = BANDWIDTH_UNITS
            .iter()
            .find(|(unit, _)| text.ends_with(unit))
            .ok_or_else(error)?;
        let number = text[..text.len() - unit.len()].trim();
        let number: u64 = number.parse().map_err(|_| error())?;
        let bandwidth = number
            .checked_mul(*bits)
            .filter(|it| (1..=Self::MOST).contains(it));
        bandwidth.map(Self).ok_or_else(error)
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, bits): &&(&str, u64)| self.0.is_multiple_of(*bits);
        let (unit, bits) = BANDWIDTH_UNITS
            .iter()
            .find(whole)
            .unwrap_or(&BANDWIDTH_UNITS[3]);
        write!(f, "{}{unit}", self.0 / bits)
    }
}

macro_rules! as_text {
    ($name:ident, $example:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl de::Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "a text like {:?}", $example)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(Text)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "examples": [$example] })
            }
        }
    };
}

as_text!(Rate, "400/s");
as_text!(Size, "64KiB");
as_text!(Bandwidth, "10Gbit/s");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_per_time() {
        assert_eq!("400/s".parse(), Ok(Rate(400.0)));
        assert_eq!("90 / min".parse(), Ok(Rate(1.5)));
        for wrong in [
            "400",
            "-1/s",
            "0/s",
            "x/s",
            "1/fortnight",
            "inf/s",
            "NaN/s",
            "2e9/s",
        ] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_bandwidth_has_a_unit_and_says_how_long_bytes_take() {
        for text in ["10Gbit/s", "750Mbit/s", "12500Mbit/s", "64kbit/s", "9bit/s"] {
            assert_eq!(
                text.parse::<Bandwidth>().map(|it| it.to_string()),
                Ok(text.to_owned())
            );
        }
        // 1,250 bytes are 10,000 bits.
        let gigabit: Bandwidth = "1Gbit/s".parse().expect("a bandwidth");
        assert_eq!(gigabit.time_of(1_250), SimDuration::from_micros(10));
        for wrong in [
            "10",
            "0Gbit/s",
            "10Gb/s",
            "1.5Gbit/s",
            "-1Mbit/s",
            "9999999Gbit/s",
        ] {
            assert!(wrong.parse::<Bandwidth>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_size_has_a_unit_and_prints_as_it_reads() {
        for text in ["0B", "1B", "64KiB", "3MiB", "1000B", "1024GiB"] {
            assert_eq!(
                text.parse::<Size>().map(|size| size.to_string()),
                Ok(text.to_owned())
            );
        }
        assert_eq!("64 kB".parse(), Ok(Size(64_000)));
        for wrong in ["64", "-1B", "1.5KiB", "1025GiB", "99999999999GiB", "KiB"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }
}
