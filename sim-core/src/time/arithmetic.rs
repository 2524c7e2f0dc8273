//! Sums, differences, multiples and quotients of times, all checked.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Rem, Sub, SubAssign};

use super::{SimDuration, SimTime};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "simulated time ends 584 years after the start")]
    fn the_end_of_time_is_not_passed() {
        let _ = SimTime::MAX + SimDuration::from_nanos(1);
    }
}
