//! Targets and pods that have just begun: a growing share, and work that is slow at first.

use sim_core::{Dist, SimDuration, SimTime};
use sim_models::cluster::condition::PodCondition;
use sim_models::fault::{Fault, What};
use sim_models::health::target_group::TargetState;
use sim_models::id::{PodId, TargetId};
use sim_models::observe::{Health as Seen, Observation, Recorder};
use sim_models::quantity::Rate;
use sim_models::request::balance::slow_start;
use sim_models::request::client::Arrivals;
use sim_models::request::server::SlowStart;
use sim_models::request::{Hop, Outcome, Request};
use sim_models::world::Blueprint;
use sim_models::world::blueprint::Health;

use crate::support::{self, Mode};

const SEED: u64 = 29;

fn seconds(s: u64) -> SimDuration {
    SimDuration::from_secs(s)
}

/// Keeps requests, and when a target became healthy for the last time.
#[derive(Default)]
struct Watch {
    requests: Vec<Request>,
    healthy: Option<(TargetId, SimTime)>,
}

impl Recorder for Watch {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        match seen {
            Observation::Finished(request) => self.requests.push(request.clone()),
            Observation::Health(Seen::Target {
                target,
                state: TargetState::Healthy,
                ..
            }) => self.healthy = Some((target, now)),
            _ => {}
        }
    }
}

/// Four pods as targets, 100 requests a second, and this happens to the last pod from the beginning until 31 s.
fn world(what: What) -> Blueprint {
    let server = support::server(100, Dist::constant(SimDuration::from_millis(10)));
    let rate = Rate::per_second(100.0).expect("above 0");
    let clients = support::clients(Arrivals::Constant { rate });
    let mut blueprint = support::world(&[4], Mode::Ip, server, clients);
    blueprint.run.length = seconds(200);
    let mut health = Health::new(1, 1);
    health.faults.push(Fault {
        what,
        from: SimTime::ZERO,
        until: Some(SimTime::ZERO + seconds(31)),
    });
    blueprint.health = Some(Box::new(health));
    blueprint
}

#[test]
fn a_target_that_recovers_gets_the_integral_of_its_ramp() {
    // 1 - 3 ln(4 / 3) = 13.7 % of the minute after it became healthy, 25 % of the next; 6,000 requests each.
    let mut blueprint = world(What::Pods(vec![PodId(3)], PodCondition::Refusing));
    let health = blueprint.health.as_mut().expect("a health signal");
    for group in health.target_groups.iter_mut() {
        group.slow_start = slow_start::Config {
            duration: seconds(60),
            ..slow_start::Config::default()
        };
    }
    let watch = support::run(&blueprint, SEED, 0, Watch::default()).recorder;
    let (target, since) = watch.healthy.expect("it recovers");
    assert_eq!(target, TargetId(3));
    let share = |from: SimTime| {
        let until = from + seconds(60);
        let during = |it: &&Request| (from..until).contains(&it.at(Hop::LoadBalancer));
        let chosen: Vec<_> = watch.requests.iter().filter(during).collect();
        let own = chosen.iter().filter(|it| it.target == Some(target)).count();
        own as f64 / chosen.len() as f64
    };
    let (first, second) = (share(since), share(since + seconds(60)));
    assert!((first - 0.137).abs() < 0.002, "{first}");
    assert!((second - 0.25).abs() < 0.002, "{second}");
}

#[test]
fn a_restarted_process_is_slow_at_first() {
    // Four times the work at the start, once from 30 s on. The container exits at once and runs again after seconds.
    let mut blueprint = world(What::Exit(vec![PodId(3)]));
    for deployment in blueprint.deployments.iter_mut() {
        deployment.server.slow_start = Some(SlowStart::default());
    }
    let watch = support::run(&blueprint, SEED, 0, Watch::default()).recorder;
    let answered = |it: &&Request| it.outcome == Outcome::Ok;
    let works: Vec<f64> = watch
        .requests
        .iter()
        .filter(answered)
        .filter(|it| it.pod == Some(PodId(3)))
        .map(|it| (it.at(Hop::Served) - it.at(Hop::Started)).as_secs_f64())
        .collect();
    // 25 answers a second: the work falls by 3 x 10 ms over 30 s, 0.04 ms from one to the next.
    assert!(works[0] > 0.030 && works[0] <= 0.040, "{}", works[0]);
    assert!(works.windows(2).all(|pair| pair[1] <= pair[0]));
    assert_eq!(works.last(), Some(&0.010));
    let others = watch.requests.iter().filter(|it| it.pod == Some(PodId(0)));
    let mut others = others.map(|it| it.at(Hop::Served) - it.at(Hop::Started));
    assert!(others.all(|work| work == SimDuration::from_millis(10)));
}
