//! T012: what is read for the scheduler's sake, and has another meaning that no stage models yet.

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, deployment) in subject.scenario.deployments.iter() {
        let bounded = deployment
            .tolerations
            .iter()
            .any(|toleration| toleration.toleration_seconds.is_some());
        if bounded {
            let message = "`toleration_seconds` is not modelled yet: evictions wait for \
                           `cluster.default_toleration`";
            found.push(Diagnostic::error(code::NOT_YET, message).label(
                subject.at(&["deployments", name, "tolerations"]),
                "has a toleration with an end",
            ));
        }
    }
}
