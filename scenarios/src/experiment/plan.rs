//! How often and how long: the rules behind `Auto`.
//!
//! Both look at the first alternative alone. What they look at are the objectives' metrics, or p99 latency and pod
//! imbalance where there is no objective.

use sim_core::warmup::mser5;
use sim_core::{SimDuration, SimTime};
use sim_models::request::client::{Arrivals, Config};
use sim_models::world::blueprint::Blueprint;

use crate::measure::layout::{Layout, Scope};
use crate::measure::metric::Quantity;
use crate::measure::objective::Objective;
use crate::measure::observer::Watched;
use crate::measure::quantity::Absent;

/// Replications before the first look, and between looks.
pub const ROUND: u32 = 10;

/// Replications at most.
pub const CAP: u32 = 200;

/// Half-width over mean that is good enough.
pub const PRECISION: f64 = 0.05;

/// Pilot runs whose averages show where the transient ends.
pub const PILOTS: u64 = 3;

/// Width of the bins in which the transient is looked for.
pub const BIN: SimDuration = SimDuration::from_secs(1);

/// Metrics that are looked at where no objective names any.
const DEFAULTS: [&str; 2] = ["p99 latency", "pod imbalance"];

/// What the rules look at: quantities with the scopes that count.
pub(super) fn looked_at(objectives: &[Objective], layout: &Layout) -> Vec<(Quantity, Vec<Scope>)> {
    if !objectives.is_empty() {
        let of = |objective: &Objective| {
            (
                objective.quantity,
                objective.scopes(layout).unwrap_or_default(),
            )
        };
        return objectives.iter().map(of).collect();
    }
    let asked =
        |scope: &Scope| matches!(scope, Scope::Service(service) if layout.service(*service).asked);
    let quantities =
        DEFAULTS.map(|name| Quantity::named(name).expect("the default metrics are on the list"));
    quantities
        .map(|quantity| (quantity, layout.scopes().filter(asked).collect()))
        .into()
}

/// How many replications to have next, when `done` are done and the worst number is known with this relative
/// half-width; `None` when they are enough.
pub(super) fn next_round(done: u32, worst_relative_half_width: f64) -> Option<u32> {
    if done < ROUND {
        return Some(ROUND);
    }
    (worst_relative_half_width > PRECISION && done < CAP).then(|| (done + ROUND).min(CAP))
}

/// Where the warm-up ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WarmUpFound {
    /// Time to throw away.
    pub(super) cut: SimDuration,
    /// Whether the series settled; if not, the longest warm-up allowed is cut.
    pub(super) settled: bool,
}

/// The blueprint of a pilot run: from the start, and long enough that a third of it is half of what counts afterwards.
///
/// `run.length` counts after the warm-up, so a warm-up of at most half the length is at most a third of the whole run.
pub(super) fn pilot(blueprint: &Blueprint) -> Blueprint {
    let mut pilot = blueprint.clone();
    pilot.run.warm_up = SimDuration::ZERO;
    pilot.run.length = blueprint.run.length + blueprint.run.length / 2;
    pilot
}

/// When something is planned to change: a fault, a burst or a recording begins, a rate steps, a population begins late. The
/// warm-up ends before it.
pub(super) fn first_timed_change(blueprint: &Blueprint) -> Option<SimDuration> {
    let of = |config: &Config| {
        let began = config.start;
        match &config.arrivals {
            Arrivals::CurlLoop { .. } | Arrivals::Bursts { .. } | Arrivals::Trace { .. } => {
                Some(began)
            }
            _ if !began.is_zero() => Some(began),
            Arrivals::Piecewise { steps, period } => {
                let step = steps.get(1).map(|step| step.from);
                let change = step.into_iter().chain(*period).min();
                change.filter(|_| steps.len() > 1)
            }
            Arrivals::Poisson { .. } | Arrivals::Constant { .. } | Arrivals::Closed { .. } => None,
        }
    };
    let populations = blueprint.populations.iter();
    let changes = populations.filter_map(|population| of(&population.config));
    changes.chain(first_fault(blueprint)).min()
}

/// When the first fault begins.
pub(super) fn first_fault(blueprint: &Blueprint) -> Option<SimDuration> {
    let faults = &blueprint.health.as_ref()?.faults;
    faults.iter().map(|fault| fault.from - SimTime::ZERO).min()
}

/// Finds the end of the warm-up in what pilot runs showed, for each of them a list of watches in bins of [`BIN`].
pub(super) fn find_warm_up(pilots: &[Vec<Watched>], blueprint: &Blueprint) -> WarmUpFound {
    let longest = blueprint.run.length / 2;
    let horizon = first_timed_change(blueprint).unwrap_or(SimDuration::MAX);
    let limit = longest.min(horizon);
    let bins = usize::try_from(horizon / BIN).unwrap_or(usize::MAX);
    let cuts = averaged(pilots).map(|mut series| {
        series.truncate(bins);
        if series.is_empty() {
            Some(SimDuration::ZERO)
        } else {
            mser5(&series).map(|cut| BIN * cut as u64)
        }
    });
    let longest_cut = cuts
        .map(|cut| cut.filter(|&cut| cut <= limit))
        .reduce(|a, b| Some(a?.max(b?)));
    match longest_cut {
        Some(Some(cut)) => WarmUpFound { cut, settled: true },
        Some(None) => WarmUpFound {
            cut: limit,
            settled: limit.is_zero(),
        },
        None => WarmUpFound {
            cut: SimDuration::ZERO,
            settled: true,
        },
    }
}

/// The mean series over the pilot runs, of each watch and scope.
fn averaged(pilots: &[Vec<Watched>]) -> impl Iterator<Item = Vec<f64>> + '_ {
    let watches = pilots.first().map_or(0, Vec::len);
    (0..watches).flat_map(move |watch| {
        let scopes = pilots[0][watch].len();
        (0..scopes).map(move |scope| {
            let bins = pilots
                .iter()
                .map(|pilot| pilot[watch][scope].len())
                .max()
                .unwrap_or(0);
            let means = (0..bins).map(|bin| {
                mean_present(
                    pilots
                        .iter()
                        .filter_map(|pilot| pilot[watch][scope].get(bin).copied()),
                )
            });
            fill_gaps(means.collect())
        })
    })
}

fn mean_present(values: impl Iterator<Item = Result<f64, Absent>>) -> Option<f64> {
    let (count, sum) = values
        .flatten()
        .fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}

/// A bin without a value repeats the one before it; bins before the first value are left out of the series' level by
/// taking that first value.
fn fill_gaps(series: Vec<Option<f64>>) -> Vec<f64> {
    let Some(mut last) = series.iter().flatten().next().copied() else {
        return Vec::new();
    };
    series
        .into_iter()
        .map(|value| {
            last = value.unwrap_or(last);
            last
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::testing::blueprint;
    use sim_models::request::client::Step;
    use sim_models::world::blueprint::Population;

    #[test]
    fn rounds_of_ten_up_to_the_cap() {
        // done, worst relative half-width, next
        let table = [
            (0, f64::INFINITY, Some(10)),
            (0, 0.0, Some(10)),
            (10, 0.050, None),
            (10, 0.051, Some(20)),
            (190, 0.2, Some(200)),
            (200, 0.2, None),
        ];
        for (done, worst, next) in table {
            assert_eq!(next_round(done, worst), next, "{done} {worst}");
        }
    }

    /// Pilots of one watch and one scope, all with the same series.
    fn pilots(series: impl Fn(usize) -> Result<f64, Absent>) -> Vec<Vec<Watched>> {
        vec![vec![vec![(0..150).map(series).collect()]]; PILOTS as usize]
    }

    fn found(series: impl Fn(usize) -> Result<f64, Absent>) -> WarmUpFound {
        // The small world counts 100 s: pilots of 150 s, and a warm-up of 50 s at most.
        find_warm_up(&pilots(series), &blueprint())
    }

    fn seconds(cut: u64) -> SimDuration {
        SimDuration::from_secs(cut)
    }

    #[test]
    fn a_transient_is_cut_where_it_ends() {
        // High for 20 s, then a steady alternation.
        let steps = found(|bin| Ok(if bin < 20 { 9.0 } else { (bin % 2) as f64 }));
        assert_eq!(
            steps,
            WarmUpFound {
                cut: seconds(20),
                settled: true
            }
        );
        assert_eq!(
            found(|_| Ok(3.0)),
            WarmUpFound {
                cut: seconds(0),
                settled: true
            }
        );
    }

    #[test]
    fn what_does_not_settle_loses_a_third() {
        assert_eq!(
            found(|bin| Ok((bin * bin) as f64)),
            WarmUpFound {
                cut: seconds(50),
                settled: false
            }
        );
        let late = found(|bin| Ok(if bin < 60 { 9.0 } else { (bin % 2) as f64 }));
        assert_eq!(
            late,
            WarmUpFound {
                cut: seconds(50),
                settled: false
            }
        );
    }

    #[test]
    fn gaps_repeat_what_was_before() {
        let gaps = found(|bin| match bin {
            0..5 => Err(Absent::Nothing),
            5..20 => Ok(9.0),
            _ if bin % 3 == 0 => Err(Absent::Nothing),
            _ => Ok(1.0),
        });
        assert_eq!(
            gaps,
            WarmUpFound {
                cut: seconds(20),
                settled: true
            }
        );
    }

    #[test]
    fn nothing_to_look_at_needs_no_warm_up() {
        assert_eq!(
            find_warm_up(&[], &blueprint()),
            WarmUpFound {
                cut: seconds(0),
                settled: true
            }
        );
        assert_eq!(
            found(|_| Err(Absent::Nothing)),
            WarmUpFound {
                cut: seconds(0),
                settled: true
            }
        );
    }

    #[test]
    fn the_warm_up_ends_before_a_planned_change() {
        let changing_at = |start: u64| {
            let mut burst = blueprint();
            let later = |mut population: Population| {
                population.config.start = seconds(start);
                population
            };
            burst.populations = burst.populations.iter().cloned().map(later).collect();
            burst
        };
        assert_eq!(first_timed_change(&blueprint()), None);
        assert_eq!(first_timed_change(&changing_at(30)), Some(seconds(30)));
        // Eight bins before the change are less than two batches: all of them are cut, not the 50 s that the length allows.
        let short = find_warm_up(&pilots(|_| Ok(3.0)), &changing_at(8));
        assert_eq!(
            short,
            WarmUpFound {
                cut: seconds(8),
                settled: false
            }
        );
        // A step at 40 s lies after the change and does not count.
        let later = find_warm_up(
            &pilots(|bin| Ok(if bin < 40 { 5.0 } else { 1.0 })),
            &changing_at(30),
        );
        assert_eq!(
            later,
            WarmUpFound {
                cut: seconds(0),
                settled: true
            }
        );
    }

    #[test]
    fn bursts_recordings_and_steps_are_planned_changes() {
        let first_change = |arrivals: Arrivals| {
            let mut changed = blueprint();
            let with = |mut population: Population| {
                population.config.arrivals = arrivals.clone();
                population
            };
            changed.populations = changed.populations.iter().cloned().map(with).collect();
            first_timed_change(&changed)
        };
        let rate = "50/s".parse().unwrap();
        let step = |from| Step {
            from: seconds(from),
            rate,
        };
        let steps = |steps: &[u64]| Arrivals::Piecewise {
            steps: steps.iter().map(|&from| step(from)).collect(),
            period: Some(seconds(90)),
        };
        let burst = Arrivals::Bursts {
            every: seconds(60),
            requests: std::num::NonZeroU32::MIN,
            within: seconds(0),
        };
        assert_eq!(first_change(burst), Some(seconds(0)));
        assert_eq!(
            first_change(Arrivals::Trace { times: Vec::new() }),
            Some(seconds(0))
        );
        assert_eq!(first_change(steps(&[0, 25])), Some(seconds(25)));
        assert_eq!(first_change(steps(&[0])), None);
        assert_eq!(first_change(Arrivals::Constant { rate }), None);
    }

    #[test]
    fn a_pilot_is_long_enough_for_a_third() {
        let pilot = pilot(&blueprint());
        assert_eq!(
            (pilot.run.warm_up, pilot.run.length),
            (seconds(0), seconds(150))
        );
    }
}
