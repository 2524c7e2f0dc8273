//! One decision, from scratch: filter, score, normalise, sum.
//!
//! This is the scheduler as its documentation describes it, with nothing remembered between pods. It answers in full,
//! with every rejection and every score, and it is the reference that the incremental ledger must equal.
//!
//! Source: kube-scheduler 1.34 `schedule_one.go`.

use super::config::Config;
use super::filter::{Filters, Rejection};
use super::node_tree::feasible_nodes_to_find;
use super::score::Scorer;
use super::snapshot::{Snapshot, TemplateId};
use crate::id::NodeId;

/// A decision with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The nodes that passed all filters, in the order examined.
    pub feasible: Vec<NodeId>,
    /// The nodes that did not; those that the pod's affinity passes over come first. In a sampled cluster some nodes are in neither list.
    pub rejected: Vec<(NodeId, Rejection)>,
    /// The weighted scores of the plugins that did not skip. Empty with fewer than two feasible nodes.
    pub columns: Vec<Column>,
    /// The feasible nodes with the highest total, in the order examined.
    pub best: Vec<NodeId>,
    /// How many nodes were examined: the next search starts that much further.
    pub examined: usize,
}

/// One plugin's scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The plugin.
    pub scorer: Scorer,
    /// Its weighted score for each feasible node, in their order.
    pub scores: Vec<i64>,
}

impl Decision {
    /// The sums over the plugins, for the feasible nodes in their order.
    pub fn totals(&self) -> Vec<i64> {
        (0..self.feasible.len())
            .map(|at| self.columns.iter().map(|column| column.scores[at]).sum())
            .collect()
    }
}

/// Decides where a pod of the template could go, examining nodes from position `start` of the order on.
pub fn decide(cluster: &Snapshot, config: &Config, template: TemplateId, start: usize) -> Decision {
    let pod = cluster.template(template);
    let mut decision = find_feasible(cluster, config, template, start);
    if decision.feasible.len() < 2 {
        decision.best = decision.feasible.clone();
        return decision;
    }
    for scorer in Scorer::ALL {
        if let Some(scores) = scorer.score(cluster, pod, &decision.feasible) {
            let scores = scores
                .into_iter()
                .map(|score| score * config.weights.of(scorer))
                .collect();
            decision.columns.push(Column { scorer, scores });
        }
    }
    let totals = decision.totals();
    let highest = totals.iter().max();
    let best = decision
        .feasible
        .iter()
        .zip(&totals)
        .filter(|&(_, total)| Some(total) == highest);
    decision.best = best.map(|(&node, _)| node).collect();
    decision
}

/// Examines nodes until enough are feasible or all are examined.
///
/// Where the pod's affinity names its nodes, only these are examined, and the others are rejected beforehand.
fn find_feasible(
    cluster: &Snapshot,
    config: &Config,
    template: TemplateId,
    start: usize,
) -> Decision {
    let filters = Filters::prepare(cluster, cluster.template(template));
    let (order, others): (Vec<NodeId>, Vec<NodeId>) = cluster
        .order()
        .iter()
        .partition(|&&node| filters.check_name(cluster.node(node)).is_ok());
    let passed_over = |node| Some((node, filters.check_name(cluster.node(node)).err()?));
    let wanted = feasible_nodes_to_find(order.len(), config.percentage_of_nodes_to_score);
    let mut rejected: Vec<_> = others.into_iter().filter_map(passed_over).collect();
    let (mut feasible, mut examined) = (Vec::new(), 0);
    while examined < order.len() && feasible.len() < wanted {
        let node = order[(start + examined) % order.len()];
        examined += 1;
        match filters.check(cluster.node(node)) {
            Ok(()) => feasible.push(node),
            Err(rejection) => rejected.push((node, rejection)),
        }
    }
    Decision {
        feasible,
        rejected,
        columns: Vec::new(),
        best: Vec::new(),
        examined,
    }
}
