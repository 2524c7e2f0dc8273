//! Cilium's `random`: any backend with the same probability, whatever the packet says.

/// The position of the chosen backend among `count`; `None` when there is none.
///
/// `word` is a 32-bit uniform number. Cilium takes it modulo the count; scaling it instead has the same
/// distribution up to a bias below count / 2^32 and keeps neighbouring counts aligned.
///
/// Source: Cilium `bpf/lib/lb.h`.
#[inline]
pub fn pick(count: u32, word: u32) -> Option<u32> {
    let scaled = (u64::from(word) * u64::from(count)) >> 32;
    (count > 0).then_some(scaled as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_range_is_used_and_nothing_beyond() {
        assert_eq!(pick(10, 0), Some(0));
        assert_eq!(pick(10, u32::MAX), Some(9));
        assert_eq!(pick(1, u32::MAX), Some(0));
        assert_eq!(pick(0, 7), None);
    }
}
