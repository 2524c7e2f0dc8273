//! How long do requests take, and how bad is the tail?
//!
//! The tail 1 - F on two logarithmic axes: a request slower than x happens with probability y. Percentiles are levels of it.

use crate::figure::{Along, Axis, Band, Figure, Ink, Line, Mark, Panel, Rule, Stroke, Ticks};
use crate::table::Table;

/// The latency of one alternative.
#[derive(Clone, Debug, PartialEq)]
pub struct Tail {
    /// The alternative's name.
    pub alternative: String,
    /// Its index in the order of the scenario.
    pub index: usize,
    /// (seconds, share of requests that take longer), with seconds rising.
    pub points: Vec<(f64, f64)>,
    /// (seconds, least and greatest share that takes longer) over replications, with seconds rising; may be empty.
    pub band: Vec<(f64, f64, f64)>,
}

/// The percentiles that get a tick, as the share that takes longer.
const LEVELS: [(f64, &str); 6] = [
    (0.5, "p50"),
    (0.1, "p90"),
    (0.01, "p99"),
    (0.001, "p99.9"),
    (0.0001, "p99.99"),
    (0.00001, "p99.999"),
];

/// The picture; `threshold` is what an objective demands, with its words.
pub fn figure(
    name: &str,
    tails: &[Tail],
    threshold: Option<(f64, &str)>,
    table: Table,
    footer: &str,
) -> Figure {
    let mut marks: Vec<Mark> = tails
        .iter()
        .filter(|tail| !tail.band.is_empty())
        .map(band)
        .collect();
    marks.extend(threshold.map(|(at, words)| {
        Mark::Rule(Rule {
            label: words.to_owned(),
            ink: Ink::Rule,
            along: Along::X,
            at,
        })
    }));
    marks.extend(tails.iter().map(line));
    let rarest = tails
        .iter()
        .flat_map(|tail| tail.points.iter().map(|point| point.1))
        .filter(|share| *share > 0.0);
    let rarest = rarest.fold(0.01, f64::min).max(1e-6);
    Figure {
        name: name.to_owned(),
        title: "How long does a request take, and how bad is the tail?".to_owned(),
        subtitle: "Each line is the share of requests that take longer than the time below it. Further left is faster; a line that \
                   bends to the right has a heavy tail. Bands: the middle 90 % of replications."
            .to_owned(),
        description: "The share of requests slower than a given latency, one line per alternative.".to_owned(),
        columns: 1,
        panels: vec![Panel {
            title: String::new(),
            caption: String::new(),
            ink: None,
            x: Axis::log("latency, from the client's first byte to the whole answer").ticks(Ticks::Duration),
            y: Axis::log("percentile").range(rarest, 1.0).ticks(levels()),
            height: 300,
            marks,
        }],
        table,
        footer: footer.to_owned(),
    }
}

fn levels() -> Ticks {
    Ticks::Given(
        LEVELS
            .iter()
            .map(|(share, name)| (*share, (*name).to_owned()))
            .collect(),
    )
}

fn line(tail: &Tail) -> Mark {
    Mark::Line(Line {
        label: tail.alternative.clone(),
        ink: Ink::Series(tail.index),
        stroke: Stroke::of_series(tail.index),
        points: thinned(&tail.points),
    })
}

/// The line without points that the eye cannot tell apart: at least 0.4 % further along one of the axes.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for (index, &(x, y)) in points.iter().enumerate() {
        let near = kept
            .last()
            .is_some_and(|&(last_x, last_y)| x < last_x * 1.004 && y > last_y * 0.99);
        if !near || index + 1 == points.len() {
            kept.push((x, y));
        }
    }
    kept
}

fn band(tail: &Tail) -> Mark {
    Mark::Band(Band {
        label: format!("{}, middle 90 % of replications", tail.alternative),
        ink: Ink::Series(tail.index),
        solid: false,
        points: tail.band.clone(),
    })
}
