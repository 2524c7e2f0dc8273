//! Where does the time of a request go, hop by hop?

use sim_core::{Histogram, SimDuration, SimTime};
use sim_models::observe::Observation;
use sim_models::request::{Hop, Request};

use crate::measure::layout::{Focus, Layout, Scope};
use crate::measure::presence::Presence;
use crate::measure::quantity::{About, Absent, Better, Definition, Unit};
use crate::measure::reading::{ByService, Content, Merge, Reading};

use super::Metric;
use super::latency::{mean, quantile};

/// A stretch of a request's way, between two stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum Segment {
    /// From the client to the load balancer node, with the handshake where the client opened a connection.
    ToLoadBalancer,
    /// Inside the load balancer node, with dialling the target where no idle connection was there.
    LoadBalancer,
    /// From the load balancer node to the pod, with the second hop.
    ToServer,
    /// Waiting for a worker.
    Waiting,
    /// Being worked on.
    Service,
    /// From the pod to the client.
    WayBack,
    /// From the load balancer node to the pod and back, service included: what an ALB calls target response time.
    Target,
}

impl Segment {
    /// All segments, in the order of the way. The first six add up to the latency; the last overlaps with them.
    pub const ALL: [Self; 7] = [
        Self::ToLoadBalancer,
        Self::LoadBalancer,
        Self::ToServer,
        Self::Waiting,
        Self::Service,
        Self::WayBack,
        Self::Target,
    ];

    /// A short name, the same in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ToLoadBalancer => "client to load balancer",
            Self::LoadBalancer => "load balancer",
            Self::ToServer => "to pod",
            Self::Waiting => "waiting",
            Self::Service => "service",
            Self::WayBack => "way back",
            Self::Target => "target response",
        }
    }

    /// Between which stamps it lies.
    #[must_use]
    pub const fn between(self) -> (Hop, Hop) {
        match self {
            Self::ToLoadBalancer => (Hop::Client, Hop::LoadBalancer),
            Self::LoadBalancer => (Hop::LoadBalancer, Hop::Sent),
            Self::ToServer => (Hop::Sent, Hop::Server),
            Self::Waiting => (Hop::Server, Hop::Started),
            Self::Service => (Hop::Started, Hop::Served),
            Self::WayBack => (Hop::Served, Hop::Answered),
            Self::Target => (Hop::Sent, Hop::Returned),
        }
    }

    /// How long a request took for it; `None` where it did not come so far.
    #[inline]
    #[must_use]
    pub fn of(self, request: &Request) -> Option<SimDuration> {
        let (from, to) = self.between();
        let (start, end) = (request.at(from), request.at(to));
        let began = start != SimTime::ZERO || matches!(from, Hop::Client);
        (began && end != SimTime::ZERO).then(|| end.saturating_since(start))
    }
}

/// The time that requests spent in each [`Segment`].
#[derive(Clone, Debug, PartialEq)]
pub struct Hops(ByService<Spreads>);

/// One spread for each segment.
#[derive(Clone, Debug, Default, PartialEq)]
struct Spreads([Histogram; Segment::ALL.len()]);

impl Hops {
    /// The times of a scope in a segment, in nanoseconds.
    #[must_use]
    pub fn of(&self, scope: Scope, segment: Segment) -> &Histogram {
        &self.0.of(scope).0[segment as usize]
    }
}

const fn about(name: &'static str, meaning: &'static str) -> About {
    About::new(name, Unit::Seconds, Better::Lower, meaning)
}

fn mean_of(metric: &Hops, focus: &Focus<'_>, segment: Segment) -> Result<f64, Absent> {
    mean(metric.of(focus.scope, segment))
}

fn p99_of(metric: &Hops, focus: &Focus<'_>, segment: Segment) -> Result<f64, Absent> {
    quantile(metric.of(focus.scope, segment), 99_000, focus)
}

impl Metric for Hops {
    const QUESTION: &'static str = "Where does the time of a request go?";

    const QUANTITIES: &'static [Definition<Self>] = &[
        Definition {
            about: about("mean target response time", "Mean time from writing a request to a target until its answer is back at the load balancer.")
                .alias("TargetResponseTime (Average)"),
            value: |metric, focus| mean_of(metric, focus, Segment::Target),
        },
        Definition {
            about: about("p99 target response time", "Time from writing a request to a target until its answer is back, not exceeded by 99 %.")
                .alias("TargetResponseTime (p99)"),
            value: |metric, focus| p99_of(metric, focus, Segment::Target),
        },
        Definition {
            about: about("mean time to load balancer", "Mean time from a client to the load balancer, with the handshake of new connections."),
            value: |metric, focus| mean_of(metric, focus, Segment::ToLoadBalancer),
        },
        Definition {
            about: about("mean time in load balancer", "Mean time inside the load balancer, with dialling the target where no idle connection was there."),
            value: |metric, focus| mean_of(metric, focus, Segment::LoadBalancer),
        },
        Definition {
            about: about("mean time to pod", "Mean time from the load balancer to the pod, with the second hop."),
            value: |metric, focus| mean_of(metric, focus, Segment::ToServer),
        },
        Definition {
            about: about("mean waiting time", "Mean time that a request waits in the pod for a worker."),
            value: |metric, focus| mean_of(metric, focus, Segment::Waiting),
        },
        Definition {
            about: about("p99 waiting time", "Time that a request waits in the pod for a worker, not exceeded by 99 %."),
            value: |metric, focus| p99_of(metric, focus, Segment::Waiting),
        },
        Definition {
            about: about("mean service time", "Mean time that a worker spends on a request."),
            value: |metric, focus| mean_of(metric, focus, Segment::Service),
        },
        Definition {
            about: about("mean way back", "Mean time from the end of the pod's work until the client has the answer."),
            value: |metric, focus| mean_of(metric, focus, Segment::WayBack),
        },
    ];

    fn new(layout: &Layout) -> Self {
        Self(ByService::new(layout))
    }

    #[inline]
    fn see(&mut self, _: &Layout, _: SimDuration, seen: &Observation<'_>) {
        if let Observation::Finished(request) = seen {
            let spreads = &mut self.0.part(request.service).0;
            for segment in Segment::ALL {
                if let Some(time) = segment.of(request) {
                    spreads[segment as usize].add(time.as_nanos());
                }
            }
        }
    }

    fn close(&mut self, _: &Presence) {
        self.0.close();
    }

    fn read<'a>(&'a self, layout: &'a Layout) -> Vec<Reading<'a>> {
        let spread = |scope, segment: Segment| Reading {
            name: segment.name(),
            scope,
            content: Content::Spread(Unit::Seconds, self.of(scope, segment)),
        };
        layout
            .scopes()
            .flat_map(|scope| Segment::ALL.map(|segment| spread(scope, segment)))
            .collect()
    }
}

impl Merge for Hops {
    fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
    }
}

impl Merge for Spreads {
    fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::testing::{after, answered, of_web, refused, web_pod};

    #[test]
    fn the_segments_add_up_to_the_latency() {
        let request = answered(SimTime::ZERO, web_pod(0));
        let parts: SimDuration = Segment::ALL[..6]
            .iter()
            .filter_map(|segment| segment.of(&request))
            .sum();
        assert_eq!(parts, request.elapsed());
    }

    #[test]
    fn each_segment_lies_between_its_stamps() {
        // One millisecond for each hop; the way back is two hops, the target's response is four.
        let readings = after(&[answered(SimTime::from_secs(1), web_pod(0))]);
        assert_eq!(of_web(&readings, "mean waiting time"), Ok(0.001));
        assert_eq!(of_web(&readings, "mean service time"), Ok(0.001));
        assert_eq!(of_web(&readings, "mean way back"), Ok(0.002));
        assert_eq!(of_web(&readings, "mean target response time"), Ok(0.004));
    }

    #[test]
    fn a_request_leaves_no_trace_where_it_did_not_come() {
        let readings = after(&[refused(SimTime::from_secs(1))]);
        assert_eq!(of_web(&readings, "mean time to load balancer"), Ok(0.001));
        assert_eq!(of_web(&readings, "mean service time"), Err(Absent::Nothing));
        assert_eq!(of_web(&readings, "mean way back"), Err(Absent::Nothing));
    }
}
