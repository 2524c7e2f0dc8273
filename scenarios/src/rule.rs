//! Does the scenario make sense as a whole?
//!
//! The decoder has looked at every value by itself. A rule looks at several: names that refer to each other, combinations that
//! cannot be, and those that can and surprise. One file each: code, what it says, and how to mend it.

use std::cell::OnceCell;

use sim_core::SimDuration;
use sim_models::request::load_balancer::{Kind, RuleConfig, TargetGroupConfig};

use crate::auto::Auto;
use crate::diagnostic::{Diagnostic, in_order};
use crate::load::Purpose;
use crate::placement::{Cluster, Placed, Placement};
use crate::scenario::Scenario;
use crate::source::Span;
use crate::tree::{Node, Value};

mod bad_constraint;
mod bad_fault;
mod bad_objective;
mod bad_placement;
mod beyond_kubernetes;
mod dangling_name;
mod direct_return;
mod documented;
mod empty_part;
mod few_zones;
mod gates;
mod health_checks;
mod ip_on_overlay;
mod keep_alive;
mod local_without_pod;
mod never_active;
mod never_used;
mod no_probe;
mod no_rules;
mod other_format;
mod out_of_range;
mod overload;
mod pending;
mod protocols;
mod quota;
mod too_large;
mod twice;

/// Looks at a scenario and says what it finds.
type Rule = fn(&Subject<'_>, &mut Vec<Diagnostic>);

/// Rules that find errors.
const ERRORS: &[Rule] = &[
    other_format::check,
    empty_part::check,
    twice::check,
    dangling_name::check,
    bad_fault::check,
    no_rules::check,
    ip_on_overlay::check,
    direct_return::check,
    health_checks::check,
    bad_placement::check,
    bad_constraint::check,
    bad_objective::check,
    out_of_range::check,
    documented::check,
];

/// The rule that asks what a run would take. It builds on the others: names are known, numbers in range.
const EXTENT: &[Rule] = &[too_large::check];

/// Rules that find what surprises. They hold for scenarios without errors.
const WARNINGS: &[Rule] = &[
    local_without_pod::check,
    no_probe::check,
    keep_alive::check,
    protocols::check,
    quota::check,
    no_rules::check_matches,
    overload::check,
    never_used::check,
    few_zones::check,
    beyond_kubernetes::check,
    never_active::check,
    gates::check,
    health_checks::check_never_passed,
    bad_constraint::check_keys,
    pending::check,
];

/// What the rules say about a scenario.
pub struct Checked<'a> {
    /// In the order of the text. Warnings come when there are no errors.
    pub found: Vec<Diagnostic>,
    /// The pods of the first replication, if some rule had to know where they land.
    pub placed: Option<Placed<'a>>,
}

/// Asks every rule.
pub fn check<'a>(scenario: &'a Scenario, tree: &'a Node, purpose: Purpose) -> Checked<'a> {
    let subject = Subject {
        scenario,
        tree,
        purpose,
        placed: OnceCell::new(),
    };
    let mut found = Vec::new();
    for rules in [ERRORS, EXTENT, WARNINGS] {
        rules.iter().for_each(|rule| rule(&subject, &mut found));
        if !found.is_empty() {
            break;
        }
    }
    Checked {
        found: in_order(found),
        placed: subject.placed.into_inner(),
    }
}

/// A scenario and the tree that it was decoded from, which knows the places.
struct Subject<'a> {
    scenario: &'a Scenario,
    tree: &'a Node,
    purpose: Purpose,
    /// Found out when it is first asked for.
    placed: OnceCell<Placed<'a>>,
}

impl<'a> Subject<'a> {
    /// The place of a value, or of the innermost thing around it that is written.
    fn at(&self, steps: &[&str]) -> Span {
        let mut node = self.tree;
        let mut span = node.spot();
        for step in steps {
            let Some(inside) = node.get(step) else {
                return span;
            };
            // A value in brackets may span many lines: its key is the better place.
            let in_brackets =
                inside.spot() != inside.span && !matches!(inside.value, Value::Variant(..));
            span = node
                .key_span(step)
                .filter(|_| in_brackets)
                .unwrap_or_else(|| inside.spot());
            node = inside;
        }
        span
    }

    /// Whether a value is written in the file.
    fn is_written(&self, steps: &[&str]) -> bool {
        let value = steps
            .iter()
            .try_fold(self.tree, |node, step| node.get(step));
        value.is_some()
    }

    /// The place of a field's name or of a map's key, or of the innermost thing around it that is written.
    fn key(&self, steps: &[&str]) -> Span {
        let (last, before) = steps.split_last().expect("a path has at least one step");
        let holder = before
            .iter()
            .try_fold(self.tree, |node, step| node.get(step));
        holder
            .and_then(|holder| holder.key_span(last))
            .unwrap_or_else(|| self.at(before))
    }

    fn target_groups(&self) -> impl Iterator<Item = (&'a str, &'a TargetGroupConfig)> {
        self.scenario
            .load_balancer
            .target_groups
            .iter()
            .map(|(name, group)| (name.as_str(), group))
    }

    fn nodes(&self) -> u64 {
        self.scenario
            .cluster
            .node_groups
            .values()
            .map(|group| u64::from(group.count.get()))
            .sum()
    }

    fn load_balancer_nodes(&self) -> u64 {
        let load_balancer = &self.scenario.load_balancer;
        let Kind::Alb { nodes_per_zone } = load_balancer.kind;
        let enabled = load_balancer.zones.as_ref();
        let zones = enabled.unwrap_or(&self.scenario.cluster.zones);
        zones.len() as u64 * u64::from(nodes_per_zone.get())
    }

    fn pods(&self) -> u64 {
        self.scenario
            .deployments
            .values()
            .map(|deployment| u64::from(deployment.replicas.get()))
            .sum()
    }

    /// Where the pods of each deployment land in the first replication.
    ///
    /// For scenarios without errors only: an impossible constraint cannot be placed.
    fn placements(&self) -> &[Placement] {
        let placed = || Cluster::of(self.scenario).place_first();
        &self.placed.get_or_init(placed).placements
    }

    /// Simulated time from start to end, the warm-up included; an automatic warm-up is part of the length.
    fn duration(&self) -> SimDuration {
        let run = &self.scenario.run;
        let warm_up = match run.warm_up {
            Auto::Auto => SimDuration::ZERO,
            Auto::Given(warm_up) => warm_up,
        };
        SimDuration::from_nanos(run.length.as_nanos().saturating_add(warm_up.as_nanos()))
    }

    /// The target groups that get requests for a path, each with its share; none where no rule matches.
    fn target_groups_of(&self, path: &str) -> Vec<(&'a str, f64)> {
        let load_balancer = &self.scenario.load_balancer;
        if load_balancer.rules.is_empty() {
            let groups = load_balancer.target_groups.keys().take(1);
            return groups.map(|group| (group.as_str(), 1.0)).collect();
        }
        let rule: Option<&RuleConfig> = load_balancer.rules.iter().find(|rule| rule.matches(path));
        rule.map_or_else(Vec::new, |rule| rule.forward.shares().collect())
    }
}

#[cfg(test)]
mod tests;
