//! Did two runs do the same? A digest of the event sequence.

use crate::time::SimTime;
use std::fmt;

/// A 64-bit digest of a sequence of events: two runs that handled the same events at the same times in the same order
/// have the same fingerprint, and two that differ anywhere have different ones but for a chance of about 2⁻⁶⁴.
///
/// It tells runs apart that differ by accident. It is no protection against someone who wants two runs to look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

/// The fractional part of the golden ratio: an odd number whose multiples spread evenly.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Fingerprint {
    /// The fingerprint of no events.
    #[must_use]
    pub const fn new() -> Self {
        Self(0x243f_6a88_85a3_08d3)
    }

    /// Adds an event: when it happened, and a digest of what it was.
    #[inline]
    pub fn add(&mut self, at: SimTime, digest: u64) {
        let event = at.as_nanos() ^ digest.wrapping_mul(SPREAD).rotate_left(23);
        self.0 = (self.0.rotate_left(26) ^ event).wrapping_mul(SPREAD);
    }

    /// Adds another fingerprint, such as that of the next replication.
    pub fn join(&mut self, other: Self) {
        self.add(SimTime::from_nanos(other.value()), 1);
    }

    /// The digest as a number: every bit depends on every event.
    #[must_use]
    pub const fn value(self) -> u64 {
        // The finaliser of MurmurHash3: the multiplications of `add` alone would leave the low bits weak.
        let mut bits = self.0;
        bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        bits ^ (bits >> 33)
    }
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Fingerprint {
    /// Writes four groups of four hexadecimal digits: `9f3c-71aa-0b52-e4d8`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value();
        let group = |shift: u32| (value >> shift) & 0xffff;
        write!(
            f,
            "{:04x}-{:04x}-{:04x}-{:04x}",
            group(48),
            group(32),
            group(16),
            group(0)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(events: &[(u64, u64)]) -> Fingerprint {
        let mut fingerprint = Fingerprint::new();
        for &(at, digest) in events {
            fingerprint.add(SimTime::from_nanos(at), digest);
        }
        fingerprint
    }

    #[test]
    fn order_time_and_digest_all_count() {
        let one = of(&[(1, 7), (2, 8)]);
        assert_eq!(one, of(&[(1, 7), (2, 8)]));
        assert_ne!(one, of(&[(2, 8), (1, 7)]));
        assert_ne!(one, of(&[(1, 8), (2, 7)]));
        assert_ne!(one, of(&[(1, 7), (3, 8)]));
        assert_ne!(one, of(&[(1, 7)]));
    }

    #[test]
    fn it_is_printed_in_groups() {
        let text = Fingerprint::new().to_string();
        assert_eq!(text.len(), 19);
        assert!(text.split('-').all(|group| group.len() == 4));
    }
}
