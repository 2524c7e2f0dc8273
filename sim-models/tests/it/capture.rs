//! A pod that answers errors quickly, behind connections that are reused: it keeps its connections, and attracts more.
//!
//! The cluster is that of the recordings: 300 requests a second, four nodes, ten pods, one proxy with a pool of 16 idle connections
//! for all nodes together. The busiest pod breaks at 5 s and leaves its Service at 7 s.

use rayon::prelude::*;
use sim_core::{Dist, SimDuration, SimTime};
use sim_models::cluster::condition::{Erroring, PodCondition};
use sim_models::fault::{Busiest, Effect, Fault, What};
use sim_models::health::{probe, service_map};
use sim_models::id::{DeploymentId, PodId};
use sim_models::observe::{Health as Seen, Observation, Recorder};
use sim_models::request::node_port::Proxy;
use sim_models::request::pool::{PoolPick, PoolScope};
use sim_models::request::{Hop, Outcome};
use sim_models::world::Blueprint;
use sim_models::world::blueprint::Health;

use crate::support::{self, Mode};

const SEED: u64 = 500;
const RUNS: u64 = 240;
const BREAKS: f64 = 5.0;
const REMOVED: f64 = 7.0;

fn seconds(value: f64) -> SimDuration {
    SimDuration::from_secs_f64(value)
}

fn at(value: f64) -> SimTime {
    SimTime::ZERO + seconds(value)
}

fn millis(value: u64) -> SimDuration {
    SimDuration::from_millis(value)
}

/// The recorded cluster, whose broken pod answers after `delay`.
fn world(pick: PoolPick, delay: SimDuration) -> Blueprint {
    // 2 ms and an exponential time of 3 ms on average.
    let work = Dist::shifted(millis(2), Dist::exponential(millis(3)));
    let clients = support::clients(support::poisson(300.0));
    let mut blueprint = support::world(
        &[3, 3, 2, 2],
        Mode::InstanceCluster,
        support::server(64, work),
        clients,
    );
    blueprint.run.length = seconds(18.0);
    blueprint.load_balancer.idle_timeout = seconds(60.0);
    for group in blueprint.target_groups.iter_mut() {
        group.upstream.pool_pick = pick;
        group.upstream.pool_scope = PoolScope::Group;
        group.upstream.pool_max_idle = Some(16);
        group.upstream.pool_max_requests = std::num::NonZeroU64::new(1_000);
    }
    blueprint.proxy = Proxy::Cilium {
        algorithm: Default::default(),
        service_no_backend_response: Default::default(),
        mode: Default::default(),
        unready_backend: Default::default(),
        gone_pod_address: Default::default(),
        health_check_node_port: true,
        conntrack: None,
        snat: None,
        agent: service_map::Config {
            reflector_wait: SimDuration::ZERO,
            reconcile: Dist::Constant(SimDuration::ZERO),
            ..service_map::Config::default()
        },
    };
    let mut health = Health::new(1, 1);
    support::at_once(&mut health);
    let error = Effect::Condition(PodCondition::Erroring(Erroring {
        delay,
        ..Erroring::default()
    }));
    let busiest = Busiest {
        deployment: DeploymentId(0),
        at: at(BREAKS),
    };
    for (from, effect) in [(BREAKS, error), (REMOVED, Effect::Unselect)] {
        health.faults.push(Fault {
            what: What::ToBusiest(busiest, effect),
            from: at(from),
            until: None,
        });
    }
    blueprint.health = Some(Box::new(health));
    blueprint
}

/// When each request was sent, who answered it, and which pod was broken.
#[derive(Default)]
struct Log {
    requests: Vec<(f64, Option<PodId>, Outcome)>,
    broken: Option<PodId>,
}

impl Recorder for Log {
    fn see(&mut self, _: SimTime, seen: Observation<'_>) {
        match seen {
            Observation::Finished(it) => {
                let sent = (it.at(Hop::Client) - SimTime::ZERO).as_secs_f64();
                self.requests.push((sent, it.pod, it.outcome));
            }
            Observation::Health(Seen::Chosen { pod, .. }) => self.broken = Some(pod),
            _ => {}
        }
    }
}

impl Log {
    /// Share of the requests of a window that the broken pod answered.
    fn share(&self, from: f64, to: f64) -> f64 {
        let sent = self.requests.iter().filter(|it| it.0 >= from && it.0 < to);
        let own = |it: &&(f64, Option<PodId>, Outcome)| {
            it.1 == self.broken && matches!(it.2, Outcome::Ok | Outcome::PodError(_))
        };
        sent.clone().filter(own).count() as f64 / sent.count().max(1) as f64
    }
}

fn runs(blueprint: &Blueprint) -> Vec<Log> {
    let run = |replication| support::run(blueprint, SEED, replication, Log::default()).recorder;
    (0..RUNS).into_par_iter().map(run).collect()
}

/// Mean and standard error.
fn mean(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let squares: f64 = values.map(|it| (it - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0) / n).sqrt())
}

#[test]
fn a_fast_error_captures_traffic_where_the_last_used_connection_is_reused() {
    // Source: the recordings E3 of a real proxy, 0.31 before the fault and 0.53 after it, and the pool model beside them, of 60 seeds:
    // 0.31 and 0.51; 0.31 and 0.28 with answers as slow as good ones; 0.28 and 0.29 where the connection idle longest is reused. A
    // share has a standard deviation of 0.17 over runs, so 4 standard errors of a difference of 60 and 240 runs are 4 x 0.17 x
    // sqrt(1/60 + 1/240) = 0.1.
    let rows = [
        (PoolPick::Lifo, millis(1), 0.31, 0.51),
        (PoolPick::Lifo, millis(5), 0.31, 0.28),
        (PoolPick::Fifo, millis(1), 0.28, 0.29),
    ];
    for (pick, delay, before, after) in rows {
        let logs = runs(&world(pick, delay));
        let row = format!("{pick:?}, answers after {delay}");
        let shares = |from, to| logs.iter().map(move |log| log.share(from, to));
        let was = mean(shares(3.0, BREAKS)).0;
        let is = mean(shares(BREAKS, REMOVED)).0;
        assert!(
            (was - before).abs() < 0.1,
            "{row}: {was} before, expected {before}"
        );
        assert!(
            (is - after).abs() < 0.1,
            "{row}: {is} after, expected {after}"
        );
        // The recorded gain is 0.22, those of the controls are -0.03 and 0.01.
        let captures = pick == PoolPick::Lifo && delay == millis(1);
        assert_eq!(is - was > 0.1, captures, "{row}: from {was} to {is}");
    }
}

#[test]
fn a_pinned_share_ends_as_its_connections_do() {
    // The pod left its Service at 7 s, so it gets no new connection. It goes on failing what comes over those it has, until a limit on
    // their requests, a pause longer than the idle time-out, or a restart ends them. Shares of the last 5 of 45 s.
    let longer = |change: &dyn Fn(&mut Blueprint)| {
        let mut blueprint = world(PoolPick::Lifo, millis(1));
        blueprint.run.length = seconds(45.0);
        for group in blueprint.target_groups.iter_mut() {
            group.upstream.pool_max_requests = None;
        }
        change(&mut blueprint);
        mean(runs(&blueprint).iter().map(|log| log.share(40.0, 45.0))).0
    };
    // Nobody asks from 20 to 30 s.
    let pause = |blueprint: &mut Blueprint| {
        let again = blueprint
            .populations
            .iter()
            .next()
            .expect("there are clients")
            .clone();
        for population in blueprint.populations.iter_mut() {
            population.config.stop = Some(seconds(20.0));
        }
        let second = blueprint.populations.push(again);
        blueprint.populations[second].config.start = seconds(30.0);
    };
    let stays = longer(&|_| {});
    assert!(stays > 0.3, "nothing ends it: {stays}");
    let short_pause = longer(&pause);
    assert!(
        short_pause > 0.2,
        "a pause shorter than the idle time-out: {short_pause}"
    );
    let ended = [
        longer(&|blueprint| {
            for group in blueprint.target_groups.iter_mut() {
                group.upstream.pool_max_requests = std::num::NonZeroU64::new(100);
            }
        }),
        longer(&|blueprint| {
            pause(blueprint);
            blueprint.load_balancer.idle_timeout = seconds(5.0);
        }),
        // The default liveness probe: three failures, 10 s apart, by 35 s at the latest.
        longer(&|blueprint| {
            let health = blueprint
                .health
                .as_mut()
                .expect("the world has a health signal");
            health.workloads[DeploymentId(0)].liveness_probe = Some(probe::Config::default());
        }),
    ];
    assert_eq!(ended, [0.0; 3], "requests, idle time, liveness");
}

#[test]
fn nodes_that_lose_their_entries_end_pinned_connections_with_one_error_each() {
    // With the entries of its connections gone, the next packet of each goes to another pod, which resets it: one 502, and it is over.
    let mut blueprint = world(PoolPick::Lifo, millis(1));
    let health = blueprint
        .health
        .as_mut()
        .expect("the world has a health signal");
    let busiest = Busiest {
        deployment: DeploymentId(0),
        at: at(BREAKS),
    };
    health.faults.push(Fault {
        what: What::ToBusiest(busiest, Effect::Untrack),
        from: at(REMOVED),
        until: None,
    });
    for log in runs(&blueprint) {
        let after = log.requests.iter().filter(|it| it.0 > REMOVED);
        let resets = after
            .clone()
            .filter(|it| it.2 == Outcome::Forgotten)
            .count();
        let others = after.filter(|it| !matches!(it.2, Outcome::Ok | Outcome::Forgotten));
        assert_eq!(others.count(), 0, "nothing else fails");
        assert_eq!(
            log.share(REMOVED, 18.0),
            0.0,
            "the pod answers nothing more"
        );
        // The pool holds at most 16 idle connections, and of those in use at 7 s none answers.
        assert!(resets <= 16, "{resets}");
    }
}
