//! What have metrics read: integers that know how to merge.

use std::borrow::Cow;

use sim_core::{Histogram, SimDuration};
use sim_models::id::{Id, ServiceId};

use super::layout::{Layout, Scope};
use super::quantity::Unit;

/// Something whose parts add up exactly, in any order and grouping.
pub trait Merge {
    /// Adds everything `other` holds.
    fn merge(&mut self, other: &Self);
}

impl Merge for u64 {
    fn merge(&mut self, other: &Self) {
        *self += other;
    }
}

impl Merge for Histogram {
    fn merge(&mut self, other: &Self) {
        Histogram::merge(self, other);
    }
}

impl<T: Merge, const N: usize> Merge for [T; N] {
    fn merge(&mut self, other: &Self) {
        self.iter_mut()
            .zip(other)
            .for_each(|(mine, theirs)| mine.merge(theirs));
    }
}

/// Tables of one length: entry by entry.
impl<T: Merge> Merge for Vec<T> {
    fn merge(&mut self, other: &Self) {
        assert_eq!(
            self.len(),
            other.len(),
            "tables of one alternative have one length"
        );
        self.iter_mut()
            .zip(other)
            .for_each(|(mine, theirs)| mine.merge(theirs));
    }
}

/// How many in each second since the observation began (the end of the warm-up).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seconds {
    counts: Vec<u64>,
    total: u64,
}

impl Seconds {
    /// Counts one.
    #[inline]
    pub fn add(&mut self, since: SimDuration) {
        let second = (since.as_nanos() / 1_000_000_000) as usize;
        if second >= self.counts.len() {
            self.counts.resize(second + 1, 0);
        }
        self.counts[second] += 1;
        self.total += 1;
    }

    /// Counts `count` in each second from `from` up to, and not with, that of `until`.
    pub fn hold(&mut self, count: u32, from: SimDuration, until: SimDuration) {
        let second = |at: SimDuration| (at.as_nanos() / 1_000_000_000) as usize;
        let (from, until) = (second(from), second(until));
        if until > self.counts.len() {
            self.counts.resize(until, 0);
        }
        for here in self.counts.iter_mut().take(until).skip(from) {
            *here += u64::from(count);
            self.total += u64::from(count);
        }
    }

    /// How many in all.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// How many in each second; quiet seconds at the end are left out.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }
}

impl Merge for Seconds {
    fn merge(&mut self, other: &Self) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts
            .iter_mut()
            .zip(&other.counts)
            .for_each(|(mine, theirs)| *mine += theirs);
        self.total += other.total;
    }
}

/// One `T` for each Service, one for requests without a Service, and all of them together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByService<T> {
    slots: Vec<T>,
    total: T,
}

impl<T: Merge + Default> ByService<T> {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        let mut slots = Vec::new();
        slots.resize_with(layout.services().len() + 1, T::default);
        Self {
            slots,
            total: T::default(),
        }
    }

    /// The part of a Service, or of requests without one.
    #[inline]
    pub fn part(&mut self, service: Option<ServiceId>) -> &mut T {
        let last = self.slots.len() - 1;
        &mut self.slots[service.map_or(last, Id::index)]
    }

    /// Adds the parts up; to be called once, when the last observation was seen.
    pub fn close(&mut self) {
        self.total = T::default();
        self.slots.iter().for_each(|slot| self.total.merge(slot));
    }
}

impl<T> ByService<T> {
    /// What was seen of a scope.
    #[must_use]
    pub fn of(&self, scope: Scope) -> &T {
        match scope {
            Scope::Overall => &self.total,
            Scope::Service(service) => &self.slots[service.index()],
        }
    }
}

impl<T: Merge> Merge for ByService<T> {
    fn merge(&mut self, other: &Self) {
        self.slots.merge(&other.slots);
        self.total.merge(&other.total);
    }
}

/// One thing that a metric has read, in a shape that every output can write.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading<'a> {
    /// What it is; unique together with the scope.
    pub name: &'static str,
    /// What it is about.
    pub scope: Scope,
    /// The numbers, added up over all replications.
    pub content: Content<'a>,
}

/// The numbers of a [`Reading`].
#[derive(Clone, Debug, PartialEq)]
pub enum Content<'a> {
    /// How values are spread; durations are in nanoseconds.
    Spread(Unit, &'a Histogram),
    /// One number for each thing, in the order of the layout; durations are in nanoseconds.
    Each(Thing, Unit, Cow<'a, [u64]>),
    /// How many in each second after the warm-up.
    Seconds(&'a Seconds),
}

/// What the entries of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// The pods of the reading's Service, or all pods.
    Pod,
    /// The nodes.
    Node,
    /// The targets of the reading's Service, or all targets.
    Target,
    /// The load balancer nodes.
    LoadBalancerNode,
    /// A single number.
    One,
    /// A single number of requests: those with this status, decided by the pod, the node or the load balancer.
    Outcome(u16, &'static str),
}
