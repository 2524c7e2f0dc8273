//! The events of the very near future, in order.

use super::pool::Entry;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A sorted run, read from its head, into which latecomers are inserted.
///
/// An insertion that would have to move many entries goes to a heap beside the run instead, so no pattern of latecomers
/// costs more than a heap does.
#[derive(Clone, Debug)]
pub(super) struct Bottom<E> {
    run: Vec<Entry<E>>,
    head: usize,
    latecomers: BinaryHeap<Latecomer<E>>,
    inserted: u64,
    rank: fn(&E) -> u8,
}

/// An insertion moves at most this many entries.
const REACH: usize = 32;

impl<E: Copy> Bottom<E> {
    pub(super) const fn new(rank: fn(&E) -> u8) -> Self {
        Self {
            run: Vec::new(),
            head: 0,
            latecomers: BinaryHeap::new(),
            inserted: 0,
            rank,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.run.len() - self.head + self.latecomers.len()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.head == self.run.len() && self.latecomers.is_empty()
    }

    /// How many entries have been inserted so far.
    pub(super) fn inserted(&self) -> u64 {
        self.inserted
    }

    /// The time of the next entry.
    pub(super) fn next_at(&self) -> Option<u64> {
        let run = self.run.get(self.head).map(|entry| entry.at);
        let late = self.latecomers.peek().map(|late| late.entry.at);
        match (run, late) {
            (Some(run), Some(late)) => Some(run.min(late)),
            (run, late) => run.or(late),
        }
    }

    /// Takes the next entry if it comes at `last` or earlier.
    #[inline]
    pub(super) fn pop_until(&mut self, last: u64) -> Option<Entry<E>> {
        if !self.latecomers.is_empty() {
            return self.pop_with_latecomers(last);
        }
        let entry = *self.run.get(self.head)?;
        if entry.at > last {
            return None;
        }
        self.head += 1;
        Some(entry)
    }

    /// Inserts an entry after all that come before it or were planned before it.
    #[inline]
    pub(super) fn insert(&mut self, entry: Entry<E>) {
        self.inserted += 1;
        let waiting = self.run.len() - self.head;
        let too_far = waiting > REACH && self.is_before(&entry, &self.run[self.run.len() - REACH]);
        if too_far || !self.latecomers.is_empty() {
            return self.insert_late(entry);
        }
        if self.run.len() == self.run.capacity() && self.head > 0 {
            self.run.drain(..self.head);
            self.head = 0;
        }
        let mut i = self.run.len();
        self.run.push(entry);
        while i > self.head && self.is_before(&entry, &self.run[i - 1]) {
            self.run[i] = self.run[i - 1];
            i -= 1;
        }
        self.run[i] = entry;
    }

    /// Fills the empty run with the entries that `fill` appends, and sorts it; says how many they are.
    #[inline]
    pub(super) fn load(&mut self, fill: impl FnOnce(&mut Vec<Entry<E>>)) -> usize {
        self.run.clear();
        self.head = 0;
        fill(&mut self.run);
        if self.run.len() > 1 {
            let rank = self.rank;
            self.run.sort_by(|a, b| {
                a.at.cmp(&b.at)
                    .then_with(|| rank(&a.event).cmp(&rank(&b.event)))
            });
        }
        self.run.len()
    }

    #[inline]
    fn is_before(&self, a: &Entry<E>, b: &Entry<E>) -> bool {
        a.at < b.at || (a.at == b.at && (self.rank)(&a.event) < (self.rank)(&b.event))
    }

    #[cold]
    fn insert_late(&mut self, entry: Entry<E>) {
        self.latecomers.push(Latecomer {
            entry,
            rank: (self.rank)(&entry.event),
            sequence: self.inserted,
        });
    }

    /// While there are latecomers, nothing is inserted into the run: of equals, the one in the run is the older.
    #[cold]
    fn pop_with_latecomers(&mut self, last: u64) -> Option<Entry<E>> {
        let late = self.latecomers.peek()?.entry;
        let run = self
            .run
            .get(self.head)
            .copied()
            .filter(|run| !self.is_before(&late, run));
        let next = run.unwrap_or(late);
        if next.at > last {
            return None;
        }
        if run.is_some() {
            self.head += 1;
        } else {
            self.latecomers.pop();
        }
        Some(next)
    }
}

#[derive(Clone, Debug)]
struct Latecomer<E> {
    entry: Entry<E>,
    rank: u8,
    sequence: u64,
}

impl<E> Latecomer<E> {
    fn key(&self) -> (u64, u8, u64) {
        (self.entry.at, self.rank, self.sequence)
    }
}

impl<E> PartialEq for Latecomer<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<E> Eq for Latecomer<E> {}

impl<E> PartialOrd for Latecomer<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Latecomer<E> {
    /// The greatest of the heap is the first to come.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}
