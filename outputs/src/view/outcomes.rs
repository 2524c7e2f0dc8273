//! What did clients get, and when?
//!
//! Requests per second by outcome, stacked, a panel per alternative on the same axes.

use crate::figure::{Along, Axis, Figure, Ink, Mark, Panel, Rule, Ticks, stacked};
use crate::table::{Cell, Column, Table};

/// The outcomes of one alternative over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The alternative's name.
    pub alternative: String,
    /// Its index in the order of the scenario.
    pub index: usize,
    /// (outcome, requests per second in each bin); the ordinary outcome first. The order is the same in every alternative.
    pub outcomes: Vec<(String, Vec<f64>)>,
}

/// The picture. `bin` is the width of a bin in seconds; `events` are instants worth a line: (seconds, words).
pub fn figure(
    name: &str,
    bin: f64,
    series: &[Series],
    events: &[(f64, String)],
    footer: &str,
) -> Figure {
    let top = series.iter().map(highest).fold(0.0, f64::max);
    Figure {
        name: name.to_owned(),
        title: "What did clients get, and when?".to_owned(),
        subtitle: "Requests per second by outcome, stacked.".to_owned(),
        description: "Requests per second by outcome over time, one panel per alternative."
            .to_owned(),
        columns: 1,
        panels: series
            .iter()
            .map(|one| panel(one, bin, top * 1.25, events))
            .collect(),
        table: table(name, bin, series),
        footer: footer.to_owned(),
    }
}

/// How many requests had each outcome: a row per outcome, a column per alternative.
fn table(name: &str, bin: f64, series: &[Series]) -> Table {
    let columns = std::iter::once(Column::key("outcome")).chain(
        series
            .iter()
            .map(|one| Column::right(one.alternative.clone()).unit("requests")),
    );
    let mut table = Table::new(name, "Requests by outcome", columns.collect());
    let outcomes = series
        .first()
        .map(|first| first.outcomes.len())
        .unwrap_or(0);
    for index in 0..outcomes {
        let sum = |one: &Series| {
            one.outcomes
                .get(index)
                .map_or(0.0, |(_, rates)| rates.iter().sum::<f64>() * bin)
        };
        let cells = series.iter().map(|one| Cell::Number(sum(one)));
        table.row(
            std::iter::once(Cell::text(&series[0].outcomes[index].0))
                .chain(cells)
                .collect(),
        );
    }
    table
}

fn highest(series: &Series) -> f64 {
    let bins = series
        .outcomes
        .iter()
        .map(|(_, rates)| rates.len())
        .max()
        .unwrap_or(0);
    let sum = |bin: usize| {
        series
            .outcomes
            .iter()
            .filter_map(|(_, rates)| rates.get(bin))
            .sum::<f64>()
    };
    (0..bins).map(sum).fold(0.0, f64::max)
}

fn panel(series: &Series, bin: f64, top: f64, events: &[(f64, String)]) -> Panel {
    let bins = series
        .outcomes
        .iter()
        .map(|(_, rates)| rates.len())
        .max()
        .unwrap_or(0);
    let x: Vec<f64> = (0..bins).map(|index| (index as f64 + 0.5) * bin).collect();
    let layer = |(index, (name, rates)): (usize, &(String, Vec<f64>))| {
        (name.clone(), Ink::Kind(index), rates.clone())
    };
    let layers: Vec<(String, Ink, Vec<f64>)> =
        series.outcomes.iter().enumerate().map(layer).collect();
    let mut marks = stacked(&x, &layers);
    marks.extend(events.iter().map(|(at, words)| {
        Mark::Rule(Rule {
            label: words.clone(),
            ink: Ink::Rule,
            along: Along::X,
            at: *at,
        })
    }));
    Panel {
        title: series.alternative.clone(),
        caption: String::new(),
        ink: Some(Ink::Series(series.index)),
        x: Axis::linear("")
            .range(0.0, bins as f64 * bin)
            .ticks(Ticks::Duration),
        y: Axis::linear("requests/s").range(0.0, top.max(1.0)),
        height: 110,
        marks,
    }
}
