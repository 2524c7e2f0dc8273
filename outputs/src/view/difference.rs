//! What does each alternative change, and is it more than noise?
//!
//! A panel per metric, a dot and its interval per alternative, and the line of no difference. All alternatives run on the same
//! random numbers, so differences are paired: an interval that leaves zero out is a real change.

use scenarios::experiment::answer::Alternative;
use scenarios::measure::Absent;
use scenarios::measure::quantity::CONFIDENCE;

use super::Shown;
use super::topic::Topic;
use crate::figure::{Axis, Dot, Dots, Figure, Ink, Mark, Panel, Shape};
use crate::format;
use crate::table::{Cell, Column, Table};

/// The difference of one alternative to the baseline in one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The alternative's name.
    pub alternative: String,
    /// Its index in the order of the scenario.
    pub index: usize,
    /// The mean of the paired differences.
    pub mean: f64,
    /// The lower end of its interval.
    pub low: f64,
    /// The upper end of its interval.
    pub high: f64,
    /// The difference of each replication.
    pub replications: Vec<f64>,
}

/// All differences in one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name, such as `p99 latency`.
    pub name: String,
    /// Its unit; empty for a plain number.
    pub unit: String,
    /// One difference per alternative but the baseline.
    pub differences: Vec<Difference>,
}

/// The picture: a panel per metric.
pub fn figure(name: &str, baseline: &str, metrics: &[Metric], footer: &str) -> Figure {
    Figure {
        name: name.to_owned(),
        title: format!("What changes against “{baseline}”, and is it more than noise?"),
        subtitle: "Dot and 95 % interval of the difference, replication by replication on the same random numbers; small dots are \
                   the replications. An interval that does not touch the line at zero is a real change."
            .to_owned(),
        description: format!("Paired differences to {baseline} with intervals, one panel per metric."),
        columns: 1,
        panels: metrics.iter().map(panel).collect(),
        table: table(name, baseline, metrics),
        footer: footer.to_owned(),
    }
}

/// The same numbers as a table: a row per metric and alternative.
pub fn table(name: &str, baseline: &str, metrics: &[Metric]) -> Table {
    let columns = vec![
        Column::key("metric"),
        Column::key("alternative"),
        Column::left("unit"),
        Column::right(format!("change against {baseline}")),
    ];
    let mut table = Table::new(name, format!("Changes against {baseline}"), columns);
    for metric in metrics {
        for one in &metric.differences {
            let change = Cell::Difference {
                mean: one.mean,
                low: one.low,
                high: one.high,
            };
            table.row(vec![
                Cell::text(&metric.name),
                Cell::text(&one.alternative),
                Cell::text(&metric.unit),
                change,
            ]);
        }
    }
    table
}

fn panel(metric: &Metric) -> Panel {
    let names: Vec<String> = metric
        .differences
        .iter()
        .map(|one| one.alternative.clone())
        .collect();
    let unit = if metric.unit.is_empty() {
        String::new()
    } else {
        format!(" ({})", metric.unit)
    };
    Panel {
        title: format!("{}{unit}", metric.name),
        caption: String::new(),
        ink: None,
        height: 12 + 26 * u32::try_from(names.len()).unwrap_or(1).max(1),
        x: Axis::linear(""),
        y: Axis::places("", names, Vec::new()),
        marks: metric
            .differences
            .iter()
            .enumerate()
            .flat_map(marks)
            .collect(),
    }
}

fn marks((place, one): (usize, &Difference)) -> [Mark; 2] {
    let ink = Ink::Series(one.index);
    let y = place as f64 + 0.5;
    let specks = one.replications.iter().enumerate().map(|(index, &x)| Dot {
        x,
        y: y + spread(index),
        ..Dot::default()
    });
    let text = format::difference(one.mean, one.low, one.high).replace('-', "−");
    let dot = Dot {
        x: one.mean,
        y,
        x_interval: Some((one.low, one.high)),
        text,
        ..Dot::default()
    };
    [
        Mark::Dots(Dots {
            label: String::new(),
            ink,
            shape: Shape::Speck,
            dots: specks.collect(),
        }),
        Mark::Dots(Dots {
            label: one.alternative.clone(),
            ink,
            shape: Shape::Disc,
            dots: vec![dot],
        }),
    ]
}

/// A small step up or down, so that equal replications do not hide each other: five levels in turn.
fn spread(index: usize) -> f64 {
    const LEVELS: [f64; 5] = [0.0, 0.16, -0.16, 0.3, -0.3];
    LEVELS[index % LEVELS.len()]
}

/// The differences of one number to the first alternative, in the unit in which it reads well.
///
/// `None` where there is nothing to compare, or where nothing differs.
pub fn metric(shown: &Shown<'_>, topic: &Topic) -> Option<Metric> {
    let scope = Shown::scope(shown.first(), topic.service.as_deref())?;
    let reading = topic.reading(shown);
    let compared = shown.answer.differences(topic.quantity, scope);
    let mut differences = Vec::new();
    for (index, compared) in compared.iter().enumerate() {
        let Some(compared) = compared else { continue };
        let interval = compared.estimate.interval(CONFIDENCE);
        differences.push(Difference {
            alternative: shown.alternatives()[index].name.clone(),
            index,
            mean: compared.estimate.mean() * reading.factor,
            low: interval.low * reading.factor,
            high: interval.high * reading.factor,
            replications: replications(shown, topic, index, reading.factor),
        });
    }
    let differs = differences
        .iter()
        .any(|one| one.low != 0.0 || one.high != 0.0);
    differs.then(|| Metric {
        name: topic.label.clone(),
        unit: reading.unit,
        differences,
    })
}

/// The difference of each replication; none where one of the two has no value.
fn replications(shown: &Shown<'_>, topic: &Topic, index: usize, factor: f64) -> Vec<f64> {
    let values = |alternative: &Alternative| {
        let scope = Shown::scope(alternative, topic.service.as_deref())?;
        alternative
            .values(topic.quantity, scope)
            .collect::<Result<Vec<f64>, Absent>>()
            .ok()
    };
    let (Some(first), Some(other)) = (values(shown.first()), values(&shown.alternatives()[index]))
    else {
        return Vec::new();
    };
    first
        .iter()
        .zip(&other)
        .map(|(first, other)| (other - first) * factor)
        .collect()
}
