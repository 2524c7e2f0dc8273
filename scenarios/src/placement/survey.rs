//! How often does which placement come out? The same deployments, placed again and again with other ties.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicU64, Ordering};

use sim_core::{Fingerprint, SimTime, Streams, replicate_each};
use sim_models::id::{Id, NodeId};
use sim_models::placement::Unschedulable;
use sim_models::placement::rollout::Rollout;

use super::spread::{Domains, Shape};
use super::{Cluster, Placed, Placement, rollout_of};
use crate::experiment::Progress;
use crate::load::Loaded;
use crate::lower;
use crate::scenario::{self, Scenario};

/// What to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// How often everything is placed, each time with other ties.
    pub replications: NonZeroU32,
    /// How many rolling updates follow each placement, one after the other.
    pub rollouts: u32,
    /// Threads to work on; they leave no trace in the answer.
    pub threads: NonZeroUsize,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// How often everything was placed.
    pub replications: u32,
    /// The nodes, group after group.
    pub nodes: Vec<Node>,
    /// The deployments, in the order of the file.
    pub deployments: Vec<Deployment>,
    /// A digest of every placement.
    pub fingerprint: Fingerprint,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its zone.
    pub zone: String,
    /// Its node group.
    pub group: String,
}

/// Where the pods of a deployment landed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Its name.
    pub name: String,
    /// Pods wanted.
    pub replicas: u32,
    /// Whether the file says where the pods lie; such a deployment is not rolled over.
    pub by_hand: bool,
    /// The placement of replication 0.
    pub first: Placement,
    /// Pods on each node, over all replications.
    pub on_node: Vec<Extent>,
    /// The labels over whose values the pods are spread.
    pub domains: Vec<Domains>,
    /// The state after the start, and after each rolling update.
    pub stages: Vec<Stage>,
    /// The limits of a rolling update.
    pub rollout: Rollout,
}

/// How the pods lay at one time, over all replications.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// The shapes that came out, and how often; the most frequent first.
    pub shapes: Vec<(Shape, u32)>,
    /// For each of the deployment's domains, the skew.
    pub skews: Vec<Extent>,
    /// For each of the deployment's domains, how often its skew was what the constraint allows.
    pub kept: Vec<u32>,
    /// Pods that fitted on no node.
    pub pending: Extent,
    /// How often, and in the first of these replications why, the update came to rest before its end.
    pub stuck: Option<(u32, Unschedulable)>,
}

/// Sum and extremes of a number over the replications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// The sum.
    pub sum: u64,
    /// The least.
    pub least: u32,
    /// The most.
    pub most: u32,
}

impl Extent {
    fn of(values: impl Iterator<Item = u32> + Clone) -> Self {
        Self {
            sum: values.clone().map(u64::from).sum(),
            least: values.clone().min().unwrap_or(0),
            most: values.max().unwrap_or(0),
        }
    }

    /// The mean over that many replications.
    pub fn mean(&self, replications: u32) -> f64 {
        self.sum as f64 / f64::from(replications.max(1))
    }
}

impl Survey {
    /// Why a pod fits on no node of each node group; nothing where there is only one group.
    pub fn reasons_by_group(&self, why: &Unschedulable) -> Vec<(String, String)> {
        let groups: Vec<&[Node]> = self
            .nodes
            .chunk_by(|one, other| one.group == other.group)
            .collect();
        let mut first = 0;
        let mut reasons = Vec::new();
        for group in groups.iter().filter(|_| groups.len() > 1) {
            let nodes = first..first + group.len();
            first = nodes.end;
            let here = why.reasons_on(|node| nodes.contains(&node.index()));
            reasons.push((group[0].group.clone(), here.join(", ")));
        }
        reasons
    }
}

/// Places every case of a scenario, in the order of the file; with the name of each.
pub fn surveys(
    loaded: &Loaded,
    question: Question,
    progress: &dyn Progress,
) -> Vec<(String, Survey)> {
    let total = loaded.cases.len() as u64 * u64::from(question.replications.get());
    let done = AtomicU64::new(0);
    let tell = || progress.at(done.fetch_add(1, Ordering::Relaxed) + 1, total);
    let cases = loaded.cases.iter();
    cases
        .map(|case| (case.name.clone(), survey(&case.scenario, question, &tell)))
        .collect()
}

/// Places the deployments of a scenario in which no rule found an error, again and again.
///
/// The answer is the same on any number of threads, and replication 0 is the placement of a run's first replication. `tell` is called
/// after each replication.
pub fn survey(scenario: &Scenario, question: Question, tell: &(dyn Fn() + Sync)) -> Survey {
    let cluster = Cluster::of(scenario);
    let asked = Asked::of(scenario, &cluster);
    let replications: Vec<u64> = (0..u64::from(question.replications.get())).collect();
    let run = |streams| {
        let run = asked.once(&cluster, question.rollouts, streams);
        tell();
        run
    };
    let runs = replicate_each(question.threads, &replications, scenario.seed, run);
    let mut fingerprint = Fingerprint::new();
    runs.iter()
        .for_each(|run| fingerprint.join(run.fingerprint));
    let deployments = (0..asked.deployments.len())
        .map(|index| asked.sum(index, &runs))
        .collect();
    Survey {
        replications: question.replications.get(),
        nodes: nodes(scenario),
        deployments,
        fingerprint,
    }
}

fn nodes(scenario: &Scenario) -> Vec<Node> {
    let groups = scenario.cluster.node_groups.iter();
    let group_of = groups.flat_map(|(name, group)| (0..group.count.get()).map(move |_| name));
    let node = |(node, group): (&sim_models::cluster::topology::Node, &str)| Node {
        name: node.name.clone(),
        zone: scenario.cluster.zones[node.zone.index()].clone(),
        group: group.to_owned(),
    };
    lower::nodes(scenario)
        .iter()
        .zip(group_of)
        .map(node)
        .collect()
}

/// What is asked of one deployment.
struct Wanted<'a> {
    name: &'a str,
    written: &'a scenario::Deployment,
    admitting: Vec<NodeId>,
    domains: Vec<Domains>,
    rollout: Rollout,
}

struct Asked<'a> {
    nodes: usize,
    deployments: Vec<Wanted<'a>>,
}

/// What became of each deployment in one replication.
struct Run {
    first: Vec<Placement>,
    /// By deployment and stage.
    states: Vec<Vec<State>>,
    fingerprint: Fingerprint,
}

/// How the pods of one deployment lay at one time.
struct State {
    shape: Shape,
    skews: Vec<u32>,
    pending: u32,
    stuck: Option<Unschedulable>,
}

impl<'a> Asked<'a> {
    fn of(scenario: &'a Scenario, cluster: &Cluster<'_>) -> Self {
        let snapshot = cluster.scheduler().cluster();
        let wanted = |(index, (name, written)): (usize, (&'a str, &'a scenario::Deployment))| {
            let admitting = cluster.admitting(index);
            let constraints = &written.topology_spread_constraints;
            Wanted {
                name,
                written,
                domains: Domains::all(snapshot, &admitting, constraints),
                admitting,
                rollout: rollout_of(written),
            }
        };
        let deployments = scenario.deployments.iter().enumerate().map(wanted);
        Self {
            nodes: snapshot.all_nodes().len(),
            deployments: deployments.collect(),
        }
    }

    /// Places everything once, and updates it.
    fn once(&self, cluster: &Cluster<'_>, rollouts: u32, streams: Streams) -> Run {
        let mut placed = cluster.place(streams);
        let first = placed.placements.clone();
        let mut states: Vec<Vec<State>> = Vec::with_capacity(first.len());
        let mut fingerprint = Fingerprint::new();
        for (index, wanted) in self.deployments.iter().enumerate() {
            states.push(vec![wanted.state(&placed, index)]);
            digest(&mut fingerprint, &first[index].on);
        }
        for (index, wanted) in self.deployments.iter().enumerate() {
            let updates = if wanted.written.placement.is_some() {
                0
            } else {
                rollouts
            };
            for _ in 0..updates {
                placed.update(index);
                digest(&mut fingerprint, &placed.placements[index].on);
                states[index].push(wanted.state(&placed, index));
            }
        }
        Run {
            first,
            states,
            fingerprint,
        }
    }

    /// What all replications say about one deployment.
    fn sum(&self, index: usize, runs: &[Run]) -> Deployment {
        let wanted = &self.deployments[index];
        let first = runs[0].first[index].clone();
        let stages = runs[0].states[index].len();
        Deployment {
            name: wanted.name.to_owned(),
            replicas: wanted.written.replicas.get(),
            by_hand: wanted.written.placement.is_some(),
            first,
            on_node: on_node(
                runs.iter().map(|run| run.first[index].on.as_slice()),
                self.nodes,
            ),
            domains: wanted.domains.clone(),
            stages: (0..stages)
                .map(|stage| wanted.stage(runs.iter().map(|run| &run.states[index][stage])))
                .collect(),
            rollout: wanted.rollout,
        }
    }
}

impl Wanted<'_> {
    /// How the pods of the deployment lie now.
    fn state(&self, placed: &Placed<'_>, index: usize) -> State {
        let Placement { on, pending } = &placed.placements[index];
        let mut pods: BTreeMap<NodeId, u32> =
            self.admitting.iter().map(|&node| (node, 0)).collect();
        on.iter()
            .for_each(|&node| *pods.entry(node).or_default() += 1);
        State {
            shape: Shape::of(pods.into_values()),
            skews: self.domains.iter().map(|one| one.skew(on)).collect(),
            pending: pending.as_ref().map_or(0, |&(pods, _)| pods),
            stuck: placed.stuck[index].clone(),
        }
    }

    fn stage<'r>(&self, states: impl Iterator<Item = &'r State> + Clone) -> Stage {
        let mut often: BTreeMap<&Shape, u32> = BTreeMap::new();
        states
            .clone()
            .for_each(|state| *often.entry(&state.shape).or_default() += 1);
        let mut shapes: Vec<(Shape, u32)> = often
            .into_iter()
            .map(|(shape, count)| (shape.clone(), count))
            .collect();
        shapes.sort_by_key(|&(_, count)| Reverse(count));
        let skews = |key: usize| states.clone().map(move |state| state.skews[key]);
        let kept = |(key, domains): (usize, &Domains)| {
            let allowed = |skew: u32| {
                domains
                    .allowed
                    .is_none_or(|(most, _)| i64::from(skew) <= most)
            };
            skews(key).filter(|&skew| allowed(skew)).count() as u32
        };
        let stuck = || states.clone().filter_map(|state| state.stuck.as_ref());
        Stage {
            shapes,
            skews: (0..self.domains.len())
                .map(|key| Extent::of(skews(key)))
                .collect(),
            kept: self.domains.iter().enumerate().map(kept).collect(),
            pending: Extent::of(states.clone().map(|state| state.pending)),
            stuck: stuck()
                .next()
                .map(|why| (stuck().count() as u32, why.clone())),
        }
    }
}

/// Pods on each node, over all replications.
fn on_node<'r>(runs: impl Iterator<Item = &'r [NodeId]>, nodes: usize) -> Vec<Extent> {
    let mut extents: Vec<Option<Extent>> = vec![None; nodes];
    let mut counts = vec![0_u32; nodes];
    for run in runs {
        counts.fill(0);
        run.iter().for_each(|node| counts[node.index()] += 1);
        for (extent, &count) in extents.iter_mut().zip(&counts) {
            let known = extent.get_or_insert(Extent {
                sum: 0,
                least: count,
                most: count,
            });
            known.sum += u64::from(count);
            known.least = known.least.min(count);
            known.most = known.most.max(count);
        }
    }
    extents.into_iter().map(Option::unwrap_or_default).collect()
}

fn digest(fingerprint: &mut Fingerprint, on: &[NodeId]) {
    for (pod, node) in on.iter().enumerate() {
        fingerprint.add(SimTime::from_nanos(pod as u64), node.index() as u64);
    }
}
