//! T104: quotas of AWS.

use sim_models::fault::Selector;
use sim_models::request::load_balancer::TargetType;

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;

/// Target groups of a load balancer. Source: AWS, "Quotas for your Application Load Balancers".
const TARGET_GROUPS: usize = 100;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let load_balancer = &subject.scenario.load_balancer;
    let quotas = load_balancer.quotas;
    let mut exceeds = |number: u64, quota: u64, path: &[&str], what: &str, help: &str| {
        if number > quota {
            let message = format!("{number} {what}, and the quota is {quota}");
            let diagnostic = Diagnostic::warning(code::QUOTA, message)
                .label(subject.key(path), format!("{number} {what}"));
            found.push(diagnostic.help(help));
        }
    };
    let mut all = 0;
    for (name, group) in subject.target_groups() {
        let targets = match group.target_type {
            TargetType::Instance => subject.nodes(),
            TargetType::Ip => pods(subject, &group.service),
        };
        all += targets;
        let path = ["load_balancer", "target_groups", name];
        exceeds(
            targets,
            quotas.targets_per_group,
            &path,
            "targets in one target group",
            "ask AWS to raise it, and say so in `load_balancer.quotas`; or limit the nodes that are registered",
        );
    }
    let groups = ["load_balancer", "target_groups"];
    if load_balancer.target_groups.len() > 1 {
        exceeds(
            all,
            quotas.targets,
            &groups,
            "targets of one load balancer",
            "with `Instance` every node counts once for every target group",
        );
    }
    let count = load_balancer.target_groups.len();
    exceeds(
        count as u64,
        TARGET_GROUPS as u64,
        &groups,
        "target groups of one load balancer",
        "this quota cannot be raised: use another load balancer",
    );
    let rules = load_balancer.rules.len();
    exceeds(
        rules as u64,
        quotas.rules,
        &["load_balancer", "rules"],
        "rules of one load balancer",
        "ask AWS to raise it, and say so in `load_balancer.quotas`",
    );
}

/// The pods of a Service, with those that a rolling update adds.
fn pods(subject: &Subject<'_>, service: &str) -> u64 {
    let scenario = subject.scenario;
    let Some(service) = scenario.services.get(service) else {
        return 0;
    };
    let Some(deployment) = scenario.deployments.get(&service.selects) else {
        return 0;
    };
    let replicas = deployment.replicas.get();
    let mut faults = scenario.faults.iter();
    let is_rolled_out = faults
        .any(|it| matches!(&it.on, Selector::Deployment { name } if *name == service.selects));
    let surge = match is_rolled_out {
        true => deployment
            .strategy
            .rolling_update
            .max_surge
            .rounded_up(replicas),
        false => 0,
    };
    u64::from(replicas) + u64::from(surge)
}
