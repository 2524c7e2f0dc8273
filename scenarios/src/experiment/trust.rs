//! What should be read before trusting the results of an alternative?

use super::answer::{Alternative, Warning};
use crate::measure::layout::Scope;
use crate::measure::metric::Quantity;
use crate::measure::objective::{Objective, When};
use crate::measure::quantity::Absent;

/// Share of requests without an answer at the end above which they are said to pile up.
const PILING_UP: f64 = 0.05;

/// Utilisation above which a queue is said to have hardly a steady state.
///
/// At 0.98 the mean queue of M/M/1 is 48 requests, and it takes thousands of service times to get there.
const SATURATED: f64 = 0.98;

/// The warnings of an alternative.
pub(super) fn warnings(alternative: &Alternative, objectives: &[Objective]) -> Vec<Warning> {
    let mut warnings = unjudged(alternative, objectives);
    warnings.extend(piling_up(alternative));
    warnings.extend(saturated(alternative));
    warnings
}

fn unjudged(alternative: &Alternative, objectives: &[Objective]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (objective, answer) in objectives.iter().zip(&alternative.objectives) {
        let (name, text) = (alternative.name.clone(), objective.text.clone());
        if matches!(objective.when, When::WorstWindow(width) if width > alternative.blueprint.run.length)
        {
            warnings.push(Warning::WindowTooLong {
                objective: text,
                alternative: name,
            });
            continue;
        }
        for judgement in &answer.judgements {
            if let Err(absent) = judgement.estimate {
                let scope = alternative.layout.name(judgement.scope).to_owned();
                warnings.push(Warning::NoEstimate {
                    alternative: name.clone(),
                    objective: text.clone(),
                    scope,
                    absent,
                });
            }
        }
        if answer.judgements.is_empty() {
            warnings.push(Warning::NoEstimate {
                alternative: name,
                objective: text,
                scope: "any service".to_owned(),
                absent: Absent::Nothing,
            });
        }
    }
    warnings
}

fn piling_up(alternative: &Alternative) -> Option<Warning> {
    let issued = alternative.readings.requests.issued();
    let share = alternative.in_flight as f64 / issued.max(1) as f64;
    (share > PILING_UP).then(|| Warning::PilingUp {
        alternative: alternative.name.clone(),
        share,
    })
}

fn saturated(alternative: &Alternative) -> Vec<Warning> {
    let quantity = Quantity::named("utilisation").expect("utilisation is on the list");
    let services = alternative
        .layout
        .scopes()
        .filter(|scope| matches!(scope, Scope::Service(_)));
    let busy = services
        .filter_map(|scope| Some((scope, alternative.estimate(quantity, scope).ok()?.mean)));
    busy.filter(|&(_, utilisation)| utilisation > SATURATED)
        .map(|(scope, utilisation)| Warning::Saturated {
            alternative: alternative.name.clone(),
            service: alternative.layout.name(scope).to_owned(),
            utilisation,
        })
        .collect()
}
