//! T109: clusters beyond what Kubernetes documents as tested.

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;

/// Source: Kubernetes, "Considerations for large clusters".
const NODES: u64 = 5_000;
/// Source: the same.
const PODS: u64 = 150_000;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let mut beyond = |number: u64, limit: u64, path: &[&str], what: &str| {
        if number > limit {
            let message = format!("{number} {what}, and Kubernetes is tested with up to {limit}");
            found.push(
                Diagnostic::warning(code::BEYOND_KUBERNETES, message)
                    .label(subject.key(path), format!("{number} {what} in all")),
            );
        }
    };
    beyond(subject.nodes(), NODES, &["cluster", "node_groups"], "nodes");
    beyond(subject.pods(), PODS, &["deployments"], "pods");
}
