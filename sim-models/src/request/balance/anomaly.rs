//! Automatic target weights: targets that fail more often than their peers get fewer requests.
//!
//! Each load balancer node watches the answers of each target. Every few seconds it compares the share of errors with that of the
//! others, and moves the target's weight. AWS publishes what it does, not the numbers: those are assumptions.
//!
//! Source: AWS, "Edit target group attributes", automatic target weights.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{SimDuration, SimTime};

/// What makes a target anomalous, and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Time between two looks, and between two steps of a weight.
    ///
    /// Range: above 0. Default: "5s".
    /// Source: AWS, "Edit target group attributes", automatic target weights.
    pub interval: SimDuration,

    /// Healthy targets that a group needs.
    ///
    /// Range: 1 and up. Default: 3.
    /// Source: AWS, "Edit target group attributes", automatic target weights.
    pub minimum_targets: NonZeroU32,

    /// How long answers count.
    ///
    /// Range: above 0; plausible 10 to 60 s. Default: "30s".
    /// Assumption: not published.
    pub window: SimDuration,

    /// Answers of a target below which nothing is said about it.
    ///
    /// Range: 1 and up; plausible 10 to 100. Default: 20.
    /// Assumption: not published.
    pub min_requests: NonZeroU32,

    /// Share of errors above which a target may be anomalous.
    ///
    /// Range: 0 to 1; plausible 0.01 to 0.2. Default: 0.05.
    /// Assumption: not published.
    pub absolute: f64,

    /// It is, when its share of errors is above this multiple of its peers' median, plus `absolute`.
    ///
    /// Range: 0 and up; plausible 2 to 5. Default: 3.
    /// Assumption: not published.
    pub ratio: f64,

    /// Multiplies the weight of an anomalous target at each step.
    ///
    /// Range: 0 to 1; plausible 0.3 to 0.8. Default: 0.5.
    /// Assumption: not published; AWS says "step by step".
    pub down: f64,

    /// Added to the weight of another target at each step, up to 1.
    ///
    /// Range: 0 to 1; plausible 0.05 to 0.3. Default: 0.1.
    /// Assumption: not published; AWS says "gradually".
    pub up: f64,

    /// The smallest weight.
    ///
    /// Range: 0 to 1; plausible 0.001 to 0.05. Default: 0.01.
    /// Assumption: not published; AWS says that a target goes on being observed.
    pub floor: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: SimDuration::from_secs(5),
            minimum_targets: NonZeroU32::new(3).expect("3 is not 0"),
            window: SimDuration::from_secs(30),
            min_requests: NonZeroU32::new(20).expect("20 is not 0"),
            absolute: 0.05,
            ratio: 3.0,
            down: 0.5,
            up: 0.1,
            floor: 0.01,
        }
    }
}

/// Answers of one target.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    answers: u32,
    errors: u32,
}

/// The weights that one load balancer node gives the targets of a group.
#[derive(Clone, Debug)]
pub struct Weights {
    config: Config,
    healthy: Vec<bool>,
    weights: Vec<f64>,
    /// Answers by target, for each interval of the window; the last is going on.
    window: VecDeque<Vec<Count>>,
    /// When it looks next.
    looks_at: SimTime,
    /// Whether some weight is below 1.
    active: bool,
}

impl Weights {
    /// Targets of equal weight, some of them healthy.
    pub fn new(config: Config, healthy: Vec<bool>) -> Self {
        Self {
            weights: vec![1.0; healthy.len()],
            window: VecDeque::from([vec![Count::default(); healthy.len()]]),
            healthy,
            looks_at: SimTime::ZERO + config.interval,
            active: false,
            config,
        }
    }

    /// A target is healthy now, or is not.
    pub fn changed(&mut self, position: u32, healthy: bool) {
        self.healthy[position as usize] = healthy;
    }

    /// A target has answered, or has failed.
    pub fn answered(&mut self, position: u32, is_error: bool, now: SimTime) {
        self.catch_up(now);
        let going_on = self.window.back_mut();
        let counts = going_on.expect("there is always an interval that goes on");
        let count = &mut counts[position as usize];
        count.answers += 1;
        count.errors += u32::from(is_error);
    }

    /// One of some targets, drawn by weight; `None` where all weights are equal. `word` is a 32-bit uniform number.
    pub fn pick(&mut self, positions: &[u32], word: u32, now: SimTime) -> Option<u32> {
        self.catch_up(now);
        if !self.active {
            return None;
        }
        let weight = |&position: &u32| self.weights[position as usize];
        let total: f64 = positions.iter().map(weight).sum();
        let at = f64::from(word) / 4_294_967_296.0 * total;
        let mut sum = 0.0;
        let mut candidates = positions.iter();
        let picked = candidates.find(|position| {
            sum += weight(position);
            at < sum
        });
        // What rounding leaves falls on the last.
        picked.or(positions.last()).copied()
    }

    /// The weight of a target.
    pub fn weight(&self, position: u32) -> f64 {
        self.weights[position as usize]
    }

    /// The looks that were due by now.
    fn catch_up(&mut self, now: SimTime) {
        while self.looks_at <= now {
            self.look();
            self.looks_at += self.config.interval;
        }
    }

    /// Compares the targets and moves their weights.
    fn look(&mut self) {
        let Config {
            min_requests,
            absolute,
            ratio,
            down,
            up,
            floor,
            ..
        } = self.config;
        let counts: Vec<Count> = (0..self.weights.len()).map(|it| self.count(it)).collect();
        let enough = self.healthy.iter().filter(|&&it| it).count()
            >= self.config.minimum_targets.get() as usize;
        for (own, weight) in self.weights.iter_mut().enumerate() {
            let peers = counts.iter().zip(&self.healthy).enumerate();
            let peers = peers.filter(|&(other, (_, healthy))| other != own && *healthy);
            let median = median(peers.map(|(_, (count, _))| count.share()).collect());
            let share = counts[own].share();
            let is_anomalous = enough
                && self.healthy[own]
                && counts[own].answers >= min_requests.get()
                && share > absolute
                && share > ratio * median + absolute;
            *weight = if is_anomalous {
                (*weight * down).max(floor)
            } else {
                (*weight + up).min(1.0)
            };
        }
        self.active = self.weights.iter().any(|&weight| weight < 1.0);
        let intervals = self
            .config
            .window
            .as_nanos()
            .div_ceil(self.config.interval.as_nanos());
        self.window
            .push_back(vec![Count::default(); self.weights.len()]);
        while self.window.len() as u64 > intervals {
            self.window.pop_front();
        }
    }

    fn count(&self, position: usize) -> Count {
        let counts = self.window.iter().map(|counts| counts[position]);
        counts.fold(Count::default(), |sum, count| Count {
            answers: sum.answers + count.answers,
            errors: sum.errors + count.errors,
        })
    }
}

impl Count {
    fn share(&self) -> f64 {
        f64::from(self.errors) / f64::from(self.answers.max(1))
    }
}

/// The middle of some numbers, or the mean of the two in the middle; 0 of none.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => 0.0,
        count if count % 2 == 1 => numbers[middle],
        _ => (numbers[middle - 1] + numbers[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_millis(millis)
    }

    /// Answers of four targets, ten a second from each, from one second to another; the last one fails for one in `one_in`.
    fn answer(weights: &mut Weights, from: u64, until: u64, one_in: u64) {
        for n in from * 10..until * 10 {
            for target in 0..4 {
                let is_error = target == 3 && one_in > 0 && n % one_in == 0;
                weights.answered(target, is_error, at(100 * n));
            }
        }
    }

    #[test]
    fn a_target_that_fails_alone_loses_its_weight_step_by_step_and_gets_it_back() {
        // Looks at 5, 10, .. 35 s halve the weight: 1/2, 1/4, .. 1/64, then the floor of 0.01. From 35 s on it answers; the window of six
        // intervals, of which one goes on, is clean at the look of 65 s: share at 60 s is 5 s of 30 s, 1/12 > 0.05. Then ten steps of 0.1.
        let mut weights = Weights::new(Config::default(), vec![true; 4]);
        let mut seen = Vec::new();
        for look in 1..=7 {
            answer(&mut weights, 5 * (look - 1), 5 * look, 2);
            weights.pick(&[0], 0, at(5_000 * look));
            seen.push(weights.weight(3));
        }
        assert_eq!(seen, [0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.01]);
        assert_eq!(weights.weight(0), 1.0);
        answer(&mut weights, 35, 65, 0);
        weights.pick(&[0], 0, at(64_999));
        assert_eq!(weights.weight(3), 0.01);
        for look in 13..23 {
            weights.pick(&[0], 0, at(5_000 * look));
        }
        assert_eq!(weights.weight(3), 1.0);
        assert_eq!(weights.pick(&[0, 1, 2, 3], 0, at(115_000)), None);
    }

    #[test]
    fn shares_follow_weights() {
        // Weights 1, 1, 1 and 1/2: the last one gets a seventh of the line from 0 to 1.
        let mut weights = Weights::new(Config::default(), vec![true; 4]);
        answer(&mut weights, 0, 5, 2);
        let word = |share: f64| (share * 4_294_967_296.0) as u32;
        let mut pick = |share| weights.pick(&[0, 1, 2, 3], word(share), at(5_000));
        assert_eq!(pick(0.85), Some(2));
        assert_eq!(pick(0.86), Some(3));
        assert_eq!(pick(0.9999), Some(3));
    }

    #[test]
    fn what_all_suffer_from_makes_nobody_anomalous() {
        let mut weights = Weights::new(Config::default(), vec![true; 4]);
        for n in 0..50 {
            (0..4).for_each(|target| weights.answered(target, true, at(100 * n)));
        }
        weights.pick(&[0], 0, at(5_000));
        assert!((0..4).all(|target| weights.weight(target) == 1.0));
    }

    #[test]
    fn two_healthy_targets_and_few_answers_say_nothing() {
        let mut two = Weights::new(Config::default(), vec![true, false, false, true]);
        answer(&mut two, 0, 5, 2);
        two.pick(&[0], 0, at(5_000));
        assert_eq!(two.weight(3), 1.0);
        // 10 a second for 1.9 s: 19 answers.
        let mut few = Weights::new(Config::default(), vec![true; 4]);
        for n in 0..19 {
            (0..4).for_each(|target| few.answered(target, target == 3, at(100 * n)));
        }
        few.pick(&[0], 0, at(5_000));
        assert_eq!(few.weight(3), 1.0);
    }
}
