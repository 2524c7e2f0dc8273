//! How do connections to targets carry the requests?
//!
//! A pod is chosen once per connection, so the number of connections decides how evenly pods are used.

use std::borrow::Cow;

use sim_core::SimDuration;
use sim_models::observe::Observation;

use crate::measure::layout::{Layout, Scope};
use crate::measure::presence::Presence;
use crate::measure::quantity::{About, Better, Definition, Unit, ratio};
use crate::measure::reading::{ByService, Content, Merge, Reading, Thing};

use super::Metric;

/// Connections to targets, and the requests they carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections(ByService<Counts>);

/// The counts of one scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections opened.
    pub opened: u64,
    /// Connections closed.
    pub closed: u64,
    /// Requests that some connection carried.
    pub carried: u64,
    /// Of these, requests on a connection that had carried one before.
    pub reused: u64,
    /// Of these, requests through a node that had chosen the pod for an earlier request.
    pub pinned: u64,
}

impl Connections {
    /// The counts of a scope.
    #[must_use]
    pub fn of(&self, scope: Scope) -> &Counts {
        self.0.of(scope)
    }
}

impl Metric for Connections {
    const QUESTION: &'static str = "How do connections carry the requests?";

    const QUANTITIES: &'static [Definition<Self>] = &[
        Definition {
            about: About::new(
                "pinned share",
                Unit::Share,
                Better::Lower,
                "Share of requests whose pod a node had chosen for an earlier request on the same connection. Zero with ip targets, where the load balancer chooses for each request.",
            ),
            value: |metric, focus| {
                let counts = metric.of(focus.scope);
                ratio(counts.pinned as f64, counts.carried as f64)
            },
        },
        Definition {
            about: About::new(
                "reused share",
                Unit::Share,
                Better::Neither,
                "Share of requests on a connection that had carried a request before.",
            ),
            value: |metric, focus| {
                let counts = metric.of(focus.scope);
                ratio(counts.reused as f64, counts.carried as f64)
            },
        },
        Definition {
            about: About::new(
                "connections opened",
                Unit::Count,
                Better::Neither,
                "Connections that load balancer nodes opened to targets.",
            )
            .alias("NewConnectionCount (the part towards targets)"),
            value: |metric, focus| Ok(metric.of(focus.scope).opened as f64),
        },
        Definition {
            about: About::new(
                "connection rate",
                Unit::PerSecond,
                Better::Neither,
                "Connections that load balancer nodes open to targets in each second.",
            ),
            value: |metric, focus| {
                ratio(
                    metric.of(focus.scope).opened as f64,
                    focus.span.as_secs_f64(),
                )
            },
        },
        Definition {
            about: About::new(
                "requests per connection",
                Unit::Ratio,
                Better::Neither,
                "Requests carried over connections opened, both after the warm-up; absent where the connections of the warm-up carried everything.",
            ),
            value: |metric, focus| {
                let counts = metric.of(focus.scope);
                ratio(counts.carried as f64, counts.opened as f64)
            },
        },
    ];

    fn new(layout: &Layout) -> Self {
        Self(ByService::new(layout))
    }

    #[inline]
    fn see(&mut self, layout: &Layout, _: SimDuration, seen: &Observation<'_>) {
        match seen {
            Observation::Finished(request) if request.connection.is_some() => {
                let counts = self.0.part(request.service);
                counts.carried += 1;
                counts.reused += u64::from(request.reused);
                counts.pinned += u64::from(request.reused && request.node.is_some());
            }
            Observation::Opened { target, .. } => {
                self.0.part(Some(layout.target_service(*target))).opened += 1
            }
            Observation::Closed { target, .. } => {
                self.0.part(Some(layout.target_service(*target))).closed += 1
            }
            _ => {}
        }
    }

    fn close(&mut self, _: &Presence) {
        self.0.close();
    }

    fn read<'a>(&'a self, layout: &'a Layout) -> Vec<Reading<'a>> {
        let one = |name, scope, count| Reading {
            name,
            scope,
            content: Content::Each(Thing::One, Unit::Count, Cow::Owned(vec![count])),
        };
        let of_scope = |scope| {
            let counts = self.of(scope);
            [
                one("connections opened", scope, counts.opened),
                one("connections closed", scope, counts.closed),
                one("requests carried", scope, counts.carried),
                one("requests on reused connections", scope, counts.reused),
                one("requests on pinned connections", scope, counts.pinned),
            ]
        };
        layout.scopes().flat_map(of_scope).collect()
    }
}

impl Merge for Connections {
    fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
    }
}

impl Merge for Counts {
    fn merge(&mut self, other: &Self) {
        self.opened += other.opened;
        self.closed += other.closed;
        self.carried += other.carried;
        self.reused += other.reused;
        self.pinned += other.pinned;
    }
}

#[cfg(test)]
mod tests {
    use sim_core::SimTime;
    use sim_models::id::LoadBalancerNodeId;
    use sim_models::observe::Recorder;

    use super::*;
    use crate::measure::observer::Observer;
    use crate::measure::testing::{after, answered, layout, of_web, web_pod, web_target};

    #[test]
    fn a_reused_connection_pins_only_behind_a_node() {
        let new = answered(SimTime::ZERO, web_pod(0));
        let mut pinned = new.clone();
        pinned.reused = true;
        let mut by_pod = pinned.clone();
        by_pod.node = None;
        let readings = after(&[new.clone(), new, pinned, by_pod]);
        assert_eq!(of_web(&readings, "reused share"), Ok(0.5));
        assert_eq!(of_web(&readings, "pinned share"), Ok(0.25));
    }

    #[test]
    fn connections_belong_to_the_service_of_their_target() {
        let layout = layout();
        let mut observer = Observer::new(&layout, SimTime::ZERO, Vec::new());
        let request = answered(SimTime::ZERO, web_pod(2));
        let opened = Observation::Opened {
            load_balancer_node: LoadBalancerNodeId(0),
            target: web_target(),
            pod: web_pod(2),
            there: SimTime::ZERO,
            request: &request,
        };
        observer.see(SimTime::ZERO, opened);
        observer.see(SimTime::ZERO, Observation::Finished(&request));
        let readings = observer.finish(SimTime::from_secs(100)).readings.unwrap();
        assert_eq!(of_web(&readings, "connections opened"), Ok(1.0));
        assert_eq!(of_web(&readings, "connection rate"), Ok(0.01));
        assert_eq!(of_web(&readings, "requests per connection"), Ok(1.0));
        assert_eq!(
            readings
                .pods
                .connections(&layout, layout.target_service(web_target())),
            [0, 0, 1]
        );
    }
}
