//! The table of one node: who goes when it is full, and what is found at a garbage collection.

use std::collections::BTreeMap;

use sim_core::{SimDuration, SimTime};

use super::{GcInterval, Rules, WhenFull};
use crate::id::{LoadBalancerNodeId, PodId, ServiceId};

/// A connection as a node sees it. The node's address and the protocol are the same for all of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tuple {
    /// The Service whose NodePort it goes to.
    pub service: ServiceId,
    /// Who opened it.
    pub from: LoadBalancerNodeId,
    /// From which port.
    pub port: u16,
}

/// What a node remembers of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    pod: PodId,
    /// Whether the source address is translated, which takes a port towards the pod.
    translated: bool,
    last_packet: SimTime,
    ends_at: SimTime,
    closing: bool,
    /// Its place in the order of the table.
    order: (SimTime, u64),
}

/// The table of one node.
#[derive(Clone, Debug)]
pub struct Table {
    rules: Rules,
    /// Connections that it holds at most.
    capacity: u32,
    entries: BTreeMap<Tuple, Entry>,
    /// Entries by the last packet where the least recently used goes first, else by the end of their life.
    order: BTreeMap<(SimTime, u64), Tuple>,
    turns: u64,
    /// Ports in use towards each pod.
    ports: BTreeMap<PodId, u32>,
    collection: Collection,
}

/// The first port from which a load balancer node connects.
const FIRST_PORT: u16 = 1024;

/// Garbage collection.
#[derive(Clone, Copy, Debug)]
struct Collection {
    interval: SimDuration,
    next: SimTime,
}

/// First interval, least and longest of an adaptive collection.
///
/// Source: Cilium `pkg/maps/ctmap`, `GetInterval`; options `ConntrackGCStartingInterval` and `ConntrackGCMaxLRUInterval`.
const FIRST: SimDuration = SimDuration::from_secs(300);
const LEAST: SimDuration = SimDuration::from_secs(10);
const LONGEST: SimDuration = SimDuration::from_secs(12 * 3600);

impl Table {
    /// An empty table for so many connections.
    pub fn new(rules: Rules, capacity: u32) -> Self {
        let interval = match rules.when_full {
            WhenFull::Evict(GcInterval::Every(interval)) => interval,
            WhenFull::Evict(GcInterval::Adaptive) | WhenFull::Drop => FIRST,
        };
        Self {
            rules,
            capacity,
            entries: BTreeMap::new(),
            order: BTreeMap::new(),
            turns: 0,
            ports: BTreeMap::new(),
            collection: Collection {
                interval,
                next: SimTime::ZERO + interval,
            },
        }
    }

    /// Connections that it holds, open or not.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Ports in use towards a pod.
    pub fn ports(&self, pod: PodId) -> u32 {
        self.ports.get(&pod).copied().unwrap_or(0)
    }

    /// The port of a new connection: the wanted one or, where an open connection of the same two ends has it, one after it.
    pub fn free_port(&mut self, wanted: Tuple, now: SimTime) -> u16 {
        self.collect(now);
        let mut tuple = wanted;
        let is_open = |it: &Entry| !it.closing && now < it.ends_at;
        while self.entries.get(&tuple).is_some_and(is_open) {
            tuple.port = tuple.port.checked_add(1).unwrap_or(FIRST_PORT);
            if tuple.port == wanted.port {
                break;
            }
        }
        tuple.port
    }

    /// The backend that the first packet of a connection goes to because one before it had the same port.
    ///
    /// Source: Cilium `bpf/lib/lb.h`: a tuple whose entry lives keeps its backend, unless it was closed a grace period ago.
    pub fn kept(&mut self, tuple: Tuple, now: SimTime) -> Option<PodId> {
        self.collect(now);
        let entry = self.entries.get(&tuple)?;
        let rebalances = entry.closing && now >= entry.last_packet + self.rules.grace;
        (!rebalances).then_some(entry.pod)
    }

    /// Notes the first packet of a connection and its backend. False when the table is full and the packet is dropped.
    pub fn open(&mut self, tuple: Tuple, pod: PodId, translated: bool, now: SimTime) -> bool {
        self.collect(now);
        self.remove(tuple);
        if self.entries.len() >= self.capacity as usize {
            match self.rules.when_full {
                WhenFull::Drop => return false,
                WhenFull::Evict(_) => self.evict(),
            }
        }
        if translated {
            *self.ports.entry(pod).or_default() += 1;
        }
        let entry = Entry {
            pod,
            translated,
            last_packet: now,
            ends_at: now + self.rules.syn,
            closing: false,
            order: (now, 0),
        };
        self.entries.insert(tuple, entry);
        self.place(tuple, now, now + self.rules.syn);
        true
    }

    /// A packet of an open connection passes: the backend that it goes to, or `None` where its entry has gone.
    pub fn packet(&mut self, tuple: Tuple, now: SimTime) -> Option<PodId> {
        self.collect(now);
        let pod = self.entries.get(&tuple)?.pod;
        self.place(tuple, now, now + self.rules.established);
        Some(pod)
    }

    /// A connection is closed.
    pub fn close(&mut self, tuple: Tuple, now: SimTime) {
        self.collect(now);
        if let Some(entry) = self.entries.get_mut(&tuple) {
            entry.closing = true;
            self.place(tuple, now, now + self.rules.closed);
        }
    }

    /// Moves an entry to its place in the order.
    fn place(&mut self, tuple: Tuple, now: SimTime, ends_at: SimTime) {
        self.turns += 1;
        let entry = self.entries.get_mut(&tuple).expect("the entry exists");
        self.order.remove(&entry.order);
        entry.last_packet = now;
        entry.ends_at = ends_at;
        let by = match self.rules.when_full {
            WhenFull::Evict(_) => now,
            WhenFull::Drop => ends_at,
        };
        entry.order = (by, self.turns);
        self.order.insert(entry.order, tuple);
    }

    fn evict(&mut self) {
        if let Some((_, &tuple)) = self.order.first_key_value() {
            self.remove(tuple);
        }
    }

    fn remove(&mut self, tuple: Tuple) {
        let Some(entry) = self.entries.remove(&tuple) else {
            return;
        };
        self.order.remove(&entry.order);
        if entry.translated
            && let Some(ports) = self.ports.get_mut(&entry.pod)
        {
            *ports -= 1;
            if *ports == 0 {
                self.ports.remove(&entry.pod);
            }
        }
    }

    /// Removes entries whose life was over at the last collection; without collections, those whose life is over.
    fn collect(&mut self, now: SimTime) {
        match self.rules.when_full {
            WhenFull::Drop => {
                while let Some((&(ends_at, _), &tuple)) = self.order.first_key_value()
                    && ends_at <= now
                {
                    self.remove(tuple);
                }
            }
            WhenFull::Evict(interval) => {
                while self.collection.next <= now {
                    let at = self.collection.next;
                    let before = self.entries.len();
                    let over = self.entries.iter().filter(|(_, it)| it.ends_at <= at);
                    for tuple in over.map(|(&tuple, _)| tuple).collect::<Vec<_>>() {
                        self.remove(tuple);
                    }
                    if interval == GcInterval::Adaptive {
                        let deleted = before - self.entries.len();
                        self.collection.adapt(deleted, self.capacity as usize);
                    }
                    self.collection.next = at + self.collection.interval;
                }
            }
        }
    }

    /// Ports ran short: a collection starts at once.
    ///
    /// Source: Cilium `bpf/lib/nat.h`: a signal after more than half of the tries.
    pub fn collect_now(&mut self, now: SimTime) {
        if matches!(self.rules.when_full, WhenFull::Evict(_)) {
            self.collection.next = self.collection.next.min(now);
            self.collect(now);
        }
    }
}

impl Collection {
    /// The interval after a collection that deleted a share of the table's entries.
    ///
    /// Source: Cilium `pkg/maps/ctmap`, `calculateInterval`.
    fn adapt(&mut self, deleted: usize, capacity: usize) {
        let share = deleted as f64 / capacity as f64;
        let factor = if share > 0.25 {
            1.0 - share.min(0.9)
        } else if share > 0.0 && share < 0.05 {
            1.5
        } else {
            1.0
        };
        let nanos = (self.interval.as_nanos() as f64 * factor) as u64;
        self.interval = SimDuration::from_nanos(nanos).clamp(LEAST, LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::conntrack::{Cilium, KubeProxy};

    fn at(seconds: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_secs(seconds)
    }

    fn tuple(port: u16) -> Tuple {
        Tuple {
            service: ServiceId(0),
            from: LoadBalancerNodeId(0),
            port,
        }
    }

    fn cilium(capacity: u32, gc_interval: GcInterval) -> Table {
        let config = Cilium {
            gc_interval,
            ..Cilium::default()
        };
        Table::new(config.rules(), capacity)
    }

    /// A connection that was opened at 0 and has carried a packet at 1 s.
    fn opened(table: &mut Table, port: u16) {
        assert!(table.open(tuple(port), PodId(u32::from(port)), true, at(0)));
        assert_eq!(
            table.packet(tuple(port), at(1)),
            Some(PodId(u32::from(port)))
        );
    }

    #[test]
    fn cilium_forgets_what_was_used_least_recently() {
        let mut table = cilium(2, GcInterval::Adaptive);
        opened(&mut table, 1);
        opened(&mut table, 2);
        table.packet(tuple(1), at(2));
        assert!(table.open(tuple(3), PodId(3), true, at(3)));
        assert_eq!(table.packet(tuple(2), at(4)), None);
        assert_eq!(table.packet(tuple(1), at(4)), Some(PodId(1)));
    }

    #[test]
    fn the_kernel_drops_what_comes_to_a_full_table() {
        let config = KubeProxy::default();
        let mut table = Table::new(config.rules(), 1);
        opened(&mut table, 1);
        assert!(!table.open(tuple(2), PodId(2), true, at(2)));
        // Closed at 3 s, it stays for 120 s.
        table.close(tuple(1), at(3));
        assert!(!table.open(tuple(2), PodId(2), true, at(122)));
        assert!(table.open(tuple(2), PodId(2), true, at(123)));
    }

    #[test]
    fn a_closed_connection_holds_its_port_until_it_is_collected() {
        // Closed at 2 s, over at 12 s; a collection every 60 s finds it at 60 s.
        let mut table = cilium(100, GcInterval::Every(SimDuration::from_secs(60)));
        opened(&mut table, 7);
        table.close(tuple(7), at(2));
        assert_eq!(table.kept(tuple(8), at(59)), None);
        assert_eq!(table.ports(PodId(7)), 1);
        assert_eq!(table.kept(tuple(8), at(60)), None);
        assert_eq!((table.ports(PodId(7)), table.len()), (0, 0));
    }

    #[test]
    fn a_port_that_is_used_again_soon_gets_the_same_backend() {
        let mut table = cilium(100, GcInterval::Adaptive);
        opened(&mut table, 7);
        table.close(tuple(7), at(2));
        assert_eq!(table.kept(tuple(7), at(61)), Some(PodId(7)));
        assert_eq!(table.kept(tuple(7), at(62)), None);
    }

    #[test]
    fn an_open_connection_keeps_its_port_to_itself() {
        let mut table = cilium(100, GcInterval::Adaptive);
        opened(&mut table, 7);
        assert_eq!(table.free_port(tuple(7), at(2)), 8);
        table.close(tuple(7), at(3));
        assert_eq!(table.free_port(tuple(7), at(4)), 7);
    }

    #[test]
    fn collections_come_sooner_where_they_find_much_and_later_where_they_find_little() {
        let mut collection = Collection {
            interval: FIRST,
            next: SimTime::ZERO,
        };
        let mut after = |deleted| {
            collection.adapt(deleted, 1000);
            collection.interval.as_secs_f64()
        };
        // 300 s x (1 - 0.5), then x 1.5; a tenth changes nothing; more than nine tenths count as nine, and 10 s is the least.
        assert_eq!(after(500), 150.0);
        assert_eq!(after(10), 225.0);
        assert_eq!(after(100), 225.0);
        assert!((after(1000) - 22.5).abs() < 1e-6);
        assert_eq!(after(1000), 10.0);
    }
}
