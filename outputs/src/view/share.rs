//! How evenly do the pods share the requests, and is the unevenness more than chance?
//!
//! One panel per alternative, bars grouped by node. The pale band is where 95 % of the pods lie when as many independent draws
//! as the counts themselves show (N_eff) fall evenly on all pods; the dark band is the same if every request were a draw of its own.
//! Bars that fill the pale band but not the dark one are lumps of pinned connections.

use crate::figure::{
    Along, Axis, Band, Bar, Bars, Dot, Dots, Figure, Group, Ink, Mark, Panel, Rule, Shape,
};
use crate::format;
use crate::table::{Cell, Column, Table};

/// The requests of one pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Requests it answered: the mean over replications, or the count of one.
    pub requests: f64,
    /// The interval of that mean, where there is one.
    pub interval: Option<(f64, f64)>,
    /// What a real system showed for it.
    pub measured: Option<f64>,
}

/// The pods of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its pods.
    pub pods: Vec<Pod>,
}

/// How one alternative shares the requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// The alternative's name.
    pub alternative: String,
    /// Its index in the order of the scenario.
    pub index: usize,
    /// The nodes that have pods, in order.
    pub nodes: Vec<Node>,
    /// Where 95 % of the pods lie by chance alone, with N_eff independent draws: least and greatest count.
    pub chance: Option<(f64, f64)>,
    /// The same with every request a draw of its own.
    pub chance_of_requests: Option<(f64, f64)>,
    /// Numbers for the caption, such as `max/min 1.31`.
    pub numbers: Vec<String>,
}

/// The picture: a panel per alternative.
pub fn figure(name: &str, service: &str, shares: &[Share], footer: &str) -> Figure {
    let top = shares.iter().flat_map(reach).fold(0.0, f64::max);
    Figure {
        name: name.to_owned(),
        title: format!("How evenly do the pods of {service} share the requests?"),
        subtitle: "Each bar is a pod, grouped by node. N_eff is how many independent draws would give this unevenness: \
                   far fewer than the requests when requests ride on connections that are pinned to a pod."
            .to_owned(),
        description: format!("Requests per pod of {service}, one panel per alternative, with the band of pure chance."),
        columns: 1,
        panels: shares.iter().map(|share| panel(share, top * 1.06)).collect(),
        table: table(name, service, shares),
        footer: footer.to_owned(),
    }
}

/// The same numbers as a table: a row per pod, a column per alternative.
///
/// Pods are numbered within an alternative, because their nodes may differ from one to the next.
pub fn table(name: &str, service: &str, shares: &[Share]) -> Table {
    let mut columns = vec![Column::key("pod")];
    for share in shares {
        columns.push(Column::left(format!("node, {}", share.alternative)));
        columns.push(Column::right(share.alternative.clone()).unit("requests"));
    }
    let mut table = Table::new(name, format!("Requests per pod of {service}"), columns);
    let rows: Vec<Vec<(&Node, &Pod)>> =
        shares.iter().map(|share| sorted(share).collect()).collect();
    let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
    for index in 0..longest {
        let mut cells = vec![Cell::Count(index as u64 + 1)];
        for pods in &rows {
            match pods.get(index) {
                Some((node, pod)) => cells.extend([Cell::text(&node.name), value(pod)]),
                None => cells.extend([Cell::Empty, Cell::Empty]),
            }
        }
        table.row(cells);
    }
    table
}

fn value(pod: &Pod) -> Cell {
    match pod.interval {
        Some((low, high)) => Cell::Range {
            centre: pod.requests,
            low,
            high,
        },
        None => Cell::Number(pod.requests),
    }
}

fn reach(share: &Share) -> Vec<f64> {
    let pods = share.nodes.iter().flat_map(|node| &node.pods);
    let bars = pods.flat_map(|pod| {
        [
            Some(pod.requests),
            pod.interval.map(|ends| ends.1),
            pod.measured,
        ]
    });
    bars.chain([share.chance.map(|ends| ends.1)])
        .flatten()
        .collect()
}

/// Pods by node, within a node the busiest first.
fn sorted(share: &Share) -> impl Iterator<Item = (&Node, &Pod)> {
    share.nodes.iter().flat_map(|node| {
        let mut pods: Vec<&Pod> = node.pods.iter().collect();
        pods.sort_by(|one, other| other.requests.total_cmp(&one.requests));
        pods.into_iter().map(move |pod| (node, pod))
    })
}

fn panel(share: &Share, top: f64) -> Panel {
    let groups = share
        .nodes
        .iter()
        .map(|node| Group {
            name: node.name.clone(),
            size: node.pods.len(),
        })
        .collect();
    let pods: Vec<(&Node, &Pod)> = sorted(share).collect();
    Panel {
        title: share.alternative.clone(),
        caption: share.numbers.join(" · "),
        ink: Some(Ink::Series(share.index)),
        x: Axis::places(
            "",
            pods.iter().map(|(_, pod)| pod.name.clone()).collect(),
            groups,
        ),
        y: Axis::linear("requests").range(0.0, top.max(1.0)),
        height: 130,
        marks: marks(share, &pods),
    }
}

fn marks(share: &Share, pods: &[(&Node, &Pod)]) -> Vec<Mark> {
    let node_index = |name: &str| {
        share
            .nodes
            .iter()
            .position(|node| node.name == name)
            .unwrap_or(0)
    };
    let bar = |(place, (node, pod)): (usize, &(&Node, &Pod))| Bar {
        place,
        value: pod.requests,
        interval: pod.interval,
        ink: Ink::Shade(share.index, node_index(&node.name)),
    };
    let bars = Mark::Bars(Bars {
        label: "requests per pod".to_owned(),
        bars: pods.iter().enumerate().map(bar).collect(),
    });
    let end = pods.len() as f64;
    let band = |label: &str, ink: Ink, (low, high): (f64, f64)| {
        let points = vec![(0.0, low.max(0.0), high), (end, low.max(0.0), high)];
        Mark::Band(Band {
            label: label.to_owned(),
            ink,
            solid: false,
            points,
        })
    };
    let measured = pods.iter().enumerate().filter_map(|(place, (_, pod))| {
        Some(Dot {
            x: place as f64 + 0.5,
            y: pod.measured?,
            ..Dot::default()
        })
    });
    let measured: Vec<Dot> = measured.collect();
    let mut marks = Vec::new();
    marks.extend(
        share
            .chance
            .map(|ends| band("95 % of pure chance with N_eff draws", Ink::Chance, ends)),
    );
    marks.extend(
        share
            .chance_of_requests
            .map(|ends| band("the same if every request were a draw", Ink::Quiet, ends)),
    );
    marks.push(bars);
    marks.extend(
        share
            .chance
            .into_iter()
            .flat_map(|(low, high)| [edge(low.max(0.0)), edge(high)]),
    );
    if !measured.is_empty() {
        let label = "measured".to_owned();
        marks.push(Mark::Dots(Dots {
            label,
            ink: Ink::Measured,
            shape: Shape::Diamond,
            dots: measured,
        }));
    }
    marks
}

/// The edge of the band once more, above the bars that cover it.
fn edge(at: f64) -> Mark {
    Mark::Rule(Rule {
        label: String::new(),
        ink: Ink::Quiet,
        along: Along::Y,
        at,
    })
}

/// The numbers of a caption: how uneven the counts are, and how many independent draws explain it.
///
/// `draws` is N_eff = (pods - 1) / CV^2; `requests` is what was counted in all.
pub fn numbers(max_over_min: f64, cv: f64, jain: f64, draws: f64, requests: f64) -> Vec<String> {
    let mut numbers = vec![
        format!("max/min {}", format::number(max_over_min)),
        format!("CV {}", format::short(cv)),
        format!("Jain {}", format::fixed(jain, 3)),
    ];
    if draws.is_finite() && draws > 0.0 {
        numbers.push(format!("N_eff {}", format::fixed(draws, 0)));
        numbers.push(match requests / draws {
            each if each >= 1.0 => format!("{} requests per independent draw", format::short(each)),
            _ => "evener than independent requests".to_owned(),
        });
    }
    numbers
}
