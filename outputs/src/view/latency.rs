//! How long do requests take, and how bad is the tail?
//!
//! The tail 1 - F on two logarithmic axes: a request slower than x happens with probability y. Percentiles are levels of it.

use scenarios::experiment::answer::Alternative;
use scenarios::measure::Quantity;
use scenarios::measure::objective::When;

use super::Shown;
use super::topic::{self, Topic};
use crate::figure::{
    Along, Axis, Dot, Dots, Figure, Ink, Line, Mark, Panel, Rule, Shape, Stroke, Ticks,
};
use crate::report::Section;
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
    /// (share that takes longer, seconds, interval of seconds): quantiles with their intervals over replications.
    pub quantiles: Vec<(f64, f64, (f64, f64))>,
}

/// More lines than this cannot be told apart.
const MOST_LINES: usize = 7;

/// So many requests must lie beyond the end of a line.
const BEYOND: u64 = 10;

/// The quantiles that are drawn with their intervals, as the share that takes longer.
const QUANTILES: [(&str, f64); 5] = [
    ("p50 latency", 0.5),
    ("p90 latency", 0.1),
    ("p99 latency", 0.01),
    ("p99.9 latency", 0.001),
    ("p99.99 latency", 0.0001),
];

/// The percentiles that get a tick, as the share that takes longer.
const LEVELS: [(f64, &str); 6] = [
    (0.5, "p50"),
    (0.1, "p90"),
    (0.01, "p99"),
    (0.001, "p99.9"),
    (0.0001, "p99.99"),
    (0.00001, "p99.999"),
];

/// What an objective demands.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// The time that must not be exceeded.
    pub seconds: f64,
    /// The share of requests that may take longer; `None` where it is not about a quantile.
    pub level: Option<f64>,
    /// The objective in words.
    pub words: String,
}

/// The picture; `whose` says whose requests are shown.
pub fn figure(
    name: &str,
    whose: &str,
    tails: &[Tail],
    threshold: Option<Threshold>,
    table: Table,
    footer: &str,
) -> Figure {
    let mut marks: Vec<Mark> = Vec::new();
    if let Some(threshold) = threshold {
        marks.extend(demanded(threshold));
    }
    marks.extend(tails.iter().map(line));
    marks.extend(
        tails
            .iter()
            .filter(|tail| !tail.quantiles.is_empty())
            .map(dots),
    );
    let rarest = tails
        .iter()
        .flat_map(|tail| tail.points.iter().map(|point| point.1))
        .filter(|share| *share > 0.0);
    let rarest = rarest.fold(0.01, f64::min).max(1e-6);
    Figure {
        name: name.to_owned(),
        title: format!("How long does a request{whose} take, and how bad is the tail?"),
        subtitle: "Each line is the share of requests that take longer than the time below it. Further left is faster; a line that \
                   bends to the right has a heavy tail. Whiskers: 95 % intervals of the quantiles."
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

/// An objective: its time as a line, and a diamond on its percentile, to the left of which lines must pass.
fn demanded(threshold: Threshold) -> Vec<Mark> {
    let Threshold {
        seconds,
        level,
        words,
    } = threshold;
    let rule = Mark::Rule(Rule {
        label: words,
        ink: Ink::Rule,
        along: Along::X,
        at: seconds,
    });
    let diamond = level.map(|y| {
        let dots = vec![Dot {
            x: seconds,
            y,
            ..Dot::default()
        }];
        Mark::Dots(Dots {
            label: "lines must pass to the left".to_owned(),
            ink: Ink::Rule,
            shape: Shape::Diamond,
            dots,
        })
    });
    std::iter::once(rule).chain(diamond).collect()
}

/// The share of requests that may exceed a quantile: 0.01 for "p99 latency".
fn level(quantity: Quantity) -> Option<f64> {
    let percent = quantity.name().strip_prefix('p')?.split_once(' ')?.0;
    Some(1.0 - percent.parse::<f64>().ok()? / 100.0)
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

/// Quantiles as dots with their intervals.
fn dots(tail: &Tail) -> Mark {
    let dot = |&(y, x, interval): &(f64, f64, (f64, f64))| Dot {
        x,
        y,
        x_interval: Some(interval),
        ..Dot::default()
    };
    Mark::Dots(Dots {
        label: format!("{}, interval of the quantile", tail.alternative),
        ink: Ink::Series(tail.index),
        shape: Shape::Speck,
        dots: tail.quantiles.iter().map(dot).collect(),
    })
}

/// Quantiles by alternative, the tail as a picture, and where the time goes.
pub(super) fn section(shown: &Shown<'_>) -> Option<Section> {
    let services = shown.services();
    let names = [
        "mean latency",
        "p50 latency",
        "p90 latency",
        "p95 latency",
        "p99 latency",
        "p99.9 latency",
        "p99.99 latency",
        "max latency",
    ];
    let table = topic::table(
        shown,
        "latency",
        "How long requests take",
        &names.map(Topic::overall),
        false,
    )?;
    let by_service = services.iter().flat_map(|service| {
        ["p50 latency", "p99 latency"].map(|name| Topic::of(name, service, false))
    });
    let by_service: Vec<Topic> = if services.len() > 1 {
        by_service.collect()
    } else {
        Vec::new()
    };
    let hops = [
        "mean time to load balancer",
        "mean time in load balancer",
        "mean time to pod",
        "mean waiting time",
        "mean service time",
        "mean way back",
        "mean latency",
    ];
    let figure = figure_of(shown, table.clone());
    Some(Section {
        title: "How long it takes".to_owned(),
        text: "From the client's first packet to its answer, failed requests included.".to_owned(),
        tables: vec![table],
        details: topic::table(
            shown,
            "latency-by-service",
            "By service",
            &by_service,
            false,
        )
        .into_iter()
        .chain(topic::table(
            shown,
            "hops",
            "Where the time goes",
            &hops.map(Topic::overall),
            false,
        ))
        .collect(),
        figures: figure.into_iter().collect(),
    })
}

fn figure_of(shown: &Shown<'_>, table: Table) -> Option<Figure> {
    let objective = shown.answer.objectives.iter().find(|one| {
        one.quantity.name().ends_with(" latency")
            && one.when == When::Throughout
            && one.comparison.wants_less()
    });
    // An objective on one Service is seen only against that Service's requests.
    let named = objective
        .and_then(|one| one.service.as_ref())
        .map(|(name, _)| name.as_str());
    let services = shown.services();
    let service = named.or(if services.len() == 1 {
        services.first().copied()
    } else {
        None
    });
    let alternatives = shown.alternatives().iter().enumerate().take(MOST_LINES);
    let tails: Vec<Tail> = alternatives
        .filter_map(|(index, one)| tail(index, one, service))
        .collect();
    if tails.is_empty() {
        return None;
    }
    let threshold = objective.map(|one| Threshold {
        seconds: one.threshold,
        level: level(one.quantity),
        words: one.text.clone(),
    });
    let whose = service.map_or_else(String::new, |service| format!(" to {service}"));
    let mut figure = figure(
        "latency-tail",
        &whose,
        &tails,
        threshold,
        table,
        &shown.footer(),
    );
    if shown.alternatives().len() > MOST_LINES {
        figure.subtitle += &format!(
            " The first {MOST_LINES} of {} alternatives.",
            shown.alternatives().len()
        );
    }
    Some(figure)
}

/// The tail of all replications together, as far as ten requests lie beyond it.
fn tail(index: usize, alternative: &Alternative, service: Option<&str>) -> Option<Tail> {
    let histogram = alternative
        .readings
        .latency
        .of(Shown::scope(alternative, service)?);
    let total = histogram.count();
    if total < BEYOND {
        return None;
    }
    let mut points = vec![(seconds(histogram.min()?), 1.0)];
    let mut slower = total;
    for bucket in histogram.buckets() {
        slower -= bucket.count;
        if slower < BEYOND {
            break;
        }
        points.push((
            seconds(bucket.low + bucket.width),
            slower as f64 / total as f64,
        ));
    }
    let dots = QUANTILES.iter().filter_map(|(name, share)| {
        let topic = service.map_or_else(
            || Topic::overall(name),
            |service| Topic::of(name, service, true),
        );
        let estimate = topic.estimate(alternative).ok()?;
        let interval = (estimate.interval.low, estimate.interval.high);
        (interval.0.is_finite() && interval.1.is_finite()).then_some((
            *share,
            estimate.mean,
            interval,
        ))
    });
    Some(Tail {
        alternative: alternative.name.clone(),
        index,
        points,
        quantiles: dots.collect(),
    })
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}
