//! How far do requests travel: across nodes, across zones, and with how many bytes?

use std::borrow::Cow;

use sim_core::SimDuration;
use sim_models::id::{PodId, ServiceId};
use sim_models::observe::Observation;
use sim_models::request::Request;

use crate::measure::layout::{Layout, Scope};
use crate::measure::presence::Presence;
use crate::measure::quantity::{About, Better, Definition, Unit, ratio};
use crate::measure::reading::{ByService, Content, Merge, Reading, Thing};

use super::Metric;

/// Second hops, zone crossings and their bytes, of requests that reached a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distance(ByService<Counts>);

/// The counts of one scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that reached a pod.
    pub arrived: u64,
    /// Of these, requests that went from one node to another.
    pub second_hop: u64,
    /// Of these, requests that crossed a zone boundary at least once on their way from the load balancer to the pod.
    pub cross_zone: u64,
    /// Bytes of requests and answers over zone boundaries, counted at each boundary.
    pub cross_zone_bytes: u64,
    /// Bytes that the overlay added.
    pub overlay_bytes: u64,
}

impl Distance {
    /// The counts of a scope.
    #[must_use]
    pub fn of(&self, scope: Scope) -> &Counts {
        self.0.of(scope)
    }
}

/// Zone boundaries between the load balancer node and the pod, and how many of them lie on the second hop.
#[inline]
fn boundaries(layout: &Layout, request: &Request, pod: PodId) -> (u64, u64) {
    let pod_zone = layout.node_zone(layout.pod_node(pod));
    let first = layout.load_balancer_zone(request.load_balancer_node);
    match request.node {
        None => (u64::from(first != pod_zone), 0),
        Some(node) => {
            let between = layout.node_zone(node);
            let second_hop = u64::from(between != pod_zone);
            (u64::from(first != between) + second_hop, second_hop)
        }
    }
}

impl Counts {
    #[inline]
    fn add(&mut self, layout: &Layout, request: &Request, service: ServiceId, pod: PodId) {
        let (crossed, on_second_hop) = boundaries(layout, request, pod);
        let (question, answer) = (layout.question(request), layout.service(service).answer);
        let overlay_bytes = question.overlay + answer.overlay;
        self.arrived += 1;
        self.cross_zone += u64::from(crossed > 0);
        self.cross_zone_bytes += crossed * (question.bytes + answer.bytes);
        if request.second_hop {
            self.second_hop += 1;
            self.overlay_bytes += overlay_bytes;
            self.cross_zone_bytes += on_second_hop * overlay_bytes;
            if layout.returns_directly() {
                // The answer takes no second hop: it crosses a zone where the pod's zone is not the load balancer node's.
                let home = layout.node_zone(layout.pod_node(pod));
                let straight =
                    u64::from(layout.load_balancer_zone(request.load_balancer_node) != home);
                self.overlay_bytes -= answer.overlay;
                self.cross_zone_bytes -= crossed * answer.bytes + on_second_hop * answer.overlay;
                self.cross_zone_bytes += straight * answer.bytes;
            }
        }
    }
}

impl Metric for Distance {
    const QUESTION: &'static str = "How far do requests travel?";

    const QUANTITIES: &'static [Definition<Self>] = &[
        Definition {
            about: About::new(
                "second-hop share",
                Unit::Share,
                Better::Lower,
                "Share of requests that arrived at one node and went on to a pod on another.",
            ),
            value: |metric, focus| {
                let counts = metric.of(focus.scope);
                ratio(counts.second_hop as f64, counts.arrived as f64)
            },
        },
        Definition {
            about: About::new(
                "cross-zone share",
                Unit::Share,
                Better::Lower,
                "Share of requests that crossed a zone boundary between the load balancer node and the pod.",
            ),
            value: |metric, focus| {
                let counts = metric.of(focus.scope);
                ratio(counts.cross_zone as f64, counts.arrived as f64)
            },
        },
        Definition {
            about: About::new(
                "cross-zone bytes",
                Unit::Bytes,
                Better::Lower,
                "Bytes of requests and answers over zone boundaries, with IPv4, TCP and overlay headers, without bare acknowledgements; a message that crosses two boundaries counts twice.",
            ),
            value: |metric, focus| Ok(metric.of(focus.scope).cross_zone_bytes as f64),
        },
        Definition {
            about: About::new(
                "overlay bytes",
                Unit::Bytes,
                Better::Lower,
                "Bytes that encapsulation added to requests and answers on the second hop, 50 for each packet of VXLAN or Geneve; without bare acknowledgements.",
            ),
            value: |metric, focus| Ok(metric.of(focus.scope).overlay_bytes as f64),
        },
    ];

    fn new(layout: &Layout) -> Self {
        Self(ByService::new(layout))
    }

    #[inline]
    fn see(&mut self, layout: &Layout, _: SimDuration, seen: &Observation<'_>) {
        if let Observation::Finished(request) = seen
            && let (Some(service), Some(pod)) = (request.service, request.pod)
        {
            self.0
                .part(Some(service))
                .add(layout, request, service, pod);
        }
    }

    fn close(&mut self, _: &Presence) {
        self.0.close();
    }

    fn read<'a>(&'a self, layout: &'a Layout) -> Vec<Reading<'a>> {
        let one = |name, scope, unit, count| Reading {
            name,
            scope,
            content: Content::Each(Thing::One, unit, Cow::Owned(vec![count])),
        };
        let of_scope = |scope| {
            let counts = self.of(scope);
            [
                one(
                    "requests that reached a pod",
                    scope,
                    Unit::Count,
                    counts.arrived,
                ),
                one(
                    "requests with a second hop",
                    scope,
                    Unit::Count,
                    counts.second_hop,
                ),
                one(
                    "requests across zones",
                    scope,
                    Unit::Count,
                    counts.cross_zone,
                ),
                one(
                    "cross-zone bytes",
                    scope,
                    Unit::Bytes,
                    counts.cross_zone_bytes,
                ),
                one("overlay bytes", scope, Unit::Bytes, counts.overlay_bytes),
            ]
        };
        layout.scopes().flat_map(of_scope).collect()
    }
}

impl Merge for Distance {
    fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
    }
}

impl Merge for Counts {
    fn merge(&mut self, other: &Self) {
        self.arrived += other.arrived;
        self.second_hop += other.second_hop;
        self.cross_zone += other.cross_zone;
        self.cross_zone_bytes += other.cross_zone_bytes;
        self.overlay_bytes += other.overlay_bytes;
    }
}

#[cfg(test)]
mod tests {
    use sim_core::SimTime;
    use sim_models::quantity::Size;

    use super::*;
    use crate::measure::testing::{after, answered, blueprint, layout, of_web, service, web_pod};

    #[test]
    fn a_second_hop_to_another_zone_costs_both() {
        // Load balancer node and first node stand in zone a, the third pod on the second node in zone b.
        let readings = after(&[0, 1, 2, 2].map(|rank| answered(SimTime::ZERO, web_pod(rank))));
        assert_eq!(of_web(&readings, "second-hop share"), Ok(0.5));
        assert_eq!(of_web(&readings, "cross-zone share"), Ok(0.5));
        // Request 512 bytes, answer 1,024 + 256; one packet each, with 40 bytes of headers: 1,872. VXLAN adds 50 to each packet.
        let layout = layout();
        let one_way = layout.question(&answered(SimTime::ZERO, web_pod(0)));
        assert_eq!((one_way.bytes, one_way.overlay), (552, 50));
        let answer = layout.service(service("web")).answer;
        assert_eq!(answer.bytes, 1_320);
        assert_eq!(of_web(&readings, "overlay bytes"), Ok(200.0));
        assert_eq!(
            of_web(&readings, "cross-zone bytes"),
            Ok(2.0 * (1_872.0 + 100.0))
        );
    }

    #[test]
    fn a_large_request_takes_more_packets() {
        // Jumbo frames of 9,001 bytes carry 8,961 without an overlay and 8,911 with 50 bytes of VXLAN: 20,000 bytes are three packets either way.
        let mut blueprint = blueprint();
        for population in blueprint.populations.iter_mut() {
            population.classes[0].bytes = Size::from_bytes(20_000);
        }
        let layout = Layout::of(&blueprint);
        let question = layout.question(&answered(SimTime::ZERO, web_pod(0)));
        assert_eq!((question.bytes, question.overlay), (20_120, 150));
    }

    #[test]
    fn with_ip_targets_there_is_one_link() {
        let mut request = answered(SimTime::ZERO, web_pod(2));
        (request.node, request.second_hop) = (None, false);
        let readings = after(&[request]);
        assert_eq!(of_web(&readings, "second-hop share"), Ok(0.0));
        assert_eq!(of_web(&readings, "cross-zone bytes"), Ok(1_872.0));
        assert_eq!(of_web(&readings, "overlay bytes"), Ok(0.0));
    }
}
