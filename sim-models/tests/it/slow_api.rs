//! An API server that takes its time: who waits for it, and who hears later.

use sim_core::{Dist, SimDuration, SimTime};
use sim_models::fault::{Fault, What};
use sim_models::id::{DeploymentId, PodId};
use sim_models::observe::{Health as Seen, Observation, Recorder};
use sim_models::world::Blueprint;
use sim_models::world::blueprint::Health;

use crate::support::{self, Mode, at};

const BEGIN: f64 = 20.0;

fn millis(millis: u64) -> Dist {
    Dist::Constant(SimDuration::from_millis(millis))
}

/// Two nodes with one pod each, and no delay that is drawn: 5 ms for a hop of the kubelet, 20 ms for a status, 10 ms for a watch, 15 ms for a
/// sync, 50 ms for the scheduler. An agent waits 500 ms for more changes, and writes its map in 5 ms.
fn cluster(what: What, latency: u64, overload: Option<u64>) -> Blueprint {
    let server = support::server(16, millis(5));
    let clients = support::clients(support::poisson(2.0));
    let mut blueprint = support::world(&[1, 1], Mode::InstanceCluster, server, clients);
    blueprint.run.length = SimDuration::from_secs(60);
    let mut health = Health::new(1, 1);
    health.spares = vec![DeploymentId(0); 2];
    health.kubelet.loop_hop = millis(5);
    health.kubelet.status_write = millis(20);
    health.watch_delay = millis(10);
    health.endpoint_slice_controller.sync = millis(15);
    health.scheduler.latency = millis(50);
    health.api_latency = millis(latency);
    health.faults.push(Fault {
        what,
        from: at(BEGIN),
        until: Some(at(50.0)),
    });
    if let Some(by) = overload {
        health.faults.push(Fault {
            what: What::Overload(SimDuration::from_millis(by)),
            from: at(10.0),
            until: Some(at(40.0)),
        });
    }
    blueprint.health = Some(Box::new(health));
    blueprint
}

/// When the first pod was found not ready, when that was published, and when the last node followed; when a new pod was bound and began.
#[derive(Default)]
struct Log {
    verdict: Option<SimTime>,
    published: Option<(SimTime, SimTime)>,
    placed: Option<SimTime>,
    started: Option<SimTime>,
}

impl Recorder for Log {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        let Observation::Health(seen) = seen else {
            return;
        };
        match seen {
            Seen::Verdict { ready: false, .. } => {
                self.verdict.get_or_insert(now);
            }
            Seen::Published { shown_at, .. } if self.verdict.is_some() => {
                let last = shown_at.iter().max().expect("there are nodes");
                self.published.get_or_insert((now, *last));
            }
            Seen::Placed { .. } => {
                self.placed.get_or_insert(now);
            }
            Seen::Started { .. } if self.placed.is_some() => {
                self.started.get_or_insert(now);
            }
            _ => {}
        }
    }
}

fn log(blueprint: &Blueprint) -> Log {
    support::run(blueprint, 3, 0, Log::default()).recorder
}

/// Milliseconds from the verdict until it is published, and from there until the last node follows.
fn journey(latency: u64, overload: Option<u64>) -> (u64, u64) {
    let log = log(&cluster(What::Exit(vec![PodId(0)]), latency, overload));
    let verdict = log.verdict.expect("the container exits");
    let (published, followed) = log.published.expect("the endpoint is taken out");
    let millis = |from: SimTime, until: SimTime| (until - from).as_nanos() / 1_000_000;
    (millis(verdict, published), millis(published, followed))
}

#[test]
fn each_request_of_a_status_and_of_a_slice_waits_for_the_api_server() {
    // Hop 5, GET and PATCH 20, watch 10, sync 15: 50 ms. Then watch 10, reflector 500, map 5.
    let agents = 10 + 500 + 5;
    assert_eq!(journey(0, None), (50, agents));
    // 100 ms more for each of GET, PATCH and PUT; watches are not requests.
    assert_eq!(journey(100, None), (50 + 300, agents));
}

#[test]
fn an_overloaded_api_server_is_heard_later_as_well() {
    // 1 s more for each of GET, PATCH and PUT, and for the watch between PATCH and PUT; then 1 s more for that of the agents.
    assert_eq!(journey(0, Some(1_000)), (50 + 4_000, 10 + 500 + 5 + 1_000));
    // Both add up: three requests of 100 ms more.
    assert_eq!(journey(100, Some(1_000)).0, 50 + 4_000 + 300);
}

#[test]
fn a_binding_waits_for_the_api_server() {
    // A pod is deleted and its successor bound at once. It starts the same time after its kubelet has heard of it: 100 ms later with
    // requests of 100 ms, 2 s later where the binding takes 1 s and the kubelet hears of it 1 s late.
    let start = |latency, overload| {
        let what = What::Delete(vec![PodId(0)], SimDuration::ZERO);
        let mut blueprint = cluster(what, latency, overload);
        let health = blueprint.health.as_mut().expect("a health signal");
        health.faults.iter_mut().for_each(|fault| {
            if matches!(fault.what, What::Delete(..)) {
                fault.until = None;
            }
        });
        health.kubelet.start_container = millis(1_000);
        let log = log(&blueprint);
        let placed = log.placed.expect("a successor is bound");
        let started = log.started.expect("it starts");
        (started - placed).as_nanos() / 1_000_000
    };
    let usual = start(0, None);
    assert_eq!(start(100, None), usual + 100);
    assert_eq!(start(0, Some(1_000)), usual + 2_000);
}
