//! Where does the scheduler put the pods, how often, and what does a rolling update make of it? The report of `twohop place`.

use scenarios::code;
use scenarios::load::Loaded;
use scenarios::placement::spread::{Domains, Shape};
use scenarios::placement::survey::{Deployment, Extent, Stage, Survey};
use sim_core::Fingerprint;
use sim_models::id::{Id, NodeId};
use sim_models::placement::spread::{HOSTNAME, WhenUnsatisfiable, ZONE};

use super::placement::{self, Grid, MOST_NODES, Node, Pod};
use super::{MOST_PANELS, trust};
use crate::format;
use crate::report::{Provenance, Report, Section, Warning};
use crate::table::{Cell, Column, Table};

/// What is to be shown: what came out, what was asked, and how.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// Names of cases with the same outcome, and the outcome; in the order of the file. At least one.
    pub outcomes: &'a [(Vec<String>, Survey)],
    /// What was asked.
    pub loaded: &'a Loaded,
    /// How many rolling updates followed each placement.
    pub rollouts: u32,
    /// The scenario as the user named it: a file, or one of the library.
    pub source: &'a str,
    /// The program and its version, such as `twohop 0.1.0`.
    pub program: &'a str,
    /// The command that gives the same answer again.
    pub command: &'a str,
}

/// More placements of one deployment than this are summed up in one line.
const MOST_SHAPES: usize = 5;

/// The values of a label are listed one by one up to this many.
const MOST_VALUES: usize = 6;

/// Tables of nodes are this long at most; of more nodes, groups and zones are counted.
const MOST_ROWS: usize = 60;

/// Puts outcomes together that are the same in several cases.
pub fn merged(surveys: impl IntoIterator<Item = (String, Survey)>) -> Vec<(Vec<String>, Survey)> {
    let mut outcomes: Vec<(Vec<String>, Survey)> = Vec::new();
    for (name, survey) in surveys {
        match outcomes.iter_mut().find(|(_, known)| *known == survey) {
            Some((names, _)) => names.push(name),
            None => outcomes.push((vec![name], survey)),
        }
    }
    outcomes
}

/// The whole report.
pub fn report(shown: &Shown<'_>) -> Report {
    let (first, rest) = ([grid_table(shown), shapes(shown)], [skews(shown)]);
    let tables = first.into_iter().chain(rest);
    Report {
        title: shown.title(),
        simulated: shown.simulated(),
        provenance: shown.provenance(),
        warnings: warnings(shown.loaded),
        sections: vec![Section {
            title: "Where do the pods land?".to_owned(),
            tables: tables.chain(stuck(shown)).chain(pending(shown)).collect(),
            details: vec![over_all(shown)],
            figures: figure(shown).into_iter().collect(),
            ..Section::default()
        }],
        ..Report::default()
    }
}

/// The remarks on the scenario that are about placement and are not told by a table.
fn warnings(loaded: &Loaded) -> Vec<Warning> {
    let about_placement = [code::UNKNOWN_TOPOLOGY_KEY];
    trust::written(loaded)
        .filter(|warning| {
            about_placement
                .iter()
                .any(|code| code.as_str() == warning.code)
        })
        .collect()
}

impl<'a> Shown<'a> {
    fn surveys(&self) -> impl Iterator<Item = &'a Survey> {
        self.outcomes.iter().map(|(_, survey)| survey)
    }

    /// The outcome of the first case.
    pub(crate) fn first(&self) -> &'a Survey {
        &self
            .outcomes
            .first()
            .expect("at least one case was placed")
            .1
    }

    /// Every outcome with the cells that name it: none where there is only one.
    fn named(&self) -> impl Iterator<Item = (Vec<Cell>, &'a Survey)> {
        let several = self.outcomes.len() > 1;
        self.outcomes.iter().map(move |(names, survey)| {
            let cells = if several {
                vec![Cell::text(names.join("; "))]
            } else {
                Vec::new()
            };
            (cells, survey)
        })
    }

    /// The columns of a table, after one that names the case where there are several.
    fn columns(&self, columns: impl IntoIterator<Item = Column>) -> Vec<Column> {
        let case = (self.outcomes.len() > 1).then(|| Column::key("case"));
        case.into_iter().chain(columns).collect()
    }

    /// Names of all deployments, in the order in which they first occur.
    fn deployments(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for deployment in self.surveys().flat_map(|survey| &survey.deployments) {
            if !names.contains(&deployment.name) {
                names.push(deployment.name.clone());
            }
        }
        names
    }

    fn title(&self) -> String {
        let title = &self.loaded.scenario.title;
        if title.is_empty() {
            self.source.to_owned()
        } else {
            title.clone()
        }
    }

    fn simulated(&self) -> String {
        let survey = self.first();
        let mut zones: Vec<&str> = survey.nodes.iter().map(|node| node.zone.as_str()).collect();
        zones.sort_unstable();
        zones.dedup();
        let pods: Vec<String> = survey
            .deployments
            .iter()
            .map(|one| format!("{} with {}", one.name, many(one.replicas as usize, "pod")))
            .collect();
        format!(
            "{} in {}; {}. Placed as kube-scheduler 1.34 does, each time with other ties.",
            many(survey.nodes.len(), "node"),
            many(zones.len(), "zone"),
            pods.join(", "),
        )
    }

    /// The digest of every placement of every outcome.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut fingerprint = Fingerprint::new();
        self.surveys()
            .for_each(|survey| fingerprint.join(survey.fingerprint));
        fingerprint
    }

    fn provenance(&self) -> Provenance {
        let mut runs = vec![many(self.first().replications as usize, "placement")];
        if self.rollouts > 0 {
            runs.push(format!(
                "{} after each",
                many(self.rollouts as usize, "rolling update")
            ));
        }
        Provenance {
            program: self.program.to_owned(),
            scenario: self.source.to_owned(),
            seed: self.loaded.scenario.seed,
            runs,
            fingerprint: self.fingerprint().to_string(),
            command: self.command.to_owned(),
        }
    }
}

fn many(count: usize, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", format::count(count as u64))
}

/// Nodes by pods, in replication 0: a row for each node, or for each group and zone of a large cluster.
fn grid_table(shown: &Shown<'_>) -> Table {
    let small = shown
        .surveys()
        .all(|survey| survey.nodes.len() <= MOST_ROWS);
    let deployments = shown.deployments();
    let counted = |name: &String| {
        if small {
            Column::right(name.clone()).unit("pods")
        } else {
            Column::left(name.clone())
        }
    };
    let leading = if small {
        vec![Column::key("node"), Column::left("zone")]
    } else {
        vec![
            Column::key("nodes"),
            Column::left("zone"),
            Column::right("count"),
        ]
    };
    let columns = shown.columns(leading.into_iter().chain(deployments.iter().map(counted)));
    let mut table = Table::new("placement", "Pods per node", columns)
        .question("Where does each pod run, the first time?");
    for (case, survey) in shown.named() {
        let rows = if small {
            nodes(survey, &deployments)
        } else {
            groups(survey, &deployments)
        };
        for row in rows {
            table.row(case.iter().cloned().chain(row).collect());
        }
    }
    table
}

/// The nodes of a survey, zone by zone in the order in which zones first occur.
fn by_zone(survey: &Survey) -> Vec<usize> {
    let mut zones: Vec<&str> = Vec::new();
    for node in &survey.nodes {
        if !zones.contains(&node.zone.as_str()) {
            zones.push(&node.zone);
        }
    }
    let mut order: Vec<usize> = (0..survey.nodes.len()).collect();
    order.sort_by_key(|&node| {
        zones
            .iter()
            .position(|&zone| zone == survey.nodes[node].zone)
    });
    order
}

fn nodes(survey: &Survey, deployments: &[String]) -> Vec<Vec<Cell>> {
    let counts = counts(survey, deployments);
    let row = |node: usize| {
        let mut cells = vec![
            Cell::text(&survey.nodes[node].name),
            Cell::text(&survey.nodes[node].zone),
        ];
        cells.extend(counts.iter().map(|pods| {
            pods.as_ref()
                .map_or(Cell::Missing, |pods| Cell::Count(u64::from(pods[node])))
        }));
        cells
    };
    by_zone(survey).into_iter().map(row).collect()
}

fn groups(survey: &Survey, deployments: &[String]) -> Vec<Vec<Cell>> {
    let counts = counts(survey, deployments);
    let mut groups: Vec<((&str, &str), Vec<usize>)> = Vec::new();
    for (index, node) in survey.nodes.iter().enumerate() {
        let key = (node.group.as_str(), node.zone.as_str());
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, nodes)) => nodes.push(index),
            None => groups.push((key, vec![index])),
        }
    }
    let row = |((group, zone), nodes): ((&str, &str), Vec<usize>)| {
        let mut cells = vec![
            Cell::text(group),
            Cell::text(zone),
            Cell::Count(nodes.len() as u64),
        ];
        cells.extend(counts.iter().map(|pods| {
            pods.as_ref().map_or(Cell::Missing, |pods| {
                Cell::text(Shape::of(nodes.iter().map(|&node| pods[node])).to_string())
            })
        }));
        cells
    };
    groups.into_iter().map(row).collect()
}

/// For each deployment its pods on each node, in replication 0.
fn counts(survey: &Survey, deployments: &[String]) -> Vec<Option<Vec<u32>>> {
    let of = |name: &String| {
        let deployment = survey.deployments.iter().find(|one| one.name == *name)?;
        let mut pods = vec![0; survey.nodes.len()];
        deployment
            .first
            .on
            .iter()
            .for_each(|node| pods[node.index()] += 1);
        Some(pods)
    };
    deployments.iter().map(of).collect()
}

/// How often which placement came out.
fn shapes(shown: &Shown<'_>) -> Table {
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

fn time(after: usize) -> Cell {
    match after {
        0 => Cell::text("start"),
        update => Cell::Text(format!("update {update}")),
    }
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
fn skews(shown: &Shown<'_>) -> Table {
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

/// The mean with the extremes, or the number alone where it was always the same.
fn range(extent: &Extent, replications: u32) -> Cell {
    if extent.least == extent.most {
        return Cell::Count(u64::from(extent.least));
    }
    Cell::Range {
        centre: extent.mean(replications),
        low: f64::from(extent.least),
        high: f64::from(extent.most),
    }
}

/// Pods that fit on no node, and why; absent when all fitted every time.
fn pending(shown: &Shown<'_>) -> Option<Table> {
    let columns = [
        Column::key("deployment"),
        Column::right("Pending").unit("pods"),
        Column::left("why, the first time"),
    ];
    let mut table = Table::new("pending", "Pending pods", shown.columns(columns))
        .question("Which pods fit on no node, and what does `kubectl describe pod` say?");
    for (case, survey) in shown.named() {
        for deployment in &survey.deployments {
            let pending = &deployment.stages[0].pending;
            if pending.most == 0 {
                continue;
            }
            let why = deployment.first.pending.as_ref().map(|(_, why)| why);
            let row = [
                Cell::text(&deployment.name),
                range(pending, survey.replications),
                why.map_or(Cell::Missing, |why| Cell::Text(why.to_string())),
            ];
            table.row(case.iter().cloned().chain(row).collect());
            for (group, reasons) in why
                .map(|why| survey.reasons_by_group(why))
                .unwrap_or_default()
            {
                let row = [Cell::Text(group), Cell::Empty, Cell::Text(reasons)];
                let blank = case.iter().map(|_| Cell::Empty);
                table.detail(blank.chain(row).collect());
            }
        }
    }
    (!table.rows.is_empty()).then_some(table)
}

/// Updates that came to rest before their end, and why; absent when none did.
fn stuck(shown: &Shown<'_>) -> Option<Table> {
    let columns = [
        Column::key("deployment"),
        Column::key("after"),
        Column::right("placements").unit("%"),
        Column::left("why"),
    ];
    let mut table = Table::new("stuck", "Rolling updates that stop", shown.columns(columns))
        .question(
            "How often does a new pod fit on no node, so that old and new pods stay side by side?",
        );
    for (case, survey) in shown.named() {
        for deployment in &survey.deployments {
            let stages = deployment.stages.iter().enumerate();
            for (after, (runs, why)) in
                stages.filter_map(|(after, stage)| Some((after, stage.stuck.as_ref()?)))
            {
                let share = 100.0 * f64::from(*runs) / f64::from(survey.replications.max(1));
                let row = [
                    Cell::text(&deployment.name),
                    time(after),
                    Cell::Number(share),
                    Cell::Text(why.to_string()),
                ];
                table.row(case.iter().cloned().chain(row).collect());
            }
        }
    }
    (!table.rows.is_empty()).then_some(table)
}

/// Pods on each node over all replications: for who wants to know more.
fn over_all(shown: &Shown<'_>) -> Table {
    let deployments = shown.deployments();
    let columns = [
        Column::key("node"),
        Column::left("zone"),
        Column::left("group"),
    ];
    let counted = deployments
        .iter()
        .map(|name| Column::right(name.clone()).unit("pods"));
    let columns = shown.columns(columns.into_iter().chain(counted));
    let mut table = Table::new(
        "pods-per-node",
        "Pods per node over all placements",
        columns,
    )
    .question("How many pods does each node get; mean [least, most]?");
    for (case, survey) in shown.named() {
        for index in by_zone(survey) {
            let node = &survey.nodes[index];
            let mut row = vec![
                Cell::text(&node.name),
                Cell::text(&node.zone),
                Cell::text(&node.group),
            ];
            row.extend(deployments.iter().map(|name| {
                let deployment = survey.deployments.iter().find(|one| one.name == *name);
                deployment.map_or(Cell::Missing, |one| {
                    range(&one.on_node[index], survey.replications)
                })
            }));
            table.row(case.iter().cloned().chain(row).collect());
        }
    }
    table
}

/// The grid of replication 0, case by case; absent when the cluster is too large for one.
fn figure(shown: &Shown<'_>) -> Option<crate::figure::Figure> {
    let deployments = shown.deployments();
    let several = shown.outcomes.len() > 1;
    let grids: Vec<Grid> = shown
        .outcomes
        .iter()
        .filter(|(_, survey)| survey.nodes.len() <= MOST_NODES)
        .take(MOST_PANELS)
        .map(|(names, survey)| Grid {
            title: if several {
                names.join("; ")
            } else {
                String::new()
            },
            nodes: grid(survey, &deployments),
        })
        .collect();
    let footer = shown.provenance().line();
    (!grids.is_empty()).then(|| placement::figure("placement-grid", &deployments, &grids, &footer))
}

fn grid(survey: &Survey, deployments: &[String]) -> Vec<Node> {
    let mut nodes: Vec<Node> = survey
        .nodes
        .iter()
        .map(|node| Node {
            name: node.name.clone(),
            zone: node.zone.clone(),
            pods: Vec::new(),
        })
        .collect();
    for deployment in &survey.deployments {
        let kind = deployments.iter().position(|name| *name == deployment.name);
        for (pod, node) in deployment.first.on.iter().enumerate() {
            nodes[node.index()].pods.push(Pod {
                name: format!("{}-{pod}", deployment.name),
                deployment: kind.expect("every deployment is listed"),
                strength: 1.0,
            });
        }
    }
    by_zone(survey)
        .into_iter()
        .map(|index| nodes[index].clone())
        .collect()
}
