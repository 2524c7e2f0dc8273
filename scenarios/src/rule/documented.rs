//! T017 and T018: values outside of what their own documentation accepts, wherever they stand.

use sim_core::{Dist, SimDuration};

use super::Subject;
use crate::code;
use crate::decode::decode;
use crate::diagnostic::Diagnostic;
use crate::limit::{self, Limit};
use crate::tree::{Node, Value};

/// The clock counts nanoseconds in 64 bits and ends after 584 years; a year leaves room for every sum of delays.
const LONGEST: SimDuration = SimDuration::from_secs(366 * 86_400);

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    visit(subject.tree, &mut String::new(), found);
}

/// Looks at a value and at everything inside it; `path` has `*` for names and list items.
fn visit(node: &Node, path: &mut String, found: &mut Vec<Diagnostic>) {
    if let Some(limit) = limit::of(path) {
        look(node, path, limit, found);
    }
    match &node.value {
        Value::Struct(fields) => {
            for field in fields {
                step(&field.value, path, &field.name.text, found);
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                step(&entry.value, path, "*", found);
            }
        }
        Value::List(items) => {
            for item in items {
                step(item, path, "*", found);
            }
        }
        // What stands in a variant's brackets: `AtMost(4)`.
        Value::Tuple(items) => {
            for item in items {
                visit(item, path, found);
            }
        }
        Value::Variant(name, Some(payload)) => step(payload, path, &name.text, found),
        _ => {}
    }
}

fn step(node: &Node, path: &mut String, step: &str, found: &mut Vec<Diagnostic>) {
    let length = path.len();
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(step);
    visit(node, path, found);
    path.truncate(length);
}

fn look(node: &Node, path: &str, limit: &Limit, found: &mut Vec<Diagnostic>) {
    // A rule that knows more has spoken of this place.
    if found.iter().any(|it| it.place() == Some(node.spot())) {
        return;
    }
    let value = limit::number(&node.value);
    if let (Some(range), Some(value)) = (&limit.range, value)
        && !range.holds(value)
    {
        return found.push(out_of_range(node, path, &range.words));
    }
    if let (true, Some(nanos)) = (limit.is_duration, value)
        && nanos > LONGEST.as_nanos() as f64
    {
        return found.push(out_of_range(node, path, "at most a year"));
    }
    if limit.is_distribution
        && let Ok(dist) = decode::<Dist>(node)
        && let Err(error) = dist.sampler()
    {
        found.push(
            Diagnostic::error(code::BAD_DISTRIBUTION, error.to_string())
                .label(node.spot(), "")
                .help(format!("see `twohop explain {path}`")),
        );
    }
}

fn out_of_range(node: &Node, path: &str, range: &str) -> Diagnostic {
    let steps = path.rsplit('.');
    let name = steps.into_iter().find(|step| *step != "*");
    let message = format!("`{}` must be {range}", name.unwrap_or(path));
    Diagnostic::error(code::OUT_OF_RANGE, message)
        .label(node.spot(), format!("expected {range}"))
        .help(format!("see `twohop explain {path}`"))
}
