//! T107: things that nothing refers to.

use sim_models::fault::Becomes;
use sim_models::request::load_balancer::RuleConfig;

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let scenario = subject.scenario;
    let mut unused = |path: &[&str], message: String, help: &str| {
        found.push(
            Diagnostic::warning(code::NEVER_USED, message)
                .label(subject.key(path), "nothing refers to this")
                .help(help),
        );
    };
    for name in scenario.services.names() {
        if !subject
            .target_groups()
            .any(|(_, group)| group.service == name)
        {
            unused(
                &["services", name],
                format!("no target group uses the service {name:?}"),
                "a target group names it: `service: \"..\"`",
            );
        }
    }
    for (name, _) in subject.target_groups() {
        let rules = &scenario.load_balancer.rules;
        let forwards = |rule: &RuleConfig| rule.forward.groups().any(|(group, _)| group == name);
        let mut faults = scenario.faults.iter();
        let comes_later = faults.any(|fault| match &fault.becomes {
            Becomes::ReplacedBy { group } => group == name,
            Becomes::Forwarding { to } => to.groups().any(|(group, _)| group == name),
            _ => false,
        });
        if !rules.is_empty() && !rules.iter().any(forwards) && !comes_later {
            let path = ["load_balancer", "target_groups", name];
            unused(
                &path,
                format!("no rule forwards to the target group {name:?}"),
                "a rule names it: `forward: \"..\"`",
            );
        }
    }
}
