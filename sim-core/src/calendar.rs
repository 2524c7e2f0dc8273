//! What happens next: the future event list.

use crate::time::SimTime;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// The events still to come, in the order in which they will happen: by time, then by rank, then in the order in which
/// they were planned.
#[derive(Debug)]
pub struct Calendar<E> {
    heap: BinaryHeap<Entry<E>>,
    rank: fn(&E) -> u8,
    planned: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at: SimTime,
    rank: u8,
    sequence: u64,
    event: E,
}

impl<E> Entry<E> {
    fn key(&self) -> (SimTime, u8, u64) {
        (self.at, self.rank, self.sequence)
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl<E: Copy> Calendar<E> {
    /// An empty calendar whose events of one instant go by `rank`, the lower first.
    #[must_use]
    pub fn new(rank: fn(&E) -> u8) -> Self {
        Self {
            heap: BinaryHeap::new(),
            rank,
            planned: 0,
        }
    }

    /// Plans `event` for `at`.
    #[inline]
    pub fn push(&mut self, at: SimTime, event: E) {
        self.heap.push(Entry {
            at,
            rank: (self.rank)(&event),
            sequence: self.planned,
            event,
        });
        self.planned += 1;
    }

    /// Takes the next event if it happens at `last` or earlier.
    #[inline]
    pub fn pop_until(&mut self, last: SimTime) -> Option<(SimTime, E)> {
        if self.heap.peek()?.at > last {
            return None;
        }
        self.heap.pop().map(|entry| (entry.at, entry.event))
    }

    /// Takes the next event.
    #[inline]
    pub fn pop(&mut self) -> Option<(SimTime, E)> {
        self.pop_until(SimTime::MAX)
    }

    /// When the next event happens.
    #[must_use]
    pub fn next_at(&mut self) -> Option<SimTime> {
        self.heap.peek().map(|entry| entry.at)
    }

    /// How many events are still to come.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether nothing is to come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
