//! How do connections carry the requests, how old do they grow, and whose address do pods see behind them?
//!
//! A pod that is taken out of a service map still gets what rides on open connections. So the age of connections, weighted by the
//! requests that they carry, says how long a change takes to reach the last request.

use scenarios::experiment::answer::Alternative;
use scenarios::measure::Scope;
use sim_core::Histogram;

use super::Shown;
use super::topic::{self, Topic};
use crate::figure::{Axis, Figure, Ink, Line, Mark, Panel, Stroke, Ticks};
use crate::table::Table;

/// More lines than this cannot be told apart.
const MOST_LINES: usize = 7;

/// The ages of one alternative.
#[derive(Clone, Debug, PartialEq)]
pub struct Ages {
    /// The alternative's name.
    pub alternative: String,
    /// Its index in the order of the scenario.
    pub index: usize,
    /// (seconds, share of requests whose connection is older), with seconds rising.
    pub points: Vec<(f64, f64)>,
}

/// The picture.
pub fn figure(name: &str, ages: &[Ages], table: Table, footer: &str) -> Figure {
    let line = |ages: &Ages| {
        Mark::Line(Line {
            label: ages.alternative.clone(),
            ink: Ink::Series(ages.index),
            stroke: Stroke::of_series(ages.index),
            points: ages.points.clone(),
        })
    };
    Figure {
        name: name.to_owned(),
        title: "How old are the connections that carry the requests?".to_owned(),
        subtitle: "Each line is the share of requests that are written to a connection older than the time below it. What is \
                   decided once for a connection, such as its pod, stays as it was for that long."
            .to_owned(),
        description: "The share of requests on connections older than a given age, one line per alternative.".to_owned(),
        columns: 1,
        panels: vec![Panel {
            title: String::new(),
            caption: String::new(),
            ink: None,
            x: Axis::log("age of the connection to the target").ticks(Ticks::Duration),
            y: Axis::linear("share of requests").range(0.0, 1.0).ticks(Ticks::Percent),
            height: 180,
            marks: ages.iter().map(line).collect(),
        }],
        table,
        footer: footer.to_owned(),
    }
}

/// Connections and their ages, and whose address pods see.
pub(super) fn tables(shown: &Shown<'_>) -> Vec<Table> {
    let services = shown.services();
    let alone = services.len() == 1;
    let of = |names: &[&'static str]| -> Vec<Topic> {
        let of_service = |service| {
            names
                .iter()
                .map(move |name| Topic::of(name, service, alone))
        };
        services.iter().copied().flat_map(of_service).collect()
    };
    let connections = of(&[
        "connections opened",
        "requests per connection",
        "reused share",
        "pinned share",
        "mean connection age",
        "p99 connection age",
    ]);
    let sources = of(&[
        "client address share",
        "load balancer address share",
        "node address share",
    ]);
    let connections = topic::table(
        shown,
        "connections",
        "Connections to targets",
        &connections,
        false,
    );
    let sources = topic::table(shown, "sources", "Whose address pods see", &sources, false);
    connections.into_iter().chain(sources).collect()
}

/// The picture of an answer; absent when no connection carried a second request.
pub(super) fn ages(shown: &Shown<'_>) -> Option<Figure> {
    let alternatives = shown.alternatives().iter();
    let reused = |one: &Alternative| one.readings.connections.of(Scope::Overall).reused > 0;
    if !alternatives.clone().any(reused) {
        return None;
    }
    let alternatives = alternatives.enumerate().take(MOST_LINES);
    let ages: Vec<Ages> = alternatives
        .filter_map(|(index, one)| of(index, one))
        .collect();
    let table = topic::table(
        shown,
        "connection-ages",
        "How old connections grow",
        &["mean connection age", "p99 connection age"].map(Topic::overall),
        false,
    )?;
    (!ages.is_empty()).then(|| figure("connection-ages", &ages, table, &shown.footer()))
}

fn of(index: usize, alternative: &Alternative) -> Option<Ages> {
    let points = older(alternative.readings.ages.of(Scope::Overall));
    (points.len() > 1).then(|| Ages {
        alternative: alternative.name.clone(),
        index,
        points,
    })
}

/// For each bucket its upper end and the share of what lies above.
fn older(histogram: &Histogram) -> Vec<(f64, f64)> {
    let seconds = |nanos: u64| nanos as f64 / 1e9;
    let total = histogram.count();
    let first = histogram.min().map(|least| (seconds(least.max(1)), 1.0));
    let mut left = total;
    let rest = histogram.buckets().map(|bucket| {
        left -= bucket.count;
        let share = left as f64 / total as f64;
        (seconds(bucket.low + bucket.width), share)
    });
    first.into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_begins_with_all_requests_and_ends_with_none() {
        let mut histogram = Histogram::new();
        for age in [10, 20, 20, 40] {
            histogram.add(age);
        }
        // Small values have buckets of their own width: 1 ns each.
        let points = older(&histogram);
        let shares: Vec<f64> = points.iter().map(|point| point.1).collect();
        assert_eq!(shares, [1.0, 0.75, 0.25, 0.0]);
        assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
