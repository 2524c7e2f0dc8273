//! W6: many pods of one Deployment are placed on an empty cluster of three zones, as kube-scheduler places them.
//!
//! `defaults` leaves the spreading to the scheduler, `soft` spreads over host names and zones softly, `hard` adds a hard limit over zones.

use std::str::FromStr;

use sim_models::placement::pod::{Owner, OwnerKind, ResourceList, ResourceRequirements};
use sim_models::placement::quantity::{Cpu, Memory};
use sim_models::placement::selector::{LabelSelector, Labels};
use sim_models::placement::snapshot::{Allocatable, Service, Workload};
use sim_models::placement::spread::{HOSTNAME, ZONE};
use sim_models::placement::{
    Config, Container, Node, PodTemplate, Scheduler, TemplateId, TopologySpreadConstraint,
};

use crate::report::Outcome;

/// What spreads the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// The scheduler's own constraints.
    Defaults,
    /// Soft constraints on host names and zones.
    Soft,
    /// A soft one on host names, a hard one on zones.
    Hard,
}

impl FromStr for Spread {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "defaults" => Ok(Self::Defaults),
            "soft" => Ok(Self::Soft),
            "hard" => Ok(Self::Hard),
            _ => Err("expected defaults, soft or hard".to_owned()),
        }
    }
}

/// Places all pods; an event is a placement.
#[must_use]
pub fn run(empty: Scheduler, pods: u32) -> Outcome {
    std::hint::black_box(place_all(empty, pods));
    Outcome::of_events(u64::from(pods))
}

/// Places all pods, and gives the scheduler with them.
///
/// # Panics
///
/// When the cluster has no room for all.
#[must_use]
pub fn place_all(mut scheduler: Scheduler, pods: u32) -> Scheduler {
    let placed = scheduler.place(TemplateId(0), pods, |replica, choices| {
        replica.wrapping_mul(0x9E37_79B9) % choices
    });
    assert!(placed.pending.is_none(), "the cluster has room for all");
    scheduler
}

/// Equal nodes in three zones, and one template with a Service and a ReplicaSet.
#[must_use]
pub fn cluster(nodes: u32, spread: Spread, config: Config) -> Scheduler {
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
