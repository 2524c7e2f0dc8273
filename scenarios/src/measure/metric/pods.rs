//! How evenly are the pods of a Service used?
//!
//! Three measures of one thing: max/min is what people quote, the coefficient of variation is what theory predicts,
//! Jain's index says which share of the pods could have carried the load. [`chance`] says what is nobody's fault.
//!
//! The pods are those that were there ([`super::super::presence`]). One that was there for a part of the time counts in full, so where
//! pods come and go, their counts differ for that reason as well.

use std::borrow::Cow;

use sim_core::{SimDuration, Tally};
use sim_models::id::{PodId, ServiceId};
use sim_models::observe::Observation;

use crate::measure::chance;
use crate::measure::layout::{Focus, Layout, Scope};
use crate::measure::presence::Presence;
use crate::measure::quantity::{About, Absent, Better, Definition, Unit, ratio};
use crate::measure::reading::{Content, Merge, Reading, Thing};

use super::Metric;

/// Requests that each pod got, and connections that were opened to it, for each Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pods {
    requests: Vec<u64>,
    connections: Vec<u64>,
    there: Presence,
}

impl Pods {
    /// The pods of a Service that were there, in some replication, in the order of [`super::super::layout::ServiceLayout::pods`].
    ///
    /// One that was deleted before the measurement began, and finished requests after, is among them.
    pub fn pods(&self, layout: &Layout, service: ServiceId) -> impl Iterator<Item = PodId> {
        let pods = layout.service(service).pods.iter().copied();
        pods.filter(move |&pod| {
            self.there.was_there(pod) || self.requests[layout.endpoint(service, pod)] > 0
        })
    }

    /// Finished requests that each of the [`Pods::pods`] got.
    #[must_use]
    pub fn requests(&self, layout: &Layout, service: ServiceId) -> Vec<u64> {
        self.of(&self.requests, layout, service)
    }

    /// Connections that load balancer nodes opened to each of the [`Pods::pods`].
    #[must_use]
    pub fn connections(&self, layout: &Layout, service: ServiceId) -> Vec<u64> {
        self.of(&self.connections, layout, service)
    }

    /// In how many replications a pod was there.
    #[must_use]
    pub fn replications(&self, pod: PodId) -> u64 {
        self.there.replications(pod)
    }

    /// Whether the same pods of a Service were there all the time: none came and none left. Of the readings of one replication.
    #[must_use]
    pub fn is_steady(&self, layout: &Layout, service: ServiceId) -> bool {
        self.there.is_steady(&layout.service(service).pods)
    }

    fn of(&self, table: &[u64], layout: &Layout, service: ServiceId) -> Vec<u64> {
        let pods = self.pods(layout, service);
        pods.map(|pod| table[layout.endpoint(service, pod)])
            .collect()
    }
}

fn requests(metric: &Pods, focus: &Focus<'_>) -> Result<Vec<u64>, Absent> {
    match focus.scope {
        Scope::Overall => Err(Absent::Nothing),
        Scope::Service(service) => Ok(metric.requests(focus.layout, service)),
    }
}

fn connections(metric: &Pods, focus: &Focus<'_>) -> Result<Vec<u64>, Absent> {
    match focus.scope {
        Scope::Overall => Err(Absent::Nothing),
        Scope::Service(service) => Ok(metric.connections(focus.layout, service)),
    }
}

impl Metric for Pods {
    const QUESTION: &'static str = "How evenly are pods used?";

    const QUANTITIES: &'static [Definition<Self>] = &[
        Definition {
            about: About::new(
                "pod imbalance",
                Unit::Ratio,
                Better::Lower,
                "Requests of the busiest pod over those of the least busy one (max/min), of the pods that were there; one without any counts as if it had got one.",
            )
            .services_only(),
            value: |metric, focus| chance::max_over_min(&requests(metric, focus)?),
        },
        Definition {
            about: About::new(
                "requests per pod CV",
                Unit::Ratio,
                Better::Lower,
                "Coefficient of variation of requests per pod: population standard deviation over mean. Even use is 0.",
            )
            .services_only(),
            value: |metric, focus| chance::cv(&requests(metric, focus)?),
        },
        Definition {
            about: About::new(
                "Jain index",
                Unit::Ratio,
                Better::Higher,
                "Jain's fairness index of requests per pod, 1 / (1 + CV^2): 1 when all pods get the same, 1 / pods when one gets everything.",
            )
            .services_only(),
            value: |metric, focus| chance::cv(&requests(metric, focus)?).map(|cv| 1.0 / (1.0 + cv * cv)),
        },
        Definition {
            about: About::new(
                "N_eff",
                Unit::Count,
                Better::Higher,
                "Effective number of independent draws behind the spread of requests over pods, (pods - 1) / CV^2. \
                 Near the number of connections where connections are pinned to pods, near the number of requests where each request is drawn.",
            )
            .services_only()
            .harmonic(),
            value: |metric, focus| {
                let counts = requests(metric, focus)?;
                chance::effective_draws(counts.len(), chance::cv(&counts)?)
            },
        },
        Definition {
            about: About::new("requests per pod", Unit::Count, Better::Neither, "Mean number of requests that a pod got, of those that were there.")
                .services_only()
                .alias("RequestCountPerTarget (with ip targets)"),
            value: |metric, focus| {
                let counts = requests(metric, focus)?;
                ratio(counts.iter().sum::<u64>() as f64, counts.len() as f64)
            },
        },
        Definition {
            about: About::new("max requests per pod", Unit::Count, Better::Lower, "Requests of the busiest pod.").services_only(),
            value: |metric, focus| requests(metric, focus)?.iter().max().map(|&most| most as f64).ok_or(Absent::Nothing),
        },
        Definition {
            about: About::new("min requests per pod", Unit::Count, Better::Higher, "Requests of the least busy pod.").services_only(),
            value: |metric, focus| requests(metric, focus)?.iter().min().map(|&least| least as f64).ok_or(Absent::Nothing),
        },
        Definition {
            about: About::new("pods reached", Unit::Count, Better::Higher, "Pods that got at least one request.").services_only(),
            value: |metric, focus| Ok(requests(metric, focus)?.iter().filter(|&&count| count > 0).count() as f64),
        },
        Definition {
            about: About::new(
                "connections per pod CV",
                Unit::Ratio,
                Better::Lower,
                "Coefficient of variation of the connections opened to each pod: population standard deviation over mean.",
            )
            .services_only(),
            value: |metric, focus| chance::cv(&connections(metric, focus)?),
        },
    ];

    fn new(layout: &Layout) -> Self {
        Self {
            requests: vec![0; layout.endpoint_count()],
            connections: vec![0; layout.endpoint_count()],
            there: Presence::new(layout.pod_places()),
        }
    }

    #[inline]
    fn see(&mut self, layout: &Layout, _: SimDuration, seen: &Observation<'_>) {
        let count = |table: &mut [u64], service: ServiceId, pod: PodId| {
            table[layout.endpoint(service, pod)] += 1
        };
        match seen {
            Observation::Finished(request) => {
                if let (Some(service), Some(pod)) = (request.service, request.pod) {
                    count(&mut self.requests, service, pod);
                }
            }
            Observation::Opened { target, pod, .. } => {
                count(&mut self.connections, layout.target_service(*target), *pod)
            }
            _ => {}
        }
    }

    fn close(&mut self, there: &Presence) {
        self.there.merge(there);
    }

    fn read<'a>(&'a self, layout: &'a Layout) -> Vec<Reading<'a>> {
        let each = |name, scope, counts| Reading {
            name,
            scope,
            content: Content::Each(Thing::Pod, Unit::Count, Cow::Owned(counts)),
        };
        let services = layout.scopes().filter_map(|scope| match scope {
            Scope::Overall => None,
            Scope::Service(service) => Some((scope, service)),
        });
        services
            .flat_map(|(scope, service)| {
                [
                    each("requests per pod", scope, self.requests(layout, service)),
                    each(
                        "connections per pod",
                        scope,
                        self.connections(layout, service),
                    ),
                ]
            })
            .collect()
    }
}

impl Merge for Pods {
    fn merge(&mut self, other: &Self) {
        self.requests.merge(&other.requests);
        self.connections.merge(&other.connections);
        self.there.merge(&other.there);
    }
}

/// Count, sum and spread of a table of counts.
pub(crate) fn tally(counts: &[u64]) -> Tally {
    counts.iter().copied().collect()
}

#[cfg(test)]
mod tests {
    use sim_core::SimTime;

    use super::*;
    use crate::measure::testing::{after, answered, layout, of_web, service, value, web_pod};

    fn seen(counts: [usize; 3]) -> crate::measure::Readings {
        let each = counts
            .iter()
            .enumerate()
            .flat_map(|(rank, &count)| vec![answered(SimTime::ZERO, web_pod(rank)); count]);
        after(&each.collect::<Vec<_>>())
    }

    #[test]
    fn three_measures_of_one_spread() {
        // 1, 2, 3: mean 2, population variance 2/3, CV^2 = (2/3) / 4 = 1/6; Jain 1 / (1 + 1/6) = 6/7; N_eff = 2 / (1/6) = 12.
        let readings = seen([1, 2, 3]);
        assert_eq!(readings.pods.requests(&layout(), service("web")), [1, 2, 3]);
        assert_eq!(of_web(&readings, "pod imbalance"), Ok(3.0));
        assert!(
            (of_web(&readings, "requests per pod CV").unwrap() - (1.0_f64 / 6.0).sqrt()).abs()
                < 1e-12
        );
        assert!((of_web(&readings, "Jain index").unwrap() - 6.0 / 7.0).abs() < 1e-12);
        assert!((of_web(&readings, "N_eff").unwrap() - 12.0).abs() < 1e-9);
        assert_eq!(of_web(&readings, "requests per pod"), Ok(2.0));
    }

    #[test]
    fn a_pod_without_requests_keeps_the_ratio_finite() {
        let readings = seen([4, 0, 2]);
        assert_eq!(of_web(&readings, "pod imbalance"), Ok(4.0));
        assert_eq!(of_web(&readings, "pods reached"), Ok(2.0));
        assert_eq!(of_web(&readings, "min requests per pod"), Ok(0.0));
    }

    #[test]
    fn pods_of_several_services_are_not_compared() {
        assert_eq!(
            value(&seen([1, 1, 1]), "pod imbalance", Scope::Overall),
            Err(Absent::Nothing)
        );
        assert_eq!(
            value(
                &seen([1, 1, 1]),
                "pod imbalance",
                Scope::Service(service("idle"))
            ),
            Err(Absent::Nothing)
        );
    }
}
