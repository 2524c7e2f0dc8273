//! Round robin: the next target in the order of registration, after the one served last.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Details of the choice in turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which target a load balancer node serves first.
    ///
    /// Default: Random.
    /// Assumption: not published. It shows at low volume only.
    pub start: Start,
}

/// Which target a load balancer node serves first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Start {
    /// Any, drawn by each load balancer node for each group.
    #[default]
    Random,
    /// The one that was registered first.
    First,
}

/// The target after `last` among `count` targets, cyclically; `None` when there is none.
///
/// The cursor is the target served last, so that a change of the set never resets it.
///
/// Source: AWS, "How Elastic Load Balancing works" (in turn, for each load balancer node); the order of
/// registration is an assumption.
#[inline]
pub fn pick(last: u32, count: u32) -> Option<u32> {
    match count {
        0 => None,
        _ if last + 1 >= count => Some(0),
        _ => Some(last + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_its_turn() {
        let mut last = 2;
        let turns: Vec<u32> = std::iter::repeat_with(|| {
            last = pick(last, 4).expect("there are targets");
            last
        })
        .take(6)
        .collect();
        assert_eq!(turns, [3, 0, 1, 2, 3, 0]);
    }

    #[test]
    fn a_group_without_targets_has_no_turn() {
        assert_eq!(pick(0, 0), None);
    }

    #[test]
    fn a_cursor_beyond_a_shrunk_group_starts_over() {
        assert_eq!(pick(9, 4), Some(0));
    }
}
