//! T027: an objective that cannot be judged; T014: one about a service that does not exist; T118: one that stays undecided.

use std::ops::Range;

use sim_core::SimDuration;

use super::Subject;
use crate::auto::Auto;
use crate::code;
use crate::diagnostic::Diagnostic;
use crate::experiment::plan::CAP;
use crate::measure::chance;
use crate::measure::objective::{Objective, ObjectiveError, When};
use crate::measure::quantity::CONFIDENCE;
use crate::source::Span;
use crate::suggest::{listed, nearest};
use crate::tree::{Node, Value};

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let Some(Node {
        value: Value::List(written),
        ..
    }) = subject.tree.get("objectives")
    else {
        return;
    };
    for (sentence, node) in subject.scenario.objectives.iter().zip(written) {
        match sentence.parse::<Objective>() {
            Ok(objective) => {
                found.extend(dangling(&objective, node, subject));
                found.extend(outside_the_run(&objective, node, subject));
                found.extend(too_few(&objective, node, subject));
            }
            Err(error) => found.push(unreadable(error, node)),
        }
    }
}

fn unreadable(error: ObjectiveError, node: &Node) -> Diagnostic {
    let complaint = Diagnostic::error(code::BAD_OBJECTIVE, error.problem.to_string())
        .label(part(node, &error.at), "here");
    match error.help {
        Some(help) => complaint.help(help),
        None => complaint,
    }
}

fn dangling(objective: &Objective, node: &Node, subject: &Subject<'_>) -> Option<Diagnostic> {
    let (name, at) = objective.service.as_ref()?;
    let services = &subject.scenario.services;
    if services.names().any(|known| known == name) {
        return None;
    }
    let label = match nearest(name, services.names()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "is not defined".to_owned(),
    };
    let help = format!("the services are {}", listed(services.names()));
    Some(
        Diagnostic::error(
            code::DANGLING_NAME,
            format!("no service is called {name:?}"),
        )
        .label(part(node, at), label)
        .help(help),
    )
}

/// A window wider than the run, a time after its end, a fault that never comes.
fn outside_the_run(
    objective: &Objective,
    node: &Node,
    subject: &Subject<'_>,
) -> Option<Diagnostic> {
    let run = &subject.scenario.run;
    let warm_up = match run.warm_up {
        Auto::Auto => SimDuration::ZERO,
        Auto::Given(warm_up) => warm_up,
    };
    let (message, label) = match objective.when {
        When::WorstWindow(width) if width > run.length => (
            format!("no window of {width} fits into the run"),
            format!("`run.length` is {}", run.length),
        ),
        When::After(from) if from >= subject.duration() => (
            format!("nothing happens after {from}"),
            format!(
                "the run ends {} after its begin, the warm-up of {warm_up} included",
                subject.duration()
            ),
        ),
        When::BeforeFirstFault if subject.scenario.faults.is_empty() => (
            "there is no fault that could be first".to_owned(),
            "the scenario has no `faults`".to_owned(),
        ),
        _ => return None,
    };
    Some(Diagnostic::error(code::BAD_OBJECTIVE, message).label(node.span, label))
}

/// A share of replications that cannot be shown, even if the objective holds in all of them.
fn too_few(objective: &Objective, node: &Node, subject: &Subject<'_>) -> Option<Diagnostic> {
    let share = objective.in_share?;
    let given = match subject.scenario.run.replications {
        Auto::Auto => CAP,
        Auto::Given(given) => given.get(),
    };
    let needed = chance::trials_to_show(share, CONFIDENCE);
    if needed.is_some_and(|needed| u64::from(given) >= needed) {
        return None;
    }
    let percent = share * 100.0;
    let help = match needed {
        Some(needed) => format!("`run.replications` must be {needed} or more, all of which hold"),
        None => "no number of replications shows that something always holds".to_owned(),
    };
    let most = match subject.scenario.run.replications {
        Auto::Auto => "at most ",
        Auto::Given(_) => "",
    };
    Some(
        Diagnostic::warning(
            code::TOO_FEW_REPLICATIONS,
            format!(
                "{most}{given} replications cannot show that this holds in {percent} % of them"
            ),
        )
        .label(node.span, "stays undecided")
        .help(help),
    )
}

/// The place of some bytes of a text: the whole text where an escape shifts them.
fn part(node: &Node, bytes: &Range<usize>) -> Span {
    let Value::Text(text) = &node.value else {
        return node.span;
    };
    let quotes = 2;
    let plain = (node.span.end - node.span.start) as usize == text.len() + quotes;
    let offset = |byte: usize| {
        u32::try_from(byte)
            .ok()
            .map(|byte| node.span.start + 1 + byte)
    };
    match (plain, offset(bytes.start), offset(bytes.end)) {
        (true, Some(start), Some(end)) => Span {
            start,
            end,
            ..node.span
        },
        _ => node.span,
    }
}
