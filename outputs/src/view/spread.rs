//! Where do the pods lie in the end, and which of them still wait for a node? Of runs in which pods are created or deleted.

use std::collections::BTreeMap;

use scenarios::experiment::answer::Alternative;
use scenarios::measure::layout::PodState;

use super::Shown;
use super::topic::{self, Topic};
use crate::report::Section;
use crate::table::{Cell, Column, Table};

/// How evenly pods lie at the end, and why some do not lie anywhere.
pub(super) fn section(shown: &Shown<'_>) -> Option<Section> {
    if shown.alternatives().iter().all(|one| one.at_end.is_none()) {
        return None;
    }
    let services = shown.services();
    let alone = services.len() == 1;
    let by_service = |name: &'static str| {
        services
            .iter()
            .map(move |service| Topic::of(name, service, alone))
    };
    let topics: Vec<Topic> = by_service("pod skew")
        .chain(by_service("pending pods"))
        .collect();
    let mut table = topic::table(
        shown,
        "spread",
        "Where the pods lie in the end",
        &topics,
        false,
    )?;
    table.note("Skew: pods on the fullest node less those on the emptiest.");
    Some(Section {
        title: "Where the pods lie in the end".to_owned(),
        text: "Pods that were created during the run were placed as kube-scheduler does; those that fit nowhere wait.".to_owned(),
        tables: std::iter::once(table).chain(waiting(shown)).collect(),
        ..Section::default()
    })
}

/// Pods that wait for a node at the end of the first replication, and what is said of them.
fn waiting(shown: &Shown<'_>) -> Option<Table> {
    let several = shown.alternatives().len() > 1;
    let columns = [
        Column::key("service"),
        Column::right("Pending").unit("pods"),
        Column::left("why, the first time"),
    ];
    let first = several.then(|| Column::key("alternative"));
    let mut table = Table::new(
        "pending",
        "Pending pods",
        first.into_iter().chain(columns).collect(),
    )
    .question("Which pods wait for a node, and what does `kubectl describe pod` say?");
    for alternative in shown.alternatives() {
        for ((service, why), pods) in reasons(alternative) {
            let name = several.then(|| Cell::text(&alternative.name));
            let cells = [Cell::text(service), Cell::Count(pods), Cell::text(why)];
            table.row(name.into_iter().chain(cells).collect());
        }
    }
    (!table.rows.is_empty()).then_some(table)
}

/// Pods that wait, by Service and reason.
fn reasons(alternative: &Alternative) -> BTreeMap<(&str, &str), u64> {
    let mut reasons = BTreeMap::new();
    let layout = alternative.at_end.iter();
    let services = layout.flat_map(|layout| layout.services().iter().map(move |it| (layout, it)));
    for (layout, service) in services {
        for &pod in &service.pods {
            if let PodState::Pending(Some(why)) = layout.pod_state(pod) {
                *reasons
                    .entry((service.name.as_str(), why.as_str()))
                    .or_default() += 1;
            }
        }
    }
    reasons
}
