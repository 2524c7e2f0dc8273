//! Who gives up, when, and what it costs: client timeouts, retries, and targets that are silent for too long.

use sim_core::{Dist, SimDuration};
use sim_models::request::client::Arrivals;
use sim_models::request::{Outcome, Request, retry};
use sim_models::world::Blueprint;

use crate::support::{self, Mode, Requests};

const SEED: u64 = 11;

fn seconds(seconds: u64) -> SimDuration {
    SimDuration::from_secs(seconds)
}

/// Ten requests a second for ten seconds to one pod, without distance, and time for the last to finish.
fn world(workers: u32, service: SimDuration) -> Blueprint {
    let mut clients = support::clients(support::poisson(10.0));
    clients.stop = Some(seconds(10));
    let server = support::server(workers, Dist::Constant(service));
    let mut blueprint = support::world(&[1], Mode::InstanceCluster, server, clients);
    blueprint.run.length = seconds(1000);
    blueprint
}

fn clients(blueprint: &mut Blueprint) -> &mut sim_models::request::client::Config {
    &mut blueprint
        .populations
        .iter_mut()
        .next()
        .expect("one population")
        .config
}

fn requests(blueprint: &Blueprint) -> Vec<Request> {
    let ended = support::run(blueprint, SEED, 0, Requests::default());
    assert_eq!(ended.in_flight, 0, "the run outlasts its requests");
    ended.recorder.0
}

fn all(requests: &[Request], outcome: Outcome, elapsed: SimDuration) {
    assert!(!requests.is_empty());
    for request in requests {
        assert_eq!((request.outcome, request.elapsed()), (outcome, elapsed));
    }
}

#[test]
fn a_client_gives_up_exactly_after_its_timeout() {
    let mut blueprint = world(1000, seconds(3));
    clients(&mut blueprint).timeout = Some(seconds(2));
    all(&requests(&blueprint), Outcome::ClientTimeout, seconds(2));
}

#[test]
fn an_answer_at_the_instant_of_the_deadline_is_in_time() {
    let mut blueprint = world(1000, seconds(2));
    clients(&mut blueprint).timeout = Some(seconds(2));
    all(&requests(&blueprint), Outcome::Ok, seconds(2));
}

#[test]
fn an_answer_on_its_last_way_is_too_late_too() {
    // The answer leaves the load balancer at 2.01 s, before the deadline, and would arrive after it, at 2.02 s.
    let mut blueprint = world(1000, seconds(2));
    clients(&mut blueprint).rtt = Dist::Constant(SimDuration::from_millis(20));
    clients(&mut blueprint).connection.reuse = sim_models::request::client::Reuse::Always;
    clients(&mut blueprint).timeout = Some(SimDuration::from_millis(2015));
    let requests = requests(&blueprint);
    all(
        &requests,
        Outcome::ClientTimeout,
        SimDuration::from_millis(2015),
    );
}

#[test]
fn the_pod_works_on_for_nobody() {
    // One worker, 1 s of work, 10 requests a second, patience of 2 s: the pod takes them in the order in which they came.
    // The queue is over 2 s long before the third one starts and never gets shorter, as the clients' leaving does not
    // empty it. So at most three are answered in time.
    let mut blueprint = world(1, seconds(1));
    clients(&mut blueprint).timeout = Some(seconds(2));
    let requests = requests(&blueprint);
    let answered = requests
        .iter()
        .filter(|request| request.outcome == Outcome::Ok);
    assert!((1..=3).contains(&answered.count()));
    assert!(requests.len() > 60, "about 100 came");
}

#[test]
fn a_silent_target_is_answered_for() {
    let mut blueprint = world(1000, seconds(7));
    blueprint.load_balancer.response_timeout = seconds(5);
    all(&requests(&blueprint), Outcome::ResponseTimeout, seconds(5));
}

#[test]
fn a_request_that_waits_for_a_worker_is_answered_for_as_well() {
    // One worker, 2 s of work, 10 requests a second: the first three at most start within 5 s of their arrival.
    let mut blueprint = world(1, seconds(2));
    blueprint.load_balancer.response_timeout = seconds(5);
    let requests = requests(&blueprint);
    let (answered, silent): (Vec<&Request>, Vec<&Request>) = requests
        .iter()
        .partition(|request| request.outcome == Outcome::Ok);
    assert!((1..=3).contains(&answered.len()), "{}", answered.len());
    assert!(
        answered
            .iter()
            .all(|request| request.elapsed() <= seconds(5))
    );
    for request in silent {
        assert_eq!(request.outcome, Outcome::ResponseTimeout);
        assert_eq!(request.elapsed(), seconds(5));
    }
}

/// Nobody can answer, and says so at once.
fn refusing() -> Blueprint {
    let mut blueprint = world(1, seconds(1));
    blueprint.pods = sim_models::id::Arena::new();
    blueprint
}

#[test]
fn every_attempt_is_a_request_and_the_last_one_is_not_retried() {
    let mut blueprint = refusing();
    clients(&mut blueprint).retries.at_most = 3;
    let requests = requests(&blueprint);
    let first = requests
        .iter()
        .filter(|request| request.attempt == 0)
        .count();
    assert_eq!(requests.len(), 4 * first);
    assert!(
        requests
            .iter()
            .all(|request| request.retried == (request.attempt < 3))
    );
}

#[test]
fn retries_come_after_a_wait_that_doubles_and_is_drawn_evenly() {
    let mut blueprint = refusing();
    clients(&mut blueprint).arrivals = support::poisson(1000.0);
    clients(&mut blueprint).retries = retry::Config {
        at_most: 1,
        backoff: SimDuration::from_millis(400),
        ..retry::Config::default()
    };
    let requests = requests(&blueprint);
    let retries = requests.iter().filter(|request| request.attempt == 1);
    let waits: Vec<f64> = retries
        .map(|request| request.elapsed_since_asked().as_millis_f64())
        .collect();
    // About 10,000 waits, uniform on [0, 400] ms: mean 200, standard deviation of the mean 115.5 / 100 = 1.2.
    let mean = waits.iter().sum::<f64>() / waits.len() as f64;
    assert!((195.0..=205.0).contains(&mean), "{mean}");
    assert!(waits.iter().all(|wait| (0.0..=400.0).contains(wait)));
}

#[test]
fn a_budget_bounds_the_retries() {
    let mut blueprint = refusing();
    clients(&mut blueprint).arrivals = support::poisson(100.0);
    clients(&mut blueprint).retries = retry::Config {
        at_most: 1,
        budget: Some(0.2),
        ..retry::Config::default()
    };
    let requests = requests(&blueprint);
    let retries = requests
        .iter()
        .filter(|request| request.attempt > 0)
        .count();
    let first = requests.len() - retries;
    // Every fifth first attempt pays for one, but for what is left over at the end.
    assert!(retries.abs_diff(first / 5) <= 1, "{retries} of {first}");
}

#[test]
fn a_retry_may_find_what_the_first_attempt_missed() {
    // Under Local the second node refuses; a second attempt goes to the other one.
    let mut clients = support::clients(Arrivals::Constant {
        rate: sim_models::quantity::Rate::per_second(1.0).expect("above 0"),
    });
    clients.retries = retry::Config {
        at_most: 1,
        backoff: SimDuration::ZERO,
        ..retry::Config::default()
    };
    let server = support::server(1, Dist::Constant(SimDuration::from_millis(1)));
    let blueprint = support::world(&[1, 0], Mode::InstanceLocal, server, clients);
    let ended = support::run(&blueprint, SEED, 0, Requests::default());
    let last = ended.recorder.0.iter().filter(|request| !request.retried);
    assert!(last.clone().count() > 50);
    assert!(last.clone().all(|request| request.outcome == Outcome::Ok));
    assert!(last.clone().any(|request| request.attempt == 1));
}

#[test]
fn a_closed_loop_waits_for_the_last_attempt() {
    let mut blueprint = refusing();
    *clients(&mut blueprint) = {
        let mut users = support::clients(Arrivals::Closed {
            users: std::num::NonZeroU32::MIN,
            think: Dist::Constant(seconds(1)),
        });
        users.stop_after = Some(10);
        users.retries.at_most = 2;
        users
    };
    let requests = requests(&blueprint);
    let attempts: Vec<u8> = requests.iter().map(|request| request.attempt).collect();
    assert_eq!(attempts, [0, 1, 2].repeat(10));
}
