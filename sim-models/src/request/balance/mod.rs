//! How does a load balancer node spread requests over its targets?

pub mod least_outstanding;
pub mod round_robin;
pub mod two_choices;
pub mod weighted_random;

use least_outstanding::{Counts, Tie};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `load_balancing.algorithm.type` of a target group.
///
/// The choice is made for every request, not for every connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// In turn, in the order of registration.
    #[default]
    RoundRobin,
    /// The target with the fewest requests in progress.
    LeastOutstandingRequests,
    /// Any target, with the same probability for each.
    WeightedRandom,
    /// The one with fewer requests in progress of two that are drawn. No ALB has it, so no scenario can ask for it; it is
    /// here to be compared with proxies that do.
    #[serde(skip)]
    TwoChoices,
}

/// The state of one load balancer node for one target group.
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    /// The target served last.
    last: u32,
}

/// What a load balancer node may look at when it chooses.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Targets of the group.
    pub count: u32,
    /// Requests in progress at each; `None` where the algorithm does not count them.
    pub outstanding: Option<&'a Counts>,
    /// Who gets the request among equally loaded targets.
    pub tie: Tie,
    /// A 32-bit uniform number.
    pub word: u32,
}

impl Algorithm {
    /// All algorithms.
    pub const ALL: [Self; 4] = [
        Self::RoundRobin,
        Self::LeastOutstandingRequests,
        Self::WeightedRandom,
        Self::TwoChoices,
    ];

    /// Whether it looks at the requests in progress.
    pub fn counts_outstanding(self) -> bool {
        match self {
            Self::LeastOutstandingRequests | Self::TwoChoices => true,
            Self::RoundRobin | Self::WeightedRandom => false,
        }
    }

    /// Picks a target by position; `None` exactly when there are none.
    ///
    /// # Panics
    ///
    /// When the algorithm looks at requests in progress and the view does not show them.
    #[inline]
    pub fn pick(self, cursor: &mut Cursor, view: View<'_>) -> Option<u32> {
        let picked = match self {
            Self::RoundRobin => round_robin::pick(cursor.last, view.count),
            Self::LeastOutstandingRequests => {
                let counts = view.outstanding.expect("requests in progress are counted");
                least_outstanding::pick(counts, view.tie, cursor.last, view.word)
            }
            Self::WeightedRandom => weighted_random::pick(view.count, view.word),
            Self::TwoChoices => {
                let counts = view.outstanding.expect("requests in progress are counted");
                two_choices::pick(counts, view.count, view.word)
            }
        }?;
        cursor.last = picked;
        Some(picked)
    }
}

impl Cursor {
    /// A cursor whose first pick in turn is `start`.
    pub fn starting_at(start: u32, count: u32) -> Self {
        Self {
            last: if start == 0 {
                count.saturating_sub(1)
            } else {
                start - 1
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(counts: &Counts, count: u32, word: u32) -> View<'_> {
        View {
            count,
            outstanding: Some(counts),
            tie: Tie::RoundRobin,
            word,
        }
    }

    /// Picks of one algorithm, each request staying in progress.
    fn picks(algorithm: Algorithm, count: u32) -> Vec<Option<u32>> {
        let mut counts = Counts::new(count);
        let mut cursor = Cursor::starting_at(0, count);
        let words = (0..10_u32).map(|n| n.wrapping_mul(2_654_435_761));
        words
            .map(|word| {
                let picked = algorithm.pick(&mut cursor, view(&counts, count, word));
                picked.into_iter().for_each(|target| counts.begin(target));
                picked
            })
            .collect()
    }

    #[test]
    fn every_algorithm_picks_only_targets_and_none_exactly_when_there_are_none() {
        for algorithm in Algorithm::ALL {
            for count in 0..5 {
                for picked in picks(algorithm, count) {
                    assert_eq!(picked.is_some(), count > 0);
                    assert!(picked.is_none_or(|picked| picked < count));
                }
            }
        }
    }

    #[test]
    fn every_algorithm_picks_the_same_when_it_sees_the_same() {
        for algorithm in Algorithm::ALL {
            assert_eq!(picks(algorithm, 4), picks(algorithm, 4));
        }
    }

    #[test]
    fn a_cursor_starts_where_it_was_told() {
        let counts = Counts::new(4);
        for algorithm in [Algorithm::RoundRobin, Algorithm::LeastOutstandingRequests] {
            for start in 0..4 {
                let mut cursor = Cursor::starting_at(start, 4);
                assert_eq!(
                    algorithm.pick(&mut cursor, view(&counts, 4, 0)),
                    Some(start)
                );
            }
        }
    }
}
