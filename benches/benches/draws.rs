//! What does a random number cost?
//!
//! Sequential draws by ziggurat and by inversion, a block of sixteen words in order and sought, an address, and one
//! sample of each distribution.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rand_distr::{Distribution, Exp1, StandardNormal};
use sim_core::dist::{Pareto, Weibull};
use sim_core::{Dist, SimDuration, StreamName, Streams};
use std::hint::black_box;

const NAME: StreamName = StreamName::new("benchmark");

fn sequential(c: &mut Criterion) {
    let mut group = c.benchmark_group("sequential");
    let mut stream = Streams::new(1, 0).stream(NAME, 0);
    group.bench_function("64 bits", |b| b.iter(|| stream.u64()));
    group.bench_function("unit", |b| b.iter(|| stream.unit()));
    group.bench_function("below 1000", |b| b.iter(|| stream.below(black_box(1000))));
    group.bench_function("exponential by ziggurat", |b| {
        b.iter(|| -> f64 { Exp1.sample(&mut stream) });
    });
    group.bench_function("normal by ziggurat", |b| {
        b.iter(|| -> f64 { StandardNormal.sample(&mut stream) });
    });
    group.finish();
}

fn addressed(c: &mut Criterion) {
    let mut group = c.benchmark_group("addressed");
    let streams = Streams::new(1, 0);
    let mut blocks = streams.blocks(NAME, 0);
    group.bench_function("block in order", |b| b.iter(|| blocks.draw()));
    let mut k = 0;
    group.bench_function("block sought", |b| {
        b.iter(|| {
            k += 7;
            streams.block(NAME, 0, k)
        });
    });
    group.bench_function("decision", |b| {
        b.iter(|| {
            k += 7;
            streams.nth(NAME, k, 3).unit()
        });
    });
    group.finish();
}

fn sampled(c: &mut Criterion) {
    let mut group = c.benchmark_group("sampled");
    let mean = SimDuration::from_millis(12);
    let dists = [
        ("exponential", Dist::exponential(mean)),
        ("lognormal", Dist::log_normal(mean, 1.0)),
        ("gamma", Dist::gamma(mean, 0.5)),
        ("Weibull", Dist::Weibull(Weibull::Moments { mean, cv: 0.5 })),
        ("Pareto", Dist::Pareto(Pareto::Mean { mean, alpha: 2.5 })),
    ];
    for (name, dist) in dists {
        let sampler = dist.sampler().expect("the parameters lie in their ranges");
        let mut stream = Streams::new(1, 0).stream(NAME, 0);
        group.bench_function(name, |b| {
            b.iter_batched(
                || stream.unit(),
                |unit| sampler.sample(unit),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(draws, sequential, addressed, sampled);
criterion_main!(draws);
