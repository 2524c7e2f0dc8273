//! The workloads of `twohop-bench` at sizes that criterion can repeat.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use twohop_bench::balancer::{self, Path};
use twohop_bench::{hold, mm8, phold};

fn hold_model(c: &mut Criterion) {
    const EVENTS: u64 = 200_000;
    let mut group = c.benchmark_group("hold");
    group
        .sample_size(20)
        .throughput(Throughput::Elements(EVENTS));
    for n in [4, 64, 4_096, 262_144] {
        group.bench_function(BenchmarkId::from_parameter(n), |b| {
            b.iter_batched_ref(
                || hold::ready(n, 1),
                |simulation| hold::run(simulation, n, EVENTS),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn phold_model(c: &mut Criterion) {
    const EVENTS: u64 = 200_000;
    let mut group = c.benchmark_group("phold");
    group
        .sample_size(20)
        .throughput(Throughput::Elements(EVENTS));
    group.bench_function("1024 places", |b| {
        b.iter_batched_ref(
            || phold::ready(1),
            |simulation| phold::run(simulation, EVENTS),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn queue(c: &mut Criterion) {
    const CUSTOMERS: u64 = 100_000;
    let mut group = c.benchmark_group("mm8");
    group
        .sample_size(20)
        .throughput(Throughput::Elements(CUSTOMERS));
    group.bench_function("customers", |b| b.iter(|| mm8::run(CUSTOMERS, 1)));
    group.finish();
}

fn balanced(c: &mut Criterion) {
    const SECONDS: u32 = 2;
    let mut group = c.benchmark_group("balancer");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(20_000 * u64::from(SECONDS)));
    for path in [Path::Six, Path::Merged, Path::Arrival] {
        group.bench_function(format!("{path:?}"), |b| {
            b.iter(|| balancer::run(path, f64::from(SECONDS), 1));
        });
    }
    group.finish();
}

criterion_group!(workloads, hold_model, phold_model, queue, balanced);
criterion_main!(workloads);
