//! Who wants whose company, for one template, kept up to date.

use crate::placement::filter::inter_pod_affinity::is_wanted;
use crate::placement::score::inter_pod_affinity::{normalise, sympathies};
use crate::placement::snapshot::Snapshot;
use crate::placement::template::{Template, Term};

use super::topology::Topology;

/// Company by topology key and domain.
#[derive(Clone, Debug)]
pub(super) struct Company {
    keys: Vec<Key>,
    /// Keys of the pod's required affinity terms.
    required: Vec<usize>,
    /// Whether the pod is company that its own required affinity asks for.
    wants_itself: bool,
    wanted: i64,
    /// Anti-affinity of either side that has met a pod.
    avoided: i64,
    /// Preferences that have met a pod.
    sympathies: i64,
}

/// One topology key, and what lies in its domains.
#[derive(Clone, Debug)]
struct Key {
    name: String,
    topology: Topology,
    wanted: Vec<i64>,
    /// Company that either side must not have.
    avoided: Vec<i64>,
    sympathy: Vec<i64>,
}

/// What one pod of some template changes: keys, with the weight where it is a preference.
#[derive(Clone, Debug, Default)]
pub(super) struct Effect {
    wanted: Vec<usize>,
    avoided: Vec<usize>,
    sympathies: Vec<(usize, i64)>,
}

impl Company {
    pub(super) fn new(cluster: &Snapshot, pod: &Template) -> Self {
        let [wanted, avoided, sympathies] = [0; 3];
        let wants_itself = is_wanted(cluster, pod, pod);
        let mut company = Self {
            keys: Vec::new(),
            required: Vec::new(),
            wants_itself,
            wanted,
            avoided,
            sympathies,
        };
        company.required = company.keys_of(cluster, pod.required_affinity.iter());
        company
    }

    /// What a pod of `other` means to a pod of `pod`.
    pub(super) fn effect_of(
        &mut self,
        cluster: &Snapshot,
        pod: &Template,
        other: &Template,
    ) -> Effect {
        let wanted = if is_wanted(cluster, pod, other) {
            self.required.clone()
        } else {
            Vec::new()
        };
        let unwanted = pod
            .required_anti_affinity
            .iter()
            .filter(|term| term.matches(cluster, &other.pod));
        let unwelcome = other
            .required_anti_affinity
            .iter()
            .filter(|term| term.matches(cluster, &pod.pod));
        let avoided = self.keys_of(cluster, unwanted.chain(unwelcome));
        let felt = sympathies(cluster, pod, other)
            .map(|(name, weight)| (self.key(cluster, name), weight))
            .collect();
        Effect {
            wanted,
            avoided,
            sympathies: felt,
        }
    }

    /// Enters pods that came to a node, or, with a negative count, left it.
    pub(super) fn count(&mut self, effect: &Effect, at: usize, all: i64) {
        for &key in &effect.wanted {
            let Key {
                topology, wanted, ..
            } = &mut self.keys[key];
            if let Some(domain) = topology.domain(at) {
                wanted[domain] += all;
                self.wanted += all;
            }
        }
        for &key in &effect.avoided {
            let Key {
                topology, avoided, ..
            } = &mut self.keys[key];
            if let Some(domain) = topology.domain(at) {
                avoided[domain] += all;
                self.avoided += all;
            }
        }
        for &(key, weight) in &effect.sympathies {
            let Key {
                topology, sympathy, ..
            } = &mut self.keys[key];
            if let Some(domain) = topology.domain(at) {
                sympathy[domain] += weight * all;
                self.sympathies += all;
            }
        }
    }

    /// Whether no company is required, and none that is not wanted lies anywhere.
    pub(super) fn is_indifferent(&self) -> bool {
        self.required.is_empty() && self.avoided == 0
    }

    /// Whether the node at this position has the company that is required and none that is not wanted.
    pub(super) fn admits(&self, at: usize) -> bool {
        let in_domain = |key: &Key| key.topology.domain(at);
        let first_of_its_kind = self.wanted == 0 && self.wants_itself;
        let met = |&key: &usize| {
            let key = &self.keys[key];
            in_domain(key).is_some_and(|domain| first_of_its_kind || key.wanted[domain] > 0)
        };
        let avoided = |key: &Key| in_domain(key).is_some_and(|domain| key.avoided[domain] > 0);
        self.required.iter().all(met) && (self.avoided == 0 || !self.keys.iter().any(avoided))
    }

    /// Adds the weighted scores of the feasible nodes to their totals, unless the plugin skips.
    pub(super) fn add_scores(&self, feasible: &[u32], totals: &mut [i64], factor: i64) {
        if self.sympathies == 0 {
            return;
        }
        let felt = |&at: &u32| -> i64 {
            let in_domain = |key: &Key| Some(key.sympathy[key.topology.domain(at as usize)?]);
            self.keys.iter().filter_map(in_domain).sum()
        };
        let raw: Vec<i64> = feasible.iter().map(felt).collect();
        let (Some(&lowest), Some(&highest)) = (raw.iter().min(), raw.iter().max()) else {
            return;
        };
        for (total, &raw) in totals.iter_mut().zip(&raw) {
            *total += factor * normalise(raw, lowest, highest);
        }
    }

    fn keys_of<'a>(
        &mut self,
        cluster: &Snapshot,
        terms: impl Iterator<Item = &'a Term>,
    ) -> Vec<usize> {
        terms
            .map(|term| self.key(cluster, &term.topology_key))
            .collect()
    }

    fn key(&mut self, cluster: &Snapshot, name: &str) -> usize {
        self.keys
            .iter()
            .position(|key| key.name == name)
            .unwrap_or_else(|| {
                let topology = Topology::new(cluster, name);
                let [wanted, avoided, sympathy] =
                    [const { Vec::new() }; 3].map(|mut empty: Vec<i64>| {
                        empty.resize(topology.len(), 0);
                        empty
                    });
                self.keys.push(Key {
                    name: name.to_owned(),
                    topology,
                    wanted,
                    avoided,
                    sympathy,
                });
                self.keys.len() - 1
            })
    }
}
