//! What did clients get, and when?
//!
//! Requests per second by outcome, stacked, a panel per alternative on the same axes.

use scenarios::experiment::answer::Alternative;
use scenarios::measure::Scope;
use scenarios::measure::metric::outcomes::origin_name;
use scenarios::measure::reading::Seconds;
use sim_models::request::Outcome;

use super::topic::{self, Topic};
use super::{MOST_PANELS, Shown};
use crate::figure::{Along, Axis, Figure, Ink, Mark, Panel, Rule, Ticks, stacked};
use crate::report::Section;
use crate::table::{Align, Cell, Column, Table};

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

/// What became of the requests; a picture over time where some of them failed.
pub(super) fn section(shown: &Shown<'_>) -> Option<Section> {
    let kinds = kinds(shown);
    if kinds.is_empty() {
        return None;
    }
    let failed = Topic::overall("lost requests");
    let any_failed = shown
        .alternatives()
        .iter()
        .any(|one| failed.estimate(one).is_ok_and(|lost| lost.mean > 0.0));
    let names = [
        "requests",
        "request rate",
        "availability",
        "lost requests",
        "error window",
    ]
    .map(Topic::overall);
    let table = counts(shown, &kinds);
    Some(Section {
        title: "What clients got".to_owned(),
        text: String::new(),
        tables: if any_failed { vec![table] } else { Vec::new() },
        details: topic::table(shown, "requests", "Requests and failures", &names, false)
            .into_iter()
            .collect(),
        figures: if any_failed {
            vec![over_time(shown, &kinds)]
        } else {
            Vec::new()
        },
    })
}

/// Every outcome that some alternative saw, the ordinary one first.
fn kinds(shown: &Shown<'_>) -> Vec<Outcome> {
    let mut kinds: Vec<Outcome> = Vec::new();
    for one in shown.alternatives() {
        let seen = one
            .readings
            .outcomes
            .of(Scope::Overall)
            .iter()
            .filter(|(_, seconds)| seconds.total() > 0);
        for (outcome, _) in seen {
            if !kinds.contains(&outcome) {
                kinds.push(outcome);
            }
        }
    }
    // What has no status comes last.
    kinds.sort_by_key(|outcome| {
        (
            !(200..400).contains(&outcome.status()),
            outcome.status() == 0,
            outcome.status(),
        )
    });
    kinds
}

fn name(outcome: Outcome) -> String {
    let (name, origin) = (outcome.name(), origin_name(outcome.origin()));
    match outcome.status() {
        0 => format!("{name} ({origin})"),
        status => format!("{status} {name} ({origin})"),
    }
}

fn seconds_of(alternative: &Alternative, outcome: Outcome) -> Option<&Seconds> {
    alternative
        .readings
        .outcomes
        .of(Scope::Overall)
        .iter()
        .find(|(one, _)| *one == outcome)
        .map(|(_, seconds)| seconds)
}

/// Requests of a mean replication by outcome.
fn counts(shown: &Shown<'_>, kinds: &[Outcome]) -> Table {
    let columns = topic::columns(shown, Align::Right);
    let mut table = Table::new(
        "outcomes",
        "What clients got",
        std::iter::once(Column::key("outcome"))
            .chain(columns)
            .collect(),
    );
    for &outcome in kinds {
        let count = |one: &Alternative| {
            let total = seconds_of(one, outcome).map_or(0, Seconds::total);
            Cell::Number(total as f64 / f64::from(shown.answer.replications))
        };
        table.row(
            std::iter::once(Cell::Text(name(outcome)))
                .chain(shown.alternatives().iter().map(count))
                .collect(),
        );
    }
    table.note("Requests of one replication on average, with the status and who decided it.");
    table
}

/// Requests per second of a mean replication, in at most so many bins.
const MOST_BINS: u64 = 150;

fn over_time(shown: &Shown<'_>, kinds: &[Outcome]) -> Figure {
    let length = shown
        .alternatives()
        .iter()
        .map(|one| one.blueprint.run.length.as_nanos() / 1_000_000_000)
        .max()
        .unwrap_or(1);
    let bin = length.div_ceil(MOST_BINS).max(1);
    let series = |(index, one): (usize, &Alternative)| {
        // A last bin that is not full would look like a drop.
        let bins = (one.blueprint.run.length.as_nanos() / 1_000_000_000 / bin).max(1);
        let rates = |outcome: Outcome| {
            let counts = seconds_of(one, outcome).map_or(&[][..], Seconds::counts);
            let sum = |at: u64| {
                (at * bin..(at + 1) * bin)
                    .filter_map(|second| counts.get(second as usize))
                    .sum::<u64>()
            };
            (0..bins)
                .map(|at| sum(at) as f64 / bin as f64 / f64::from(shown.answer.replications))
                .collect()
        };
        Series {
            alternative: one.name.clone(),
            index,
            outcomes: kinds
                .iter()
                .map(|&outcome| (name(outcome), rates(outcome)))
                .collect(),
        }
    };
    let series: Vec<Series> = shown
        .alternatives()
        .iter()
        .enumerate()
        .take(MOST_PANELS)
        .map(series)
        .collect();
    let mut figure = figure("outcomes", bin as f64, &series, &[], &shown.footer());
    figure.subtitle = "Requests per second by outcome, stacked: the mean of all replications. Time since the end of the warm-up.".to_owned();
    figure
}
