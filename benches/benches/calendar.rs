//! How does the calendar fare on delays for which nobody would tune it?
//!
//! Each case holds 10,000 events planned; a step takes the next and plans one. `heap` is a binary heap of the standard
//! library that keeps the same order with an explicit sequence number.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sim_core::{Calendar, SimDuration, SimTime, Stream, StreamName, Streams};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const PLANNED: u32 = 10_000;
const NAME: StreamName = StreamName::new("delays");

/// Delays in nanoseconds, by name.
type Delays = (&'static str, fn(&mut Stream) -> u64);

const PATTERNS: [Delays; 5] = [
    ("exponential", |stream| exponential(stream, 1e6)),
    ("skewed", |stream| {
        libm::exp(stream.unit().get() * 27.6) as u64
    }),
    ("bimodal", |stream| {
        let is_long = stream.below(10) == 0;
        exponential(stream, if is_long { 100e9 } else { 1e3 })
    }),
    ("tied", |stream| u64::from(stream.below(3)) * 1_000_000),
    ("constant", |_| 1_000_000),
];

fn exponential(stream: &mut Stream, mean: f64) -> u64 {
    (-libm::log(stream.unit().get()) * mean) as u64
}

fn patterns(c: &mut Criterion) {
    let mut group = c.benchmark_group("calendar");
    for (name, delay) in PATTERNS {
        group.bench_function(BenchmarkId::new("ladder", name), |b| {
            let mut stream = Streams::new(1, 0).stream(NAME, 0);
            let mut calendar = Calendar::new(|_: &u32| 0);
            for event in 0..PLANNED {
                calendar.push(SimTime::from_nanos(delay(&mut stream)), event);
            }
            b.iter(|| {
                let (now, event) = calendar.pop().expect("as many are planned as are taken");
                calendar.push(now + SimDuration::from_nanos(delay(&mut stream)), event);
            });
        });
        group.bench_function(BenchmarkId::new("heap", name), |b| {
            let mut stream = Streams::new(1, 0).stream(NAME, 0);
            let (mut heap, mut sequence) = (BinaryHeap::new(), 0u64);
            for event in 0..PLANNED {
                sequence += 1;
                heap.push(Reverse((delay(&mut stream), sequence, event)));
            }
            b.iter(|| {
                let Reverse((now, _, event)) =
                    heap.pop().expect("as many are planned as are taken");
                sequence += 1;
                heap.push(Reverse((now + delay(&mut stream), sequence, event)));
            });
        });
    }
    group.finish();
}

criterion_group!(calendar, patterns);
criterion_main!(calendar);
