//! The same decisions, remembered: what one template's next pod needs to know, kept up to date pod by pod.
//!
//! The real scheduler counts everything anew for every pod. A ledger counts once, and then follows the snapshot's
//! journal of pods that came and went: a change touches one node and the domains it lies in. What is left per decision
//! is a walk over the candidates' numbers. Nodes, Services and workloads change rarely; then the ledger starts afresh.
//!
//! It answers only which nodes are best. It must always answer as [`cycle::decide`](super::cycle::decide) does, which
//! tests compare on random clusters.

use std::ops::Range;
use std::sync::Arc;

use super::config::Config;
use super::explain::Unschedulable;
use super::filter;
use super::journal::Change;
use super::node_tree::feasible_nodes_to_find;
use super::score::{
    Scorer, Weights, image_locality, node_affinity, node_resources_balanced_allocation,
    node_resources_fit, scale_down, scale_up, taint_toleration,
};
use super::snapshot::{Snapshot, TemplateId};
use super::template::Template;
use crate::id::{Id, NodeId};

use company::Company;
use spread::{Hard, Soft};

mod company;
mod spread;
mod topology;

/// What is remembered for one template.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    template: TemplateId,
    epoch: u64,
    seen: u64,
    nodes: Nodes,
    seat_of: Vec<u32>,
    /// Where the nodes are that the pod's affinity names, if it names any.
    named: Option<Vec<u32>>,
    hard: Hard,
    soft: Soft,
    company: Company,
    effects: Vec<Option<Effect>>,
    /// Why a pod fits nowhere, as long as nothing changes.
    refusal: Option<Arc<Unschedulable>>,
    work: Work,
}

/// The nodes in the order of examination: a list per question, so that a decision walks only over what it asks.
#[derive(Clone, Debug, Default)]
struct Nodes {
    ids: Vec<NodeId>,
    /// Passes the filters that ask only what the node is.
    admitted: Vec<bool>,
    /// Passes the filters that ask what is left of it, too.
    open: Vec<bool>,
    /// Weighted scores of the plugins that look at this node alone.
    own: Vec<i64>,
    /// ImageLocality, weighted.
    image: Vec<i64>,
    /// Raw values of TaintToleration; empty when all are 0.
    taints: Vec<i64>,
    /// Raw values of NodeAffinity; empty when all are 0.
    wishes: Vec<i64>,
}

/// What a pod of some template changes for the ledger's template, wherever it lies.
#[derive(Clone, Debug)]
struct Effect {
    hard: Vec<usize>,
    soft: Vec<usize>,
    company: company::Effect,
}

/// Lists reused from decision to decision.
#[derive(Clone, Debug, Default)]
struct Work {
    feasible: Vec<u32>,
    totals: Vec<i64>,
    best: Vec<NodeId>,
}

impl Ledger {
    /// Counts everything once.
    pub(super) fn open(cluster: &Snapshot, config: &Config, template: TemplateId) -> Self {
        let pod = cluster.template(template);
        let mut ledger = Self {
            template,
            epoch: cluster.epoch(),
            seen: cluster.journal().end(),
            nodes: Nodes::new(cluster, pod, &config.weights),
            seat_of: vec![u32::MAX; cluster.all_nodes().len()],
            named: named_positions(cluster, pod),
            hard: Hard::new(cluster, pod),
            soft: Soft::new(cluster, pod),
            company: Company::new(cluster, pod),
            effects: vec![None; cluster.templates().len()],
            refusal: None,
            work: Work::default(),
        };
        for (at, (index, node)) in cluster.nodes().enumerate() {
            ledger.seat_of[index.index()] = at as u32;
            for held in &node.held {
                ledger.count(
                    cluster,
                    held.template,
                    at,
                    i64::from(held.running),
                    i64::from(held.all()),
                );
            }
            ledger.nodes.refresh(cluster, pod, &config.weights, at);
        }
        ledger
    }

    /// The template it is about.
    pub(super) fn template(&self) -> TemplateId {
        self.template
    }

    /// Why a pod fits nowhere, if that was found out and nothing has changed since.
    pub(super) fn refusal(&self) -> Option<&Arc<Unschedulable>> {
        self.refusal.as_ref()
    }

    /// Remembers why a pod fits nowhere, until something changes.
    pub(super) fn remember_refusal(&mut self, why: Arc<Unschedulable>) {
        self.refusal = Some(why);
    }

    /// Follows the journal to its end, or starts afresh when that is not enough.
    pub(super) fn catch_up(&mut self, cluster: &Snapshot, config: &Config) {
        let missed = cluster
            .journal()
            .since(self.seen)
            .filter(|_| self.epoch == cluster.epoch());
        let Some(missed) = missed else {
            *self = Self::open(cluster, config, self.template);
            return;
        };
        if !missed.is_empty() {
            self.refusal = None;
        }
        for &Change {
            template,
            node,
            running,
            all,
        } in missed
        {
            let at = self.seat_of[node.index()] as usize;
            self.count(cluster, template, at, i64::from(running), i64::from(all));
            self.nodes.refresh(
                cluster,
                cluster.template(self.template),
                &config.weights,
                at,
            );
        }
        self.seen = cluster.journal().end();
    }

    /// The best nodes for one more pod, and how many nodes were examined, from position `start` of the order on.
    pub(super) fn best(&mut self, config: &Config, start: usize) -> (&[NodeId], usize) {
        let examined = self.find_feasible(config.percentage_of_nodes_to_score, start);
        let Work { feasible, best, .. } = &mut self.work;
        if feasible.len() < 2 {
            best.clear();
            best.extend(feasible.iter().map(|&at| self.nodes.ids[at as usize]));
        } else {
            self.add_up(&config.weights);
            self.keep_highest();
        }
        (&self.work.best, examined)
    }

    /// Lists the feasible nodes until there are enough of them. Says how many nodes it examined.
    fn find_feasible(&mut self, percentage: u8, start: usize) -> usize {
        self.work.feasible.clear();
        let size = self.named.as_ref().map_or(self.nodes.ids.len(), Vec::len);
        let start = start % size.max(1);
        let wanted = feasible_nodes_to_find(size, percentage);
        match self.named.take() {
            Some(named) => {
                let turn = |range: Range<usize>| named[range].iter().map(|&at| at as usize);
                let examined = self.examine(turn(start..size), turn(0..start), wanted);
                self.named = Some(named);
                examined
            }
            None => self.examine(start..size, 0..start, wanted),
        }
    }

    fn examine<I: Iterator<Item = usize>>(&mut self, first: I, then: I, wanted: usize) -> usize {
        let Self {
            nodes,
            hard,
            company,
            work: Work { feasible, .. },
            ..
        } = self;
        let limits = hard.limits();
        let indifferent = limits.is_empty() && company.is_indifferent();
        let mut examined = 0;
        for positions in [first, then] {
            for at in positions {
                if feasible.len() >= wanted {
                    return examined;
                }
                examined += 1;
                if nodes.open[at] && (indifferent || limits.hold(at) && company.admits(at)) {
                    feasible.push(at as u32);
                }
            }
        }
        examined
    }

    /// Sums the weighted scores of the feasible nodes. What is the same for all of them is left out.
    fn add_up(&mut self, weights: &Weights) {
        let Self {
            nodes,
            soft,
            company,
            work: Work {
                feasible, totals, ..
            },
            ..
        } = self;
        totals.clear();
        totals.extend(feasible.iter().map(|&at| nodes.own[at as usize]));
        soft.add_scores(feasible, totals, weights.of(Scorer::PodTopologySpread));
        company.add_scores(feasible, totals, weights.of(Scorer::InterPodAffinity));
        add_scaled(
            &nodes.taints,
            feasible,
            totals,
            weights.of(Scorer::TaintToleration),
            scale_down,
        );
        add_scaled(
            &nodes.wishes,
            feasible,
            totals,
            weights.of(Scorer::NodeAffinity),
            scale_up,
        );
    }

    fn keep_highest(&mut self) {
        let Work {
            feasible,
            totals,
            best,
            ..
        } = &mut self.work;
        let highest = totals
            .iter()
            .copied()
            .max()
            .expect("two feasible nodes or more are scored");
        let tied = feasible
            .iter()
            .zip(totals.iter())
            .filter(|&(_, &total)| total == highest);
        best.clear();
        best.extend(tied.map(|(&at, _)| self.nodes.ids[at as usize]));
    }

    /// Enters pods of a template that came to a node, or, with negative counts, left it.
    fn count(&mut self, cluster: &Snapshot, other: TemplateId, at: usize, running: i64, all: i64) {
        let slot = other.0 as usize;
        if slot >= self.effects.len() {
            self.effects.resize(slot + 1, None);
        }
        if self.effects[slot].is_none() {
            let effect = self.effect_of(cluster, cluster.template(other));
            self.effects[slot] = Some(effect);
        }
        let effect = self.effects[slot].as_ref().expect("made above");
        self.hard.count(&effect.hard, at, running);
        self.soft.count(&effect.soft, at, running);
        self.company.count(&effect.company, at, all);
    }

    fn effect_of(&mut self, cluster: &Snapshot, other: &Template) -> Effect {
        let pod = cluster.template(self.template);
        Effect {
            hard: self.hard.counting(&pod.pod, &other.pod),
            soft: self.soft.counting(&pod.pod, &other.pod),
            company: self.company.effect_of(cluster, pod, other),
        }
    }
}

/// Adds the weighted scores of a plugin that scales its raw values by the highest; `raw` is empty when all are 0.
fn add_scaled(
    raw: &[i64],
    feasible: &[u32],
    totals: &mut [i64],
    factor: i64,
    scale: fn(i64, i64) -> i64,
) {
    if raw.is_empty() {
        return;
    }
    let highest = feasible
        .iter()
        .map(|&at| raw[at as usize])
        .max()
        .unwrap_or(0);
    for (total, &at) in totals.iter_mut().zip(feasible) {
        *total += factor * scale(raw[at as usize], highest);
    }
}

impl Nodes {
    fn new(cluster: &Snapshot, pod: &Template, weights: &Weights) -> Self {
        let mut nodes = Self::default();
        for (id, node) in cluster.nodes() {
            nodes.ids.push(id);
            nodes.admitted.push(filter::check_node(pod, node).is_ok());
            let image = image_locality::locality(cluster, pod, node);
            nodes.image.push(weights.of(Scorer::ImageLocality) * image);
            nodes.taints.push(taint_toleration::raw(pod, node));
            nodes.wishes.push(node_affinity::raw(pod, node));
        }
        for raw in [&mut nodes.taints, &mut nodes.wishes] {
            if raw.iter().all(|&value| value == 0) {
                raw.clear();
            }
        }
        nodes.open = vec![false; nodes.ids.len()];
        nodes.own = vec![0; nodes.ids.len()];
        nodes
    }

    /// Looks anew at what is left of a node.
    fn refresh(&mut self, cluster: &Snapshot, pod: &Template, weights: &Weights, at: usize) {
        let node = cluster.node(self.ids[at]);
        self.open[at] = self.admitted[at] && filter::check_room(cluster, pod, node).is_ok();
        let left =
            weights.of(Scorer::NodeResourcesFit) * node_resources_fit::least_allocated(pod, node);
        let balance = if node_resources_balanced_allocation::has_requests(pod) {
            let weight = weights.of(Scorer::NodeResourcesBalancedAllocation);
            weight * node_resources_balanced_allocation::balance(pod, node)
        } else {
            0
        };
        self.own[at] = left + balance + self.image[at];
    }
}

/// Where the nodes are that the pod's affinity names, if it names any.
fn named_positions(cluster: &Snapshot, pod: &Template) -> Option<Vec<u32>> {
    let named = filter::node_affinity::named_nodes(&pod.pod)?;
    let names_it = |node| filter::node_affinity::check_name(Some(&named), node).is_ok();
    let positions = cluster
        .nodes()
        .zip(0..)
        .filter(|&((_, node), _)| names_it(node));
    Some(positions.map(|(_, at)| at).collect())
}
