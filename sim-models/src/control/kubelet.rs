//! How does a kubelet report, notice and restart?

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{Dist, SimDuration, SimTime, Unit};

use super::bucket::Bucket;
use crate::health::log_normal;
use crate::quantity::Rate;

/// The kubelet on each node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// One hop of the main loop and the computation of a pod's status.
    ///
    /// Range: 0 and up; plausible 1 to 50 ms. Default: LogNormal(median: "5ms", p99: "50ms").
    /// Assumption: nothing official bounds it.
    pub loop_hop: Dist,

    /// Write of a pod's status (one GET and one PATCH); one at a time on a node.
    ///
    /// Range: 0 and up; plausible 5 to 200 ms. Default: LogNormal(median: "20ms", p99: "200ms").
    /// Assumption: below the API's objective of 1 s at the 99th percentile of a call.
    pub status_write: Dist,

    /// A container's start or exit is noticed at the next tick of this grid.
    ///
    /// Range: above 0. Default: "1s".
    /// Source: Kubernetes 1.34 `pkg/kubelet/pleg/generic.go`.
    pub relist_period: SimDuration,

    /// Without a relist that works for this long, the kubelet says that its node is not ready.
    ///
    /// Range: above 0. Default: "3min".
    /// Source: Kubernetes 1.34 `pkg/kubelet/pleg/generic.go`, `relistThreshold`.
    pub pleg_unhealthy_after: SimDuration,

    /// How often a kubelet looks at its own node, times U(1, 1.04); it writes what has changed.
    ///
    /// Range: above 0. Default: "10s".
    /// Source: Kubernetes 1.34, `nodeStatusUpdateFrequency`.
    pub status_period: SimDuration,

    /// How often a kubelet compares the statuses of all its pods with those in the API. What it could not write while the API server did not
    /// answer is written by the next of these passes.
    ///
    /// Range: above 0. Default: "10s".
    /// Source: Kubernetes 1.34 `pkg/kubelet/status/status_manager.go`, `syncPeriod`.
    pub status_reconcile: SimDuration,

    /// What a kubelet may send to the API server. A status takes two requests, so many pods that change on one node at once take turns.
    pub kube_api: KubeApi,

    /// Sandbox, network, creation and start of a container whose image is present.
    ///
    /// Range: 0 and up; plausible 0.5 to 3 s. Default: LogNormal(median: "1s", p99: "3s").
    /// Assumption: below the objective of 5 s at the 99th percentile for a pod's start without pulls.
    pub start_container: Dist,

    /// Pull of an image that a node does not have: each revision of a Deployment has its own, which the nodes of its pods at time zero have
    /// already. Pods that come while it is being pulled wait for the same pull.
    ///
    /// Range: 0 and up; plausible 1 to 60 s. Default: "0s", every image is present.
    /// Assumption: no source; it is the image's size over the bandwidth, and 0.5 to 2 s.
    pub image_pull: Dist,

    /// From the exit of a pod's last process until its address is gone.
    ///
    /// Range: 0 and up; plausible 0.1 to 5 s. Default: "500ms".
    /// Assumption: no source.
    pub sandbox_stop: Dist,

    /// Least time left for SIGTERM when a preStop hook has used up the grace period.
    ///
    /// Default: "2s".
    /// Source: Kubernetes 1.34 `pkg/kubelet/kuberuntime/kuberuntime_container.go`.
    pub minimum_kill_grace: SimDuration,

    /// Restart of containers that exit again and again.
    pub crash_loop: CrashLoop,

    /// Whether a restart of the kubelet itself makes probed pods unready until their first success.
    ///
    /// Default: true.
    /// Source: Kubernetes up to 1.34 `pkg/kubelet/prober/prober_manager.go`; false from 1.35 on.
    pub restart_flips_ready: bool,

    /// Whether a probe that is set off by something else than its clock, as by a container's start, begins the grid of its ticks anew.
    ///
    /// Default: true.
    /// Source: Kubernetes 1.32 and later, `pkg/kubelet/prober/worker.go` (kubernetes/kubernetes#119089); false before.
    pub manual_probe_moves_grid: bool,

    /// Whether a container is looked at as soon as the kubelet has started it, and not at the next tick of `relist_period`.
    ///
    /// Default: false.
    /// Source: Kubernetes 1.36 `pkg/kubelet/pleg/generic.go`: true from then on.
    pub relist_on_sync: bool,

    /// How long a node's lease lasts. Nobody compares it with the clock: what counts is how often it is renewed.
    ///
    /// Range: above 0. Default: "40s".
    /// Source: Kubernetes 1.34, `nodeLeaseDurationSeconds`.
    pub lease_duration: SimDuration,

    /// Time between two renewals of a node's lease, times U(1, 1.04).
    ///
    /// Range: above 0. Default: a quarter of `lease_duration`.
    /// Source: Kubernetes 1.34 `cmd/kubelet/app`, `nodeLeaseRenewIntervalFraction` of 0.25.
    pub lease_renew: Option<SimDuration>,
}

/// A kubelet's client of the API server.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KubeApi {
    /// Requests a second after a burst.
    ///
    /// Range: above 0. Default: "50/s".
    /// Source: Kubernetes 1.34, `kubeAPIQPS`.
    pub qps: Rate,

    /// Requests that may follow each other at once.
    ///
    /// Range: 1 and up. Default: 100.
    /// Source: Kubernetes 1.34, `kubeAPIBurst`.
    pub burst: NonZeroU32,
}

impl Default for KubeApi {
    fn default() -> Self {
        Self {
            qps: Rate::per_second(50.0).expect("50 a second is a rate"),
            burst: NonZeroU32::new(100).expect("100 is above 0"),
        }
    }
}

impl KubeApi {
    /// What one kubelet may send.
    pub fn bucket(&self) -> Bucket {
        Bucket::new(self.qps, self.burst.get())
    }
}

/// Restart of containers that exit again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CrashLoop {
    /// Wait before the second restart; it doubles from restart to restart.
    ///
    /// Range: "1s" to "300s". Default: "10s".
    /// Source: Kubernetes 1.34 `pkg/kubelet/kubelet.go`, `backOffPeriod`.
    pub initial: SimDuration,

    /// Longest wait.
    ///
    /// Range: "1s" to "300s". Default: "300s".
    /// Source: Kubernetes 1.34 `pkg/kubelet/kubelet.go`, `MaxCrashLoopBackOff`.
    pub max: SimDuration,

    /// A container that lived longer than this starts over with the shortest wait.
    ///
    /// Range: above 0. Default: "600s".
    /// Source: client-go `util/flowcontrol/backoff.go`: twice the longest wait.
    pub reset: SimDuration,

    /// When the kubelet looks again at a container that has to wait.
    ///
    /// Default: Fixed.
    /// Source: Kubernetes 1.34 `pkg/kubelet/pod_workers.go`.
    pub retry_poll: RetryPoll,
}

/// When the kubelet looks again at a container that has to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RetryPoll {
    /// Every 10 s times U(1, 1.5). Source: Kubernetes up to 1.34.
    #[default]
    Fixed,
    /// After what is left of the wait, at most 60 s, times U(1, 1.5). Source: Kubernetes 1.35 and later.
    Remaining,
}

impl Default for CrashLoop {
    fn default() -> Self {
        Self {
            initial: SimDuration::from_secs(10),
            max: SimDuration::from_secs(300),
            reset: SimDuration::from_secs(600),
            retry_poll: RetryPoll::default(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            loop_hop: log_normal(5, 50),
            status_write: log_normal(20, 200),
            relist_period: SimDuration::from_secs(1),
            pleg_unhealthy_after: SimDuration::from_secs(180),
            status_period: SimDuration::from_secs(10),
            status_reconcile: SimDuration::from_secs(10),
            kube_api: KubeApi::default(),
            start_container: log_normal(1_000, 3_000),
            image_pull: Dist::Constant(SimDuration::ZERO),
            sandbox_stop: Dist::Constant(SimDuration::from_millis(500)),
            minimum_kill_grace: SimDuration::from_secs(2),
            crash_loop: CrashLoop::default(),
            restart_flips_ready: true,
            manual_probe_moves_grid: true,
            relist_on_sync: false,
            lease_duration: SimDuration::from_secs(40),
            lease_renew: None,
        }
    }
}

/// How long a container has to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// From the decision until SIGTERM: the preStop hook.
    pub before_sigterm: SimDuration,
    /// From SIGTERM until SIGKILL.
    pub before_sigkill: SimDuration,
}

impl Config {
    /// Time between two renewals of a node's lease, without their jitter.
    pub fn lease_renewal(&self) -> SimDuration {
        self.lease_renew.unwrap_or(self.lease_duration / 4)
    }

    /// How long a container has to stop within a grace period: the preStop hook takes its share, and some time is left for SIGTERM always.
    ///
    /// Source: Kubernetes 1.34 `pkg/kubelet/kuberuntime/kuberuntime_container.go`, `killContainer`.
    pub fn stop(&self, pre_stop: SimDuration, grace: SimDuration) -> Stop {
        let before_sigterm = pre_stop.min(grace);
        Stop {
            before_sigterm,
            before_sigkill: (grace - before_sigterm).max(self.minimum_kill_grace),
        }
    }
}

/// The back-off of one container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackOff {
    entry: Option<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    wait: SimDuration,
    bumped: SimTime,
}

impl BackOff {
    /// Whether a container that exited at `exited` may start at `now`; `Err` is what is left to wait.
    ///
    /// Source: Kubernetes 1.34 `pkg/kubelet/kuberuntime/kuberuntime_manager.go` `doBackOff`, client-go
    /// `util/flowcontrol/backoff.go`.
    pub fn start(
        &mut self,
        exited: SimTime,
        now: SimTime,
        config: &CrashLoop,
    ) -> Result<(), SimDuration> {
        let valid = self
            .entry
            .filter(|entry| exited.saturating_since(entry.bumped) <= config.reset);
        let wait = match valid {
            None => config.initial,
            Some(entry) => {
                let since = now.saturating_since(exited);
                if since < entry.wait {
                    return Err(entry.wait - since);
                }
                (entry.wait * 2).min(config.max)
            }
        };
        self.entry = Some(Entry { wait, bumped: now });
        Ok(())
    }
}

impl RetryPoll {
    /// From a refused start to the next look, when this much of the wait is left.
    pub fn next(self, left: SimDuration, draw: Unit) -> SimDuration {
        let base = match self {
            Self::Fixed => SimDuration::from_secs(10),
            Self::Remaining => left.min(SimDuration::from_secs(60)),
        };
        SimDuration::from_nanos((base.as_nanos() as f64 * (1.0 + draw.get() / 2.0)) as u64)
    }
}

/// The first tick of a grid at or after `now`.
pub fn next_tick(now: SimTime, phase: SimDuration, period: SimDuration) -> SimTime {
    let (now, phase, period) = (now.as_nanos(), phase.as_nanos(), period.as_nanos());
    let ticks = now.saturating_sub(phase).div_ceil(period);
    SimTime::from_nanos(phase + ticks * period)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_secs(seconds)
    }

    #[test]
    fn waits_double_from_crash_to_crash() {
        // A container without any life: nominal waits 0, 10, 20, 40, 80, 160, 300, 300 s.
        let config = CrashLoop::default();
        let mut back_off = BackOff::default();
        let mut now = at(0);
        let waits: Vec<u64> = std::iter::repeat_with(|| {
            let wait = back_off.start(now, now, &config).err().unwrap_or_default();
            let exited = now;
            now += wait;
            if wait > SimDuration::ZERO {
                back_off
                    .start(exited, now, &config)
                    .expect("the wait is over");
            }
            wait.as_nanos() / 1_000_000_000
        })
        .take(8)
        .collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn a_container_that_lived_for_more_than_ten_minutes_starts_over() {
        let config = CrashLoop::default();
        let mut back_off = BackOff::default();
        assert_eq!(back_off.start(at(0), at(0), &config), Ok(()));
        let left = SimDuration::from_secs(7);
        assert_eq!(back_off.start(at(100), at(103), &config), Err(left));
        assert_eq!(back_off.start(at(601), at(601), &config), Ok(()));
        // The entry is new: its wait is 10 s again.
        assert_eq!(
            back_off.start(at(700), at(700), &config),
            Err(config.initial)
        );
    }

    #[test]
    fn a_hook_takes_its_share_of_the_grace_period() {
        // Grace, hook: until SIGTERM, until SIGKILL. The hook is given up at the end of the grace period, and 2 s are left always.
        let rows = [
            (30, 0, 0, 30),
            (30, 10, 10, 20),
            (30, 29, 29, 2),
            (5, 15, 5, 2),
        ];
        for (grace, hook, sigterm, sigkill) in rows {
            let [grace, hook, before_sigterm, before_sigkill] =
                [grace, hook, sigterm, sigkill].map(SimDuration::from_secs);
            let stop = Stop {
                before_sigterm,
                before_sigkill,
            };
            assert_eq!(Config::default().stop(hook, grace), stop);
        }
    }

    #[test]
    fn a_lease_is_renewed_four_times_in_its_life() {
        // Source: Kubernetes 1.34: 40 s, renewed every 10 s, unless the interval is given.
        let renewal = |lease, renew: Option<u64>| {
            let config = Config {
                lease_duration: SimDuration::from_secs(lease),
                lease_renew: renew.map(SimDuration::from_secs),
                ..Config::default()
            };
            config.lease_renewal()
        };
        let expected = [10, 5, 3].map(SimDuration::from_secs);
        assert_eq!(
            [renewal(40, None), renewal(20, None), renewal(20, Some(3))],
            expected
        );
    }

    #[test]
    fn a_grid_has_a_tick_at_its_phase() {
        let tick = |now| {
            next_tick(
                at(now),
                SimDuration::from_secs(3),
                SimDuration::from_secs(5),
            )
        };
        assert_eq!([tick(0), tick(3), tick(4)], [at(3), at(3), at(8)]);
    }
}
