//! How evenly do the pods share the requests, and is the unevenness more than chance?
//!
//! One panel per alternative, bars grouped by node. The pale band is where 95 % of the pods lie when as many independent draws
//! as the counts themselves show (N_eff) fall evenly on all pods; the dark band is the same if every request were a draw of its own.
//! Bars that fill the pale band but not the dark one are lumps of pinned connections. Where pods come and go there is no band: they get
//! more or less because they are there for longer or shorter.

use std::collections::BTreeMap;

use scenarios::experiment::answer::Alternative;
use scenarios::measure::chance;
use sim_models::id::{NodeId, PodId};

use super::topic::{self, Topic};
use super::{MOST_PANELS, Shown, connections, placement};
use crate::figure::{
    Along, Axis, Band, Bar, Bars, Dot, Dots, Figure, Group, Ink, Mark, Panel, Rule, Shape,
};
use crate::format;
use crate::name;
use crate::report::Section;
use crate::table::{Cell, Column, Table};

/// The requests of one pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Requests that it got in one replication.
    pub requests: f64,
    /// What it got in a mean replication, where there are several.
    pub mean: Option<f64>,
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
        columns.push(Column::right("mean"));
    }
    let mut table = Table::new(name, format!("Requests per pod of {service}"), columns);
    let rows: Vec<Vec<(&Node, &Pod)>> =
        shares.iter().map(|share| sorted(share).collect()).collect();
    let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
    for index in 0..longest {
        let mut cells = vec![Cell::Count(index as u64 + 1)];
        for pods in &rows {
            match pods.get(index) {
                Some((node, pod)) => cells.extend([
                    Cell::text(&node.name),
                    Cell::Number(pod.requests),
                    pod.mean.map_or(Cell::Empty, Cell::Number),
                ]),
                None => cells.extend([Cell::Empty, Cell::Empty, Cell::Empty]),
            }
        }
        table.row(cells);
    }
    table
}

fn reach(share: &Share) -> Vec<f64> {
    let pods = share.nodes.iter().flat_map(|node| &node.pods);
    let bars = pods.flat_map(|pod| [Some(pod.requests), pod.mean, pod.measured]);
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
        interval: None,

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
    let dots = |pick: fn(&Pod) -> Option<f64>| -> Vec<Dot> {
        let dot = |(place, (_, pod)): (usize, &(&Node, &Pod))| {
            Some(Dot {
                x: place as f64 + 0.5,
                y: pick(pod)?,
                ..Dot::default()
            })
        };
        pods.iter().enumerate().filter_map(dot).collect()
    };
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
    let overlays = [
        (
            "mean of all replications",
            Ink::Rule,
            Shape::Pip,
            dots(|pod| pod.mean),
        ),
        (
            "measured",
            Ink::Measured,
            Shape::Diamond,
            dots(|pod| pod.measured),
        ),
    ];
    for (label, ink, shape, dots) in overlays.into_iter().filter(|(.., dots)| !dots.is_empty()) {
        marks.push(Mark::Dots(Dots {
            label: label.to_owned(),
            ink,
            shape,
            dots,
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

/// How evenly the pods of each Service share its requests, as numbers and pictures, and where the pods run.
pub(super) fn section(shown: &Shown<'_>) -> Option<Section> {
    let services = shown.services();
    let table = numbers_table(shown, &services)?;
    let file_names = name::distinct(services.iter().copied());
    let mut figures: Vec<Figure> = services
        .iter()
        .zip(&file_names)
        .filter_map(|(service, file_name)| figure_of(shown, service, file_name))
        .collect();
    figures.extend(placement::of(shown));
    figures.extend(connections::ages(shown));
    Some(Section {
        title: "Who answers".to_owned(),
        text: "A backend is chosen once per upstream connection, and requests ride on pooled connections: few connections make \
               lumps that no number of requests evens out."
            .to_owned(),
        tables: vec![table],
        details: connections::tables(shown),
        figures,
    })
}

fn numbers_table(shown: &Shown<'_>, services: &[&str]) -> Option<Table> {
    let alone = services.len() == 1;
    let mut topics = Vec::new();
    for service in services {
        let names = [
            "requests per pod",
            "pod imbalance",
            "requests per pod CV",
            "Jain index",
            "N_eff",
            "pinned share",
            "connections opened",
        ];
        topics.extend(names.map(|name| Topic::of(name, service, alone)));
    }
    let mut table = topic::table(
        shown,
        "share",
        "How evenly the pods share the requests",
        &topics,
        false,
    )?;
    for service in services {
        if let Some(note) = chance_note(shown, service) {
            table.note(note);
        }
    }
    Some(table)
}

/// What max/min would be by chance if every request were a draw of its own; nothing where pods come and go, and counts differ for that.
fn chance_note(shown: &Shown<'_>, service: &str) -> Option<String> {
    let (pods, requests) = pods_and_requests(shown.first(), shown, service)
        .filter(|_| steady(shown.first(), service))?;
    let fair = chance::fair(pods, requests.round() as u64)?;
    let band = fair.max_over_min;
    Some(format!(
        "If each of the {} requests of {service} went to one of its {pods} pods by a draw of its own, max/min would be {}.",
        format::count(requests.round() as u64),
        format::range(band.median, band.low, band.high),
    ))
}

/// Pods of a Service that there are in a replication, on average, and the requests that they get.
pub(super) fn pods_and_requests(
    alternative: &Alternative,
    shown: &Shown<'_>,
    service: &str,
) -> Option<(usize, f64)> {
    let (layout, readings) = (&alternative.layout, &alternative.readings.pods);
    let service = layout.service_named(service)?;
    let replications = f64::from(shown.answer.replications);
    let total: u64 = readings.requests(layout, service).iter().sum();
    let pods: u64 = readings
        .pods(layout, service)
        .map(|pod| readings.replications(pod))
        .sum();
    (total > 0).then(|| {
        (
            (pods as f64 / replications).round() as usize,
            total as f64 / replications,
        )
    })
}

/// Whether the pods of a Service were the same all the time, in the first replication.
pub(super) fn steady(alternative: &Alternative, service: &str) -> bool {
    let layout = &alternative.layout;
    let id = layout.service_named(service);
    id.is_some_and(|id| alternative.first.pods.is_steady(layout, id))
}

fn figure_of(shown: &Shown<'_>, service: &str, file_name: &str) -> Option<Figure> {
    let shares: Vec<Share> = shown
        .alternatives()
        .iter()
        .enumerate()
        .take(MOST_PANELS)
        .filter_map(|(index, one)| share(shown, index, one, service))
        .collect();
    if shares.is_empty() {
        return None;
    }
    let mut figure = figure(
        &format!("requests-per-pod-{}", file_name),
        service,
        &shares,
        &shown.footer(),
    );
    if shown.answer.replications > 1 {
        figure.subtitle += " Bars: the first replication. Dots: the mean of all.";
    }
    if shown.alternatives().len() > MOST_PANELS {
        figure.subtitle += &format!(
            " The first {MOST_PANELS} of {} alternatives.",
            shown.alternatives().len()
        );
    }
    Some(figure)
}

fn share(
    shown: &Shown<'_>,
    index: usize,
    alternative: &Alternative,
    service: &str,
) -> Option<Share> {
    let (pods, requests) = pods_and_requests(alternative, shown, service)?;
    let named = |name: &str| {
        Topic::of(name, service, true)
            .estimate(alternative)
            .ok()
            .map(|estimate| estimate.mean)
    };
    let draws = named("N_eff");
    // Fair draws fall on all pods alike only where all are there all the time.
    let steady = steady(alternative, service);
    let band = |draws: f64| {
        let mean = requests / pods as f64;
        if !steady {
            return None;
        }
        chance::count_band(pods, draws).map(|band| (band.low * mean, band.high * mean))
    };
    let numbers = match (
        named("pod imbalance"),
        named("requests per pod CV"),
        named("Jain index"),
    ) {
        (Some(ratio), Some(cv), Some(jain)) => {
            numbers(ratio, cv, jain, draws.unwrap_or(f64::NAN), requests)
        }
        _ => Vec::new(),
    };
    let pinned = named("pinned share")
        .map(|share| format!("{} of the requests pinned", format::percent(share)));
    Some(Share {
        alternative: alternative.name.clone(),
        index,
        nodes: nodes(shown, alternative, service),
        chance: draws.and_then(band),
        chance_of_requests: band(requests),
        numbers: numbers.into_iter().chain(pinned).collect(),
    })
}

/// What tells a pod from its fellows: `nginx-3` is `3`.
fn short_name(pod: &str) -> &str {
    pod.rsplit('-')
        .next()
        .filter(|last| !last.is_empty())
        .unwrap_or(pod)
}

/// The pods that a Service had in the first replication, on their nodes, with what they got there and in a mean replication.
fn nodes(shown: &Shown<'_>, alternative: &Alternative, service: &str) -> Vec<Node> {
    // Pods that were created during the run lie where they came to lie.
    let layout = alternative.at_end.as_ref().unwrap_or(&alternative.layout);
    let Some(service) = layout.service_named(service) else {
        return Vec::new();
    };
    let (once, all) = (&alternative.first.pods, &alternative.readings.pods);
    let means: BTreeMap<PodId, f64> = all
        .pods(layout, service)
        .zip(all.requests(layout, service))
        .map(|(pod, requests)| (pod, requests as f64 / all.replications(pod).max(1) as f64))
        .collect();
    let mut nodes: BTreeMap<NodeId, Node> = BTreeMap::new();
    let counts = once.requests(layout, service);
    for (pod, requests) in once.pods(layout, service).zip(counts) {
        let id = layout.pod_node(pod);
        let node = nodes.entry(id).or_insert_with(|| Node {
            name: layout.node_name(id).to_owned(),
            pods: Vec::new(),
        });
        node.pods.push(Pod {
            name: short_name(layout.pod_name(pod)).to_owned(),
            requests: requests as f64,
            mean: (shown.answer.replications > 1).then(|| means[&pod]),
            measured: None,
        });
    }
    nodes.into_values().collect()
}
