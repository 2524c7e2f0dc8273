//! How evenly are the pods of a Service used?
//!
//! Three measures of one thing: max/min is what people quote, the coefficient of variation is what theory predicts,
//! Jain's index says which share of the pods could have carried the load. [`chance`] says what is nobody's fault.

use std::borrow::Cow;

use sim_core::{SimDuration, Tally};
use sim_models::id::{PodId, ServiceId};
use sim_models::observe::Observation;

use crate::measure::chance;
use crate::measure::layout::{Focus, Layout, Scope};
use crate::measure::quantity::{About, Absent, Better, Definition, Unit, ratio};
use crate::measure::reading::{Content, Merge, Reading, Thing};

use super::Metric;

/// Requests that each pod got, and connections that were opened to it, for each Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pods {
    requests: Vec<u64>,
    connections: Vec<u64>,
}

impl Pods {
    /// Finished requests that each pod of a Service got, in the order of [`super::super::layout::ServiceLayout::pods`].
    #[must_use]
    pub fn requests(&self, layout: &Layout, service: ServiceId) -> &[u64] {
        &self.requests[layout.endpoints_of(service)]
    }

    /// Connections that load balancer nodes opened to each pod of a Service, in the same order.
    #[must_use]
    pub fn connections(&self, layout: &Layout, service: ServiceId) -> &[u64] {
        &self.connections[layout.endpoints_of(service)]
    }
}

fn requests<'a>(metric: &'a Pods, focus: &Focus<'_>) -> Result<&'a [u64], Absent> {
    match focus.scope {
        Scope::Overall => Err(Absent::Nothing),
        Scope::Service(service) => Ok(metric.requests(focus.layout, service)),
    }
}

fn connections<'a>(metric: &'a Pods, focus: &Focus<'_>) -> Result<&'a [u64], Absent> {
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
                "Requests of the busiest pod over those of the least busy one (max/min); a pod without any counts as if it had got one.",
            )
            .services_only(),
            value: |metric, focus| chance::max_over_min(requests(metric, focus)?),
        },
        Definition {
            about: About::new(
                "requests per pod CV",
                Unit::Ratio,
                Better::Lower,
                "Coefficient of variation of requests per pod: population standard deviation over mean. Even use is 0.",
            )
            .services_only(),
            value: |metric, focus| chance::cv(requests(metric, focus)?),
        },
        Definition {
            about: About::new(
                "Jain index",
                Unit::Ratio,
                Better::Higher,
                "Jain's fairness index of requests per pod, 1 / (1 + CV^2): 1 when all pods get the same, 1 / pods when one gets everything.",
            )
            .services_only(),
            value: |metric, focus| chance::cv(requests(metric, focus)?).map(|cv| 1.0 / (1.0 + cv * cv)),
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
                chance::effective_draws(counts.len(), chance::cv(counts)?)
            },
        },
        Definition {
            about: About::new("requests per pod", Unit::Count, Better::Neither, "Mean number of requests that a pod got.")
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
            value: |metric, focus| chance::cv(connections(metric, focus)?),
        },
    ];

    fn new(layout: &Layout) -> Self {
        Self {
            requests: vec![0; layout.endpoint_count()],
            connections: vec![0; layout.endpoint_count()],
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

    fn read<'a>(&'a self, layout: &'a Layout) -> Vec<Reading<'a>> {
        let each = |name, scope, counts| Reading {
            name,
            scope,
            content: Content::Each(Thing::Pod, Unit::Count, Cow::Borrowed(counts)),
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
