//! Where does the scheduler put the pods, how often, and what does a rolling update make of it? The report of `twohop place`.

use scenarios::code;
use scenarios::load::Loaded;
use scenarios::placement::survey::{Extent, Survey};
use sim_core::Fingerprint;

mod landing;
mod pending;
mod spread;

use super::trust;
use crate::format;
use crate::report::{Provenance, Report, Section, Warning};
use crate::table::{Cell, Column};

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
    let (first, rest) = (
        [landing::grid_table(shown), spread::shapes(shown)],
        [spread::skews(shown)],
    );
    let tables = first.into_iter().chain(rest);
    Report {
        title: shown.title(),
        simulated: shown.simulated(),
        provenance: shown.provenance(),
        warnings: warnings(shown.loaded),
        sections: vec![Section {
            title: "Where do the pods land?".to_owned(),
            tables: tables
                .chain(pending::stuck(shown))
                .chain(pending::pending(shown))
                .collect(),
            details: vec![landing::over_all(shown)],
            figures: landing::figure(shown).into_iter().collect(),
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

fn time(after: usize) -> Cell {
    match after {
        0 => Cell::text("start"),
        update => Cell::Text(format!("update {update}")),
    }
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
