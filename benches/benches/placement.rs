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
use sim_models::placement::pod::{Owner, OwnerKind, ResourceList, ResourceRequirements};
use sim_models::placement::quantity::{Cpu, Memory};
use sim_models::placement::selector::{LabelSelector, Labels};
use sim_models::placement::snapshot::{Allocatable, Service, Workload};
use sim_models::placement::spread::{HOSTNAME, ZONE};
use sim_models::placement::{
    Config, Container, Node, PodTemplate, Scheduler, TemplateId, TopologySpreadConstraint,
};

#[derive(Clone, Copy)]
enum Spread {
    Defaults,
    Soft,
    Hard,
}

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

fn place_all(mut scheduler: Scheduler, pods: u32) -> Scheduler {
    let placed = scheduler.place(TemplateId(0), pods, |replica, choices| {
        replica.wrapping_mul(0x9E37_79B9) % choices
    });
    assert!(placed.pending.is_none(), "the cluster has room for all");
    scheduler
}

/// Equal nodes in three zones, and one template with a Service and a ReplicaSet.
fn cluster(nodes: u32, spread: Spread, config: Config) -> Scheduler {
    let mut scheduler = Scheduler::new(config);
    let cluster = scheduler.cluster_mut();
    for node in 0..nodes {
        let name = format!("node-{node:04}");
        let zone = format!("use1-az{}", node % 3 + 1);
        let labels = labels(&[(HOSTNAME, &name), (ZONE, &zone)]);
        // m5.2xlarge: 7910m, 29317 MiB, 58 pods.
        let allocatable = Allocatable {
            cpu: 7910,
            memory: 29_317 << 20,
            pods: 58,
        };
        cluster.add_node(Node {
            name,
            allocatable,
            labels,
            ..Node::default()
        });
    }
    let app = labels(&[("app", "web")]);
    let own = labels(&[("app", "web"), ("pod-template-hash", "7d9f")]);
    let namespace = || "default".to_owned();
    let owner = Owner {
        kind: OwnerKind::ReplicaSet,
        name: "web-7d9f".to_owned(),
    };
    cluster.add_service(Service {
        namespace: namespace(),
        selector: app.clone(),
    });
    cluster.add_workload(Workload {
        namespace: namespace(),
        owner: owner.clone(),
        match_labels: own.clone(),
    });
    let requests = ResourceList {
        cpu: Some(Cpu::millis(150)),
        memory: Some(Memory::mebibytes(256)),
    };
    let resources = ResourceRequirements {
        requests,
        ..ResourceRequirements::default()
    };
    cluster.add_template(PodTemplate {
        labels: own,
        owner: Some(owner),
        containers: vec![Container {
            resources,
            ..Container::default()
        }],
        topology_spread_constraints: constraints(spread, app),
        ..PodTemplate::default()
    });
    scheduler
}

fn constraints(spread: Spread, app: Labels) -> Vec<TopologySpreadConstraint> {
    let selector = Some(LabelSelector {
        match_labels: app,
        ..LabelSelector::default()
    });
    let soft = |key| TopologySpreadConstraint::soft(key, 1, selector.clone());
    match spread {
        Spread::Defaults => vec![],
        Spread::Soft => vec![soft(HOSTNAME), soft(ZONE)],
        Spread::Hard => vec![
            soft(HOSTNAME),
            TopologySpreadConstraint::hard(ZONE, 1, selector.clone()),
        ],
    }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

criterion_group!(benches, placements, every_node_scored, reference);
criterion_main!(benches);
