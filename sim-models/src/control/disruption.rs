//! May this pod be evicted now? PodDisruptionBudgets, and the eviction API that asks them.
//!
//! A budget holds evictions back, and nothing else: not the loss of a node, not the eviction of its pods by taint, not a rolling
//! update or scaling down.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{SimDuration, SimTime};

use super::int_or_percent::IntOrPercent;
use crate::id::PodId;

/// A PodDisruptionBudget for the pods of a Deployment. Exactly one of the first two is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Pods that must be healthy after an eviction: a number, or a percentage of the replicas, rounded up.
    ///
    /// Range: 0 and up. Default: none.
    /// Source: Kubernetes API policy/v1, `PodDisruptionBudgetSpec.minAvailable`; `pkg/controller/disruption`.
    pub min_available: Option<IntOrPercent>,

    /// Replicas that may be unhealthy after an eviction: a number, or a percentage of the replicas, rounded up.
    ///
    /// Range: 0 and up. Default: none.
    /// Source: Kubernetes API policy/v1, `PodDisruptionBudgetSpec.maxUnavailable`; `pkg/controller/disruption`.
    pub max_unavailable: Option<IntOrPercent>,

    /// Whether pods that are not ready may be evicted although the budget is used up.
    ///
    /// Default: IfHealthyBudget.
    /// Source: Kubernetes API policy/v1, `PodDisruptionBudgetSpec.unhealthyPodEvictionPolicy`.
    pub unhealthy_pod_eviction_policy: UnhealthyPodEvictionPolicy,
}

/// Whether pods that are not ready may be evicted although the budget is used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UnhealthyPodEvictionPolicy {
    /// Only while the budget itself has as many healthy pods as it wants. A Deployment all of whose pods are broken blocks a drain.
    #[default]
    IfHealthyBudget,
    /// Always.
    AlwaysAllow,
}

/// An evicted pod counts as disrupted until it is seen to terminate, and no longer than this.
///
/// Source: Kubernetes 1.34 `pkg/controller/disruption/disruption.go`, `DeletionTimeout`.
const DELETION_TIMEOUT: SimDuration = SimDuration::from_secs(120);

/// How `kubectl drain` goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Wait after a refused eviction.
    pub retry: SimDuration,
    /// It gives up after this long; `None`: never.
    pub timeout: Option<SimDuration>,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            retry: drain_retry(),
            timeout: None,
        }
    }
}

/// Wait after a refused eviction: 5 s.
///
/// Source: Kubernetes `staging/src/k8s.io/kubectl/pkg/drain/drain.go`.
pub fn drain_retry() -> SimDuration {
    SimDuration::from_secs(5)
}

impl Config {
    /// How many pods must be healthy, where a Deployment wants so many.
    ///
    /// Source: Kubernetes 1.34 `pkg/controller/disruption/disruption.go`, `getExpectedPodCount`.
    pub fn desired_healthy(&self, replicas: u32) -> u32 {
        match (self.min_available, self.max_unavailable) {
            (Some(least), _) => least.rounded_up(replicas),
            (None, Some(most)) => replicas.saturating_sub(most.rounded_up(replicas)),
            (None, None) => 0,
        }
    }
}

/// What the status of a budget says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Pods that must be healthy.
    pub desired_healthy: u32,
    /// Pods that are.
    pub current_healthy: u32,
    /// Evictions that are allowed now.
    pub disruptions_allowed: u32,
}

impl Status {
    /// The status with so many healthy pods, none of them disrupted.
    pub fn new(config: &Config, replicas: u32, current_healthy: u32) -> Self {
        let desired_healthy = config.desired_healthy(replicas);
        let allowed = current_healthy.saturating_sub(desired_healthy);
        Self {
            desired_healthy,
            current_healthy,
            disruptions_allowed: if replicas == 0 { 0 } else { allowed },
        }
    }
}

/// A budget at work: its status, and the pods that were evicted on its account and are not seen to terminate yet.
#[derive(Clone, Debug)]
pub struct Budget {
    config: Config,
    status: Status,
    disrupted: Vec<(PodId, SimTime)>,
}

/// A pod that somebody wants to evict, as the API shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which one.
    pub pod: PodId,
    /// Its phase is Pending: no container of it has started.
    pub is_pending: bool,
    /// Its condition Ready.
    pub is_ready: bool,
}

impl Budget {
    /// A budget over a Deployment of so many replicas, so many of which are healthy.
    pub fn new(config: Config, replicas: u32, healthy: u32) -> Self {
        Self {
            config,
            status: Status::new(&config, replicas, healthy),
            disrupted: Vec::new(),
        }
    }

    /// The status.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The disruption controller looks: `is_seen_leaving` says which evicted pods it has seen to terminate, `healthy` which pods are
    /// ready and not terminating.
    ///
    /// Source: Kubernetes 1.34 `pkg/controller/disruption/disruption.go`, `buildDisruptedPodMap` and `countHealthyPods`.
    pub fn sync(
        &mut self,
        replicas: u32,
        healthy: &[PodId],
        is_seen_leaving: impl Fn(PodId) -> bool,
        now: SimTime,
    ) {
        let holds = |&(pod, at): &(PodId, SimTime)| {
            !is_seen_leaving(pod) && now.saturating_since(at) <= DELETION_TIMEOUT
        };
        self.disrupted.retain(holds);
        let disrupted = |pod: &&PodId| self.disrupted.iter().any(|(it, _)| it == *pod);
        let spared = healthy.iter().filter(disrupted).count();
        let current = (healthy.len() - spared) as u32;
        self.status = Status::new(&self.config, replicas, current);
    }

    /// The eviction API: whether the pod may go. Where it counts, the budget is one smaller at once.
    ///
    /// # Errors
    ///
    /// The status that forbids it: 429, "Cannot evict pod as it would violate the pod's disruption budget".
    ///
    /// Source: Kubernetes 1.34 `pkg/registry/core/pod/storage/eviction.go`.
    pub fn evict(&mut self, candidate: Candidate, now: SimTime) -> Result<(), Status> {
        if candidate.is_pending {
            return Ok(());
        }
        let Status {
            desired_healthy: desired,
            current_healthy: current,
            disruptions_allowed: allowed,
        } = self.status;
        let goes_free = match self.config.unhealthy_pod_eviction_policy {
            UnhealthyPodEvictionPolicy::AlwaysAllow => true,
            UnhealthyPodEvictionPolicy::IfHealthyBudget => desired > 0 && current >= desired,
        };
        if !candidate.is_ready && goes_free {
            return Ok(());
        }
        if allowed == 0 {
            return Err(self.status);
        }
        self.status.disruptions_allowed -= 1;
        self.disrupted.push((candidate.pod, now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(least: &str, most: &str) -> Config {
        let read = |text: &str| text.parse().ok();
        Config {
            min_available: read(least),
            max_unavailable: read(most),
            ..Config::default()
        }
    }

    #[test]
    fn a_budget_wants_what_its_numbers_say() {
        // Source: Kubernetes 1.34 `pkg/controller/disruption`: both percentages are rounded up, a number of pods is taken as it is.
        // Rows: minAvailable, maxUnavailable, replicas, desired healthy. 50 % of 7 is 3.5: at least 4, or at most 4 away: 3.
        let rows = [
            ("2", "", 10, 2),
            ("50%", "", 7, 4),
            ("100%", "", 10, 10),
            ("", "1", 10, 9),
            ("", "50%", 7, 3),
            ("", "30%", 10, 7),
            ("", "20", 10, 0),
        ];
        for (least, most, replicas, desired) in rows {
            let found = budget(least, most).desired_healthy(replicas);
            assert_eq!(found, desired, "{least} {most} of {replicas}");
        }
        let of_none = Status::new(&budget("0", ""), 0, 0);
        assert_eq!(of_none.disruptions_allowed, 0);
    }

    fn healthy(pod: u32) -> Candidate {
        Candidate {
            pod: PodId(pod),
            is_pending: false,
            is_ready: true,
        }
    }

    #[test]
    fn an_eviction_counts_at_once_and_until_it_is_seen() {
        // 3 healthy of 3, at least 2: one may go. Until a replacement is ready, none.
        let mut it = Budget::new(budget("2", ""), 3, 3);
        let at = |seconds| SimTime::ZERO + SimDuration::from_secs(seconds);
        let pods = [PodId(0), PodId(1), PodId(2)];
        assert_eq!(it.evict(healthy(0), at(0)), Ok(()));
        assert!(it.evict(healthy(1), at(0)).is_err());
        // The controller looks before it has seen the deletion: the pod is not healthy to it any more.
        it.sync(3, &pods, |_| false, at(1));
        assert_eq!(it.status().current_healthy, 2);
        assert!(it.evict(healthy(1), at(1)).is_err());
        // Seen to leave; a new pod is ready: one may go again.
        it.sync(
            3,
            &[PodId(1), PodId(2), PodId(3)],
            |pod| pod == PodId(0),
            at(9),
        );
        assert_eq!(it.evict(healthy(1), at(9)), Ok(()));
        // A pod that never goes counts again after two minutes.
        let (before, after) = (at(9 + 120), at(9 + 121));
        it.sync(3, &pods, |_| false, before);
        assert_eq!(it.status().current_healthy, 2);
        it.sync(3, &pods, |_| false, after);
        assert_eq!(it.status().current_healthy, 3);
    }

    #[test]
    fn pods_that_are_not_ready_go_as_the_policy_says() {
        // Source: Kubernetes 1.34 `pkg/registry/core/pod/storage/eviction.go`.
        // Rows: policy, healthy pods of 3, whether a pod that is not ready may go; at least 2 must be healthy.
        use UnhealthyPodEvictionPolicy::{AlwaysAllow, IfHealthyBudget};
        let rows = [
            (IfHealthyBudget, 2, true),
            (IfHealthyBudget, 1, false),
            (AlwaysAllow, 1, true),
        ];
        for (policy, ready, goes) in rows {
            let config = Config {
                unhealthy_pod_eviction_policy: policy,
                ..budget("2", "")
            };
            let mut it = Budget::new(config, 3, ready);
            let unready = Candidate {
                is_ready: false,
                ..healthy(2)
            };
            assert_eq!(
                it.evict(unready, SimTime::ZERO).is_ok(),
                goes,
                "{policy:?} {ready}"
            );
            assert_eq!(it.status().disruptions_allowed, 0, "it costs nothing");
        }
        // A pod that is Pending is asked by nobody.
        let mut it = Budget::new(budget("100%", ""), 3, 3);
        let pending = Candidate {
            is_pending: true,
            ..healthy(2)
        };
        assert_eq!(it.evict(pending, SimTime::ZERO), Ok(()));
    }
}
