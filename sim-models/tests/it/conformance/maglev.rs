//! Maglev: does Cilium's own code build the same tables, and find the same backend for a connection?
//!
//! The recording holds what Cilium's builder and the datapath's hash gave for the same backends, seeds and
//! connections. Every number of it must come out equal.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use sim_models::request::select::hash_seed::HashSeed;
use sim_models::request::select::maglev::{self, Preference, Scope, Table, TableSize};
use sim_models::request::select::tuple_hash::{self, PortOrder, Protocol, Tuple};

#[derive(Deserialize)]
struct File {
    format: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    m: u32,
    hash_seed: String,
    seed_murmur: u32,
    seed_jhash0: u32,
    seed_jhash1: u32,
    backends: Vec<Backend>,
    full: Recorded,
    removal: Option<Removal>,
    lookups: Vec<Lookup>,
}

#[derive(Deserialize)]
struct Backend {
    id: u32,
    addr: IpAddr,
    port: u16,
    protocol: RecordedProtocol,
    scope: RecordedScope,
    weight: u32,
    hash_string: String,
    offset: u32,
    skip: u32,
}

#[derive(Clone, Copy, Deserialize)]
enum RecordedProtocol {
    #[serde(rename = "TCP")]
    Tcp,
    #[serde(rename = "UDP")]
    Udp,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RecordedScope {
    External,
    Internal,
}

/// A table as it was recorded.
#[derive(Deserialize)]
struct Recorded {
    /// Only of small tables.
    table: Option<Vec<u32>>,
    table_sha256: String,
    first64: Vec<u32>,
    counts: BTreeMap<String, usize>,
    min_entries: usize,
    max_entries: usize,
}

#[derive(Deserialize)]
struct Removal {
    removed_id: u32,
    after: Recorded,
    changed_slots: usize,
    changed_share: f64,
    survivor_slots_changed: usize,
    survivor_changed_share: f64,
}

#[derive(Deserialize)]
struct Lookup {
    src_ip: IpAddr,
    src_port: u16,
    dst_port: u16,
    protocol: u8,
    session_affinity: bool,
    hash: u32,
    index: u32,
    backend_id: u32,
    hash_legacy: u32,
    index_legacy: u32,
    backend_id_legacy: u32,
}

/// Compares number by number and keeps what differs.
#[derive(Default)]
struct Judge {
    judged: usize,
    differences: Vec<String>,
}

impl Judge {
    fn same<T: PartialEq + Debug>(&mut self, what: impl FnOnce() -> String, found: &T, wanted: &T) {
        self.judged += 1;
        if found != wanted {
            let what = what();
            self.differences
                .push(format!("{what}: {found:?} instead of {wanted:?}"));
        }
    }

    /// Shares are written with 16 or more digits.
    fn close(&mut self, what: impl FnOnce() -> String, found: f64, wanted: f64) {
        let wanted = if (found - wanted).abs() < 1e-12 {
            found
        } else {
            wanted
        };
        self.same(what, &found, &wanted);
    }
}

impl Backend {
    fn meant(&self) -> maglev::Backend {
        maglev::Backend {
            address: self.addr,
            port: self.port,
            protocol: match self.protocol {
                RecordedProtocol::Tcp => Protocol::Tcp,
                RecordedProtocol::Udp => Protocol::Udp,
            },
            scope: match self.scope {
                RecordedScope::External => Scope::External,
                RecordedScope::Internal => Scope::Internal,
            },
            weight: self.weight,
        }
    }
}

/// The backend id of each slot.
fn slots<'a>(
    backends: impl IntoIterator<Item = &'a Backend>,
    size: TableSize,
    seed: HashSeed,
) -> Vec<u32> {
    let (ids, meant): (Vec<u32>, Vec<maglev::Backend>) =
        backends.into_iter().map(|it| (it.id, it.meant())).unzip();
    let table = Table::new(&meant, size, seed);
    let id = |&position: &u32| ids[position as usize];
    table.slots().iter().map(id).collect()
}

fn sha256(slots: &[u32]) -> String {
    let bytes: Vec<u8> = slots.iter().flat_map(|id| id.to_le_bytes()).collect();
    let digest = Sha256::digest(&bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Recorded {
    fn judge(&self, judge: &mut Judge, which: &str, slots: &[u32]) {
        let what = |field: &str| format!("{which}.{field}");
        if let Some(table) = &self.table {
            judge.same(|| what("table"), &slots.to_vec(), table);
        }
        judge.same(|| what("table_sha256"), &sha256(slots), &self.table_sha256);
        let first = slots.iter().take(64).copied().collect();
        judge.same(|| what("first64"), &first, &self.first64);
        let held = |id: &String| slots.iter().filter(|it| it.to_string() == *id).count();
        let held: BTreeMap<String, usize> = self
            .counts
            .keys()
            .map(|id| (id.clone(), held(id)))
            .collect();
        judge.same(|| what("counts"), &held, &self.counts);
        judge.same(|| what("sum of counts"), &held.values().sum(), &slots.len());
        let (min, max) = (held.values().min(), held.values().max());
        judge.same(|| what("min_entries"), &min, &Some(&self.min_entries));
        judge.same(|| what("max_entries"), &max, &Some(&self.max_entries));
    }
}

impl Removal {
    fn judge(&self, judge: &mut Judge, case: &Case, full: &[u32], size: TableSize, seed: HashSeed) {
        let survivors = case.backends.iter().filter(|it| it.id != self.removed_id);
        let after = slots(survivors, size, seed);
        self.after.judge(judge, "removal.after", &after);
        let changed = |(was, is): &(&u32, &u32)| was != is;
        let both = || full.iter().zip(&after).filter(changed);
        let survivors = both().filter(|(was, _)| **was != self.removed_id).count();
        let share = |slots: usize| slots as f64 / f64::from(case.m);
        let what = |field: &str| format!("removal.{field}");
        judge.same(
            || what("changed_slots"),
            &both().count(),
            &self.changed_slots,
        );
        judge.close(
            || what("changed_share"),
            share(both().count()),
            self.changed_share,
        );
        judge.same(
            || what("survivor_slots_changed"),
            &survivors,
            &self.survivor_slots_changed,
        );
        judge.close(
            || what("survivor_changed_share"),
            share(survivors),
            self.survivor_changed_share,
        );
    }
}

impl Lookup {
    fn judge(&self, judge: &mut Judge, nth: usize, case: &Case, seed: HashSeed, table: &Table) {
        let tuple = Tuple {
            source: self.src_ip,
            source_port: self.src_port,
            destination_port: self.dst_port,
            protocol: match self.protocol {
                6 => Protocol::Tcp,
                17 => Protocol::Udp,
                other => panic!("{}: protocol {other}", case.name),
            },
        };
        let recorded = [
            (
                PortOrder::DestinationFirst,
                "",
                [self.hash, self.index, self.backend_id],
            ),
            (
                PortOrder::SourceFirst,
                "_legacy",
                [self.hash_legacy, self.index_legacy, self.backend_id_legacy],
            ),
        ];
        for (order, suffix, [hash, index, backend]) in recorded {
            let found = tuple_hash::hash(&tuple, self.session_affinity, order, seed);
            let what = |field: &str| format!("lookups[{nth}].{field}{suffix}");
            judge.same(|| what("hash"), &found, &hash);
            judge.same(|| what("index"), &(found % case.m), &index);
            let position = table.lookup(found);
            let id = position.map(|position| case.backends[position as usize].id);
            judge.same(|| what("backend_id"), &id, &Some(backend));
        }
    }
}

impl Case {
    fn judge(&self, judge: &mut Judge) {
        let size = TableSize::try_from(self.m).expect("a size that Cilium allows");
        let seed: HashSeed = self.hash_seed.parse().expect("12 bytes in base64");
        judge.same(|| "seed_murmur".into(), &seed.table(), &self.seed_murmur);
        judge.same(
            || "seed_jhash0".into(),
            &seed.lookup_v4(),
            &self.seed_jhash0,
        );
        judge.same(
            || "seed_jhash1".into(),
            &seed.lookup_v6(),
            &self.seed_jhash1,
        );
        for backend in &self.backends {
            let what = |field: &str| format!("backend {}: {field}", backend.id);
            let name = backend.meant().hash_string();
            judge.same(|| what("hash_string"), &name, &backend.hash_string);
            let Preference { offset, skip } = Preference::of(&name, size, seed);
            judge.same(|| what("offset"), &offset, &backend.offset);
            judge.same(|| what("skip"), &skip, &backend.skip);
        }
        let full = slots(&self.backends, size, seed);
        self.full.judge(judge, "full", &full);
        if let Some(removal) = &self.removal {
            removal.judge(judge, self, &full, size, seed);
        }
        let meant: Vec<maglev::Backend> = self.backends.iter().map(Backend::meant).collect();
        let table = Table::new(&meant, size, seed);
        for (nth, lookup) in self.lookups.iter().enumerate() {
            lookup.judge(judge, nth, self, seed, &table);
        }
    }
}

#[test]
fn tables_and_lookups_are_those_of_cilium() {
    let Some(file) = super::recording::<File>("maglev.json") else {
        return;
    };
    assert_eq!(file.format, "twohop-maglev-vectors/1");
    let (mut judged, mut agreed, mut agreed_cases) = (0, 0, 0);
    let mut failures = Vec::new();
    for case in &file.cases {
        let mut judge = Judge::default();
        case.judge(&mut judge);
        judged += judge.judged;
        agreed += judge.judged - judge.differences.len();
        agreed_cases += usize::from(judge.differences.is_empty());
        let named = |difference| format!("{}: {difference}", case.name);
        failures.extend(judge.differences.into_iter().map(named));
    }
    println!(
        "maglev.json: {} cases judged, {agreed_cases} agreed; {judged} values, {agreed} agreed",
        file.cases.len(),
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
