//! A pod template with what the scheduler works out of it once: sums of requests, affinity terms ready to be asked.

use super::affinity::PodAffinityTerm;
use super::pod::{ASSUMED, Amount, PodTemplate};
use super::selector::{Operator, Selector};
use super::snapshot::Snapshot;

/// A pod template with what follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// The template as given.
    pub pod: PodTemplate,
    /// What one pod takes from its node.
    pub requests: Amount,
    /// The same with missing requests assumed, as the least-allocated score sees it.
    pub assumed: Amount,
    /// Company it must have.
    pub required_affinity: Vec<Term>,
    /// Company it must not have.
    pub required_anti_affinity: Vec<Term>,
    /// Company it would like, with the weight; negative for company it would rather avoid.
    pub preferred_affinity: Vec<(i64, Term)>,
}

/// A pod affinity term ready to be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// The node label that makes nodes one place.
    pub topology_key: String,
    selector: Selector,
    namespaces: Vec<String>,
    namespace_selector: Selector,
}

impl Template {
    /// Works everything out. A pod without a namespace is put into `default`.
    pub fn new(mut pod: PodTemplate) -> Self {
        if pod.namespace.is_empty() {
            "default".clone_into(&mut pod.namespace);
        }
        let required =
            |terms: &[PodAffinityTerm]| terms.iter().map(|term| Term::new(term, &pod)).collect();
        let affinity = &pod.affinity;
        let wishes = &affinity
            .pod_affinity
            .preferred_during_scheduling_ignored_during_execution;
        let dislikes = &affinity
            .pod_anti_affinity
            .preferred_during_scheduling_ignored_during_execution;
        let liked = wishes
            .iter()
            .map(|wish| (wish.weight, Term::new(&wish.pod_affinity_term, &pod)));
        let disliked = dislikes
            .iter()
            .map(|wish| (-wish.weight, Term::new(&wish.pod_affinity_term, &pod)));
        Self {
            requests: pod.requests(Amount::default()),
            assumed: pod.requests(ASSUMED),
            required_affinity: required(
                &affinity
                    .pod_affinity
                    .required_during_scheduling_ignored_during_execution,
            ),
            required_anti_affinity: required(
                &affinity
                    .pod_anti_affinity
                    .required_during_scheduling_ignored_during_execution,
            ),
            preferred_affinity: liked.chain(disliked).collect(),
            pod,
        }
    }
}

impl Term {
    fn new(written: &PodAffinityTerm, pod: &PodTemplate) -> Self {
        let mut selector = Selector::new(written.label_selector.as_ref());
        selector.and_own_values(&written.match_label_keys, &pod.labels, Operator::In);
        selector.and_own_values(&written.mismatch_label_keys, &pod.labels, Operator::NotIn);
        let own_only = written.namespaces.is_empty() && written.namespace_selector.is_none();
        let namespaces = if own_only {
            vec![pod.namespace.clone()]
        } else {
            written.namespaces.clone()
        };
        Self {
            topology_key: written.topology_key.clone(),
            selector,
            namespaces,
            namespace_selector: Selector::new(written.namespace_selector.as_ref()),
        }
    }

    /// Whether the term means this pod.
    pub fn matches(&self, cluster: &Snapshot, pod: &PodTemplate) -> bool {
        let named = self.namespaces.contains(&pod.namespace);
        (named
            || self
                .namespace_selector
                .matches(cluster.namespace_labels(&pod.namespace)))
            && self.selector.matches(&pod.labels)
    }
}
