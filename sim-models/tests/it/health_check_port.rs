//! Nodes whose last pod leaves under `Local`: what preStop is worth, by the port that the load balancer checks.

use sim_core::{Dist, SimDuration, SimTime};
use sim_models::fault::{Fault, What};
use sim_models::health::health_check::Port;
use sim_models::id::{PodId, TargetGroupId};
use sim_models::request::Outcome;
use sim_models::request::node_port::Proxy;
use sim_models::world::Blueprint;
use sim_models::world::blueprint::Health;

use crate::support::{self, Mode, Requests};

const SEED: u64 = 158;

fn seconds(value: f64) -> SimDuration {
    SimDuration::from_secs_f64(value)
}

/// Two nodes with a pod each and 100 requests a second. The first pod is deleted at 60.1 s, and nobody takes its place. Nodes are checked
/// every 15 s from `phase` on; two failures are enough.
fn world(port: Port, pre_stop: f64, phase: f64) -> Blueprint {
    let server = support::server(100, Dist::Constant(SimDuration::from_millis(1)));
    let clients = support::clients(support::poisson(100.0));
    let mut blueprint = support::world(&[1, 1], Mode::InstanceLocal, server, clients);
    blueprint.run.length = seconds(180.0);
    let mut health = Health::new(1, 1);
    support::at_once(&mut health);
    health.faults.push(Fault {
        what: What::Delete(vec![PodId(0)], SimDuration::ZERO),
        from: support::at(60.1),
        until: None,
    });
    for workload in health.workloads.iter_mut() {
        workload.pre_stop = seconds(pre_stop);
        workload.termination_grace_period = seconds(100.0);
    }
    let check = &mut health.target_groups[TargetGroupId(0)].health_check;
    check.port = port;
    check.phase = Some(Dist::Constant(seconds(phase)));
    blueprint.health = Some(Box::new(health));
    blueprint
}

/// Failed requests: how many, and when the first and the last set off.
fn lost(blueprint: &Blueprint) -> (usize, Option<(SimTime, SimTime)>) {
    let requests = support::run(blueprint, SEED, 0, Requests::default());
    let failed = requests.recorder.0.into_iter();
    let failed = failed.filter(|it| it.outcome != Outcome::Ok);
    let mut at: Vec<SimTime> = failed
        .map(|it| it.at(sim_models::request::Hop::Client))
        .collect();
    at.sort();
    let span = at.first().copied().zip(at.last().copied());
    (at.len(), span)
}

fn is_between(at: SimTime, from: f64, to: f64) -> bool {
    (support::at(from)..=support::at(to)).contains(&at)
}

#[test]
fn pre_stop_of_two_intervals_and_a_timeout_loses_nothing_with_the_health_check_node_port() {
    // A terminating pod does not count on this port, so two checks fail while it still serves. The second comes at most 2 x 15 s after the
    // agent has heard of the deletion, half a second after it; 2 x 15 s + 5 s are enough, whatever the phase.
    // Source: Kubernetes `pkg/proxy/healthcheck/service_health.go`; Cilium `pkg/loadbalancer/healthserver`.
    for phase in 0..15 {
        let blueprint = world(Port::HealthCheckNodePort, 35.0, f64::from(phase));
        assert_eq!(lost(&blueprint), (0, None), "phase {phase} s");
    }
}

#[test]
fn a_shorter_pre_stop_loses_the_rest_of_the_second_interval() {
    // Checks at 75 s and 90 s fail. With 20 s of preStop the pod stops at 80.1 s: for 9.9 s half of 100 requests a second are refused,
    // 495 +- 89 (4 sd of a Poisson count).
    let (count, span) = lost(&world(Port::HealthCheckNodePort, 20.0, 0.0));
    assert!(count.abs_diff(495) < 89, "{count}");
    let (first, last) = span.expect("some are lost");
    assert!(is_between(first, 80.1, 80.3) && is_between(last, 89.8, 90.0));
}

#[test]
fn on_the_traffic_port_pre_stop_only_moves_the_loss() {
    // The terminating pod is the node's only one and goes on serving, checks among the rest, until it stops. Rows: preStop, when it stops, when
    // the second check after that fails. Lost are 50 a second in between: 24.9 s and 23.9 s, 1,245 +- 142 and 1,195 +- 139 (4 sd).
    let rows = [(35.0, 95.1, 120.0), (66.0, 126.1, 150.0)];
    for (pre_stop, stops, found) in rows {
        let (count, span) = lost(&world(Port::TrafficPort, pre_stop, 0.0));
        let expected = ((found - stops) * 50.0) as usize;
        assert!(count.abs_diff(expected) < 142, "{count} of {expected}");
        let (first, last) = span.expect("some are lost");
        assert!(is_between(first, stops, stops + 0.2), "{first}");
        assert!(is_between(last, found - 0.2, found), "{last}");
    }
}

#[test]
fn nobody_answers_where_the_agent_does_not_serve_the_port() {
    // All checks are refused, so both nodes are unhealthy from the second on: the group fails open, and the node of the deleted pod keeps its
    // half of the requests: 50 a second from 95.1 s to 180 s, 4,245 +- 261 (4 sd).
    let mut blueprint = world(Port::HealthCheckNodePort, 35.0, 0.0);
    if let Proxy::Cilium {
        health_check_node_port,
        ..
    } = &mut blueprint.proxy
    {
        *health_check_node_port = false;
    }
    let (count, _) = lost(&blueprint);
    assert!(count.abs_diff(4_245) < 261, "{count}");
}
