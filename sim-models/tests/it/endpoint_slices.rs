//! Services with more endpoints than a slice holds: what is written when, and when the nodes follow.

use std::num::NonZeroU32;

use sim_core::{Dist, SimDuration, SimTime};
use sim_models::fault::{Fault, What};
use sim_models::id::{PodId, ServiceId};
use sim_models::observe::{Health as Seen, Observation, Recorder};
use sim_models::quantity::Rate;
use sim_models::request::node_port::Proxy;
use sim_models::request::select::{Algorithm, maglev};
use sim_models::world::Blueprint;
use sim_models::world::blueprint::Health;

use crate::support::{self, Mode, at};

const BEGIN: f64 = 20.0;

fn millis(millis: u64) -> Dist {
    Dist::Constant(SimDuration::from_millis(millis))
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("above 0")
}

/// Two nodes with three pods each, in slices of two, and no delay that is drawn: 10 ms for a watch, 15 ms for a write of a slice. Agents wait
/// 500 ms for more changes and write their map in 5 ms. At 20 s a pod of each slice loses the label by which the Service selects it.
fn cluster(change: impl FnOnce(&mut Health, &mut Proxy)) -> Blueprint {
    let server = support::server(16, millis(5));
    let clients = support::clients(support::poisson(2.0));
    let mut blueprint = support::world(&[3, 3], Mode::InstanceCluster, server, clients);
    blueprint.run.length = SimDuration::from_secs(60);
    let mut health = Health::new(1, 1);
    health.watch_delay = millis(10);
    health.endpoint_slice_controller.sync = millis(15);
    health.endpoint_slice_controller.max_endpoints_per_slice = number(2);
    health.faults.push(Fault {
        what: What::Unselect([0, 2, 4].map(PodId).to_vec()),
        from: at(BEGIN),
        until: None,
    });
    change(&mut health, &mut blueprint.proxy);
    blueprint.health = Some(Box::new(health));
    blueprint
}

/// Of each write: the Service, and, in microseconds after the change, when it is committed and when the last node follows.
#[derive(Default)]
struct Writes(Vec<(ServiceId, u64, u64)>);

impl Recorder for Writes {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        let Observation::Health(Seen::Published {
            service, shown_at, ..
        }) = seen
        else {
            return;
        };
        let since = |it: SimTime| (it - at(BEGIN)).as_nanos() / 1_000;
        let last = *shown_at.iter().max().expect("there are nodes");
        self.0.push((service, since(now), since(last)));
    }
}

fn writes(blueprint: &Blueprint) -> Vec<(ServiceId, u64, u64)> {
    support::run(blueprint, 3, 0, Writes::default()).recorder.0
}

/// When slices are committed and when all nodes follow.
fn times(blueprint: &Blueprint) -> Vec<(u64, u64)> {
    let writes = writes(blueprint).into_iter();
    writes.map(|(_, at, shown)| (at, shown)).collect()
}

#[test]
fn slices_are_written_one_after_the_other() {
    // Watch 10, then 15 ms each: 25, 40, 55 ms. The first reaches the agents at 35 ms; what follows within 500 ms goes along: 540 ms.
    let times = times(&cluster(|_, _| {}));
    assert_eq!(
        times,
        [(25_000, 540_000), (40_000, 540_000), (55_000, 540_000)]
    );
}

#[test]
fn one_slice_for_all_is_one_write() {
    let times = times(&cluster(|health, _| {
        health.endpoint_slice_controller.max_endpoints_per_slice = number(100);
    }));
    assert_eq!(times, [(25_000, 540_000)]);
}

#[test]
fn writes_wait_for_the_controllers_allowance() {
    // One request at once, and one a second: the first goes at 10 ms, the others find their token at 1,010 and 2,010 ms. Each reaches the
    // agents 10 ms later, and waits 505 ms there.
    let times = times(&cluster(|health, _| {
        health.controller_manager.qps = Rate::per_second(1.0).expect("above 0");
        health.controller_manager.burst = NonZeroU32::MIN;
    }));
    let committed = [25_000, 1_025_000, 2_025_000];
    assert_eq!(times, committed.map(|it| (it, it + 515_000)));
}

#[test]
fn a_full_buffer_is_written_at_once() {
    // The second write reaches the agents at 50 ms and fills the buffer. The third, of 65 ms, waits 500 ms of its own.
    let times = times(&cluster(|_, proxy| {
        let Proxy::Cilium { agent, .. } = proxy else {
            unreachable!("Cilium is the default");
        };
        agent.buffer_size = number(2);
    }));
    // When the first is committed, nobody knows yet that the buffer will be full: 540 ms. The second shows it.
    assert_eq!(
        times,
        [(25_000, 540_000), (40_000, 55_000), (55_000, 570_000)]
    );
}

#[test]
fn a_worker_has_one_service_at_a_time() {
    // Two Services over the same pods. With one worker the second is begun when the first is done: 25 and 40 ms. With five both go at once.
    let two = |workers| {
        let mut blueprint = cluster(|health, _| {
            health.endpoint_slice_controller.max_endpoints_per_slice = number(100);
            health.endpoint_slice_controller.workers = number(workers);
        });
        let other = blueprint.services[ServiceId(0)].clone();
        blueprint.services.push(other);
        let writes = writes(&blueprint).into_iter();
        writes
            .map(|(service, at, _)| (service.0, at))
            .collect::<Vec<_>>()
    };
    assert_eq!(two(1), [(0, 25_000), (1, 40_000)]);
    assert_eq!(two(5), [(0, 25_000), (1, 25_000)]);
}

#[test]
fn services_of_one_batch_are_written_one_after_the_other() {
    // Two Services change together: one wait of 500 ms, and then 5 ms for each: the maps are written at 35 + 500 + 10 = 545 ms. When the first is
    // committed, the other is not known yet.
    let mut blueprint = cluster(|health, _| {
        health.endpoint_slice_controller.max_endpoints_per_slice = number(100);
    });
    let other = blueprint.services[ServiceId(0)].clone();
    blueprint.services.push(other);
    assert_eq!(times(&blueprint), [(25_000, 540_000), (25_000, 545_000)]);
}

#[test]
fn a_maglev_table_takes_its_time() {
    // 16,381 slots and the 3 pods that are left, at 1 ms for 1,000 slots and a pod: 49.143 ms more.
    let times = times(&cluster(|health, proxy| {
        health.endpoint_slice_controller.max_endpoints_per_slice = number(100);
        let Proxy::Cilium {
            agent, algorithm, ..
        } = proxy
        else {
            unreachable!("Cilium is the default");
        };
        agent.maglev_rebuild = SimDuration::from_millis(1);
        *algorithm = Algorithm::Maglev(maglev::Config::default());
    }));
    assert_eq!(times, [(25_000, 589_143)]);
}
