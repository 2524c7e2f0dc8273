//! Where does a random number come from: from an address, not from a shared sequence.
//!
//! A draw is named by (seed, replication, [`StreamName`], entity, index). The generator is ChaCha with eight rounds, a
//! function of key, stream number and position, so any draw can be computed without the others. Nothing that is added
//! to a model shifts the draws of what was there before, and two alternatives with one seed share them.
//!
//! | form | for | cost |
//! |---|---|---|
//! | [`Streams::stream`] | one owner that draws in one order | 2 ns a draw |
//! | [`Streams::blocks`] | a population born in order: sixteen words for each | 2 ns a word |
//! | [`Streams::nth`] | rare decisions, each with as many draws as it likes | 0.1 µs a decision |
//!
//! The key is the seed, the replication, the name and the form, so the three forms of one name never share a word.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng, TryRng};
use std::convert::Infallible;

/// Words of 32 bits in a [`Block`].
pub const BLOCK_WORDS: usize = 16;

/// Blocks that each address of [`Streams::nth`] owns, as a power of two: 65,536.
const ADDRESS_BITS: u32 = 16;

/// What a stream of random numbers is for; a constant of the crate that draws from it.
///
/// ```
/// use sim_core::StreamName;
///
/// const ARRIVALS: StreamName = StreamName::new("arrivals");
/// assert_ne!(ARRIVALS, StreamName::new("service"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(u64);

impl StreamName {
    /// The stream called `name`: its 64-bit FNV-1a hash.
    ///
    /// Source: the FNV-1a hash of Fowler, Noll and Vo, RFC 9923.
    #[must_use]
    pub const fn new(name: &str) -> Self {
        let bytes = name.as_bytes();
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut i = 0;
        while i < bytes.len() {
            hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
            i += 1;
        }
        Self(hash)
    }

    /// The number that stands for the name in the generator's key.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }
}

/// All random numbers of one replication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streams {
    seed: u64,
    replication: u64,
}

/// The last word of the key, so that the three forms of one name are unrelated.
#[derive(Clone, Copy)]
enum Form {
    Sequence = 0,
    Address = 1,
    Blocks = 2,
}

impl Streams {
    /// The random numbers of replication `replication` under `seed`.
    #[must_use]
    pub const fn new(seed: u64, replication: u64) -> Self {
        Self { seed, replication }
    }

    /// The seed of the experiment.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Which replication these numbers belong to, from 0.
    #[must_use]
    pub const fn replication(&self) -> u64 {
        self.replication
    }

    /// A sequence of draws for one owner that draws in one order.
    #[must_use]
    pub fn stream(&self, name: StreamName, entity: u64) -> Stream {
        Stream(self.generator(name, Form::Sequence, entity))
    }

    /// The draws at one address: decision number `draw` of `entity`.
    ///
    /// Each address owns 65,536 blocks of sixteen words, far more than a decision needs. Ask once for a decision, not once for a
    /// comparison: to seek costs about 0.1 µs.
    ///
    /// # Panics
    ///
    /// When `draw` is 2⁴⁸ or more.
    #[must_use]
    pub fn nth(&self, name: StreamName, entity: u64, draw: u64) -> Stream {
        assert!(
            draw >> (64 - ADDRESS_BITS) == 0,
            "an entity takes fewer than 2^48 decisions: this is number {draw}"
        );
        let mut generator = self.generator(name, Form::Address, entity);
        generator.set_word_pos(u128::from(draw << ADDRESS_BITS) * BLOCK_WORDS as u128);
        Stream(generator)
    }

    /// Block after block of sixteen words, for the members of a population in the order of their birth.
    #[must_use]
    pub fn blocks(&self, name: StreamName, entity: u64) -> Blocks {
        Blocks {
            generator: self.generator(name, Form::Blocks, entity),
            next: 0,
        }
    }

    /// Block `k` of [`Streams::blocks`], sought.
    #[must_use]
    pub fn block(&self, name: StreamName, entity: u64, k: u64) -> Block {
        let mut blocks = self.blocks(name, entity);
        blocks.skip_to(k);
        blocks.draw()
    }

    fn generator(&self, name: StreamName, form: Form, entity: u64) -> ChaCha8Rng {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&self.replication.to_le_bytes());
        key[16..24].copy_from_slice(&name.0.to_le_bytes());
        key[24..].copy_from_slice(&(form as u64).to_le_bytes());
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(entity);
        generator
    }
}

/// Random draws in sequence.
///
/// It implements the traits of `rand_core`, so any distribution of the `rand` family can sample from it.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// A number in the open interval from 0 to 1.
    #[inline]
    pub fn unit(&mut self) -> Unit {
        Unit::from_bits(self.0.next_u64())
    }

    /// A whole number in `0..n`; every one equally likely but for a bias of at most `n` / 2³².
    ///
    /// # Panics
    ///
    /// When `n` is zero.
    #[inline]
    pub fn below(&mut self, n: u32) -> u32 {
        below(self.0.next_u32(), n)
    }

    /// 64 random bits.
    #[inline]
    pub fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    #[inline]
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.0.try_next_u32()
    }

    #[inline]
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0.try_next_u64()
    }

    #[inline]
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.try_fill_bytes(bytes)
    }
}

/// Blocks of sixteen words in order.
///
/// The block of member `k` is the same whether it is drawn here as the `k`-th or sought by [`Streams::block`].
#[derive(Clone, Debug)]
pub struct Blocks {
    generator: ChaCha8Rng,
    next: u64,
}

impl Blocks {
    /// The next block.
    #[inline]
    pub fn draw(&mut self) -> Block {
        let mut bytes = [0; 4 * BLOCK_WORDS];
        self.generator.fill_bytes(&mut bytes);
        self.next += 1;
        let mut words = [0; BLOCK_WORDS];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        Block(words)
    }

    /// The number of the block that [`Blocks::draw`] gives next, from 0.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.next
    }

    /// Makes `k` the number of the next block.
    pub fn skip_to(&mut self, k: u64) {
        self.generator
            .set_word_pos(u128::from(k) * BLOCK_WORDS as u128);
        self.next = k;
    }
}

impl Iterator for Blocks {
    type Item = Block;

    #[inline]
    fn next(&mut self) -> Option<Block> {
        Some(self.draw())
    }
}

/// Sixteen random words, each for a fixed purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block(pub [u32; BLOCK_WORDS]);

impl Block {
    /// Word `i` as it is.
    #[inline]
    #[must_use]
    pub const fn word(&self, i: usize) -> u32 {
        self.0[i]
    }

    /// A number in the open interval from 0 to 1, of words `i` (low half) and `i + 1` (high half).
    #[inline]
    #[must_use]
    pub const fn unit(&self, i: usize) -> Unit {
        Unit::from_bits(self.0[i] as u64 | (self.0[i + 1] as u64) << 32)
    }

    /// A number in the open interval from 0 to 1, of word `i` alone: 2³² different ones.
    #[inline]
    #[must_use]
    pub const fn unit32(&self, i: usize) -> Unit {
        Unit((self.0[i] as f64 + 0.5) / 4_294_967_296.0)
    }

    /// A whole number in `0..n`, of word `i` alone; the bias is at most `n` / 2³².
    ///
    /// # Panics
    ///
    /// When `n` is zero.
    #[inline]
    #[must_use]
    pub const fn below(&self, i: usize, n: u32) -> u32 {
        below(self.0[i], n)
    }
}

/// The high half of the product: Lemire's multiply-shift.
#[inline]
const fn below(word: u32, n: u32) -> u32 {
    assert!(n > 0, "one of none cannot be chosen");
    ((word as u64 * n as u64) >> 32) as u32
}

/// A number strictly between 0 and 1.
///
/// It is one of the 2⁵² midpoints `(k + 1/2) / 2⁵²`, all of them exact, and so is 1 less it. Neither end can occur, so
/// a quantile function needs no special case.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Unit(f64);

impl Unit {
    /// The midpoint that the upper 52 of 64 random bits choose.
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        const STEP: f64 = 1.0 / (1u64 << 52) as f64;
        Self(((bits >> 12) as f64 + 0.5) * STEP)
    }

    /// `value` as a unit, or `None` where it does not lie strictly between 0 and 1.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (value > 0.0 && value < 1.0).then_some(Self(value))
    }

    /// The number.
    #[inline]
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    /// One less the number: as random, and exact.
    #[inline]
    #[must_use]
    pub const fn complement(self) -> Self {
        Self(1.0 - self.0)
    }

    /// The number stretched from `low..high`, in which it must lie, to `0..1`: what is left of a unit after a choice.
    pub(crate) fn within(self, low: f64, high: f64) -> Self {
        const EDGE: f64 = f64::EPSILON / 2.0;
        Self(((self.0 - low) / (high - low)).clamp(EDGE, 1.0 - EDGE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_stays_inside() {
        // The extreme midpoints are 2^-53 and 1 - 2^-53, both exact.
        assert_eq!(Unit::from_bits(0).get(), f64::EPSILON / 2.0);
        assert_eq!(Unit::from_bits(u64::MAX).get(), 1.0 - f64::EPSILON / 2.0);
        assert!(Block([u32::MAX; BLOCK_WORDS]).unit32(0).get() < 1.0);
        assert_eq!(Unit::from_bits(u64::MAX).complement(), Unit::from_bits(0));
        assert_eq!(Unit::new(0.0), None);
        assert_eq!(Unit::new(1.0), None);
    }

    #[test]
    fn below_reaches_both_ends() {
        assert_eq!(below(0, 10), 0);
        assert_eq!(below(u32::MAX, 10), 9);
        assert_eq!(below(u32::MAX, 1), 0);
    }

    #[test]
    fn a_name_is_its_fnv_hash() {
        // RFC 9923, appendix: FNV-1a of the empty text and of "a", 64 bits.
        assert_eq!(StreamName::new("").value(), 0xcbf2_9ce4_8422_2325);
        assert_eq!(StreamName::new("a").value(), 0xaf63_dc4c_8601_ec8c);
    }
}
