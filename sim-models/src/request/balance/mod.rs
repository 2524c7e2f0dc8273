//! How does a load balancer node spread requests over its targets?

pub mod round_robin;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `load_balancing.algorithm.type` of a target group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// In turn, from a start that each load balancer node draws.
    #[default]
    RoundRobin,
}

/// The state of one load balancer node for one target group.
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    /// The target served last.
    last: u32,
}

impl Algorithm {
    /// All algorithms.
    pub const ALL: [Self; 1] = [Self::RoundRobin];

    /// Picks one of `count` targets, by position; `None` exactly when there are none.
    #[inline]
    pub fn pick(self, cursor: &mut Cursor, count: u32) -> Option<u32> {
        let picked = match self {
            Self::RoundRobin => round_robin::pick(cursor.last, count),
        }?;
        cursor.last = picked;
        Some(picked)
    }
}

impl Cursor {
    /// A cursor whose first pick is `start`.
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

    #[test]
    fn every_algorithm_picks_only_targets_and_none_exactly_when_there_are_none() {
        for algorithm in Algorithm::ALL {
            for count in 0..5 {
                let mut cursor = Cursor::starting_at(0, count);
                for _ in 0..10 {
                    let picked = algorithm.pick(&mut cursor, count);
                    assert_eq!(picked.is_some(), count > 0);
                    assert!(picked.is_none_or(|picked| picked < count));
                }
            }
        }
    }

    #[test]
    fn a_cursor_starts_where_it_was_told() {
        for start in 0..4 {
            let mut cursor = Cursor::starting_at(start, 4);
            assert_eq!(Algorithm::RoundRobin.pick(&mut cursor, 4), Some(start));
        }
    }
}
