//! How many replicas do autoscalers want? Of scenarios that have one.

use super::Shown;
use super::topic::{self, Topic};
use crate::report::Section;

/// Replicas on average and at most, and how often they change.
pub(super) fn section(shown: &Shown<'_>) -> Option<Section> {
    let services = shown.services();
    let alone = services.len() == 1;
    let topics: Vec<Topic> = ["mean replicas", "peak replicas", "scalings"]
        .into_iter()
        .flat_map(|name| {
            services
                .iter()
                .map(move |service| Topic::of(name, service, alone))
        })
        .collect();
    let mut table = topic::table(shown, "replicas", "Replicas", &topics, true)?;
    table.note("Scalings: how often the autoscaler changed the number of replicas. The replicas of each second are in `results.json`.");
    Some(Section {
        title: "How many replicas the autoscaler wants".to_owned(),
        text: String::new(),
        tables: vec![table],
        ..Section::default()
    })
}
