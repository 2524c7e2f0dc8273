//! InterPodAffinity, the filter: does every required pod affinity and anti-affinity hold, the other pods' too?
//!
//! Anti-affinity works both ways: a pod that must not have this pod's company keeps it away although this pod does not
//! mind. Terminating pods are company as long as they are there.
//!
//! Source: kube-scheduler 1.34 `plugins/interpodaffinity/filtering.go`.

use std::collections::BTreeSet;

use crate::placement::filter::Reason;
use crate::placement::snapshot::{NodeState, Snapshot};
use crate::placement::template::{Template, Term};

/// Places, as (topology key, value), in which there is company that decides about one pod.
#[derive(Debug)]
pub struct Company<'a> {
    pod: &'a Template,
    wanted: BTreeSet<(&'a str, &'a str)>,
    unwanted: BTreeSet<(&'a str, &'a str)>,
    unwelcome: BTreeSet<(&'a str, &'a str)>,
    first_of_its_kind: bool,
}

impl<'a> Company<'a> {
    /// Looks at all pods of all nodes.
    pub fn count(cluster: &'a Snapshot, pod: &'a Template) -> Self {
        let [mut wanted, mut unwanted, mut unwelcome] = [const { BTreeSet::new() }; 3];
        for (_, node) in cluster.nodes() {
            let place = |term: &'a Term| Some((term.topology_key.as_str(), value(node, term)?));
            for held in &node.held {
                let other = cluster.template(held.template);
                if is_wanted(cluster, pod, other) {
                    wanted.extend(pod.required_affinity.iter().filter_map(place));
                }
                let avoided = pod
                    .required_anti_affinity
                    .iter()
                    .filter(|term| term.matches(cluster, &other.pod));
                unwanted.extend(avoided.filter_map(place));
                let avoiding = other
                    .required_anti_affinity
                    .iter()
                    .filter(|term| term.matches(cluster, &pod.pod));
                unwelcome.extend(avoiding.filter_map(place));
            }
        }
        let first_of_its_kind = wanted.is_empty() && is_wanted(cluster, pod, pod);
        Self {
            pod,
            wanted,
            unwanted,
            unwelcome,
            first_of_its_kind,
        }
    }

    /// Judges one node.
    ///
    /// # Errors
    ///
    /// [`Reason::NoCompany`], [`Reason::UnwantedCompany`] or [`Reason::Unwelcome`], asked in this order.
    pub fn check(&self, node: &NodeState) -> Result<(), Reason> {
        let found = |places: &BTreeSet<(&str, &str)>, term: &Term| {
            value(node, term)
                .is_some_and(|value| places.contains(&(term.topology_key.as_str(), value)))
        };
        let labelled = self
            .pod
            .required_affinity
            .iter()
            .all(|term| value(node, term).is_some());
        let all = self
            .pod
            .required_affinity
            .iter()
            .all(|term| found(&self.wanted, term));
        if !labelled || !(all || self.first_of_its_kind) {
            return Err(Reason::NoCompany);
        }
        if self
            .pod
            .required_anti_affinity
            .iter()
            .any(|term| found(&self.unwanted, term))
        {
            return Err(Reason::UnwantedCompany);
        }
        let labels = &node.node.labels;
        if self
            .unwelcome
            .iter()
            .any(|&(key, value)| labels.get(key).is_some_and(|own| own == value))
        {
            return Err(Reason::Unwelcome);
        }
        Ok(())
    }
}

/// Whether a pod is company that all the required affinity terms of `pod` ask for.
pub fn is_wanted(cluster: &Snapshot, pod: &Template, other: &Template) -> bool {
    !pod.required_affinity.is_empty()
        && pod
            .required_affinity
            .iter()
            .all(|term| term.matches(cluster, &other.pod))
}

fn value<'a>(node: &'a NodeState, term: &Term) -> Option<&'a str> {
    node.node.labels.get(&term.topology_key).map(String::as_str)
}
