//! Does the calendar keep the total order (time, rank, sequence)? Compared with a plain heap on many patterns.

use proptest::prelude::*;
use sim_core::{Calendar, SimTime, Stream, StreamName, Streams};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What is planned: a serial number, and the rank it carries.
type Event = (u32, u8);

/// The slow, obvious calendar: a heap that stores what the order is about.
#[derive(Default)]
struct Reference {
    heap: BinaryHeap<Reverse<(u64, u8, u32)>>,
}

/// Both calendars, driven alike and compared at each step.
struct Pair {
    fast: Calendar<Event>,
    slow: Reference,
    planned: u32,
    now: u64,
}

impl Pair {
    fn new() -> Self {
        Self {
            fast: Calendar::new(|&(_, rank)| rank),
            slow: Reference::default(),
            planned: 0,
            now: 0,
        }
    }

    /// Plans an event `delay` from now; at the end of time where that would be later.
    fn plan(&mut self, delay: u64, rank: u8) {
        let at = self.now.saturating_add(delay);
        self.fast
            .push(SimTime::from_nanos(at), (self.planned, rank));
        self.slow.heap.push(Reverse((at, rank, self.planned)));
        self.planned += 1;
    }

    /// Takes the next event of both up to `last`; says whether there was one.
    fn take_until(&mut self, last: u64) -> bool {
        let fast = self
            .fast
            .pop_until(SimTime::from_nanos(last))
            .map(|(at, event)| (at.as_nanos(), event));
        let due = self
            .slow
            .heap
            .peek()
            .is_some_and(|Reverse((at, ..))| *at <= last);
        let slow = if due {
            self.slow
                .heap
                .pop()
                .map(|Reverse((at, rank, serial))| (at, (serial, rank)))
        } else {
            None
        };
        assert_eq!(
            fast,
            slow,
            "event number {} of {}",
            self.planned as usize - self.slow.heap.len(),
            self.planned
        );
        assert_eq!(self.fast.len(), self.slow.heap.len());
        self.now = slow.map_or(self.now, |(at, _)| at);
        slow.is_some()
    }

    fn take(&mut self) -> bool {
        self.take_until(u64::MAX)
    }

    fn drain(&mut self) {
        while self.take() {}
    }
}

fn stream(entity: u64) -> Stream {
    const ORDER: StreamName = StreamName::new("order of events");
    Streams::new(2, 0).stream(ORDER, entity)
}

/// Exponential with the given mean, in nanoseconds.
fn exponential(stream: &mut Stream, mean: f64) -> u64 {
    (-libm::log(stream.unit().get()) * mean) as u64
}

/// A population of constant size in which every event plans the next, `events` times, then runs out.
fn hold(population: u32, events: u32, entity: u64, mut delay: impl FnMut(&mut Stream) -> u64) {
    let (mut pair, mut stream) = (Pair::new(), stream(entity));
    for _ in 0..population {
        let first = delay(&mut stream);
        pair.plan(first, (stream.u64() % 3) as u8);
    }
    for _ in 0..events {
        assert!(pair.take());
        let next = delay(&mut stream);
        pair.plan(next, (stream.u64() % 3) as u8);
    }
    pair.drain();
}

#[test]
fn exponential_delays() {
    for (entity, population) in [1, 2, 3, 64, 4_096, 50_000].into_iter().enumerate() {
        hold(population, 200_000, entity as u64, |stream| {
            exponential(stream, 1e9)
        });
    }
}

#[test]
fn delays_over_twelve_orders_of_magnitude() {
    hold(1_000, 200_000, 10, |stream| {
        libm::exp(stream.unit().get() * 27.6) as u64
    });
}

#[test]
fn bimodal_delays() {
    // Nine in ten return within microseconds, one in ten within minutes: the far list holds nearly all.
    hold(20_000, 300_000, 11, |stream| {
        let mean = if stream.below(10) == 0 { 100e9 } else { 1e3 };
        exponential(stream, mean)
    });
}

#[test]
fn heavily_tied_times() {
    hold(5_000, 200_000, 12, |stream| {
        u64::from(stream.below(3)) * 1_000_000
    });
}

#[test]
fn all_events_at_one_instant() {
    let (mut pair, mut stream) = (Pair::new(), stream(13));
    for _ in 0..20_000 {
        pair.plan(5, (stream.u64() % 4) as u8);
    }
    for _ in 0..30_000 {
        assert!(pair.take());
        pair.plan(0, (stream.u64() % 4) as u8);
    }
    pair.drain();
}

#[test]
fn bursts_after_silence() {
    let (mut pair, mut stream) = (Pair::new(), stream(14));
    for burst in 0..30 {
        for _ in 0..2_000 {
            let delay = 3_600_000_000_000 * (burst % 3) + exponential(&mut stream, 50.0);
            pair.plan(delay, 0);
        }
        (0..1_500).for_each(|_| assert!(pair.take()));
    }
    pair.drain();
}

#[test]
fn a_population_that_grows_a_thousandfold_and_shrinks() {
    let (mut pair, mut stream) = (Pair::new(), stream(15));
    (0..100).for_each(|_| pair.plan(exponential(&mut stream, 1e6), 0));
    for _ in 0..3 {
        while pair.fast.len() < 100_000 {
            pair.take();
            pair.plan(exponential(&mut stream, 1e6), 0);
            pair.plan(exponential(&mut stream, 1e6), 1);
        }
        while pair.fast.len() > 100 {
            pair.take();
            if stream.below(10) == 0 {
                pair.plan(exponential(&mut stream, 1e6), 0);
            }
        }
    }
    pair.drain();
}

#[test]
fn a_rate_that_changes_a_millionfold() {
    for (slow, fast) in [(1e9, 1e3), (1e12, 1.0)] {
        let (mut pair, mut stream) = (Pair::new(), stream(16));
        (0..1_000).for_each(|_| pair.plan(exponential(&mut stream, slow), 0));
        for round in 0..6 {
            let mean = if round % 2 == 0 { slow } else { fast };
            for _ in 0..20_000 {
                pair.take();
                pair.plan(exponential(&mut stream, mean), 0);
            }
        }
        pair.drain();
    }
}

#[test]
fn the_end_of_time() {
    let (mut pair, mut stream) = (Pair::new(), stream(17));
    for _ in 0..5_000 {
        let from_the_end = [0, 1, 1_000, 1 << 40][stream.below(4) as usize];
        pair.plan(
            u64::MAX - from_the_end - (stream.u64() >> 60),
            (stream.u64() % 3) as u8,
        );
    }
    for _ in 0..2_000 {
        pair.take();
        pair.plan(stream.u64() >> 50, (stream.u64() % 3) as u8);
    }
    pair.drain();
}

#[test]
fn events_planned_before_what_was_only_looked_at() {
    // A run that stops between two events has already sorted the next ones; earlier ones may still be planned.
    let mut pair = Pair::new();
    pair.plan(1_000_000_000, 0);
    assert!(!pair.take_until(10));
    pair.plan(20, 0);
    pair.plan(999_999_999, 0);
    pair.plan(1_000_000_000, 0);
    assert!(!pair.take_until(19));
    assert!(pair.take_until(20));
    pair.drain();
}

/// One step of a random program.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Plan as many events, this far from now, this far apart.
    Plan {
        count: u8,
        delay: u64,
        apart: u64,
        rank: u8,
    },
    /// Take as many events.
    Take(u16),
    /// Take what comes within so much time.
    TakeWithin(u64),
}

/// Any magnitude is as likely as any other.
fn magnitude() -> impl Strategy<Value = u64> {
    (0u32..64, any::<u64>()).prop_map(|(bits, fill)| fill & ((1 << bits) - 1))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1u8.., magnitude(), prop_oneof![Just(0), magnitude()], 0u8..3)
            .prop_map(|(count, delay, apart, rank)| Step::Plan { count, delay, apart, rank }),
        2 => (1u16..400).prop_map(Step::Take),
        1 => magnitude().prop_map(Step::TakeWithin),
    ]
}

proptest! {
    #[test]
    fn any_program_of_plans_and_takes(steps in prop::collection::vec(step(), 1..120)) {
        let mut pair = Pair::new();
        for step in steps {
            match step {
                Step::Plan { count, delay, apart, rank } => {
                    (0..u64::from(count)).for_each(|i| pair.plan(delay.saturating_add(apart.saturating_mul(i)), rank));
                }
                Step::Take(count) => (0..count).for_each(|_| {
                    pair.take();
                }),
                Step::TakeWithin(length) => {
                    let last = pair.now.saturating_add(length);
                    while pair.take_until(last) {}
                }
            }
        }
        pair.drain();
    }
}
