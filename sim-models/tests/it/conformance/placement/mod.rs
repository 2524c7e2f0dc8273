//! Every decision of the recorded kube-scheduler: who is feasible, who rejects, every score, who is best.

mod recorded;

use std::collections::{BTreeMap, BTreeSet};

use sim_models::id::NodeId;
use sim_models::placement::cycle::Decision;
use sim_models::placement::{Config, Scheduler, Snapshot, TemplateId};

use recorded::{Cluster, Expected, Sequence, Sequences, Step, Steps};

use super::recording;

/// What was compared, and what did not agree.
#[derive(Default)]
struct Tally {
    cases: usize,
    agreed: usize,
    decisions: usize,
    messages: usize,
    messages_agreed: usize,
    differences: Vec<String>,
}

impl Tally {
    /// Judges one case by the differences found in it.
    fn judge(&mut self, id: &str, differences: Vec<String>) {
        self.cases += 1;
        self.agreed += usize::from(differences.is_empty());
        self.differences.extend(
            differences
                .into_iter()
                .map(|difference| format!("{id}: {difference}")),
        );
    }

    fn report(self, file: &str) {
        println!(
            "{file}: {} of {} cases agree, {} decisions, {} of {} rejection messages word by word",
            self.agreed, self.cases, self.decisions, self.messages_agreed, self.messages
        );
        assert!(self.cases > 0, "{file}: no case in the file");
        let shown: Vec<&String> = self.differences.iter().take(20).collect();
        assert!(
            self.differences.is_empty(),
            "{} differences, the first: {shown:#?}",
            self.differences.len()
        );
    }
}

#[test]
fn every_recorded_step_is_decided_alike() {
    let Some(steps) = recording::<Steps>("scheduler-steps.json") else {
        return;
    };
    let mut tally = Tally::default();
    for case in &steps.cases {
        let loaded = Loaded::new(&case.cluster);
        let mut scheduler = Scheduler::with_cluster(steps.header.config(), loaded.snapshot);
        let template = loaded.templates[&case.pod];
        let decision = scheduler.decide(template);
        let mut differences = compare(scheduler.cluster(), &decision, &case.expect, &mut tally);
        if scheduler.best(template).0 != decision.best {
            differences.push("the remembered decision differs".to_owned());
        }
        tally.judge(&case.id, differences);
    }
    tally.report("scheduler-steps.json");
}

#[test]
fn every_recorded_sequence_is_placed_alike() {
    let Some(sequences) = recording::<Sequences>("scheduler-sequences.json") else {
        return;
    };
    let mut tally = Tally::default();
    for sequence in &sequences.sequences {
        let differences = replay(sequence, &sequences.header.config(), &mut tally);
        tally.judge(&sequence.id, differences);
    }
    tally.report("scheduler-sequences.json");
}

/// A recorded cluster, loaded into the model.
struct Loaded {
    snapshot: Snapshot,
    templates: BTreeMap<String, TemplateId>,
    nodes: BTreeMap<String, NodeId>,
}

impl Loaded {
    fn new(cluster: &Cluster) -> Self {
        let mut loaded = Self {
            snapshot: Snapshot::default(),
            templates: BTreeMap::new(),
            nodes: BTreeMap::new(),
        };
        loaded.fill(cluster);
        loaded
    }

    fn fill(&mut self, cluster: &Cluster) {
        let snapshot = &mut self.snapshot;
        for (name, labels) in &cluster.namespaces {
            snapshot.set_namespace(name, labels.clone());
        }
        for (name, &bytes) in &cluster.images {
            snapshot.set_image(name, bytes);
        }
        for service in &cluster.services {
            snapshot.add_service(service.to_model());
        }
        for workload in &cluster.workloads {
            snapshot.add_workload(workload.to_model());
        }
        for (name, template) in &cluster.templates {
            self.templates
                .insert(name.clone(), snapshot.add_template(template.to_model()));
        }
        for node in &cluster.nodes {
            self.nodes
                .insert(node.name.clone(), snapshot.add_node(node.to_model()));
        }
        for existing in &cluster.existing {
            let (template, node) = (
                self.templates[&existing.template],
                self.nodes[&existing.node],
            );
            for _ in 0..existing.count {
                snapshot.bind(template, node);
                if existing.terminating {
                    snapshot.terminate(template, node);
                }
            }
        }
    }
}

/// Everything in which a decision differs from the recorded one.
fn compare(
    cluster: &Snapshot,
    decision: &Decision,
    expected: &Expected,
    tally: &mut Tally,
) -> Vec<String> {
    tally.decisions += 1;
    let name = |node: &NodeId| cluster.node(*node).node.name.clone();
    let names = |nodes: &[NodeId]| nodes.iter().map(name).collect::<BTreeSet<_>>();
    let mut differences = Vec::new();
    let mut differ = |what: &str, found: String, expected: String| {
        if found != expected {
            differences.push(format!("{what}: found {found}, recorded {expected}"));
        }
    };
    differ(
        "feasible",
        format!("{:?}", names(&decision.feasible)),
        format!("{:?}", expected.feasible),
    );
    differ(
        "best",
        format!("{:?}", names(&decision.best)),
        format!("{:?}", expected.argmax),
    );
    let rejected: BTreeMap<String, String> = decision
        .rejected
        .iter()
        .map(|(node, rejection)| (name(node), rejection.filter.to_string()))
        .collect();
    let recorded: BTreeMap<String, String> = expected
        .rejected
        .iter()
        .map(|(node, by)| (node.clone(), by[0].clone()))
        .collect();
    differ("rejected", format!("{rejected:?}"), format!("{recorded:?}"));
    let mut plugins: Vec<String> = decision
        .columns
        .iter()
        .map(|column| column.scorer.to_string())
        .collect();
    if !plugins.is_empty() {
        plugins.push("TOTAL".to_owned());
    }
    differ(
        "plugins",
        format!("{plugins:?}"),
        format!("{:?}", expected.plugins),
    );
    differ(
        "scores",
        format!("{:?}", scores(decision, &name)),
        format!("{:?}", expected.scores),
    );
    for (node, rejection) in &decision.rejected {
        let words: Vec<String> = rejection.reasons.iter().map(ToString::to_string).collect();
        tally.messages += 1;
        tally.messages_agreed += usize::from(
            expected
                .rejected
                .get(&name(node))
                .is_some_and(|recorded| recorded[1..] == words),
        );
    }
    differences
}

/// The score table of a decision, as recorded: a row per node, the total last. Empty when nothing was scored.
fn scores(decision: &Decision, name: &impl Fn(&NodeId) -> String) -> BTreeMap<String, Vec<i64>> {
    if decision.columns.is_empty() {
        return BTreeMap::new();
    }
    let totals = decision.totals();
    let row = |at: usize| {
        decision
            .columns
            .iter()
            .map(|column| column.scores[at])
            .chain([totals[at]])
            .collect()
    };
    decision
        .feasible
        .iter()
        .enumerate()
        .map(|(at, node)| (name(node), row(at)))
        .collect()
}

/// Runs a sequence step by step, comparing each decision and the outcome.
fn replay(sequence: &Sequence, config: &Config, tally: &mut Tally) -> Vec<String> {
    let config = Config {
        tie: sequence.pick_rule.to_model(),
        ..config.clone()
    };
    let mut loaded = Loaded::new(&sequence.cluster);
    let mut scheduler = Scheduler::with_cluster(config, std::mem::take(&mut loaded.snapshot));
    let mut differences = Vec::new();
    let mut pending = 0;
    for (at, step) in sequence.steps.iter().enumerate() {
        let found = match step {
            Step::Schedule {
                template,
                expect,
                pick,
            } => {
                let template = loaded.templates[template];
                let decision = scheduler.decide(template);
                let mut found = compare(scheduler.cluster(), &decision, expect, tally);
                let placed =
                    scheduler.place_one(template, |_| unreachable!("ties are not drawn here"));
                let placed = placed
                    .ok()
                    .map(|node| scheduler.cluster().node(node).node.name.clone());
                pending += u32::from(placed.is_none());
                if placed != *pick {
                    found.push(format!("picked {placed:?}, recorded {pick:?}"));
                }
                found
            }
            Step::Delete { template, node } => {
                scheduler
                    .cluster_mut()
                    .remove(loaded.templates[template], loaded.nodes[node]);
                Vec::new()
            }
            Step::Terminate { template, node } => {
                scheduler
                    .cluster_mut()
                    .terminate(loaded.templates[template], loaded.nodes[node]);
                Vec::new()
            }
            Step::Cordon { node } => {
                scheduler.cluster_mut().cordon(loaded.nodes[node]);
                Vec::new()
            }
            Step::Uncordon { node } => {
                scheduler.cluster_mut().uncordon(loaded.nodes[node]);
                Vec::new()
            }
        };
        differences.extend(
            found
                .into_iter()
                .map(|difference| format!("step {at}: {difference}")),
        );
    }
    // A batch stops at its first replica without a node; how many were to follow is not recorded step by step.
    if (pending > 0) != (sequence.pending > 0) {
        differences.push(format!(
            "{pending} failed, {} recorded as pending",
            sequence.pending
        ));
    }
    differences.extend(compare_outcome(sequence, &loaded, scheduler.cluster()));
    differences
}

/// Compares the pods per node in the end, for every template that was scheduled or removed.
fn compare_outcome(sequence: &Sequence, loaded: &Loaded, cluster: &Snapshot) -> Vec<String> {
    let mut differences = Vec::new();
    for (name, recorded) in &sequence.outcome {
        let template = loaded.templates[name];
        let mut found = BTreeMap::new();
        for (_, node) in cluster.nodes() {
            let running: u32 = node
                .held
                .iter()
                .filter(|held| held.template == template)
                .map(|held| held.running)
                .sum();
            if running > 0 {
                found.insert(node.node.name.clone(), running);
            }
        }
        if found != *recorded {
            differences.push(format!(
                "{name}: in the end {found:?}, recorded {recorded:?}"
            ));
        }
    }
    differences
}
