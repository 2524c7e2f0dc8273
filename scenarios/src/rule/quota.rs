//! T104: quotas of AWS.

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
            TargetType::Ip => replicas(subject, &group.service),
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

fn replicas(subject: &Subject<'_>, service: &str) -> u64 {
    let scenario = subject.scenario;
    let deployment = scenario
        .services
        .get(service)
        .and_then(|service| scenario.deployments.get(&service.selects));
    deployment.map_or(0, |deployment| u64::from(deployment.replicas.get()))
}
