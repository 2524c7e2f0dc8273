//! Which way do the requests go, how wide is each way, and what lies on all of them?
//!
//! Four columns: clients, load balancer nodes, nodes, pods. A box is as tall as its share of the requests, and so is the ribbon
//! between two boxes. The order is that of the scenario, pods by their nodes, so that what stays on a node goes straight. Heights are
//! found by bisection: as large as the fullest column allows, with no box lower than its name.

use scenarios::experiment::answer::Alternative;
use scenarios::measure::bundle::{Bundle, Layer};
use scenarios::measure::metric::paths::{Reach, Step};
use scenarios::measure::reach::{Place, Ways};
use sim_models::id::{Id, LoadBalancerNodeId, NodeId, PodId};

use super::{MOST_PANELS, Shown};
use crate::figure::{Axis, Band, Figure, Ink, Mark, Panel, Ticks, Tile, Tiles};
use crate::format;
use crate::table::{Cell, Column, Table};

/// Things that are shown as one box.
#[derive(Clone, Debug, PartialEq)]
pub struct Vertex {
    /// Its name.
    pub name: String,
    /// How many things it stands for.
    pub things: usize,
    /// Whether it is one thing, without which some Service has no way left.
    pub single: bool,
}

/// The ways of one alternative.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// The alternative's name; empty for a figure of one panel.
    pub alternative: String,
    /// Its index in the order of the scenario.
    pub index: usize,
    /// The boxes of each of the four columns, from top to bottom.
    pub layers: [Vec<Vertex>; 4],
    /// Steps between boxes of neighbouring columns, by their positions; requests of all replications.
    pub steps: Vec<Step>,
    /// Replications.
    pub replications: f64,
}

/// The least height of a box, with its name inside.
const LEAST_BOX: f64 = 17.0;
/// The blank between two boxes.
const BETWEEN: f64 = 3.0;
/// The least height of a panel, and the room for each box of the fullest column.
const LEAST_PANEL: f64 = 150.0;
const ROOM: f64 = 22.0;
/// Where a box begins and ends, within the place of its column.
const BOX: (f64, f64) = (0.15, 0.85);
/// Letters of a name that fit into a box beside a percentage.
const LETTERS: usize = 14;
/// A ribbon that is lower than this is not drawn, in pixels.
const LEAST_RIBBON: f64 = 0.3;
/// Points along a ribbon's edge.
const POINTS: u32 = 16;

/// What ribbons are called, in the order of [`Reach`].
const REACHES: [(Reach, &str, Ink); 3] = [
    (Reach::Here, "on one node", Ink::Chance),
    (Reach::Zone, "between machines of a zone", Ink::Kind(4)),
    (Reach::CrossZone, "between zones", Ink::Kind(1)),
];

/// The picture: a panel for each alternative.
pub fn figure(name: &str, graphs: &[Graph], footer: &str) -> Figure {
    Figure {
        name: name.to_owned(),
        title: "Which way do the requests go?".to_owned(),
        subtitle: "Boxes and ribbons are as tall as their share of the requests. A dark box is one thing without which \
                   requests have no way to a Service."
            .to_owned(),
        description: "Requests from clients over load balancer nodes and nodes to pods, as ribbons whose width is their number."
            .to_owned(),
        columns: 1,
        panels: graphs.iter().map(panel).collect(),
        table: table(name, graphs),
        footer: footer.to_owned(),
    }
}

/// The same numbers: a row for each step, a column for each alternative.
fn table(name: &str, graphs: &[Graph]) -> Table {
    let named = |graph: &Graph, step: &Step| {
        let layer = step.from_layer as usize;
        let of = |layer: usize, index: usize| graph.layers[layer][index].name.clone();
        let far = REACHES[step.reach as usize].1;
        let far = if layer == 0 { "" } else { far };
        (layer, of(layer, step.from), of(layer + 1, step.to), far)
    };
    let mut rows: Vec<_> = Vec::new();
    for (column, graph) in graphs.iter().enumerate() {
        for step in &graph.steps {
            let key = named(graph, step);
            let row = rows.iter().position(|(known, _)| *known == key);
            let row = row.unwrap_or_else(|| {
                rows.push((key, vec![Cell::Empty; graphs.len()]));
                rows.len() - 1
            });
            rows[row].1[column] = Cell::Number(step.requests as f64 / graph.replications);
        }
    }
    rows.sort_by_key(|row| row.0.0);
    let leading = ["from", "to"].map(Column::key).into_iter();
    let counts = graphs.iter().map(|graph| {
        let name = match graph.alternative.as_str() {
            "" => "requests",
            name => name,
        };
        Column::right(name.to_owned())
    });
    let columns = leading.chain([Column::left("how far")]).chain(counts);
    let mut table = Table::new(name, "Requests on each way", columns.collect());
    for ((_, from, to, far), cells) in rows {
        let words = [Cell::text(from), Cell::text(to), Cell::text(far)];
        table.row(words.into_iter().chain(cells).collect());
    }
    table
}

/// Boxes and ribbons laid out: pixels from the top.
struct Sheet<'g> {
    graph: &'g Graph,
    height: f64,
    /// Pixels for each request.
    scale: f64,
    /// Top and height of each box.
    boxes: [Vec<(f64, f64)>; 4],
}

/// What comes to a box, or what leaves it if that is more.
fn through(graph: &Graph, layer: usize, index: usize) -> f64 {
    let sum = |is_it: &dyn Fn(&Step) -> bool| -> u64 {
        let steps = graph.steps.iter().filter(|step| is_it(step));
        steps.map(|step| step.requests).sum()
    };
    let leaves = sum(&|step| step.from_layer as usize == layer && step.from == index);
    let comes = sum(&|step| step.from_layer as usize + 1 == layer && step.to == index);
    leaves.max(comes) as f64
}

impl<'g> Sheet<'g> {
    fn of(graph: &'g Graph) -> Self {
        let most = graph.layers.iter().map(Vec::len).max().unwrap_or(0);
        let height = LEAST_PANEL.max(most as f64 * ROOM);
        let flows: [Vec<f64>; 4] = std::array::from_fn(|layer| {
            let boxes = 0..graph.layers[layer].len();
            boxes.map(|index| through(graph, layer, index)).collect()
        });
        let scale = scale(&flows, height);
        let boxes = flows.map(|flows| stacked(&flows, scale, height));
        Self {
            graph,
            height,
            scale,
            boxes,
        }
    }

    fn ribbons(&self) -> Vec<Mark> {
        let mut marks = Vec::new();
        let ends = self.ends();
        for (step, (from, to)) in self.graph.steps.iter().zip(ends) {
            let thick = step.requests as f64 * self.scale;
            if thick < LEAST_RIBBON {
                continue;
            }
            let (_, label, ink) = match step.from_layer {
                Layer::Clients => (step.reach, "", Ink::Quiet),
                _ => REACHES[step.reach as usize],
            };
            let layer = step.from_layer as usize as f64;
            let (left, right) = (layer + BOX.1, layer + 1.0 + BOX.0);
            let point = |index: u32| {
                let share = f64::from(index) / f64::from(POINTS);
                let bent = share * share * (3.0 - 2.0 * share);
                let top = from + (to - from) * bent;
                let x = left + (right - left) * share;
                (x, self.height - top - thick, self.height - top)
            };
            marks.push(Mark::Band(Band {
                label: label.to_owned(),
                ink,
                solid: false,
                points: (0..=POINTS).map(point).collect(),
            }));
        }
        marks
    }

    /// Where each ribbon leaves its box and where it comes to the next: its top, in pixels from the top.
    fn ends(&self) -> Vec<(f64, f64)> {
        let steps = &self.graph.steps;
        let thick = |step: &Step| step.requests as f64 * self.scale;
        // Ribbons are stacked in the middle of a box, in the order of the boxes on the other side.
        let top = |layer: usize,
                   index: usize,
                   side: &dyn Fn(&Step) -> bool,
                   before: &dyn Fn(&Step) -> bool| {
            let (top, height) = self.boxes[layer][index];
            let all: f64 = steps.iter().filter(|step| side(step)).map(thick).sum();
            let above: f64 = steps
                .iter()
                .filter(|step| side(step) && before(step))
                .map(thick)
                .sum();
            top + (height - all) / 2.0 + above
        };
        let ends = |step: &Step| {
            let layer = step.from_layer as usize;
            let leaves =
                |other: &Step| other.from_layer == step.from_layer && other.from == step.from;
            let comes = |other: &Step| other.from_layer == step.from_layer && other.to == step.to;
            let from = top(layer, step.from, &leaves, &|other| {
                (other.to, other.reach) < (step.to, step.reach)
            });
            let to = top(layer + 1, step.to, &comes, &|other| {
                (other.from, other.reach) < (step.from, step.reach)
            });
            (from, to)
        };
        steps.iter().map(ends).collect()
    }

    /// Boxes with their names; those without which there is no way apart from the others.
    fn tiles(&self) -> Vec<Mark> {
        let total: f64 = (0..self.graph.layers[0].len())
            .map(|index| through(self.graph, 0, index))
            .sum();
        let mut tiles = [Vec::new(), Vec::new()];
        for (layer, vertices) in self.graph.layers.iter().enumerate() {
            for (index, vertex) in vertices.iter().enumerate() {
                let (top, height) = self.boxes[layer][index];
                let share = through(self.graph, layer, index) / total.max(1.0);
                tiles[usize::from(vertex.single)].push(Tile {
                    x: (layer as f64 + BOX.0, layer as f64 + BOX.1),
                    y: (self.height - top - height, self.height - top),
                    ink: Ink::Series(self.graph.index),
                    strength: if vertex.single { 1.0 } else { 0.22 },
                    text: format!("{} {} %", label(vertex), format::fixed(100.0 * share, 1)),
                });
            }
        }
        let mark = |tiles| {
            Mark::Tiles(Tiles {
                label: String::new(),
                tiles,
            })
        };
        tiles.map(mark).into_iter().collect()
    }
}

/// The name of a box, cut to what fits.
fn label(vertex: &Vertex) -> String {
    let count = match vertex.things {
        1 => String::new(),
        things => format!(" × {things}"),
    };
    let room = LETTERS.saturating_sub(count.chars().count());
    if vertex.name.chars().count() <= room {
        return vertex.name.clone() + &count;
    }
    // Names of one kind differ at their ends.
    let letters = vertex.name.chars().count();
    let end: String = vertex.name.chars().skip(letters + 1 - room).collect();
    format!("…{end}{count}")
}

/// The greatest number of pixels for a request at which every column fits.
fn scale(flows: &[Vec<f64>; 4], height: f64) -> f64 {
    let fits = |scale: f64| {
        flows.iter().all(|flows| {
            let boxes: f64 = flows.iter().map(|flow| (flow * scale).max(LEAST_BOX)).sum();
            boxes + BETWEEN * flows.len().saturating_sub(1) as f64 <= height
        })
    };
    let most = flows
        .iter()
        .map(|flows| flows.iter().sum::<f64>())
        .fold(1.0, f64::max);
    let (mut low, mut high) = (0.0, height / most);
    for _ in 0..50 {
        let middle = (low + high) / 2.0;
        if fits(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Boxes one below the other, in the middle of the height.
fn stacked(flows: &[f64], scale: f64, height: f64) -> Vec<(f64, f64)> {
    let heights: Vec<f64> = flows
        .iter()
        .map(|flow| (flow * scale).max(LEAST_BOX))
        .collect();
    let blank = BETWEEN * heights.len().saturating_sub(1) as f64;
    let mut top = (height - heights.iter().sum::<f64>() - blank) / 2.0;
    let place = |height: f64| {
        let placed = (top, height);
        top += height + BETWEEN;
        placed
    };
    heights.into_iter().map(place).collect()
}

fn panel(graph: &Graph) -> Panel {
    let sheet = Sheet::of(graph);
    let names = Layer::ALL.map(|layer| layer.name().to_owned()).to_vec();
    let mut marks = sheet.ribbons();
    marks.extend(sheet.tiles());
    Panel {
        title: graph.alternative.clone(),
        caption: String::new(),
        ink: (!graph.alternative.is_empty()).then_some(Ink::Series(graph.index)),
        x: Axis::places("", names, Vec::new()),
        y: Axis::linear("").range(0.0, sheet.height).ticks(Ticks::None),
        height: sheet.height as u32,
        marks,
    }
}

/// The picture of an answer; absent when nobody asked for anything.
pub(super) fn of(shown: &Shown<'_>) -> Option<Figure> {
    let alternatives = shown.alternatives();
    let graphs: Vec<Graph> = alternatives
        .iter()
        .enumerate()
        .take(MOST_PANELS)
        .map(|(index, one)| graph(shown, one, index))
        .filter(|graph| !graph.steps.is_empty())
        .collect();
    let mut figure =
        (!graphs.is_empty()).then(|| figure("traffic-graph", &graphs, &shown.footer()))?;
    if alternatives.len() > MOST_PANELS {
        let count = alternatives.len();
        figure.subtitle += &format!(" The first {MOST_PANELS} of {count} alternatives.");
    }
    Some(figure)
}

fn graph(shown: &Shown<'_>, one: &Alternative, index: usize) -> Graph {
    let bundles = one.layout.bundles();
    let single = single_points(one);
    let vertices = |layer: Layer| -> Vec<Vertex> {
        let bundles = bundles.in_layer(layer).iter();
        bundles
            .map(|bundle| Vertex {
                name: bundle.name.clone(),
                things: match is_new(one, layer, bundle) {
                    true => created(one, bundle).max(1),
                    false => bundle.things,
                },
                single: bundle.things == 1
                    && place(layer, bundle.first).is_some_and(|place| single.contains(&place)),
            })
            .collect()
    };
    let mut graph = Graph {
        alternative: if shown.alternatives().len() > 1 {
            one.name.clone()
        } else {
            String::new()
        },
        index,
        layers: Layer::ALL.map(vertices),
        steps: one.readings.paths.steps(bundles),
        replications: f64::from(shown.answer.replications),
    };
    by_home(&mut graph, one);
    graph
}

/// Whether a box stands for pods that are created during the run.
fn is_new(one: &Alternative, layer: Layer, bundle: &Bundle) -> bool {
    layer == Layer::Pods && bundle.first >= one.blueprint.pods.len()
}

/// How many pods of such a box there were in the first replication.
fn created(one: &Alternative, bundle: &Bundle) -> usize {
    let bundles = one.layout.bundles();
    let places = bundle.first..one.layout.pod_places();
    let same = bundles.pod(PodId::from_index(bundle.first));
    let pods = places.map(PodId::from_index);
    pods.filter(|&pod| bundles.pod(pod) == same && one.first.pods.replications(pod) > 0)
        .count()
}

/// Puts pods in the order of their nodes; new ones that get nothing are left out.
fn by_home(graph: &mut Graph, one: &Alternative) {
    let pods = one.layout.bundles().in_layer(Layer::Pods);
    let gets = |pod: usize| {
        let mut steps = graph.steps.iter();
        steps.any(|step| step.from_layer == Layer::Nodes && step.to == pod)
    };
    let mut order: Vec<usize> = (0..pods.len())
        .filter(|&pod| !is_new(one, Layer::Pods, &pods[pod]) || gets(pod))
        .collect();
    order.sort_by_key(|&pod| (pods[pod].home.is_none(), pods[pod].home));
    let mut position = vec![0; pods.len()];
    for (place, &pod) in order.iter().enumerate() {
        position[pod] = place;
    }
    let vertices = &graph.layers[Layer::Pods as usize];
    graph.layers[Layer::Pods as usize] = order.iter().map(|&pod| vertices[pod].clone()).collect();
    for step in &mut graph.steps {
        if step.from_layer == Layer::Nodes {
            step.to = position[step.to];
        }
    }
}

fn place(layer: Layer, thing: usize) -> Option<Place> {
    match layer {
        Layer::Clients => None,
        Layer::LoadBalancerNodes => Some(Place::LoadBalancerNode(LoadBalancerNodeId::from_index(
            thing,
        ))),
        Layer::Nodes => Some(Place::Node(NodeId::from_index(thing))),
        Layer::Pods => Some(Place::Pod(PodId::from_index(thing))),
    }
}

/// Things without which some Service that is asked for has no way left.
fn single_points(one: &Alternative) -> Vec<Place> {
    let services = asked(one);
    let points = services.flat_map(|service| Ways::to(&one.blueprint, service).single_points());
    points.collect()
}

/// Edges of all ways together, beyond which nobody looks for single points.
const MOST_EDGES: usize = 2_000_000;

/// The Services that are asked for; none in a cluster that is too large to be looked through.
fn asked(one: &Alternative) -> impl Iterator<Item = sim_models::id::ServiceId> + use<'_> {
    let layout = &one.layout;
    let edges = layout.node_count() * layout.load_balancer_node_count() + layout.pod_places();
    let services = layout.services().iter().enumerate();
    let asked = services.filter(|(_, service)| service.asked);
    let count = asked.clone().count();
    let small = edges * count <= MOST_EDGES;
    asked
        .filter(move |_| small)
        .map(|(index, _)| sim_models::id::ServiceId::from_index(index))
}

/// What each Service hangs on, for who wants to know more.
pub(super) fn ways_table(shown: &Shown<'_>) -> Option<Table> {
    let several = shown.alternatives().len() > 1;
    let case = several.then(|| Column::key("alternative"));
    let columns = [
        Column::key("Service"),
        Column::right("pods"),
        Column::left("pods within reach of a load balancer node"),
        Column::left("no way without"),
    ];
    let mut table = Table::new(
        "ways",
        "What can be reached, and what is there once only",
        case.into_iter().chain(columns).collect(),
    )
    .question("Which pods can requests reach, and whose loss leaves them without a way?");
    for one in shown.alternatives() {
        for service in asked(one) {
            let ways = Ways::to(&one.blueprint, service);
            let balancers = one.blueprint.load_balancer.nodes.ids();
            let reached: Vec<usize> = balancers.map(|id| ways.pods_from(id)).collect();
            let pods = one.blueprint.endpoints(service).count();
            let row = [
                Cell::text(&one.layout.service(service).name),
                Cell::Count(pods as u64),
                Cell::text(extent(&reached)),
                Cell::text(without(one, &ways)),
            ];
            let case = several.then(|| Cell::text(&one.name));
            table.row(case.into_iter().chain(row).collect());
        }
    }
    table.note("This is about ways, not about what they can carry: what is left may be too small.");
    (!table.rows.is_empty()).then_some(table)
}

/// `10`, or `0 to 10` where load balancer nodes differ.
fn extent(reached: &[usize]) -> String {
    let least = reached.iter().min().unwrap_or(&0);
    let most = reached.iter().max().unwrap_or(&0);
    if least == most {
        most.to_string()
    } else {
        format!("{least} to {most}")
    }
}

fn without(one: &Alternative, ways: &Ways<'_>) -> String {
    if !ways.is_open() {
        return "there is none".to_owned();
    }
    let points = ways.single_points();
    let names: Vec<String> = points
        .iter()
        .map(|point| point.name(&one.blueprint))
        .collect();
    if names.is_empty() {
        "–".to_owned()
    } else {
        names.join(", ")
    }
}

/// What the terminal says: each thing whose loss leaves a Service without a way, and where; empty where there is none.
pub(super) fn warning(shown: &Shown<'_>) -> String {
    let mut found: Vec<(String, Vec<&str>)> = Vec::new();
    for one in shown.alternatives() {
        let mut points: Vec<String> = Vec::new();
        for place in single_points(one) {
            let name = place.name(&one.blueprint);
            if !points.contains(&name) {
                points.push(name);
            }
        }
        if points.is_empty() {
            continue;
        }
        let points = points.join(", ");
        match found.iter_mut().find(|(known, _)| *known == points) {
            Some((_, names)) => names.push(&one.name),
            None => found.push((points, vec![&one.name])),
        }
    }
    let all = shown.alternatives().len();
    let told: Vec<String> = found
        .into_iter()
        .map(|(points, names)| match names.len() {
            count if count == all => points,
            1 => format!("{points} (“{}”)", names[0]),
            count => format!("{points} ({count} alternatives)"),
        })
        .collect();
    if told.is_empty() {
        return String::new();
    }
    format!("There once only, and on every way: {}.", told.join("; "))
}
