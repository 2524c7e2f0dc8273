//! Which way do the requests go: through which targets, over which nodes, across which zones?

use super::topic::{self, Topic};
use super::{Shown, graph};
use crate::report::Section;

/// Targets, second hops, zones, and what they cost in bytes.
pub(super) fn section(shown: &Shown<'_>) -> Option<Section> {
    let services = shown.services();
    let alone = services.len() == 1;
    let by_service = |name: &'static str| {
        services
            .iter()
            .map(move |service| Topic::of(name, service, alone))
    };
    let mut topics: Vec<Topic> = by_service("target count").collect();
    topics.extend(by_service("target imbalance"));
    topics.extend(by_service("second-hop share"));
    topics.extend(
        [
            "node imbalance",
            "load balancer node imbalance",
            "cross-zone share",
            "cross-zone bytes",
            "overlay bytes",
        ]
        .map(Topic::overall),
    );
    let mut table = topic::table(shown, "path", "Which way the requests go", &topics, false)?;
    table.note("Bytes are those of one replication.");
    let single = graph::warning(shown);
    if !single.is_empty() {
        table.note(single);
    }
    Some(Section {
        title: "Which way".to_owned(),
        text: "Target group entries, second hops inside the cluster, and traffic between zones."
            .to_owned(),
        tables: vec![table],
        details: graph::ways_table(shown).into_iter().collect(),
        figures: graph::of(shown).into_iter().collect(),
    })
}
