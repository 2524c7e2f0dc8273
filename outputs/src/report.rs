//! The whole answer: what was asked, what came out, how far to trust it, and how to get it again.
//!
//! A [`Report`] is data. The terminal shows its tables, the page shows everything, and each chooses how.

use crate::figure::Figure;
use crate::table::Table;

/// Where the numbers come from. Enough to get the same bytes again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The program and its version, such as `twohop 0.1.0`.
    pub program: String,
    /// The scenario as the user named it: a file, or one of the library.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// How many replications were run, of what length, after what warm-up: a few phrases, such as `24 replications of 10 min`.
    pub runs: Vec<String>,
    /// The digest of the event sequences.
    pub fingerprint: String,
    /// The command that runs it again.
    pub command: String,
}

impl Provenance {
    /// All of it in phrases, the program first.
    pub fn phrases(&self) -> Vec<String> {
        let mut phrases = vec![
            self.program.clone(),
            self.scenario.clone(),
            format!("seed {}", self.seed),
        ];
        phrases.extend(self.runs.iter().cloned());
        phrases.push(format!("fingerprint {}", self.fingerprint));
        phrases
    }

    /// All of it in one line, for the foot of a figure.
    pub fn line(&self) -> String {
        self.phrases().join(" · ")
    }
}

/// Something to read before trusting the numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Its code, such as `T104`; empty when it has none.
    pub code: String,
    /// What it is about, in one sentence.
    pub text: String,
    /// What it means for the numbers, or what to do.
    pub help: String,
}

impl Warning {
    /// What it is about and what it means, as one sentence.
    pub fn sentence(&self) -> String {
        if self.help.is_empty() {
            self.text.clone()
        } else {
            format!("{}: {}", self.text, self.help)
        }
    }
}

/// One question of the answer, with the tables and pictures that belong to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// A sentence or two under the heading.
    pub text: String,
    /// The tables.
    pub tables: Vec<Table>,
    /// Tables for who wants to know more: folded in the page, not shown in the terminal.
    pub details: Vec<Table>,
    /// The pictures.
    pub figures: Vec<Figure>,
}

/// The whole answer to one scenario.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// What was asked: the title of the scenario.
    pub title: String,
    /// What was simulated, in a sentence or two: the cluster, the traffic, the alternatives.
    pub simulated: String,
    /// Where the numbers come from.
    pub provenance: Provenance,
    /// Alternatives by objectives, with a verdict in each cell; absent when the scenario has no objectives.
    pub verdicts: Option<Table>,
    /// One sentence that says why, computed from counters; empty when there is none.
    pub because: String,
    /// What to read before trusting the numbers.
    pub warnings: Vec<Warning>,
    /// The questions, in the order of the report.
    pub sections: Vec<Section>,
    /// Parameters whose values no document gives, with what was assumed.
    pub assumptions: Option<Table>,
    /// Every parameter, defaults included.
    pub parameters: Option<Table>,
}

impl Report {
    /// Every table of the report with a file of its own, in order.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        let sections = self
            .sections
            .iter()
            .flat_map(|section| section.tables.iter().chain(&section.details));
        self.verdicts
            .iter()
            .chain(sections)
            .chain(&self.assumptions)
            .chain(&self.parameters)
    }

    /// Every figure of the report, in order.
    pub fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.sections.iter().flat_map(|section| &section.figures)
    }
}
