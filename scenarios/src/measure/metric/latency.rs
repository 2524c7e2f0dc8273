//! How long does a finished request take, from the client's first packet to its answer?

use sim_core::{Histogram, SimDuration};
use sim_models::observe::Observation;

use crate::measure::layout::{Focus, Layout};
use crate::measure::presence::Presence;
use crate::measure::quantity::{About, Absent, Better, Definition, Unit};
use crate::measure::reading::{ByService, Content, Merge, Reading};

use super::Metric;

/// Time from birth to answer of every finished request, failed ones included.
#[derive(Clone, Debug, PartialEq)]
pub struct Latency(ByService<Histogram>);

impl Latency {
    /// The times of a scope, in nanoseconds.
    #[must_use]
    pub fn of(&self, scope: crate::measure::Scope) -> &Histogram {
        self.0.of(scope)
    }
}

impl Metric for Latency {
    const QUESTION: &'static str = "How long does a request take?";

    const QUANTITIES: &'static [Definition<Self>] = &[
        percentile("p50 latency", |metric, focus| {
            quantile(metric.of(focus.scope), 50_000, focus)
        }),
        percentile("p90 latency", |metric, focus| {
            quantile(metric.of(focus.scope), 90_000, focus)
        }),
        percentile("p95 latency", |metric, focus| {
            quantile(metric.of(focus.scope), 95_000, focus)
        }),
        percentile("p99 latency", |metric, focus| {
            quantile(metric.of(focus.scope), 99_000, focus)
        }),
        percentile("p99.9 latency", |metric, focus| {
            quantile(metric.of(focus.scope), 99_900, focus)
        }),
        percentile("p99.99 latency", |metric, focus| {
            quantile(metric.of(focus.scope), 99_990, focus)
        }),
        Definition {
            about: About::new(
                "mean latency",
                Unit::Seconds,
                Better::Lower,
                "Mean time from the client's first packet to its answer, over all finished requests, failed ones included.",
            ),
            value: |metric, focus| mean(metric.of(focus.scope)),
        },
        Definition {
            about: About::new(
                "max latency",
                Unit::Seconds,
                Better::Lower,
                "The longest time that any request took.",
            ),
            value: |metric, focus| {
                metric
                    .of(focus.scope)
                    .max()
                    .map(seconds)
                    .ok_or(Absent::Nothing)
            },
        },
    ];

    fn new(layout: &Layout) -> Self {
        Self(ByService::new(layout))
    }

    #[inline]
    fn see(&mut self, _: &Layout, _: SimDuration, seen: &Observation<'_>) {
        if let Observation::Finished(request) = seen
            && !request.retried
        {
            self.0
                .part(request.service)
                .add(request.elapsed_since_asked().as_nanos());
        }
    }

    fn close(&mut self, _: &Presence) {
        self.0.close();
    }

    fn read<'a>(&'a self, layout: &'a Layout) -> Vec<Reading<'a>> {
        layout
            .scopes()
            .map(|scope| Reading {
                name: "latency",
                scope,
                content: Content::Spread(Unit::Seconds, self.of(scope)),
            })
            .collect()
    }
}

impl Merge for Latency {
    fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
    }
}

const fn percentile(
    name: &'static str,
    value: fn(&Latency, &Focus<'_>) -> Result<f64, Absent>,
) -> Definition<Latency> {
    let meaning = "Time from the client's first packet to its answer that this percentage of all finished requests did not exceed, failed ones included.";
    Definition {
        about: About::new(name, Unit::Seconds, Better::Lower, meaning),
        value,
    }
}

/// A quantile in seconds, given in parts of 100,000.
///
/// Refused where fewer than 10 observations lie beyond it on average, that is below `10 / (1 - q)` of them: it would
/// say more about luck than about the system.
pub(crate) fn quantile(
    histogram: &Histogram,
    per_100_000: u32,
    focus: &Focus<'_>,
) -> Result<f64, Absent> {
    let needed = 1_000_000_u32.div_ceil(100_000 - per_100_000);
    let seen = histogram.count();
    if seen == 0 {
        return Err(Absent::Nothing);
    }
    if seen < u64::from(needed) && !focus.rough {
        return Err(Absent::TooFew {
            seen: seen as u32,
            needed,
        });
    }
    histogram
        .quantile(f64::from(per_100_000) / 1e5)
        .map(seconds)
        .ok_or(Absent::Nothing)
}

/// The mean in seconds.
pub(crate) fn mean(histogram: &Histogram) -> Result<f64, Absent> {
    histogram
        .mean()
        .map(|nanos| nanos / 1e9)
        .ok_or(Absent::Nothing)
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use sim_core::SimTime;

    use super::*;
    use crate::measure::Scope;
    use crate::measure::testing::{after, answered, layout, of_web, refused, value, web_pod};

    #[test]
    fn failed_requests_count_too() {
        // Seven hops of a millisecond each, and a refusal after one millisecond: 4 ms on average.
        let readings = after(&[answered(SimTime::ZERO, web_pod(0)), refused(SimTime::ZERO)]);
        assert_eq!(of_web(&readings, "mean latency"), Ok(0.004));
        assert_eq!(of_web(&readings, "max latency"), Ok(0.007));
        assert_eq!(value(&readings, "max latency", Scope::Overall), Ok(0.007));
    }

    #[test]
    fn a_quantile_is_refused_below_ten_observations_beyond_it() {
        // p99 takes 10 / 0.01 = 1,000 requests, the median 20.
        let requests = vec![answered(SimTime::ZERO, web_pod(0)); 1_000];
        assert!(of_web(&after(&requests), "p99 latency").is_ok());
        let fewer = after(&requests[1..]);
        assert_eq!(
            of_web(&fewer, "p99 latency"),
            Err(Absent::TooFew {
                seen: 999,
                needed: 1_000
            })
        );
        assert_eq!(
            of_web(&fewer, "p99.9 latency"),
            Err(Absent::TooFew {
                seen: 999,
                needed: 10_000
            })
        );
        assert!(of_web(&after(&requests[..20]), "p50 latency").is_ok());
        assert_eq!(
            of_web(&after(&requests[..19]), "p50 latency"),
            Err(Absent::TooFew {
                seen: 19,
                needed: 20
            })
        );
        assert_eq!(of_web(&after(&[]), "p50 latency"), Err(Absent::Nothing));
    }

    #[test]
    fn where_the_warm_up_is_looked_for_few_are_enough() {
        let layout = layout();
        let focus = Focus {
            layout: &layout,
            span: SimDuration::ZERO,
            scope: Scope::Overall,
            rough: true,
        };
        assert_eq!(
            quantile(&[7_000_000].into_iter().collect(), 99_000, &focus),
            Ok(0.007)
        );
    }
}
