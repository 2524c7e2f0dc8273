//! What must hold, and does it?

use scenarios::experiment::answer::{Alternative, Judgement};

use super::Shown;
use super::topic::{self, Reading, cell, reading};
use crate::table::{Align, Cell, Column, Table, Verdict};

/// Objectives by alternatives, a value and a verdict in each cell; `None` without objectives.
///
/// An objective that holds for several Services has a row for each.
pub fn table(shown: &Shown<'_>) -> Option<Table> {
    if shown.answer.objectives.is_empty() {
        return None;
    }
    let rows = rows(shown);
    let upright = shown.alternatives().len() <= rows.len().max(3);
    Some(if upright {
        by_objective(shown, &rows)
    } else {
        by_alternative(shown, &rows)
    })
}

/// One objective for one Service, or for everything.
struct Judged<'a> {
    objective: usize,
    scope: &'a str,
    label: String,
}

impl Judged<'_> {
    fn judgement<'a>(&self, alternative: &'a Alternative) -> Option<&'a Judgement> {
        let judgements = &alternative.objectives[self.objective].judgements;
        judgements
            .iter()
            .find(|one| alternative.layout.name(one.scope) == self.scope)
    }

    fn cell(&self, shown: &Shown<'_>, alternative: &Alternative) -> Cell {
        let Some(judgement) = self.judgement(alternative) else {
            return Cell::Missing;
        };
        let verdict = topic::verdict(judgement.verdict);
        match &judgement.estimate {
            Err(absent) => Cell::Verdict(verdict, format!("{}: {absent}", verdict.word())),
            estimate => cell(estimate, self.reading(shown).factor).judged(verdict),
        }
    }

    fn greatest(&self, shown: &Shown<'_>) -> f64 {
        let means = shown
            .alternatives()
            .iter()
            .filter_map(|one| Some(self.judgement(one)?.estimate.ok()?.mean));
        means.fold(shown.answer.objectives[self.objective].threshold, f64::max)
    }

    fn reading(&self, shown: &Shown<'_>) -> Reading {
        let objective = &shown.answer.objectives[self.objective];
        if objective.in_share.is_some() {
            return Reading {
                factor: 100.0,
                unit: "% of replications".to_owned(),
            };
        }
        reading(objective.quantity, self.greatest(shown))
    }

    fn unit(&self, shown: &Shown<'_>) -> String {
        self.reading(shown).unit
    }
}

fn rows<'a>(shown: &Shown<'a>) -> Vec<Judged<'a>> {
    let mut rows = Vec::new();
    for (objective, text) in shown.answer.objectives.iter().enumerate() {
        let first = shown.first();
        let judgements = &first.objectives[objective].judgements;
        for judgement in judgements {
            let scope = first.layout.name(judgement.scope);
            let label = if judgements.len() == 1 {
                text.text.clone()
            } else {
                format!("{} ({scope})", text.text)
            };
            rows.push(Judged {
                objective,
                scope,
                label,
            });
        }
    }
    rows
}

fn by_objective(shown: &Shown<'_>, rows: &[Judged<'_>]) -> Table {
    let keys = [Column::key("objective"), Column::key("unit")];
    let columns = keys
        .into_iter()
        .chain(topic::columns(shown, Align::Left))
        .collect();
    let mut table = Table::new("objectives", "Objectives", columns);
    for row in rows {
        let cells = shown.alternatives().iter().map(|one| row.cell(shown, one));
        table.row(
            [Cell::text(&row.label), Cell::text(row.unit(shown))]
                .into_iter()
                .chain(cells)
                .collect(),
        );
    }
    if rows.len() > 1 {
        let verdicts = shown.alternatives().iter().map(summary);
        table.summary(
            [Cell::text("together"), Cell::Empty]
                .into_iter()
                .chain(verdicts)
                .collect(),
        );
    }
    table
}

fn by_alternative(shown: &Shown<'_>, rows: &[Judged<'_>]) -> Table {
    let heading = |row: &Judged<'_>| Column::left(row.label.clone()).unit(row.unit(shown));
    let columns = std::iter::once(Column::key("alternative")).chain(rows.iter().map(heading));
    let mut table = Table::new("objectives", "Objectives", columns.collect());
    for one in shown.alternatives() {
        let cells = rows.iter().map(|row| row.cell(shown, one));
        table.row(
            std::iter::once(Cell::text(&one.name))
                .chain(cells)
                .collect(),
        );
    }
    table
}

/// All verdicts of an alternative in a few words.
fn summary(alternative: &Alternative) -> Cell {
    let count = |wanted: Verdict| {
        alternative
            .objectives
            .iter()
            .filter(|one| topic::verdict(one.verdict) == wanted)
            .count()
    };
    let (missed, undecided) = (count(Verdict::Missed), count(Verdict::Undecided));
    let words = match (missed, undecided) {
        (0, 0) => "all met".to_owned(),
        (0, undecided) => format!("{undecided} undecided"),
        (missed, 0) => format!("{missed} missed"),
        (missed, undecided) => format!("{missed} missed, {undecided} undecided"),
    };
    Cell::Verdict(topic::verdict(alternative.verdict()), words)
}
