//! Controllers of workloads at work: how long rolling updates wait, when they are late, what holds a drain up, and
//! what an autoscaler makes of the load.

use std::num::NonZeroU32;

use sim_core::{Dist, SimDuration, SimTime};
use sim_models::cluster::condition::{Erroring, PodCondition};
use sim_models::control::autoscaler;
use sim_models::control::deployment::Pace;
use sim_models::control::disruption::{self, Drain};
use sim_models::control::int_or_percent::IntOrPercent;
use sim_models::fault::{Fault, NodeTrouble, What};
use sim_models::health::probe;
use sim_models::id::{DeploymentId, NodeId, PopulationId};
use sim_models::observe::{DrainState, Health as Seen, Observation, Recorder, RolloutState};
use sim_models::placement::quantity::Cpu;
use sim_models::request::server::Discipline;
use sim_models::world::Blueprint;
use sim_models::world::blueprint::{Autoscaler, Health};

use crate::support::{self, Mode, at};

const SEED: u64 = 12;
const BEGIN: f64 = 10.0;

/// Ten pods on four nodes that are rolled out at 10 s; delays are those of Kubernetes.
fn rollout(seconds: u64, condition: PodCondition) -> Blueprint {
    let server = support::server(16, Dist::Constant(SimDuration::from_millis(5)));
    let clients = support::clients(support::poisson(2.0));
    let mut blueprint = support::world(&[3, 3, 2, 2], Mode::InstanceCluster, server, clients);
    blueprint.run.length = SimDuration::from_secs(seconds);
    let mut health = Health::new(1, 1);
    health.spares = vec![DeploymentId(0); 10];
    health.faults.push(Fault {
        what: What::RollOut(DeploymentId(0), condition),
        from: at(BEGIN),
        until: None,
    });
    for workload in health.workloads.iter_mut() {
        workload.readiness_probe = Some(probe::Config {
            period: SimDuration::from_secs(5),
            ..probe::Config::default()
        });
    }
    blueprint.health = Some(Box::new(health));
    blueprint
}

/// When pods are created, in seconds.
#[derive(Default)]
struct Created(Vec<f64>);

impl Recorder for Created {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        if let Observation::Health(Seen::Created { .. }) = seen {
            self.0.push(now.as_nanos() as f64 / 1e9);
        }
    }
}

#[test]
fn a_wide_rollout_waits_for_the_controllers_client() {
    // Source: kube-controller-manager, 20 requests a second and 30 at once. All 100 new pods are wanted at once, in batches of 1, 2, 4, 8, 16 and so on,
    // 10 ms after each other. The 30th comes in the fifth batch, 40 ms after the first; the 31st waits for its token, and one comes each 50 ms after
    // that, the last 70 / 20 = 3.5 s after the first. The last pods wait for no other: 100 % surge, and none unavailable.
    let created = surge(&[50, 50], |_| {});
    assert_eq!(created.len(), 100);
    let after = |k: usize| created[k] - created[0];
    for (k, expected) in [(29, 0.04), (30, 0.05), (99, 3.5)] {
        assert!((after(k) - expected).abs() < 1e-9, "{k}: {}", after(k));
    }
}

#[test]
fn a_replica_set_begins_with_one_pod_and_doubles() {
    // Source: Kubernetes 1.34 `slowStartBatch`: 1, 2 and 4 pods. The template changes at 10 s, the controllers look 10 ms later, and each batch is
    // there 100 ms after it was asked for.
    let slow = |pace: &mut Pace| pace.create_pod = SimDuration::from_millis(100);
    let created = surge(&[4, 3], slow);
    let expected = [10.11, 10.21, 10.21, 10.31, 10.31, 10.31, 10.31];
    assert_eq!(created.len(), expected.len());
    for (found, expected) in created.into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-9, "{found}");
    }
}

/// When pods are marked for deletion, in seconds.
#[derive(Default)]
struct Deleted(Vec<f64>);

impl Recorder for Deleted {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        if let Observation::Health(Seen::Deleted { .. }) = seen {
            self.0.push(now.as_nanos() as f64 / 1e9);
        }
    }
}

#[test]
fn a_replica_set_deletes_all_its_pods_at_once() {
    // No surge and any number unavailable: all ten old pods go in the first step, at 10 s + 10 ms, and are marked when the API server has
    // done it, 2 s later.
    let mut blueprint = rollout(20, PodCondition::Serving);
    let health = blueprint.health.as_mut().expect("a health signal");
    for workload in health.workloads.iter_mut() {
        let update = &mut workload.strategy.rolling_update;
        update.max_surge = IntOrPercent::Int(0);
        update.max_unavailable = IntOrPercent::Percent(100);
        workload.pace.delete_pod = SimDuration::from_secs(2);
    }
    let deleted = support::run(&blueprint, SEED, 0, Deleted::default());
    let deleted = deleted.recorder.0;
    assert_eq!(deleted.len(), 10);
    assert!(
        deleted.iter().all(|at| (at - 12.01).abs() < 1e-9),
        "{deleted:?}"
    );
}

/// When the pods of a rolling update are created that wants all of them at once and never ends.
fn surge(pods_per_node: &[u32], pace: impl Fn(&mut Pace)) -> Vec<f64> {
    let server = support::server(16, Dist::Constant(SimDuration::from_millis(5)));
    let clients = support::clients(support::poisson(2.0));
    let mut blueprint = support::world(pods_per_node, Mode::InstanceCluster, server, clients);
    blueprint.run.length = SimDuration::from_secs(20);
    let mut health = Health::new(1, 1);
    health.spares = vec![DeploymentId(0); pods_per_node.iter().sum::<u32>() as usize];
    health.faults.push(Fault {
        what: What::RollOut(DeploymentId(0), PodCondition::Refusing),
        from: at(BEGIN),
        until: None,
    });
    for workload in health.workloads.iter_mut() {
        let update = &mut workload.strategy.rolling_update;
        update.max_surge = IntOrPercent::Percent(100);
        update.max_unavailable = IntOrPercent::Int(0);
        workload.readiness_probe = Some(probe::Config::default());
        pace(&mut workload.pace);
    }
    blueprint.health = Some(Box::new(health));
    let created = support::run(&blueprint, SEED, 0, Created::default());
    created.recorder.0
}

/// The states of rolling updates, with the seconds at which they began.
#[derive(Default)]
struct States(Vec<(f64, RolloutState)>);

impl Recorder for States {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        if let Observation::Health(Seen::Rollout { state, .. }) = seen {
            self.0.push((now.as_nanos() as f64 / 1e9, state));
        }
    }
}

fn states(blueprint: &Blueprint) -> Vec<(f64, RolloutState)> {
    support::run(blueprint, SEED, 0, States::default())
        .recorder
        .0
}

/// How long a rolling update takes whose pods have to be ready for so long.
fn takes(min_ready: u64) -> f64 {
    let mut blueprint = rollout(300, PodCondition::Serving);
    let health = blueprint.health.as_mut().expect("a health signal");
    for workload in health.workloads.iter_mut() {
        workload.min_ready = SimDuration::from_secs(min_ready);
        workload.readiness_probe = None;
    }
    // Both waves then meet the same delays.
    health.kubelet.start_container = Dist::Constant(SimDuration::from_secs(1));
    health.kubelet.relist_period = SimDuration::from_millis(1);
    match states(&blueprint)[..] {
        [(began, RolloutState::Began), (done, RolloutState::Complete)] => done - began,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn pods_that_must_be_ready_for_longer_make_each_wave_longer() {
    // 10 replicas at 25 % go in two waves: 10,0 -> 10,3 -> 8,3 -> 8,5, and with five available 3,5 -> 3,10, and with ten 0,10.
    // So 30 s of readiness are waited for twice. Statuses and syncs take some tens of milliseconds each, at other draws.
    let longer = takes(30) - takes(0);
    assert!((longer - 60.0).abs() < 0.3, "{longer} s longer");
}

#[test]
fn an_update_that_cannot_go_on_is_late_after_its_deadline_and_rests() {
    // New pods never get ready: 8 old and 5 new ones are there within a second, and then nothing moves. The default deadline is 600 s.
    let broken = PodCondition::Erroring(Erroring::default());
    let states = states(&rollout(700, broken));
    match states[..] {
        [
            (began, RolloutState::Began),
            (late, RolloutState::DeadlineExceeded),
        ] => {
            assert!((began - BEGIN).abs() < 1e-9);
            assert!(
                (600.0..601.0).contains(&(late - began)),
                "late after {} s",
                late - began
            );
        }
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_late_update_goes_on_when_its_pods_get_ready() {
    // Late after 3 s, before any new pod passes its first probe; each wave is progress, and at the end it is complete.
    let mut blueprint = rollout(120, PodCondition::Serving);
    let health = blueprint.health.as_mut().expect("a health signal");
    for workload in health.workloads.iter_mut() {
        workload.progress_deadline = SimDuration::from_secs(3);
        workload.readiness_probe = Some(probe::Config {
            initial_delay: SimDuration::from_secs(10),
            period: SimDuration::from_secs(5),
            ..probe::Config::default()
        });
    }
    let states: Vec<RolloutState> = states(&blueprint).iter().map(|&(_, state)| state).collect();
    let (first, last) = (states.first(), states.last());
    assert_eq!(
        (first, last),
        (Some(&RolloutState::Began), Some(&RolloutState::Complete))
    );
    assert_eq!(
        states[1..3],
        [RolloutState::DeadlineExceeded, RolloutState::Resumed]
    );
}

/// Ten pods on four nodes, the first of which, with three of them, is drained at 10 s.
fn drained(least: &str, how: Drain) -> Blueprint {
    let mut blueprint = rollout(198, PodCondition::Serving);
    let health = blueprint.health.as_mut().expect("a health signal");
    health.faults = [Fault {
        what: What::Node(NodeId(0), NodeTrouble::Drain(how)),
        from: at(BEGIN),
        until: None,
    }]
    .into_iter()
    .collect();
    for workload in health.workloads.iter_mut() {
        workload.pod_disruption_budget = Some(disruption::Config {
            min_available: least.parse().ok(),
            ..disruption::Config::default()
        });
    }
    blueprint
}

/// What becomes of a drain: its states, the refused evictions, and how few endpoints were ready.
#[derive(Default)]
struct Evictions {
    states: Vec<(f64, DrainState)>,
    refused: Vec<f64>,
    fewest: Option<usize>,
}

impl Recorder for Evictions {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        let seconds = now.as_nanos() as f64 / 1e9 - BEGIN;
        match seen {
            Observation::Health(Seen::Drain { state, .. }) => self.states.push((seconds, state)),
            Observation::Health(Seen::EvictionRefused { status, .. }) => {
                assert_eq!(status.disruptions_allowed, 0);
                self.refused.push(seconds);
            }
            Observation::Health(Seen::Published { version, .. }) => {
                let ready = version.endpoints.iter().filter(|it| it.conditions.ready);
                let ready = ready.count();
                self.fewest = Some(self.fewest.map_or(ready, |fewest| fewest.min(ready)));
            }
            _ => {}
        }
    }
}

fn evictions(least: &str, how: Drain) -> Evictions {
    support::run(&drained(least, how), SEED, 0, Evictions::default()).recorder
}

#[test]
fn a_drain_takes_as_many_pods_at_once_as_the_budget_allows() {
    // 10 pods, 3 of them on the node. At least 7: all three go at once and nothing is refused. At least 8: two go, and the third is asked
    // for again after 5 s, when new ones are ready (start of a container, relist, first probe: 1 to 4 s).
    let free = evictions("7", Drain::default());
    assert_eq!((free.refused.len(), free.fewest), (0, Some(7)));
    let held = evictions("8", Drain::default());
    assert_eq!(held.refused, [0.0]);
    assert_eq!(held.fewest, Some(8));
    for it in [&free, &held] {
        assert_eq!(it.states.len(), 2, "{:?}", it.states);
        assert_eq!(it.states[1].1, DrainState::Complete);
    }
    assert!(held.states[1].0 >= 5.0 && held.states[1].0 > free.states[1].0);
}

#[test]
fn a_budget_that_wants_every_pod_blocks_a_drain_for_ever() {
    // All 10 must be healthy, and all are: nobody may go. Three pods are asked for every 5 s from 0 to 185 s: 3 x 38 times.
    let blocked = evictions("100%", Drain::default());
    assert_eq!(blocked.states, [(0.0, DrainState::Began)]);
    assert_eq!(blocked.refused.len(), 3 * 38);
    assert_eq!(blocked.fewest, None, "no endpoint ever changes");
}

#[test]
fn a_drain_gives_up_at_its_timeout() {
    // At 0, 5 .. 55 s three pods are asked for; at 60 s nobody asks any more.
    let how = Drain {
        timeout: Some(SimDuration::from_secs(60)),
        ..Drain::default()
    };
    let blocked = evictions("100%", how);
    let states = [(0.0, DrainState::Began), (60.0, DrainState::TimedOut)];
    assert_eq!(blocked.states, states);
    assert!((3 * 12..=3 * 13).contains(&blocked.refused.len()));
}

/// Replicas that an autoscaler wants, with the seconds since the load changed.
#[derive(Default)]
struct Wanted(Vec<(f64, u32)>);

impl Recorder for Wanted {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        if let Observation::Health(Seen::Autoscaled { desired, .. }) = seen {
            let seconds = now.as_nanos() as f64 / 1e9 - CHANGE;
            self.0.push((seconds, desired));
        }
    }
}

/// When the load of [`scaled`] changes.
const CHANGE: f64 = 300.0;

/// Two pods at half of their target, until the load is six times as high.
///
/// Each request takes a worker 50 ms, and a worker a whole core: 20 requests a second are one core. Pods request two cores. At 20/s the
/// usage is 1 of 4 cores, 25 %; at 120/s it is 6 cores.
fn scaled(discipline: Discipline, replication: u64) -> Vec<(f64, u32)> {
    let mut server = support::server(8, Dist::Constant(SimDuration::from_millis(50)));
    server.discipline = discipline;
    let clients = support::clients(support::poisson(20.0));
    let mut blueprint = support::world(&[1, 1], Mode::InstanceCluster, server, clients);
    let mut more = blueprint.populations[PopulationId(0)].clone();
    more.config.arrivals = support::poisson(100.0);
    more.config.start = SimDuration::from_secs_f64(CHANGE);
    blueprint.populations.push(more);
    blueprint.run.length = SimDuration::from_secs(600);
    let mut health = Health::new(1, 1);
    health.spares = vec![DeploymentId(0); 30];
    for workload in health.workloads.iter_mut() {
        workload.autoscaler = Some(Autoscaler {
            config: autoscaler::Config {
                min_replicas: NonZeroU32::new(2).expect("above 0"),
                cpu_utilization: NonZeroU32::new(50).expect("above 0"),
                ..autoscaler::Config::up_to(NonZeroU32::new(16).expect("above 0"))
            },
            cpu_request: Cpu::millis(2_000),
        });
    }
    blueprint.health = Some(Box::new(health));
    support::run(&blueprint, SEED, replication, Wanted::default())
        .recorder
        .0
}

#[test]
fn replicas_follow_the_work_that_pods_do() {
    // 6 cores at 50 % of 2 cores each are 6 replicas. The first step is at most max(2 x 2, 4) = 4.
    // A sample is a mean over 15 s and is seen 10 s after its end, and somebody looks every 15 s: a full window of the new load is seen
    // after 25 to 40 s and looked at up to 15 s later; the one before may show enough of it after 10 s.
    for discipline in [Discipline::Fifo, Discipline::ProcessorSharing] {
        for replication in 0..5 {
            let wanted = scaled(discipline, replication);
            let before = wanted.iter().filter(|&&(at, _)| at < 10.0);
            assert!(before.clone().count() > 15);
            assert!(before.clone().all(|&(_, replicas)| replicas == 2));
            let first = wanted.iter().find(|&&(_, replicas)| replicas > 2);
            let &(at, replicas) = first.expect("more replicas");
            assert!((10.0..55.0).contains(&at), "after {at} s");
            assert!((3..=4).contains(&replicas));
            // 120/s +- a few percent over 15 s: a ratio between 0.9 and 1.1 at 6 replicas, so that 6 stay 6; at times one more.
            let last = wanted.last().expect("it looks").1;
            assert!((6..=7).contains(&last), "{last} at the end");
        }
    }
}
