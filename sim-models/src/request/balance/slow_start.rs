//! Slow start: a target that has just become healthy gets a share that grows.
//!
//! The load balancer node gives each target a weight and deals requests in turn, by weight. The weight of a fresh target
//! grows evenly from almost nothing to that of the others.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{SimDuration, SimTime};

/// Slow start of targets; with `algorithm: RoundRobin` only.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// From the moment a target becomes healthy until it gets a full share. "0s" is off.
    ///
    /// Range: "0s", or "30s" to "900s". Default: "0s".
    /// Source: AWS, "Edit target group attributes", `slow_start.duration_seconds`.
    pub duration: SimDuration,

    /// Weight at the start, as a share of the others'.
    ///
    /// Range: 0 to 1; plausible 0 to 0.1. Default: 0.01.
    /// Assumption: AWS says that the share grows linearly, not where it begins.
    pub min_weight: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            duration: SimDuration::ZERO,
            min_weight: 0.01,
        }
    }
}

/// The weight of a target that is not in slow start, in millionths.
const FULL: i64 = 1_000_000;

/// The targets of a group in slow start, as one load balancer node sees them.
#[derive(Clone, Debug)]
pub struct Ramps {
    config: Config,
    /// Since when each target is in slow start.
    since: Vec<Option<SimTime>>,
    healthy: Vec<bool>,
    /// What each target is owed: the weight it had in all choices, less what it got.
    credit: Vec<i64>,
    /// Whether some target may be in slow start.
    active: bool,
}

impl Ramps {
    /// Targets that have been healthy for long, and places for others; `None` where slow start is off.
    pub fn new(config: Config, healthy: Vec<bool>) -> Option<Self> {
        let targets = healthy.len();
        (config.duration > SimDuration::ZERO).then(|| Self {
            config,
            since: vec![None; targets],
            healthy,
            credit: vec![0; targets],
            active: false,
        })
    }

    /// A target is healthy now, or is not.
    ///
    /// It enters slow start when it becomes healthy and some other target is healthy and not in slow start itself.
    ///
    /// Source: AWS, "Edit target group attributes", slow start mode.
    pub fn changed(&mut self, position: u32, healthy: bool, now: SimTime) {
        let own = position as usize;
        let was_healthy = std::mem::replace(&mut self.healthy[own], healthy);
        let became = healthy && !was_healthy;
        self.since[own] = None;
        let at_full = |other: usize| self.healthy[other] && !self.is_ramping(other, now);
        if became && (0..self.healthy.len()).any(|other| other != own && at_full(other)) {
            self.since[own] = Some(now);
            self.active = true;
        }
    }

    /// The next of some targets by weight, whose positions rise; `None` where no target is in slow start.
    pub fn pick(&mut self, positions: &[u32], now: SimTime) -> Option<u32> {
        if !self.active {
            return None;
        }
        self.active = (0..self.since.len()).any(|it| self.is_ramping(it, now));
        if !self.active {
            self.credit.fill(0);
            return None;
        }
        let mut total = 0;
        for &position in positions {
            let weight = self.weight(position as usize, now);
            self.credit[position as usize] += weight;
            total += weight;
        }
        let most = |a: &&u32, b: &&u32| {
            let credit = |it: u32| self.credit[it as usize];
            // Of equal ones the first.
            credit(**a).cmp(&credit(**b)).then(b.cmp(a))
        };
        let picked = *positions.iter().max_by(most)?;
        self.credit[picked as usize] -= total;
        Some(picked)
    }

    fn is_ramping(&self, position: usize, now: SimTime) -> bool {
        let since = self.since[position];
        since.is_some_and(|since| now < since + self.config.duration)
    }

    fn weight(&self, position: usize, now: SimTime) -> i64 {
        match self.since[position] {
            Some(since) if self.is_ramping(position, now) => {
                let passed = now.saturating_since(since).as_secs_f64();
                let share = passed / self.config.duration.as_secs_f64();
                (share.max(self.config.min_weight) * FULL as f64) as i64
            }
            _ => FULL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_millis(millis)
    }

    /// Three targets that have been healthy for long, and a fourth that is not; a ramp takes 60 s.
    fn ramps() -> Ramps {
        let config = Config {
            duration: SimDuration::from_secs(60),
            ..Config::default()
        };
        Ramps::new(config, vec![true, true, true, false]).expect("slow start is on")
    }

    #[test]
    fn a_fresh_target_gets_the_integral_of_its_share() {
        // Weight x of 3 + x, with x from 0 to 1: the integral is 1 - 3 ln(4 / 3) = 13.7 %. At full weight it is 25 %.
        let mut ramps = ramps();
        ramps.changed(3, true, at(0));
        let picks = (0..6000).map(|n| ramps.pick(&[0, 1, 2, 3], at(10 * n)));
        let fresh = picks.filter(|&picked| picked == Some(3)).count();
        let expected = 6000.0 * (1.0 - 3.0 * libm::log(4.0 / 3.0));
        assert!((fresh as f64 - expected).abs() < 3.0, "{fresh}");
        assert_eq!(ramps.pick(&[0, 1, 2, 3], at(60_000)), None);
    }

    #[test]
    fn the_first_targets_of_a_group_skip_it() {
        let config = Config {
            duration: SimDuration::from_secs(60),
            ..Config::default()
        };
        let mut ramps = Ramps::new(config, vec![false; 2]).expect("slow start is on");
        ramps.changed(0, true, at(0));
        assert_eq!(ramps.pick(&[0], at(1)), None);
        ramps.changed(1, true, at(2));
        assert!(ramps.pick(&[0, 1], at(3)).is_some());
    }

    #[test]
    fn a_target_that_turns_unhealthy_leaves_it_and_begins_anew() {
        let mut ramps = ramps();
        ramps.changed(3, true, at(0));
        ramps.changed(3, false, at(30_000));
        assert_eq!(ramps.pick(&[0, 1, 2], at(30_001)), None);
        ramps.changed(3, true, at(40_000));
        // At 99 s it is still on its way: 59 s of 60.
        assert!(ramps.pick(&[0, 1, 2, 3], at(99_000)).is_some());
        assert_eq!(ramps.pick(&[0, 1, 2, 3], at(100_000)), None);
    }

    #[test]
    fn without_a_duration_there_is_none() {
        assert!(Ramps::new(Config::default(), vec![true; 3]).is_none());
    }
}
