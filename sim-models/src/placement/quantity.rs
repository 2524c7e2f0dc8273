//! How much cpu and memory: Kubernetes quantities such as `"100m"` and `"128Mi"`.
//!
//! The scheduler counts cpu in millicores and memory in bytes, so that is what these types hold. A quantity finer than
//! that is rounded up, as the API's `MilliValue` and `Value` do.
//!
//! Source: Kubernetes API, `apimachinery/pkg/api/resource.Quantity`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An amount of cpu, written as in a manifest: `"250m"`, `"0.5"`, `"2"`.
///
/// Units: millicores. Range: 0 and up.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Cpu(i64);

impl Cpu {
    /// That many thousandths of a core.
    pub const fn millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The amount in thousandths of a core.
    pub const fn as_millis(self) -> i64 {
        self.0
    }
}

/// An amount of memory, written as in a manifest: `"128Mi"`, `"1Gi"`, `"500M"`, `"1048576"`.
///
/// Units: bytes. Range: 0 and up.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Memory(i64);

impl Memory {
    /// That many bytes.
    pub const fn bytes(bytes: i64) -> Self {
        Self(bytes)
    }

    /// That many MiB.
    pub const fn mebibytes(mebibytes: i64) -> Self {
        Self(mebibytes << 20)
    }

    /// The amount in bytes.
    pub const fn as_bytes(self) -> i64 {
        self.0
    }
}

/// Why a text is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantityError {
    /// The text does not begin with a number.
    #[error("expected a quantity such as \"{example}\", found \"{found}\"")]
    NoNumber {
        /// What a quantity of this kind looks like.
        example: &'static str,
        /// The text as it stands.
        found: String,
    },
    /// The number is followed by something else than a unit.
    #[error(
        "no unit is called \"{found}\": expected one of n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei or none"
    )]
    UnknownUnit {
        /// The text after the number.
        found: String,
    },
    /// The amount does not fit in 64 bits.
    #[error("\"{found}\" is more than 64 bits can count")]
    TooLarge {
        /// The text as it stands.
        found: String,
    },
}

impl FromStr for Cpu {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        parse(text, 1000, "250m").map(Self)
    }
}

impl FromStr for Memory {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        parse(text, 1, "128Mi").map(Self)
    }
}

impl TryFrom<String> for Cpu {
    type Error = QuantityError;

    fn try_from(text: String) -> Result<Self, QuantityError> {
        text.parse()
    }
}

impl TryFrom<String> for Memory {
    type Error = QuantityError;

    fn try_from(text: String) -> Result<Self, QuantityError> {
        text.parse()
    }
}

impl From<Cpu> for String {
    fn from(cpu: Cpu) -> Self {
        cpu.to_string()
    }
}

impl From<Memory> for String {
    fn from(memory: Memory) -> Self {
        memory.to_string()
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % 1000 == 0 {
            write!(f, "{}", self.0 / 1000)
        } else {
            write!(f, "{}m", self.0)
        }
    }
}

impl fmt::Display for Memory {
    /// The largest binary unit that leaves a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut amount, mut unit) = (self.0, "");
        for larger in ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"] {
            if amount == 0 || amount % 1024 != 0 {
                break;
            }
            (amount, unit) = (amount / 1024, larger);
        }
        write!(f, "{amount}{unit}")
    }
}

/// Reads a quantity as a whole number of `1 / per_unit`, rounded up.
fn parse(text: &str, per_unit: i128, example: &'static str) -> Result<i64, QuantityError> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return Err(QuantityError::NoNumber {
            example,
            found: text.to_owned(),
        });
    }
    let (times, over) = unit_factor(unit).ok_or_else(|| QuantityError::UnknownUnit {
        found: unit.to_owned(),
    })?;
    let amount = || -> Option<i64> {
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let over = over.checked_mul(10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?)?;
        let scaled = digits.checked_mul(times)?.checked_mul(per_unit)?;
        i64::try_from(scaled.checked_add(over - 1)? / over).ok()
    };
    amount().ok_or_else(|| QuantityError::TooLarge {
        found: text.to_owned(),
    })
}

/// What a unit multiplies by, and what it divides by.
fn unit_factor(unit: &str) -> Option<(i128, i128)> {
    Some(match unit {
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "" => (1, 1),
        "k" => (1000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_read_in_millicores() {
        for (text, millis) in [
            ("100m", 100),
            ("2", 2000),
            ("0.5", 500),
            ("1.25", 1250),
            (".1", 100),
            ("1k", 1_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Cpu::millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_finer_than_the_unit_is_rounded_up() {
        assert_eq!("1u".parse(), Ok(Cpu::millis(1)));
        assert_eq!("0.0015".parse(), Ok(Cpu::millis(2)));
        assert_eq!("100m".parse(), Ok(Memory::bytes(1)));
    }

    #[test]
    fn memory_is_read_in_bytes() {
        // 128 x 2^20; 1.5 x 2^30; 500 x 10^6.
        for (text, bytes) in [
            ("128Mi", 134_217_728),
            ("1.5Gi", 1_610_612_736),
            ("500M", 500_000_000),
            ("7", 7),
        ] {
            assert_eq!(text.parse(), Ok(Memory::bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_printed_reads_back() {
        for text in ["100m", "2", "0"] {
            assert_eq!(text.parse::<Cpu>().unwrap().to_string(), text);
        }
        for text in ["128Mi", "3Gi", "1000", "1536Ki", "0"] {
            assert_eq!(text.parse::<Memory>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_quantity_says_what_is_wrong() {
        assert!(matches!(
            "Mi".parse::<Memory>(),
            Err(QuantityError::NoNumber { .. })
        ));
        assert!(matches!(
            "1.2.3".parse::<Cpu>(),
            Err(QuantityError::NoNumber { .. })
        ));
        assert!(
            matches!("128MB".parse::<Memory>(), Err(QuantityError::UnknownUnit { found }) if found == "MB")
        );
        assert!(matches!(
            "9999999999Gi".parse::<Memory>(),
            Err(QuantityError::TooLarge { .. })
        ));
        assert!(matches!(
            "-1".parse::<Cpu>(),
            Err(QuantityError::NoNumber { .. })
        ));
    }
}
