//! The fine buckets: short rows of slots side by side.

use super::bits::Bits;
use super::pool::{Bucket, Entry, Pool};

/// Buckets of a few entries each: as many slots for every one, and a chunked bucket for those that overflow.
///
/// Short rows need no allocation, no links and no copying as they fill. A row keeps the order in which it was filled.
#[derive(Clone, Debug)]
pub(super) struct Rows<E> {
    /// A row has 2^`room` slots.
    room: u32,
    slots: Vec<Entry<E>>,
    /// How many slots of each row are taken.
    taken: Vec<u8>,
    /// What found no slot.
    overflow: Vec<Bucket>,
    in_use: Bits,
}

impl<E: Copy> Rows<E> {
    /// `len` empty rows of 2^`room` slots; `len` is a power of two, and `room` at most 7.
    pub(super) fn new(len: usize, room: u32) -> Self {
        Self {
            room,
            slots: Vec::new(),
            taken: vec![0; len],
            overflow: vec![Bucket::EMPTY; len],
            in_use: Bits::new(len),
        }
    }

    /// Appends to the row whose number is the lower bits of `i`.
    #[inline(always)]
    pub(super) fn put(&mut self, i: u64, entry: Entry<E>, pool: &mut Pool<E>) {
        let i = i as usize & (self.taken.len() - 1);
        let taken = self.taken[i];
        if taken >> self.room != 0 {
            return self.put_over(i, entry, pool);
        }
        self.taken[i] = taken + 1;
        self.in_use.insert(i);
        match self.slots.get_mut((i << self.room) + usize::from(taken)) {
            Some(slot) => *slot = entry,
            None => self.make_slots(entry),
        }
    }

    #[inline(never)]
    fn put_over(&mut self, i: usize, entry: Entry<E>, pool: &mut Pool<E>) {
        pool.put(&mut self.overflow[i], entry);
    }

    /// The first row from `from` on that holds an entry.
    #[inline]
    pub(super) fn next(&self, from: usize) -> Option<usize> {
        self.in_use.next(from)
    }

    /// Moves the entries of row `i` to the end of `list`, in order.
    #[inline(always)]
    pub(super) fn drain(&mut self, i: usize, pool: &mut Pool<E>, list: &mut Vec<Entry<E>>) {
        self.in_use.remove(i);
        let taken = usize::from(std::mem::take(&mut self.taken[i]));
        let row = &self.slots[i << self.room..];
        match row.first_chunk::<4>() {
            // To copy more than is wanted, and always as much, costs less than to count.
            Some(four) if taken <= 4 => {
                let len = list.len() + taken;
                list.extend_from_slice(four);
                list.truncate(len);
            }
            _ => list.extend_from_slice(&row[..taken]),
        }
        if taken >> self.room != 0 {
            pool.drain(&mut self.overflow[i], |entry| list.push(entry));
        }
    }

    /// The first entry ever fills all slots, for want of nothing better.
    #[cold]
    fn make_slots(&mut self, entry: Entry<E>) {
        self.slots = vec![entry; self.taken.len() << self.room];
    }
}
