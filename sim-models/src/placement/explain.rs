//! Why is a pod Pending? The event that `kubectl describe pod` shows, from the rejections of the nodes.
//!
//! Source: kube-scheduler 1.34 `framework/types.go`, `FitError`; `framework/preemption/preemption.go`.

use std::collections::BTreeMap;
use std::fmt;

use crate::id::NodeId;

use super::cycle::Decision;
use super::filter::{Filter, Reason, Rejection};

/// Why a pod fits on no node.
///
/// Prints as the message of the pod's `FailedScheduling` event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unschedulable {
    /// How many nodes the cluster has.
    pub nodes: usize,
    /// On how many nodes each reason was given. A node may give several.
    pub reasons: BTreeMap<Reason, usize>,
    /// How many nodes each plugin rejected.
    pub filters: BTreeMap<Filter, usize>,
    /// On how many nodes deleting pods could help. All pods have the same priority here, so nothing is preempted.
    pub resolvable: usize,
    /// Every node with its rejection, in the order of the nodes, wherever the search began.
    pub rejected: Vec<(NodeId, Rejection)>,
}

impl Unschedulable {
    /// Sums up a decision that found no feasible node.
    pub fn because(decision: &Decision) -> Self {
        let mut rejected = decision.rejected.clone();
        rejected.sort_by_key(|&(node, _)| node);
        let mut why = Self {
            nodes: rejected.len(),
            rejected,
            ..Self::default()
        };
        for (_, rejection) in &decision.rejected {
            *why.filters.entry(rejection.filter).or_default() += 1;
            why.resolvable += usize::from(rejection.reasons.iter().all(Reason::is_resolvable));
            for reason in &rejection.reasons {
                *why.reasons.entry(reason.clone()).or_default() += 1;
            }
        }
        why
    }

    /// The reasons of some of the nodes only, such as those of one node group: `2 Insufficient cpu`.
    pub fn reasons_on(&self, among: impl Fn(NodeId) -> bool) -> Vec<String> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (_, rejection) in self.rejected.iter().filter(|&&(node, _)| among(node)) {
            for reason in &rejection.reasons {
                *counts.entry(reason.to_string()).or_default() += 1;
            }
        }
        sorted(counts)
    }

    /// All reasons, sorted as the scheduler sorts them: as text.
    fn sorted_reasons(&self) -> Vec<String> {
        self.reasons_on(|_| true)
    }

    /// What preemption could have done, in the same form.
    fn preemption(&self) -> Vec<String> {
        let helpless = self.nodes - self.resolvable;
        let counts = [
            (
                "Preemption is not helpful for scheduling".to_owned(),
                helpless,
            ),
            (
                "No preemption victims found for incoming pod".to_owned(),
                self.resolvable,
            ),
        ];
        sorted(counts)
    }
}

fn sorted(counts: impl IntoIterator<Item = (String, usize)>) -> Vec<String> {
    let counted = counts.into_iter().filter(|&(_, count)| count > 0);
    let mut lines: Vec<String> = counted
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    lines.sort();
    lines
}

impl fmt::Display for Unschedulable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.nodes;
        if nodes == 0 {
            return f.write_str("no nodes available to schedule pods");
        }
        write!(
            f,
            "0/{nodes} nodes are available: {}. ",
            self.sorted_reasons().join(", ")
        )?;
        write!(
            f,
            "preemption: 0/{nodes} nodes are available: {}.",
            self.preemption().join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(filter: Filter, reasons: &[Reason]) -> Rejection {
        Rejection {
            filter,
            reasons: reasons.to_vec(),
        }
    }

    #[test]
    fn reasons_are_counted_and_sorted_as_text() {
        let (cpu, memory) = (
            Reason::InsufficientCpu { ever: true },
            Reason::InsufficientMemory { ever: true },
        );
        let taint = Reason::UntoleratedTaint {
            key: "dedicated".to_owned(),
            value: "gpu".to_owned(),
        };
        let rejections = [
            rejection(Filter::NodeResourcesFit, &[cpu.clone(), memory]),
            rejection(Filter::NodeResourcesFit, &[cpu]),
            rejection(Filter::TaintToleration, &[taint]),
        ];
        let rejected = (0..).map(NodeId).zip(rejections).collect();
        let decision = Decision {
            feasible: vec![],
            rejected,
            columns: vec![],
            best: vec![],
            examined: 3,
        };
        assert_eq!(
            Unschedulable::because(&decision).to_string(),
            "0/3 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint {dedicated: gpu}, \
             2 Insufficient cpu. preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, \
             2 No preemption victims found for incoming pod."
        );
    }

    #[test]
    fn an_empty_cluster_has_its_own_words() {
        assert_eq!(
            Unschedulable::default().to_string(),
            "no nodes available to schedule pods"
        );
    }
}
