//! What must hold, and does it?
//!
//! An objective is one sentence:
//!
//! ```text
//! METRIC [of SERVICE] (< | <= | > | >=) VALUE [in the worst WINDOW | after DURATION | before the first fault]
//!     [in SHARE of replications]
//! ```
//!
//! The value of a sentence is computed inside each replication; the verdict comes from Student's interval over the
//! replications, and never claims more than that interval does. With a share of replications, each replication says whether the
//! sentence holds in it, and the verdict comes from the exact interval of that share.

use std::fmt;
use std::ops::Range;

use sim_core::SimDuration;

use super::chance;
use super::layout::{Layout, Scope};
use super::metric::Quantity;
use super::quantity::{Applies, CONFIDENCE, Estimated};

mod parse;
mod problem;
mod words;

pub use problem::{ObjectiveError, Problem};

/// A sentence that must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// The sentence as written.
    pub text: String,
    /// What is measured.
    pub quantity: Quantity,
    /// For which Service, with its place in the sentence; without, it must hold for every one that is asked for.
    pub service: Option<(String, Range<usize>)>,
    /// On which side of the threshold it must lie.
    pub comparison: Comparison,
    /// The threshold, in the base unit of the quantity.
    pub threshold: f64,
    /// When.
    pub when: When,
    /// In which share of the replications it must hold; without, the mean over the replications must.
    pub in_share: Option<f64>,
}

/// On which side of the threshold a value must lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

/// Which part of the run, after the warm-up, an objective is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// All of it.
    Throughout,
    /// The worst of its windows of this width, laid end to end from the end of the warm-up; an incomplete one at the
    /// end of the run is left out.
    WorstWindow(SimDuration),
    /// From this time on, on the clock of the whole run (on which faults and populations begin, warm-up included).
    After(SimDuration),
    /// Before the first fault begins.
    BeforeFirstFault,
}

/// Whether an objective holds; the worse, the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The whole interval lies on the right side.
    Met,
    /// The interval lies on both sides, or there is none.
    Undecided,
    /// The whole interval lies on the wrong side.
    Missed,
}

impl Objective {
    /// What it is about in an alternative: one Service, every Service that is asked for, or everything.
    ///
    /// `None` where the Service it names does not exist there.
    #[must_use]
    pub fn scopes(&self, layout: &Layout) -> Option<Vec<Scope>> {
        if let Some((name, _)) = &self.service {
            return layout
                .service_named(name)
                .map(|service| vec![Scope::Service(service)]);
        }
        if self.quantity.about().applies == Applies::OverallOnly {
            return Some(vec![Scope::Overall]);
        }
        let asked = |scope: &Scope| matches!(scope, Scope::Service(service) if layout.service(*service).asked);
        Some(layout.scopes().filter(asked).collect())
    }

    /// What the values of the replications say: the estimate of their mean or, with a share, of how many hold.
    #[must_use]
    pub fn estimate(&self, values: &[f64]) -> Estimated {
        if self.in_share.is_none() {
            return Estimated::of(values, self.quantity.about().mean);
        }
        let holds = |value: &&f64| self.comparison.holds(**value, self.threshold);
        let held = values.iter().filter(holds).count() as u64;
        let all = values.len() as u64;
        Estimated {
            mean: held as f64 / all as f64,
            interval: chance::share_interval(held, all, CONFIDENCE),
            replications: all,
        }
    }

    /// The verdict on an [estimate](Self::estimate); undecided where there is none.
    #[must_use]
    pub fn judge(&self, estimate: Option<&Estimated>) -> Verdict {
        let Some(Estimated { interval, .. }) = estimate else {
            return Verdict::Undecided;
        };
        let (comparison, threshold) = match self.in_share {
            Some(share) => (Comparison::AtLeast, share),
            None => (self.comparison, self.threshold),
        };
        match (
            comparison.holds(interval.low, threshold),
            comparison.holds(interval.high, threshold),
        ) {
            (true, true) => Verdict::Met,
            (false, false) => Verdict::Missed,
            _ => Verdict::Undecided,
        }
    }
}

impl Comparison {
    /// Whether a value is on the right side of a threshold.
    #[must_use]
    pub fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Below => value < threshold,
            Self::AtMost => value <= threshold,
            Self::Above => value > threshold,
            Self::AtLeast => value >= threshold,
        }
    }

    /// Whether less is better under it.
    #[must_use]
    pub fn wants_less(self) -> bool {
        matches!(self, Self::Below | Self::AtMost)
    }

    /// As written.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
        }
    }
}

impl Verdict {
    /// The verdict of several together: missed if one is missed, met if all are met.
    #[must_use]
    pub fn of_all(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts.into_iter().max().unwrap_or(Self::Undecided)
    }

    /// "met", "missed" or "undecided".
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::Undecided => "undecided",
        }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::quantity::Mean;

    fn estimate(values: &[f64]) -> Estimated {
        Estimated::of(values, Mean::Arithmetic)
    }

    fn read(text: &str) -> Objective {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_verdict_claims_no_more_than_the_interval() {
        // Values 9, 10, 11: mean 10, t(2, 97.5 %) = 4.303, half-width 4.303 / sqrt(3) = 2.48: 7.52 to 12.48.
        let known = estimate(&[9.0, 10.0, 11.0]);
        let judge = |text: &str| read(text).judge(Some(&known));
        assert_eq!(judge("pod imbalance < 12.5"), Verdict::Met);
        assert_eq!(judge("pod imbalance < 12.4"), Verdict::Undecided);
        assert_eq!(judge("pod imbalance < 7.6"), Verdict::Undecided);
        assert_eq!(judge("pod imbalance < 7.5"), Verdict::Missed);
        assert_eq!(judge("pod imbalance > 7.5"), Verdict::Met);
        assert_eq!(judge("pod imbalance >= 12.5"), Verdict::Missed);
        assert_eq!(read("pod imbalance < 5").judge(None), Verdict::Undecided);
        assert_eq!(
            read("pod imbalance < 5").judge(Some(&estimate(&[1.0]))),
            Verdict::Undecided
        );
    }

    #[test]
    fn certainty_at_the_threshold_is_decided_by_the_sign() {
        let none = estimate(&[0.0, 0.0]);
        assert_eq!(read("lost requests <= 0").judge(Some(&none)), Verdict::Met);
        assert_eq!(
            read("lost requests < 0").judge(Some(&none)),
            Verdict::Missed
        );
    }

    #[test]
    fn a_share_of_replications_is_judged_by_its_exact_interval() {
        // All of 368 hold: the share is 99 % or more. Of 367 that is not sure yet. One of 20 that fails leaves 75 to 99.9 %.
        let judge = |values: &[f64]| {
            let objective = read("lost requests < 1 in 99% of replications");
            let estimate = objective.estimate(values);
            (objective.judge(Some(&estimate)), estimate.mean)
        };
        assert_eq!(judge(&[0.0; 368]), (Verdict::Met, 1.0));
        assert_eq!(judge(&[0.0; 367]).0, Verdict::Undecided);
        let mut one_fails = [0.0; 20];
        one_fails[7] = 3.0;
        assert_eq!(judge(&one_fails), (Verdict::Undecided, 0.95));
        assert_eq!(judge(&[2.0; 20]), (Verdict::Missed, 0.0));
    }

    #[test]
    fn one_miss_misses_all() {
        use Verdict::{Met, Missed, Undecided};
        assert_eq!(Verdict::of_all([Met, Met]), Met);
        assert_eq!(Verdict::of_all([Met, Undecided, Met]), Undecided);
        assert_eq!(Verdict::of_all([Undecided, Missed, Met]), Missed);
        assert_eq!(Verdict::of_all([]), Undecided);
    }
}
