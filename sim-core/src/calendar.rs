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
//! The width of a bucket follows the measured rate of events, the length of the ring the number of events planned.
//! Whatever the pattern, an event costs no more than the logarithm of their number:
//! a crowded bucket is sorted, and a rebuild waits until the events since the last one have paid for it.

mod bits;
mod bottom;
mod pool;
mod shape;

use crate::time::SimTime;
use bits::Bits;
use bottom::Bottom;
use pool::{Bucket, Entry, Pool};
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
    fine: Vec<Bucket>,
    fine_in_use: Bits,
    fine_pool: Pool<E, FINE_CHUNK>,
    ring: Vec<Bucket>,
    ring_in_use: Bits,
    pool: Pool<E, COARSE_CHUNK>,
    far: Far,
    /// How many entries are not in the bottom.
    stored: usize,
    /// How many entries have come from a bucket to the bottom.
    loaded: u64,
    window: Window,
}

/// Fine buckets hold a few entries, coarse ones many; a chunk of 64 is a kibibyte.
const FINE_CHUNK: usize = 8;
const COARSE_CHUNK: usize = 64;

/// No coarse bucket at all: everything is far.
const NOWHERE: u64 = u64::MAX;

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
            fine: Vec::new(),
            fine_in_use: Bits::default(),
            fine_pool: Pool::new(),
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
        self.bottom
            .pop_until(last.as_nanos())
            .map(|entry| (SimTime::from_nanos(entry.at), entry.event))
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

    #[inline]
    fn put(&mut self, entry: Entry<E>) {
        let fine = entry.at >> self.shape.width;
        if fine < self.edge {
            return self.bottom.insert(entry);
        }
        self.stored += 1;
        let coarse = fine >> self.shape.fine;
        if coarse == self.coarse {
            let i = fine as usize & (self.fine.len() - 1);
            self.fine_in_use.insert(i);
            self.fine_pool.put(&mut self.fine[i], entry);
        } else if coarse < self.horizon {
            let i = coarse as usize & (self.ring.len() - 1);
            self.ring_in_use.insert(i);
            self.pool.put(&mut self.ring[i], entry);
        } else {
            self.put_far(entry);
        }
    }

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
        if self.window.is_telling(self.passed()) {
            self.retune();
        }
        while self.coarse != NOWHERE {
            let first = (self.edge - (self.coarse << self.shape.fine)) as usize;
            if let Some(i) = self.fine_in_use.next(first) {
                return self.load(i);
            }
            let Some(coarse) = self.next_coarse() else {
                break;
            };
            self.spread(coarse);
        }
        self.reach_far();
        let first = self
            .fine_in_use
            .next(0)
            .expect("the first far event lies in the first coarse bucket of the new ring");
        self.load(first);
    }

    /// Sorts fine bucket `i` into the bottom.
    #[inline]
    fn load(&mut self, i: usize) {
        self.fine_in_use.remove(i);
        self.edge = (self.coarse << self.shape.fine) + i as u64 + 1;
        let (bucket, pool) = (&mut self.fine[i], &mut self.fine_pool);
        let loaded = self
            .bottom
            .load(|run| pool.drain(bucket, |entry| run.push(entry)));
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
        let (width, mask) = (self.shape.width, self.fine.len() - 1);
        let (fine, in_use, fine_pool) =
            (&mut self.fine, &mut self.fine_in_use, &mut self.fine_pool);
        self.pool.drain(&mut self.ring[i], |entry| {
            let i = (entry.at >> width) as usize & mask;
            in_use.insert(i);
            fine_pool.put(&mut fine[i], entry);
        });
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
        if let Some(gap) = self.gap_of_far() {
            let shape = Shape::suiting(self.far.len, gap);
            if !self.shape.serves(shape) {
                self.take_shape(shape);
            }
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
        let mut far = Far {
            bucket: Bucket::EMPTY,
            len: 0,
            next: u64::MAX,
            settled: self.passed(),
        };
        std::mem::swap(&mut far, &mut self.far);
        self.stored -= far.len;
        while let Some(chunk) = self.pool.take_chunk(&mut far.bucket) {
            for slot in chunk.slots.clone() {
                self.put(self.pool.at(slot));
            }
            self.pool.release(&chunk);
        }
    }

    /// The mean distance between the nearer half of the far events, from a sample; `None` where there are few.
    fn gap_of_far(&self) -> Option<f64> {
        const FEW: usize = 16;
        const SAMPLE: usize = 255;
        if self.far.len < FEW {
            return None;
        }
        let step = self.far.len.div_ceil(SAMPLE);
        let mut sample: Vec<u64> = self
            .pool
            .entries(self.far.bucket)
            .step_by(step)
            .map(|entry| entry.at)
            .collect();
        let middle = sample.len() / 2;
        let median = *sample.select_nth_unstable(middle).1;
        Some((median - self.far.next) as f64 / (self.far.len as f64 / 2.0))
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

    /// Moves all events to the far list, those of each bucket in their order.
    fn gather(&mut self) {
        let (mut fine, mut ring) = (
            std::mem::take(&mut self.fine),
            std::mem::take(&mut self.ring),
        );
        let mut run = Vec::new();
        for bucket in &mut fine {
            self.fine_pool.drain(bucket, |entry| run.push(entry));
        }
        run.drain(..).for_each(|entry| self.put_far(entry));
        for bucket in &mut ring {
            while let Some(chunk) = self.pool.take_chunk(bucket) {
                for slot in chunk.slots.clone() {
                    self.put_far(self.pool.at(slot));
                }
                self.pool.release(&chunk);
            }
        }
    }

    /// Makes empty buckets of the given shape; all events are far.
    fn take_shape(&mut self, shape: Shape) {
        self.shape = shape;
        self.coarse = NOWHERE;
        self.horizon = 0;
        self.fine = vec![Bucket::EMPTY; 1 << shape.fine];
        self.fine_in_use = Bits::new(1 << shape.fine);
        self.ring = vec![Bucket::EMPTY; 1 << shape.ring];
        self.ring_in_use = Bits::new(1 << shape.ring);
    }

    /// How many events have reached the bottom.
    fn passed(&self) -> u64 {
        self.loaded + self.bottom.inserted()
    }
}
