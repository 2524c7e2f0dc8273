//! How old are the connections that carry the requests?
//!
//! A pod that is taken out of a service map still gets what rides on connections that are open. How old connections grow says
//! for how long.

use sim_core::{Histogram, SimDuration};
use sim_models::observe::Observation;
use sim_models::request::Hop;

use crate::measure::layout::{Layout, Scope};
use crate::measure::presence::Presence;
use crate::measure::quantity::{About, Better, Definition, Unit};
use crate::measure::reading::{ByService, Content, Merge, Reading};

use super::Metric;
use super::latency::{mean, quantile};

/// The age of a connection to a target whenever a request was written to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ages(ByService<Histogram>);

impl Ages {
    /// The ages of a scope, one for each request that a connection carried, in nanoseconds.
    #[must_use]
    pub fn of(&self, scope: Scope) -> &Histogram {
        self.0.of(scope)
    }
}

const fn about(name: &'static str, meaning: &'static str) -> About {
    About::new(name, Unit::Seconds, Better::Neither, meaning)
}

impl Metric for Ages {
    const QUESTION: &'static str = "How old are the connections that carry the requests?";

    const QUANTITIES: &'static [Definition<Self>] = &[
        Definition {
            about: about(
                "mean connection age",
                "Mean age of the connection to a target at the moment when a request is written to it; a new one is as old as its handshake.",
            ),
            value: |metric, focus| mean(metric.of(focus.scope)),
        },
        Definition {
            about: about(
                "p99 connection age",
                "Age of the connection to a target that 99 % of the requests find not exceeded when they are written to it.",
            ),
            value: |metric, focus| quantile(metric.of(focus.scope), 99_000, focus),
        },
    ];

    fn new(layout: &Layout) -> Self {
        Self(ByService::new(layout))
    }

    #[inline]
    fn see(&mut self, _: &Layout, _: SimDuration, seen: &Observation<'_>) {
        if let Observation::Finished(request) = seen
            && request.connection.is_some()
        {
            let age = request.at(Hop::Sent).saturating_since(request.connected);
            self.0.part(request.service).add(age.as_nanos());
        }
    }

    fn close(&mut self, _: &Presence) {
        self.0.close();
    }

    fn read<'a>(&'a self, layout: &'a Layout) -> Vec<Reading<'a>> {
        let spread = |scope| Reading {
            name: "connection age",
            scope,
            content: Content::Spread(Unit::Seconds, self.of(scope)),
        };
        layout.scopes().map(spread).collect()
    }
}

impl Merge for Ages {
    fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
    }
}

#[cfg(test)]
mod tests {
    use sim_core::SimTime;

    use crate::measure::testing::{after, answered, of_web, refused, web_pod};

    #[test]
    fn every_request_finds_its_connection_at_an_age() {
        // Written two milliseconds after birth, to connections dialled at 1 s and at 4 s.
        let at = |second: u64, dialled: u64| {
            let mut request = answered(SimTime::from_secs(second), web_pod(0));
            request.connected = SimTime::from_secs(dialled);
            request
        };
        let readings = after(&[at(5, 1), at(6, 4), refused(SimTime::from_secs(7))]);
        assert_eq!(of_web(&readings, "mean connection age"), Ok(3.002));
    }
}
