//! What would Hubble show of each new connection?
//!
//! A line of JSON for each observation point that the first packet of a connection passes, as `hubble observe -o jsonpb` prints it:
//! an object with `flow`, `node_name` and `time`. A connection whose pod is on the node where it arrived passes one point, a
//! connection with a second hop two:
//!
//! | `trace_observation_point` | on which node | `IP.source` |
//! |---|---|---|
//! | `TO_OVERLAY` (`TO_NETWORK` without a tunnel) | where it arrived | the node's router, or the node: source NAT is done |
//! | `TO_ENDPOINT` | where the pod is | the load balancer node; after a second hop the router or the node |
//!
//! Modelled: `time`, `IP`, ports, `node_name`, the pod with its labels, workload and node, the point and its direction. Constant:
//! `verdict` (`FORWARDED`), `Type`, `flags` (the SYN), `is_reply` (false), `event_type` 4 (a trace), the namespace, and the
//! identity of the source, which is the world's: neither the load balancer nor a translated address belongs to an endpoint.
//! Identities and endpoint numbers of pods are counted up from 1,000 and 1. Left out: Ethernet addresses, which the model has not;
//! packets of answers and of closing connections, and the event that Hubble repeats while a connection is active.
//! Health checks and probes are left out too. Lines are in the order in which connections were dialled into a node.
//!
//! Source: Cilium `api/v1/flow/flow.proto`, `pkg/hubble/parser/threefour`, `bpf/lib/trace.h`. Zero values are omitted, as JSON of
//! protocol buffers does: so `TO_OVERLAY` has no direction, and `TO_ENDPOINT` no sub-type. Assumption: a port below 32768 becomes
//! the same port plus 32768 by source NAT; Cilium draws one.

use std::io::{self, Write};
use std::net::SocketAddrV4;

use serde::Serialize;
use sim_core::SimTime;
use sim_models::cluster::topology::Network;
use sim_models::id::{Id, NodeId, PodId};
use sim_models::request::Request;
use sim_models::request::node_port::{Proxy, SeenAtPod};
use sim_models::world::Blueprint;

use super::clock;
use super::scene::Scene;

/// Whether Cilium is on the nodes, and so Hubble can be.
pub fn is_seen(blueprint: &Blueprint) -> bool {
    match (&blueprint.proxy, blueprint.network) {
        (Proxy::KubeProxy { .. }, Network::VpcCni) => false,
        (Proxy::KubeProxy { .. } | Proxy::Cilium { .. }, _) => true,
    }
}

/// Writes the lines.
pub(super) struct Writer<W> {
    to: W,
}

#[derive(Serialize)]
struct Line<'a> {
    flow: Flow<'a>,
    node_name: &'a str,
    time: &'a str,
}

#[derive(Serialize)]
struct Flow<'a> {
    time: &'a str,
    verdict: &'static str,
    #[serde(rename = "IP")]
    ip: Ip,
    l4: Layer4,
    source: Endpoint<'a>,
    destination: Endpoint<'a>,
    #[serde(rename = "Type")]
    kind: &'static str,
    node_name: &'a str,
    event_type: EventType,
    #[serde(skip_serializing_if = "Option::is_none")]
    traffic_direction: Option<&'static str>,
    trace_observation_point: &'static str,
    is_reply: bool,
    #[serde(rename = "Summary")]
    summary: &'static str,
}

#[derive(Serialize)]
struct Ip {
    source: String,
    destination: String,
    #[serde(rename = "ipVersion")]
    version: &'static str,
}

#[derive(Serialize)]
struct Layer4 {
    #[serde(rename = "TCP")]
    tcp: Tcp,
}

#[derive(Serialize)]
struct Tcp {
    source_port: u16,
    destination_port: u16,
    flags: Flags,
}

#[derive(Serialize)]
struct Flags {
    #[serde(rename = "SYN")]
    syn: bool,
}

#[derive(Serialize)]
struct EventType {
    #[serde(rename = "type")]
    kind: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_type: Option<u8>,
}

#[derive(Default, Serialize)]
struct Endpoint<'a> {
    #[serde(rename = "ID", skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    identity: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'static str>,
    labels: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workloads: Option<[Workload<'a>; 1]>,
}

#[derive(Serialize)]
struct Workload<'a> {
    name: &'a str,
    kind: &'static str,
}

/// Where a packet is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    Overlay,
    Network,
    Endpoint,
}

impl Point {
    fn name(self) -> &'static str {
        match self {
            Self::Overlay => "TO_OVERLAY",
            Self::Network => "TO_NETWORK",
            Self::Endpoint => "TO_ENDPOINT",
        }
    }

    /// Source: Cilium `bpf/lib/trace.h`, `enum trace_point`; 0 is not written.
    fn sub_type(self) -> Option<u8> {
        match self {
            Self::Overlay => Some(4),
            Self::Network => Some(11),
            Self::Endpoint => None,
        }
    }

    /// Known only where the event comes from an endpoint's own program.
    fn direction(self) -> Option<&'static str> {
        match self {
            Self::Overlay | Self::Network => None,
            Self::Endpoint => Some("INGRESS"),
        }
    }
}

impl<W: Write> Writer<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to }
    }

    /// Writes the lines of a connection that was opened for a request; its first packet is at the pod at `there`.
    pub(super) fn opened(
        &mut self,
        scene: &Scene<'_>,
        now: SimTime,
        there: SimTime,
        request: &Request,
    ) -> io::Result<()> {
        let pod = request.pod.expect("an open connection has a pod behind it");
        let source = source(scene, request);
        if request.second_hop
            && let Some(node) = request.node
        {
            let point = match scene.blueprint.network {
                Network::Overlay { .. } => Point::Overlay,
                Network::VpcCni | Network::CiliumChained => Point::Network,
            };
            self.line(scene, now, node, point, source, pod)?;
        }
        self.line(scene, there, scene.home(pod), Point::Endpoint, source, pod)
    }

    fn line(
        &mut self,
        scene: &Scene<'_>,
        at: SimTime,
        node: NodeId,
        point: Point,
        source: SocketAddrV4,
        pod: PodId,
    ) -> io::Result<()> {
        let time = clock::with_nanos(at);
        let node_name = scene.layout.node_name(node);
        let destination = scene.pod(pod);
        let flow = Flow {
            time: &time,
            verdict: "FORWARDED",
            ip: Ip {
                source: source.ip().to_string(),
                destination: destination.ip().to_string(),
                version: "IPv4",
            },
            l4: Layer4 {
                tcp: Tcp {
                    source_port: source.port(),
                    destination_port: destination.port(),
                    flags: Flags { syn: true },
                },
            },
            source: world(),
            destination: endpoint(scene, pod, point == Point::Endpoint),
            kind: "L3_L4",
            node_name,
            event_type: EventType {
                kind: 4,
                sub_type: point.sub_type(),
            },
            traffic_direction: point.direction(),
            trace_observation_point: point.name(),
            is_reply: false,
            summary: "TCP Flags: SYN",
        };
        let line = Line {
            flow,
            node_name,
            time: &time,
        };
        serde_json::to_writer(&mut self.to, &line)?;
        self.to.write_all(b"\n")
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// The source of a connection's packets, as the pod sees it.
pub(super) fn source(scene: &Scene<'_>, request: &Request) -> SocketAddrV4 {
    /// Source: Cilium, ports of source NAT: above the NodePorts.
    const FIRST_PORT: u16 = 32_768;
    let address = scene.addresses.seen_at_pod(
        request.seen_at_pod,
        request.load_balancer_node,
        request.node,
    );
    let port = request.upstream_port();
    let translated = request.seen_at_pod == SeenAtPod::Node
        && matches!(scene.blueprint.proxy, Proxy::Cilium { .. });
    SocketAddrV4::new(address, if translated { port | FIRST_PORT } else { port })
}

/// Whatever is no endpoint of the cluster.
fn world() -> Endpoint<'static> {
    Endpoint {
        identity: 2,
        labels: vec!["reserved:world".to_owned()],
        ..Endpoint::default()
    }
}

/// A pod; only its own node knows it as an endpoint with a number and a workload.
fn endpoint<'a>(scene: &Scene<'a>, pod: PodId, local: bool) -> Endpoint<'a> {
    const FIRST_IDENTITY: usize = 1_000;
    let places = scene.layout;
    let deployment = scene.deployment(pod);
    let name = scene.blueprint.deployments[deployment].name.as_str();
    Endpoint {
        id: local.then(|| pod.index() + 1),
        identity: FIRST_IDENTITY + deployment.index(),
        namespace: Some("default"),
        labels: vec![
            format!("k8s:app={name}"),
            "k8s:io.kubernetes.pod.namespace=default".to_owned(),
        ],
        pod_name: Some(places.pod_name(pod)),
        workloads: local.then_some([Workload {
            name,
            kind: "Deployment",
        }]),
    }
}
