//! Which pictures and tables answer which question: one file per question.
//!
//! A view reads an [`Answer`] and makes a [`Section`] of the report: figures and tables. Each file also says what its picture
//! needs to know in a few plain types, so that a picture can be drawn, and looked at, without a simulation. Nothing here draws.

use scenarios::experiment::{Answer, answer};
use scenarios::load::Loaded;
use scenarios::measure::Scope;
use sim_core::SimDuration;

use crate::format;
use crate::report::{Provenance, Report, Section};

mod because;
pub mod connections;
pub mod difference;
mod drains;
pub mod graph;
pub mod latency;
pub mod objectives;
pub mod outcomes;
pub mod parameters;
pub mod path;
pub mod place;
pub mod placement;
mod replicas;
mod rollouts;
pub mod share;
mod spread;
pub mod summary;
pub mod topic;
mod trust;

/// A figure with more panels than this is not looked at.
const MOST_PANELS: usize = 6;

/// What is to be shown: the answer, what was asked, and how.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// What came out.
    pub answer: &'a Answer,
    /// What was asked; its cases are the answer's alternatives, in the same order.
    pub loaded: &'a Loaded,
    /// The scenario as the user named it: a file, or one of the library.
    pub source: &'a str,
    /// The program and its version, such as `twohop 0.1.0`.
    pub program: &'a str,
    /// The command that gives the same answer again.
    pub command: &'a str,
}

/// One question of the report.
pub struct View {
    /// Its key, as in the names of files.
    pub key: &'static str,
    /// Its part of the report; `None` where the answer has nothing to say to it.
    pub section: fn(&Shown<'_>) -> Option<Section>,
}

/// Every question, in the order of the report.
pub const VIEWS: &[View] = &[
    View {
        key: "summary",
        section: summary::section,
    },
    View {
        key: "share",
        section: share::section,
    },
    View {
        key: "path",
        section: path::section,
    },
    View {
        key: "spread",
        section: spread::section,
    },
    View {
        key: "rollouts",
        section: rollouts::section,
    },
    View {
        key: "replicas",
        section: replicas::section,
    },
    View {
        key: "drains",
        section: drains::section,
    },
    View {
        key: "latency",
        section: latency::section,
    },
    View {
        key: "outcomes",
        section: outcomes::section,
    },
];

/// The whole report.
pub fn report(shown: &Shown<'_>) -> Report {
    let first = shown.loaded.cases.first();
    Report {
        title: shown.title(),
        simulated: shown.simulated(),
        provenance: shown.provenance(),
        verdicts: objectives::table(shown),
        because: because::sentence(shown),
        warnings: trust::warnings(shown),
        sections: VIEWS
            .iter()
            .filter_map(|view| (view.section)(shown))
            .collect(),
        assumptions: None,
        parameters: first.map(|case| parameters::table(&case.scenario)),
    }
}

impl<'a> Shown<'a> {
    /// What was compared, in order.
    pub fn alternatives(&self) -> &'a [answer::Alternative] {
        &self.answer.alternatives
    }

    /// The first alternative, with which the others are compared.
    ///
    /// # Panics
    ///
    /// Never: an experiment has at least one alternative.
    pub fn first(&self) -> &'a answer::Alternative {
        self.answer
            .alternatives
            .first()
            .expect("an experiment has at least one alternative")
    }

    /// Names of the Services that clients ask for, in the order of the first alternative.
    pub fn services(&self) -> Vec<&'a str> {
        let services = self.first().layout.services();
        services
            .iter()
            .filter(|service| service.asked)
            .map(|service| service.name.as_str())
            .collect()
    }

    /// The scope of a Service, or of everything, in an alternative.
    pub fn scope(alternative: &answer::Alternative, service: Option<&str>) -> Option<Scope> {
        match service {
            None => Some(Scope::Overall),
            Some(name) => alternative.layout.service_named(name).map(Scope::Service),
        }
    }

    /// The foot of every figure.
    pub fn footer(&self) -> String {
        self.provenance().line()
    }

    /// Where the numbers come from.
    pub fn provenance(&self) -> Provenance {
        let run = self.first().blueprint.run;
        let duration = |span: SimDuration| format::duration(span.as_secs_f64());
        let replications = self.answer.replications;
        let plural = if replications == 1 { "" } else { "s" };
        let found = match self.answer.warm_up_rule {
            scenarios::experiment::WarmUp::Auto => " (MSER-5)",
            scenarios::experiment::WarmUp::AsWritten => "",
        };
        Provenance {
            program: self.program.to_owned(),
            scenario: self.source.to_owned(),
            seed: self.answer.seed,
            runs: vec![
                format!(
                    "{replications} replication{plural} of {}",
                    duration(run.length)
                ),
                format!("warm-up {}{found}", duration(run.warm_up)),
                "intervals 95 %".to_owned(),
            ],
            fingerprint: self.answer.fingerprint.to_string(),
            command: self.command.to_owned(),
        }
    }

    fn title(&self) -> String {
        let title = &self.loaded.scenario.title;
        if title.is_empty() {
            self.source.to_owned()
        } else {
            title.clone()
        }
    }

    /// The cluster, the traffic and the alternatives in a sentence or two.
    fn simulated(&self) -> String {
        let blueprint = &self.first().blueprint;
        let many = |count: usize, thing: &str| {
            format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
        };
        const MOST_BY_NAME: usize = 6;
        let layout = &self.first().layout;
        let pods = |name: &str| {
            let service = layout.service_named(name);
            service.map_or(0, |service| layout.placed_pods(service).count())
        };
        let services = self.services().into_iter();
        let mut asked: Vec<String> = services
            .map(|name| format!("{name} with {}", many(pods(name), "pod")))
            .collect();
        if asked.is_empty() {
            asked.push("no Service is asked".to_owned());
        }
        if asked.len() > MOST_BY_NAME {
            let others = asked.split_off(MOST_BY_NAME).len();
            asked.push(format!("{others} more Services"));
        }
        let mut text = format!(
            "One ALB with {} before {} in {}; {}.",
            many(blueprint.load_balancer.nodes.len(), "node"),
            many(blueprint.nodes.len(), "worker node"),
            many(blueprint.zones.len(), "zone"),
            asked.join(", "),
        );
        if self.alternatives().len() > 1 {
            text += &format!(
                " {} on the same random numbers.",
                many(self.alternatives().len(), "alternative")
            );
        }
        text
    }
}
