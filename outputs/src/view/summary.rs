//! What does each alternative cost, and what does it buy?

use super::topic::{self, Topic};
use super::{Shown, difference};
use crate::figure::Figure;
use crate::report::Section;
use crate::table::Table;

/// More metrics than this make the picture of differences too long.
const MOST_METRICS: usize = 5;

/// The numbers that people decide by, side by side.
pub(super) fn section(shown: &Shown<'_>) -> Option<Section> {
    let table = table(shown)?;
    Some(Section {
        title: "What changes".to_owned(),
        text: String::new(),
        figures: figure(shown).into_iter().collect(),
        tables: vec![table],
        ..Section::default()
    })
}

/// The numbers of the summary, in order.
fn topics(shown: &Shown<'_>) -> Vec<Topic> {
    let services = shown.services();
    let alone = services.len() == 1;
    let mut topics: Vec<Topic> = ["p50 latency", "p99 latency", "availability"]
        .map(Topic::overall)
        .into();
    for name in [
        "pod imbalance",
        "N_eff",
        "pinned share",
        "second-hop share",
        "target count",
    ] {
        topics.extend(
            services
                .iter()
                .map(|service| Topic::of(name, service, alone)),
        );
    }

    topics
}

fn table(shown: &Shown<'_>) -> Option<Table> {
    let mut table = topic::table(
        shown,
        "alternatives",
        "The alternatives side by side",
        &topics(shown),
        true,
    )?;
    if shown.alternatives().len() == 1 {
        table.title = "The numbers that people decide by".to_owned();
    }
    let changes = "Changes are paired, replication by replication, on the same random numbers. ";
    let n_eff = "N_eff: how many independent draws would spread the requests over the pods as unevenly as \
                 this; more than there are requests means that they were dealt in turn.";
    table.note(format!(
        "Intervals: 95 %. {}{n_eff}",
        if shown.alternatives().len() > 1 {
            changes
        } else {
            ""
        }
    ));
    Some(table)
}

/// Paired differences of the numbers that differ.
fn figure(shown: &Shown<'_>) -> Option<Figure> {
    let metrics: Vec<difference::Metric> = topics(shown)
        .iter()
        .filter_map(|topic| difference::metric(shown, topic))
        .take(MOST_METRICS)
        .collect();
    if metrics.is_empty() {
        return None;
    }
    Some(difference::figure(
        "differences",
        &shown.first().name,
        &metrics,
        &shown.footer(),
    ))
}
