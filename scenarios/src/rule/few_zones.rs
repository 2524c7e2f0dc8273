//! T108: an ALB in one zone.

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let enabled = subject.scenario.load_balancer.zones.as_ref();
    let (zones, path) = match enabled {
        Some(zones) => (zones, ["load_balancer", "zones"]),
        None => (&subject.scenario.cluster.zones, ["cluster", "zones"]),
    };
    if zones.len() < 2 {
        found.push(
            Diagnostic::warning(code::FEW_ZONES, "the load balancer has one zone")
                .label(subject.at(&path), "an ALB needs at least two")
                .help("the run goes on as if one were allowed"),
        );
    }
}
