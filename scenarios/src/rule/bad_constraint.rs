//! T026 and T112: spread constraints and affinity that cannot be, or that no node answers to.

use sim_models::placement::TopologySpreadConstraint;
use sim_models::placement::affinity::{PodAffinity, WeightedPodAffinityTerm};
use sim_models::placement::selector::{
    LabelRequirement, LabelSelector, NodeSelectorTerm, Operator,
};
use sim_models::placement::spread::{HOSTNAME, WhenUnsatisfiable, ZONE};

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;
use crate::scenario::{Deployment, NodeGroup};

/// What the API server would not accept.
pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, deployment) in subject.scenario.deployments.iter() {
        let mut refuse = |path: &[&str], message: &str| {
            let path: Vec<&str> = ["deployments", name].iter().chain(path).copied().collect();
            found.push(
                Diagnostic::error(code::BAD_CONSTRAINT, message)
                    .label(subject.at(&path), "the API server refuses this"),
            );
        };
        for (at, constraint) in deployment.topology_spread_constraints.iter().enumerate() {
            let at = at.to_string();
            for (field, message) in impossible(constraint) {
                refuse(&["topology_spread_constraints", &at, field], message);
            }
        }
        for message in impossible_affinity(deployment) {
            refuse(&["affinity"], message);
        }
    }
}

/// Topology keys that no node carries: a hard constraint then admits no node, a soft one scores none.
pub(super) fn check_keys(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let groups = || subject.scenario.cluster.node_groups.values();
    let carried = |key: &str| {
        let in_zone = |group: &NodeGroup| key == ZONE && group.zone_label;
        key == HOSTNAME || groups().any(|group| in_zone(group) || group.labels.contains_key(key))
    };
    for (name, deployment) in subject.scenario.deployments.iter() {
        for (at, constraint) in deployment.topology_spread_constraints.iter().enumerate() {
            let key = &constraint.topology_key;
            if carried(key) {
                continue;
            }
            let effect = match constraint.when_unsatisfiable {
                WhenUnsatisfiable::DoNotSchedule => "so every pod of the deployment stays Pending",
                WhenUnsatisfiable::ScheduleAnyway => "so the deployment has no spread score at all",
            };
            let at = at.to_string();
            let path = [
                "deployments",
                name,
                "topology_spread_constraints",
                &at,
                "topology_key",
            ];
            found.push(
                Diagnostic::warning(code::UNKNOWN_TOPOLOGY_KEY, format!("no node carries the label {key:?}"))
                    .label(subject.at(&path), effect)
                    .help(format!("every node carries {HOSTNAME:?}, and {ZONE:?} unless `zone_label` is false; others are given by `labels` of a node group")),
            );
        }
    }
}

/// Fields of a spread constraint that cannot be, with the reason.
fn impossible(constraint: &TopologySpreadConstraint) -> Vec<(&'static str, &'static str)> {
    let mut wrong = Vec::new();
    let mut refuse =
        |refused: bool, field, message| wrong.extend(refused.then_some((field, message)));
    let soft = constraint.when_unsatisfiable == WhenUnsatisfiable::ScheduleAnyway;
    let min_domains = constraint.min_domains;
    refuse(
        constraint.max_skew < 1,
        "max_skew",
        "`max_skew` must be 1 or more",
    );
    refuse(
        constraint.topology_key.is_empty(),
        "topology_key",
        "a constraint needs a topology key",
    );
    refuse(
        min_domains.is_some_and(|domains| domains < 1),
        "min_domains",
        "`min_domains` must be 1 or more",
    );
    refuse(
        soft && min_domains.is_some(),
        "min_domains",
        "`min_domains` is for `DoNotSchedule` only: a soft constraint waits for nobody",
    );
    let selector = constraint.label_selector.as_ref();
    refuse(
        selector.is_some_and(is_impossible),
        "label_selector",
        REQUIREMENT,
    );
    let selects =
        |key: &String| selector.is_some_and(|selector| selector.match_labels.contains_key(key));
    refuse(
        constraint.match_label_keys.iter().any(selects),
        "match_label_keys",
        "a label is both in `match_label_keys` and in the selector",
    );
    wrong
}

const REQUIREMENT: &str = "`In` and `NotIn` need values, `Exists` and `DoesNotExist` have none, `Gt` and `Lt` are for nodes";
const WEIGHT: &str = "the weight of a preference is from 1 to 100";
const NODE_REQUIREMENT: &str = "`In` and `NotIn` need values, `Exists` and `DoesNotExist` have none, `Gt` and `Lt` one whole number";

/// What is wrong with an affinity.
fn impossible_affinity(deployment: &Deployment) -> Vec<&'static str> {
    let affinity = &deployment.affinity;
    let wishes = &affinity
        .node_affinity
        .preferred_during_scheduling_ignored_during_execution;
    let required = affinity
        .node_affinity
        .required_during_scheduling_ignored_during_execution
        .iter();
    let required = required.flat_map(|selector| &selector.node_selector_terms);
    let sound = |term: &NodeSelectorTerm| {
        term.match_expressions
            .iter()
            .all(LabelRequirement::is_valid)
    };
    let mut wrong = Vec::new();
    if wishes.iter().any(|wish| !(1..=100).contains(&wish.weight)) {
        wrong.push(WEIGHT);
    }
    if !required
        .chain(wishes.iter().map(|wish| &wish.preference))
        .all(sound)
    {
        wrong.push(NODE_REQUIREMENT);
    }
    for company in [&affinity.pod_affinity, &affinity.pod_anti_affinity] {
        wrong.extend(impossible_company(company));
    }
    wrong
}

fn impossible_company(company: &PodAffinity) -> Vec<&'static str> {
    let wishes = &company.preferred_during_scheduling_ignored_during_execution;
    let heavy = |wish: &WeightedPodAffinityTerm| !(1..=100).contains(&wish.weight);
    let terms = || {
        let required = company
            .required_during_scheduling_ignored_during_execution
            .iter();
        required.chain(wishes.iter().map(|wish| &wish.pod_affinity_term))
    };
    let mut wrong = Vec::new();
    if wishes.iter().any(heavy) {
        wrong.push(WEIGHT);
    }
    if terms().any(|term| term.topology_key.is_empty()) {
        wrong.push("a pod affinity term needs a topology key");
    }
    if terms().any(|term| term.label_selector.as_ref().is_some_and(is_impossible)) {
        wrong.push(REQUIREMENT);
    }
    wrong
}

fn is_impossible(selector: &LabelSelector) -> bool {
    let for_nodes = |requirement: &LabelRequirement| {
        matches!(requirement.operator, Operator::Gt | Operator::Lt)
    };
    selector
        .match_expressions
        .iter()
        .any(|requirement| !requirement.is_valid() || for_nodes(requirement))
}
