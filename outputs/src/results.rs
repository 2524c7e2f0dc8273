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
use scenarios::measure::compare::Difference;
use scenarios::measure::quantity::CONFIDENCE;
use scenarios::measure::reading::{Content, Thing};
use scenarios::measure::{Absent, Better, Estimated, METRICS, Quantity, Scope};
use scenarios::scenario::Scenario;
use serde::Serialize;
use serde::ser::Serializer;

use crate::render::csv;
use crate::view::Shown;

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

#[derive(Serialize)]
struct NumberEntry<'a> {
    name: &'static str,
    #[serde(skip)]
    unit: &'static str,
    scope: &'a str,
    #[serde(flatten)]
    value: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<DifferenceEntry>,
}

/// An estimate and the values behind it, or why there is none.
#[derive(Serialize)]
struct Value {
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate: Option<EstimateEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<String>,
    values: Vec<Option<f64>>,
}

#[derive(Serialize)]
struct EstimateEntry {
    mean: f64,
    low: Option<f64>,
    high: Option<f64>,
}

#[derive(Serialize)]
struct DifferenceEntry {
    mean: f64,
    low: Option<f64>,
    high: Option<f64>,
    correlation: Option<f64>,
    variance_ratio: Option<f64>,
    p_value: f64,
    holm_p_value: f64,
}

#[derive(Serialize)]
struct ReadingEntry<'a> {
    metric: &'static str,
    name: &'static str,
    scope: &'a str,
    #[serde(flatten)]
    content: ContentEntry<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
enum ContentEntry<'a> {
    /// One number for each thing, in the order of the scenario.
    Each {
        of: &'static str,
        unit: &'static str,
        values: Vec<u64>,
    },
    /// The requests with one outcome.
    Outcome {
        status: u16,
        decided_by: &'static str,
        requests: u64,
    },
    /// How many in each second after the warm-up.
    Seconds { counts: &'a [u64] },
    /// Buckets of a histogram: least value, width, count.
    Histogram {
        unit: &'static str,
        buckets: Buckets<'a>,
    },
}

/// The buckets of a histogram, written as it goes.
struct Buckets<'a>(&'a sim_core::Histogram);

impl Serialize for Buckets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.0
                .buckets()
                .map(|bucket| [bucket.low, bucket.width, bucket.count]),
        )
    }
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

/// A value as JSON with a line for each entry of its outer lists.
pub(crate) fn written(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Lines::default());
    value.serialize(&mut serializer)?;
    bytes.push(b'\n');
    Ok(String::from_utf8(bytes).expect("serde_json writes UTF-8"))
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

impl NumberEntry<'_> {
    /// The fields of a line of [`csv`].
    fn fields(&self, alternative: &str) -> [String; 10] {
        let real = |value: Option<f64>| value.map_or_else(String::new, csv::real);
        let estimate = self.value.estimate.as_ref();
        let difference = self.difference.as_ref();
        [
            alternative.to_owned(),
            self.scope.to_owned(),
            self.name.to_owned(),
            self.unit.to_owned(),
            real(estimate.map(|one| one.mean)),
            real(estimate.and_then(|one| one.low)),
            real(estimate.and_then(|one| one.high)),
            real(difference.map(|one| one.mean)),
            real(difference.and_then(|one| one.low)),
            real(difference.and_then(|one| one.high)),
        ]
    }
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

/// Every quantity for every scope for which it exists.
fn numbers<'a>(
    shown: &Shown<'a>,
    compared: &Compared,
    index: usize,
    one: &'a Alternative,
) -> Vec<NumberEntry<'a>> {
    let mut numbers = Vec::new();
    for quantity in Quantity::all() {
        for scope in one.layout.scopes() {
            let estimate = one.estimate(quantity, scope);
            let values: Vec<Result<f64, Absent>> = one.values(quantity, scope).collect();
            if values.iter().all(|value| *value == Err(Absent::Nothing)) {
                continue;
            }
            numbers.push(NumberEntry {
                name: quantity.name(),
                unit: quantity.about().unit.name(),
                scope: one.layout.name(scope),
                value: value(&estimate, values.into_iter()),
                difference: compared.of_scope(shown, quantity, one, scope, index),
            });
        }
    }
    numbers
}

/// The differences of all alternatives, computed once for each quantity and scope of the first one.
struct Compared {
    scopes: usize,
    differences: Vec<Vec<Option<Difference>>>,
}

impl Compared {
    fn of(shown: &Shown<'_>) -> Self {
        let layout = &shown.first().layout;
        let of_quantity = |quantity| {
            layout
                .scopes()
                .map(move |scope| shown.answer.differences(quantity, scope))
        };
        Self {
            scopes: layout.scopes().len(),
            differences: Quantity::all().flat_map(of_quantity).collect(),
        }
    }

    fn of_scope(
        &self,
        shown: &Shown<'_>,
        quantity: Quantity,
        one: &Alternative,
        scope: Scope,
        index: usize,
    ) -> Option<DifferenceEntry> {
        let service = match scope {
            Scope::Overall => None,
            Scope::Service(service) => Some(one.layout.service(service).name.as_str()),
        };
        let layout = &shown.first().layout;
        let position = layout.position(Shown::scope(shown.first(), service)?);
        let row = self
            .differences
            .get(quantity.position() * self.scopes + position)?;
        row.get(index).copied().flatten().map(difference)
    }
}

fn difference(difference: Difference) -> DifferenceEntry {
    let interval = difference.estimate.interval(CONFIDENCE);
    DifferenceEntry {
        mean: difference.estimate.mean(),
        low: finite(interval.low),
        high: finite(interval.high),
        correlation: difference.correlation,
        variance_ratio: difference.variance_ratio,
        p_value: difference.p_value,
        holm_p_value: difference.holm_p_value,
    }
}

fn value(
    estimate: &Result<Estimated, Absent>,
    values: impl Iterator<Item = Result<f64, Absent>>,
) -> Value {
    Value {
        estimate: estimate.as_ref().ok().map(|estimate| EstimateEntry {
            mean: estimate.mean,
            low: finite(estimate.interval.low),
            high: finite(estimate.interval.high),
        }),
        absent: estimate.as_ref().err().map(ToString::to_string),
        values: values.map(|value| value.ok().and_then(finite)).collect(),
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// The integers behind the numbers; of the histograms only that of the whole latency, because the others are large.
fn readings(one: &Alternative) -> Vec<ReadingEntry<'_>> {
    let mut entries = Vec::new();
    for (metric, readings) in one.readings.read(&one.layout) {
        for reading in readings {
            let content = match reading.content {
                Content::Spread(..) if metric != METRICS[0].key => continue,
                Content::Spread(unit, histogram) => ContentEntry::Histogram {
                    unit: unit.name(),
                    buckets: Buckets(histogram),
                },
                Content::Each(Thing::Outcome(status, decided_by), _, counts) => {
                    ContentEntry::Outcome {
                        status,
                        decided_by,
                        requests: counts.iter().sum(),
                    }
                }
                Content::Each(thing, unit, values) => ContentEntry::Each {
                    of: of(thing),
                    unit: unit.name(),
                    values: values.into_owned(),
                },
                Content::Seconds(seconds) => ContentEntry::Seconds {
                    counts: seconds.counts(),
                },
            };
            entries.push(ReadingEntry {
                metric,
                name: reading.name,
                scope: one.layout.name(reading.scope),
                content,
            });
        }
    }
    entries
}

fn of(thing: Thing) -> &'static str {
    match thing {
        Thing::Pod => "pods",
        Thing::Node => "nodes",
        Thing::Target => "targets",
        Thing::LoadBalancerNode => "load balancer nodes",
        Thing::One | Thing::Outcome(..) => "everything",
    }
}

/// One line for each entry down to the lists of an alternative, and no further: readable, and fit for `grep` and `diff`.
#[derive(Default)]
struct Lines {
    depth: usize,
    empty: bool,
}

/// How deep lines are broken: results, alternatives, an alternative, its lists.
const BROKEN: usize = 4;

impl Lines {
    fn open<W: ?Sized + std::io::Write>(
        &mut self,
        out: &mut W,
        bracket: &[u8],
    ) -> std::io::Result<()> {
        self.depth += 1;
        self.empty = true;
        out.write_all(bracket)
    }

    fn close<W: ?Sized + std::io::Write>(
        &mut self,
        out: &mut W,
        bracket: &[u8],
    ) -> std::io::Result<()> {
        self.depth -= 1;
        if self.depth < BROKEN && !self.empty {
            self.line(out)?;
        }
        self.empty = false;
        out.write_all(bracket)
    }

    fn next<W: ?Sized + std::io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        self.empty = false;
        if !first {
            out.write_all(b",")?;
        }
        if self.depth <= BROKEN {
            return self.line(out);
        }
        if first { Ok(()) } else { out.write_all(b" ") }
    }

    fn line<W: ?Sized + std::io::Write>(&self, out: &mut W) -> std::io::Result<()> {
        out.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| out.write_all(b" "))
    }
}

impl serde_json::ser::Formatter for Lines {
    fn begin_array<W: ?Sized + std::io::Write>(&mut self, out: &mut W) -> std::io::Result<()> {
        self.open(out, b"[")
    }

    fn end_array<W: ?Sized + std::io::Write>(&mut self, out: &mut W) -> std::io::Result<()> {
        self.close(out, b"]")
    }

    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        self.next(out, first)
    }

    fn begin_object<W: ?Sized + std::io::Write>(&mut self, out: &mut W) -> std::io::Result<()> {
        self.open(out, b"{")
    }

    fn end_object<W: ?Sized + std::io::Write>(&mut self, out: &mut W) -> std::io::Result<()> {
        self.close(out, b"}")
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        self.next(out, first)
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(
        &mut self,
        out: &mut W,
    ) -> std::io::Result<()> {
        out.write_all(b": ")
    }
}
