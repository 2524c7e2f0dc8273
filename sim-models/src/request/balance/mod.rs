//! How does a load balancer node spread requests over its targets?

pub mod anomaly;
pub mod least_outstanding;
pub mod round_robin;
pub mod slow_start;
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

impl Cursor {
    /// A target was served in another way than by turn.
    pub fn served(&mut self, position: u32) {
        self.last = position;
    }
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
                two_choices::pick(|target| counts.outstanding(target), view.count, view.word)
            }
        }?;
        cursor.last = picked;
        Some(picked)
    }
}

impl Algorithm {
    /// Picks one of some targets, whose positions rise; `None` exactly when there are none.
    ///
    /// # Panics
    ///
    /// When the algorithm looks at requests in progress and the view does not show them.
    pub fn pick_among(self, cursor: &mut Cursor, view: View<'_>, positions: &[u32]) -> Option<u32> {
        if positions.len() == view.count as usize {
            return self.pick(cursor, view);
        }
        let after = |positions: &[u32]| {
            let next = positions.partition_point(|&position| position <= cursor.last);
            positions.get(next).or(positions.first()).copied()
        };
        let picked = match self {
            Self::RoundRobin => after(positions),
            Self::WeightedRandom => {
                let count = positions.len() as u32;
                weighted_random::pick(count, view.word).map(|nth| positions[nth as usize])
            }
            Self::LeastOutstandingRequests => {
                let counts = view.outstanding.expect("requests in progress are counted");
                let busy = |&position: &u32| counts.outstanding(position);
                let fewest = positions.iter().map(busy).min()?;
                let tied = positions.iter().copied();
                let tied: Vec<u32> = tied.filter(|position| busy(position) == fewest).collect();
                match view.tie {
                    Tie::RoundRobin => after(&tied),
                    Tie::Random => {
                        let nth = weighted_random::pick(tied.len() as u32, view.word);
                        nth.map(|nth| tied[nth as usize])
                    }
                }
            }
            Self::TwoChoices => {
                let counts = view.outstanding.expect("requests in progress are counted");
                let load = |nth: u32| counts.outstanding(positions[nth as usize]);
                let nth = two_choices::pick(load, positions.len() as u32, view.word);
                nth.map(|nth| positions[nth as usize])
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

    #[test]
    fn among_all_targets_the_choice_is_the_same_as_without_a_list() {
        let all: Vec<u32> = (0..5).collect();
        for algorithm in Algorithm::ALL {
            let counts = Counts::new(5);
            let mut plain = Cursor::starting_at(3, 5);
            let mut listed = plain;
            for word in (0..20).map(|n| n << 27) {
                assert_eq!(
                    algorithm.pick(&mut plain, view(&counts, 5, word)),
                    algorithm.pick_among(&mut listed, view(&counts, 5, word), &all)
                );
            }
        }
    }

    #[test]
    fn only_listed_targets_are_picked_and_all_of_them() {
        for algorithm in Algorithm::ALL {
            let mut counts = Counts::new(6);
            let mut cursor = Cursor::starting_at(0, 6);
            let mut picked = Vec::new();
            for word in (0..40).map(|n: u32| n.wrapping_mul(0x9e37_79b9)) {
                let position =
                    algorithm.pick_among(&mut cursor, view(&counts, 6, word), &[1, 4, 5]);
                let position = position.expect("there are targets");
                counts.begin(position);
                picked.push(position);
            }
            picked.sort_unstable();
            picked.dedup();
            assert_eq!(picked, [1, 4, 5], "{algorithm:?}");
            let none = algorithm.pick_among(&mut cursor, view(&counts, 6, 0), &[]);
            assert_eq!(none, None);
        }
    }

    #[test]
    fn in_turn_goes_on_after_the_target_served_last_whatever_the_list() {
        let counts = Counts::new(6);
        let mut cursor = Cursor::starting_at(0, 6);
        let turn = |list: &[u32], cursor: &mut Cursor| {
            Algorithm::RoundRobin.pick_among(cursor, view(&counts, 6, 0), list)
        };
        assert_eq!(turn(&[0, 2, 4], &mut cursor), Some(0));
        assert_eq!(turn(&[0, 1, 4], &mut cursor), Some(1));
        assert_eq!(turn(&[0, 1], &mut cursor), Some(0));
    }
}
