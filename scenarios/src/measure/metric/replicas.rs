//! How many replicas does an autoscaler want?
//!
//! An autoscaler looks at its Deployment at equal distances in time, so a mean over its looks is one over time.

use sim_core::SimDuration;
use sim_models::id::{Id, ServiceId};
use sim_models::observe::{Health, Observation};

use crate::measure::layout::{Focus, Layout, Scope};
use crate::measure::quantity::{About, Absent, Better, Definition, Unit, ratio};
use crate::measure::reading::{Content, Merge, Reading, Seconds};

use super::Metric;

/// Replicas of the Deployment behind each Service, as its autoscaler has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replicas {
    services: Vec<Scaled>,
}

/// The replicas of one Deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Scaled {
    /// The last look of this run, and the replicas after it; nothing that merges.
    last: Option<(SimDuration, u32)>,
    looks: u64,
    /// Replicas at all looks, added up.
    replicas: u64,
    peak: u32,
    changes: u64,
    current: Seconds,
}

impl Metric for Replicas {
    const QUESTION: &'static str = "How many replicas does an autoscaler want?";

    const QUANTITIES: &'static [Definition<Self>] = &[
        Definition {
            about: About::new(
                "mean replicas",
                Unit::Count,
                Better::Neither,
                "Replicas that the autoscaler of the Service's Deployment wants, on average over time.",
            )
            .services_only(),
            value: |metric, focus| {
                let it = metric.of(focus)?;
                ratio(it.replicas as f64, it.looks as f64)
            },
        },
        Definition {
            about: About::new(
                "peak replicas",
                Unit::Count,
                Better::Neither,
                "The most replicas that the autoscaler of the Service's Deployment wants.",
            )
            .services_only(),
            value: |metric, focus| Ok(f64::from(metric.of(focus)?.peak)),
        },
        Definition {
            about: About::new(
                "scalings",
                Unit::Count,
                Better::Lower,
                "How often the autoscaler of the Service's Deployment changes the number of replicas.",
            )
            .services_only(),
            value: |metric, focus| Ok(metric.of(focus)?.changes as f64),
        },
    ];

    fn new(layout: &Layout) -> Self {
        Self {
            services: layout
                .services()
                .iter()
                .map(|_| Scaled::default())
                .collect(),
        }
    }

    #[inline]
    fn see(&mut self, layout: &Layout, since: SimDuration, seen: &Observation<'_>) {
        if let Observation::Health(Health::Autoscaled {
            deployment,
            current,
            desired,
            ..
        }) = *seen
        {
            let services = self.services.iter_mut().zip(layout.services());
            for (it, _) in services.filter(|(_, service)| service.selects == deployment) {
                it.look(since, current, desired);
            }
        }
    }

    fn read<'a>(&'a self, _: &'a Layout) -> Vec<Reading<'a>> {
        let scaled = self.services.iter().enumerate();
        let scaled = scaled.filter(|(_, it)| it.looks > 0);
        scaled
            .map(|(service, it)| Reading {
                name: "replicas",
                scope: Scope::Service(ServiceId::from_index(service)),
                content: Content::Seconds(&it.current),
            })
            .collect()
    }
}

impl Replicas {
    /// What is known of a Service whose Deployment has an autoscaler.
    fn of(&self, focus: &Focus<'_>) -> Result<&Scaled, Absent> {
        match focus.scope {
            Scope::Service(service) => {
                let it = &self.services[service.index()];
                (it.looks > 0).then_some(it).ok_or(Absent::Nothing)
            }
            Scope::Overall => Err(Absent::Nothing),
        }
    }
}

impl Scaled {
    fn look(&mut self, since: SimDuration, current: u32, desired: u32) {
        let (from, before) = match self.last {
            Some(last) => last,
            // Up to the first look the replicas were what they are then.
            None => (SimDuration::ZERO, current),
        };
        self.current.hold(before, from, since);
        self.last = Some((since, desired));
        self.looks += 1;
        self.replicas += u64::from(desired);
        self.peak = self.peak.max(desired);
        self.changes += u64::from(current != desired);
    }
}

impl Merge for Replicas {
    fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.services.iter_mut().zip(&other.services) {
            mine.looks += theirs.looks;
            mine.replicas += theirs.replicas;
            mine.peak = mine.peak.max(theirs.peak);
            mine.changes += theirs.changes;
            mine.current.merge(&theirs.current);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_equal_distances_make_a_mean_over_time() {
        // 2 at 1 s, 4 at 16 s, 3 at 31 s: mean 3, peak 4, two changes. In the seconds 0 to 15 there are 2, from 16 to 30 there are 4.
        let mut scaled = Scaled::default();
        for (second, current, desired) in [(1, 2, 2), (16, 2, 4), (31, 4, 3)] {
            scaled.look(SimDuration::from_secs(second), current, desired);
        }
        assert_eq!((scaled.looks, scaled.replicas), (3, 9));
        assert_eq!((scaled.peak, scaled.changes), (4, 2));
        let counts = scaled.current.counts();
        assert_eq!((counts.len(), counts[0], counts[15]), (31, 2, 2));
        assert_eq!((counts[16], counts[30]), (4, 4));
    }
}
