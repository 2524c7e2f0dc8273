//! When do requests start?

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{Dist, DistError, Sampler, SimDuration, Unit};

use crate::quantity::Rate;

/// When requests start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Arrivals {
    /// Open loop, independent users: exponential gaps.
    Poisson {
        /// Mean rate of the whole population.
        rate: Rate,
    },
    /// Open loop, a metronome: equal gaps.
    Constant {
        /// Rate of the whole population.
        rate: Rate,
    },
    /// Open loop, independent users whose number changes: a Poisson process whose rate is a step function of time.
    Piecewise {
        /// Rates, each from its time on, counted from the population's `start`. The first begins at "0s".
        steps: Vec<Step>,
        /// The steps begin again after this long: a day, a week.
        ///
        /// Default: the last step goes on.
        #[serde(default)]
        period: Option<SimDuration>,
    },
    /// Open loop, bursts: every so often a number of requests, at uniformly drawn instants of a window.
    Bursts {
        /// Time from the begin of a burst to the begin of the next. The first begins at the population's `start`.
        every: SimDuration,
        /// Requests in a burst.
        requests: NonZeroU32,
        /// The window in which the requests of a burst start.
        ///
        /// Range: 0 (all at once) to `every`. Default: "0s".
        #[serde(default)]
        within: SimDuration,
    },
    /// Open loop, recorded: requests start at these times, counted from the population's `start`, in rising order.
    Trace {
        /// When each request starts.
        times: Vec<SimDuration>,
    },
    /// A shell loop of one-shot requests: each on a connection of its own.
    CurlLoop {
        /// Requests in all.
        requests: u64,
        /// Requests at once. With a number, the next starts when an answer has come.
        ///
        /// Default: All.
        #[serde(default)]
        in_parallel: InParallel,
    },
    /// Closed loop: each user waits for the answer, thinks, asks again. A user first thinks.
    Closed {
        /// Users at work.
        users: NonZeroU32,
        /// Time from an answer to the next request of that user.
        think: Dist,
    },
}

impl Arrivals {
    /// Requests that an open loop is expected to ask for in its first `active`; `None` for a closed loop.
    pub fn expected(&self, active: SimDuration) -> Option<f64> {
        let seconds = active.as_secs_f64();
        match self {
            Self::Poisson { rate } | Self::Constant { rate } => {
                Some(rate.as_per_second() * seconds)
            }
            Self::Piecewise { steps, period } => Some(expected_of_steps(steps, *period, active)),
            Self::Bursts {
                every, requests, ..
            } => {
                let bursts = (seconds / every.as_secs_f64()).ceil().max(1.0);
                Some(bursts * f64::from(requests.get()))
            }
            Self::Trace { times } => Some(times.iter().filter(|&&at| at < active).count() as f64),
            Self::CurlLoop {
                requests,
                in_parallel: InParallel::All,
            } => Some(*requests as f64),
            Self::CurlLoop { .. } | Self::Closed { .. } => None,
        }
    }

    /// What must hold of the process and does not, in words that follow "expected".
    pub fn flaw(&self) -> Option<&'static str> {
        match self {
            Self::Piecewise { steps, period } => {
                let last = steps.last().map(|step| step.from);
                if steps
                    .first()
                    .is_none_or(|first| first.from > SimDuration::ZERO)
                {
                    Some("a first step from \"0s\" on")
                } else if !steps.windows(2).all(|pair| pair[0].from < pair[1].from) {
                    Some("steps in rising order of `from`")
                } else {
                    period
                        .is_some_and(|period| last.is_some_and(|last| period <= last))
                        .then_some("a period longer than the last step's `from`")
                }
            }
            Self::Bursts { every, .. } if *every == SimDuration::ZERO => {
                Some("`every` longer than 0")
            }
            Self::Bursts { every, within, .. } if within > every => {
                Some("`within` no longer than `every`")
            }
            Self::Trace { times } if !times.is_sorted() => Some("times in rising order"),
            Self::CurlLoop { requests: 0, .. } => Some("1 or more requests"),
            _ => None,
        }
    }
}

/// The integral of a step function of time.
fn expected_of_steps(steps: &[Step], period: Option<SimDuration>, active: SimDuration) -> f64 {
    let within = |until: SimDuration| {
        let ends = steps
            .iter()
            .skip(1)
            .map(|step| step.from)
            .chain([SimDuration::MAX]);
        let pieces = steps.iter().zip(ends).filter(|(step, _)| step.from < until);
        let piece = |(step, end): (&Step, SimDuration)| {
            (end.min(until) - step.from).as_secs_f64() * step.rate.as_per_second()
        };
        pieces.map(piece).sum::<f64>()
    };
    match period {
        Some(period) => {
            let rounds = active.as_nanos() / period.as_nanos();
            let rest = SimDuration::from_nanos(active.as_nanos() % period.as_nanos());
            rounds as f64 * within(period) + within(rest)
        }
        None => within(active),
    }
}

/// A rate from some time on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// From when on, counted from the population's `start`.
    pub from: SimDuration,
    /// Mean rate of the whole population.
    pub rate: Rate,
}

/// How many requests of a curl loop run at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InParallel {
    /// All of them start at the same instant.
    #[default]
    All,
    /// This many at a time.
    AtMost(NonZeroU32),
}

/// The instants at which an open-loop population asks: one [`Unit`] per request, in order.
///
/// Every process is sampled by inversion, so that the same draws give aligned arrivals in every alternative.
#[derive(Clone, Debug)]
pub struct ArrivalClock {
    law: Law,
    /// Instant of the last request, from the population's start.
    at: SimDuration,
    /// Requests so far.
    count: u64,
}

#[derive(Clone, Debug)]
enum Law {
    /// Gaps from a distribution.
    Gaps(Sampler),
    /// All at once.
    AtOnce,
    Piecewise {
        steps: Vec<Step>,
        period: Option<SimDuration>,
    },
    Bursts {
        every: SimDuration,
        requests: u64,
        within: SimDuration,
    },
    Trace(Vec<SimDuration>),
}

impl ArrivalClock {
    /// The clock of an open-loop process; `None` for closed loops, which wait for answers.
    ///
    /// # Errors
    ///
    /// [`DistError`] cannot happen for a [`Rate`], which is above 0.
    pub fn new(arrivals: &Arrivals) -> Result<Option<Self>, DistError> {
        let gap = |rate: Rate| SimDuration::from_secs_f64(1.0 / rate.as_per_second());
        let law = match arrivals {
            Arrivals::Poisson { rate } => Law::Gaps(Dist::exponential(gap(*rate)).sampler()?),
            Arrivals::Constant { rate } => Law::Gaps(Dist::constant(gap(*rate)).sampler()?),
            Arrivals::Piecewise { steps, period } => Law::Piecewise {
                steps: steps.clone(),
                period: *period,
            },
            Arrivals::Bursts {
                every,
                requests,
                within,
            } => Law::Bursts {
                every: *every,
                requests: u64::from(requests.get()),
                within: *within,
            },
            Arrivals::Trace { times } => Law::Trace(times.clone()),
            Arrivals::CurlLoop {
                in_parallel: InParallel::All,
                ..
            } => Law::AtOnce,
            Arrivals::CurlLoop { .. } | Arrivals::Closed { .. } => return Ok(None),
        };
        Ok(Some(Self {
            law,
            at: SimDuration::ZERO,
            count: 0,
        }))
    }

    /// The instant of the next request, from the population's start; `None` after the last.
    #[inline]
    pub fn next(&mut self, draw: Unit) -> Option<SimDuration> {
        self.at = match &self.law {
            Law::Gaps(gaps) => self.at + gaps.sample(draw),
            Law::AtOnce => SimDuration::ZERO,
            Law::Piecewise { steps, period } => after_hazard(steps, *period, self.at, draw),
            Law::Bursts {
                every,
                requests,
                within,
            } => {
                let (burst, done) = (self.count / requests, self.count % requests);
                let begin = *every * burst;
                let from = if done == 0 { begin } else { self.at };
                // The least of the uniform instants that are left, given that none lies before `from`.
                let left = (requests - done) as f64;
                let share = 1.0 - libm::pow(draw.get(), 1.0 / left);
                let rest = (begin + *within) - from;
                from + SimDuration::from_nanos((rest.as_nanos() as f64 * share) as u64)
            }
            Law::Trace(times) => *times.get(usize::try_from(self.count).ok()?)?,
        };
        self.count += 1;
        Some(self.at)
    }
}

/// The instant after `from` at which the integral of the rate has grown by an exponential draw of mean 1.
fn after_hazard(
    steps: &[Step],
    period: Option<SimDuration>,
    from: SimDuration,
    draw: Unit,
) -> SimDuration {
    let mut left = -libm::log(draw.get());
    let mut at = from;
    loop {
        let (round, phase) = match period {
            Some(period) => (
                at.as_nanos() / period.as_nanos(),
                at.as_nanos() % period.as_nanos(),
            ),
            None => (0, at.as_nanos()),
        };
        let next = steps.partition_point(|step| step.from.as_nanos() <= phase);
        let step = steps[next.saturating_sub(1)];
        let end = match (steps.get(next), period) {
            (Some(next), _) => Some(next.from.as_nanos()),
            (None, period) => period.map(SimDuration::as_nanos),
        };
        let per_nano = step.rate.as_per_second() / 1e9;
        let wanted = left / per_nano;
        let room = end.map_or(f64::INFINITY, |end| (end - phase) as f64);
        if wanted < room {
            return at + SimDuration::from_nanos(wanted as u64);
        }
        left -= room * per_nano;
        let begin = round * period.map_or(0, SimDuration::as_nanos);
        at = SimDuration::from_nanos(begin + end.unwrap_or(u64::MAX - begin));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instants(arrivals: &Arrivals, count: usize) -> Vec<f64> {
        let mut clock = ArrivalClock::new(arrivals)
            .expect("a valid process")
            .expect("an open loop");
        let mut stream = sim_core::Streams::new(1, 0).stream(crate::streams::REQUESTS, 0);
        std::iter::from_fn(|| clock.next(stream.unit()))
            .take(count)
            .map(SimDuration::as_secs_f64)
            .collect()
    }

    fn rate(per_second: f64) -> Rate {
        Rate::per_second(per_second).expect("a rate above 0")
    }

    #[test]
    fn a_piecewise_process_has_the_rate_of_each_step() {
        // 100/s for 60 s, then 300/s for 40 s, and again: 6,000 and 12,000 requests a round, give or take
        // 4 sqrt(18,000) = 540.
        let seconds = SimDuration::from_secs;
        let steps = vec![
            Step {
                from: SimDuration::ZERO,
                rate: rate(100.0),
            },
            Step {
                from: seconds(60),
                rate: rate(300.0),
            },
        ];
        let instants = instants(
            &Arrivals::Piecewise {
                steps,
                period: Some(seconds(100)),
            },
            60_000,
        );
        let between = |from: f64, to: f64| {
            instants.iter().filter(|&&at| at >= from && at < to).count() as f64
        };
        for round in [0.0, 100.0, 200.0] {
            assert!((between(round, round + 60.0) - 6000.0).abs() < 320.0);
            assert!((between(round + 60.0, round + 100.0) - 12_000.0).abs() < 450.0);
        }
        assert!(instants.is_sorted());
    }

    #[test]
    fn a_burst_stays_in_its_window_and_is_spread_evenly() {
        let arrivals = Arrivals::Bursts {
            every: SimDuration::from_secs(10),
            requests: NonZeroU32::new(1000).expect("1000 > 0"),
            within: SimDuration::from_secs(2),
        };
        let instants = instants(&arrivals, 3000);
        for (burst, requests) in instants.chunks(1000).enumerate() {
            let begin = 10.0 * burst as f64;
            assert!(requests.iter().all(|at| (begin..begin + 2.0).contains(at)));
            // The mean of 1,000 uniform instants of 2 s: 1 s, give or take 4 x 0.577 / sqrt(1000) = 0.073.
            let mean = requests.iter().map(|at| at - begin).sum::<f64>() / 1000.0;
            assert!((mean - 1.0).abs() < 0.073, "{mean}");
        }
    }

    #[test]
    fn the_expected_number_of_requests_is_the_integral_of_the_rate() {
        let seconds = SimDuration::from_secs;
        let steps = vec![
            Step {
                from: SimDuration::ZERO,
                rate: rate(100.0),
            },
            Step {
                from: seconds(60),
                rate: rate(300.0),
            },
        ];
        let arrivals = |period| Arrivals::Piecewise {
            steps: steps.clone(),
            period,
        };
        // 6,000 in the first minute, then 300/s; with a period of 100 s it begins again at 100/s.
        assert_eq!(
            arrivals(None).expected(seconds(110)),
            Some(6000.0 + 50.0 * 300.0)
        );
        assert_eq!(
            arrivals(Some(seconds(100))).expected(seconds(110)),
            Some(18_000.0 + 1000.0)
        );
    }

    #[test]
    fn a_flaw_is_named() {
        let step = |from| Step {
            from: SimDuration::from_secs(from),
            rate: rate(1.0),
        };
        let piecewise = |steps: &[u64], period: Option<u64>| {
            let steps = steps.iter().map(|&from| step(from)).collect();
            Arrivals::Piecewise {
                steps,
                period: period.map(SimDuration::from_secs),
            }
            .flaw()
        };
        assert_eq!(piecewise(&[0, 5], Some(9)), None);
        assert!(piecewise(&[], None).is_some_and(|flaw| flaw.contains("first step")));
        assert!(piecewise(&[0, 5, 5], None).is_some_and(|flaw| flaw.contains("rising")));
        assert!(piecewise(&[0, 5], Some(5)).is_some_and(|flaw| flaw.contains("period")));
        let times = [2, 1].map(SimDuration::from_secs).to_vec();
        assert_eq!(
            Arrivals::Trace { times }.flaw(),
            Some("times in rising order")
        );
    }

    #[test]
    fn a_trace_is_followed_and_ends() {
        let times = [1, 1, 4].map(SimDuration::from_secs).to_vec();
        assert_eq!(instants(&Arrivals::Trace { times }, 9), [1.0, 1.0, 4.0]);
    }
}
