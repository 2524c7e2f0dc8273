//! T021 and T105: where do requests go?

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;

/// T021: several target groups, and nothing says which one gets a request.
pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let load_balancer = &subject.scenario.load_balancer;
    if load_balancer.target_groups.len() > 1 && load_balancer.rules.is_empty() {
        let names: Vec<&str> = subject.target_groups().map(|(name, _)| name).collect();
        let example = format!(
            "rules: [(path: \"/{}\", forward: \"{}\"), ..]",
            names[0], names[0]
        );
        let message = format!("there are {} target groups and no rules", names.len());
        found.push(
            Diagnostic::error(code::NO_RULES, message)
                .label(
                    subject.key(&["load_balancer", "target_groups"]),
                    "which of these gets a request?",
                )
                .help(format!(
                    "add rules to `load_balancer`, the first match wins: `{example}`"
                )),
        );
    }
}

/// T105: requests that no rule matches, and populations that do not say what they ask for.
pub(super) fn check_matches(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let rules = &subject.scenario.load_balancer.rules;
    for (name, population) in subject.scenario.clients.iter() {
        for (index, request) in population.requests.iter().enumerate() {
            if subject.target_groups_of(&request.path).is_empty() {
                let place = subject.at(&["clients", name, "requests", &index.to_string(), "path"]);
                found.push(
                    unmatched(subject, &request.path).label(place, "these requests get a 404"),
                );
            }
        }
        if population.requests.is_empty()
            && !rules.is_empty()
            && subject.target_groups_of("/").is_empty()
        {
            let place = subject.key(&["clients", name]);
            found.push(
                unmatched(subject, "/")
                    .label(place, "asks for \"/\", and gets a 404")
                    .help("say what it asks for: `requests: [(path: \"..\")]`"),
            );
        }
    }
}

fn unmatched(subject: &Subject<'_>, path: &str) -> Diagnostic {
    let prefixes: Vec<String> = subject
        .scenario
        .load_balancer
        .rules
        .iter()
        .map(|rule| format!("{:?}", rule.path))
        .collect();
    Diagnostic::warning(
        code::NO_RULE_MATCHES,
        format!("no listener rule matches {path:?}"),
    )
    .help(format!(
        "rules match whole elements of a path; there are rules for {}",
        prefixes.join(", ")
    ))
}
