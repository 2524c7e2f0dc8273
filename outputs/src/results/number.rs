//! How sure is each number, and by how much does it differ from the first alternative?

use scenarios::experiment::answer::Alternative;
use scenarios::measure::compare::Difference;
use scenarios::measure::quantity::CONFIDENCE;
use scenarios::measure::{Absent, Estimated, Quantity, Scope};
use serde::Serialize;

use crate::render::csv;
use crate::view::Shown;

#[derive(Serialize)]
pub(super) struct NumberEntry<'a> {
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
pub(super) struct Value {
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

impl NumberEntry<'_> {
    /// The fields of a line of [`csv`].
    pub(super) fn fields(&self, alternative: &str) -> [String; 10] {
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

/// Every quantity for every scope for which it exists.
pub(super) fn numbers<'a>(
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
pub(super) struct Compared {
    scopes: usize,
    differences: Vec<Vec<Option<Difference>>>,
}

impl Compared {
    pub(super) fn of(shown: &Shown<'_>) -> Self {
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

pub(super) fn value(
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
