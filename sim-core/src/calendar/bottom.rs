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

    /// Takes the next event and its time if it comes at `last` or earlier.
    #[inline]
    pub(super) fn pop_until(&mut self, last: u64) -> Option<(u64, E)> {
        if !self.latecomers.is_empty() {
            return self.pop_with_latecomers(last);
        }
        let next = self.run.get(self.head)?;
        if next.at > last {
            return None;
        }
        self.head += 1;
        Some((next.at, next.event))
    }

    /// Inserts an event after all that come before it or were planned before it.
    #[inline]
    pub(super) fn insert(&mut self, at: u64, event: E) {
        self.inserted += 1;
        let len = self.run.len();
        let too_far = len > self.head + REACH && self.is_before(at, &event, &self.run[len - REACH]);
        if too_far || !self.latecomers.is_empty() {
            return self.insert_late(Entry { at, event });
        }
        if len == self.run.capacity() {
            self.make_room();
        }
        let mut i = self.run.len();
        self.run.push(Entry { at, event });
        while i > self.head && self.is_before(at, &event, &self.run[i - 1]) {
            self.run[i] = self.run[i - 1];
            i -= 1;
        }
        self.run[i] = Entry { at, event };
    }

    /// Forgets the part of the run that has been read, so that a run may go on for ever in little memory.
    #[cold]
    fn make_room(&mut self) {
        self.run.drain(..self.head);
        self.head = 0;
        self.run.reserve(2 * REACH);
    }

    /// Fills the empty run with the entries that `fill` appends in the order of planning, and sorts them; says how many they
    /// are.
    #[inline]
    pub(super) fn load(&mut self, fill: impl FnOnce(&mut Vec<Entry<E>>)) -> usize {
        self.run.clear();
        self.head = 0;
        fill(&mut self.run);
        let loaded = self.run.len();
        if loaded > 1 {
            self.sort();
        }
        loaded
    }

    /// Sorts the run by time and rank; equals keep their order.
    #[inline]
    fn sort(&mut self) {
        const FEW: usize = 20;
        if self.run.len() > FEW {
            return self.sort_many();
        }
        for i in 1..self.run.len() {
            let entry = self.run[i];
            let mut j = i;
            while j > 0 && self.is_before(entry.at, &entry.event, &self.run[j - 1]) {
                self.run[j] = self.run[j - 1];
                j -= 1;
            }
            self.run[j] = entry;
        }
    }

    #[inline(never)]
    fn sort_many(&mut self) {
        let rank = self.rank;
        let rank = |entry: &Entry<E>| rank(&entry.event);
        self.run
            .sort_by(|a, b| a.at.cmp(&b.at).then_with(|| rank(a).cmp(&rank(b))));
    }

    /// Whether an event comes before an entry whatever was planned first.
    #[inline]
    fn is_before(&self, at: u64, event: &E, entry: &Entry<E>) -> bool {
        at < entry.at || (at == entry.at && (self.rank)(event) < (self.rank)(&entry.event))
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
    fn pop_with_latecomers(&mut self, last: u64) -> Option<(u64, E)> {
        let late = self.latecomers.peek()?.entry;
        let run = self
            .run
            .get(self.head)
            .copied()
            .filter(|run| !self.is_before(late.at, &late.event, run));
        let next = run.unwrap_or(late);
        if next.at > last {
            return None;
        }
        if run.is_some() {
            self.head += 1;
        } else {
            self.latecomers.pop();
        }
        Some((next.at, next.event))
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
