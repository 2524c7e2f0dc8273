//! MurmurHash3, the variant with 128 bits for 64-bit machines.

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

/// Both halves of the hash of `bytes`, with the seed in both lanes.
///
/// Source: A. Appleby, SMHasher, `MurmurHash3_x64_128`; Cilium `pkg/murmur3`.
pub fn hash128(bytes: &[u8], seed: u32) -> (u64, u64) {
    let (mut h1, mut h2) = (u64::from(seed), u64::from(seed));
    let mut blocks = bytes.chunks_exact(16);
    for block in &mut blocks {
        let (k1, k2) = lanes(block);
        h1 = (h1 ^ scrambled1(k1)).rotate_left(27).wrapping_add(h2);
        h1 = h1.wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 = (h2 ^ scrambled2(k2)).rotate_left(31).wrapping_add(h1);
        h2 = h2.wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    // A tail padded with zeros is hashed like a block, without the mixing: a lane of zeros changes nothing.
    let (k1, k2) = lanes(blocks.remainder());
    h1 ^= scrambled1(k1) ^ bytes.len() as u64;
    h2 ^= scrambled2(k2) ^ bytes.len() as u64;
    (h1, h2) = crossed(h1, h2);
    crossed(avalanched(h1), avalanched(h2))
}

/// Up to 16 bytes as two little-endian words, missing bytes as zeros.
fn lanes(bytes: &[u8]) -> (u64, u64) {
    let mut padded = [0; 16];
    padded[..bytes.len()].copy_from_slice(bytes);
    let both = u128::from_le_bytes(padded);
    (both as u64, (both >> 64) as u64)
}

fn scrambled1(k: u64) -> u64 {
    k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

fn scrambled2(k: u64) -> u64 {
    k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

fn crossed(h1: u64, h2: u64) -> (u64, u64) {
    let h1 = h1.wrapping_add(h2);
    (h1, h2.wrapping_add(h1))
}

fn avalanched(mut k: u64) -> u64 {
    k = (k ^ (k >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    k = (k ^ (k >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ (k >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hashes_to_nothing() {
        // All inputs of the finalisation are 0, and it maps 0 to 0.
        assert_eq!(hash128(b"", 0), (0, 0));
    }

    #[test]
    fn a_known_sentence_has_its_known_hash() {
        // The value of the sentence with seed 0 that implementations of the algorithm agree on.
        let (h1, h2) = hash128(b"The quick brown fox jumps over the lazy dog", 0);
        assert_eq!((h1, h2), (0xe34b_bc7b_bc07_1b6c, 0x7a43_3ca9_c49a_9347));
    }

    #[test]
    fn a_backend_of_cilium_has_the_hash_that_cilium_gives_it() {
        // 31 bytes, a block and a tail, under the word of Cilium's default seed.
        let (h1, h2) = hash128(b"[10.0.0.10:80/TCP,State:active]", 616_034_178);
        assert_eq!((h1, h2), (0x066e_5e35_2ff7_9d0a, 0x535a_4615_6079_002c));
    }
}
