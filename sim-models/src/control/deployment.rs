//! How does a Deployment replace its pods?
//!
//! A rolling update scales the new ReplicaSet up and the old one down, a step at each look, within a
//! surge above the wanted replicas and a number of them that may be unavailable.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::SimDuration;

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
    /// Pods above the wanted replicas, in percent of them, rounded up.
    ///
    /// Range: 0 to 100. Default: 25.
    /// Source: Kubernetes API apps/v1, `RollingUpdateDeployment.maxSurge`.
    pub max_surge_percent: u32,

    /// Replicas that may be unavailable, in percent, rounded down.
    ///
    /// Range: 0 to 100. Default: 25.
    /// Source: Kubernetes API apps/v1, `RollingUpdateDeployment.maxUnavailable`.
    pub max_unavailable_percent: u32,
}

impl Default for RollingUpdate {
    fn default() -> Self {
        Self {
            max_surge_percent: 25,
            max_unavailable_percent: 25,
        }
    }
}

/// One sync of the workload controllers, where nothing else is said: 10 ms.
///
/// Assumption: within the API's own latency.
pub const WORKLOAD_SYNC: SimDuration = SimDuration::from_millis(10);

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
        let surge = (replicas * self.max_surge_percent).div_ceil(100);
        let unavailable = (replicas * self.max_unavailable_percent / 100).min(replicas);
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
            max_surge_percent: 0,
            max_unavailable_percent: 0,
        };
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
}
