//! On which nodes and in which zones the pods land: a table, and a picture.

use scenarios::placement::spread::Shape;
use scenarios::placement::survey::Survey;
use sim_models::id::Id;

use super::super::MOST_PANELS;
use super::super::placement::{self, Grid, MOST_NODES, Node, Pod};
use super::{Shown, range};
use crate::table::{Cell, Column, Table};

/// Tables of nodes are this long at most; of more nodes, groups and zones are counted.
const MOST_ROWS: usize = 60;

/// Nodes by pods, in replication 0: a row for each node, or for each group and zone of a large cluster.
pub(super) fn grid_table(shown: &Shown<'_>) -> Table {
    let small = shown
        .surveys()
        .all(|survey| survey.nodes.len() <= MOST_ROWS);
    let deployments = shown.deployments();
    let counted = |name: &String| {
        if small {
            Column::right(name.clone()).unit("pods")
        } else {
            Column::left(name.clone())
        }
    };
    let leading = if small {
        vec![Column::key("node"), Column::left("zone")]
    } else {
        vec![
            Column::key("nodes"),
            Column::left("zone"),
            Column::right("count"),
        ]
    };
    let columns = shown.columns(leading.into_iter().chain(deployments.iter().map(counted)));
    let mut table = Table::new("placement", "Pods per node", columns)
        .question("Where does each pod run, the first time?");
    for (case, survey) in shown.named() {
        let rows = if small {
            nodes(survey, &deployments)
        } else {
            groups(survey, &deployments)
        };
        for row in rows {
            table.row(case.iter().cloned().chain(row).collect());
        }
    }
    table
}

/// The nodes of a survey, zone by zone in the order in which zones first occur.
fn by_zone(survey: &Survey) -> Vec<usize> {
    let mut zones: Vec<&str> = Vec::new();
    for node in &survey.nodes {
        if !zones.contains(&node.zone.as_str()) {
            zones.push(&node.zone);
        }
    }
    let mut order: Vec<usize> = (0..survey.nodes.len()).collect();
    order.sort_by_key(|&node| {
        zones
            .iter()
            .position(|&zone| zone == survey.nodes[node].zone)
    });
    order
}

fn nodes(survey: &Survey, deployments: &[String]) -> Vec<Vec<Cell>> {
    let counts = counts(survey, deployments);
    let row = |node: usize| {
        let mut cells = vec![
            Cell::text(&survey.nodes[node].name),
            Cell::text(&survey.nodes[node].zone),
        ];
        cells.extend(counts.iter().map(|pods| {
            pods.as_ref()
                .map_or(Cell::Missing, |pods| Cell::Count(u64::from(pods[node])))
        }));
        cells
    };
    by_zone(survey).into_iter().map(row).collect()
}

fn groups(survey: &Survey, deployments: &[String]) -> Vec<Vec<Cell>> {
    let counts = counts(survey, deployments);
    let mut groups: Vec<((&str, &str), Vec<usize>)> = Vec::new();
    for (index, node) in survey.nodes.iter().enumerate() {
        let key = (node.group.as_str(), node.zone.as_str());
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, nodes)) => nodes.push(index),
            None => groups.push((key, vec![index])),
        }
    }
    let row = |((group, zone), nodes): ((&str, &str), Vec<usize>)| {
        let mut cells = vec![
            Cell::text(group),
            Cell::text(zone),
            Cell::Count(nodes.len() as u64),
        ];
        cells.extend(counts.iter().map(|pods| {
            pods.as_ref().map_or(Cell::Missing, |pods| {
                Cell::text(Shape::of(nodes.iter().map(|&node| pods[node])).to_string())
            })
        }));
        cells
    };
    groups.into_iter().map(row).collect()
}

/// For each deployment its pods on each node, in replication 0.
fn counts(survey: &Survey, deployments: &[String]) -> Vec<Option<Vec<u32>>> {
    let of = |name: &String| {
        let deployment = survey.deployments.iter().find(|one| one.name == *name)?;
        let mut pods = vec![0; survey.nodes.len()];
        deployment
            .first
            .on
            .iter()
            .for_each(|node| pods[node.index()] += 1);
        Some(pods)
    };
    deployments.iter().map(of).collect()
}

/// Pods on each node over all replications: for who wants to know more.
pub(super) fn over_all(shown: &Shown<'_>) -> Table {
    let deployments = shown.deployments();
    let columns = [
        Column::key("node"),
        Column::left("zone"),
        Column::left("group"),
    ];
    let counted = deployments
        .iter()
        .map(|name| Column::right(name.clone()).unit("pods"));
    let columns = shown.columns(columns.into_iter().chain(counted));
    let mut table = Table::new(
        "pods-per-node",
        "Pods per node over all placements",
        columns,
    )
    .question("How many pods does each node get; mean [least, most]?");
    for (case, survey) in shown.named() {
        for index in by_zone(survey) {
            let node = &survey.nodes[index];
            let mut row = vec![
                Cell::text(&node.name),
                Cell::text(&node.zone),
                Cell::text(&node.group),
            ];
            row.extend(deployments.iter().map(|name| {
                let deployment = survey.deployments.iter().find(|one| one.name == *name);
                deployment.map_or(Cell::Missing, |one| {
                    range(&one.on_node[index], survey.replications)
                })
            }));
            table.row(case.iter().cloned().chain(row).collect());
        }
    }
    table
}

/// The grid of replication 0, case by case; absent when the cluster is too large for one.
pub(super) fn figure(shown: &Shown<'_>) -> Option<crate::figure::Figure> {
    let deployments = shown.deployments();
    let several = shown.outcomes.len() > 1;
    let grids: Vec<Grid> = shown
        .outcomes
        .iter()
        .filter(|(_, survey)| survey.nodes.len() <= MOST_NODES)
        .take(MOST_PANELS)
        .map(|(names, survey)| Grid {
            title: if several {
                names.join("; ")
            } else {
                String::new()
            },
            nodes: grid(survey, &deployments),
        })
        .collect();
    let footer = shown.provenance().line();
    (!grids.is_empty()).then(|| placement::figure("placement-grid", &deployments, &grids, &footer))
}

fn grid(survey: &Survey, deployments: &[String]) -> Vec<Node> {
    let mut nodes: Vec<Node> = survey
        .nodes
        .iter()
        .map(|node| Node {
            name: node.name.clone(),
            zone: node.zone.clone(),
            pods: Vec::new(),
        })
        .collect();
    for deployment in &survey.deployments {
        let kind = deployments.iter().position(|name| *name == deployment.name);
        for (pod, node) in deployment.first.on.iter().enumerate() {
            nodes[node.index()].pods.push(Pod {
                name: format!("{}-{pod}", deployment.name),
                deployment: kind.expect("every deployment is listed"),
                strength: 1.0,
            });
        }
    }
    by_zone(survey)
        .into_iter()
        .map(|index| nodes[index].clone())
        .collect()
}
