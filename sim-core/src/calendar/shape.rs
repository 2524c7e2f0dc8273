//! How time is cut into buckets, and when it is worth cutting it anew.

/// So many events fit the cache next to the processor.
const SMALL: usize = 32_768;

/// How time is cut into buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// A fine bucket is 2^`width` nanoseconds wide. At least 1, so that bucket numbers stay below 2^63.
    pub(super) width: u32,
    /// A coarse bucket is 2^`fine` fine ones.
    pub(super) fine: u32,
    /// The ring has 2^`ring` coarse buckets.
    pub(super) ring: u32,
}

impl Shape {
    /// Before anything is known: fine buckets of a millisecond.
    pub(super) const FIRST: Self = Self {
        width: 20,
        fine: 8,
        ring: 4,
    };

    /// The shape that suits `len` events planned, of which one happens every `gap` nanoseconds.
    ///
    /// A few thousand events fit the first cache, and a fine bucket is best nearly empty. Many do not, and there the
    /// cost of touching a bucket is shared by more of its events. The ring reaches four times as far as the events
    /// planned would last. Source: sweeps of occupancy and number of fine buckets on the hold model with 64 to
    /// 4,194,304 events (the benchmarks of this workspace).
    pub(super) fn suiting(len: usize, gap: f64) -> Self {
        let (occupancy, fine) = if len <= SMALL { (1.0, 8) } else { (8.0, 10) };
        let width = (libm::round(libm::log2((gap * occupancy).max(2.0))) as u32).clamp(1, 48);
        let coarse_width = libm::exp2(f64::from(width + fine));
        let buckets = (4.0 * gap * len as f64 / coarse_width).clamp(16.0, 16_384.0);
        Self {
            width,
            fine,
            ring: libm::ceil(libm::log2(buckets)) as u32,
        }
    }

    /// How many slots to give a fine bucket, as a power of two: enough for nearly all.
    pub(super) const fn room(self) -> u32 {
        if self.fine <= 8 { 2 } else { 4 }
    }

    /// Whether this shape does nearly as well as `other` would.
    pub(super) fn serves(self, other: Self) -> bool {
        let reach = |shape: Self| shape.width + shape.fine + shape.ring;
        self.fine == other.fine
            && self.width.abs_diff(other.width) <= 1
            && reach(self) + 1 >= reach(other)
    }
}

/// What passed since the shape was last looked at. Events are counted as they reach the bottom.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    /// How often the bottom was filled.
    pub(super) refills: u64,
    /// Time at the beginning, in nanoseconds.
    pub(super) start: u64,
    /// Events at the beginning.
    pub(super) events: u64,
    /// Events at the last rebuild.
    pub(super) rebuilt: u64,
}

impl Window {
    /// Whether enough has passed to judge: many refills, or few with crowds in them.
    pub(super) fn is_telling(&self, events: u64) -> bool {
        self.refills >= 1024 || events - self.events >= 256 * self.refills + 1024
    }

    /// The mean time between events, now that it is `now` and `events` have passed.
    pub(super) fn gap(&self, now: u64, events: u64) -> f64 {
        now.saturating_sub(self.start) as f64 / (events - self.events).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fine_bucket_holds_about_what_it_should() {
        // 1,000 events, one every 1,000 ns: 1,000 ns rounds to 2^10; 4 * 10^6 ns over 2^18 is 15.3, so 2^4 buckets.
        assert_eq!(
            Shape::suiting(1_000, 1_000.0),
            Shape {
                width: 10,
                fine: 8,
                ring: 4
            }
        );
        // A million, one every 1,000 ns: 8,000 ns rounds to 2^13; 4 * 10^9 over 2^23 is 476.8, so 2^9.
        assert_eq!(
            Shape::suiting(1_000_000, 1_000.0),
            Shape {
                width: 13,
                fine: 10,
                ring: 9
            }
        );
    }

    #[test]
    fn the_extremes_stay_within_bounds() {
        assert_eq!(
            Shape::suiting(0, 0.0),
            Shape {
                width: 1,
                fine: 8,
                ring: 4
            }
        );
        assert_eq!(
            Shape::suiting(usize::MAX, 1e30),
            Shape {
                width: 48,
                fine: 10,
                ring: 14
            }
        );
    }

    #[test]
    fn a_neighbouring_width_will_do() {
        let shape = Shape {
            width: 10,
            fine: 8,
            ring: 6,
        };
        assert!(shape.serves(Shape { width: 11, ..shape }));
        assert!(!shape.serves(Shape { width: 12, ..shape }));
        assert!(!shape.serves(Shape { ring: 8, ..shape }));
    }
}
