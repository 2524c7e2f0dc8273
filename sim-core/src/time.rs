//! What time is it, and how long does it take: integer nanoseconds, written as `"250ms"`.
//!
//! Simulated time is a `u64` of nanoseconds since the start of the run, good for 584 years. Integers add up the same
//! way on every machine and in every order, which floats do not.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Rem, Sub, SubAssign};
use std::str::FromStr;

const NANOS_PER_MICRO: u64 = 1_000;
const NANOS_PER_MILLI: u64 = 1_000_000;
const NANOS_PER_SEC: u64 = 1_000_000_000;

/// A point in simulated time: nanoseconds since the start of the run.
///
/// Arithmetic is checked: a result below zero or beyond [`SimTime::MAX`] is a mistake in the scale of the scenario,
/// and panics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(u64);

impl SimTime {
    /// The start of the run.
    pub const ZERO: Self = Self(0);
    /// The last point in time, 584 years after the start. It serves as "never".
    pub const MAX: Self = Self(u64::MAX);

    /// The point `nanos` nanoseconds after the start.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The point `micros` microseconds after the start.
    ///
    /// # Panics
    ///
    /// When the point lies beyond [`SimTime::MAX`].
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(scaled(micros, NANOS_PER_MICRO))
    }

    /// The point `millis` milliseconds after the start.
    ///
    /// # Panics
    ///
    /// When the point lies beyond [`SimTime::MAX`].
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(scaled(millis, NANOS_PER_MILLI))
    }

    /// The point `secs` seconds after the start.
    ///
    /// # Panics
    ///
    /// When the point lies beyond [`SimTime::MAX`].
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(scaled(secs, NANOS_PER_SEC))
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the start, for reports.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_SEC as f64
    }

    /// The time from the start to this point.
    #[must_use]
    pub const fn since_start(self) -> SimDuration {
        SimDuration(self.0)
    }

    /// The time from `earlier` to this point, or zero when `earlier` is in fact later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> SimDuration {
        SimDuration(self.0.saturating_sub(earlier.0))
    }

    /// This point moved later by `delay`, or `None` beyond [`SimTime::MAX`].
    #[must_use]
    pub const fn checked_add(self, delay: SimDuration) -> Option<Self> {
        match self.0.checked_add(delay.0) {
            Some(nanos) => Some(Self(nanos)),
            None => None,
        }
    }
}

/// A length of simulated time in nanoseconds; never negative.
///
/// It is read and printed with units: `"250ms"`, `"1.5s"`, `"1h30m"`. Arithmetic is checked and panics on overflow.
///
/// ```
/// use sim_core::SimDuration;
///
/// let period: SimDuration = "1.5s".parse()?;
/// assert_eq!(period, SimDuration::from_millis(1_500));
/// assert_eq!((period * 2).to_string(), "3s");
/// # Ok::<(), sim_core::time::DurationError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimDuration(u64);

impl SimDuration {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest duration, 584 years.
    pub const MAX: Self = Self(u64::MAX);

    /// `nanos` nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// `micros` microseconds.
    ///
    /// # Panics
    ///
    /// When the duration exceeds [`SimDuration::MAX`].
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(scaled(micros, NANOS_PER_MICRO))
    }

    /// `millis` milliseconds.
    ///
    /// # Panics
    ///
    /// When the duration exceeds [`SimDuration::MAX`].
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(scaled(millis, NANOS_PER_MILLI))
    }

    /// `secs` seconds.
    ///
    /// # Panics
    ///
    /// When the duration exceeds [`SimDuration::MAX`].
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(scaled(secs, NANOS_PER_SEC))
    }

    /// `secs` seconds, rounded to the nearest nanosecond.
    ///
    /// # Panics
    ///
    /// When `secs` is negative, not a number, or exceeds [`SimDuration::MAX`].
    #[must_use]
    pub fn from_secs_f64(secs: f64) -> Self {
        let nanos = libm::round(secs * NANOS_PER_SEC as f64);
        assert!(
            nanos >= 0.0 && nanos < u64::MAX as f64,
            "{secs} s is no duration: it must lie between 0 and 584 years"
        );
        Self(nanos as u64)
    }

    /// Nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds, for reports.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_SEC as f64
    }

    /// Milliseconds, for reports.
    #[must_use]
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_MILLI as f64
    }

    /// Whether this is no time at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// This duration less `other`, or zero where that would be negative.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// This duration and `other` together, or `None` beyond [`SimDuration::MAX`].
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(nanos) => Some(Self(nanos)),
            None => None,
        }
    }

    /// This duration `factor` times, or `None` beyond [`SimDuration::MAX`].
    #[must_use]
    pub const fn checked_mul(self, factor: u64) -> Option<Self> {
        match self.0.checked_mul(factor) {
            Some(nanos) => Some(Self(nanos)),
            None => None,
        }
    }
}

const fn scaled(count: u64, nanos: u64) -> u64 {
    count
        .checked_mul(nanos)
        .expect("simulated time ends 584 years after the start: this is later")
}

impl Add<SimDuration> for SimTime {
    type Output = Self;

    #[inline]
    fn add(self, delay: SimDuration) -> Self {
        Self(
            self.0
                .checked_add(delay.0)
                .expect("simulated time ends 584 years after the start: the sum is later"),
        )
    }
}

impl AddAssign<SimDuration> for SimTime {
    #[inline]
    fn add_assign(&mut self, delay: SimDuration) {
        *self = *self + delay;
    }
}

impl Sub<SimDuration> for SimTime {
    type Output = Self;

    #[inline]
    fn sub(self, span: SimDuration) -> Self {
        Self(
            self.0
                .checked_sub(span.0)
                .expect("simulated time starts at zero: the difference is earlier"),
        )
    }
}

impl Sub for SimTime {
    type Output = SimDuration;

    #[inline]
    fn sub(self, earlier: Self) -> SimDuration {
        SimDuration(
            self.0
                .checked_sub(earlier.0)
                .expect("a duration runs from the earlier point to the later one"),
        )
    }
}

impl Add for SimDuration {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        Self(
            self.0
                .checked_add(other.0)
                .expect("a duration ends at 584 years: the sum is longer"),
        )
    }
}

impl AddAssign for SimDuration {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for SimDuration {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(
            self.0
                .checked_sub(other.0)
                .expect("a duration is never negative: the difference is"),
        )
    }
}

impl SubAssign for SimDuration {
    #[inline]
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Mul<u64> for SimDuration {
    type Output = Self;

    #[inline]
    fn mul(self, factor: u64) -> Self {
        Self(
            self.0
                .checked_mul(factor)
                .expect("a duration ends at 584 years: the product is longer"),
        )
    }
}

impl Div<u64> for SimDuration {
    type Output = Self;

    /// The quotient rounded down.
    #[inline]
    fn div(self, divisor: u64) -> Self {
        Self(
            self.0
                .checked_div(divisor)
                .expect("a duration is divided by one or more"),
        )
    }
}

impl Div for SimDuration {
    type Output = u64;

    /// How often `other` fits whole into this duration.
    #[inline]
    fn div(self, other: Self) -> u64 {
        self.0
            .checked_div(other.0)
            .expect("a duration is divided by one longer than zero")
    }
}

impl Rem for SimDuration {
    type Output = Self;

    #[inline]
    fn rem(self, other: Self) -> Self {
        Self(
            self.0
                .checked_rem(other.0)
                .expect("a duration is divided by one longer than zero"),
        )
    }
}

impl Sum for SimDuration {
    fn sum<I: Iterator<Item = Self>>(durations: I) -> Self {
        durations.fold(Self::ZERO, Add::add)
    }
}

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

#[cfg(feature = "serde")]
mod written_form {
    use super::{SimDuration, SimTime};
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
    use std::borrow::Cow;
    use std::fmt;

    struct Text<T>(std::marker::PhantomData<T>);

    impl<T: std::str::FromStr<Err = super::DurationError>> de::Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration with its unit, such as \"250ms\", \"1.5s\" or \"1h30m\"")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    macro_rules! as_text {
        ($type:ty, $name:literal, $about:literal) => {
            impl Serialize for $type {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }

            impl<'de> Deserialize<'de> for $type {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    deserializer.deserialize_str(Text::<$type>(std::marker::PhantomData))
                }
            }

            impl JsonSchema for $type {
                fn schema_name() -> Cow<'static, str> {
                    $name.into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({
                        "type": "string",
                        "description": $about,
                        "examples": ["250ms", "1.5s", "5min", "1h30m"],
                    })
                }
            }
        };
    }

    as_text!(
        SimDuration,
        "Duration",
        "a duration with its unit: ns, us, ms, s, min, h or d"
    );
    as_text!(
        SimTime,
        "Time",
        "the time since the start of the run, with its unit: ns, us, ms, s, min, h or d"
    );
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

    #[test]
    #[should_panic(expected = "simulated time ends 584 years after the start")]
    fn the_end_of_time_is_not_passed() {
        let _ = SimTime::MAX + SimDuration::from_nanos(1);
    }
}
