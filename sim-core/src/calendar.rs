//! What happens next: the future event list, and the total order of events.
//!
//! Events are ordered by time, then by rank, then in the order in which they were planned. The calendar is a ladder of
//! buckets, finer the nearer the time:
//!
//! ```text
//!  now                                                                              time ->
//!   | bottom | fine | fine | ... | fine |   coarse   |   coarse   | ... |   coarse   |  far ...
//!     sorted   one coarse bucket spread     a ring of buckets, each in planned order    a list
//! ```
//!
//! Planning an event puts it at the end of a bucket. When the bottom is empty, the next fine bucket is sorted into it;
//! when no fine bucket is left, the next coarse bucket is spread over them. So an event is moved three or four times
//! in its life, however many others there are. Where a heap compares and swaps through memory, this mostly appends.
//!
//! No sequence number is stored. Equal times always share a bucket, a bucket keeps the order in which it was filled,
//! and sorting is stable, so events of one instant and rank come out as they went in.
//!
//! The width of a bucket follows the measured rate of events, the length of the ring the number of events planned; a
//! handful of events stays in the bottom alone. Whatever the pattern, an event costs no more than the logarithm of
//! their number on average: a crowded bucket is sorted, latecomers to a crowded bottom go through a heap, and to go
//! through all events again waits until enough of them have passed to pay for it.

mod bits;
mod bottom;
mod pool;
mod rows;
mod shape;

use crate::time::SimTime;
use bits::Bits;
use bottom::Bottom;
use pool::{Bucket, Entry, Pool};
use rows::Rows;
use shape::{Shape, Window};

/// The events still to come, in the order in which they will happen.
///
/// ```
/// use sim_core::{Calendar, SimTime};
///
/// let mut calendar = Calendar::new(|_| 0);
/// calendar.push(SimTime::from_secs(2), "second");
/// calendar.push(SimTime::from_secs(1), "first");
/// calendar.push(SimTime::from_secs(2), "third");
/// let order: Vec<_> = std::iter::from_fn(|| calendar.pop()).map(|(_, event)| event).collect();
/// assert_eq!(order, ["first", "second", "third"]);
/// ```
#[derive(Clone, Debug)]
pub struct Calendar<E> {
    bottom: Bottom<E>,
    shape: Shape,
    /// Fine buckets below this one have gone to the bottom.
    edge: u64,
    /// The coarse bucket that is spread over the fine ones.
    coarse: u64,
    /// Coarse buckets from this one on are far.
    horizon: u64,
    fine: Rows<E>,
    ring: Vec<Bucket>,
    ring_in_use: Bits,
    pool: Pool<E>,
    far: Far,
    /// How many entries are not in the bottom.
    stored: usize,
    /// How many entries have come from a bucket to the bottom.
    loaded: u64,
    window: Window,
}

/// No coarse bucket at all: everything is far.
const NOWHERE: u64 = u64::MAX;

/// The edge while the bottom holds everything.
const NO_EDGE: u64 = u64::MAX;

/// So few events are best kept in one sorted run; with so many it is time for buckets.
const FEW: usize = 16;
const MANY: usize = 40;

/// What lies beyond the ring.
#[derive(Clone, Debug)]
struct Far {
    bucket: Bucket,
    len: usize,
    /// The time of the first.
    next: u64,
    /// How many events had passed when the list was last gone through.
    settled: u64,
}

impl<E: Copy> Calendar<E> {
    /// An empty calendar whose events of one instant go by `rank`, the lower first.
    #[must_use]
    pub fn new(rank: fn(&E) -> u8) -> Self {
        let mut calendar = Self {
            bottom: Bottom::new(rank),
            shape: Shape::FIRST,
            edge: 0,
            coarse: NOWHERE,
            horizon: 0,
            fine: Rows::new(1, 0),
            ring: Vec::new(),
            ring_in_use: Bits::default(),
            pool: Pool::new(),
            far: Far {
                bucket: Bucket::EMPTY,
                len: 0,
                next: u64::MAX,
                settled: 0,
            },
            stored: 0,
            loaded: 0,
            window: Window::default(),
        };
        calendar.take_shape(Shape::FIRST);
        calendar
    }

    /// Plans `event` for `at`.
    #[inline]
    pub fn push(&mut self, at: SimTime, event: E) {
        self.put(Entry {
            at: at.as_nanos(),
            event,
        });
    }

    /// Takes the next event if it happens at `last` or earlier.
    #[inline]
    pub fn pop_until(&mut self, last: SimTime) -> Option<(SimTime, E)> {
        if self.bottom.is_empty() {
            self.refill();
        }
        let (at, event) = self.bottom.pop_until(last.as_nanos())?;
        Some((SimTime::from_nanos(at), event))
    }

    /// Takes the next event.
    #[inline]
    pub fn pop(&mut self) -> Option<(SimTime, E)> {
        self.pop_until(SimTime::MAX)
    }

    /// When the next event happens.
    #[must_use]
    pub fn next_at(&mut self) -> Option<SimTime> {
        if self.bottom.is_empty() {
            self.refill();
        }
        self.bottom.next_at().map(SimTime::from_nanos)
    }

    /// How many events are still to come.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stored + self.bottom.len()
    }

    /// Whether nothing is to come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline(always)]
    fn put(&mut self, entry: Entry<E>) {
        let fine = entry.at >> self.shape.width;
        if fine < self.edge {
            return self.put_near(entry.at, entry.event);
        }
        self.stored += 1;
        let coarse = fine >> self.shape.fine;
        if coarse == self.coarse {
            self.fine.put(fine, entry, &mut self.pool);
        } else if coarse < self.horizon {
            let i = coarse as usize & (self.ring.len() - 1);
            if self.ring[i].is_empty() {
                self.ring_in_use.insert(i);
            }
            self.pool.put(&mut self.ring[i], entry);
        } else {
            self.put_far(entry);
        }
    }

    #[inline(never)]
    fn put_near(&mut self, at: u64, event: E) {
        self.bottom.insert(at, event);
        if self.edge == NO_EDGE && self.bottom.len() > MANY {
            self.leave_bottom();
        }
    }

    #[inline(never)]
    fn put_far(&mut self, entry: Entry<E>) {
        self.far.len += 1;
        self.far.next = self.far.next.min(entry.at);
        self.pool.put(&mut self.far.bucket, entry);
    }

    /// Brings the next events to the bottom, which is empty.
    #[inline(never)]
    fn refill(&mut self) {
        if self.stored == 0 {
            return;
        }
        if self.stored <= FEW {
            return self.keep_in_bottom();
        }
        if self.window.is_telling(self.passed()) {
            self.retune();
        }
        while self.coarse != NOWHERE {
            let first = (self.edge - (self.coarse << self.shape.fine)) as usize;
            if let Some(i) = self.fine.next(first) {
                return self.load(i);
            }
            let Some(coarse) = self.next_coarse() else {
                break;
            };
            self.spread(coarse);
        }
        self.reach_far();
        let first = self
            .fine
            .next(0)
            .expect("the first far event lies in the first coarse bucket of the new ring");
        self.load(first);
    }

    /// Sorts fine bucket `i` into the bottom.
    #[inline]
    fn load(&mut self, i: usize) {
        self.edge = (self.coarse << self.shape.fine) + i as u64 + 1;
        let (fine, pool) = (&mut self.fine, &mut self.pool);
        let loaded = self.bottom.load(|run| fine.drain(i, pool, run));
        self.stored -= loaded;
        self.loaded += loaded as u64;
        self.window.refills += 1;
    }

    /// The next coarse bucket of the ring that holds an event.
    fn next_coarse(&self) -> Option<u64> {
        let (next, mask) = (self.coarse + 1, self.ring.len() - 1);
        let from = next as usize & mask;
        let i = self
            .ring_in_use
            .next(from)
            .or_else(|| self.ring_in_use.next(0))?;
        Some(next + (i.wrapping_sub(from) & mask) as u64)
    }

    /// Spreads a coarse bucket over the fine ones, which are empty.
    fn spread(&mut self, coarse: u64) {
        self.coarse = coarse;
        self.edge = coarse << self.shape.fine;
        let i = coarse as usize & (self.ring.len() - 1);
        self.ring_in_use.remove(i);
        while let Some(chunk) = self.pool.take_chunk(&mut self.ring[i]) {
            for slot in chunk.slots.clone() {
                let entry = self.pool.at(slot);
                self.fine
                    .put(entry.at >> self.shape.width, entry, &mut self.pool);
            }
            self.pool.release(&chunk);
        }
        self.move_horizon();
    }

    /// Keeps the ring ahead of time: far events that it can now hold move into it.
    ///
    /// To go through the far list costs its length, so it waits until half of the ring is behind and enough events
    /// have passed to pay for it.
    fn move_horizon(&mut self) {
        let reach = self.ring.len() as u64;
        if self.far.len == 0 {
            self.horizon = self.coarse + reach;
        } else if self.horizon <= self.coarse + reach / 2
            && self.passed() - self.far.settled >= self.far.len as u64 / 4
        {
            self.settle();
        }
    }

    /// Everything is far: begins again at the first event, in a shape that suits the nearer half of them.
    #[inline(never)]
    fn reach_far(&mut self) {
        let shape = Shape::suiting(self.far.len, self.gap_of_far());
        if !self.shape.serves(shape) {
            self.take_shape(shape);
        }
        self.begin_at_far();
    }

    /// Puts the ring where the far list begins.
    fn begin_at_far(&mut self) {
        self.coarse = self.far.next >> (self.shape.width + self.shape.fine);
        self.edge = self.coarse << self.shape.fine;
        self.settle();
    }

    /// Sets the horizon one ring ahead, and moves all far events before it to their buckets.
    fn settle(&mut self) {
        self.horizon = self.coarse + self.ring.len() as u64;
        let mut far = self.take_far();
        self.stored -= far.len;
        while let Some(chunk) = self.pool.take_chunk(&mut far.bucket) {
            for slot in chunk.slots.clone() {
                self.put(self.pool.at(slot));
            }
            self.pool.release(&chunk);
        }
    }

    /// The mean distance between the nearer half of the far events, from a sample.
    fn gap_of_far(&self) -> f64 {
        const SAMPLE: usize = 255;
        let step = self.far.len.div_ceil(SAMPLE);
        let entries = self.pool.entries(self.far.bucket).step_by(step);
        let mut sample: Vec<u64> = entries.map(|entry| entry.at).collect();
        let middle = sample.len() / 2;
        let median = *sample.select_nth_unstable(middle).1;
        (median - self.far.next) as f64 / (self.far.len as f64 / 2.0)
    }

    /// Builds the buckets anew where they do not suit the rate of the events that passed lately.
    ///
    /// To build anew costs the number of events planned, so it waits until as many have passed as would pay for it.
    #[inline(never)]
    fn retune(&mut self) {
        let (now, passed, len) = (self.edge << self.shape.width, self.passed(), self.len());
        let shape = Shape::suiting(len, self.window.gap(now, passed));
        let is_paid = passed - self.window.rebuilt >= len as u64 / 4;
        self.window = Window {
            refills: 0,
            start: now,
            events: passed,
            ..self.window
        };
        if is_paid && !self.shape.serves(shape) {
            self.window.rebuilt = passed;
            self.gather();
            self.take_shape(shape);
            self.begin_at_far();
        }
    }

    /// Few events are planned: sorts them all into the bottom, and whatever is planned next.
    #[inline(never)]
    fn keep_in_bottom(&mut self) {
        self.gather();
        let far = self.take_far();
        let loaded = self
            .bottom
            .load(|run| run.extend(self.pool.entries(far.bucket)));
        self.pool.clear(far.bucket);
        self.stored = 0;
        self.loaded += loaded as u64;
        self.edge = NO_EDGE;
    }

    /// The bottom holds too much: all events are far, and the next refill begins with them.
    #[inline(never)]
    fn leave_bottom(&mut self) {
        self.edge = 0;
        let start = self.bottom.next_at().unwrap_or(0);
        self.window = Window {
            refills: 0,
            start,
            events: self.passed(),
            rebuilt: self.passed(),
        };
        while let Some((at, event)) = self.bottom.pop_until(u64::MAX) {
            self.stored += 1;
            self.put_far(Entry { at, event });
        }
    }

    /// Moves all events to the far list, those of each bucket in their order.
    fn gather(&mut self) {
        let mut list = Vec::new();
        while let Some(i) = self.fine.next(0) {
            self.fine.drain(i, &mut self.pool, &mut list);
            list.drain(..).for_each(|entry| self.put_far(entry));
        }
        while let Some(i) = self.ring_in_use.next(0) {
            self.ring_in_use.remove(i);
            while let Some(chunk) = self.pool.take_chunk(&mut self.ring[i]) {
                for slot in chunk.slots.clone() {
                    self.put_far(self.pool.at(slot));
                }
                self.pool.release(&chunk);
            }
        }
        self.coarse = NOWHERE;
        self.horizon = 0;
    }

    /// Takes the far list and leaves an empty one.
    fn take_far(&mut self) -> Far {
        let empty = Far {
            bucket: Bucket::EMPTY,
            len: 0,
            next: u64::MAX,
            settled: self.passed(),
        };
        std::mem::replace(&mut self.far, empty)
    }

    /// Makes empty buckets of the given shape; all events are far.
    fn take_shape(&mut self, shape: Shape) {
        self.shape = shape;
        self.coarse = NOWHERE;
        self.horizon = 0;
        self.fine = Rows::new(1 << shape.fine, shape.room());
        self.ring = vec![Bucket::EMPTY; 1 << shape.ring];
        self.ring_in_use = Bits::new(1 << shape.ring);
    }

    /// How many events have reached the bottom.
    fn passed(&self) -> u64 {
        self.loaded + self.bottom.inserted()
    }
}
