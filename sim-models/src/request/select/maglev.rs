//! Maglev: a table of slots, so that all nodes choose the same backend for the same connection.
//!
//! Every backend has its own order of preference over all slots, a function of its address alone. The
//! backends take turns to claim the best free slot of theirs until all slots are taken. So each holds an
//! equal part, and when one leaves, most of the others' slots stay where they were. A new connection is
//! hashed by [`tuple_hash`](super::tuple_hash), and its backend is the one that holds the slot.
//!
//! Source: D. Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016,
//! section 3.4; Cilium `pkg/maglev`, from 1.17 on bit for bit.

use std::borrow::Cow;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::hash_seed::HashSeed;
use super::murmur3;
use super::tuple_hash::{PortOrder, Protocol};

/// Cilium's settings for Maglev, the same on all nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Slots of a Service's table.
    ///
    /// A table of fewer than 100 slots per backend moves more connections than necessary when a backend leaves.
    ///
    /// Range: 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521 or 131071. Default: 16381.
    /// Source: Cilium option `bpf-lb-maglev-table-size`.
    pub table_size: TableSize,

    /// Seed of the hashes: 12 bytes in base64.
    ///
    /// Default: "JLfvgnHc2kaSUFaI".
    /// Source: Cilium option `bpf-lb-maglev-hash-seed`.
    pub seed: HashSeed,

    /// Which port comes first in the word that is hashed.
    ///
    /// Default: DestinationFirst.
    /// Source: Cilium pull request 37005, in releases from 1.18 on.
    pub port_order: PortOrder,
}

/// A number of slots that Cilium allows: primes, so that every step through a table reaches all slots.
///
/// Range: [`TableSize::ALLOWED`]. Default: 16381.
/// Source: Cilium option `bpf-lb-maglev-table-size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct TableSize(u32);

/// Why a number is not a size of a Maglev table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found} is not a size of a Maglev table: expected one of {}",
    allowed()
)]
pub struct TableSizeError {
    /// The number.
    pub found: u32,
}

/// A backend as the builder of a table sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Its protocol.
    pub protocol: Protocol,
    /// Who may reach it.
    pub scope: Scope,
    /// How many slots it should hold, relative to the others. All backends of Kubernetes weigh the same.
    pub weight: u32,
}

/// Who may reach a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Everyone.
    #[default]
    External,
    /// The cluster only.
    Internal,
}

/// The order in which a backend prefers slots: `offset`, `offset + skip`, `offset + 2 skip`, ..., cyclically.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preference {
    /// The slot it likes best.
    pub offset: u32,
    /// From one slot to the next.
    pub skip: u32,
}

/// Which backend holds each slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    slots: Box<[u32]>,
}

/// Marks a slot that nobody has claimed.
const FREE: u32 = u32::MAX;

impl Table {
    /// The table of these backends. Their order does not change who holds a slot.
    ///
    /// Costs about 10 steps per slot: each turn looks for a free slot among ever fewer.
    ///
    /// Source: Cilium `pkg/maglev`, `getLookupTable` and `computeLookupTable`.
    pub fn new(backends: &[Backend], size: TableSize, seed: HashSeed) -> Self {
        let claimants = claimants(backends, size, seed);
        let slots = match shares(&claimants) {
            _ if claimants.is_empty() => Vec::new(),
            None => filled(claimants, size, |turn, count| turn % count),
            Some(mut shares) => filled(claimants, size, |turn, _| shares.next(turn)),
        };
        Self {
            slots: slots.into(),
        }
    }

    /// The position of the backend that holds the slot of a hash; `None` exactly when there is no backend.
    #[inline]
    pub fn lookup(&self, hash: u32) -> Option<u32> {
        let size = u32::try_from(self.slots.len()).expect("a table has at most 131071 slots");
        let slot = hash.checked_rem(size)?;
        Some(self.slots[slot as usize])
    }

    /// The position of each slot's backend among the backends; empty when there is none.
    pub fn slots(&self) -> &[u32] {
        &self.slots
    }
}

impl Backend {
    /// What stands for the backend in the hash: not its weight, and no id.
    ///
    /// Source: Cilium `pkg/loadbalancer`, the hash string of a backend; its state is always written as active.
    pub fn hash_string(&self) -> String {
        let (port, protocol) = (self.port, self.protocol.name());
        let scope = match self.scope {
            Scope::External => "",
            Scope::Internal => "/i",
        };
        match self.address {
            IpAddr::V4(address) => format!("[{address}:{port}/{protocol}{scope},State:active]"),
            IpAddr::V6(address) => format!("[[{address}]:{port}/{protocol}{scope},State:active]"),
        }
    }
}

impl Preference {
    /// The preference of the backend with this hash string.
    pub fn of(hash_string: &str, size: TableSize, seed: HashSeed) -> Self {
        let (h1, h2) = murmur3::hash128(hash_string.as_bytes(), seed.table());
        let slots = u64::from(size.0);
        Self {
            offset: (h1 % slots) as u32,
            skip: (h2 % (slots - 1)) as u32 + 1,
        }
    }
}

/// A backend on its way through the slots.
struct Claimant {
    /// Position among the backends as they were given.
    backend: u32,
    weight: u32,
    /// The slot it claims next, if that is free.
    next: u32,
    skip: u32,
}

/// The backends in the order in which they take turns: that of their hash strings, byte by byte.
fn claimants(backends: &[Backend], size: TableSize, seed: HashSeed) -> Vec<Claimant> {
    let mut named: Vec<(String, u32, u32)> = (0..)
        .zip(backends)
        .map(|(position, backend)| (backend.hash_string(), position, backend.weight))
        .collect();
    named.sort_unstable();
    let claimant = |(name, backend, weight): (String, u32, u32)| {
        let Preference { offset, skip } = Preference::of(&name, size, seed);
        Claimant {
            backend,
            weight,
            next: offset,
            skip,
        }
    };
    named.into_iter().map(claimant).collect()
}

/// Turn by turn, the claimant whose turn it is takes the best free slot of its own.
fn filled(
    mut claimants: Vec<Claimant>,
    size: TableSize,
    mut whose: impl FnMut(usize, usize) -> usize,
) -> Vec<u32> {
    let mut slots = vec![FREE; size.0 as usize];
    let count = claimants.len();
    for turn in 0..slots.len() {
        let claimant = &mut claimants[whose(turn, count)];
        while slots[claimant.next as usize] != FREE {
            claimant.step(size);
        }
        slots[claimant.next as usize] = claimant.backend;
        claimant.step(size);
    }
    slots
}

impl Claimant {
    /// The next slot of its preference.
    #[inline]
    fn step(&mut self, size: TableSize) {
        self.next += self.skip;
        if self.next >= size.0 {
            self.next -= size.0;
        }
    }
}

/// How far each claimant has come with its weight.
struct Shares {
    weights: Vec<u64>,
    total: f64,
    /// What a claimant's progress must reach before its next slot.
    due: Vec<f64>,
}

/// Weights, where they have an effect: only when their mean, rounded down, is above 1.
fn shares(claimants: &[Claimant]) -> Option<Shares> {
    let weights: Vec<u64> = claimants.iter().map(|it| u64::from(it.weight)).collect();
    let (total, count) = (weights.iter().sum::<u64>(), weights.len() as u64);
    let share = |&weight: &u64| weight as f64 / count as f64;
    (total.checked_div(count)? > 1).then(|| Shares {
        due: weights.iter().map(share).collect(),
        total: total as f64,
        weights,
    })
}

impl Shares {
    /// Who takes a slot in this turn: the first, from the one whose turn it would be, that is due.
    ///
    /// Somebody is: if nobody were, `(turn + 1) W` would be below the sum of all dues, and that is at most
    /// `turn W + W / count`.
    fn next(&mut self, turn: usize) -> usize {
        let count = self.weights.len();
        let mut whose = turn % count;
        while (turn as u64 + 1) * self.weights[whose] < self.due[whose] as u64 {
            whose = (whose + 1) % count;
        }
        self.due[whose] += self.total;
        whose
    }
}

impl TableSize {
    /// All sizes that Cilium allows.
    pub const ALLOWED: [Self; 10] = [
        Self(251),
        Self(509),
        Self(1021),
        Self(2039),
        Self(4093),
        Self(8191),
        Self(16381),
        Self(32749),
        Self(65521),
        Self(131_071),
    ];

    /// Cilium's default.
    pub const DEFAULT: Self = Self(16381);

    /// How many slots that are.
    pub fn slots(self) -> u32 {
        self.0
    }
}

impl Config {
    /// Cilium's defaults.
    pub const DEFAULT: Self = Self {
        table_size: TableSize::DEFAULT,
        seed: HashSeed::DEFAULT,
        port_order: PortOrder::DestinationFirst,
    };
}

impl Default for TableSize {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TryFrom<u32> for TableSize {
    type Error = TableSizeError;

    fn try_from(found: u32) -> Result<Self, TableSizeError> {
        let size = Self(found);
        let allowed = Self::ALLOWED.contains(&size);
        allowed.then_some(size).ok_or(TableSizeError { found })
    }
}

impl From<TableSize> for u32 {
    fn from(size: TableSize) -> Self {
        size.0
    }
}

impl JsonSchema for TableSize {
    fn schema_name() -> Cow<'static, str> {
        "TableSize".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "enum": Self::ALLOWED })
    }
}

fn allowed() -> String {
    let sizes = TableSize::ALLOWED.map(|size| size.0.to_string());
    sizes.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(last: u8, weight: u32) -> Backend {
        Backend {
            address: IpAddr::from([10, 0, 0, last]),
            port: 80,
            protocol: Protocol::Tcp,
            scope: Scope::External,
            weight,
        }
    }

    fn table(backends: &[Backend], size: u32) -> Table {
        let size = TableSize::try_from(size).expect("allowed");
        Table::new(backends, size, HashSeed::DEFAULT)
    }

    fn held(table: &Table, backends: usize) -> Vec<usize> {
        let of = |nth: usize| table.slots().iter().filter(move |&&it| it as usize == nth);
        (0..backends).map(|nth| of(nth).count()).collect()
    }

    #[test]
    fn a_backend_prefers_slots_as_in_cilium() {
        // Worked by hand: h1 = 0x066e5e352ff79d0a and h2 = 0x535a46156079002c, modulo 251 and 250, 16381 and 16380.
        let name = backend(10, 100).hash_string();
        assert_eq!(name, "[10.0.0.10:80/TCP,State:active]");
        for (size, offset, skip) in [(251, 152, 151), (16381, 1429, 5341)] {
            let size = TableSize::try_from(size).expect("allowed");
            let expected = Preference { offset, skip };
            assert_eq!(Preference::of(&name, size, HashSeed::DEFAULT), expected);
        }
    }

    #[test]
    fn an_ipv6_address_has_brackets_of_its_own_and_the_scope_is_written() {
        let backend = Backend {
            address: "fd00:10:244:1:0:0:0:52".parse().expect("an address"),
            port: 8443,
            protocol: Protocol::Udp,
            scope: Scope::Internal,
            weight: 100,
        };
        let expected = "[[fd00:10:244:1::52]:8443/UDP/i,State:active]";
        assert_eq!(backend.hash_string(), expected);
    }

    #[test]
    fn equal_weights_hold_equal_parts_and_are_no_weights() {
        // 251 = 10 x 25 + 1.
        let backends: Vec<Backend> = (0..10).map(|last| backend(last, 100)).collect();
        let mut held = held(&table(&backends, 251), 10);
        held.sort_unstable();
        assert_eq!(held, [25, 25, 25, 25, 25, 25, 25, 25, 25, 26]);
        let light: Vec<Backend> = (0..10).map(|last| backend(last, 1)).collect();
        assert_eq!(table(&light, 251), table(&backends, 251));
    }

    #[test]
    fn weights_divide_the_table_unless_their_mean_is_below_two() {
        // The counts that the unit test of Cilium expects for 1021 slots.
        let weights = [2, 13, 111, 10];
        let backends: Vec<Backend> = (0..).zip(weights).map(|(n, w)| backend(n, w)).collect();
        let mut counts = held(&table(&backends, 1021), 4);
        counts.sort_unstable();
        assert_eq!(counts, [16, 75, 98, 832]);
        // 8 / 5 = 1 rounded down: no effect, so 251 = 5 x 50 + 1.
        let weights = [1, 1, 1, 1, 4];
        let backends: Vec<Backend> = (0..).zip(weights).map(|(n, w)| backend(n, w)).collect();
        let counts = held(&table(&backends, 251), 5);
        assert!(counts.iter().all(|&it| it == 50 || it == 51), "{counts:?}");
    }

    #[test]
    fn without_backends_there_is_no_choice() {
        assert_eq!(table(&[], 251).lookup(7), None);
    }

    #[test]
    fn more_backends_than_slots_leave_some_without() {
        let backends: Vec<Backend> = (0..=255).map(|last| backend(last, 1)).collect();
        let held = held(&table(&backends, 251), 256);
        assert_eq!(held.iter().filter(|&&count| count == 0).count(), 5);
    }

    #[test]
    fn a_size_that_cilium_does_not_allow_is_told_which_it_does() {
        let error = TableSize::try_from(16384).expect_err("not allowed");
        assert_eq!(
            error.to_string(),
            "16384 is not a size of a Maglev table: expected one of \
             251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071"
        );
    }
}
