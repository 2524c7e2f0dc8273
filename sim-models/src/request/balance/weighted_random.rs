//! Weighted random: any target, drawn for each request.
//!
//! All weights are equal: AWS changes them only under automatic target weights, when a target's answers
//! are anomalous.

use crate::request::select::random;

/// The position of the chosen target among `count`; `None` when there is none.
///
/// `word` is a 32-bit uniform number.
///
/// Source: AWS, "Edit target group attributes for your Application Load Balancer", `weighted_random`.
#[inline]
pub fn pick(count: u32, word: u32) -> Option<u32> {
    random::pick(count, word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_parts_of_the_draw_belong_to_each_target() {
        // A quarter of 2^32 is 2^30: the first word of each quarter, and the last before it.
        assert_eq!(
            [0, 1 << 30, 2 << 30].map(|word| pick(4, word)),
            [0, 1, 2].map(Some)
        );
        assert_eq!(
            [(1 << 30) - 1, u32::MAX].map(|word| pick(4, word)),
            [0, 3].map(Some)
        );
    }

    #[test]
    fn a_group_without_targets_has_none_to_draw() {
        assert_eq!(pick(0, 7), None);
    }
}
