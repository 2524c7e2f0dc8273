//! Which pods run on which node, and which nodes share a zone?

use scenarios::experiment::answer::Alternative;
use sim_models::id::{Id, NodeId, ZoneId};

use super::{MOST_PANELS, Shown};
use crate::figure::{Axis, Figure, Group, Ink, Mark, Panel, Ticks, Tile, Tiles};
use crate::table::{Cell, Column, Table};

/// More nodes than this do not fit into a grid.
pub(super) const MOST_NODES: usize = 40;

/// One pod of the grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// What is printed in its cell.
    pub name: String,
    /// The index of its deployment, for the colour.
    pub deployment: usize,
    /// How strong its colour is, such as its share of the busiest pod's requests.
    ///
    /// Range: 0 to 1.
    pub strength: f64,
}

/// One node and its pods, the first at the bottom.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its zone. Nodes of a zone stand side by side.
    pub zone: String,
    /// Its pods.
    pub pods: Vec<Pod>,
}

/// The grid of one alternative, or of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// What it shows.
    pub title: String,
    /// The nodes, zone by zone.
    pub nodes: Vec<Node>,
}

/// The picture: a panel per grid, two side by side.
pub fn figure(name: &str, deployments: &[String], grids: &[Grid], footer: &str) -> Figure {
    let tallest = grids
        .iter()
        .flat_map(|grid| &grid.nodes)
        .map(|node| node.pods.len())
        .max()
        .unwrap_or(0)
        .max(1);
    Figure {
        name: name.to_owned(),
        title: "Where do the pods run?".to_owned(),
        subtitle: "A column per node, a cell per pod. The lines below join the nodes of a zone."
            .to_owned(),
        description: "Pods stacked on their nodes, nodes grouped by zone.".to_owned(),
        columns: grids.len().clamp(1, 2),
        panels: grids
            .iter()
            .map(|grid| panel(grid, deployments, tallest))
            .collect(),
        table: table(name, deployments, grids),
        footer: footer.to_owned(),
    }
}

/// Pods per node: a row per node, a column per deployment.
fn table(name: &str, deployments: &[String], grids: &[Grid]) -> Table {
    let mut columns = vec![
        Column::key("grid"),
        Column::key("node"),
        Column::left("zone"),
    ];
    columns.extend(
        deployments
            .iter()
            .map(|deployment| Column::right(deployment.clone()).unit("pods")),
    );
    let mut table = Table::new(name, "Pods per node", columns);
    for grid in grids {
        for node in &grid.nodes {
            let count = |index: usize| {
                node.pods
                    .iter()
                    .filter(|pod| pod.deployment == index)
                    .count() as u64
            };
            let mut cells = vec![
                Cell::text(&grid.title),
                Cell::text(&node.name),
                Cell::text(&node.zone),
            ];
            cells.extend((0..deployments.len()).map(|index| Cell::Count(count(index))));
            table.row(cells);
        }
    }
    table
}

fn panel(grid: &Grid, deployments: &[String], tallest: usize) -> Panel {
    Panel {
        title: grid.title.clone(),
        caption: String::new(),
        ink: None,
        x: Axis::places(
            "",
            grid.nodes.iter().map(|node| node.name.clone()).collect(),
            zones(&grid.nodes),
        ),
        y: Axis::linear("")
            .range(0.0, tallest as f64)
            .ticks(Ticks::None),
        height: 24 * u32::try_from(tallest.min(12)).unwrap_or(12),
        marks: deployments
            .iter()
            .enumerate()
            .map(|(index, name)| tiles(grid, index, name))
            .collect(),
    }
}

/// The pods of one deployment.
fn tiles(grid: &Grid, deployment: usize, name: &str) -> Mark {
    let cells = grid.nodes.iter().enumerate().flat_map(|(place, node)| {
        let pods = node
            .pods
            .iter()
            .enumerate()
            .filter(move |(_, pod)| pod.deployment == deployment);
        pods.map(move |(level, pod)| Tile {
            x: (place as f64, place as f64 + 1.0),
            y: (level as f64, level as f64 + 1.0),
            ink: Ink::Kind(deployment),
            strength: pod.strength,
            text: pod.name.clone(),
        })
    });
    Mark::Tiles(Tiles {
        label: name.to_owned(),
        tiles: cells.collect(),
    })
}

/// Runs of neighbouring nodes of one zone.
fn zones(nodes: &[Node]) -> Vec<Group> {
    nodes
        .chunk_by(|one, other| one.zone == other.zone)
        .map(|run| Group {
            name: run[0].zone.clone(),
            size: run.len(),
        })
        .collect()
}

/// Where the pods of the asked Services run; one grid for each placement that occurs.
pub(super) fn of(shown: &Shown<'_>) -> Option<Figure> {
    let services = shown.services();
    let mut grids: Vec<(Vec<Node>, Vec<&str>)> = Vec::new();
    for one in shown.alternatives() {
        let nodes = nodes(one, &services);
        match grids.iter_mut().find(|(known, _)| *known == nodes) {
            Some((_, names)) => names.push(&one.name),
            None => grids.push((nodes, vec![&one.name])),
        }
    }
    let all = grids.len() == 1;
    let title = |names: Vec<&str>| if all { String::new() } else { names.join("; ") };
    let grids: Vec<Grid> = grids
        .into_iter()
        .filter(|(nodes, _)| nodes.len() <= MOST_NODES)
        .take(MOST_PANELS)
        .map(|(nodes, names)| Grid {
            title: title(names),
            nodes,
        })
        .collect();
    let services: Vec<String> = services.into_iter().map(str::to_owned).collect();
    (!grids.is_empty()).then(|| figure("placement", &services, &grids, &shown.footer()))
}

/// The nodes of an alternative, zone by zone, with the pods of these Services.
fn nodes(alternative: &Alternative, services: &[&str]) -> Vec<Node> {
    let (layout, blueprint) = (&alternative.layout, &alternative.blueprint);
    let mut nodes: Vec<(ZoneId, NodeId, Node)> = blueprint
        .nodes
        .enumerate()
        .map(|(id, node)| {
            (
                node.zone,
                id,
                Node {
                    name: node.name.clone(),
                    zone: blueprint.zones[node.zone].clone(),
                    pods: Vec::new(),
                },
            )
        })
        .collect();
    for (deployment, service) in services.iter().enumerate() {
        let Some(service) = layout.service_named(service) else {
            continue;
        };
        for pod in layout.placed_pods(service) {
            let (_, _, node) = &mut nodes[layout.pod_node(pod).index()];
            node.pods.push(Pod {
                name: layout.pod_name(pod).to_owned(),
                deployment,
                strength: 1.0,
            });
        }
    }
    nodes.sort_by_key(|&(zone, id, _)| (zone, id));
    nodes.into_iter().map(|(_, _, node)| node).collect()
}
