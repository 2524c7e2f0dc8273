//! How do drains go, and what holds them up? Of scenarios that drain a node.

use std::collections::BTreeMap;

use scenarios::experiment::answer::Alternative;

use super::Shown;
use super::topic::{self, Topic};
use crate::report::Section;
use crate::table::{Cell, Column, Table};

/// How long drains take, and which pods they wait for.
pub(super) fn section(shown: &Shown<'_>) -> Option<Section> {
    let topics: Vec<Topic> = ["drain time", "unfinished drains", "refused evictions"]
        .map(Topic::overall)
        .into();
    let time = topics.first()?;
    let unfinished = topics.get(1)?;
    let drains = |one| {
        let ends = time.estimate(one).is_ok();
        ends || matches!(unfinished.estimate(one), Ok(it) if it.mean > 0.0)
    };
    if !shown.alternatives().iter().any(drains) {
        return None;
    }
    let mut table = topic::table(shown, "drains", "Drains", &topics, false)?;
    table.note("A drain is over when the last pod has left the node. A refused eviction is answered 429, and tried again after 5 s.");
    Some(Section {
        title: "How drains go".to_owned(),
        text: String::new(),
        tables: std::iter::once(table).chain(blocked(shown)).collect(),
        ..Section::default()
    })
}

/// Pods that a drain waits for at the end of the first replication, and what `kubectl drain` says of them.
fn blocked(shown: &Shown<'_>) -> Option<Table> {
    let several = shown.alternatives().len() > 1;
    let columns = [
        Column::key("node"),
        Column::right("waits for").unit("pods"),
        Column::left("why, the last time"),
    ];
    let first = several.then(|| Column::key("alternative"));
    let mut table = Table::new(
        "blocked-drains",
        "Pods that drains wait for",
        first.into_iter().chain(columns).collect(),
    )
    .question("Which evictions are refused to the end of the first replication, and what does `kubectl drain` say?");
    for alternative in shown.alternatives() {
        for ((node, why), pods) in reasons(alternative) {
            let name = several.then(|| Cell::text(&alternative.name));
            let cells = [Cell::text(node), Cell::Count(pods), Cell::text(why)];
            table.row(name.into_iter().chain(cells).collect());
        }
    }
    (!table.rows.is_empty()).then_some(table)
}

/// Pods that are not let go, by node and reason.
fn reasons(alternative: &Alternative) -> BTreeMap<(String, String), u64> {
    let mut reasons = BTreeMap::new();
    for (_, node, status) in alternative.first.drains.blocked() {
        let why = format!(
            "Cannot evict pod as it would violate the pod's disruption budget: it needs {} healthy pods and has {}",
            status.desired_healthy, status.current_healthy
        );
        let node = alternative.layout.node_name(node).to_owned();
        *reasons.entry((node, why)).or_default() += 1;
    }
    reasons
}
