//! How are the values spread: a log-linear histogram in integers, with quantiles and an exact merge.

/// Sub-buckets of each octave, as a power of two: 128.
const BITS: u32 = 7;
const SUB_BUCKETS: usize = 1 << BITS;

/// A histogram of whole numbers of any size, mostly nanoseconds.
///
/// Values below 256 have a bucket each. Above, every octave (from 2ᵏ to 2ᵏ⁺¹) is cut into 128 equal buckets, and a
/// quantile is the middle of its bucket: it is within 1/256 (0.4 %) of a value that was seen. Count, sum, minimum and
/// maximum are exact, so is the mean.
///
/// An octave takes a kibibyte once a value falls into it, so hundreds of histograms are cheap. They merge exactly, in
/// any order.
///
/// ```
/// use sim_core::Histogram;
///
/// let mut latency = Histogram::new();
/// (1..=1000).for_each(|millis| latency.add(millis * 1_000_000));
/// assert_eq!(latency.mean(), Some(500.5e6));
/// let p99 = latency.quantile(0.99).unwrap() as f64;
/// assert!((p99 / 990e6 - 1.0).abs() < 1.0 / 256.0);
/// ```
#[derive(Clone, Debug)]
pub struct Histogram {
    octaves: Vec<Option<Box<[u64; SUB_BUCKETS]>>>,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

impl Histogram {
    /// A histogram of nothing; takes no memory for buckets.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            octaves: Vec::new(),
            count: 0,
            sum: 0,
            min: u64::MAX,
            max: 0,
        }
    }

    /// Adds one value.
    #[inline]
    pub fn add(&mut self, value: u64) {
        self.add_many(value, 1);
    }

    /// Adds `count` times the same value.
    #[inline]
    pub fn add_many(&mut self, value: u64, count: u64) {
        let (octave, sub) = bucket(value);
        match self.octaves.get_mut(octave) {
            Some(Some(buckets)) => buckets[sub] += count,
            _ => self.open(octave)[sub] += count,
        }
        self.count += count;
        self.sum += u128::from(value) * u128::from(count);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Adds everything `other` holds.
    pub fn merge(&mut self, other: &Self) {
        for (octave, buckets) in other.octaves.iter().enumerate() {
            if let Some(buckets) = buckets {
                self.open(octave)
                    .iter_mut()
                    .zip(buckets.iter())
                    .for_each(|(mine, theirs)| *mine += theirs);
            }
        }
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// How many values.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Their exact sum.
    #[must_use]
    pub const fn sum(&self) -> u128 {
        self.sum
    }

    /// The least value, if any.
    #[must_use]
    pub fn min(&self) -> Option<u64> {
        (self.count > 0).then_some(self.min)
    }

    /// The greatest value, if any.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }

    /// The exact mean, if any.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// The least value that a share `q` of all values do not exceed, within 1/256; `None` where there are no values.
    ///
    /// # Panics
    ///
    /// When `q` is not between 0 and 1.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<u64> {
        assert!(
            (0.0..=1.0).contains(&q),
            "a quantile is a share between 0 and 1: found {q}"
        );
        let rank = (libm::ceil(q * self.count as f64) as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        self.buckets().find_map(|bucket| {
            seen += bucket.count;
            (seen >= rank).then(|| bucket.middle().clamp(self.min, self.max))
        })
    }

    /// How many values lie in buckets wholly above `value`'s own: the count of values above it, within 1/128 of it.
    #[must_use]
    pub fn count_above(&self, value: u64) -> u64 {
        self.buckets()
            .filter(|bucket| bucket.low > value)
            .map(|bucket| bucket.count)
            .sum()
    }

    /// The buckets that hold values, least first.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> + '_ {
        self.octaves
            .iter()
            .enumerate()
            .flat_map(|(octave, buckets)| {
                let counts = buckets
                    .iter()
                    .flat_map(|buckets| buckets.iter().enumerate());
                counts
                    .filter(|&(_, &count)| count > 0)
                    .map(move |(sub, &count)| bucket_at(octave, sub, count))
            })
    }

    #[cold]
    fn open(&mut self, octave: usize) -> &mut [u64; SUB_BUCKETS] {
        if self.octaves.len() <= octave {
            self.octaves.resize_with(octave + 1, || None);
        }
        self.octaves[octave].get_or_insert_with(|| Box::new([0; SUB_BUCKETS]))
    }
}

/// Octave 0 holds the values below 128, octave k > 0 those from 2^(k+6) to 2^(k+7), in steps of 2^(k-1).
#[inline]
const fn bucket(value: u64) -> (usize, usize) {
    let shift = 63 - (value | SUB_BUCKETS as u64).leading_zeros() - BITS;
    let steps = (value >> shift) as usize;
    (shift as usize + (steps >> BITS), steps & (SUB_BUCKETS - 1))
}

const fn bucket_at(octave: usize, sub: usize, count: u64) -> Bucket {
    let (steps, shift) = if octave == 0 {
        (sub, 0)
    } else {
        (sub + SUB_BUCKETS, octave - 1)
    };
    Bucket {
        low: (steps as u64) << shift,
        width: 1 << shift,
        count,
    }
}

/// One bucket of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The least value that falls into it.
    pub low: u64,
    /// How many different values fall into it: those from `low` to `low + width - 1`.
    pub width: u64,
    /// How many values did.
    pub count: u64,
}

impl Bucket {
    /// The value in the middle.
    #[must_use]
    pub const fn middle(&self) -> u64 {
        self.low + self.width / 2
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for Histogram {
    /// Whether both hold the same values in the same buckets.
    fn eq(&self, other: &Self) -> bool {
        let summary = |h: &Self| (h.count, h.sum, h.min, h.max);
        summary(self) == summary(other) && self.buckets().eq(other.buckets())
    }
}

impl Eq for Histogram {}

impl FromIterator<u64> for Histogram {
    fn from_iter<I: IntoIterator<Item = u64>>(values: I) -> Self {
        let mut histogram = Self::new();
        for value in values {
            histogram.add(value);
        }
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_has_no_quantile() {
        assert_eq!(Histogram::new().quantile(0.5), None);
        assert_eq!(Histogram::new().mean(), None);
    }

    #[test]
    fn small_values_are_exact() {
        let histogram: Histogram = (0..256).collect();
        // The 0.25-quantile of 0..=255 is the 64th smallest, 63.
        assert_eq!(histogram.quantile(0.25), Some(63));
        assert_eq!(histogram.quantile(0.0), Some(0));
        assert_eq!(histogram.quantile(1.0), Some(255));
    }

    #[test]
    fn one_value_is_its_own_quantile() {
        let histogram: Histogram = [123_456_789].into_iter().collect();
        assert_eq!(histogram.quantile(0.5), Some(123_456_789));
    }

    proptest! {
        #[test]
        fn every_value_lies_in_its_bucket(value: u64) {
            let (octave, sub) = bucket(value);
            let bucket = bucket_at(octave, sub, 1);
            prop_assert!(bucket.low <= value && value - bucket.low < bucket.width);
            prop_assert!(bucket.width == 1 || bucket.width <= bucket.low / 128);
        }

        #[test]
        fn quantiles_are_within_a_part_in_256(mut values in prop::collection::vec(1u64..u64::MAX, 1..200), q in 0.0..=1.0f64) {
            let histogram: Histogram = values.iter().copied().collect();
            values.sort_unstable();
            let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let (exact, found) = (values[rank - 1], histogram.quantile(q).unwrap());
            prop_assert!(exact.abs_diff(found) <= exact / 256 + 1, "{exact} {found}");
        }

        #[test]
        fn merged_is_the_same_as_added_together(left: Vec<u64>, right: Vec<u64>) {
            let mut merged: Histogram = left.iter().copied().collect();
            merged.merge(&right.iter().copied().collect());
            prop_assert_eq!(merged, left.into_iter().chain(right).collect::<Histogram>());
        }
    }
}
