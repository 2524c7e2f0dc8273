//! T111: pods that fit on no node.

use std::collections::BTreeSet;

use sim_models::id::Id;
use sim_models::placement::filter::{Filter, Reason};
use sim_models::placement::selector::{Labels, Selector};
use sim_models::placement::spread::{NodeInclusionPolicy, WhenUnsatisfiable};
use sim_models::placement::{TopologySpreadConstraint, Unschedulable};

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;
use crate::placement::{Cluster, Placement};
use crate::scenario::{Deployment, PreemptionPolicy};

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let deployments = subject.scenario.deployments.iter();
    for (index, ((name, deployment), placement)) in
        deployments.zip(subject.placements()).enumerate()
    {
        if let Some((pending, why)) = &placement.pending {
            let one = Pending {
                subject,
                index,
                name,
                deployment,
                why,
            };
            found.push(one.diagnostic(*pending, placement));
        }
    }
}

/// A deployment with pods that fit nowhere.
struct Pending<'a, 'b> {
    subject: &'a Subject<'b>,
    index: usize,
    name: &'a str,
    deployment: &'a Deployment,
    why: &'a Unschedulable,
}

impl Pending<'_, '_> {
    fn diagnostic(&self, pending: u32, placement: &Placement) -> Diagnostic {
        let Self { subject, name, .. } = self;
        let replicas = self.deployment.replicas;
        let message = format!("{pending} of {replicas} pods of {name:?} stay Pending");
        let mut diagnostic = Diagnostic::warning(code::PENDING, message)
            .label(subject.at(&["deployments", name]), self.why.to_string());
        for (field, filter, nodes) in self.fields() {
            let text = format!("{filter} rejects {nodes} of {} nodes", self.why.nodes);
            diagnostic = diagnostic.label(subject.key(&["deployments", name, field]), text);
        }
        for (group, reasons) in self.by_group() {
            diagnostic = diagnostic.label(subject.key(&["cluster", "node_groups", group]), reasons);
        }
        for advice in self.advice() {
            diagnostic = diagnostic.help(advice);
        }
        let others = match placement.on.len() {
            0 => "without any".to_owned(),
            others => format!("with the other {others}"),
        };
        diagnostic.help(format!(
            "the run goes on {others}: give them room, or loosen the constraint that is named"
        ))
    }

    /// The fields of the deployment that nodes were rejected for, as far as they are written.
    fn fields(&self) -> Vec<(&'static str, Filter, usize)> {
        let field = |filter| match filter {
            Filter::NodeResourcesFit => Some("resources"),
            Filter::PodTopologySpread => Some("topology_spread_constraints"),
            Filter::InterPodAffinity => Some("affinity"),
            Filter::NodeAffinity if self.deployment.node_selector.is_empty() => Some("affinity"),
            Filter::NodeAffinity => Some("node_selector"),
            Filter::TaintToleration => Some("tolerations"),
            Filter::NodePorts => Some("host_ports"),
            Filter::NodeUnschedulable | Filter::NodeName => None,
        };
        let written = |field: &str| self.subject.is_written(&["deployments", self.name, field]);
        let filters = self.why.filters.iter();
        filters
            .filter_map(|(&filter, &nodes)| Some((field(filter)?, filter, nodes)))
            .filter(|(field, ..)| written(field))
            .collect()
    }

    /// The reasons on the nodes of each group; nothing where there is only one.
    fn by_group(&self) -> Vec<(&str, String)> {
        let groups = &self.subject.scenario.cluster.node_groups;
        let mut first = 0;
        let mut reasons = Vec::new();
        for (name, group) in groups.iter().filter(|_| groups.len() > 1) {
            let nodes = first..first + group.count.get() as usize;
            first = nodes.end;
            let here = self.why.reasons_on(|node| nodes.contains(&node.index()));
            reasons.push((name, here.join(", ")));
        }
        reasons
    }

    /// What the rejections alone do not tell.
    fn advice(&self) -> Vec<String> {
        let spread = self.why.filters.contains_key(&Filter::PodTopologySpread);
        let company = self.why.filters.contains_key(&Filter::InterPodAffinity);
        let mut advice = Vec::new();
        advice.extend(self.never_fits());
        if spread {
            advice.extend(self.waits_for_domains());
            advice.extend(self.counts_tainted_nodes());
        }
        if company {
            advice.extend(self.avoids_itself());
        }
        advice.extend(self.would_preempt());
        advice
    }

    /// A pod that is larger than every node.
    fn never_fits(&self) -> Option<String> {
        let too_small = |reason: &Reason| {
            matches!(
                reason,
                Reason::InsufficientCpu { ever: false }
                    | Reason::InsufficientMemory { ever: false }
            )
        };
        let hopeless = self
            .why
            .rejected
            .iter()
            .filter(|(_, rejection)| rejection.reasons.iter().any(too_small));
        let hopeless = hopeless.count();
        (hopeless > 0).then(|| {
            format!(
                "{hopeless} of {} nodes are smaller than one pod, even when they are empty",
                self.why.nodes
            )
        })
    }

    /// A hard constraint with more `min_domains` than there are values of its label.
    fn waits_for_domains(&self) -> Vec<String> {
        let mut advice = Vec::new();
        for constraint in &self.deployment.topology_spread_constraints {
            let (key, values) = (
                &constraint.topology_key,
                self.values(&constraint.topology_key),
            );
            if let Some(wanted) = constraint
                .min_domains
                .filter(|&wanted| wanted > values as i64)
            {
                advice.push(format!(
                    "`min_domains` is {wanted} and {key:?} has {values} values here, so each takes at most {} pods until there are more",
                    constraint.max_skew
                ));
            }
        }
        advice
    }

    /// A hard constraint that counts nodes on which the pods cannot run.
    fn counts_tainted_nodes(&self) -> Option<String> {
        let ignores = |one: &TopologySpreadConstraint| {
            one.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule
                && one.node_taints_policy == NodeInclusionPolicy::Ignore
        };
        let out_of_reach = |key: &str| self.all_values(key) > self.values(key);
        let mut constraints = self.deployment.topology_spread_constraints.iter();
        let counted = constraints.any(|one| ignores(one) && out_of_reach(&one.topology_key));
        let tainted = self.why.filters.contains_key(&Filter::TaintToleration);
        (counted && tainted).then(|| {
            "nodes with taints that the pods do not tolerate still count as the emptiest ones: `node_taints_policy: Honor` leaves them out".to_owned()
        })
    }

    /// Required anti-affinity against the deployment's own pods.
    fn avoids_itself(&self) -> Vec<String> {
        let mut own: Labels = self.deployment.labels.clone();
        own.insert("app".to_owned(), self.name.to_owned());
        let required = &self
            .deployment
            .affinity
            .pod_anti_affinity
            .required_during_scheduling_ignored_during_execution;
        let own_pods = required
            .iter()
            .filter(|term| Selector::new(term.label_selector.as_ref()).matches(&own));
        own_pods
            .map(|term| {
                format!(
                    "the pods avoid each other: {:?} has {} values here, and each takes one pod",
                    term.topology_key,
                    self.values(&term.topology_key)
                )
            })
            .collect()
    }

    /// A pod that would push others aside.
    fn would_preempt(&self) -> Option<String> {
        let lower = self
            .subject
            .scenario
            .deployments
            .values()
            .any(|other| other.priority < self.deployment.priority);
        let may = self.deployment.preemption_policy == PreemptionPolicy::PreemptLowerPriority;
        (lower && may && self.why.resolvable > 0).then(|| {
            "preemption is not modelled: a real scheduler would evict pods of lower priority to make room".to_owned()
        })
    }

    /// How many values a label has on the nodes where the pods could run if they were empty.
    fn values(&self, key: &str) -> usize {
        let cluster = Cluster::of(self.subject.scenario);
        let snapshot = cluster.scheduler().cluster();
        let admitting = cluster.admitting(self.index);
        let values: BTreeSet<&String> = admitting
            .iter()
            .filter_map(|&node| snapshot.node(node).node.labels.get(key))
            .collect();
        values.len()
    }

    /// How many values a label has on all nodes, lost ones included.
    fn all_values(&self, key: &str) -> usize {
        let cluster = Cluster::of(self.subject.scenario);
        let nodes = cluster.scheduler().cluster().all_nodes();
        let values: BTreeSet<&String> = nodes
            .iter()
            .filter_map(|state| state.node.labels.get(key))
            .collect();
        values.len()
    }
}
