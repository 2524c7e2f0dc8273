//! How long does it take to place a Deployment, and how does the cost grow with nodes and pods?
//!
//! Every case starts from an empty cluster of three zones and places all pods of one Deployment, counted in placements.
//! `soft` spreads over host names and zones softly, `hard` adds a hard limit over zones, `defaults` leaves it to the
//! scheduler's own constraints, `plain` is the reference that counts everything anew for every pod.
//!
//! Thousand placements per second on one core of a 2-core x86-64 virtual machine that had nothing else to do:
//!
//! | pods on nodes | defaults | soft | hard |
//! |---|---|---|---|
//! | 1,000 on 100 | 811 | 816 | 1012 |
//! | 10,000 on 1,000 | 213 | 210 | 188 |
//! | 30,000 on 1,000 | 218 | 213 | 189 |
//! | 50,000 on 5,000 | 173 | 175 | 137 |
//! | 150,000 on 5,000 | 178 | 176 | 140 |
//!
//! A placement costs about 11 ns for each node scored. Large clusters are sampled (420 nodes of 1,000, 500 of 5,000), so
//! the cost hardly grows with them, and not at all with the pods that are there. With every node scored, 1,000 nodes give
//! 97 and 5,000 nodes 20 thousand a second; from scratch, 1,000 empty nodes give 11.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sim_models::placement::{Config, TemplateId};
use twohop_bench::placement::{Spread, cluster, place_all};

fn placements(c: &mut Criterion) {
    let mut group = c.benchmark_group("placement");
    group.sample_size(10);
    let sizes = [
        (100, 1_000),
        (1_000, 10_000),
        (1_000, 30_000),
        (5_000, 50_000),
        (5_000, 150_000),
    ];
    for (nodes, pods) in sizes {
        group.throughput(Throughput::Elements(u64::from(pods)));
        for (name, spread) in [
            ("defaults", Spread::Defaults),
            ("soft", Spread::Soft),
            ("hard", Spread::Hard),
        ] {
            let empty = cluster(nodes, spread, Config::default());
            group.bench_with_input(
                BenchmarkId::new(name, format!("{pods} on {nodes}")),
                &empty,
                |b, empty| {
                    b.iter(|| place_all(empty.clone(), pods));
                },
            );
        }
    }
    group.finish();
}

fn every_node_scored(c: &mut Criterion) {
    let mut group = c.benchmark_group("placement, every node scored");
    group.sample_size(10);
    for (nodes, pods) in [(1_000, 10_000), (5_000, 10_000)] {
        group.throughput(Throughput::Elements(u64::from(pods)));
        let all = Config {
            percentage_of_nodes_to_score: 100,
            ..Config::default()
        };
        let empty = cluster(nodes, Spread::Soft, all);
        group.bench_with_input(
            BenchmarkId::new("soft", format!("{pods} on {nodes}")),
            &empty,
            |b, empty| {
                b.iter(|| place_all(empty.clone(), pods));
            },
        );
    }
    group.finish();
}

fn reference(c: &mut Criterion) {
    let mut group = c.benchmark_group("placement, from scratch");
    group.sample_size(10).throughput(Throughput::Elements(1));
    for nodes in [100, 1_000] {
        let scheduler = cluster(nodes, Spread::Soft, Config::default());
        group.bench_with_input(
            BenchmarkId::new("plain", nodes),
            &scheduler,
            |b, scheduler| {
                b.iter(|| black_box(scheduler.decide(TemplateId(0))));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, placements, every_node_scored, reference);
criterion_main!(benches);
