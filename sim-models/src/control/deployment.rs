//! How does a Deployment replace its pods?
//!
//! A rolling update scales the new ReplicaSet up and the old one down, a step at each look, within a
//! surge above the wanted replicas and a number of them that may be unavailable.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{SimDuration, SimTime};

use super::int_or_percent::IntOrPercent;

/// `strategy` of a Deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Strategy {
    /// How wide a rolling update is.
    pub rolling_update: RollingUpdate,
}

/// How wide a rolling update is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RollingUpdate {
    /// Pods above the wanted replicas: a number, or a percentage of them, rounded up.
    ///
    /// Range: 0 and up; not 0 together with `max_unavailable`. Default: "25%".
    /// Source: Kubernetes API apps/v1, `RollingUpdateDeployment.maxSurge`.
    pub max_surge: IntOrPercent,

    /// Replicas that may be unavailable: a number, or a percentage, rounded down.
    ///
    /// Range: 0 and up; not 0 together with `max_surge`. Default: "25%".
    /// Source: Kubernetes API apps/v1, `RollingUpdateDeployment.maxUnavailable`.
    pub max_unavailable: IntOrPercent,
}

impl Default for RollingUpdate {
    fn default() -> Self {
        Self {
            max_surge: IntOrPercent::Percent(25),
            max_unavailable: IntOrPercent::Percent(25),
        }
    }
}

/// How long a Deployment's rollout may go without progress, where nothing else is said: 600 s.
///
/// Source: Kubernetes API apps/v1, `DeploymentSpec.progressDeadlineSeconds`.
pub fn progress_deadline() -> SimDuration {
    SimDuration::from_secs(600)
}

/// How long the controllers of a Deployment take for what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From a change until they have looked at it.
    pub workload_sync: SimDuration,
    /// From the request to create a pod until it is there.
    pub create_pod: SimDuration,
    /// From the request to delete a pod until it is marked.
    pub delete_pod: SimDuration,
}

/// A sync, or a request to the API server, where nothing else is said: 10 ms.
///
/// Assumption: within the API's own latency.
pub fn api_time() -> SimDuration {
    SimDuration::from_millis(10)
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            workload_sync: api_time(),
            create_pod: api_time(),
            delete_pod: api_time(),
        }
    }
}

/// Pods that a ReplicaSet creates or deletes in one sync at most.
///
/// Source: Kubernetes 1.34 `pkg/controller/replicaset/replica_set.go`, `BurstReplicas`.
pub const BURST_REPLICAS: u32 = 500;

/// The pods that a ReplicaSet creates in one sync: the first one alone and then each time twice as many at once, so that pods which the API
/// server refuses are not tried by the hundred.
///
/// Source: Kubernetes 1.34 `pkg/controller/replicaset/replica_set.go`, `slowStartBatch`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlowStart {
    left: u32,
    batch: u32,
}

impl SlowStart {
    /// A sync that finds so many pods missing.
    pub fn new(missing: u32) -> Self {
        Self {
            left: missing.min(BURST_REPLICAS),
            batch: 1,
        }
    }

    /// How many pods come next; 0 when all are there.
    pub fn next_batch(&mut self) -> u32 {
        let now = self.batch.min(self.left);
        self.left -= now;
        self.batch *= 2;
        now
    }
}

/// How far a rolling update may stray from the wanted replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wanted replicas.
    pub replicas: u32,
    /// Pods above them.
    pub surge: u32,
    /// Replicas that may be unavailable.
    pub unavailable: u32,
}

impl RollingUpdate {
    /// The limits for a number of replicas.
    ///
    /// Source: Kubernetes 1.34 `pkg/controller/deployment/util/deployment_util.go`: the surge is rounded up,
    /// the unavailable down, and one replica may be unavailable where both come out as 0.
    pub fn limits(&self, replicas: u32) -> Limits {
        let surge = self.max_surge.rounded_up(replicas);
        let unavailable = self.max_unavailable.rounded_down(replicas).min(replicas);
        let unavailable = if surge == 0 && unavailable == 0 {
            1
        } else {
            unavailable
        };
        Limits {
            replicas,
            surge,
            unavailable,
        }
    }
}

/// What the controller counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Replicas that the old ReplicaSets shall have.
    pub old: u32,
    /// Replicas that the new ReplicaSet shall have.
    pub new: u32,
    /// Available pods of the old ReplicaSets.
    pub old_available: u32,
    /// Available pods of the new ReplicaSet.
    pub new_available: u32,
}

/// The next step: how many replicas the old and the new ReplicaSet shall have. The same as before when
/// there is nothing to do.
///
/// Source: Kubernetes 1.34 `pkg/controller/deployment/rolling.go`: scale up and stop if that changed
/// anything, else scale down, unhealthy replicas first. Pods that terminate do not count.
pub fn step(counts: Counts, limits: Limits) -> (u32, u32) {
    let Counts {
        old,
        new,
        old_available,
        new_available,
    } = counts;
    let total = old + new;
    let most = limits.replicas + limits.surge;
    if new < limits.replicas && total < most {
        return (old, limits.replicas.min(new + (most - total)));
    }
    let least = limits.replicas - limits.unavailable;
    let new_unavailable = new.saturating_sub(new_available);
    let may_go = total.saturating_sub(least + new_unavailable);
    // Replicas that are not available go first; the others only above the least number of available ones.
    let unhealthy = old.saturating_sub(old_available).min(may_go);
    let available = old_available + new_available;
    let healthy = available
        .saturating_sub(least)
        .min(may_go - unhealthy)
        .min(old - unhealthy);
    (old - unhealthy - healthy, new)
}

/// From when on a pod that has been ready since then is available.
///
/// Source: Kubernetes 1.34 `pkg/api/v1/pod/util.go`, `IsPodAvailable`. The real ReplicaSet controller looks at the earliest at the end of
/// that second, because the API keeps whole seconds.
pub fn available_from(ready_since: SimTime, min_ready: SimDuration) -> SimTime {
    ready_since + min_ready
}

/// What the controller writes into a Deployment's status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Pods of the new ReplicaSet.
    pub updated: u32,
    /// Pods of the old ones.
    pub old: u32,
    /// Pods that are ready.
    pub ready: u32,
    /// Pods that are available.
    pub available: u32,
}

impl Status {
    /// Whether a rollout has come further since an earlier status.
    ///
    /// Source: Kubernetes 1.34 `pkg/controller/deployment/util/deployment_util.go`, `DeploymentProgressing`.
    pub fn is_further_than(&self, before: &Self) -> bool {
        self.updated > before.updated
            || self.old < before.old
            || self.ready > before.ready
            || self.available > before.available
    }

    /// Whether a rollout has come to its end.
    ///
    /// Source: Kubernetes 1.34 `pkg/controller/deployment/util/deployment_util.go`, `DeploymentComplete`.
    pub fn is_complete(&self, replicas: u32) -> bool {
        self.updated == replicas && self.old == 0 && self.available == replicas
    }
}

/// How far a rollout has come, and whether the condition Progressing still says that it does.
///
/// Source: Kubernetes 1.34 `pkg/controller/deployment/progress.go`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    status: Status,
    /// When it last came further.
    last: SimTime,
    /// Progressing=False, reason ProgressDeadlineExceeded.
    is_late: bool,
}

/// What a look at a rollout brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// As before.
    Same,
    /// Progressing=True, reason ReplicaSetUpdated, after it was late.
    Resumed,
    /// Progressing=False, reason ProgressDeadlineExceeded. The rollout goes on as it did; nothing is rolled back.
    DeadlineExceeded,
    /// Progressing=True, reason NewReplicaSetAvailable: the rollout has come to its end.
    Complete,
}

impl Progress {
    /// A rollout begins.
    pub fn begin(status: Status, now: SimTime) -> Self {
        Self {
            status,
            last: now,
            is_late: false,
        }
    }

    /// The controller looks.
    pub fn look(
        &mut self,
        status: Status,
        replicas: u32,
        deadline: SimDuration,
        now: SimTime,
    ) -> Condition {
        let further = status.is_further_than(&self.status);
        self.status = status;
        if status.is_complete(replicas) {
            return Condition::Complete;
        }
        if further {
            self.last = now;
            return match std::mem::take(&mut self.is_late) {
                true => Condition::Resumed,
                false => Condition::Same,
            };
        }
        if !self.is_late && now >= self.late_from(deadline) {
            self.is_late = true;
            return Condition::DeadlineExceeded;
        }
        Condition::Same
    }

    /// When it is late, if it comes no further.
    pub fn late_from(&self, deadline: SimDuration) -> SimTime {
        self.last + deadline
    }

    /// Whether it is late.
    pub fn is_late(&self) -> bool {
        self.is_late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_round_the_surge_up_and_the_unavailable_down() {
        // Source: Kubernetes, "Deployments": 25 % of 10, 4, 3 and 1 replicas.
        let limits = |replicas| {
            let Limits {
                surge, unavailable, ..
            } = RollingUpdate::default().limits(replicas);
            (surge, unavailable)
        };
        assert_eq!(
            [limits(10), limits(4), limits(3), limits(1)],
            [(3, 2), (1, 1), (1, 0), (1, 0)]
        );
        let none = RollingUpdate {
            max_surge: IntOrPercent::Percent(0),
            max_unavailable: IntOrPercent::Percent(5),
        };
        // 5 % of 10 is 0.5, which is none.
        assert_eq!(none.limits(10).unavailable, 1);
    }

    /// Steps until nothing changes, with this many available pods of the new ReplicaSet.
    fn steps(mut old: u32, mut new: u32, ready: bool) -> Vec<(u32, u32)> {
        let mut trace = Vec::new();
        let new_available = if ready { new } else { 0 };
        loop {
            let counts = Counts {
                old,
                new,
                old_available: old,
                new_available,
            };
            let next = step(counts, RollingUpdate::default().limits(10));
            if next == (old, new) {
                return trace;
            }
            (old, new) = next;
            trace.push(next);
        }
    }

    #[test]
    fn ten_replicas_are_replaced_in_two_waves() {
        // Source: derived from `rolling.go` with 10 replicas, surge 3, unavailable 2.
        assert_eq!(steps(10, 0, true), [(10, 3), (8, 3), (8, 5)]);
        assert_eq!(steps(8, 5, true), [(3, 5), (3, 10)]);
        assert_eq!(steps(3, 10, true), [(0, 10)]);
    }

    #[test]
    fn a_rollout_that_never_gets_ready_rests_at_eight_and_five() {
        assert_eq!(steps(10, 0, false).last(), Some(&(8, 5)));
        assert_eq!(steps(8, 5, false), []);
    }

    #[test]
    fn pods_are_created_in_batches_that_double() {
        let batches = |missing| {
            let mut start = SlowStart::new(missing);
            std::iter::repeat_with(move || start.next_batch()).take_while(|&it| it > 0)
        };
        assert_eq!(batches(0).count(), 0);
        assert!(batches(1).eq([1]));
        assert!(batches(10).eq([1, 2, 4, 3]));
        // 500 a sync: 1 + 2 + .. + 128 = 255, and 245 more.
        assert!(batches(900).eq([1, 2, 4, 8, 16, 32, 64, 128, 245]));
    }

    #[test]
    fn a_rollout_is_late_when_nothing_has_moved_for_the_deadline() {
        // Begins at 0 with 10 old pods; 3 new ones at 1 s; nothing more until 602 s, then one is ready.
        let at = |seconds| SimTime::ZERO + SimDuration::from_secs(seconds);
        let status = |updated, old, ready| Status {
            updated,
            old,
            ready,
            available: ready,
        };
        let mut progress = Progress::begin(status(0, 10, 10), at(0));
        let mut look =
            |status, seconds| progress.look(status, 10, progress_deadline(), at(seconds));
        assert_eq!(look(status(3, 8, 8), 1), Condition::Same);
        assert_eq!(look(status(3, 8, 8), 600), Condition::Same);
        assert_eq!(look(status(3, 8, 8), 601), Condition::DeadlineExceeded);
        assert_eq!(look(status(3, 8, 8), 602), Condition::Same);
        assert_eq!(look(status(3, 8, 9), 603), Condition::Resumed);
        assert_eq!(look(status(10, 0, 10), 604), Condition::Complete);
    }

    #[test]
    fn a_pod_that_becomes_unready_is_no_progress() {
        let before = Status {
            updated: 5,
            old: 8,
            ready: 9,
            available: 9,
        };
        let worse = Status { ready: 8, ..before };
        assert!(!worse.is_further_than(&before) && before.is_further_than(&worse));
        let fewer = Status { old: 7, ..before };
        assert!(fewer.is_further_than(&before));
    }
}
