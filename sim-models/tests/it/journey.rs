//! Where requests go: shares, hops, refusals, in worlds small enough to reckon.

use sim_core::{Dist, SimDuration};
use sim_models::id::Id;
use sim_models::request::client::{Arrivals, InParallel, Reuse};
use sim_models::request::node_port::{NoBackendResponse, Proxy};
use sim_models::request::select;
use sim_models::request::server::{KeepAlive, WhenFull};
use sim_models::request::{Hop, Outcome, Request};
use sim_models::world::Blueprint;

use crate::support::{self, Mode, Requests};

const SEED: u64 = 1;

fn requests(blueprint: &Blueprint) -> Vec<Request> {
    support::run(blueprint, SEED, 0, Requests::default())
        .recorder
        .0
}

fn millis(ms: u64) -> SimDuration {
    SimDuration::from_millis(ms)
}

fn at_400_per_second(mode: Mode, pods_per_node: &[u32]) -> Blueprint {
    let server = support::server(64, Dist::exponential(millis(12)));
    support::world(
        pods_per_node,
        mode,
        server,
        support::clients(support::poisson(400.0)),
    )
}

fn curl(requests: u64) -> Arrivals {
    Arrivals::CurlLoop {
        requests,
        in_parallel: InParallel::All,
    }
}

fn share(requests: &[Request], holds: impl Fn(&Request) -> bool) -> f64 {
    requests.iter().filter(|request| holds(request)).count() as f64 / requests.len() as f64
}

#[test]
fn without_reuse_cluster_takes_the_second_hop_for_three_quarters_on_four_nodes() {
    // (K - 1) / K for K = 4, whatever the placement; 24,000 draws: 4 sigma = 4 sqrt(.75 x .25 / 24,000) = 0.011.
    for placement in [[3, 3, 2, 2], [10, 0, 0, 0]] {
        let mut blueprint = at_400_per_second(Mode::InstanceCluster, &placement);
        for group in blueprint.target_groups.iter_mut() {
            group.upstream.pool_max_idle = Some(0);
        }
        let requests = requests(&blueprint);
        assert!((share(&requests, |request| request.second_hop) - 0.75).abs() < 0.012);
    }
}

#[test]
fn local_never_takes_the_second_hop() {
    let requests = requests(&at_400_per_second(Mode::InstanceLocal, &[3, 3, 2, 2]));
    assert_eq!(share(&requests, |request| request.second_hop), 0.0);
}

#[test]
fn under_local_a_pod_gets_its_nodes_share_divided_by_the_nodes_pods() {
    // 4-3-2-1 pods: the lonely pod gets 1/4 of everything, each of the four 1/16.
    let mut blueprint = at_400_per_second(Mode::InstanceLocal, &[4, 3, 2, 1]);
    for group in blueprint.target_groups.iter_mut() {
        group.upstream.pool_max_idle = Some(0);
    }
    let requests = requests(&blueprint);
    let on = |pod: usize| {
        share(&requests, |request| {
            request.pod.is_some_and(|it| it.index() == pod)
        })
    };
    assert!(
        (on(9) - 0.25).abs() < 0.002,
        "round robin deals evenly over the nodes: {}",
        on(9)
    );
    assert!((on(0) - 0.0625).abs() < 0.008, "{}", on(0));
}

#[test]
fn a_curl_loop_asks_exactly_as_often_as_told_and_never_reuses_its_connection() {
    for in_parallel in [
        InParallel::All,
        InParallel::AtMost(std::num::NonZeroU32::new(7).expect("7 > 0")),
    ] {
        let mut blueprint = at_400_per_second(Mode::Ip, &[2, 1]);
        for population in blueprint.populations.iter_mut() {
            population.config.arrivals = Arrivals::CurlLoop {
                requests: 100,
                in_parallel,
            };
            population.config.connection.reuse = Reuse::Always;
            population.config.rtt = Dist::constant(millis(20));
        }
        let requests = requests(&blueprint);
        assert_eq!(requests.len(), 100);
        // A handshake of 20 ms, then 10 ms to the load balancer.
        let way = |request: &Request| request.at(Hop::LoadBalancer) - request.at(Hop::Client);
        assert!(requests.iter().all(|request| way(request) == millis(30)));
    }
}

#[test]
fn a_kept_client_connection_saves_the_handshake() {
    let mut blueprint = at_400_per_second(Mode::Ip, &[1]);
    for population in blueprint.populations.iter_mut() {
        population.config.connection.reuse = Reuse::Always;
        population.config.rtt = Dist::constant(millis(20));
    }
    let requests = requests(&blueprint);
    let way = |request: &Request| request.at(Hop::LoadBalancer) - request.at(Hop::Client);
    let saved = share(&requests, |request| way(request) == millis(10));
    assert!(saved > 0.99, "{saved}");
    assert!(
        requests
            .iter()
            .all(|request| [millis(10), millis(30)].contains(&way(request)))
    );
}

#[test]
fn a_new_upstream_connection_costs_one_round_trip_more() {
    let mut blueprint = at_400_per_second(Mode::Ip, &[1]);
    blueprint.links.same_zone_rtt = millis(2);
    let requests = requests(&blueprint);
    for request in requests
        .iter()
        .filter(|request| request.outcome == Outcome::Ok)
    {
        let expected = if request.reused { millis(1) } else { millis(3) };
        assert_eq!(
            request.at(Hop::Server) - request.at(Hop::LoadBalancer),
            expected
        );
    }
    assert!(
        requests.iter().any(|request| request.reused)
            && requests.iter().any(|request| !request.reused)
    );
}

#[test]
fn a_node_without_a_local_pod_refuses_after_one_round_trip() {
    let mut blueprint = at_400_per_second(Mode::InstanceLocal, &[1, 0]);
    blueprint.links.same_zone_rtt = millis(2);
    let requests = requests(&blueprint);
    let refused: Vec<_> = requests
        .iter()
        .filter(|request| request.outcome != Outcome::Ok)
        .collect();
    assert!((refused.len() as f64 / requests.len() as f64 - 0.5).abs() < 0.001);
    for request in refused {
        assert_eq!(
            (request.outcome, request.outcome.status()),
            (Outcome::NodeRefused, 502)
        );
        assert_eq!(request.at(Hop::Returned) - request.at(Hop::Sent), millis(2));
    }
}

#[test]
fn a_node_that_drops_costs_the_connect_timeout() {
    let mut blueprint = at_400_per_second(Mode::InstanceLocal, &[1, 0]);
    blueprint.proxy = Proxy::Cilium {
        algorithm: select::Algorithm::Random,
        service_no_backend_response: NoBackendResponse::Drop,
        mode: Default::default(),
        unready_backend: Default::default(),
        gone_pod_address: Default::default(),
        health_check_node_port: true,
        conntrack: None,
        snat: None,
        agent: Default::default(),
    };
    let requests = requests(&blueprint);
    let dropped: Vec<_> = requests
        .iter()
        .filter(|request| request.outcome != Outcome::Ok)
        .collect();
    assert!(!dropped.is_empty());
    for request in dropped {
        assert_eq!(
            (request.outcome, request.outcome.status()),
            (Outcome::ConnectTimeout, 504)
        );
        assert_eq!(
            request.at(Hop::Returned) - request.at(Hop::Sent),
            SimDuration::from_secs(10)
        );
    }
}

#[test]
fn a_full_pod_turns_away_as_it_is_told() {
    // One worker for a second, no queue, three requests at once: one is served.
    let outcomes = |when_full| {
        let mut server = support::server(1, Dist::constant(SimDuration::from_secs(1)));
        (server.queue, server.when_full) = (0, when_full);
        let blueprint = support::world(&[1], Mode::Ip, server, support::clients(curl(3)));
        let mut outcomes: Vec<_> = requests(&blueprint)
            .iter()
            .map(|it| (it.outcome, it.elapsed()))
            .collect();
        outcomes.sort_unstable();
        outcomes
    };
    let second = SimDuration::from_secs(1);
    let refused = (Outcome::PodRefused, SimDuration::ZERO);
    assert_eq!(
        outcomes(WhenFull::Refuse),
        [(Outcome::Ok, second), refused, refused]
    );
    let overloaded = (Outcome::Overloaded(503), SimDuration::ZERO);
    assert_eq!(
        outcomes(WhenFull::Status(503)),
        [(Outcome::Ok, second), overloaded, overloaded]
    );
    // Dropped at 0 s; at 1 s the first of the two finds the worker free, the other comes again at 3 s.
    let dropped = outcomes(WhenFull::Drop);
    assert_eq!(
        dropped,
        [1, 2, 4].map(|s| (Outcome::Ok, SimDuration::from_secs(s)))
    );
}

#[test]
fn a_dropped_connection_attempt_ends_after_ten_seconds() {
    let mut server = support::server(1, Dist::constant(SimDuration::from_secs(30)));
    (server.queue, server.when_full) = (0, WhenFull::Drop);
    let blueprint = support::world(&[1], Mode::Ip, server, support::clients(curl(2)));
    let requests = requests(&blueprint);
    assert_eq!(requests[0].outcome, Outcome::ConnectTimeout);
    assert_eq!(requests[0].elapsed(), SimDuration::from_secs(10));
}

#[test]
fn a_server_that_closes_first_costs_a_502_now_and_then() {
    // Keep-alive 10 ms and 1 ms of way: the race is lost when a request leaves within 1 ms before the
    // server closes and the load balancer does not know yet, that is within 2 ms of a connection's idle time.
    let stale = |timeout: Option<SimDuration>| {
        let mut server = support::server(1000, Dist::constant(millis(5)));
        server.keep_alive = Some(KeepAlive {
            timeout,
            max_requests: None,
        });
        let mut blueprint = support::world(
            &[1],
            Mode::Ip,
            server,
            support::clients(support::poisson(100.0)),
        );
        blueprint.links.same_zone_rtt = millis(2);
        requests(&blueprint)
            .iter()
            .filter(|it| it.outcome == Outcome::StaleConnection)
            .count()
    };
    assert!(stale(Some(millis(10))) > 100);
    assert_eq!(stale(None), 0);
    assert_eq!(
        stale(Some(SimDuration::ZERO)),
        0,
        "a server that closes after each answer says so"
    );
}

#[test]
fn listening_does_not_change_the_course_of_a_run() {
    let blueprint = at_400_per_second(Mode::InstanceCluster, &[3, 3, 2, 2]);
    let silent = sim_models::world::run(&blueprint, sim_core::Streams::new(SEED, 0), ());
    let silent = silent.expect("the run stays within its budget");
    let heard = support::run(&blueprint, SEED, 0, Requests::default());
    assert_eq!(
        (silent.events, silent.fingerprint),
        (heard.events, heard.fingerprint)
    );
}

#[test]
fn alternatives_share_arrivals_and_demands() {
    let of = |mode| {
        let mut requests = requests(&at_400_per_second(mode, &[3, 3, 2, 2]));
        requests.sort_by_key(|request| request.serial);
        requests
            .into_iter()
            .map(|it| (it.at(Hop::Client), it.demand))
            .take(20_000)
            .collect::<Vec<_>>()
    };
    assert_eq!(of(Mode::Ip), of(Mode::InstanceCluster));
}

#[test]
fn pooled_connections_make_pods_as_uneven_as_their_number_says() {
    // A limit of 50 requests per connection: 400/s x 60 s / 50 = 480 connections over 10 pods, so the
    // coefficient of variation is near sqrt(10 / 480) = 0.144. One run scatters by about 1 / sqrt(2 x 9) = 24 %.
    let mut blueprint = at_400_per_second(Mode::InstanceCluster, &[3, 3, 2, 2]);
    for group in blueprint.target_groups.iter_mut() {
        group.upstream.pool_max_requests = std::num::NonZeroU64::new(50);
    }
    let squares: f64 = (0..20)
        .map(|replication| {
            let run = support::run(&blueprint, SEED, replication, Requests::default());
            let mut counts = [0.0; 10];
            for request in &run.recorder.0 {
                counts[request.pod.expect("every request reaches a pod").index()] += 1.0;
            }
            let mean = counts.iter().sum::<f64>() / 10.0;
            counts.iter().map(|n| (n / mean - 1.0).powi(2)).sum::<f64>() / 9.0
        })
        .sum();
    // The mean of 20 such squares scatters by sqrt(2 / 9 / 20) = 10 %.
    let cv = (squares / 20.0).sqrt();
    assert!((cv / 0.144 - 1.0).abs() < 0.2, "{cv}");
}
