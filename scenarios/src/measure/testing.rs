//! A small world for the tests of metrics and experiments.

use std::sync::OnceLock;

use sim_core::{SimDuration, SimTime, Streams};
use sim_models::id::{LoadBalancerNodeId, NodeId, PodId, ServiceId, TargetId, UpstreamId};
use sim_models::observe::{Observation, Recorder};
use sim_models::request::{Hop, Outcome, Request};
use sim_models::world::{self, blueprint::Blueprint};

use super::layout::{Focus, Layout, Scope};
use super::metric::{Quantity, Readings};
use super::observer::Observer;
use super::quantity::Absent;
use crate::load::load;
use crate::source::Sources;

/// Two nodes in two zones; three pods of "web" on the first node, first node, second node; two pods of "idle" that nobody asks for.
const SCENARIO: &str = r#"(
    format: 1,
    seed: 1,
    run: (length: "100s", warm_up: "10s", replications: 2),
    cluster: (network: Overlay(), zones: ["a", "b"], node_groups: { "workers": (count: 2) }),
    deployments: {
        "web": (replicas: 3, placement: [2, 1], server: (workers: 2, service_time: Exponential(mean: "10ms"))),
        "idle": (replicas: 2, placement: [1, 1], server: (workers: 1, service_time: Constant("1ms"))),
    },
    services: { "web": (selects: "web"), "idle": (selects: "idle") },
    load_balancer: (
        target_groups: { "web": (service: "web"), "idle": (service: "idle") },
        rules: [(path: "/web", forward: "web"), (path: "/idle", forward: "idle")],
    ),
    clients: { "users": (arrivals: Poisson(rate: "50/s"), requests: [(path: "/web")], addresses: 10) },
)"#;

/// The blueprint of the small world.
pub(crate) fn blueprint() -> Blueprint {
    let mut sources = Sources::default();
    let source = sources.add("small.ron", SCENARIO);
    let mut loaded = load(&sources, source, &[]).unwrap_or_else(|wrong| panic!("{wrong:#?}"));
    loaded.cases.swap_remove(0).blueprint
}

/// Its layout.
pub(crate) fn layout() -> Layout {
    Layout::of(&blueprint())
}

/// The Service of that name in the small world.
pub(crate) fn service(name: &str) -> ServiceId {
    layout()
        .service_named(name)
        .expect("a service of the small world")
}

/// The `rank`-th pod of "web".
pub(crate) fn web_pod(rank: usize) -> PodId {
    layout().service(service("web")).pods[rank]
}

/// A request that was answered with 200: one millisecond for each hop, born at `at`.
pub(crate) fn answered(at: SimTime, pod: PodId) -> Request {
    let layout = layout();
    let web = service("web");
    let mut stamps = [SimTime::ZERO; Hop::COUNT];
    for (hop, stamp) in stamps.iter_mut().enumerate() {
        *stamp = at + SimDuration::from_millis(hop as u64);
    }
    let mut request = any_request();
    request.service = Some(web);
    request.load_balancer_node = LoadBalancerNodeId(0);
    request.target = Some(layout.service(web).targets[0]);
    request.node = Some(NodeId(0));
    request.pod = Some(pod);
    request.connection = Some(UpstreamId(0));
    request.reused = false;
    request.second_hop = layout.pod_node(pod) != NodeId(0);
    request.stamps = stamps;
    request.asked = at;
    request.outcome = Outcome::Ok;
    request
}

/// Some request of the small world: only the world makes requests.
fn any_request() -> Request {
    struct First(Option<Request>);

    impl Recorder for First {
        fn see(&mut self, _: SimTime, seen: Observation<'_>) {
            if let Observation::Finished(request) = seen {
                self.0.get_or_insert_with(|| request.clone());
            }
        }
    }

    static ANY: OnceLock<Request> = OnceLock::new();
    let run = || {
        let mut blueprint = blueprint();
        (blueprint.run.warm_up, blueprint.run.length) =
            (SimDuration::ZERO, SimDuration::from_secs(5));
        let ended =
            world::run(&blueprint, Streams::new(1, 0), First(None)).expect("the small world runs");
        ended
            .recorder
            .0
            .expect("a request finishes within 5 s at 50/s")
    };
    ANY.get_or_init(run).clone()
}

/// A request that the load balancer answered with 503 after a millisecond, because there was no target.
pub(crate) fn refused(at: SimTime) -> Request {
    let mut request = answered(at, web_pod(0));
    request.stamps = [SimTime::ZERO; Hop::COUNT];
    request.stamp(Hop::Client, at);
    for hop in [Hop::LoadBalancer, Hop::Returned, Hop::Answered] {
        request.stamp(hop, at + SimDuration::from_millis(1));
    }
    (
        request.target,
        request.node,
        request.pod,
        request.connection,
    ) = (None, None, None, None);
    request.second_hop = false;
    request.outcome = Outcome::NoTarget;
    request
}

/// All readings after these requests finished, observed from the start.
pub(crate) fn after(requests: &[Request]) -> Readings {
    let layout = layout();
    let mut observer = Observer::new(&layout, SimTime::ZERO, Vec::new());
    for request in requests {
        observer.see(request.at(Hop::Returned), Observation::Finished(request));
    }
    observer
        .finish(SimTime::from_secs(100))
        .readings
        .expect("all metrics listened")
}

/// A quantity after 100 s.
pub(crate) fn value(readings: &Readings, name: &str, scope: Scope) -> Result<f64, Absent> {
    let layout = layout();
    let focus = Focus {
        layout: &layout,
        span: SimDuration::from_secs(100),
        scope,
        rough: false,
    };
    readings.value(
        Quantity::named(name).unwrap_or_else(|| panic!("{name}")),
        &focus,
    )
}

/// The same for "web".
pub(crate) fn of_web(readings: &Readings, name: &str) -> Result<f64, Absent> {
    value(readings, name, Scope::Service(service("web")))
}

/// The first target of "web".
pub(crate) fn web_target() -> TargetId {
    layout().service(service("web")).targets[0]
}
