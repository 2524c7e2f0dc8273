//! How soon is a fault noticed? The arithmetic of phases, thresholds and time-outs against simulated distributions.
//!
//! A periodic check that meets a fault with a uniform phase fails for the first time after U(0, P). So the verdict comes after
//! U(0, P) + (F - 1) P, and after a time-out more where the fault is silence. Each row is simulated many times with phases drawn
//! anew; all times must lie between the ends, and be distributed as the sum says.

use rayon::prelude::*;
use sim_core::{Dist, SimDuration, SimTime, Streams};
use sim_models::cluster::condition::{Erroring, PodCondition};
use sim_models::control::aws_controller::NodeReady;
use sim_models::control::kubelet::RetryPoll;
use sim_models::fault::{Fault, NodeTrouble, What};
use sim_models::health::target_group::TargetState;
use sim_models::health::{health_check, probe};
use sim_models::id::{DeploymentId, NodeId, PodId};
use sim_models::observe::{Health as Seen, Observation, Recorder};
use sim_models::world::blueprint::Health;
use sim_models::world::{self, Blueprint};

use crate::support::{self, Mode};

pub(crate) const SEED: u64 = 1954;
pub(crate) const RUNS: u64 = 2_000;
/// All grids have begun by then: the longest period of a row is 30 s.
pub(crate) const FAULT_AT: SimTime = SimTime::from_nanos(40_000_000_000);

pub(crate) fn seconds(value: f64) -> SimDuration {
    SimDuration::from_secs_f64(value)
}

pub(crate) fn threshold(value: u32) -> std::num::NonZeroU32 {
    std::num::NonZeroU32::new(value).expect("a threshold is 1 or more")
}

/// One pod for each entry on its node, nobody who asks for anything, and a control plane in which nothing takes time.
pub(crate) fn quiet(pods_per_node: &[u32], mode: Mode, length: f64) -> (Blueprint, Health) {
    let mut server = support::server(64, Dist::Constant(SimDuration::ZERO));
    server.check_time = SimDuration::ZERO;
    let mut clients = support::clients(support::poisson(1.0));
    clients.stop = Some(SimDuration::ZERO);
    let mut blueprint = support::world(pods_per_node, mode, server, clients);
    blueprint.run.length = seconds(length);
    let mut health = Health::new(1, 1);
    support::at_once(&mut health);
    (blueprint, health)
}

pub(crate) fn fault(what: What, until: Option<f64>) -> Fault {
    Fault {
        what,
        from: FAULT_AT,
        until: until.map(|after| FAULT_AT + seconds(after)),
    }
}

pub(crate) fn pod_becomes(condition: PodCondition, until: Option<f64>) -> Fault {
    fault(What::Pods(vec![PodId(0)], condition), until)
}

/// An error that is answered at once.
pub(crate) fn error() -> PodCondition {
    PodCondition::Erroring(Erroring {
        delay: SimDuration::ZERO,
        ..Erroring::default()
    })
}

/// Notes when something was seen that is waited for, in seconds after the fault.
struct Seek<F> {
    wanted: F,
    found: Vec<f64>,
}

impl<F: FnMut(Seen<'_>) -> bool> Recorder for Seek<F> {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        if let Observation::Health(seen) = seen
            && now >= FAULT_AT
            && (self.wanted)(seen)
        {
            self.found.push((now - FAULT_AT).as_secs_f64());
        }
    }
}

/// The times of what is waited for, in each of many runs.
pub(crate) fn times<F>(
    blueprint: &Blueprint,
    health: &Health,
    runs: u64,
    wanted: F,
) -> Vec<Vec<f64>>
where
    F: Fn(Seen<'_>) -> bool + Sync,
{
    let mut blueprint = blueprint.clone();
    blueprint.health = Some(Box::new(health.clone()));
    let run = |replication: u64| {
        let seek = Seek {
            wanted: &wanted,
            found: Vec::new(),
        };
        let ended = world::run(&blueprint, Streams::new(SEED, replication), seek);
        ended
            .expect("the run stays within its budget")
            .recorder
            .found
    };
    (0..runs).into_par_iter().map(run).collect()
}

/// The first of the times of each run; something must have been seen in all.
pub(crate) fn first(times: Vec<Vec<f64>>) -> Vec<f64> {
    let first = times.iter().map(|it| it.first().copied());
    first
        .collect::<Option<_>>()
        .expect("it happens in every run")
}

/// Asserts that times are uniform from `low` to `high`: none outside, and the empirical distribution nowhere further from the
/// uniform one than one sample in a thousand is (Kolmogorov: 1.949 / sqrt(n)).
pub(crate) fn assert_uniform(row: &str, mut found: Vec<f64>, low: f64, high: f64) {
    found.sort_by(f64::total_cmp);
    let n = found.len() as f64;
    let (least, most) = (found[0], found[found.len() - 1]);
    assert!(
        least >= low - 1e-6 && most <= high + 1e-6,
        "{row}: {least} to {most}, expected {low} to {high}"
    );
    let distances = found.iter().enumerate().map(|(below, &value)| {
        let expected = (value - low) / (high - low);
        let (before, after) = (below as f64 / n, (below + 1) as f64 / n);
        (expected - before).abs().max((expected - after).abs())
    });
    let distance = distances.fold(0.0, f64::max);
    assert!(
        distance <= 1.949 / n.sqrt(),
        "{row}: {distance} from the uniform distribution of {low} to {high}"
    );
}

/// Asserts the mean of times, and that none lies outside of their ends.
pub(crate) fn assert_mean(
    row: &str,
    found: &[f64],
    (least, mean, most): (f64, f64, f64),
    rounding: f64,
) {
    let n = found.len() as f64;
    let average = found.iter().sum::<f64>() / n;
    let squares: f64 = found.iter().map(|it| (it - average).powi(2)).sum();
    let near = 4.0 * (squares / n / n).sqrt() + rounding;
    assert!(
        (average - mean).abs() <= near,
        "{row}: mean {average}, expected {mean} +- {near}"
    );
    let outside = found
        .iter()
        .filter(|&&it| it < least - rounding || it > most + rounding);
    assert_eq!(outside.count(), 0, "{row}: outside of {least} to {most}");
}

/// Interval, time-out, unhealthy and healthy threshold.
fn check((interval, timeout, unhealthy, healthy): (f64, f64, u32, u32)) -> health_check::Config {
    health_check::Config {
        interval: seconds(interval),
        timeout: seconds(timeout),
        unhealthy_threshold: threshold(unhealthy),
        healthy_threshold: threshold(healthy),
        ..health_check::Config::default()
    }
}

#[test]
fn a_load_balancer_node_finds_a_bad_target_within_the_window_of_its_checks() {
    // Source: AWS, "Health checks for Application Load Balancer target groups": a fixed cadence, thresholds in a row. An error: (U - 1) I to
    // U I; silence: the time-out T more; recovery: (H - 1) I to H I. The sets are those of the AWS Load Balancer Controller (15 s,
    // 5 s, 2, 2), of the bare API (30 s, 5 s, 2, 5), and one that is neither.
    let sets = [(15.0, 5.0, 2, 2), (30.0, 5.0, 2, 5), (10.0, 4.0, 3, 3)];
    for set in sets {
        let (interval, timeout, unhealthy, healthy) = set;
        let bad = (
            f64::from(unhealthy - 1) * interval,
            f64::from(unhealthy) * interval,
        );
        let rows = [
            ("an error", error(), bad),
            ("a reset", PodCondition::Refusing, bad),
            (
                "silence",
                PodCondition::Hanging,
                (bad.0 + timeout, bad.1 + timeout),
            ),
        ];
        for (name, condition, (low, high)) in rows {
            let (blueprint, mut health) = quiet(&[1], Mode::Ip, 45.0 + high);
            health.target_groups[sim_models::id::TargetGroupId(0)].health_check = check(set);
            health.faults.push(pod_becomes(condition, None));
            let unhealthy = |seen: Seen<'_>| {
                matches!(
                    seen,
                    Seen::Target {
                        state: TargetState::Unhealthy,
                        ..
                    }
                )
            };
            let found = first(times(&blueprint, &health, RUNS, unhealthy));
            assert_uniform(&format!("{name}, {set:?}"), found, low, high);
        }
        // The fault has been found by its end, in whichever phase.
        let ends = bad.1 + interval + 0.37 * interval;
        let low = f64::from(healthy - 1) * interval;
        let (blueprint, mut health) = quiet(&[1], Mode::Ip, 45.0 + ends + low + interval);
        health.target_groups[sim_models::id::TargetGroupId(0)].health_check = check(set);
        health.faults.push(pod_becomes(error(), Some(ends)));
        let healthy = |seen: Seen<'_>| {
            matches!(
                seen,
                Seen::Target {
                    state: TargetState::Healthy,
                    ..
                }
            )
        };
        let found = first(times(&blueprint, &health, RUNS, healthy));
        let since_end = found.into_iter().map(|at| at - ends).collect();
        assert_uniform(
            &format!("recovery, {set:?}"),
            since_end,
            low,
            low + interval,
        );
    }
}

/// Period, failure threshold and time-out.
pub(crate) fn readiness((period, failures, timeout): (f64, u32, f64)) -> probe::Config {
    probe::Config {
        period: seconds(period),
        failure_threshold: threshold(failures),
        timeout: seconds(timeout),
        ..probe::Config::default()
    }
}

#[test]
fn a_kubelet_finds_a_bad_pod_within_the_window_of_its_probes() {
    // Source: Kubernetes 1.34 `pkg/kubelet/prober/worker.go`: U(0, P) + (F - 1) P, and the time-out more where the pod hangs.
    // Rows: period, failures, time-out; least and most for an answer at once.
    let rows = [
        ((5.0, 2, 1.0), 5.0, 10.0),
        ((10.0, 3, 1.0), 20.0, 30.0),
        ((5.0, 3, 1.0), 10.0, 15.0),
        ((2.0, 2, 1.0), 2.0, 4.0),
        ((10.0, 1, 1.0), 0.0, 10.0),
    ];
    for (probe, low, high) in rows {
        let silent = probe.2;
        for (name, condition, later) in [
            ("an error", error(), 0.0),
            ("silence", PodCondition::Hanging, silent),
        ] {
            let (blueprint, mut health) = quiet(&[1], Mode::InstanceCluster, 45.0 + high);
            health.workloads[DeploymentId(0)].readiness_probe = Some(readiness(probe));
            health.faults.push(pod_becomes(condition, None));
            let verdict = |seen: Seen<'_>| matches!(seen, Seen::Verdict { ready: false, .. });
            let found = first(times(&blueprint, &health, RUNS, verdict));
            assert_uniform(
                &format!("{name}, {probe:?}"),
                found,
                low + later,
                high + later,
            );
        }
    }
}

#[test]
fn a_pod_that_is_well_again_is_ready_within_a_period() {
    // Source: Kubernetes 1.34 `pkg/kubelet/prober/worker.go`: one success is enough, and the grid began anew when the pod became
    // unready, at a uniform phase: U(0, P) after the end of a fault of whatever length.
    let (blueprint, mut health) = quiet(&[1], Mode::InstanceCluster, 80.0);
    health.workloads[DeploymentId(0)].readiness_probe = Some(readiness((5.0, 2, 1.0)));
    health.faults.push(pod_becomes(error(), Some(23.0)));
    let verdict = |seen: Seen<'_>| matches!(seen, Seen::Verdict { ready: true, .. });
    let found = first(times(&blueprint, &health, RUNS, verdict));
    let since_end = found.into_iter().map(|at| at - 23.0).collect();
    assert_uniform("recovery", since_end, 0.0, 5.0);
}

#[test]
fn an_exit_is_in_the_api_within_a_relist() {
    // Source: Kubernetes 1.34 `pkg/kubelet/pleg/generic.go`: a relist every second shows it; then a hop of the main loop of 5 ms and a
    // write of 20 ms: U(0, 1) + 0.025 s.
    let (blueprint, mut health) = quiet(&[1], Mode::InstanceCluster, 45.0);
    health.kubelet.loop_hop = Dist::Constant(SimDuration::from_millis(5));
    health.kubelet.status_write = Dist::Constant(SimDuration::from_millis(20));
    health.kubelet.start_container = Dist::Constant(seconds(30.0));
    health.faults.push(fault(What::Exit(vec![PodId(0)]), None));
    let gone = |seen: Seen<'_>| matches!(seen, Seen::Ready { ready: false, .. });
    let found = first(times(&blueprint, &health, RUNS, gone));
    assert_uniform("exit", found, 0.025, 1.025);
}

#[test]
fn a_process_that_hangs_is_restarted_by_the_liveness_probe() {
    // Source: Kubernetes 1.34: the default probe finds it after 21 to 31 s (`pkg/kubelet/prober/worker.go`), it ignores SIGTERM for the
    // grace period of 30 s (`kuberuntime_container.go`), the exit is noticed by a relist, U(0, 1), and the start takes 1 s:
    // 52 to 63 s, 57.5 s on average.
    let (blueprint, mut health) = quiet(&[1], Mode::InstanceCluster, 105.0);
    health.workloads[DeploymentId(0)].liveness_probe = Some(probe::Config::default());
    health.kubelet.start_container = Dist::Constant(seconds(1.0));
    health
        .faults
        .push(pod_becomes(PodCondition::Hanging, Some(50.0)));
    let starts = |seen: Seen<'_>| matches!(seen, Seen::Started { .. });
    let found = first(times(&blueprint, &health, RUNS, starts));
    assert_mean("liveness", &found, (52.0, 57.5, 63.0), 0.0);
}

#[test]
fn a_silent_node_is_given_up_after_ten_passes() {
    // Source: Kubernetes 1.34 `pkg/controller/nodelifecycle/node_lifecycle_controller.go`: passes of 5 s and 0.03 s, a grace period of 50 s
    // (40 s before 1.32), leases renewed every 10 s x U(1, 1.04). Of a Monte Carlo of these rules: least, mean, most, to 0.05 s.
    let rows = [(50.0, (39.9, 47.7, 55.4)), (40.0, (29.9, 37.7, 45.4))];
    for (grace, expected) in rows {
        let (blueprint, mut health) = quiet(&[1], Mode::InstanceCluster, 100.0);
        health.node_lifecycle_controller.monitor_grace_period = seconds(grace);
        health
            .faults
            .push(fault(What::Node(NodeId(0), NodeTrouble::Crash), None));
        let unknown = |seen: Seen<'_>| {
            matches!(
                seen,
                Seen::Node {
                    ready: NodeReady::Unknown,
                    ..
                }
            )
        };
        let found = first(times(&blueprint, &health, RUNS, unknown));
        assert_mean(&format!("grace {grace} s"), &found, expected, 0.05);
    }
}

#[test]
fn many_pods_of_a_dead_node_wait_for_the_controllers_client() {
    // Source: kube-controller-manager, 20 requests a second and 30 at once. Of 100 pods the k-th waits for its token until (k - 30) / 20 s
    // after the node is given up, and its mark takes 10 ms more: the last is marked at 3.51 s, the first at 0.01 s.
    let (blueprint, mut health) = quiet(&[100], Mode::InstanceCluster, 100.0);
    health
        .faults
        .push(fault(What::Node(NodeId(0), NodeTrouble::Crash), None));
    let marked = |seen: Seen<'_>| matches!(seen, Seen::Ready { ready: false, .. });
    for times in times(&blueprint, &health, 3, marked) {
        assert_eq!(times.len(), 100);
        let span = times[99] - times[0];
        assert!((span - 3.5).abs() < 1e-6, "{span}");
    }
}

#[test]
fn pods_of_a_dead_node_are_deleted_five_minutes_after_it_is_given_up() {
    // Source: Kubernetes 1.34 `plugin/pkg/admission/defaulttolerationseconds`: both NoExecute taints are tolerated for 300 s: 340 to 355 s,
    // 347.8 s on average, after the crash. The taint's queue is polled every 0.1 s. The second node is in order: where none is, nothing is evicted.
    let (blueprint, mut health) = quiet(&[1, 1], Mode::InstanceCluster, 400.0);
    health
        .faults
        .push(fault(What::Node(NodeId(0), NodeTrouble::Crash), None));
    health.spares = vec![DeploymentId(0)];
    let deleted = |seen: Seen<'_>| matches!(seen, Seen::Deleted { .. });
    let found = first(times(&blueprint, &health, RUNS, deleted));
    assert_mean("eviction", &found, (340.0, 347.75, 355.5), 0.15);
}

#[test]
fn a_container_that_exits_at_once_waits_longer_each_time() {
    // Source: Kubernetes 1.34 `pkg/kubelet/kubelet.go` and `pod_workers.go`: 10 s, doubling to 300 s, looked at every 10 s x U(1, 1.5); from
    // 1.35 on after what is left, at most 60 s, x U(1, 1.5). Least, mean and most of a Monte Carlo of these rules, to 0.5 s; the exit is
    // noticed within a second, which is part of the wait.
    let fixed = [
        (10.0, 13.0, 16.0),
        (20.0, 25.5, 31.0),
        (40.0, 47.7, 55.0),
        (80.0, 86.9, 95.0),
    ];
    let remaining = [
        (10.0, 12.4, 15.0),
        (20.0, 24.9, 30.0),
        (40.0, 49.9, 60.0),
        (80.0, 83.4, 91.0),
    ];
    for (poll, rows) in [(RetryPoll::Fixed, fixed), (RetryPoll::Remaining, remaining)] {
        let (blueprint, mut health) = quiet(&[1], Mode::InstanceCluster, 280.0);
        health.kubelet.crash_loop.retry_poll = poll;
        health.kubelet.start_container = Dist::Constant(SimDuration::ZERO);
        health.faults.push(fault(
            What::CrashLoop(vec![PodId(0)], SimDuration::ZERO),
            None,
        ));
        let starts = |seen: Seen<'_>| matches!(seen, Seen::Started { .. });
        let runs = times(&blueprint, &health, RUNS, starts);
        for (nth, &expected) in rows.iter().enumerate() {
            let waits = runs.iter().map(|starts| starts[nth + 1] - starts[nth]);
            let waits: Vec<f64> = waits.collect();
            assert_mean(
                &format!("{poll:?}, wait {}", nth + 1),
                &waits,
                expected,
                0.6,
            );
        }
    }
}
