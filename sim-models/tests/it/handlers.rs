//! What does each handler of a probe find? HTTP asks the server, TCP its listener, and a command the container.
//!
//! Period 5 s, two failures, time-out 1 s: an answer at once is found bad after U(5, 10) s, silence 1 s later.

use sim_core::Dist;
use sim_models::cluster::condition::{PodCondition, Slow};
use sim_models::fault::{NodeTrouble, What};
use sim_models::health::probe;
use sim_models::id::{DeploymentId, NodeId, PodId};
use sim_models::observe::Health as Seen;
use sim_models::request::server::WhenFull;
use sim_models::world::Blueprint;
use sim_models::world::blueprint::Health;

use crate::detection::{
    RUNS, assert_mean, assert_uniform, error, fault, first, pod_becomes, quiet, readiness, seconds,
    times,
};
use crate::support::{self, Mode};

const PERIOD: (f64, u32, f64) = (5.0, 2, 1.0);

fn tcp() -> probe::Config {
    probe::Config {
        tcp_socket: Some(80),
        ..readiness(PERIOD)
    }
}

fn exec() -> probe::Config {
    probe::Config {
        exec: Some(vec!["cat".into(), "/tmp/healthy".into()]),
        ..readiness(PERIOD)
    }
}

/// One pod with a readiness probe, to which something happens.
fn world(probe: probe::Config, what: What, until: Option<f64>) -> (Blueprint, Health) {
    let (blueprint, mut health) = quiet(&[1], Mode::InstanceCluster, 70.0);
    health.workloads[DeploymentId(0)].readiness_probe = Some(probe);
    health.faults.push(fault(what, until));
    (blueprint, health)
}

fn unready(seen: Seen<'_>) -> bool {
    matches!(seen, Seen::Verdict { ready: false, .. })
}

/// When the pod is found bad in each of many runs; empty where it never is.
fn found(probe: probe::Config, condition: PodCondition) -> Vec<f64> {
    let what = What::Pods(vec![PodId(0)], condition);
    let (blueprint, health) = world(probe, what, None);
    let times = times(&blueprint, &health, RUNS, unready);
    times
        .into_iter()
        .flat_map(|it| it.first().copied())
        .collect()
}

#[test]
fn a_tcp_probe_finds_nothing_but_a_closed_listener() {
    // Source: Kubernetes 1.34 `pkg/probe/tcp/tcp.go`: that somebody accepts is enough, and the kernel does that for a process that hangs.
    for condition in [
        error(),
        PodCondition::Hanging,
        PodCondition::Slow(Slow::default()),
    ] {
        assert_eq!(found(tcp(), condition), [0.0; 0], "{condition:?}");
    }
    let closed = found(tcp(), PodCondition::Refusing);
    assert_eq!(closed.len() as u64, RUNS);
    assert_uniform("refusing", closed, 5.0, 10.0);
}

#[test]
fn a_command_finds_what_checks_find_and_no_silence() {
    // Source: Kubernetes 1.34 `pkg/probe/exec/exec.go`: the exit status of a process of its own, which takes no time here.
    for condition in [
        PodCondition::Hanging,
        PodCondition::Refusing,
        PodCondition::Slow(Slow::default()),
    ] {
        assert_eq!(found(exec(), condition), [0.0; 0], "{condition:?}");
    }
    let broken = found(exec(), error());
    assert_eq!(broken.len() as u64, RUNS);
    assert_uniform("error", broken, 5.0, 10.0);
}

#[test]
fn a_command_that_takes_longer_than_its_time_out_fails() {
    // Nothing is wrong with the pod but that its command takes 2 s: the probe of 1 s never passes, and two periods find that out.
    let (mut blueprint, health) = world(exec(), What::Pods(vec![], PodCondition::Serving), None);
    for (takes, passes) in [(0.999, true), (1.001, false)] {
        blueprint.deployments[DeploymentId(0)].server.check_time = seconds(takes);
        let passed =
            move |seen: Seen<'_>| matches!(seen, Seen::Probed { passed, .. } if passed == passes);
        let all = |seen: Seen<'_>| matches!(seen, Seen::Probed { .. });
        let count = |wanted: &(dyn Fn(Seen<'_>) -> bool + Sync)| {
            times(&blueprint, &health, 20, wanted).concat().len()
        };
        assert!(count(&all) >= 20 * 5);
        assert_eq!(count(&passed), count(&all), "{takes} s");
    }
}

#[test]
fn a_tcp_probe_meets_a_full_queue_as_its_server_says() {
    // One worker that is busy for 100 s and one place to wait: two requests at 20/s fill it within the first seconds. A server that answers
    // with a status has accepted before it does.
    let rows = [
        (WhenFull::Drop, false),
        (WhenFull::Refuse, false),
        (WhenFull::Status(503), true),
    ];
    for (when_full, passes) in rows {
        let (_, health) = world(tcp(), What::Pods(vec![], PodCondition::Serving), None);
        let mut server = support::server(1, Dist::Constant(seconds(100.0)));
        server.queue = 1;
        server.when_full = when_full;
        let clients = support::clients(support::poisson(20.0));
        let mut blueprint = support::world(&[1], Mode::InstanceCluster, server, clients);
        blueprint.run.length = seconds(46.0);
        let probed = |passed: bool| move |seen: Seen<'_>| matches!(seen, Seen::Probed { passed: it, .. } if it == passed);
        let [good, bad] =
            [true, false].map(|passed| times(&blueprint, &health, 20, probed(passed)).concat());
        // From 40 s to 46 s each of 20 runs asks once or twice.
        let (expected, other) = if passes { (good, bad) } else { (bad, good) };
        assert_eq!(other, [0.0; 0], "{when_full:?}");
        assert!(expected.len() >= 20, "{when_full:?}");
    }
}

#[test]
fn a_probe_may_have_a_grace_period_of_its_own() {
    // As with the pod's 30 s (`a_process_that_hangs_is_restarted_by_the_liveness_probe`), with 5 s: 21 to 31 s until the verdict, 5 s until
    // SIGKILL, U(0, 1) until a relist, 1 s to start: 27 to 38 s, 32.5 s on average.
    let (blueprint, mut health) = quiet(&[1], Mode::InstanceCluster, 105.0);
    health.workloads[DeploymentId(0)].liveness_probe = Some(probe::Config {
        termination_grace_period: Some(seconds(5.0)),
        ..probe::Config::default()
    });
    health.kubelet.start_container = Dist::Constant(seconds(1.0));
    health
        .faults
        .push(pod_becomes(PodCondition::Hanging, Some(35.0)));
    let starts = |seen: Seen<'_>| matches!(seen, Seen::Started { .. });
    let found = first(times(&blueprint, &health, RUNS, starts));
    assert_mean("liveness", &found, (27.0, 32.5, 38.0), 0.0);
}

/// A pod breaks while the runtime of its node hangs, from 0 s to 22 s after the fault's instant.
fn broken_under_a_hung_runtime(probe: probe::Config) -> (Blueprint, Health) {
    let hangs = What::Node(NodeId(0), NodeTrouble::RuntimeHung);
    let (blueprint, mut health) = world(probe, hangs, Some(22.0));
    health.faults.push(pod_becomes(error(), None));
    (blueprint, health)
}

#[test]
fn a_kubelet_whose_runtime_hangs_asks_by_http_and_hears_the_verdict_afterwards() {
    // Source: Kubernetes 1.34 `pkg/kubelet/kubelet.go`, `syncLoop`: no result is consumed. The verdict falls after 5 to 10 s, and
    // counts at 22 s, when the runtime answers again; no period passes any more.
    let (blueprint, health) = broken_under_a_hung_runtime(readiness(PERIOD));
    let verdicts = times(&blueprint, &health, 100, unready);
    assert!(verdicts.iter().all(|it| it[0] == 22.0), "{verdicts:?}");
}

#[test]
fn a_command_that_the_runtime_cannot_run_counts_as_nothing() {
    // Source: Kubernetes 1.34 `pkg/kubelet/prober/prober.go`: an error of the handler is discarded. So counting begins at 22 s: U(5, 10) later.
    let (blueprint, health) = broken_under_a_hung_runtime(exec());
    let probed = |seen: Seen<'_>| matches!(seen, Seen::Probed { .. });
    let asked = times(&blueprint, &health, 100, probed).concat();
    assert!(asked.iter().all(|&at| at >= 22.0), "{asked:?}");
    let verdicts = first(times(&blueprint, &health, 100, unready));
    assert!(verdicts.iter().all(|at| (22.0..=32.0).contains(at)));
    assert!(verdicts.iter().any(|&at| at > 26.0));
}
