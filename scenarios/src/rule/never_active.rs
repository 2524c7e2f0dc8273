//! T110: clients that never ask.

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let end = subject.duration();
    for (name, population) in subject.scenario.clients.iter() {
        let stop = population.stop.unwrap_or(end).min(end);
        if population.start < stop {
            continue;
        }
        let (field, what) = if population.start >= end {
            (
                "start",
                format!(
                    "begins after {}, and the run ends after {end}",
                    population.start
                ),
            )
        } else {
            (
                "stop",
                format!("ends after {stop}, and begins after {}", population.start),
            )
        };
        found.push(
            Diagnostic::warning(
                code::NEVER_ACTIVE,
                format!("the clients {name:?} never ask for anything"),
            )
            .label(subject.at(&["clients", name, field]), what),
        );
    }
}
