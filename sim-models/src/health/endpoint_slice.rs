//! Which pods does the API call endpoints of a Service, and since when?
//!
//! The EndpointSlice controller hears of a pod's change, syncs, and publishes a version. The versions of
//! a Service are its history; what any node believes at any time follows from that history alone.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{Dist, SimDuration, SimTime};

use crate::cluster::service::TrafficPolicy;
use crate::id::{NodeId, PodId};
use crate::request::node_port::Endpoints;

/// The EndpointSlice controller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// One sync and its write; where it changes several slices of the Service, each further write takes as long again.
    ///
    /// Range: 0 and up; plausible 5 to 100 ms. Default: LogNormal(median: "15ms", p99: "100ms").
    /// Assumption: nothing official bounds it below one second.
    pub sync: Dist,

    /// Wait before a sync, to gather changes.
    ///
    /// Range: 0 and up. Default: "0s".
    /// Source: kube-controller-manager, `--endpointslice-updates-batch-period`.
    pub updates_batch_period: SimDuration,

    /// Wait after a sync that began before the controller saw its own last write; doubles on repetition.
    ///
    /// Range: above 0. Default: "1s".
    /// Source: Kubernetes 1.34 `endpointslice/util/endpointslice_tracker.go`.
    pub stale_retry: SimDuration,

    /// Services that are synced at the same time.
    ///
    /// Range: 1 and up. Default: 5.
    /// Source: kube-controller-manager, `--concurrent-service-endpoint-syncs`.
    pub workers: NonZeroU32,

    /// Endpoints in one slice. A Service with more has several, and each is written, and heard of by the nodes, on its own.
    ///
    /// Range: 1 to 1000. Default: 100.
    /// Source: kube-controller-manager, `--max-endpoints-per-slice`.
    pub max_endpoints_per_slice: NonZeroU32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sync: crate::health::log_normal(15, 100),
            updates_batch_period: SimDuration::ZERO,
            stale_retry: SimDuration::from_secs(1),
            workers: NonZeroU32::new(5).expect("5 is not 0"),
            max_endpoints_per_slice: NonZeroU32::new(100).expect("100 is not 0"),
        }
    }
}

/// What a sync knows of one pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodStatus {
    /// The pod's Ready condition.
    pub ready: bool,
    /// Whether `deletionTimestamp` is set.
    pub terminating: bool,
    /// Whether the pod is there and has an address: only then is it an endpoint.
    pub listed: bool,
}

impl PodStatus {
    /// A pod that is ready.
    pub const READY: Self = Self {
        ready: true,
        terminating: false,
        listed: true,
    };

    /// A pod that is not there, or has no address yet.
    pub const ABSENT: Self = Self {
        ready: false,
        terminating: false,
        listed: false,
    };
}

/// The conditions of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// Gets traffic.
    pub ready: bool,
    /// Would serve if it got traffic.
    pub serving: bool,
    /// Is being deleted.
    pub terminating: bool,
}

impl PodStatus {
    /// The conditions that the controller writes for a pod.
    ///
    /// Source: Kubernetes 1.34 `endpointslice/utils.go`: ready = serving and not terminating.
    pub fn conditions(self) -> Conditions {
        Conditions {
            ready: self.ready && !self.terminating,
            serving: self.ready,
            terminating: self.terminating,
        }
    }
}

/// An endpoint of a published version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The pod.
    pub pod: PodId,
    /// Its node.
    pub node: NodeId,
    /// Its conditions.
    pub conditions: Conditions,
}

/// What a Service's slices say together after one of them was written: who is an endpoint, and how.
#[derive(Clone, Debug)]
pub struct Version {
    /// When that write was committed.
    pub at: SimTime,
    /// All endpoints, in the order of pods.
    pub endpoints: Vec<Endpoint>,
    active: Endpoints,
    terminating: Endpoints,
}

impl Version {
    /// A version committed at `at`.
    pub fn new(at: SimTime, endpoints: Vec<Endpoint>) -> Self {
        let those = |wanted: fn(&Conditions) -> bool| {
            let chosen = endpoints.iter().filter(|it| wanted(&it.conditions));
            Endpoints::new(chosen.map(|it| (it.node, it.pod)).collect())
        };
        Self {
            at,
            active: those(|it| it.ready),
            terminating: those(|it| it.serving && it.terminating),
            endpoints,
        }
    }

    /// The backends for outside traffic on a node: the ready ones in scope or, where there is none, those
    /// that terminate and still serve.
    ///
    /// Source: Kubernetes KEP-1669; Cilium 1.19 `pkg/loadbalancer/reconciler`.
    pub fn backends(&self, node: NodeId, policy: TrafficPolicy) -> &[(NodeId, PodId)] {
        let active = self.active.eligible(node, policy);
        if active.is_empty() {
            self.terminating.eligible(node, policy)
        } else {
            active
        }
    }

    /// Ready endpoints on a node.
    pub fn active_on(&self, node: NodeId) -> usize {
        self.active.eligible(node, TrafficPolicy::Local).len()
    }

    /// Ready endpoints.
    pub fn ready(&self) -> usize {
        self.active.all().len()
    }

    /// Whether a pod is an endpoint that serves, terminating or not.
    pub fn serves(&self, pod: PodId) -> bool {
        let found = self.endpoints.binary_search_by_key(&pod, |it| it.pod);
        found.is_ok_and(|at| self.endpoints[at].conditions.serving)
    }

    /// Whether a pod is a ready endpoint.
    pub fn is_ready(&self, pod: PodId) -> bool {
        let found = self.endpoints.binary_search_by_key(&pod, |it| it.pod);
        found.is_ok_and(|at| self.endpoints[at].conditions.ready)
    }
}

/// The controller's work on one Service.
///
/// Changes that arrive during a sync cause one more at its end. A sync that begins before the
/// controller has seen its own last write fails and is tried again later.
#[derive(Clone, Debug, Default)]
pub struct Syncer {
    running: bool,
    again: bool,
    sees_own_write_at: SimTime,
    failures: u32,
    retry_at: Option<SimTime>,
    waiting_until: Option<SimTime>,
}

/// What the controller does when it is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// It begins a sync.
    Sync,
    /// A sync is under way, or a retry is planned earlier: nothing to do.
    Nothing,
    /// It fails, and looks again then.
    RetryAt(SimTime),
}

impl Syncer {
    /// A change of a pod, or a planned retry, wakes the controller.
    ///
    /// Source: Kubernetes 1.34 `endpointslice/util/endpointslice_tracker.go` (stale slices), client-go
    /// workqueue (of two planned retries of one key the earlier counts).
    pub fn wake(&mut self, now: SimTime, stale_retry: SimDuration) -> Wake {
        if self.running {
            self.again = true;
            return Wake::Nothing;
        }
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
        }
        if now < self.sees_own_write_at {
            let wait = stale_retry * (1 << self.failures.min(10));
            self.failures += 1;
            let at = now + wait;
            if self.retry_at.is_some_and(|planned| planned <= at) {
                return Wake::Nothing;
            }
            self.retry_at = Some(at);
            return Wake::RetryAt(at);
        }
        self.failures = 0;
        self.retry_at = None;
        self.running = true;
        Wake::Sync
    }

    /// Whether a sync is under way.
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// A change arrives under a batch period: returns when to wake, unless that is planned already.
    pub fn gather(&mut self, now: SimTime, period: SimDuration) -> Option<SimTime> {
        let planned = self.waiting_until.is_some_and(|at| at > now);
        (!planned).then(|| {
            let at = now + period;
            self.waiting_until = Some(at);
            at
        })
    }

    /// A sync ends. `wrote` says when the controller will see its write, if it wrote. Returns whether
    /// changes arrived meanwhile.
    pub fn done(&mut self, wrote: Option<SimTime>) -> bool {
        self.running = false;
        if let Some(visible_at) = wrote {
            self.sees_own_write_at = visible_at;
        }
        std::mem::take(&mut self.again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_millis(millis)
    }

    const SECOND: SimDuration = SimDuration::from_secs(1);

    #[test]
    fn conditions_follow_from_readiness_and_deletion() {
        // Source: Kubernetes, "EndpointSlices", conditions. Rows: (Ready, deleted) to (ready, serving, terminating).
        let rows = [
            ((true, false), (true, true, false)),
            ((false, false), (false, false, false)),
            ((true, true), (false, true, true)),
            ((false, true), (false, false, true)),
        ];
        for ((ready, terminating), expected) in rows {
            let it = PodStatus {
                ready,
                terminating,
                listed: true,
            };
            let it = it.conditions();
            assert_eq!((it.ready, it.serving, it.terminating), expected);
        }
    }

    fn version(rows: &[(u32, bool, bool)]) -> Version {
        let endpoints = rows.iter().enumerate();
        let endpoints = endpoints.map(|(pod, &(node, ready, terminating))| Endpoint {
            pod: PodId(pod as u32),
            node: NodeId(node),
            conditions: PodStatus {
                ready,
                terminating,
                listed: true,
            }
            .conditions(),
        });
        Version::new(SimTime::ZERO, endpoints.collect())
    }

    #[test]
    fn a_scope_without_ready_endpoints_falls_back_on_terminating_ones() {
        // Node 0 has a ready pod and a terminating one, node 1 only a terminating one, node 2 an unready one.
        let version = version(&[
            (0, true, false),
            (0, true, true),
            (1, true, true),
            (2, false, false),
        ]);
        let pods = |node, policy| {
            let backends = version.backends(NodeId(node), policy).iter();
            backends.map(|(_, pod)| pod.0).collect::<Vec<_>>()
        };
        assert_eq!(pods(1, TrafficPolicy::Cluster), [0]);
        assert_eq!(pods(0, TrafficPolicy::Local), [0]);
        assert_eq!(pods(1, TrafficPolicy::Local), [2]);
        assert_eq!(pods(2, TrafficPolicy::Local), [0; 0]);
    }

    #[test]
    fn a_change_right_after_a_write_waits_a_second() {
        // A sync from 20 to 35 ms, seen at 45 ms. Changes at 30 (during it) and 40 ms.
        let mut syncer = Syncer::default();
        assert_eq!(syncer.wake(at(20), SECOND), Wake::Sync);
        assert_eq!(syncer.wake(at(30), SECOND), Wake::Nothing);
        assert!(syncer.done(Some(at(45))), "one more sync at the end");
        assert_eq!(syncer.wake(at(35), SECOND), Wake::RetryAt(at(1_035)));
        assert_eq!(syncer.wake(at(40), SECOND), Wake::Nothing, "planned");
        assert_eq!(syncer.wake(at(1_035), SECOND), Wake::Sync);
    }

    #[test]
    fn a_change_after_the_write_is_seen_goes_at_once() {
        let mut syncer = Syncer::default();
        assert_eq!(syncer.wake(at(0), SECOND), Wake::Sync);
        assert!(!syncer.done(Some(at(25))));
        assert_eq!(syncer.wake(at(25), SECOND), Wake::Sync);
    }
}
