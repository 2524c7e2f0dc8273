//! Times as a person writes them: `"250ms"`, `"1h30m"`.

use std::fmt;
use std::str::FromStr;

use super::{NANOS_PER_MICRO, NANOS_PER_MILLI, NANOS_PER_SEC, SimDuration, SimTime};

/// The units of a written duration, largest first.
const UNITS: [(&str, u64); 8] = [
    ("d", 86_400 * NANOS_PER_SEC),
    ("h", 3_600 * NANOS_PER_SEC),
    ("min", 60 * NANOS_PER_SEC),
    ("m", 60 * NANOS_PER_SEC),
    ("s", NANOS_PER_SEC),
    ("ms", NANOS_PER_MILLI),
    ("us", NANOS_PER_MICRO),
    ("ns", 1),
];

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// Nothing was written.
    #[error("found an empty text, expected a duration such as \"250ms\", \"1.5s\" or \"1h30m\"")]
    Empty,
    /// A number was expected where something else stands.
    #[error("found `{found}`, expected a number followed by a unit, as in \"250ms\"")]
    NoNumber {
        /// What stands there.
        found: String,
    },
    /// A number without a unit.
    #[error(
        "found `{number}` without a unit, expected one of ns, us, ms, s, min, h, d, as in \"{number}ms\""
    )]
    NoUnit {
        /// The number.
        number: String,
    },
    /// A unit that does not exist.
    #[error("found the unit `{unit}`, expected one of ns, us, ms, s, min (or m), h, d")]
    UnknownUnit {
        /// The unit as written.
        unit: String,
    },
    /// Parts that do not go from the larger unit to the smaller.
    #[error(
        "found `{unit}` after a unit that is not larger, expected each unit once, largest first, as in \"1h30m\""
    )]
    Order {
        /// The unit out of place.
        unit: String,
    },
    /// More digits than nanoseconds can hold.
    #[error("found `{part}`, which is not a whole number of nanoseconds")]
    TooFine {
        /// The part as written.
        part: String,
    },
    /// Longer than 584 years.
    #[error("found `{text}`, expected at most 584 years")]
    TooLong {
        /// The text as written.
        text: String,
    },
}

impl FromStr for SimDuration {
    type Err = DurationError;

    /// Reads one or more parts, each a decimal number and a unit, largest unit first: `"250ms"`, `"1.5s"`, `"1h30m"`.
    ///
    /// The units are `ns`, `us`, `ms`, `s`, `min` or `m`, `h` and `d`.
    fn from_str(text: &str) -> Result<Self, DurationError> {
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(DurationError::Empty);
        }
        let too_long = || DurationError::TooLong {
            text: text.to_owned(),
        };
        let (mut total, mut last) = (0u64, u64::MAX);
        while !rest.is_empty() {
            let (number, after) = rest.split_at(length_of(rest, |c| {
                c.is_ascii_digit() || c == '.' || c == '_'
            }));
            let (unit, after) = after.split_at(length_of(after, |c| {
                !c.is_ascii_digit() && !c.is_whitespace()
            }));
            let scale = scale_of(number, unit, rest)?;
            if scale >= last {
                return Err(DurationError::Order {
                    unit: unit.to_owned(),
                });
            }
            let nanos = nanos_of(number, scale).map_err(|fault| fault.of(number, unit, text))?;
            total = total.checked_add(nanos).ok_or_else(too_long)?;
            last = scale;
            rest = after.trim_start();
        }
        Ok(Self(total))
    }
}

fn length_of(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// The nanoseconds of `unit`, or what is wrong with the part `rest` begins with.
fn scale_of(number: &str, unit: &str, rest: &str) -> Result<u64, DurationError> {
    if !number.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(DurationError::NoNumber {
            found: rest.to_owned(),
        });
    }
    if unit.is_empty() {
        return Err(DurationError::NoUnit {
            number: number.to_owned(),
        });
    }
    let unit = if unit == "µs" || unit == "μs" {
        "us"
    } else {
        unit
    };
    let known = UNITS.iter().find(|(name, _)| *name == unit);
    known
        .map(|&(_, nanos)| nanos)
        .ok_or_else(|| DurationError::UnknownUnit {
            unit: unit.to_owned(),
        })
}

enum NumberFault {
    NotANumber,
    TooFine,
    TooLong,
}

impl NumberFault {
    fn of(self, number: &str, unit: &str, text: &str) -> DurationError {
        match self {
            Self::NotANumber => DurationError::NoNumber {
                found: number.to_owned(),
            },
            Self::TooFine => DurationError::TooFine {
                part: format!("{number}{unit}"),
            },
            Self::TooLong => DurationError::TooLong {
                text: text.to_owned(),
            },
        }
    }
}

/// `number` times `scale`, in integers: `"1.5"` times 1,000 is 1,500 exactly.
fn nanos_of(number: &str, scale: u64) -> Result<u64, NumberFault> {
    let digits = number.replace('_', "");
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return Err(NumberFault::NotANumber);
    }
    let fraction = fraction.trim_end_matches('0');
    let tens = 10u128
        .checked_pow(fraction.len() as u32)
        .ok_or(NumberFault::TooFine)?;
    let part = if fraction.is_empty() {
        0
    } else {
        fraction.parse::<u128>().map_err(|_| NumberFault::TooFine)?
    };
    let part = part
        .checked_mul(u128::from(scale))
        .ok_or(NumberFault::TooFine)?;
    if part % tens != 0 {
        return Err(NumberFault::TooFine);
    }
    let whole = whole.parse::<u128>().map_err(|_| NumberFault::TooLong)?;
    let nanos = whole
        .checked_mul(u128::from(scale))
        .and_then(|nanos| nanos.checked_add(part / tens));
    nanos
        .and_then(|nanos| u64::try_from(nanos).ok())
        .ok_or(NumberFault::TooLong)
}

impl fmt::Display for SimDuration {
    /// Writes the shortest exact form that reads back to the same duration: `250ms`, `1.5s`, `5min`, `1h30min`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.pad("0s");
        }
        f.pad(&written(self.0))
    }
}

fn written(nanos: u64) -> String {
    const MINUTE: u64 = 60 * NANOS_PER_SEC;
    if nanos < MINUTE {
        return decimal(nanos);
    }
    let mut text = String::new();
    let mut rest = nanos;
    for (unit, scale) in UNITS
        .into_iter()
        .filter(|&(unit, scale)| scale >= MINUTE && unit != "m")
    {
        if rest >= scale {
            text += &format!("{}{unit}", rest / scale);
            rest %= scale;
        }
    }
    if rest > 0 {
        text += &decimal(rest);
    }
    text
}

/// Less than a minute, as one decimal number of the largest unit that does not leave a zero in front.
fn decimal(nanos: u64) -> String {
    let (unit, scale) = UNITS
        .into_iter()
        .find(|&(_, scale)| nanos >= scale)
        .unwrap_or(("ns", 1));
    let (whole, fraction) = (nanos / scale, nanos % scale);
    if fraction == 0 {
        return format!("{whole}{unit}");
    }
    let digits = scale.ilog10() as usize;
    format!(
        "{whole}.{}{unit}",
        format!("{fraction:0digits$}").trim_end_matches('0')
    )
}

impl fmt::Display for SimTime {
    /// Writes the time since the start, as [`SimDuration`] does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.since_start().fmt(f)
    }
}

impl FromStr for SimTime {
    type Err = DurationError;

    /// Reads the time since the start, as [`SimDuration`] does.
    fn from_str(text: &str) -> Result<Self, DurationError> {
        text.parse().map(|SimDuration(nanos)| Self(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<u64, DurationError> {
        text.parse::<SimDuration>().map(SimDuration::as_nanos)
    }

    #[test]
    fn every_unit_is_read() {
        let cases = [
            ("20ns", 20),
            ("20us", 20_000),
            ("250ms", 250_000_000),
            ("1.5s", 1_500_000_000),
            ("5min", 300_000_000_000),
            ("30m", 1_800_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("2h", 7_200_000_000_000),
            ("1d", 86_400_000_000_000),
            ("1m 30s", 90_000_000_000),
            ("0s", 0),
            ("0.000000001s", 1),
        ];
        for (text, nanos) in cases {
            assert_eq!(read(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn a_wrong_duration_is_named() {
        let found = |text: &str| read(text).expect_err(text).to_string();
        assert_eq!(
            found("5"),
            "found `5` without a unit, expected one of ns, us, ms, s, min, h, d, as in \"5ms\""
        );
        assert_eq!(
            found("5sec"),
            "found the unit `sec`, expected one of ns, us, ms, s, min (or m), h, d"
        );
        assert!(found("").starts_with("found an empty text"));
        assert!(found("-5s").starts_with("found `-5s`, expected a number"));
        assert!(found("1.2.3s").starts_with("found `1.2.3`, expected a number"));
        assert!(found("5s1h").starts_with("found `h` after a unit"));
        assert!(found("0.5ns").starts_with("found `0.5ns`, which is not a whole number"));
        assert!(found("1000000d").ends_with("expected at most 584 years"));
    }

    #[test]
    fn what_is_printed_reads_back() {
        let cases = [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5us"),
            (250_000_000, "250ms"),
            (59_999_999_999, "59.999999999s"),
            (60_000_000_000, "1min"),
            (5_400_000_000_000, "1h30min"),
            (90_061_000_000_001, "1d1h1min1.000000001s"),
        ];
        for (nanos, text) in cases {
            assert_eq!(SimDuration::from_nanos(nanos).to_string(), text);
            assert_eq!(read(text), Ok(nanos));
        }
    }
}
