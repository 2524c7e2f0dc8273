//! How did it go over time: fixed-width bins.

use crate::time::{SimDuration, SimTime};

/// Counts and sums of observations in bins of equal width from the start of the run.
///
/// Bins come into being as time reaches them; a bin nothing fell into counts zero.
///
/// ```
/// use sim_core::{Series, SimDuration, SimTime};
///
/// let mut failures = Series::new(SimDuration::from_secs(1));
/// failures.add(SimTime::from_millis(2_300), 1);
/// assert_eq!(failures.counts().collect::<Vec<_>>(), [0, 0, 1]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    width: SimDuration,
    bins: Vec<Bin>,
}

/// What fell into one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bin {
    /// How many observations.
    pub count: u64,
    /// Their sum.
    pub sum: u128,
}

impl Bin {
    /// The mean of the observations; `None` where there are none.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }
}

impl Series {
    /// An empty series with bins of `width`.
    ///
    /// # Panics
    ///
    /// When `width` is zero.
    #[must_use]
    pub fn new(width: SimDuration) -> Self {
        assert!(!width.is_zero(), "a bin is wider than zero");
        Self {
            width,
            bins: Vec::new(),
        }
    }

    /// Adds an observation of `value` at `at`.
    #[inline]
    pub fn add(&mut self, at: SimTime, value: u64) {
        let i = usize::try_from(at.since_start() / self.width)
            .expect("a series has fewer bins than there are addresses");
        if i >= self.bins.len() {
            self.bins.resize(i + 1, Bin::default());
        }
        self.bins[i].count += 1;
        self.bins[i].sum += u128::from(value);
    }

    /// Makes the series reach to `until`, with empty bins where nothing was observed.
    pub fn extend_to(&mut self, until: SimTime) {
        let bins = until.as_nanos().div_ceil(self.width.as_nanos()) as usize;
        if bins > self.bins.len() {
            self.bins.resize(bins, Bin::default());
        }
    }

    /// Adds every bin of `other`.
    ///
    /// # Panics
    ///
    /// When the widths differ.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(
            self.width, other.width,
            "series merge when their bins are equally wide"
        );
        if other.bins.len() > self.bins.len() {
            self.bins.resize(other.bins.len(), Bin::default());
        }
        for (mine, theirs) in self.bins.iter_mut().zip(&other.bins) {
            mine.count += theirs.count;
            mine.sum += theirs.sum;
        }
    }

    /// The width of a bin.
    #[must_use]
    pub const fn width(&self) -> SimDuration {
        self.width
    }

    /// The bins from the start of the run.
    #[must_use]
    pub fn bins(&self) -> &[Bin] {
        &self.bins
    }

    /// The count of each bin.
    pub fn counts(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        self.bins.iter().map(|bin| bin.count)
    }

    /// The point in time at which bin `i` begins.
    #[must_use]
    pub fn start_of(&self, i: usize) -> SimTime {
        SimTime::ZERO + self.width * i as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bin_includes_its_start_and_excludes_its_end() {
        let mut series = Series::new(SimDuration::from_nanos(10));
        for at in [0, 9, 10, 29] {
            series.add(SimTime::from_nanos(at), at);
        }
        let bins: Vec<_> = series
            .bins()
            .iter()
            .map(|bin| (bin.count, bin.sum))
            .collect();
        assert_eq!(bins, [(2, 9), (1, 10), (1, 29)]);
        assert_eq!(series.bins()[0].mean(), Some(4.5));
        assert_eq!(series.start_of(2), SimTime::from_nanos(20));
    }

    #[test]
    fn a_longer_series_merges_into_a_shorter_one() {
        let width = SimDuration::from_nanos(10);
        let (mut short, mut long) = (Series::new(width), Series::new(width));
        short.add(SimTime::from_nanos(5), 1);
        long.add(SimTime::from_nanos(25), 2);
        short.merge(&long);
        assert_eq!(short.counts().collect::<Vec<_>>(), [1, 0, 1]);
    }

    #[test]
    fn a_quiet_end_is_made_visible() {
        let mut series = Series::new(SimDuration::from_nanos(10));
        series.extend_to(SimTime::from_nanos(21));
        assert_eq!(series.counts().collect::<Vec<_>>(), [0, 0, 0]);
    }
}
