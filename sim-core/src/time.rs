//! What time is it, and how long does it take: integer nanoseconds, written as `"250ms"`.
//!
//! Simulated time is a `u64` of nanoseconds since the start of the run, good for 584 years. Integers add up the same
//! way on every machine and in every order, which floats do not.

mod arithmetic;
mod text;
#[cfg(feature = "serde")]
mod written_form;

pub use text::DurationError;

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
