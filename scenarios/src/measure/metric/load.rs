//! How busy are the pods, and how long are their queues?
//!
//! Work and waits are folded from finished requests: a pod's utilisation is the work done for them over the work its
//! workers could do, its mean queue is the time they waited over the time that passed (Little's law). A request that
//! straddles the end of the warm-up counts whole, one that straddles the end of the run not at all; in a steady state
//! the two cancel.

use std::borrow::Cow;

use sim_core::SimDuration;
use sim_models::id::{Id, PodId};
use sim_models::observe::Observation;
use sim_models::request::Hop;

use crate::measure::layout::{Focus, Layout, Scope};
use crate::measure::quantity::{About, Absent, Better, Definition, Unit, ratio};
use crate::measure::reading::{Content, Merge, Reading, Thing};

use super::Metric;

/// Time worked and time waited in each pod, in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    worked: Vec<u64>,
    waited: Vec<u64>,
}

impl Load {
    /// Nanoseconds that the workers of each pod spent on finished requests.
    #[must_use]
    pub fn worked(&self) -> &[u64] {
        &self.worked
    }

    /// Nanoseconds that finished requests waited in each pod for a worker.
    #[must_use]
    pub fn waited(&self) -> &[u64] {
        &self.waited
    }

    /// Mean share of a pod's workers that was busy during `observed`, the total time over all merged replications.
    ///
    /// # Errors
    ///
    /// [`Absent::Nothing`] where no time was observed.
    pub fn utilisation(
        &self,
        layout: &Layout,
        pod: PodId,
        observed: SimDuration,
    ) -> Result<f64, Absent> {
        let capacity = f64::from(layout.pod_workers(pod)) * observed.as_nanos() as f64;
        ratio(self.worked[pod.index()] as f64, capacity)
    }
}

/// The pods of a scope.
fn pods<'a>(focus: &Focus<'a>) -> Box<dyn Iterator<Item = PodId> + 'a> {
    match focus.scope {
        Scope::Overall => Box::new((0..focus.layout.pod_count()).map(PodId::from_index)),
        Scope::Service(service) => Box::new(focus.layout.service(service).pods.iter().copied()),
    }
}

fn sum(table: &[u64], focus: &Focus<'_>) -> f64 {
    pods(focus)
        .map(|pod| u128::from(table[pod.index()]))
        .sum::<u128>() as f64
}

impl Metric for Load {
    const QUESTION: &'static str = "How busy are pods?";

    const QUANTITIES: &'static [Definition<Self>] = &[
        Definition {
            about: About::new(
                "utilisation",
                Unit::Share,
                Better::Neither,
                "Mean share of the workers of all pods that is busy.",
            ),
            value: |metric, focus| {
                let workers: f64 = pods(focus)
                    .map(|pod| f64::from(focus.layout.pod_workers(pod)))
                    .sum();
                ratio(
                    sum(&metric.worked, focus),
                    workers * focus.span.as_nanos() as f64,
                )
            },
        },
        Definition {
            about: About::new(
                "max pod utilisation",
                Unit::Share,
                Better::Lower,
                "Mean share of the workers of the busiest pod that is busy.",
            ),
            value: |metric, focus| {
                let each = pods(focus).map(|pod| metric.utilisation(focus.layout, pod, focus.span));
                each.reduce(|a, b| Ok(f64::max(a?, b?)))
                    .unwrap_or(Err(Absent::Nothing))
            },
        },
        Definition {
            about: About::new(
                "queue length",
                Unit::Count,
                Better::Lower,
                "Mean number of requests that wait for a worker, in one pod.",
            ),
            value: |metric, focus| {
                ratio(
                    sum(&metric.waited, focus),
                    pods(focus).count() as f64 * focus.span.as_nanos() as f64,
                )
            },
        },
    ];

    fn new(layout: &Layout) -> Self {
        let pods = layout.pod_count();
        Self {
            worked: vec![0; pods],
            waited: vec![0; pods],
        }
    }

    #[inline]
    fn see(&mut self, _: &Layout, _: SimDuration, seen: &Observation<'_>) {
        if let Observation::Finished(request) = seen
            && let Some(pod) = request.pod
        {
            let worked = request
                .at(Hop::Served)
                .saturating_since(request.at(Hop::Started));
            self.worked[pod.index()] += worked.as_nanos();
            self.waited[pod.index()] += request.waited().as_nanos();
        }
    }

    fn read<'a>(&'a self, _: &'a Layout) -> Vec<Reading<'a>> {
        let each = |name, table| Reading {
            name,
            scope: Scope::Overall,
            content: Content::Each(Thing::Pod, Unit::Seconds, Cow::Borrowed(table)),
        };
        vec![
            each("time worked per pod", &self.worked),
            each("time waited per pod", &self.waited),
        ]
    }
}

impl Merge for Load {
    fn merge(&mut self, other: &Self) {
        self.worked.merge(&other.worked);
        self.waited.merge(&other.waited);
    }
}

#[cfg(test)]
mod tests {
    use sim_core::SimTime;

    use crate::measure::testing::{after, answered, of_web, web_pod};

    #[test]
    fn utilisation_and_queue_follow_from_work_and_waits() {
        // 1,000 requests of 1 ms work and 1 ms wait: 1 s of 100 s in three pods of two workers, all of it in one pod.
        let readings = after(&vec![answered(SimTime::from_secs(1), web_pod(1)); 1_000]);
        assert_eq!(of_web(&readings, "utilisation"), Ok(1.0 / 600.0));
        assert_eq!(of_web(&readings, "max pod utilisation"), Ok(1.0 / 200.0));
        assert_eq!(of_web(&readings, "queue length"), Ok(1.0 / 300.0));
    }
}
