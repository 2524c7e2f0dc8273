//! Every error that an Application Load Balancer documents and a run can produce: its status, and when it comes.
//!
//! Source: AWS, "Troubleshoot your Application Load Balancers".

use std::num::NonZeroU32;

use sim_core::{Dist, SimDuration, SimTime};
use sim_models::cluster::condition::PodCondition;
use sim_models::fault::{Fault, NodeTrouble, What};
use sim_models::id::{NodeId, PodId, ZoneId};
use sim_models::request::client::Arrivals;
use sim_models::request::load_balancer::{IcmpUnreachable, Retry, Scheme};
use sim_models::request::node_port::{NoBackendResponse, Proxy};
use sim_models::request::protocol::Protocol;
use sim_models::request::server::WhenFull;
use sim_models::request::{Hop, Outcome, Request};
use sim_models::world::Blueprint;
use sim_models::world::blueprint::Health;

use crate::support::{self, Mode, Requests};

const SEED: u64 = 3;

fn millis(ms: u64) -> SimDuration {
    SimDuration::from_millis(ms)
}

fn seconds(s: u64) -> SimDuration {
    SimDuration::from_secs(s)
}

/// One request at 1 s, to the pods on these nodes, 1 ms of way away; it is a second of work.
fn one_request(pods_per_node: &[u32], mode: Mode) -> Blueprint {
    let mut server = support::server(1, Dist::constant(seconds(1)));
    server.queue = 0;
    let times = vec![seconds(1)];
    let clients = support::clients(Arrivals::Trace { times });
    let mut blueprint = support::world(pods_per_node, mode, server, clients);
    blueprint.run.length = seconds(300);
    blueprint.links.same_zone_rtt = millis(2);
    blueprint.load_balancer.response_timeout = seconds(60);
    blueprint
}

fn with(mut blueprint: Blueprint, change: impl FnOnce(&mut Blueprint)) -> Blueprint {
    change(&mut blueprint);
    blueprint
}

/// A world in which this happens from the beginning on.
fn troubled(mut blueprint: Blueprint, what: What) -> Blueprint {
    let mut health = Health::new(1, 1);
    health.faults.push(Fault {
        what,
        from: SimTime::ZERO,
        until: None,
    });
    blueprint.health = Some(Box::new(health));
    blueprint
}

fn pod(condition: PodCondition) -> What {
    What::Pods(vec![PodId(0)], condition)
}

fn group(
    blueprint: &mut Blueprint,
    change: impl FnOnce(&mut sim_models::world::blueprint::TargetGroup),
) {
    change(blueprint.target_groups.iter_mut().next().expect("a group"));
}

fn requests(blueprint: &Blueprint) -> Vec<Request> {
    support::run(blueprint, SEED, 0, Requests::default())
        .recorder
        .0
}

/// The last request to arrive, and how long the load balancer had it.
fn last(blueprint: &Blueprint) -> (Outcome, SimDuration) {
    let requests = requests(blueprint);
    let last = requests.iter().max_by_key(|it| it.serial);
    let last = last.expect("a request was made");
    (
        last.outcome,
        last.at(Hop::Answered) - last.at(Hop::LoadBalancer),
    )
}

/// What happens, what the client sees, and when.
type Row = (&'static str, Blueprint, Outcome, u16, SimDuration);

fn rows() -> Vec<Row> {
    use Outcome as O;
    let ip = || one_request(&[1], Mode::Ip);
    // One round trip is 2 ms; a refusal comes after one, an answer on a new connection after two.
    let empty_node = |change: fn(&mut Blueprint)| {
        with(one_request(&[0, 1], Mode::InstanceLocal), |it| {
            group(it, |it| it.nodes = Some(vec![NodeId(0)]));
            change(it);
        })
    };
    let full = |when_full| {
        with(ip(), |it| {
            let deployment = it.deployments.iter_mut().next().expect("a deployment");
            deployment.server.when_full = when_full;
            deployment.server.service_time = Dist::constant(seconds(20));
            it.populations
                .iter_mut()
                .next()
                .expect("a population")
                .config
                .arrivals = Arrivals::Trace {
                times: vec![seconds(1), seconds(2)],
            };
        })
    };
    let slow = |change: fn(&mut Blueprint)| {
        with(ip(), |it| {
            let deployment = it.deployments.iter_mut().next().expect("a deployment");
            deployment.server.service_time = Dist::constant(seconds(100));
            change(it);
        })
    };
    vec![
        ("answered", ip(), O::Ok, 200, millis(1004)),
        (
            "no rule",
            with(ip(), |it| {
                for population in it.populations.iter_mut() {
                    population.classes[0].target_group = None;
                }
            }),
            O::NoRule,
            404,
            millis(0),
        ),
        (
            "protocol mismatch",
            with(ip(), |it| {
                group(it, |it| it.protocol_version = Protocol::Grpc)
            }),
            O::WrongProtocol,
            464,
            millis(0),
        ),
        (
            "no registered target",
            with(one_request(&[1], Mode::InstanceCluster), |it| {
                group(it, |it| it.nodes = Some(Vec::new()))
            }),
            O::NoTarget,
            503,
            millis(0),
        ),
        (
            "cross-zone off and no target in the zone",
            with(ip(), |it| {
                it.zones.push("b".into());
                it.load_balancer.nodes = [ZoneId(1)].into_iter().collect();
                group(it, |it| it.cross_zone = false);
            }),
            O::NoTarget,
            503,
            millis(0),
        ),
        (
            "RST on connect",
            troubled(ip(), pod(PodCondition::Refusing)),
            O::PodRefused,
            502,
            millis(2),
        ),
        (
            "RST by a full pod",
            full(WhenFull::Refuse),
            O::PodRefused,
            502,
            millis(4),
        ),
        (
            "503 by a full pod",
            full(WhenFull::Status(503)),
            O::Overloaded(503),
            503,
            millis(4),
        ),
        // SYNs at 0, 1, 3 and 7 s, all in vain.
        (
            "silence of a full pod",
            full(WhenFull::Drop),
            O::ConnectTimeout,
            504,
            seconds(10) + millis(2),
        ),
        (
            "ICMP on connect",
            empty_node(|_| {}),
            O::NodeRefused,
            502,
            millis(2),
        ),
        (
            "ICMP that means nothing",
            empty_node(|it| it.load_balancer.icmp_unreachable = IcmpUnreachable::Timeout),
            O::ConnectTimeout,
            504,
            seconds(10),
        ),
        (
            "silence of an empty node",
            empty_node(drops),
            O::ConnectTimeout,
            504,
            seconds(10),
        ),
        (
            "another connect timeout",
            empty_node(|it| {
                drops(it);
                it.load_balancer.connect_timeout = seconds(4);
            }),
            O::ConnectTimeout,
            504,
            seconds(4),
        ),
        (
            "silence of a dead node",
            troubled(ip(), What::Node(NodeId(0), NodeTrouble::Crash)),
            O::ConnectTimeout,
            504,
            seconds(10),
        ),
        // Written after the handshake, 2 ms; then 60 s of silence.
        (
            "accepted and never answered",
            troubled(ip(), pod(PodCondition::Hanging)),
            O::ResponseTimeout,
            504,
            seconds(60) + millis(2),
        ),
        (
            "accepted and TLS never answered",
            troubled(
                with(ip(), |it| group(it, |it| it.protocol = Scheme::Https)),
                pod(PodCondition::Hanging),
            ),
            O::HandshakeTimeout,
            504,
            seconds(10) + millis(2),
        ),
        (
            "TLS costs a round trip",
            with(ip(), |it| group(it, |it| it.protocol = Scheme::Https)),
            O::Ok,
            200,
            millis(1006),
        ),
        (
            "slower than the idle timeout",
            slow(|_| {}),
            O::ResponseTimeout,
            504,
            seconds(60) + millis(2),
        ),
        (
            "a client that gives up",
            slow(|it| {
                for population in it.populations.iter_mut() {
                    population.config.timeout = Some(seconds(5));
                }
            }),
            O::ClientTimeout,
            460,
            seconds(5),
        ),
    ]
}

fn drops(blueprint: &mut Blueprint) {
    if let Proxy::Cilium {
        service_no_backend_response,
        ..
    } = &mut blueprint.proxy
    {
        *service_no_backend_response = NoBackendResponse::Drop;
    }
}

#[test]
fn every_error_has_its_status_and_its_delay() {
    for (what, blueprint, outcome, status, delay) in rows() {
        assert_eq!(last(&blueprint), (outcome, delay), "{what}");
        assert_eq!(outcome.status(), status, "{what}");
    }
}

#[test]
fn a_request_outlives_the_deregistration_delay_of_its_target_by_nothing() {
    // The pod leaves the Service at 5 s, the delay is 30 s: a request of 100 s is cut off at 35 s, plus what the control plane
    // takes, which is below 10 s; one of 20 s is answered.
    let found = |work: u64| {
        let blueprint = with(one_request(&[1, 1], Mode::Ip), |it| {
            let deployment = it.deployments.iter_mut().next().expect("a deployment");
            deployment.server.service_time = Dist::constant(seconds(work));
            it.load_balancer.response_timeout = seconds(200);
            group(it, |it| {
                it.round_robin.start = sim_models::request::balance::round_robin::Start::First
            });
        });
        let mut blueprint = troubled(blueprint, What::Unselect(vec![PodId(0)]));
        let health = blueprint.health.as_mut().expect("a health signal");
        for fault in health.faults.iter_mut() {
            fault.from = SimTime::ZERO + seconds(5);
        }
        for group in health.target_groups.iter_mut() {
            group.deregistration_delay = seconds(30);
            group.deregister_propagation = Dist::Constant(seconds(1));
        }
        requests(&blueprint)[0].clone()
    };
    let cut_off = found(100);
    assert_eq!(
        (cut_off.outcome, cut_off.outcome.status()),
        (Outcome::Drained, 502)
    );
    let at = cut_off.at(Hop::Returned);
    assert!(at > support::at(36.0) && at < support::at(40.0), "{at}");
    assert_eq!(found(20).outcome, Outcome::Ok);
}

#[test]
fn a_load_balancer_that_retries_asks_another_target_and_only_as_often_as_told() {
    // Two nodes, one without a pod. Without retries every second connection is refused; with one, none.
    let outcomes = |on_connect_failure| {
        let blueprint = with(one_request(&[0, 1], Mode::InstanceLocal), |it| {
            it.load_balancer.retry = Retry {
                on_connect_failure,
                on_stale_connection: false,
            };
            for population in it.populations.iter_mut() {
                let times = (1..=10).map(|s| seconds(2 * s)).collect();
                population.config.arrivals = Arrivals::Trace { times };
            }
        });
        let requests = requests(&blueprint);
        let refused = requests
            .iter()
            .filter(|it| it.outcome == Outcome::NodeRefused);
        let retargeted = requests.iter().filter(|it| it.retargeted > 0);
        (refused.count(), retargeted.count())
    };
    assert_eq!(outcomes(0), (5, 0));
    assert_eq!(outcomes(1).0, 0);
    assert!(outcomes(1).1 >= 4);
}

#[test]
fn where_every_target_fails_a_retry_changes_nothing_but_the_time() {
    // Two empty nodes, one after the other: two round trips of 2 ms.
    let blueprint = with(one_request(&[0, 0, 1], Mode::InstanceLocal), |it| {
        group(it, |it| it.nodes = Some(vec![NodeId(0), NodeId(1)]));
        it.load_balancer.retry.on_connect_failure = 1;
    });
    assert_eq!(last(&blueprint), (Outcome::NodeRefused, millis(4)));
}

#[test]
fn a_stale_connection_is_retried_where_the_load_balancer_does() {
    // The server closes after 1 s of silence, and the load balancer hears of it 1 ms later: a request sent in the 2 ms around
    // that meets the close.
    let outcome = |on_stale_connection| {
        let blueprint = with(one_request(&[1], Mode::Ip), |it| {
            it.load_balancer.retry.on_stale_connection = on_stale_connection;
            for deployment in it.deployments.iter_mut() {
                deployment.server.service_time = Dist::constant(millis(10));
                deployment.server.keep_alive = Some(sim_models::request::server::KeepAlive {
                    timeout: Some(seconds(1)),
                    max_requests: None,
                });
            }
            for population in it.populations.iter_mut() {
                // Served 3 + 10 ms after the start, so closed at 1013 ms after it; sent at 1012.5, there at 1013.5.
                let again = seconds(2) + SimDuration::from_micros(12_500);
                population.config.arrivals = Arrivals::Trace {
                    times: vec![seconds(1), again],
                };
            }
        });
        last(&blueprint).0
    };
    assert_eq!(outcome(false), Outcome::StaleConnection);
    assert_eq!(outcome(true), Outcome::Ok);
}

#[test]
fn cores_that_are_shared_serve_all_at_once() {
    // Two requests of a second on one core, half a second apart: both are slowed down, and end at 1.5 and 2 s of work in all.
    let mut blueprint = with(one_request(&[1], Mode::Ip), |it| {
        for population in it.populations.iter_mut() {
            population.config.arrivals = Arrivals::Trace {
                times: vec![seconds(1), millis(1500)],
            };
        }
    });
    for deployment in blueprint.deployments.iter_mut() {
        deployment.server.discipline = sim_models::request::server::Discipline::ProcessorSharing;
        deployment.server.workers = NonZeroU32::MIN;
        deployment.server.queue = 10;
    }
    let requests = requests(&blueprint);
    let sojourns: Vec<_> = requests.iter().map(|it| it.sojourned()).collect();
    // The first is alone for 0.5 s, then shares: 0.5 + 2 x 0.5. The second gets 0.5 in that second, then is alone for 0.5.
    assert_eq!(sojourns, [millis(1500), millis(1500)]);
}
