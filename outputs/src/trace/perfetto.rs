//! How do the requests lie on a time line?
//!
//! A file in the JSON Trace Event Format, which <https://ui.perfetto.dev> opens. A process is a place: all clients, a load balancer
//! node, a worker node. A thread is a population of clients, a load balancer node, or a pod; where requests overlap it has several
//! lanes. A request is a slice in each place, with its parts inside, and arrows that join them:
//!
//! | place | slice | inside |
//! |---|---|---|
//! | clients | from its birth to the answer | |
//! | load balancer node | from arrival to the target's answer | `choose` until it was written to a connection, `target` after |
//! | pod | from arrival to the end of the work | `wait`, `work` |
//!
//! Faults, readiness, published EndpointSlices, target states and the Ready conditions of nodes are marks in a process of their own.
//!
//! A long run has more requests than a viewer likes. Of more than 20,000 every second one is shown, or every fourth, and so on, by
//! the number that it has in its population; `otherData` says which.
//!
//! Source: "Trace Event Format" (Chromium); Perfetto, "Visualizing external trace formats": slices of a thread must nest, so what
//! overlaps gets another lane. Times are whole microseconds from the begin of the run.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};
use sim_core::SimTime;
use sim_models::id::Id;
use sim_models::observe::{Health, Observation};
use sim_models::request::{Hop, Request};

use super::scene::{Scene, passed};

/// Requests that are shown at most.
const MOST: usize = 20_000;

/// The processes before those of load balancer nodes and nodes.
const CLIENTS: usize = 1;
const SIGNAL: usize = 2;
const FIRST_PLACE: usize = 3;

/// Gathers what is shown, and writes it at the end.
pub(super) struct Writer<W> {
    to: W,
    /// Every how-manieth request is kept.
    stride: u64,
    kept: Vec<Shown>,
    marks: Vec<Mark>,
    separator: &'static str,
}

/// A request, and when the load balancer node was done with it.
struct Shown {
    request: Request,
    ended: SimTime,
}

/// Something on the journey of the health signal.
struct Mark {
    at: SimTime,
    layer: Layer,
    text: String,
}

/// Who noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Faults,
    Pods,
    Slices,
    Targets,
    Nodes,
}

impl Layer {
    const ALL: [Self; 5] = [
        Self::Faults,
        Self::Pods,
        Self::Slices,
        Self::Targets,
        Self::Nodes,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Faults => "faults",
            Self::Pods => "pods, as the API has them",
            Self::Slices => "EndpointSlices",
            Self::Targets => "targets, as load balancer nodes see them",
            Self::Nodes => "nodes, as the API has them",
        }
    }
}

/// A slice before it has a lane: where, from when to when, and what it says.
struct Slice {
    process: usize,
    group: usize,
    from: SimTime,
    until: SimTime,
    name: String,
    args: Value,
    inside: Vec<(&'static str, SimTime, SimTime)>,
    /// The arrow that begins, goes on, or ends here.
    arrow: Option<(&'static str, usize)>,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(to: W, _: &Scene<'_>) -> io::Result<Self> {
        Ok(Self {
            to,
            stride: 1,
            kept: Vec::new(),
            marks: Vec::new(),
            separator: "",
        })
    }

    pub(super) fn see(
        &mut self,
        scene: &Scene<'_>,
        now: SimTime,
        seen: &Observation<'_>,
    ) -> io::Result<()> {
        match seen {
            Observation::Finished(request) => self.keep(now, request),
            Observation::Health(health) => {
                if let Some((layer, text)) = mark(scene, health) {
                    let at = now;
                    self.marks.push(Mark { at, layer, text });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn keep(&mut self, now: SimTime, request: &Request) {
        if !request.serial.is_multiple_of(self.stride) {
            return;
        }
        let ended = passed(request, Hop::Returned).unwrap_or(now);
        let request = request.clone();
        self.kept.push(Shown { request, ended });
        if self.kept.len() > MOST {
            self.stride *= 2;
            let stride = self.stride;
            self.kept
                .retain(|shown| shown.request.serial.is_multiple_of(stride));
        }
    }

    pub(super) fn finish(mut self, scene: &Scene<'_>) -> io::Result<()> {
        let about = json!({
            "program": concat!("twohop ", env!("CARGO_PKG_VERSION")),
            "seed": scene.seed.to_string(),
            "shown": match self.stride {
                1 => "every request".to_owned(),
                stride => format!("one of {stride} requests"),
            },
        });
        write!(
            self.to,
            "{{\"displayTimeUnit\":\"ms\",\"otherData\":{about},\"traceEvents\":["
        )?;
        let mut slices: Vec<Slice> = Vec::new();
        for (number, shown) in std::mem::take(&mut self.kept).iter().enumerate() {
            slices.extend(slices_of(scene, shown, number + 1));
        }
        self.processes(scene)?;
        self.slices(scene, slices)?;
        self.signal()?;
        self.to.write_all(b"\n]}\n")?;
        self.to.flush()
    }

    fn event(&mut self, event: &Value) -> io::Result<()> {
        write!(self.to, "{}\n{event}", self.separator)?;
        self.separator = ",";
        Ok(())
    }

    fn named(&mut self, what: &str, pid: usize, tid: usize, name: &str) -> io::Result<()> {
        let args = json!({ "name": name });
        self.event(&json!({ "ph": "M", "pid": pid, "tid": tid, "name": what, "args": args }))
    }

    /// Names every place.
    fn processes(&mut self, scene: &Scene<'_>) -> io::Result<()> {
        self.named("process_name", CLIENTS, 0, "clients")?;
        let addresses = &scene.addresses;
        let balancers = addresses.load_balancer_nodes.enumerate();
        for (id, address) in balancers {
            let name = format!("load balancer node {id} ({address})");
            self.named("process_name", FIRST_PLACE + id.index(), 0, &name)?;
        }
        for (id, node) in scene.blueprint.nodes.enumerate() {
            let name = format!("node {} ({})", node.name, addresses.nodes[id]);
            self.named("process_name", node_process(scene, id.index()), 0, &name)?;
        }
        Ok(())
    }

    /// Gives every slice a lane, so that slices of a lane do not overlap, and writes them.
    fn slices(&mut self, scene: &Scene<'_>, mut slices: Vec<Slice>) -> io::Result<()> {
        slices.sort_by_key(|slice| (slice.process, slice.group, slice.from, slice.until));
        let mut threads: BTreeMap<(usize, usize), Vec<(usize, SimTime)>> = BTreeMap::new();
        // Numbers of threads are distinct over all processes; the layers of the signal have the first ones.
        let mut next_thread = Layer::ALL.len() + 1;
        for slice in slices {
            let place = (slice.process, slice.group);
            let lanes = threads.entry(place).or_default();
            let free = lanes.iter_mut().find(|(_, until)| *until <= slice.from);
            let thread = match free {
                Some((thread, until)) => {
                    *until = slice.until;
                    *thread
                }
                None => {
                    let thread = next_thread;
                    next_thread += 1;
                    lanes.push((thread, slice.until));
                    let name = lane_name(scene, place, lanes.len());
                    self.named("thread_name", slice.process, thread, &name)?;
                    thread
                }
            };
            self.slice(&slice, thread)?;
        }
        Ok(())
    }

    fn slice(&mut self, slice: &Slice, tid: usize) -> io::Result<()> {
        let pid = slice.process;
        let span = |name: &str, from: SimTime, until: SimTime, args: &Value| {
            json!({ "ph": "X", "pid": pid, "tid": tid, "ts": micros(from), "dur": micros(until) - micros(from),
                    "cat": "request", "name": name, "args": args })
        };
        self.event(&span(&slice.name, slice.from, slice.until, &slice.args))?;
        for &(name, from, until) in &slice.inside {
            self.event(&span(name, from, until, &json!({})))?;
        }
        if let Some((phase, id)) = slice.arrow {
            let mut arrow = json!({ "ph": phase, "pid": pid, "tid": tid, "ts": micros(slice.from),
                                    "cat": "request", "name": "request", "id": id });
            if phase == "f" {
                arrow["bp"] = json!("e");
            }
            self.event(&arrow)?;
        }
        Ok(())
    }

    /// Writes the marks; each layer that has one is a thread.
    fn signal(&mut self) -> io::Result<()> {
        let marks = std::mem::take(&mut self.marks);
        if marks.is_empty() {
            return Ok(());
        }
        self.named("process_name", SIGNAL, 0, "faults and health")?;
        for layer in Layer::ALL {
            if marks.iter().any(|mark| mark.layer == layer) {
                self.named("thread_name", SIGNAL, layer as usize + 1, layer.name())?;
            }
        }
        for Mark { at, layer, text } in &marks {
            let tid = *layer as usize + 1;
            self.event(
                &json!({ "ph": "i", "pid": SIGNAL, "tid": tid, "ts": micros(*at), "s": "t",
                                "cat": "health", "name": text }),
            )?;
        }
        Ok(())
    }
}

fn node_process(scene: &Scene<'_>, node: usize) -> usize {
    FIRST_PLACE + scene.addresses.load_balancer_nodes.len() + node
}

/// What a lane of a place is called; the first has no number.
fn lane_name(scene: &Scene<'_>, (process, group): (usize, usize), lane: usize) -> String {
    let name = if process == CLIENTS {
        scene.blueprint.populations.as_slice()[group].name.clone()
    } else if process < node_process(scene, 0) {
        "requests".to_owned()
    } else {
        let pod = sim_models::id::PodId::from_index(group);
        scene.layout.pod_name(pod).to_owned()
    };
    if lane == 1 {
        name
    } else {
        format!("{name} ({lane})")
    }
}

/// A request in every place that it has been to.
fn slices_of(scene: &Scene<'_>, shown: &Shown, number: usize) -> Vec<Slice> {
    let Shown { request, ended } = shown;
    let at = |hop| passed(request, hop);
    let name = format!("{} {}", scene.path(request), request.outcome.status());
    let slice = |process, group, from: SimTime, until: SimTime| Slice {
        process,
        group,
        from,
        until: until.max(from),
        name: name.clone(),
        args: json!({}),
        inside: Vec::new(),
        arrow: None,
    };
    let born = request.at(Hop::Client);
    let mut client = slice(
        CLIENTS,
        request.population.index(),
        born,
        request.at(Hop::Answered),
    );
    client.args = args(scene, request);
    let mut slices = vec![client];
    if let Some(arrived) = at(Hop::LoadBalancer) {
        let process = FIRST_PLACE + request.load_balancer_node.index();
        let mut balancer = slice(process, 0, arrived, *ended);
        let sent = at(Hop::Sent).unwrap_or(*ended).min(*ended);
        balancer.inside = vec![("choose", arrived, sent), ("target", sent, *ended)];
        balancer.inside.retain(|(_, from, until)| from < until);
        slices.push(balancer);
    }
    if let (Some(arrived), Some(pod)) = (at(Hop::Server), request.pod) {
        let process = node_process(scene, scene.home(pod).index());
        let done = at(Hop::Served).unwrap_or(*ended);
        let mut server = slice(process, pod.index(), arrived, done);
        let started = at(Hop::Started).unwrap_or(server.until);
        server.inside = vec![("wait", arrived, started), ("work", started, server.until)];
        server.inside.retain(|(_, from, until)| from < until);
        slices.push(server);
    }
    let last = slices.len() - 1;
    if last > 0 {
        for (place, slice) in slices.iter_mut().enumerate() {
            let phase = match place {
                0 => "s",
                _ if place == last => "f",
                _ => "t",
            };
            slice.arrow = Some((phase, number));
        }
    }
    slices
}

/// What a click on a request shows.
fn args(scene: &Scene<'_>, request: &Request) -> Value {
    let target = scene.target(request).map(|target| target.to_string());
    json!({
        "serial": request.serial,
        "attempt": request.attempt,
        "outcome": request.outcome.name(),
        "target": target,
        "pod": request.pod.map(|pod| scene.layout.pod_name(pod)),
        "reused connection": request.reused,
        "second hop": request.second_hop,
        "cross zone": request.cross_zone,
    })
}

/// What is marked, and in which layer.
fn mark(scene: &Scene<'_>, health: &Health<'_>) -> Option<(Layer, String)> {
    let layout = scene.layout;
    Some(match health {
        Health::Fault { fault, begins } => {
            let what = if *begins { "begins" } else { "ends" };
            (Layer::Faults, format!("fault {fault} {what}"))
        }
        Health::Ready { pod, ready } => {
            let what = if *ready { "Ready" } else { "not Ready" };
            (Layer::Pods, format!("{} {what}", layout.pod_name(*pod)))
        }
        Health::Deleted { pod } => (Layer::Pods, format!("{} deleted", layout.pod_name(*pod))),
        Health::Created { pod } => (Layer::Pods, format!("{} created", layout.pod_name(*pod))),
        Health::Placed { pod, node } => {
            let (pod, node) = (layout.pod_name(*pod), layout.node_name(*node));
            (Layer::Pods, format!("{pod} placed on {node}"))
        }
        Health::Unschedulable { pod, .. } => {
            let pod = layout.pod_name(*pod);
            (Layer::Pods, format!("{pod} fits on no node"))
        }
        Health::Published { service, .. } => {
            let name = &layout.service(*service).name;
            (Layer::Slices, format!("slices of {name} published"))
        }
        Health::Target {
            target,
            load_balancer_node,
            state,
            ..
        } => (
            Layer::Targets,
            format!("target {target} is {state:?} at load balancer node {load_balancer_node}"),
        ),
        Health::Rollout { state, .. } => (Layer::Pods, format!("rolling update: {state:?}")),
        Health::EvictionRefused { pod, .. } => (
            Layer::Pods,
            format!("eviction of {} refused", layout.pod_name(*pod)),
        ),
        Health::Drain { node, state } => (
            Layer::Nodes,
            format!("drain of {}: {state:?}", layout.node_name(*node)),
        ),
        Health::Node { node, ready } => (
            Layer::Nodes,
            format!("{} is {ready:?}", layout.node_name(*node)),
        ),
        _ => return None,
    })
}

/// Whole microseconds since the begin of the run. Rounded down everywhere, so that what nests still does.
fn micros(at: SimTime) -> u64 {
    at.as_nanos() / 1_000
}
