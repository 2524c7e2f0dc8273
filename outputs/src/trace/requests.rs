//! What became of each request, and when did it pass each hop?
//!
//! One line of comma-separated values for each finished request, warm-up included, in the order in which they finished:
//!
//! | column | what it holds |
//! |---|---|
//! | `clients`, `serial` | the population, and the how-manieth of its requests it is, from 0 |
//! | `path`, `service`, `target_group` | what was asked for, and who was to answer |
//! | `load_balancer_node`, `node`, `pod`, `pod_node` | the way it took; empty where it has not been |
//! | `connection`, `reused` | the slot of the upstream connection (another may take it once it is closed), and whether it had carried a request before |
//! | `second_hop`, `cross_zone` | whether it crossed from one node to another, and from one zone to another |
//! | `outcome`, `status`, `decided_by` | what became of it |
//! | `born_s` to `answered_s` | when it passed each hop, in seconds from the begin of the run, to the nanosecond; empty where it has not been |
//! | `demand_s` | the work that it asked for, in seconds |

use std::io::{self, Write};

use scenarios::measure::metric::outcomes::origin_name;
use sim_models::request::{Hop, Request};

use super::scene::{Scene, passed};
use crate::render::csv;

/// The moments of a request, and the columns that hold them.
const STAMPS: [(Hop, &str); Hop::COUNT] = [
    (Hop::Client, "born_s"),
    (Hop::LoadBalancer, "load_balancer_s"),
    (Hop::Sent, "sent_s"),
    (Hop::Server, "pod_s"),
    (Hop::Started, "started_s"),
    (Hop::Served, "served_s"),
    (Hop::Returned, "returned_s"),
    (Hop::Answered, "answered_s"),
];

const COLUMNS: [&str; 16] = [
    "clients",
    "serial",
    "path",
    "service",
    "target_group",
    "load_balancer_node",
    "node",
    "pod",
    "pod_node",
    "connection",
    "reused",
    "second_hop",
    "cross_zone",
    "outcome",
    "status",
    "decided_by",
];

/// Writes the lines.
pub(super) struct Writer<W> {
    to: W,
}

impl<W: Write> Writer<W> {
    /// Begins with the names of the columns.
    pub(super) fn new(mut to: W) -> io::Result<Self> {
        let columns = COLUMNS
            .iter()
            .copied()
            .chain(STAMPS.iter().map(|(_, column)| *column))
            .chain(["demand_s"]);
        to.write_all(csv::line(columns.map(str::to_owned)).as_bytes())?;
        Ok(Self { to })
    }

    pub(super) fn finished(&mut self, scene: &Scene<'_>, request: &Request) -> io::Result<()> {
        self.to.write_all(line(scene, request).as_bytes())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn line(scene: &Scene<'_>, request: &Request) -> String {
    let (blueprint, layout) = (scene.blueprint, scene.layout);
    let population = &blueprint.populations[request.population];
    let text = |found: Option<&str>| found.unwrap_or_default().to_owned();
    let fields = [
        population.name.clone(),
        request.serial.to_string(),
        population.classes[request.class as usize].path.clone(),
        text(
            request
                .service
                .map(|service| layout.service(service).name.as_str()),
        ),
        text(
            request
                .target_group
                .map(|group| blueprint.target_groups[group].name.as_str()),
        ),
        request.load_balancer_node.to_string(),
        text(request.node.map(|node| layout.node_name(node))),
        text(request.pod.map(|pod| layout.pod_name(pod))),
        text(request.pod.map(|pod| layout.node_name(scene.home(pod)))),
        request
            .connection
            .map_or_else(String::new, |connection| connection.to_string()),
        request.reused.to_string(),
        request.second_hop.to_string(),
        request.cross_zone.to_string(),
        request.outcome.name().to_owned(),
        request.outcome.status().to_string(),
        origin_name(request.outcome.origin()).to_owned(),
    ];
    let stamps = STAMPS.iter().map(|(hop, _)| {
        passed(request, *hop).map_or_else(String::new, |at| seconds(at.as_nanos()))
    });
    csv::line(
        fields
            .into_iter()
            .chain(stamps)
            .chain([seconds(request.demand.as_nanos())]),
    )
}

/// Nanoseconds as seconds, exactly.
fn seconds(nanos: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    format!("{}.{:09}", nanos / SECOND, nanos % SECOND)
}
