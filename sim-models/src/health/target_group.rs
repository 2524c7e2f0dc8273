//! Which targets does a load balancer node send requests to?
//!
//! Every load balancer node has its own view of every target, from its own checks and from what it has
//! heard of registrations. When too few targets are healthy it sends to all of them: it fails open.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{Dist, SimDuration};

use super::health_check;
use super::threshold::Streak;
use crate::request::balance::{anomaly, slow_start};

/// What a target group says about health and registration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The checks.
    pub health_check: health_check::Config,
    /// A deregistered target keeps its running requests for this long.
    pub deregistration_delay: SimDuration,
    /// From the API's answer to a registration until a load balancer node knows of it.
    pub register_propagation: Dist,
    /// From the API's answer to a deregistration until a load balancer node sends no new request.
    pub deregister_propagation: Dist,
    /// From the API's answer to a change of a rule that forwards to the group until a load balancer node applies it.
    pub rule_propagation: Dist,
    /// Below these a load balancer node fails open.
    pub minimum_healthy_targets: MinimumHealthyTargets,
    /// Whether a group that fails open also sends to targets that no check has seen yet.
    pub fail_open_includes_initial: bool,
    /// What becomes of a request to a group that holds draining targets only.
    pub only_draining: OnlyDraining,
    /// The growing share of a target that has just become healthy.
    pub slow_start: slow_start::Config,
    /// Automatic target weights; `None` where they are off.
    pub anomaly: Option<anomaly::Config>,
}

/// What becomes of a request to a group that holds draining targets only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnlyDraining {
    /// The load balancer answers 503.
    #[default]
    Unavailable,
    /// It goes to one of them.
    FailOpen,
}

/// When a load balancer node stops to trust its checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TargetGroupHealth {
    /// What makes a load balancer node send to all registered targets, unhealthy ones included.
    pub unhealthy_state_routing: UnhealthyStateRouting,
}

/// What makes a load balancer node send to all registered targets, unhealthy ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UnhealthyStateRouting {
    /// Fewer healthy targets than this.
    pub minimum_healthy_targets: MinimumHealthyTargets,
}

/// How many targets must be healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MinimumHealthyTargets {
    /// Healthy targets.
    ///
    /// Range: 1 and up. Default: 1.
    /// Source: AWS, "Target group health", `unhealthy_state_routing.minimum_healthy_targets.count`.
    pub count: NonZeroU32,

    /// Healthy targets in percent of the registered ones; either bound is enough.
    ///
    /// Range: 1 to 100. Default: off.
    /// Source: AWS, "Target group health", `unhealthy_state_routing.minimum_healthy_targets.percentage`.
    pub percentage: Option<u8>,
}

impl Default for MinimumHealthyTargets {
    fn default() -> Self {
        Self {
            count: NonZeroU32::MIN,
            percentage: None,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            health_check: health_check::Config::default(),
            deregistration_delay: deregistration_delay(),
            register_propagation: register_propagation(),
            deregister_propagation: deregister_propagation(),
            rule_propagation: rule_propagation(),
            minimum_healthy_targets: MinimumHealthyTargets::default(),
            fail_open_includes_initial: true,
            only_draining: OnlyDraining::default(),
            slow_start: slow_start::Config::default(),
            anomaly: None,
        }
    }
}

/// Default of the deregistration delay.
pub(crate) fn deregistration_delay() -> SimDuration {
    SimDuration::from_secs(300)
}

/// Default of the way of a registration.
pub(crate) fn register_propagation() -> Dist {
    super::log_normal(1_500, 8_000)
}

/// Default of the way of a deregistration.
pub(crate) fn deregister_propagation() -> Dist {
    super::log_normal(2_000, 10_000)
}

/// Default of the way of a change of a rule.
pub(crate) fn rule_propagation() -> Dist {
    super::log_normal(1_500, 8_000)
}

/// The state of a target, as one load balancer node sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetState {
    /// Registered; no check has decided yet.
    Initial,
    /// Gets requests.
    Healthy,
    /// Gets requests only when the group fails open.
    Unhealthy,
    /// Deregistered; running requests go on.
    Draining,
    /// Not registered, or not yet known to this load balancer node.
    Unused,
}

/// One load balancer node's view of one target.
#[derive(Clone, Copy, Debug)]
pub struct TargetView {
    /// The state.
    pub state: TargetState,
    streak: Streak,
}

impl TargetView {
    /// A view in a state.
    pub fn new(state: TargetState) -> Self {
        Self {
            state,
            streak: Streak::default(),
        }
    }

    /// Counts a check's result. Returns whether the state changed.
    ///
    /// Source: AWS, "Health checks for Application Load Balancer target groups": one success is enough for
    /// a new target; thresholds compare with `>=`.
    pub fn checked(&mut self, success: bool, config: &health_check::Config) -> bool {
        let in_a_row = self.streak.note(success);
        let initial = self.state == TargetState::Initial;
        let unhealthy = in_a_row >= config.failures(initial).get();
        let healthy = in_a_row >= config.healthy_threshold.get();
        let next = match (self.state, success) {
            (TargetState::Initial, true) => TargetState::Healthy,
            (TargetState::Initial | TargetState::Healthy, false) if unhealthy => {
                TargetState::Unhealthy
            }
            (TargetState::Unhealthy, true) if healthy => TargetState::Healthy,
            (state, _) => state,
        };
        std::mem::replace(&mut self.state, next) != next
    }

    /// The load balancer node hears of a registration; a draining target may come back.
    pub fn registered(&mut self) {
        if matches!(self.state, TargetState::Unused | TargetState::Draining) {
            *self = Self::new(TargetState::Initial);
        }
    }

    /// The load balancer node hears of a deregistration.
    pub fn deregistered(&mut self) {
        if self.state != TargetState::Unused {
            self.state = TargetState::Draining;
        }
    }

    /// The deregistration delay is over.
    pub fn drained(&mut self) {
        if self.state == TargetState::Draining {
            self.state = TargetState::Unused;
        }
    }

    /// Whether the load balancer node checks the target.
    pub fn is_checked(&self) -> bool {
        !matches!(self.state, TargetState::Draining | TargetState::Unused)
    }
}

/// Which targets get requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Eligible {
    /// Their positions, rising. Without any, a request gets 503.
    pub positions: Vec<u32>,
    /// Whether too few were healthy.
    pub fails_open: bool,
}

/// Chooses the eligible targets among the states that a load balancer node sees, by position.
///
/// Source: AWS, "Target group health": below the threshold the algorithm uses all registered targets.
pub fn eligible(states: impl Iterator<Item = TargetState> + Clone, config: &Config) -> Eligible {
    let positions = |wanted: &dyn Fn(TargetState) -> bool| {
        let states = states.clone().enumerate();
        let chosen = states.filter(|&(_, state)| wanted(state));
        chosen.map(|(at, _)| at as u32).collect::<Vec<u32>>()
    };
    let registered =
        positions(&|state| !matches!(state, TargetState::Draining | TargetState::Unused)).len();
    let healthy = positions(&|state| state == TargetState::Healthy);
    let least = config.minimum_healthy_targets;
    let few = healthy.len() < least.count.get() as usize;
    let low = least
        .percentage
        .is_some_and(|percent| 100 * healthy.len() < usize::from(percent) * registered);
    if !(few || low) {
        return Eligible {
            positions: healthy,
            fails_open: false,
        };
    }
    let all = positions(&|state| match state {
        TargetState::Healthy | TargetState::Unhealthy => true,
        TargetState::Initial => config.fail_open_includes_initial,
        TargetState::Draining | TargetState::Unused => false,
    });
    let all = match config.only_draining {
        OnlyDraining::FailOpen if all.is_empty() => {
            positions(&|state| state == TargetState::Draining)
        }
        OnlyDraining::FailOpen | OnlyDraining::Unavailable => all,
    };
    Eligible {
        fails_open: !all.is_empty(),
        positions: all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TargetState::{Draining, Healthy, Initial, Unhealthy, Unused};

    #[test]
    fn the_state_machine_of_a_target() {
        // Source: AWS, "Health checks for Application Load Balancer target groups", target health status;
        // thresholds 2 and 2. Rows: from, results, to.
        let rows: [(TargetState, &[bool], TargetState); 9] = [
            (Initial, &[true], Healthy),
            (Initial, &[false], Initial),
            (Initial, &[false, false], Unhealthy),
            (Healthy, &[false], Healthy),
            (Healthy, &[false, true, false], Healthy),
            (Healthy, &[false, false], Unhealthy),
            (Unhealthy, &[true], Unhealthy),
            (Unhealthy, &[true, true], Healthy),
            (Draining, &[false, false, true, true], Draining),
        ];
        for (from, results, to) in rows {
            let mut view = TargetView::new(from);
            for &success in results {
                view.checked(success, &health_check::Config::default());
            }
            assert_eq!(view.state, to, "{from:?} after {results:?}");
        }
    }

    #[test]
    fn a_target_that_was_never_healthy_may_take_more_failures() {
        // Four for the first time; once it has been healthy, two.
        let config = health_check::Config {
            initial_failures: NonZeroU32::new(4),
            ..health_check::Config::default()
        };
        let mut view = TargetView::new(Initial);
        let after = |view: &mut TargetView, failures: u32| {
            (0..failures).for_each(|_| {
                view.checked(false, &config);
            });
            view.state
        };
        assert_eq!(after(&mut view, 3), Initial);
        assert_eq!(after(&mut view, 1), Unhealthy);
        let mut view = TargetView::new(Initial);
        view.checked(true, &config);
        assert_eq!(after(&mut view, 2), Unhealthy);
    }

    #[test]
    fn registration_moves_a_target_in_and_out() {
        // Source: AWS, "Edit target group attributes", deregistration delay: draining, then unused.
        let mut view = TargetView::new(Unused);
        view.registered();
        assert_eq!(view.state, Initial);
        view.checked(true, &health_check::Config::default());
        view.registered();
        assert_eq!(view.state, Healthy, "registering again changes nothing");
        view.deregistered();
        assert_eq!((view.state, view.is_checked()), (Draining, false));
        view.drained();
        assert_eq!(view.state, Unused);
    }

    fn chosen(states: &[TargetState], config: &Config) -> (Vec<u32>, bool) {
        let eligible = eligible(states.iter().copied(), config);
        (eligible.positions, eligible.fails_open)
    }

    #[test]
    fn too_few_healthy_targets_and_the_group_fails_open() {
        // Source: AWS, "Target group health". Rows: states, positions, whether it fails open.
        let rows: [(&[TargetState], &[u32], bool); 6] = [
            (&[Healthy, Unhealthy, Healthy], &[0, 2], false),
            (&[Unhealthy, Unhealthy], &[0, 1], true),
            (&[Initial, Unhealthy, Draining], &[0, 1], true),
            (&[Initial, Draining], &[0], true),
            (&[Draining, Unused], &[], false),
            (&[], &[], false),
        ];
        for (states, positions, open) in rows {
            let expected = (positions.to_vec(), open);
            assert_eq!(chosen(states, &Config::default()), expected, "{states:?}");
        }
        let strict = Config {
            fail_open_includes_initial: false,
            ..Config::default()
        };
        assert_eq!(chosen(&[Initial, Draining], &strict), (vec![], false));
        let open = Config {
            only_draining: OnlyDraining::FailOpen,
            ..Config::default()
        };
        assert_eq!(chosen(&[Unused, Draining], &open), (vec![1], true));
        assert_eq!(chosen(&[Initial, Draining], &open), (vec![0], true));
        assert_eq!(chosen(&[Unused], &open), (vec![], false));
    }

    #[test]
    fn a_percentage_counts_registered_targets() {
        // Source: AWS, "Target group health", worked example: ten targets, six fail, threshold 50 %: 40 % is below.
        let half = Config {
            minimum_healthy_targets: MinimumHealthyTargets {
                percentage: Some(50),
                ..MinimumHealthyTargets::default()
            },
            ..Config::default()
        };
        let states: Vec<_> = (0..10)
            .map(|at| if at < 4 { Healthy } else { Unhealthy })
            .collect();
        assert_eq!(chosen(&states, &half), ((0..10).collect(), true));
        // Fourteen of twenty, counted over both zones: 70 %, nothing happens.
        let states: Vec<_> = (0..20)
            .map(|at| if at < 14 { Healthy } else { Unhealthy })
            .collect();
        assert_eq!(chosen(&states, &half), ((0..14).collect(), false));
    }
}
