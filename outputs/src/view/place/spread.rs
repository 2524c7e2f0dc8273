//! Which placements come out, how often, and how evenly each spreads the pods.

use scenarios::placement::spread::{Domains, Shape};
use scenarios::placement::survey::{Deployment, Stage, Survey};
use sim_models::id::NodeId;
use sim_models::placement::spread::{HOSTNAME, WhenUnsatisfiable, ZONE};

use super::{Shown, many, range, time};
use crate::format;
use crate::table::{Cell, Column, Table};

/// More placements of one deployment than this are summed up in one line.
const MOST_SHAPES: usize = 5;

/// The values of a label are listed one by one up to this many.
const MOST_VALUES: usize = 6;

/// How often which placement came out.
pub(super) fn shapes(shown: &Shown<'_>) -> Table {
    let mut columns = vec![Column::key("deployment")];
    if shown.rollouts > 0 {
        columns.push(Column::key("after"));
    }
    columns.extend([
        Column::left("pods per node"),
        Column::right("placements").unit("%"),
    ]);
    let mut table = Table::new("shapes", "Placements", shown.columns(columns))
        .question("Pods per node whatever the node: how often does which placement come out?");
    for (case, survey) in shown.named() {
        for deployment in &survey.deployments {
            for (after, stage) in deployment.stages.iter().enumerate() {
                let key = case.iter().cloned().chain([Cell::text(&deployment.name)]);
                let key: Vec<Cell> = key
                    .chain((shown.rollouts > 0).then(|| time(after)))
                    .collect();
                for (shape, runs) in shares(stage, deployment, survey.replications) {
                    table.row(
                        key.iter()
                            .cloned()
                            .chain([Cell::Text(shape), runs])
                            .collect(),
                    );
                }
            }
        }
    }
    if shown.rollouts > 0 {
        table.note(limits(shown.first()));
    }
    table
}

/// The most frequent shapes with their shares, and one line for the others.
fn shares(stage: &Stage, deployment: &Deployment, replications: u32) -> Vec<(String, Cell)> {
    let share = |runs: u32| Cell::Number(100.0 * f64::from(runs) / f64::from(replications.max(1)));
    let word = |shape: &Shape| {
        let by_hand = if deployment.by_hand { " (by hand)" } else { "" };
        format!("{shape}{by_hand}")
    };
    let (listed, others) = stage.shapes.split_at(stage.shapes.len().min(MOST_SHAPES));
    let mut rows: Vec<(String, Cell)> = listed
        .iter()
        .map(|(shape, runs)| (word(shape), share(*runs)))
        .collect();
    if !others.is_empty() {
        let runs = others.iter().map(|(_, runs)| runs).sum();
        rows.push((many(others.len(), "other"), share(runs)));
    }
    rows
}

/// How far the updates may go, deployment by deployment.
fn limits(survey: &Survey) -> String {
    let of = |one: &Deployment| {
        format!(
            "{} {} more and {} fewer",
            one.name, one.rollout.surge, one.rollout.unavailable
        )
    };
    let rolled = survey.deployments.iter().filter(|one| !one.by_hand);
    format!(
        "Pods that there may be during an update: {}.",
        rolled.map(of).collect::<Vec<_>>().join("; ")
    )
}

/// The skew over the values of each label, at the start and after the last update.
pub(super) fn skews(shown: &Shown<'_>) -> Table {
    let mut columns = vec![Column::key("deployment"), Column::left("label")];
    if shown.rollouts > 0 {
        columns.push(Column::left("after"));
    }
    columns.extend([
        Column::left("pods, first time"),
        Column::right("skew"),
        Column::left("constraint"),
    ]);
    let mut table = Table::new("skew", "Skew", shown.columns(columns)).question(
        "Fullest less emptiest value of each label, among the nodes that the pods may go to; mean [least, most].",
    );
    for (case, survey) in shown.named() {
        for deployment in &survey.deployments {
            for (key, domains) in deployment.domains.iter().enumerate() {
                let last = deployment.stages.len() - 1;
                let stages = if last == 0 { vec![0] } else { vec![0, last] };
                for after in stages {
                    let row = skew(shown, survey, deployment, (key, domains), after);
                    table.row(case.iter().cloned().chain(row).collect());
                }
            }
        }
    }
    table
}

fn skew(
    shown: &Shown<'_>,
    survey: &Survey,
    deployment: &Deployment,
    (key, domains): (usize, &Domains),
    after: usize,
) -> Vec<Cell> {
    let stage = &deployment.stages[after];
    let mut cells = vec![
        Cell::text(&deployment.name),
        Cell::text(short(&domains.key)),
    ];
    cells.extend((shown.rollouts > 0).then(|| time(after)));
    // Pods of each host stand in the table of nodes.
    cells.push(if after == 0 && domains.key != HOSTNAME {
        Cell::Text(values(domains, &deployment.first.on))
    } else {
        Cell::Empty
    });
    cells.push(range(&stage.skews[key], survey.replications));
    cells.push(domains.allowed.map_or(Cell::Empty, |(most, when)| {
        let kind = match when {
            WhenUnsatisfiable::DoNotSchedule => "hard",
            WhenUnsatisfiable::ScheduleAnyway => "soft",
        };
        let share = f64::from(stage.kept[key]) / f64::from(survey.replications.max(1));
        Cell::Text(format!("{kind} {most}: kept in {}", format::percent(share)))
    }));
    cells
}

/// The well-known labels in one word.
fn short(key: &str) -> &str {
    match key {
        HOSTNAME => "host name",
        ZONE => "zone",
        other => other,
    }
}

/// `zone-a 5, zone-b 5`; of many values their shape.
fn values(domains: &Domains, pods: &[NodeId]) -> String {
    let counts = domains.count(pods);
    if counts.len() > MOST_VALUES {
        return Shape::of(counts).to_string().replace("nodes", "values");
    }
    let named = domains.values.iter().zip(counts);
    let words: Vec<String> = named
        .map(|(value, pods)| format!("{value} {pods}"))
        .collect();
    words.join(", ")
}
