//! How much there was on average: a quantity integrated over time.

use crate::time::{SimDuration, SimTime};

/// A whole quantity that jumps at events and stays between them: a queue's length, the number of busy servers.
///
/// The integral over time is an exact integer of unit-nanoseconds.
///
/// ```
/// use sim_core::{Level, SimTime};
///
/// let mut queue = Level::new(SimTime::ZERO);
/// queue.set(SimTime::from_secs(1), 3);
/// queue.set(SimTime::from_secs(2), 0);
/// // Empty for 1 s, 3 for 1 s, empty for 2 s.
/// assert_eq!(queue.mean(SimTime::from_secs(4)), Some(0.75));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    since: SimTime,
    changed: SimTime,
    value: u64,
    max: u64,
    integral: u128,
}

impl Level {
    /// A level of zero from `start` on.
    #[must_use]
    pub const fn new(start: SimTime) -> Self {
        Self {
            since: start,
            changed: start,
            value: 0,
            max: 0,
            integral: 0,
        }
    }

    /// The level is `value` from `now` on.
    ///
    /// # Panics
    ///
    /// When `now` lies before the last change.
    #[inline]
    pub fn set(&mut self, now: SimTime, value: u64) {
        self.integral += self.area_until(now);
        self.changed = now;
        self.value = value;
        self.max = self.max.max(value);
    }

    /// The level rises by `amount` at `now`.
    #[inline]
    pub fn rise(&mut self, now: SimTime, amount: u64) {
        self.set(
            now,
            self.value
                .checked_add(amount)
                .expect("a level stays below 2^64"),
        );
    }

    /// The level falls by `amount` at `now`.
    ///
    /// # Panics
    ///
    /// When it would fall below zero.
    #[inline]
    pub fn fall(&mut self, now: SimTime, amount: u64) {
        self.set(
            now,
            self.value
                .checked_sub(amount)
                .expect("a level never falls below zero"),
        );
    }

    /// Forgets everything before `now` but the level itself: the end of the warm-up.
    pub fn reset(&mut self, now: SimTime) {
        *self = Self {
            since: now,
            changed: now,
            value: self.value,
            max: self.value,
            integral: 0,
        };
    }

    /// The level now.
    #[must_use]
    pub const fn value(&self) -> u64 {
        self.value
    }

    /// The highest level since the start or the last reset.
    #[must_use]
    pub const fn max(&self) -> u64 {
        self.max
    }

    /// The integral from the start or the last reset until `now`, in units times nanoseconds.
    #[must_use]
    pub fn integral(&self, now: SimTime) -> u128 {
        self.integral + self.area_until(now)
    }

    /// The mean over time until `now`; `None` where no time has passed.
    #[must_use]
    pub fn mean(&self, now: SimTime) -> Option<f64> {
        let length: SimDuration = now - self.since;
        (!length.is_zero()).then(|| self.integral(now) as f64 / length.as_nanos() as f64)
    }

    fn area_until(&self, now: SimTime) -> u128 {
        u128::from((now - self.changed).as_nanos()) * u128::from(self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_weighs_each_value_by_its_time() {
        let at = SimTime::from_nanos;
        let mut level = Level::new(at(10));
        level.rise(at(12), 5);
        level.fall(at(16), 2);
        // 0 for 2, 5 for 4, 3 for 4: 32 over 10.
        assert_eq!(level.integral(at(20)), 32);
        assert_eq!(level.mean(at(20)), Some(3.2));
        assert_eq!(level.max(), 5);
    }

    #[test]
    fn a_reset_keeps_the_level_and_forgets_the_past() {
        let at = SimTime::from_nanos;
        let mut level = Level::new(at(0));
        level.set(at(0), 9);
        level.set(at(5), 4);
        level.reset(at(10));
        assert_eq!(
            (level.value(), level.max(), level.mean(at(12))),
            (4, 4, Some(4.0))
        );
        assert_eq!(level.mean(at(10)), None);
    }
}
