//! Does a client try again, and when?
//!
//! A retry is a new request on the wire: another choice of load balancer node, target and pod. Retries help against
//! faults that hit some of the pods, and add load where all of them are slow; the budget bounds the second.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{SimDuration, Unit};

/// How a client tries again after a status of 500 or above, or after its own timeout.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Further attempts after the first.
    ///
    /// Range: 0 to 10. Default: 0.
    pub at_most: u8,

    /// Retries that each first attempt earns for the whole population; up to ten are saved up.
    ///
    /// Range: 0 to 1. Default: no limit.
    /// Assumption: as in gRPC's retry throttling and Finagle's retry budget, where the savings are bounded as well.
    pub budget: Option<f64>,

    /// The longest wait before the second attempt; it doubles with every further one. The wait is drawn evenly from 0 to it.
    ///
    /// Range: "0s" to "1h"; plausible 0 to 10 s. Default: "100ms".
    /// Source: AWS Architecture Blog, "Exponential Backoff And Jitter" (full jitter).
    pub backoff: SimDuration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            at_most: 0,
            budget: None,
            backoff: SimDuration::from_millis(100),
        }
    }
}

impl Config {
    /// How long a client waits before its attempt number `attempt`, where 1 is the first retry.
    pub fn wait(&self, attempt: u8, draw: Unit) -> SimDuration {
        let longest = self.backoff * (1 << (attempt - 1));
        SimDuration::from_nanos((longest.as_nanos() as f64 * draw.get()) as u64)
    }
}

/// What a population has saved up for retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// What a first attempt earns; `None` without limit.
    earned: Option<u64>,
    saved: u64,
}

/// What one retry costs.
const COST: u64 = 1 << 32;
/// Most that is saved up: ten retries.
const MOST: u64 = 10 * COST;

impl Budget {
    /// Nothing saved yet.
    pub fn new(config: &Config) -> Self {
        Self {
            earned: config.budget.map(|share| (share * COST as f64) as u64),
            saved: 0,
        }
    }

    /// A first attempt sets off.
    #[inline]
    pub fn earn(&mut self) {
        self.saved = (self.saved + self.earned.unwrap_or(0)).min(MOST);
    }

    /// Pays for a retry, if there is enough.
    pub fn pay(&mut self) -> bool {
        let pays = self.earned.is_none() || self.saved >= COST;
        if pays {
            self.saved = self.saved.saturating_sub(COST);
        }
        pays
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_lie_below_their_bound() {
        let config = Config {
            backoff: SimDuration::from_millis(100),
            ..Config::default()
        };
        let half = Unit::new(0.5).expect("inside (0, 1)");
        let waits = [1, 2, 3].map(|attempt| config.wait(attempt, half));
        // Half of 100, 200 and 400 ms.
        assert_eq!(waits, [50, 100, 200].map(SimDuration::from_millis));
    }

    #[test]
    fn a_budget_of_a_tenth_pays_for_every_tenth_request() {
        let mut budget = Budget::new(&Config {
            budget: Some(0.1),
            ..Config::default()
        });
        // A tenth is a little less than 1 / 10 in units of 2^-32, so 1,000 requests earn a little less than 100 retries.
        let paid = (0..1000).filter(|_| {
            budget.earn();
            budget.pay()
        });
        assert_eq!(paid.count(), 99);
    }

    #[test]
    fn at_most_ten_retries_are_saved_up() {
        let mut budget = Budget::new(&Config {
            budget: Some(1.0),
            ..Config::default()
        });
        (0..1000).for_each(|_| budget.earn());
        assert_eq!((0..1000).filter(|_| budget.pay()).count(), 10);
    }

    #[test]
    fn without_a_budget_every_retry_is_paid_for() {
        let mut budget = Budget::new(&Config::default());
        assert!((0..1000).all(|_| budget.pay()));
    }
}
