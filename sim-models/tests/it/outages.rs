//! Lost nodes and lost controllers: who is evicted at which pace, and what waits for whom.

use sim_core::{Dist, SimDuration, SimTime};
use sim_models::control::aws_controller::NodeReady;
use sim_models::control::node_lifecycle::Patience;
use sim_models::fault::{Fault, NodeTrouble, Outage, What};
use sim_models::id::{DeploymentId, Id, NodeId, PodId};
use sim_models::observe::{Health as Seen, Observation, Recorder};
use sim_models::world::Blueprint;
use sim_models::world::blueprint::Health;

use crate::support::{self, Mode, at};

const SEED: u64 = 13;
const BEGIN: f64 = 20.0;

/// Four nodes of one zone with two pods each. Lost pods are tolerated for 30 s.
fn cluster(faults: Vec<Fault>) -> Blueprint {
    let server = support::server(16, Dist::Constant(SimDuration::from_millis(5)));
    let clients = support::clients(support::poisson(2.0));
    let mut blueprint = support::world(&[2, 2, 2, 2], Mode::InstanceCluster, server, clients);
    blueprint.run.length = SimDuration::from_secs(300);
    let mut health = Health::new(1, 1);
    health.spares = vec![DeploymentId(0); 8];
    health.default_toleration = SimDuration::from_secs(30);
    health.faults = faults.into_iter().collect();
    blueprint.health = Some(Box::new(health));
    blueprint
}

fn trouble(nodes: u32, trouble: NodeTrouble, until: Option<f64>) -> Vec<Fault> {
    let fault = |node| Fault {
        what: What::Node(NodeId(node), trouble),
        from: at(BEGIN),
        until: until.map(at),
    };
    (0..nodes).map(fault).collect()
}

fn outage(outage: Outage, from: f64, until: f64) -> Fault {
    Fault {
        what: What::ControlPlane(outage),
        from: at(from),
        until: Some(at(until)),
    }
}

/// When nodes became Unknown, when pods of the first ones were deleted, and whether evictions were halted.
#[derive(Default)]
struct Log {
    unknown: Vec<f64>,
    deleted: Vec<(f64, PodId)>,
    halted: Vec<bool>,
    /// How many of the first pods stopped accepting connections.
    closed: u32,
}

impl Recorder for Log {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        let now = now.as_nanos() as f64 / 1e9;
        match seen {
            Observation::Health(Seen::Node {
                ready: NodeReady::Unknown,
                ..
            }) => self.unknown.push(now),
            Observation::Health(Seen::Deleted { pod }) if pod.index() < 8 => {
                self.deleted.push((now, pod));
            }
            Observation::Health(Seen::Closed { pod }) if pod.index() < 8 => self.closed += 1,
            Observation::Health(Seen::Evicting { halted }) => self.halted.push(halted),
            _ => {}
        }
    }
}

fn log(blueprint: &Blueprint) -> Log {
    support::run(blueprint, SEED, 0, Log::default()).recorder
}

#[test]
fn a_zone_gives_its_lost_nodes_up_one_after_the_other() {
    // Two of four nodes: the zone is in order. Each has two pods; the taints are at least 10 s apart, and so are the deletions.
    let log = log(&cluster(trouble(2, NodeTrouble::Crash, None)));
    assert_eq!((log.unknown.len(), log.deleted.len()), (2, 4));
    let times: Vec<f64> = log.deleted.iter().map(|&(at, _)| at).collect();
    assert_eq!((times[0], times[2]), (times[1], times[3]));
    assert!((times[0] - log.unknown[0] - 30.0).abs() < 1e-6);
    assert!(times[2] - times[0] > 10.0 - 1e-6);
}

#[test]
fn a_small_zone_that_is_disrupted_in_part_evicts_nothing_more() {
    // Three of four nodes, 75 %, in a zone of fewer than 50: no taint from the third on. The first ones may have theirs by then.
    let log = log(&cluster(trouble(3, NodeTrouble::Crash, None)));
    assert_eq!(log.unknown.len(), 3);
    let third = log.unknown[2];
    let tainted_before = log.deleted.iter().all(|&(at, _)| at - 30.0 <= third);
    assert!(tainted_before && log.deleted.len() < 6, "{:?}", log.deleted);
}

#[test]
fn where_no_node_is_ready_nothing_is_evicted_until_one_is() {
    // All kubelets hang until 150 s. Unknown after 40 to 55 s: every taint goes, and no pod was tolerated for 30 s by then or is deleted.
    let log = log(&cluster(trouble(4, NodeTrouble::KubeletHung, Some(150.0))));
    assert_eq!(log.unknown.len(), 4);
    assert_eq!(log.halted, [true, false]);
    assert_eq!(log.deleted, []);
}

#[test]
fn pods_stay_as_long_as_they_tolerate_it() {
    // 5 s by their own toleration instead of 30 s; and for ever.
    let with = |patience| {
        let mut blueprint = cluster(trouble(1, NodeTrouble::Crash, None));
        let health = blueprint.health.as_mut().expect("a health signal");
        for workload in health.workloads.iter_mut() {
            workload.patience = patience;
        }
        log(&blueprint)
    };
    let log = with(Patience::For(SimDuration::from_secs(5)));
    let after: Vec<f64> = log
        .deleted
        .iter()
        .map(|&(at, _)| at - log.unknown[0])
        .collect();
    assert!(after.len() == 2 && after.iter().all(|it| (it - 5.0).abs() < 1e-6));
    assert_eq!(with(Patience::Forever).deleted, []);
}

#[test]
fn a_successor_starts_the_clocks_of_silent_nodes_anew() {
    // The node crashes at 20 s and the API server is away from 30 s to 60 s: longer than 10 s, so the controllers exit. Their successors
    // work 16 to 22 s later, and have to see the node silent for more than 50 s: ten passes of 5.03 s after the first that follows.
    let mut faults = trouble(1, NodeTrouble::Crash, None);
    faults.push(outage(Outage::ApiServer, 30.0, 60.0));
    let log = log(&cluster(faults));
    let [unknown] = log.unknown[..] else {
        panic!("{:?}", log.unknown);
    };
    assert!((60.0 + 16.0 + 50.0..60.0 + 22.0 + 56.0).contains(&unknown));
}

#[test]
fn without_the_api_server_no_node_is_given_up() {
    // Away from 20 s to 120 s: nobody renews a lease, and nobody who could count is there.
    let mut faults = vec![outage(Outage::ApiServer, BEGIN, 120.0)];
    assert_eq!(log(&cluster(faults.clone())).unknown, [0.0; 0]);
    // The same without controllers.
    faults[0].what = What::ControlPlane(Outage::Controllers);
    assert_eq!(log(&cluster(faults)).unknown, [0.0; 0]);
}

#[test]
fn a_node_whose_runtime_hangs_says_so_itself_and_its_pods_leave_without_being_stopped() {
    // It hangs at 20 s. 180 s after the last relist, which is up to 1 s old, and up to 10.4 s later the kubelet says it; the pass after that
    // sets the taint, and 30 s later both pods are deleted: at 229 to 246 s. Nobody stops them, and the node is never Unknown.
    let log = log(&cluster(trouble(1, NodeTrouble::RuntimeHung, None)));
    assert_eq!((log.unknown.len(), log.closed), (0, 0));
    let times: Vec<f64> = log.deleted.iter().map(|&(at, _)| at).collect();
    assert_eq!(times.len(), 2);
    assert!(
        times.iter().all(|at| (229.0..246.0).contains(at)),
        "{times:?}"
    );
}

#[test]
fn a_runtime_that_answers_again_in_time_is_not_noticed() {
    // 20 s to 190 s: less than 180 s after the last relist.
    let log = log(&cluster(trouble(1, NodeTrouble::RuntimeHung, Some(190.0))));
    assert_eq!((log.deleted, log.closed), (vec![], 0));
}

#[test]
fn pods_that_left_a_hung_runtime_are_stopped_when_it_answers_again() {
    // Deleted at 229 to 246 s, and the runtime answers at 250 s: two pods close then, before the run ends at 300 s.
    let log = log(&cluster(trouble(1, NodeTrouble::RuntimeHung, Some(250.0))));
    assert_eq!((log.deleted.len(), log.closed), (2, 2));
}
