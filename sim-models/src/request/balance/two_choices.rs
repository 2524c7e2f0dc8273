//! The power of two choices: two targets are drawn, and the one with fewer requests in progress gets the request.
//!
//! No ALB does this; nginx (`random two least_conn`) and HAProxy (`random(2)`) do.

/// Picks among `count` targets; `None` when there is none.
///
/// `load` tells the requests in progress at each, `word` is a 32-bit uniform number. Of two with equally many requests the second drawn gets it.
///
/// Source: nginx `ngx_http_upstream_random_module`, `random two`.
pub fn pick(load: impl Fn(u32) -> u32, count: u32, word: u32) -> Option<u32> {
    if count < 2 {
        return (count == 1).then_some(0);
    }
    let pairs = u64::from(count) * u64::from(count - 1);
    let pair = (u64::from(word) * pairs) >> 32;
    let one = (pair / u64::from(count - 1)) as u32;
    // The other is one of the rest: those from `one` on stand one place further.
    let rest = (pair % u64::from(count - 1)) as u32;
    let other = rest + u32::from(rest >= one);
    Some(if load(one) < load(other) { one } else { other })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_has_the_same_part_of_the_draw() {
        // Six pairs, each a sixth of 2^32; with equal loads the second of the pair is picked: (0,1) (0,2) (1,0) (1,2)
        // (2,0) (2,1).
        let picks = [0, 1, 2, 3, 4, 5].map(|sixth: u64| {
            let word = ((2 * sixth + 1) << 32) / 12;
            pick(|_| 0, 3, word as u32)
        });
        assert_eq!(picks, [1, 2, 0, 2, 0, 1].map(Some));
    }

    #[test]
    fn the_less_loaded_of_the_two_is_picked() {
        for word in [0, u32::MAX] {
            assert_eq!(pick(|target| target, 2, word), Some(0));
        }
    }

    #[test]
    fn one_target_is_picked_and_none_is_not() {
        assert_eq!(pick(|_| 0, 1, 5), Some(0));
        assert_eq!(pick(|_| 0, 0, 5), None);
    }
}
