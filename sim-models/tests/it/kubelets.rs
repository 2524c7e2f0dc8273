//! What holds a kubelet up: its client of the API server, and images that its node does not have.

use sim_core::{Dist, SimDuration, SimTime};
use sim_models::cluster::condition::PodCondition;
use sim_models::control::int_or_percent::IntOrPercent;
use sim_models::fault::{NodeTrouble, What};
use sim_models::id::{DeploymentId, NodeId};
use sim_models::observe::{Health as Seen, Observation, Recorder};
use sim_models::world::Blueprint;

use crate::detection::{FAULT_AT, fault, quiet, readiness, seconds};
use crate::support::{self, Mode};

const SEED: u64 = 77;

/// Seconds after the fault's instant at which pods become unready in the API, and at which containers start.
#[derive(Default)]
struct Log {
    unready: Vec<f64>,
    started: Vec<f64>,
}

impl Recorder for Log {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        let after = now.saturating_since(FAULT_AT).as_secs_f64();
        match seen {
            Observation::Health(Seen::Ready { ready: false, .. }) => self.unready.push(after),
            Observation::Health(Seen::Started { .. }) => self.started.push(after),
            _ => {}
        }
    }
}

#[test]
fn many_statuses_of_one_node_wait_for_its_kubelets_client() {
    // Source: Kubernetes 1.34, 50 requests a second and 100 at once; a status takes a GET and a PATCH. The kubelet restarts and calls 60 pods unready:
    // 50 are written at once, the 51st when two tokens are back, at 40 ms, and the 60th at 400 ms. No probe comes sooner than that.
    let (mut blueprint, mut health) = quiet(&[60], Mode::InstanceCluster, 41.0);
    health.workloads[DeploymentId(0)].readiness_probe = Some(readiness((100_000.0, 1, 1.0)));
    let restarts = What::Node(NodeId(0), NodeTrouble::KubeletRestart);
    health.faults.push(fault(restarts, None));
    blueprint.health = Some(Box::new(health));
    let unready = support::run(&blueprint, SEED, 0, Log::default());
    let unready = unready.recorder.unready;
    assert_eq!(unready.len(), 60);
    for (k, found) in unready.into_iter().enumerate() {
        let expected = 0.04 * (k as f64 - 49.0).max(0.0);
        assert!((found - expected).abs() < 1e-9, "{k}: {found}");
    }
}

#[test]
fn the_first_pods_of_a_revision_on_a_node_wait_for_its_image() {
    // Four pods on two nodes, replaced one after the other with a surge of one: images take 7 s, containers 1 s. Two of the four, the first on
    // each node, start 8 s after they were created, the others after 1 s. Everything else takes no time, so the last one starts at 8 + 8 + 1 + 1 =
    // 18 s, whatever the order.
    let (mut blueprint, mut health) = quiet(&[2, 2], Mode::InstanceCluster, 70.0);
    health.spares = vec![DeploymentId(0); 4];
    health.kubelet.image_pull = Dist::Constant(seconds(7.0));
    health.kubelet.start_container = Dist::Constant(seconds(1.0));
    health.kubelet.relist_on_sync = true;
    for workload in health.workloads.iter_mut() {
        let update = &mut workload.strategy.rolling_update;
        update.max_surge = IntOrPercent::Int(1);
        update.max_unavailable = IntOrPercent::Int(0);
    }
    let rolls = What::RollOut(DeploymentId(0), PodCondition::Serving);
    health.faults.push(fault(rolls, None));
    blueprint.health = Some(Box::new(health));
    let started = |blueprint: &Blueprint| {
        support::run(blueprint, SEED, 0, Log::default())
            .recorder
            .started
    };
    let found = started(&blueprint);
    let mut before = 0.0;
    let mut waits: Vec<i64> = Vec::new();
    for at in &found {
        waits.push((at - before).round() as i64);
        before = *at;
    }
    waits.sort_unstable();
    assert_eq!(waits, [1, 1, 8, 8], "{found:?}");
    let health = blueprint.health.as_mut().expect("a health signal");
    health.kubelet.image_pull = Dist::Constant(SimDuration::ZERO);
    let last = started(&blueprint).last().copied();
    assert!(last.is_some_and(|at| (at - 4.0).abs() < 0.01), "{last:?}");
}
