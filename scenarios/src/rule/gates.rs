//! T119: readiness gates that no pod gets.

use sim_models::request::load_balancer::TargetType;

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let by_pod = subject
        .target_groups()
        .any(|(_, group)| group.target_type == TargetType::Ip);
    if subject.scenario.load_balancer.controller.readiness_gate && !by_pod {
        let path = ["load_balancer", "controller", "readiness_gate"];
        found.push(
            Diagnostic::warning(code::GATE_WITHOUT_IP, "no pod gets a readiness gate")
                .label(subject.at(&path), "no target group has `target_type: Ip`")
                .help("with nodes as targets a pod is no target, so there is nothing to wait for"),
        );
    }
}
