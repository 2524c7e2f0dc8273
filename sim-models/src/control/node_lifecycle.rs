//! When does the control plane give up a silent node, and what follows?

use super::kubelet::next_tick;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{Dist, SimDuration, SimTime};

use crate::placement::taint::{Taint, TaintEffect, Toleration, UNREACHABLE};
use crate::quantity::Rate;

/// The node lifecycle controller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Pause between two passes over all nodes.
    ///
    /// Range: above 0. Default: "5s".
    /// Source: kube-controller-manager, `--node-monitor-period`.
    pub monitor_period: SimDuration,

    /// A node that was silent for longer than this becomes Unknown.
    ///
    /// Range: "10s" and up; plausible "40s" to "50s". Default: "50s".
    /// Source: kube-controller-manager 1.32 and later, `--node-monitor-grace-period`; "40s" before.
    pub monitor_grace_period: SimDuration,

    /// A pass's own time.
    ///
    /// Range: above 0; plausible 1 ms to 1 s. Default: "30ms".
    /// Assumption: no source; it decides whether the tenth pass comes before or after the grace period's end.
    pub pass_time: SimDuration,

    /// Marking one pod of a lost node as not ready; one after the other.
    ///
    /// Range: above 0; plausible 5 to 50 ms. Default: "10ms".
    /// Assumption: one request, after those that `cluster.controller_manager.qps` and its `burst` let through.
    pub mark_pod: SimDuration,

    /// NoExecute taints per second in a zone.
    ///
    /// Range: above 0. Default: "0.1/s".
    /// Source: kube-controller-manager, `--node-eviction-rate`.
    pub eviction_rate: Rate,

    /// The same in a large zone of which a large part is not ready. In a small one there are none then.
    ///
    /// Range: above 0. Default: "0.01/s".
    /// Source: kube-controller-manager, `--secondary-node-eviction-rate`.
    pub secondary_eviction_rate: Rate,

    /// From this share of nodes on that are not ready, and more than two of them, a zone is disrupted in part.
    ///
    /// Range: 0 to 1. Default: 0.55.
    /// Source: kube-controller-manager, `--unhealthy-zone-threshold`.
    pub unhealthy_zone_threshold: f64,

    /// A zone with more nodes than this is large.
    ///
    /// Range: 0 and up. Default: 50.
    /// Source: kube-controller-manager, `--large-cluster-size-threshold`.
    pub large_cluster_size: u32,
}

/// How a zone is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneState {
    /// Most of its nodes are ready.
    Normal,
    /// More than two nodes, and a large part of all, are not ready.
    PartialDisruption,
    /// No node is ready.
    FullDisruption,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            monitor_period: SimDuration::from_secs(5),
            monitor_grace_period: SimDuration::from_secs(50),
            pass_time: SimDuration::from_millis(30),
            mark_pod: SimDuration::from_millis(10),
            eviction_rate: Rate::per_second(0.1).expect("0.1 is above 0"),
            secondary_eviction_rate: Rate::per_second(0.01).expect("0.01 is above 0"),
            unhealthy_zone_threshold: 0.55,
            large_cluster_size: 50,
        }
    }
}

/// How long pods tolerate a lost node before they are deleted: 300 s.
///
/// Source: Kubernetes admission plugin `DefaultTolerationSeconds`.
pub fn default_toleration() -> SimDuration {
    SimDuration::from_secs(300)
}

/// How long pods stay on a node that is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patience {
    /// As long as the cluster's default says.
    #[default]
    Default,
    /// This long.
    For(SimDuration),
    /// For ever.
    Forever,
}

impl Patience {
    /// What a pod's tolerations say of the taint with the effect NoExecute on a lost node.
    ///
    /// Source: Kubernetes admission plugin `DefaultTolerationSeconds`; 1.34 `pkg/controller/tainteviction`, `getMinTolerationTime`.
    pub fn of(tolerations: &[Toleration]) -> Self {
        let taint = Taint {
            key: UNREACHABLE.to_owned(),
            value: String::new(),
            effect: TaintEffect::NoExecute,
        };
        let matching = || tolerations.iter().filter(|it| it.accepts(&taint));
        if matching().next().is_none() {
            return Self::Default;
        }
        let shortest = matching().filter_map(|it| it.toleration_seconds).min();
        shortest.map_or(Self::Forever, |seconds| {
            Self::For(SimDuration::from_secs(seconds))
        })
    }
}

/// From the end of a node's trouble until its pods are ready again: 1 to 15 s.
///
/// Assumption: sum of a lease renewal, a status write and a pass (Kubernetes 1.34 defaults).
pub fn node_recovery() -> Dist {
    Dist::Uniform {
        low: SimDuration::from_secs(1),
        high: SimDuration::from_secs(15),
    }
}

impl Config {
    /// How a zone with so many nodes, ready and not, is doing.
    ///
    /// Source: Kubernetes 1.34 `pkg/controller/nodelifecycle/node_lifecycle_controller.go`, `ComputeZoneState`.
    pub fn zone_state(&self, ready: u32, not_ready: u32) -> ZoneState {
        let all = f64::from(ready) + f64::from(not_ready);
        if ready == 0 && not_ready > 0 {
            ZoneState::FullDisruption
        } else if not_ready > 2 && f64::from(not_ready) >= self.unhealthy_zone_threshold * all {
            ZoneState::PartialDisruption
        } else {
            ZoneState::Normal
        }
    }

    /// Time between two NoExecute taints in a zone of so many nodes; `None`: none is set.
    ///
    /// Source: Kubernetes 1.34 `pkg/controller/nodelifecycle/node_lifecycle_controller.go`, `setLimiterInZone`.
    pub fn taint_pause(&self, state: ZoneState, nodes: u32) -> Option<SimDuration> {
        let rate = match state {
            ZoneState::Normal | ZoneState::FullDisruption => self.eviction_rate,
            ZoneState::PartialDisruption if nodes > self.large_cluster_size => {
                self.secondary_eviction_rate
            }
            ZoneState::PartialDisruption => return None,
        };
        Some(SimDuration::from_secs_f64(1.0 / rate.as_per_second()))
    }

    /// From one pass to the next.
    pub fn cycle(&self) -> SimDuration {
        self.monitor_period + self.pass_time
    }

    /// The first pass at some time or after it.
    pub fn pass_after(&self, at: SimTime, phase: SimDuration) -> SimTime {
        next_tick(at, phase, self.cycle())
    }

    /// The pass that makes a node Unknown which renewed its lease for the last time `age` before `silent`.
    ///
    /// A pass happens at every `phase` plus a multiple of the cycle. The controller counts from the first
    /// pass that saw the last renewal, and compares strictly.
    ///
    /// Source: Kubernetes 1.34 `pkg/controller/nodelifecycle/node_lifecycle_controller.go`.
    pub fn unknown_at(&self, silent: SimTime, age: SimDuration, phase: SimDuration) -> SimTime {
        let cycle = i128::from(self.cycle().as_nanos());
        let renewed = i128::from(silent.as_nanos()) - i128::from(age.as_nanos());
        let since_phase = renewed - i128::from(phase.as_nanos());
        let seen = since_phase.div_euclid(cycle) * cycle + cycle + i128::from(phase.as_nanos());
        let passes = i128::from(self.monitor_grace_period.as_nanos()) / cycle + 1;
        let unknown = seen + passes * cycle;
        // A node that was silent long before the run began is found at its begin.
        SimTime::from_nanos(u64::try_from(unknown).unwrap_or(0)).max(silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_disrupted_by_how_many_of_its_nodes_are_not_ready() {
        // Source: Kubernetes 1.34 `node_lifecycle_controller.go`. Rows: ready, not ready, state, seconds between taints.
        // 3 of 5 are 60 %; 3 of 6 are 50 %; 2 of 3 are not more than two; 33 of 60 are 55 %, in a zone of more than 50 nodes.
        use ZoneState::{FullDisruption, Normal, PartialDisruption};
        let rows = [
            (4, 0, Normal, Some(10)),
            (0, 0, Normal, Some(10)),
            (1, 2, Normal, Some(10)),
            (3, 3, Normal, Some(10)),
            (2, 3, PartialDisruption, None),
            (27, 33, PartialDisruption, Some(100)),
            (28, 32, Normal, Some(10)),
            (0, 1, FullDisruption, Some(10)),
            (0, 60, FullDisruption, Some(10)),
        ];
        let config = Config::default();
        for (ready, not_ready, state, pause) in rows {
            assert_eq!(
                config.zone_state(ready, not_ready),
                state,
                "{ready}+{not_ready}"
            );
            let found = config.taint_pause(state, ready + not_ready);
            assert_eq!(found, pause.map(SimDuration::from_secs));
        }
    }

    fn unknown_after(age_millis: u64, phase_millis: u64) -> f64 {
        let silent = SimTime::ZERO + SimDuration::from_secs(100);
        let age = SimDuration::from_millis(age_millis);
        let phase = SimDuration::from_millis(phase_millis);
        let at = Config::default().unknown_at(silent, age, phase);
        (at - silent).as_secs_f64()
    }

    #[test]
    fn the_grace_period_is_ten_passes_of_the_controller() {
        // Passes 5.03 s apart: ten of them are 50.3 s, the first beyond 50 s. The nineteenth pass is at
        // 19 x 5.03 = 95.57 s, the twentieth at 100.60 s.
        // Renewed at 99 s: seen at 100.60 s, Unknown at 150.90 s. Renewed at 95 s: seen at 95.57 s, Unknown at 145.87 s.
        assert!((unknown_after(1_000, 0) - 50.90).abs() < 1e-9);
        assert!((unknown_after(5_000, 0) - 45.87).abs() < 1e-9);
    }

    #[test]
    fn the_ends_are_those_of_kubernetes_own_arithmetic() {
        // Source: derived from the lease (10 s x U(1, 1.04)) and the pass: 39.9 to 55.4 s, mean 47.7 s.
        let mut sum = 0.0;
        let (mut least, mut most) = (f64::MAX, 0.0_f64);
        for age in (0..10_200).step_by(17) {
            for phase in (0..5_030).step_by(23) {
                let after = unknown_after(age, phase);
                (least, most, sum) = (least.min(after), most.max(after), sum + after);
            }
        }
        let mean = sum / (600.0 * 219.0);
        assert!((least - 40.1).abs() < 0.1 && (most - 55.3).abs() < 0.1);
        // 50.3 + 5.03 / 2 - 10.2 / 2 = 47.7.
        assert!((mean - 47.7).abs() < 0.05, "{mean}");
    }

    #[test]
    fn the_shortest_toleration_of_the_taint_counts() {
        // Source: Kubernetes, "Taints and Tolerations": without a toleration admission adds one of 300 s; one without an end holds for ever.
        use crate::placement::taint::TolerationOperator::Exists;
        let toleration = |key: &str, effect, seconds| Toleration {
            key: key.to_owned(),
            operator: Exists,
            effect,
            toleration_seconds: seconds,
            ..Toleration::default()
        };
        let execute = Some(TaintEffect::NoExecute);
        let seconds = |seconds| Patience::For(SimDuration::from_secs(seconds));
        let rows = [
            (vec![], Patience::Default),
            (vec![toleration("dedicated", None, None)], Patience::Default),
            (
                vec![toleration(UNREACHABLE, Some(TaintEffect::NoSchedule), None)],
                Patience::Default,
            ),
            (
                vec![toleration(UNREACHABLE, execute, Some(30))],
                seconds(30),
            ),
            (vec![toleration("", None, None)], Patience::Forever),
            (
                vec![
                    toleration(UNREACHABLE, execute, Some(60)),
                    toleration("", None, Some(20)),
                    toleration("", None, None),
                ],
                seconds(20),
            ),
        ];
        for (tolerations, expected) in rows {
            assert_eq!(Patience::of(&tolerations), expected, "{tolerations:?}");
        }
    }
}
