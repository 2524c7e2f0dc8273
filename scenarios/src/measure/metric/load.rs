//! How busy are the pods, and how long are their queues?
//!
//! Work and waits are folded from finished requests: a pod's utilisation is the work done for them over the work its
//! workers could do, its mean queue is the time they waited over the time that passed (Little's law). A request that
//! straddles the end of the warm-up counts whole, one that straddles the end of the run not at all; in a steady state
//! the two cancel. A pod that was there for a part of the time could work, and have a queue, for that part.

use std::borrow::Cow;

use sim_core::SimDuration;
use sim_models::id::{Id, PodId};
use sim_models::observe::Observation;
use sim_models::request::Hop;

use crate::measure::layout::{Focus, Layout, Scope};
use crate::measure::presence::Presence;
use crate::measure::quantity::{About, Absent, Better, Definition, Unit, ratio};
use crate::measure::reading::{Content, Merge, Reading, Thing};

use super::Metric;

/// Time worked and time waited in each pod, in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    worked: Vec<u64>,
    waited: Vec<u64>,
    there: Presence,
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

    /// Mean share of a pod's workers that was busy while it was there; at most all of them, although a request counts whole that was in
    /// work for longer than a pod was there.
    ///
    /// # Errors
    ///
    /// [`Absent::Nothing`] where it never was.
    pub fn utilisation(&self, layout: &Layout, pod: PodId) -> Result<f64, Absent> {
        let busy = ratio(self.worked[pod.index()] as f64, self.capacity(layout, pod))?;
        Ok(busy.min(1.0))
    }

    /// Nanoseconds that the workers of a pod could work.
    fn capacity(&self, layout: &Layout, pod: PodId) -> f64 {
        f64::from(layout.pod_workers(pod)) * self.there.time(pod).as_nanos() as f64
    }
}

/// The pods of a scope, and the places for pods.
fn pods<'a>(focus: &Focus<'a>) -> Box<dyn Iterator<Item = PodId> + 'a> {
    match focus.scope {
        Scope::Overall => Box::new((0..focus.layout.pod_places()).map(PodId::from_index)),
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
                "Mean share of the workers of all pods that is busy, while they are there.",
            ),
            value: |metric, focus| {
                let capacity = pods(focus).map(|pod| metric.capacity(focus.layout, pod));
                ratio(sum(&metric.worked, focus), capacity.sum())
            },
        },
        Definition {
            about: About::new(
                "max pod utilisation",
                Unit::Share,
                Better::Lower,
                "Mean share of the workers of the busiest pod that is busy, while it is there.",
            ),
            value: |metric, focus| {
                let each = pods(focus).filter_map(|pod| metric.utilisation(focus.layout, pod).ok());
                each.reduce(f64::max).ok_or(Absent::Nothing)
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
                let time = pods(focus).map(|pod| metric.there.time(pod).as_nanos() as f64);
                ratio(sum(&metric.waited, focus), time.sum())
            },
        },
    ];

    fn new(layout: &Layout) -> Self {
        let pods = layout.pod_places();
        Self {
            worked: vec![0; pods],
            waited: vec![0; pods],
            there: Presence::new(pods),
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

    fn close(&mut self, there: &Presence) {
        self.there.merge(there);
    }

    fn read<'a>(&'a self, _: &'a Layout) -> Vec<Reading<'a>> {
        let each = |name, table: &[u64]| {
            let of_place = |(place, &time): (usize, &u64)| {
                let was_there = self.there.was_there(PodId::from_index(place));
                (was_there || time > 0).then_some(time)
            };
            let times = table.iter().enumerate().filter_map(of_place).collect();
            Reading {
                name,
                scope: Scope::Overall,
                content: Content::Each(Thing::Pod, Unit::Seconds, Cow::Owned(times)),
            }
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
        self.there.merge(&other.there);
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
