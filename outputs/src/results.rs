//! What does a program read: `results.json`, schema `twohop.results/1`.
//!
//! One object. Keys stand in a fixed order, floats are the shortest that read back to the same number, and nothing depends on
//! the machine or the number of threads: the same scenario, seed and version give the same bytes. A reader must ignore keys it
//! does not know; a key is removed, renamed or given another meaning only with another number in `schema`.
//!
//! | key | what it holds |
//! |---|---|
//! | `schema` | `"twohop.results/1"` |
//! | `program` | name and version of the program |
//! | `scenario` | the file as the user named it |
//! | `title` | what the scenario asks |
//! | `seed` | the seed, a string of decimal digits, because many readers of JSON lose integers above 2^53 |
//! | `replications`, `replications_by` | how many, and who decided: `"rule"` or `"scenario"` |
//! | `warm_up_by` | who decided the length of the warm-up: `"rule"` (MSER-5) or `"scenario"` |
//! | `confidence` | of every interval: 0.95 |
//! | `fingerprint` | digest of every event of every run |
//! | `verdict` | the worst verdict: `"met"`, `"undecided"` or `"missed"` |
//! | `warnings` | `code` and `text` of what to read before trusting the numbers |
//! | `quantities` | every named number: `name`, `unit`, `better`, `meaning`, and `alias`, its name elsewhere |
//! | `alternatives` | one object each, the reference first |
//!
//! An alternative:
//!
//! | key | what it holds |
//! |---|---|
//! | `name`, `settings` | its name; the values of the sweeps by path |
//! | `fingerprint`, `events`, `in_flight` | digest and number of its events; requests without an answer at the end |
//! | `warm_up_seconds`, `length_seconds` | what was thrown away, and what counts, in each replication |
//! | `verdict`, `objectives` | each objective as written, its verdict, and for each scope the estimate and the value of every replication |
//! | `numbers` | every quantity of every scope: `name`, `scope`, `estimate`, `values`, `difference` |
//! | `readings` | integers added up over all replications: requests per pod, node, target, outcome; the latency histogram |
//! | `parameters` | every parameter, defaults included |
//!
//! Units are base units: seconds, bytes, shares of one. An `estimate` has `mean`, `low` and `high`; an end is `null` when the
//! interval has none, as with a single replication. Where a number does not exist, `estimate` is absent and `absent` says why. A
//! `difference` is paired with the first alternative on the same random numbers: `mean`, `low`, `high`, `correlation`,
//! `variance_ratio`, `p_value` and `holm_p_value`, which allows for all alternatives that are compared.

use std::collections::BTreeMap;

use scenarios::experiment::answer::{Alternative, ObjectiveAnswer};
use scenarios::experiment::{Replications, WarmUp};
use scenarios::measure::quantity::CONFIDENCE;
use scenarios::measure::{Better, Quantity};
use scenarios::scenario::Scenario;
use serde::Serialize;

pub(crate) use lines::written;
use number::{Compared, NumberEntry, Value, numbers, value};
use reading::{ReadingEntry, readings};

use crate::render::csv;
use crate::view::Shown;

mod lines;
mod number;
mod reading;

/// Name and version of the form.
pub const SCHEMA: &str = "twohop.results/1";

/// The whole file.
#[derive(Serialize)]
struct Results<'a> {
    schema: &'static str,
    program: &'a str,
    scenario: &'a str,
    title: &'a str,
    seed: String,
    replications: u32,
    replications_by: &'static str,
    warm_up_by: &'static str,
    confidence: f64,
    fingerprint: String,
    verdict: &'static str,
    warnings: Vec<WarningEntry>,
    quantities: Vec<QuantityEntry>,
    alternatives: Vec<AlternativeEntry<'a>>,
}

#[derive(Serialize)]
struct WarningEntry {
    code: String,
    text: String,
}

#[derive(Serialize)]
struct QuantityEntry {
    name: &'static str,
    unit: &'static str,
    better: &'static str,
    meaning: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    alias: &'static str,
}

#[derive(Serialize)]
struct AlternativeEntry<'a> {
    name: &'a str,
    settings: BTreeMap<&'a str, &'a str>,
    fingerprint: String,
    events: u64,
    in_flight: u64,
    warm_up_seconds: f64,
    length_seconds: f64,
    verdict: &'static str,
    objectives: Vec<ObjectiveEntry<'a>>,
    numbers: Vec<NumberEntry<'a>>,
    readings: Vec<ReadingEntry<'a>>,
    parameters: Option<&'a Scenario>,
}

#[derive(Serialize)]
struct ObjectiveEntry<'a> {
    objective: &'a str,
    verdict: &'static str,
    judgements: Vec<JudgementEntry<'a>>,
}

#[derive(Serialize)]
struct JudgementEntry<'a> {
    scope: &'a str,
    verdict: &'static str,
    #[serde(flatten)]
    value: Value,
}

/// The results of an answer as JSON, one entry per line; ends with a line break.
///
/// # Errors
///
/// When a parameter cannot be written as JSON.
pub fn json(shown: &Shown<'_>) -> Result<String, serde_json::Error> {
    let results = Results {
        schema: SCHEMA,
        program: shown.program,
        scenario: shown.source,
        title: &shown.loaded.scenario.title,
        seed: shown.answer.seed.to_string(),
        replications: shown.answer.replications,
        replications_by: match shown.answer.replications_rule {
            Replications::Auto => "rule",
            Replications::Exactly(_) => "scenario",
        },
        warm_up_by: match shown.answer.warm_up_rule {
            WarmUp::Auto => "rule",
            WarmUp::AsWritten => "scenario",
        },
        confidence: CONFIDENCE,
        fingerprint: shown.answer.fingerprint.to_string(),
        verdict: shown.answer.verdict().name(),
        warnings: warnings(shown),
        quantities: Quantity::all().map(quantity).collect(),
        alternatives: alternatives(shown),
    };
    written(&results)
}

/// Every number of an answer as comma-separated values, one line for each alternative, scope and quantity.
///
/// Columns: `alternative`, `scope`, `quantity`, `unit` (a base unit, as in [`json`]), `mean`, `low`, `high` of its interval, and
/// of the paired difference to the first alternative: `difference`, `difference low`, `difference high`. What does not exist is
/// empty.
pub fn csv(shown: &Shown<'_>) -> String {
    let heading = [
        "alternative",
        "scope",
        "quantity",
        "unit",
        "mean",
        "low",
        "high",
        "difference",
        "difference low",
        "difference high",
    ];
    let mut text = csv::line(heading.map(str::to_owned));
    for alternative in alternatives(shown) {
        for number in &alternative.numbers {
            text += &csv::line(number.fields(alternative.name));
        }
    }
    text
}

fn warnings(shown: &Shown<'_>) -> Vec<WarningEntry> {
    let written = shown.loaded.warnings.iter();
    let written = written.map(|one| WarningEntry {
        code: one.code.to_string(),
        text: one.message.clone(),
    });
    let run = shown.answer.warnings.iter();
    written
        .chain(run.map(|one| WarningEntry {
            code: one.code().to_owned(),
            text: one.to_string(),
        }))
        .collect()
}

fn quantity(quantity: Quantity) -> QuantityEntry {
    let about = quantity.about();
    QuantityEntry {
        name: about.name,
        unit: about.unit.name(),
        better: match about.better {
            Better::Lower => "lower",
            Better::Higher => "higher",
            Better::Neither => "neither",
        },
        meaning: about.meaning,
        alias: about.alias,
    }
}

fn alternatives<'a>(shown: &Shown<'a>) -> Vec<AlternativeEntry<'a>> {
    let compared = Compared::of(shown);
    let cases = shown
        .loaded
        .cases
        .iter()
        .map(|case| Some(&case.scenario))
        .chain(std::iter::repeat(None));
    let alternatives = shown.alternatives().iter().zip(cases).enumerate();
    alternatives
        .map(|(index, (one, parameters))| alternative(shown, &compared, index, one, parameters))
        .collect()
}

fn alternative<'a>(
    shown: &Shown<'a>,
    compared: &Compared,
    index: usize,
    one: &'a Alternative,
    parameters: Option<&'a Scenario>,
) -> AlternativeEntry<'a> {
    let objectives = shown.answer.objectives.iter().zip(&one.objectives);
    AlternativeEntry {
        name: &one.name,
        settings: one
            .settings
            .iter()
            .map(|(path, value)| (path.as_str(), value.as_str()))
            .collect(),
        fingerprint: one.fingerprint.to_string(),
        events: one.events,
        in_flight: one.in_flight,
        warm_up_seconds: one.blueprint.run.warm_up.as_secs_f64(),
        length_seconds: one.blueprint.run.length.as_secs_f64(),
        verdict: one.verdict().name(),
        objectives: objectives
            .map(|(objective, answer)| judged(one, &objective.text, answer))
            .collect(),
        numbers: numbers(shown, compared, index, one),
        readings: readings(one),
        parameters,
    }
}

fn judged<'a>(
    one: &'a Alternative,
    objective: &'a str,
    answer: &'a ObjectiveAnswer,
) -> ObjectiveEntry<'a> {
    let judgements = answer.judgements.iter().map(|judgement| JudgementEntry {
        scope: one.layout.name(judgement.scope),
        verdict: judgement.verdict.name(),
        value: value(&judgement.estimate, judgement.values.iter().copied()),
    });
    ObjectiveEntry {
        objective,
        verdict: answer.verdict.name(),
        judgements: judgements.collect(),
    }
}
