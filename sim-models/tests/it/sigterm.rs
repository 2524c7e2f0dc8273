//! What a process does at SIGTERM, and what its clients meet.

use sim_core::{Dist, SimDuration, SimTime};
use sim_models::fault::{Fault, What};
use sim_models::id::PodId;
use sim_models::observe::{Health as Seen, Observation, Recorder};
use sim_models::request::Outcome;
use sim_models::request::server::OnSigterm;
use sim_models::world::Blueprint;
use sim_models::world::blueprint::Health;

use crate::support::{self, Mode, at};

/// When the first pod is deleted, in seconds.
const DELETED: f64 = 20.0;

fn millis(millis: u64) -> Dist {
    Dist::Constant(SimDuration::from_millis(millis))
}

/// Two pods that are targets themselves; 40 requests a second that take 200 ms keep four of each pod's workers busy. The first pod is
/// deleted at 20 s. Its kubelet hears of it after 10 ms and needs 5 ms more; load balancer nodes know 1 s after the controller.
fn cluster(how: OnSigterm) -> Blueprint {
    let mut server = support::server(64, millis(200));
    server.on_sigterm = how;
    let clients = support::clients(support::poisson(40.0));
    let mut blueprint = support::world(&[1, 1], Mode::Ip, server, clients);
    blueprint.run.length = SimDuration::from_secs(70);
    let mut health = Health::new(1, 1);
    health.kubelet.loop_hop = millis(5);
    // The address of a pod whose process has ended stays for longer than the load balancer needs, so that whoever comes is refused.
    health.kubelet.sandbox_stop = millis(10_000);
    health.watch_delay = millis(10);
    for group in health.target_groups.iter_mut() {
        group.deregister_propagation = millis(1_000);
    }
    health.faults.push(Fault {
        what: What::Delete(vec![PodId(0)], SimDuration::ZERO),
        from: at(DELETED),
        until: None,
    });
    blueprint.health = Some(Box::new(health));
    blueprint
}

/// What became of the pod and of requests.
#[derive(Default)]
struct Log {
    closed: Vec<u64>,
    refused: u32,
    reset: u32,
    others: u32,
    /// Connections that were opened to the pod from its deletion on.
    opened: u32,
}

impl Recorder for Log {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        match seen {
            Observation::Health(Seen::Closed { .. }) => {
                self.closed.push((now - at(DELETED)).as_nanos() / 1_000_000);
            }
            Observation::Opened { pod: PodId(0), .. } if now > at(DELETED) => self.opened += 1,
            Observation::Finished(request) => match request.outcome {
                Outcome::Ok => {}
                Outcome::PodRefused => self.refused += 1,
                Outcome::PodReset => self.reset += 1,
                _ => self.others += 1,
            },
            _ => {}
        }
    }
}

fn log(how: OnSigterm) -> Log {
    support::run(&cluster(how), 17, 0, Log::default()).recorder
}

#[test]
fn an_orderly_server_refuses_what_comes_and_finishes_what_it_has() {
    // SIGTERM 15 ms after the deletion. For a second about twenty requests still go there: all are refused, none is reset.
    let log = log(OnSigterm::CloseListenerDrain);
    assert_eq!(log.closed, [15]);
    assert_eq!((log.reset, log.others), (0, 0));
    assert!(log.refused > 5, "{}", log.refused);
}

#[test]
fn a_fast_shutdown_resets_what_is_in_work() {
    // About four requests are in work at that moment.
    let log = log(OnSigterm::CloseAll);
    assert_eq!((log.closed.as_slice(), log.others), ([15].as_slice(), 0));
    assert!(
        log.reset > 0 && log.refused > 5,
        "{} {}",
        log.reset,
        log.refused
    );
}

#[test]
fn who_ignores_the_signal_loses_nothing_and_stays_until_it_is_killed() {
    // A grace period of 30 s after SIGTERM at 15 ms. By then the load balancer has not chosen the pod for half a minute.
    let log = log(OnSigterm::KeepServing);
    assert_eq!(log.closed, [30_015]);
    assert_eq!((log.refused, log.reset, log.others), (0, 0, 0));
}

#[test]
fn who_announces_the_close_loses_nothing_and_gets_a_connection_for_each_request() {
    // The same, but a connection carries one more request and no other: the twenty requests of that second need as many, where one that
    // goes on as before reuses those it has.
    let (announces, ignores) = (log(OnSigterm::AnnounceClose), log(OnSigterm::KeepServing));
    assert_eq!(announces.closed, [30_015]);
    let lost = announces.refused + announces.reset + announces.others;
    assert_eq!(lost, 0);
    assert!(
        announces.opened > ignores.opened + 5,
        "{} {}",
        announces.opened,
        ignores.opened
    );
}
