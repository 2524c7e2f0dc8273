//! What does a program read of `twohop place`? JSON of the schema `twohop.place/1`, and comma-separated values.
//!
//! | key | what it holds |
//! |---|---|
//! | `schema` | `"twohop.place/1"` |
//! | `program`, `scenario`, `title` | name and version of the program; the file as the user named it; what it asks |
//! | `seed` | the seed, a string of decimal digits |
//! | `placements`, `rollouts` | how often everything was placed; how many rolling updates followed each time |
//! | `fingerprint` | digest of every placement |
//! | `outcomes` | one object for each outcome, in the order of the cases |
//!
//! An outcome:
//!
//! | key | what it holds |
//! |---|---|
//! | `cases` | the alternatives and points of the sweeps that have this outcome |
//! | `nodes` | `name`, `zone`, `group` of each node |
//! | `deployments` | one object each, in the order of the file |
//!
//! A deployment has `name`, `replicas`, `by_hand`; `first`, the node of each pod in replication 0; `pods_per_node` with the `mean`,
//! `least` and `most` over all placements, in the order of the nodes; `pending`, the pods without a node in replication 0, with
//! `message`, what `kubectl describe pod` would say, and `by_group`; and `stages`, the start and the state after each update:
//! `shapes` with the number of `placements` of each, `skew` by label, and `stuck` where an update came to rest before its end.

use std::collections::BTreeMap;

use scenarios::placement::spread::Domains;
use scenarios::placement::survey::{Deployment, Extent, Node, Stage, Survey};
use serde::Serialize;
use sim_models::id::Id;

use crate::render::csv;
use crate::results;
use crate::view::place::Shown;

/// Name and version of the form.
pub const SCHEMA: &str = "twohop.place/1";

#[derive(Serialize)]
struct Placements<'a> {
    schema: &'static str,
    program: &'a str,
    scenario: &'a str,
    title: &'a str,
    seed: String,
    placements: u32,
    rollouts: u32,
    fingerprint: String,
    outcomes: Vec<OutcomeEntry<'a>>,
}

#[derive(Serialize)]
struct OutcomeEntry<'a> {
    cases: &'a [String],
    nodes: Vec<NodeEntry<'a>>,
    deployments: Vec<DeploymentEntry<'a>>,
}

#[derive(Serialize)]
struct NodeEntry<'a> {
    name: &'a str,
    zone: &'a str,
    group: &'a str,
}

#[derive(Serialize)]
struct DeploymentEntry<'a> {
    name: &'a str,
    replicas: u32,
    by_hand: bool,
    first: Vec<&'a str>,
    pods_per_node: Vec<ExtentEntry>,
    pending: Option<PendingEntry>,
    stages: Vec<StageEntry<'a>>,
}

#[derive(Serialize)]
struct PendingEntry {
    pods: u32,
    message: String,
    by_group: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct StageEntry<'a> {
    after_updates: usize,
    shapes: Vec<ShapeEntry>,
    skew: BTreeMap<&'a str, SkewEntry>,
    pending: ExtentEntry,
    stuck: Option<StuckEntry>,
}

#[derive(Serialize)]
struct ShapeEntry {
    pods_per_node: String,
    placements: u32,
}

#[derive(Serialize)]
struct SkewEntry {
    #[serde(flatten)]
    extent: ExtentEntry,
    max_skew: Option<i64>,
    kept: Option<u32>,
}

#[derive(Serialize)]
struct StuckEntry {
    placements: u32,
    message: String,
}

#[derive(Serialize)]
struct ExtentEntry {
    mean: f64,
    least: u32,
    most: u32,
}

/// The outcome as JSON.
///
/// # Errors
///
/// Never in practice: what is written holds no map with keys that are not text.
pub fn json(shown: &Shown<'_>) -> Result<String, serde_json::Error> {
    results::written(&Placements {
        schema: SCHEMA,
        program: shown.program,
        scenario: shown.source,
        title: &shown.loaded.scenario.title,
        seed: shown.loaded.scenario.seed.to_string(),
        placements: shown.first().replications,
        rollouts: shown.rollouts,
        fingerprint: shown.fingerprint().to_string(),
        outcomes: shown.outcomes.iter().map(outcome).collect(),
    })
}

/// The outcome as comma-separated values, one line for each number.
///
/// Columns: `case`, `deployment`, `updates` that went before, `quantity`, `of` which thing, and `mean`, `least` and `most` over
/// all placements. A share of placements stands under `mean` alone, as a number from 0 to 1.
pub fn csv(shown: &Shown<'_>) -> String {
    let heading = [
        "case",
        "deployment",
        "updates",
        "quantity",
        "of",
        "mean",
        "least",
        "most",
    ];
    let mut text = csv::line(heading.map(str::to_owned));
    for (cases, survey) in shown.outcomes {
        let case = cases.join("; ");
        for deployment in &survey.deployments {
            for number in numbers(survey, deployment) {
                let leading = [case.clone(), deployment.name.clone()];
                text += &csv::line(leading.into_iter().chain(number));
            }
        }
    }
    text
}

/// The lines of a deployment, without the columns that name it.
fn numbers(survey: &Survey, deployment: &Deployment) -> Vec<[String; 6]> {
    let replications = survey.replications;
    let extent = |updates: usize, quantity: &str, of: &str, extent: &Extent| {
        [
            updates.to_string(),
            quantity.to_owned(),
            of.to_owned(),
            csv::real(extent.mean(replications)),
            extent.least.to_string(),
            extent.most.to_string(),
        ]
    };
    let nodes = survey.nodes.iter().zip(&deployment.on_node);
    let mut lines: Vec<[String; 6]> = nodes
        .map(|(node, pods)| extent(0, "pods", &node.name, pods))
        .collect();
    for (updates, stage) in deployment.stages.iter().enumerate() {
        lines.extend(stage.shapes.iter().map(|(shape, runs)| {
            let share = f64::from(*runs) / f64::from(replications.max(1));
            let (quantity, of) = ("share of placements".to_owned(), shape.to_string());
            let none = String::new;
            [
                updates.to_string(),
                quantity,
                of,
                csv::real(share),
                none(),
                none(),
            ]
        }));
        let skews = deployment.domains.iter().zip(&stage.skews);
        lines.extend(skews.map(|(domains, skew)| extent(updates, "skew", &domains.key, skew)));
        lines.push(extent(updates, "pending pods", "", &stage.pending));
    }
    lines
}

fn outcome((cases, survey): &(Vec<String>, Survey)) -> OutcomeEntry<'_> {
    OutcomeEntry {
        cases,
        nodes: survey.nodes.iter().map(NodeEntry::of).collect(),
        deployments: survey
            .deployments
            .iter()
            .map(|deployment| entry(survey, deployment))
            .collect(),
    }
}

fn entry<'a>(survey: &'a Survey, deployment: &'a Deployment) -> DeploymentEntry<'a> {
    let replications = survey.replications;
    let name = |node: &sim_models::id::NodeId| survey.nodes[node.index()].name.as_str();
    let pending = deployment.first.pending.as_ref();
    DeploymentEntry {
        name: &deployment.name,
        replicas: deployment.replicas,
        by_hand: deployment.by_hand,
        first: deployment.first.on.iter().map(name).collect(),
        pods_per_node: deployment
            .on_node
            .iter()
            .map(|extent| ExtentEntry::of(extent, replications))
            .collect(),
        pending: pending.map(|(pods, why)| PendingEntry {
            pods: *pods,
            message: why.to_string(),
            by_group: survey.reasons_by_group(why).into_iter().collect(),
        }),
        stages: deployment
            .stages
            .iter()
            .enumerate()
            .map(|(updates, stage)| stage_entry(updates, stage, &deployment.domains, replications))
            .collect(),
    }
}

fn stage_entry<'a>(
    after_updates: usize,
    stage: &Stage,
    domains: &'a [Domains],
    replications: u32,
) -> StageEntry<'a> {
    let skew = |(key, domains): (usize, &'a Domains)| {
        let entry = SkewEntry {
            extent: ExtentEntry::of(&stage.skews[key], replications),
            max_skew: domains.allowed.map(|(most, _)| most),
            kept: domains.allowed.map(|_| stage.kept[key]),
        };
        (domains.key.as_str(), entry)
    };
    StageEntry {
        after_updates,
        shapes: stage
            .shapes
            .iter()
            .map(|(shape, placements)| ShapeEntry {
                pods_per_node: shape.to_string(),
                placements: *placements,
            })
            .collect(),
        skew: domains.iter().enumerate().map(skew).collect(),
        pending: ExtentEntry::of(&stage.pending, replications),
        stuck: stage.stuck.as_ref().map(|(placements, why)| StuckEntry {
            placements: *placements,
            message: why.to_string(),
        }),
    }
}

impl<'a> NodeEntry<'a> {
    fn of(node: &'a Node) -> Self {
        let Node { name, zone, group } = node;
        Self { name, zone, group }
    }
}

impl ExtentEntry {
    fn of(extent: &Extent, replications: u32) -> Self {
        Self {
            mean: extent.mean(replications),
            least: extent.least,
            most: extent.most,
        }
    }
}
