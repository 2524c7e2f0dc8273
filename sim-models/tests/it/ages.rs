//! How long connections live, on either side of the load balancer, and how much work a request is.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use sim_core::{Dist, SimDuration, SimTime};
use sim_models::id::ZoneId;
use sim_models::observe::{Observation, Recorder};
use sim_models::request::client::{Arrivals, Reuse};
use sim_models::request::{Request, dns};
use sim_models::world::Blueprint;

use crate::support::{self, Mode, Requests};

const SEED: u64 = 13;

fn seconds(seconds: u64) -> SimDuration {
    SimDuration::from_secs(seconds)
}

/// One user who asks once a second for a minute, two load balancer nodes that DNS names in turn, one pod.
fn one_user() -> Blueprint {
    let mut clients = support::clients(Arrivals::Closed {
        users: NonZeroU32::MIN,
        think: Dist::Constant(seconds(1)),
    });
    clients.connection.reuse = Reuse::Always;
    clients.dns.pick = dns::Pick::RoundRobin;
    let server = support::server(1, Dist::Constant(SimDuration::ZERO));
    let mut blueprint = support::world(&[1], Mode::InstanceCluster, server, clients);
    blueprint.load_balancer.nodes.push(ZoneId(0));
    blueprint
}

/// When upstream connections were opened.
#[derive(Default)]
struct Opened(Vec<SimTime>);

impl Recorder for Opened {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        if let Observation::Opened { .. } = seen {
            self.0.push(now);
        }
    }
}

fn opened(blueprint: &Blueprint) -> Vec<u64> {
    let opened = support::run(blueprint, SEED, 0, Opened::default())
        .recorder
        .0;
    let whole = |at: &SimTime| at.as_nanos() / 1_000_000_000;
    opened.iter().map(whole).collect()
}

fn requests(blueprint: &Blueprint) -> Vec<Request> {
    support::run(blueprint, SEED, 0, Requests::default())
        .recorder
        .0
}

#[test]
fn an_upstream_connection_is_closed_at_its_age() {
    let mut blueprint = one_user();
    assert_eq!(opened(&blueprint), [1]);
    for group in blueprint.target_groups.iter_mut() {
        group.upstream.pool_max_age = Some(seconds(20));
    }
    // Opened with the request at 1 s, closed while idle at 21 s: what comes first at one instant is the closing.
    assert_eq!(opened(&blueprint), [1, 21, 41]);
}

/// The load balancer node of each request, one each second.
fn entries(blueprint: &Blueprint) -> Vec<u32> {
    let requests = requests(blueprint);
    requests
        .iter()
        .map(|request| request.load_balancer_node.0)
        .collect()
}

#[test]
fn a_client_drops_connections_of_its_age_limit() {
    let mut blueprint = one_user();
    assert_eq!(
        entries(&blueprint).into_iter().collect::<BTreeSet<_>>(),
        BTreeSet::from([0])
    );
    for population in blueprint.populations.iter_mut() {
        population.config.connection.max_age = Some(seconds(20));
    }
    // Dialled at 1 s, 21 s and 41 s, the load balancer nodes in turn.
    let expected = [vec![0; 20], vec![1; 20], vec![0; 20]].concat();
    let entries = entries(&blueprint);
    assert_eq!(entries, expected[..entries.len()]);
}

#[test]
fn a_load_balancer_node_answers_once_more_before_it_closes() {
    let mut blueprint = one_user();
    blueprint.load_balancer.client_keep_alive = seconds(20);
    // Dialled at 1 s; the request at 21 s is the last on it, so the next is dialled at 22 s, and again at 43 s.
    let expected = [vec![0; 21], vec![1; 21], vec![0; 21]].concat();
    let entries = entries(&blueprint);
    assert_eq!(entries, expected[..entries.len()]);
}

#[test]
fn a_class_may_have_work_of_its_own() {
    let clients = support::clients(support::poisson(10.0));
    let server = support::server(1000, Dist::Constant(seconds(1)));
    let mut blueprint = support::world(&[1], Mode::InstanceCluster, server, clients);
    for population in blueprint.populations.iter_mut() {
        let mut heavy = population.classes[0].clone();
        heavy.demand = Some(Dist::Constant(seconds(3)));
        population.classes.push(heavy);
    }
    for request in requests(&blueprint) {
        let expected = [seconds(1), seconds(3)][request.class as usize];
        assert_eq!(request.elapsed(), expected);
    }
}
