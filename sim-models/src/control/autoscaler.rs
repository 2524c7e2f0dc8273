//! How many replicas does a HorizontalPodAutoscaler want?
//!
//! It looks every 15 s at the cpu that pods use, as share of what they request: [`recommend`] is the ratio to the target, and what
//! becomes of pods that are not ready or have no metrics. [`Memory`] then holds recommendations back and keeps the pace.
//!
//! Source: Kubernetes 1.34 `pkg/controller/podautoscaler` (`replica_calculator.go`, `horizontal.go`).

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{SimDuration, SimTime};

use crate::placement::quantity::Cpu;

/// A HorizontalPodAutoscaler on cpu utilization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Fewest replicas.
    ///
    /// Range: 1 and up, at most `max_replicas`. Default: 1.
    /// Source: Kubernetes API autoscaling/v2, `HorizontalPodAutoscalerSpec.minReplicas`.
    #[serde(default = "one")]
    pub min_replicas: NonZeroU32,

    /// Most replicas.
    ///
    /// Required. Range: 1 and up.
    pub max_replicas: NonZeroU32,

    /// The wanted cpu usage of all pods, in percent of what they request.
    ///
    /// Range: 1 and up. Default: 80.
    /// Source: Kubernetes API autoscaling/v2: cpu utilization at 80 percent where no metric is given.
    #[serde(default = "eighty")]
    pub cpu_utilization: NonZeroU32,

    /// Cpu that a worker uses while it works on a request. A worker that waits for a database most of its time uses little.
    ///
    /// Default: "1".
    /// Assumption: work is computing.
    #[serde(default = "core")]
    pub cpu_per_worker: Cpu,

    /// How fast it may go, and for how long it hesitates.
    ///
    /// Default: none; up to twice the replicas or 4 in one step, and down as far as all recommendations of the last 300 s go.
    #[serde(default)]
    pub behavior: Option<Behavior>,

    /// Time between two looks.
    ///
    /// Range: above 0. Default: "15s".
    /// Source: kube-controller-manager, `--horizontal-pod-autoscaler-sync-period`.
    #[serde(default = "fifteen_seconds")]
    pub sync: SimDuration,

    /// A ratio of usage to target this close to 1 changes nothing.
    ///
    /// Range: 0 to 1. Default: 0.1.
    /// Source: kube-controller-manager, `--horizontal-pod-autoscaler-tolerance`.
    #[serde(default = "tenth")]
    pub tolerance: f64,

    /// Without `behavior`: of all recommendations of this long, the highest counts.
    ///
    /// Range: 0 and up. Default: "300s".
    /// Source: kube-controller-manager, `--horizontal-pod-autoscaler-downscale-stabilization`.
    #[serde(default = "five_minutes")]
    pub down_window: SimDuration,

    /// For so long after its start a pod's cpu counts only when it is ready and a window of metrics has passed since.
    ///
    /// Range: 0 and up. Default: "300s".
    /// Source: kube-controller-manager, `--horizontal-pod-autoscaler-cpu-initialization-period`.
    #[serde(default = "five_minutes")]
    pub cpu_initialization_period: SimDuration,

    /// A pod that is not ready and last changed within this long after its start has never been ready.
    ///
    /// Range: 0 and up. Default: "30s".
    /// Source: kube-controller-manager, `--horizontal-pod-autoscaler-initial-readiness-delay`.
    #[serde(default = "half_a_minute")]
    pub initial_readiness_delay: SimDuration,

    /// How often metrics-server asks the kubelets. A sample is the mean usage since the one before.
    ///
    /// Range: above 0. Default: "15s".
    /// Source: kubernetes-sigs/metrics-server, `--metric-resolution`.
    #[serde(default = "fifteen_seconds")]
    pub metrics_resolution: SimDuration,

    /// From the end of a sample's window until the autoscaler can read it.
    ///
    /// Range: 0 and up; plausible 5 to 20 s. Default: "10s".
    /// Source: google/cadvisor#2496: housekeeping every 10 to 15 s.
    #[serde(default = "ten_seconds")]
    pub metrics_delay: SimDuration,
}

/// How fast it may go, and for how long it hesitates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Behavior {
    /// Towards more replicas.
    ///
    /// Default: no window; 4 pods or 100 percent in 15 s, whichever is more.
    pub scale_up: Rules,

    /// Towards fewer replicas.
    ///
    /// Default: a window of 300 s; 100 percent in 15 s.
    pub scale_down: Rules,
}

/// Limits of one direction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Of all recommendations of this long, the most cautious counts.
    ///
    /// Range: "0s" to "3600s". Default: "0s" up, "300s" down.
    /// Source: Kubernetes API autoscaling/v2, `HPAScalingRules.stabilizationWindowSeconds`.
    pub stabilization_window: Option<SimDuration>,

    /// Which of the policies counts.
    ///
    /// Default: Max.
    pub select_policy: SelectPolicy,

    /// How much may change in how long. An empty list means the default.
    ///
    /// Default: [Pods(value: 4, period: "15s"), Percent(value: 100, period: "15s")] up, [Percent(value: 100, period: "15s")] down.
    /// Source: Kubernetes API autoscaling/v2, `HPAScalingRules.policies`.
    pub policies: Vec<Policy>,

    /// A ratio of usage to target this close to 1 changes nothing in this direction.
    ///
    /// Range: 0 to 1. Default: the autoscaler's.
    /// Source: Kubernetes API autoscaling/v2, `HPAScalingRules.tolerance` (1.35 and later).
    pub tolerance: Option<f64>,
}

/// Which of several policies counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SelectPolicy {
    /// The one that allows the greatest change.
    #[default]
    Max,
    /// The one that allows the least change.
    Min,
    /// None: no change in this direction.
    Disabled,
}

/// How much may change in how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Policy {
    /// So many pods.
    Pods {
        /// Pods.
        ///
        /// Required. Range: 1 and up.
        value: NonZeroU32,
        /// In this time.
        ///
        /// Range: "1s" to "1800s". Default: "15s".
        #[serde(default = "fifteen_seconds")]
        period: SimDuration,
    },
    /// A share of the replicas at the begin of the period: rounded up on the way up, down on the way down.
    Percent {
        /// Percent.
        ///
        /// Required. Range: 1 and up.
        value: NonZeroU32,
        /// In this time.
        ///
        /// Range: "1s" to "1800s". Default: "15s".
        #[serde(default = "fifteen_seconds")]
        period: SimDuration,
    },
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("a default is above 0")
}

fn eighty() -> NonZeroU32 {
    number(80)
}

fn core() -> Cpu {
    Cpu::millis(1_000)
}

fn tenth() -> f64 {
    0.1
}

fn ten_seconds() -> SimDuration {
    SimDuration::from_secs(10)
}

fn fifteen_seconds() -> SimDuration {
    SimDuration::from_secs(15)
}

fn half_a_minute() -> SimDuration {
    SimDuration::from_secs(30)
}

fn five_minutes() -> SimDuration {
    SimDuration::from_secs(300)
}

impl Config {
    /// One with the defaults of Kubernetes.
    pub fn up_to(max_replicas: NonZeroU32) -> Self {
        Self {
            min_replicas: one(),
            max_replicas,
            cpu_utilization: eighty(),
            cpu_per_worker: core(),
            behavior: None,
            sync: fifteen_seconds(),
            tolerance: tenth(),
            down_window: five_minutes(),
            cpu_initialization_period: five_minutes(),
            initial_readiness_delay: half_a_minute(),
            metrics_resolution: fifteen_seconds(),
            metrics_delay: ten_seconds(),
        }
    }

    /// Whether a ratio is close enough to 1.
    fn tolerates(&self, ratio: f64) -> bool {
        let of = |rules: fn(&Behavior) -> &Rules| {
            let own = self.behavior.as_ref().and_then(|it| rules(it).tolerance);
            own.unwrap_or(self.tolerance)
        };
        1.0 - of(|it| &it.scale_down) <= ratio && ratio <= 1.0 + of(|it| &it.scale_up)
    }
}

impl Rules {
    /// The policies that are given, or others.
    fn policies_or<'a>(&'a self, default: &'a [Policy]) -> &'a [Policy] {
        match self.policies.as_slice() {
            [] => default,
            policies => policies,
        }
    }
}

/// 100 percent in a period.
fn twofold(period: SimDuration) -> Policy {
    Policy::Percent {
        value: number(100),
        period,
    }
}

/// Cpu usage of a pod over a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// In thousandths of a core.
    pub millis: i64,
    /// When the window ended.
    pub at: SimTime,
    /// How long it was.
    pub window: SimDuration,
}

/// A pod as the autoscaler sees it. Pods that are being deleted are not shown to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Its phase is Pending.
    pub is_pending: bool,
    /// Its condition Ready.
    pub is_ready: bool,
    /// When it started; `None`: long ago.
    pub started: Option<SimTime>,
    /// When the condition Ready changed for the last time; `None`: long ago.
    pub changed: Option<SimTime>,
    /// Its latest metrics.
    pub sample: Option<Sample>,
}

/// What becomes of a pod in the calculation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Its metrics count.
    Counted,
    /// It is not ready, or has been for too short a time.
    Unready,
    /// It has no metrics.
    Missing,
}

/// What becomes of a pod in the calculation.
///
/// Source: Kubernetes 1.34 `replica_calculator.go`, `groupPods`.
pub fn group(sight: &Sight, config: &Config, now: SimTime) -> Group {
    if sight.is_pending {
        return Group::Unready;
    }
    let Some(sample) = sight.sample else {
        return Group::Missing;
    };
    let unready = match sight.started {
        Some(started) if started + config.cpu_initialization_period > now => {
            let fresh = |changed: SimTime| sample.at < changed + sample.window;
            !sight.is_ready || sight.changed.is_some_and(fresh)
        }
        Some(started) => {
            let never = |changed| started + config.initial_readiness_delay > changed;
            !sight.is_ready && sight.changed.is_some_and(never)
        }
        None => false,
    };
    if unready {
        Group::Unready
    } else {
        Group::Counted
    }
}

/// What comes out of one look at the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recommendation {
    /// Wanted replicas, before limits.
    pub replicas: u32,
    /// Cpu usage of the counted pods in percent of their requests.
    pub utilization: u32,
}

/// The replicas that bring the usage to its target; `None` where no pod has metrics that count.
///
/// `request` is what each pod requests, in thousandths of a core; it must be above 0.
///
/// Source: Kubernetes 1.34 `replica_calculator.go`, `GetResourceReplicas`.
pub fn recommend(
    pods: &[Sight],
    current: u32,
    request: i64,
    config: &Config,
    now: SimTime,
) -> Option<Recommendation> {
    let groups: Vec<Group> = pods.iter().map(|it| group(it, config, now)).collect();
    let count = |wanted| groups.iter().filter(|&&it| it == wanted).count() as i64;
    let (counted, unready, missing) = (
        count(Group::Counted),
        count(Group::Unready),
        count(Group::Missing),
    );
    if counted == 0 {
        return None;
    }
    let usage: i64 = pods
        .iter()
        .zip(&groups)
        .filter(|&(_, &it)| it == Group::Counted)
        .filter_map(|(pod, _)| pod.sample)
        .map(|sample| sample.millis)
        .sum();
    let target = i64::from(config.cpu_utilization.get());
    // Percent are whole numbers, rounded down.
    let percent = |usage: i64, pods: i64| usage * 100 / (request * pods);
    let ratio_of = |percent: i64| percent as f64 / target as f64;
    let utilization = percent(usage, counted);
    let ratio = ratio_of(utilization);
    let recommended = |replicas| {
        Some(Recommendation {
            replicas,
            utilization: u32::try_from(utilization).unwrap_or(u32::MAX),
        })
    };
    let scales_up_with_unready = unready > 0 && ratio > 1.0;
    if !scales_up_with_unready && missing == 0 {
        return recommended(if config.tolerates(ratio) {
            current
        } else {
            (ratio * counted as f64).ceil() as u32
        });
    }
    // Those that are missing use everything where there would be fewer replicas, and nothing where there would be more.
    let (mut usage, mut pods) = (usage, counted);
    if ratio < 1.0 {
        usage += missing * (request * target.max(100) / 100);
        pods += missing;
    } else if ratio > 1.0 {
        pods += missing;
    }
    if scales_up_with_unready {
        pods += unready;
    }
    let again = ratio_of(percent(usage, pods));
    let turns = (ratio < 1.0 && again > 1.0) || (ratio > 1.0 && again < 1.0);
    if config.tolerates(again) || turns {
        return recommended(current);
    }
    let replicas = (again * pods as f64).ceil() as u32;
    let turns = (again < 1.0 && replicas > current) || (again > 1.0 && replicas < current);
    recommended(if turns { current } else { replicas })
}

/// What an autoscaler remembers: recommendations, and what it did.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    recommendations: Vec<(SimTime, u32)>,
    ups: Vec<(SimTime, u32)>,
    downs: Vec<(SimTime, u32)>,
}

impl Memory {
    /// The replicas that a recommendation leads to.
    ///
    /// Source: Kubernetes 1.34 `horizontal.go`, `normalizeDesiredReplicas` and `normalizeDesiredReplicasWithBehaviors`.
    pub fn decide(&mut self, config: &Config, current: u32, recommended: u32, now: SimTime) -> u32 {
        let (least, most) = (config.min_replicas.get(), config.max_replicas.get());
        if current > most || current < least {
            return self.note(current, current.clamp(least, most), now);
        }
        let desired = match &config.behavior {
            None => {
                let stable = self.highest_of(config.down_window, recommended, now);
                let limit = (2 * current).max(4);
                stable.min(limit).clamp(least, most)
            }
            Some(behavior) => {
                let stable = self.between_windows(behavior, current, recommended, now);
                if stable > current {
                    let limit = self.up_limit(&behavior.scale_up, current, now).max(current);
                    stable.min(limit).min(most)
                } else {
                    let limit = self
                        .down_limit(&behavior.scale_down, current, now)
                        .min(current);
                    stable.max(limit).max(least)
                }
            }
        };
        self.note(current, desired, now)
    }

    /// Remembers a change.
    fn note(&mut self, current: u32, desired: u32, now: SimTime) -> u32 {
        if desired > current {
            self.ups.push((now, desired - current));
        } else if desired < current {
            self.downs.push((now, current - desired));
        }
        desired
    }

    /// The highest recommendation of a window, this one included.
    fn highest_of(&mut self, window: SimDuration, recommended: u32, now: SimTime) -> u32 {
        self.recommendations.push((now, recommended));
        self.recommendations.retain(|&(at, _)| at + window >= now);
        let recent = self.recommendations.iter();
        recent.map(|&(_, it)| it).max().unwrap_or(recommended)
    }

    /// As close to the current replicas as the recommendations of both windows allow.
    fn between_windows(
        &mut self,
        behavior: &Behavior,
        current: u32,
        recommended: u32,
        now: SimTime,
    ) -> u32 {
        let up = behavior.scale_up.stabilization_window.unwrap_or_default();
        let down = behavior.scale_down.stabilization_window;
        let down = down.unwrap_or(five_minutes());
        self.recommendations.push((now, recommended));
        let longest = up.max(down);
        self.recommendations.retain(|&(at, _)| at + longest >= now);
        let within = |window: SimDuration| {
            let recent = self.recommendations.iter();
            let recent = recent.filter(move |&&(at, _)| at == now || at + window > now);
            recent.map(|&(_, it)| it)
        };
        let least = within(up).min().unwrap_or(recommended);
        let most = within(down).max().unwrap_or(recommended);
        current.max(least).min(most)
    }

    /// Replicas at the begin of a period: what it added since is taken back, and what it removed is put back.
    fn at_begin_of(&self, period: SimDuration, current: u32, now: SimTime) -> i64 {
        let sum = |changes: &[(SimTime, u32)]| {
            let recent = changes.iter().filter(|&&(at, _)| at + period > now);
            recent.map(|&(_, by)| i64::from(by)).sum::<i64>()
        };
        i64::from(current) - sum(&self.ups) + sum(&self.downs)
    }

    fn up_limit(&self, rules: &Rules, current: u32, now: SimTime) -> u32 {
        let allowed = |policy: &Policy| match *policy {
            Policy::Pods { value, period } => {
                self.at_begin_of(period, current, now) + i64::from(value.get())
            }
            Policy::Percent { value, period } => {
                let begin = self.at_begin_of(period, current, now);
                (begin * (100 + i64::from(value.get())) + 99).div_euclid(100)
            }
        };
        let period = fifteen_seconds();
        let four = Policy::Pods {
            value: number(4),
            period,
        };
        let default = [four, twofold(period)];
        let limits = rules.policies_or(&default).iter().map(allowed);
        let limit = match rules.select_policy {
            SelectPolicy::Max => limits.max(),
            SelectPolicy::Min => limits.min(),
            SelectPolicy::Disabled => None,
        };
        limit.map_or(current, |it| u32::try_from(it.max(0)).unwrap_or(u32::MAX))
    }

    fn down_limit(&self, rules: &Rules, current: u32, now: SimTime) -> u32 {
        let allowed = |policy: &Policy| match *policy {
            Policy::Pods { value, period } => {
                self.at_begin_of(period, current, now) - i64::from(value.get())
            }
            Policy::Percent { value, period } => {
                let begin = self.at_begin_of(period, current, now);
                begin * (100 - i64::from(value.get()).min(100)) / 100
            }
        };
        let default = [twofold(fifteen_seconds())];
        let limits = rules.policies_or(&default).iter().map(allowed);
        // The greatest change is the one that leaves the fewest.
        let limit = match rules.select_policy {
            SelectPolicy::Max => limits.min(),
            SelectPolicy::Min => limits.max(),
            SelectPolicy::Disabled => None,
        };
        limit.map_or(current, |it| u32::try_from(it.max(0)).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests;
