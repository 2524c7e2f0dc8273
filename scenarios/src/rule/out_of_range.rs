//! T018: values outside of what the real system accepts, where that depends on other values.

use sim_core::SimDuration;
use sim_models::request::balance::Algorithm;
use sim_models::request::conntrack::GcInterval;
use sim_models::request::forward::Forward;
use sim_models::request::node_port::Proxy;

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;
use crate::scenario::Deployment;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let mut must = |holds: bool, path: &[&str], range: &str| {
        if !holds {
            let last = path
                .iter()
                .rev()
                .find(|step| step.parse::<usize>().is_err())
                .copied()
                .unwrap_or_default();
            let message = format!("`{last}` must be {range}");
            found.push(
                Diagnostic::error(code::OUT_OF_RANGE, message)
                    .label(subject.at(path), format!("expected {range}")),
            );
        }
    };
    proxy(subject, &mut must);
    let is_cilium = matches!(subject.scenario.cluster.proxy, Proxy::Cilium { .. });
    for (name, service) in subject.scenario.services.iter() {
        must(
            is_cilium || service.lb_algorithm.is_none(),
            &["services", name, "lb_algorithm"],
            "left out with kube-proxy: it is an annotation that Cilium reads",
        );
    }
    let retry = subject.scenario.load_balancer.controller.retry;
    must(
        retry.max >= retry.initial,
        &["load_balancer", "controller", "retry", "max"],
        "at least as long as `initial`",
    );
    let back_off = subject.scenario.cluster.scheduler.back_off;
    must(
        back_off.max >= back_off.initial,
        &["cluster", "scheduler", "back_off", "max"],
        "at least as long as `initial`",
    );
    let slow_starts = subject.scenario.deployments.iter();
    let slow_starts = slow_starts.filter_map(|(name, it)| Some((name, it.server.slow_start?)));
    for (name, slow) in slow_starts {
        must(
            slow.factor.is_finite() && slow.factor >= 1.0 && slow.duration > SimDuration::ZERO,
            &["deployments", name, "server", "slow_start"],
            "a factor of 1 or more over a time longer than 0",
        );
    }
    must(
        subject.scenario.load_balancer.syn_retransmit.is_sorted(),
        &["load_balancer", "syn_retransmit"],
        "in rising order",
    );
    for (name, group) in subject.scenario.cluster.node_groups.iter() {
        must(
            group.base_load.len() as u64 <= u64::from(group.count.get()),
            &["cluster", "node_groups", name, "base_load"],
            "no longer than there are nodes in the group",
        );
    }
    for (name, deployment) in subject.scenario.deployments.iter() {
        must(
            deployment.placement.is_none() || deployment.earlier_rollouts == 0,
            &["deployments", name, "earlier_rollouts"],
            "0 with a placement by hand",
        );
        for own in ["app", "pod-template-hash"] {
            must(
                !deployment.labels.contains_key(own),
                &["deployments", name, "labels", own],
                "another label: the controllers set this one",
            );
        }
        must(
            deployment.progress_deadline > deployment.min_ready,
            &["deployments", name, "progress_deadline"],
            "longer than `min_ready`, as Kubernetes accepts",
        );
        let budget = deployment.pod_disruption_budget;
        must(
            budget.is_none_or(|it| it.min_available.is_some() != it.max_unavailable.is_some()),
            &["deployments", name, "pod_disruption_budget"],
            "a budget with either `min_available` or `max_unavailable`",
        );
        let scaler = deployment.autoscaler.as_ref();
        must(
            scaler.is_none_or(|it| it.min_replicas <= it.max_replicas),
            &["deployments", name, "autoscaler", "max_replicas"],
            "at least `min_replicas`",
        );
        let resources = &deployment.resources;
        let request = resources.requests.cpu.or(resources.limits.cpu);
        must(
            scaler.is_none() || request.is_some_and(|it| it.as_millis() > 0),
            &["deployments", name, "autoscaler"],
            "on pods that request cpu (`resources.requests.cpu`): utilization is a share of that",
        );
        let update = deployment.strategy.rolling_update;
        must(
            !(update.max_surge.is_zero() && update.max_unavailable.is_zero()),
            &["deployments", name, "strategy", "rolling_update"],
            "wide enough: not both numbers may be 0",
        );
        probes(name, deployment, &mut must);
    }
    must(
        subject.scenario.cluster.links.loss < 1.0,
        &["cluster", "links", "loss"],
        "from 0 to 1, and below 1",
    );
    for (name, group) in subject.target_groups() {
        let slow = group.slow_start.duration;
        let slow_starts = SimDuration::from_secs(30)..=SimDuration::from_secs(900);
        let path = [
            "load_balancer",
            "target_groups",
            name,
            "slow_start",
            "duration",
        ];
        must(
            slow == SimDuration::ZERO || slow_starts.contains(&slow),
            &path,
            "\"0s\", or from \"30s\" to \"900s\", as the ALB accepts",
        );
        must(
            slow == SimDuration::ZERO || group.algorithm == Algorithm::RoundRobin,
            &path,
            "\"0s\" with another algorithm than `RoundRobin`: the ALB refuses both together",
        );
        must(
            !group.anomaly_mitigation || group.algorithm == Algorithm::WeightedRandom,
            &["load_balancer", "target_groups", name, "anomaly_mitigation"],
            "false with another algorithm than `WeightedRandom`: the ALB refuses both together",
        );
        must(
            group.anomaly.window >= group.anomaly.interval,
            &["load_balancer", "target_groups", name, "anomaly", "window"],
            "at least as long as `interval`",
        );
        let check = group.health_check.as_ref();
        must(
            check.is_none_or(|check| check.timeout < check.interval),
            &[
                "load_balancer",
                "target_groups",
                name,
                "health_check",
                "timeout",
            ],
            "shorter than `interval`, as the ALB accepts",
        );
    }
    for (name, population) in subject.scenario.clients.iter() {
        for (index, request) in population.requests.iter().enumerate() {
            let index = index.to_string();
            must(
                request.path.starts_with('/'),
                &["clients", name, "requests", &index, "path"],
                "a path that begins with \"/\"",
            );
        }
        if let Some(expected) = population.arrivals.flaw() {
            must(false, &["clients", name, "arrivals"], expected);
        }
    }
    for (index, rule) in subject.scenario.load_balancer.rules.iter().enumerate() {
        let path = ["load_balancer", "rules", &index.to_string(), "path"];
        must(
            rule.path.starts_with('/'),
            &path,
            "a path that begins with \"/\"",
        );
        let path = ["load_balancer", "rules", &index.to_string(), "forward"];
        let (groups, most) = (rule.forward.groups(), Forward::MOST_WEIGHT);
        must(
            (1..=Forward::MOST_GROUPS).contains(&groups.len()),
            &path,
            "1 to 5 target groups",
        );
        must(
            rule.forward.groups().all(|(_, weight)| weight <= most),
            &path,
            "weights from 0 to 999",
        );
        must(
            rule.forward.groups().any(|(_, weight)| weight > 0),
            &path,
            "at least one weight above 0",
        );
    }
}

/// What the API server accepts of probes.
///
/// Source: Kubernetes 1.34 `pkg/apis/core/validation/validation.go`, `validateProbe` and `validateHandler`.
fn probes(name: &str, deployment: &Deployment, must: &mut impl FnMut(bool, &[&str], &str)) {
    let probes = [
        ("readiness_probe", &deployment.readiness_probe),
        ("liveness_probe", &deployment.liveness_probe),
        ("startup_probe", &deployment.startup_probe),
    ];
    for (field, probe) in probes {
        let Some(probe) = probe else { continue };
        let is_readiness = field == "readiness_probe";
        let at = |last| ["deployments", name, field, last];
        must(
            probe.handlers() <= 1,
            &["deployments", name, field],
            "a probe with one handler: `http_get`, `tcp_socket` or `exec`",
        );
        must(
            probe.exec.as_ref().is_none_or(|it| !it.is_empty()),
            &at("exec"),
            "a command: its program, and what it is told",
        );
        must(
            is_readiness || probe.success_threshold.get() == 1,
            &at("success_threshold"),
            "1 for liveness and startup probes, as Kubernetes accepts",
        );
        must(
            !is_readiness || probe.termination_grace_period.is_none(),
            &at("termination_grace_period"),
            "left out for readiness probes: they kill nothing",
        );
    }
}

/// Lives of connections and ranges of ports.
fn proxy(subject: &Subject<'_>, must: &mut impl FnMut(bool, &[&str], &str)) {
    let zero = SimDuration::ZERO;
    let table = ["cluster", "proxy", "conntrack"];
    let ports = ["cluster", "proxy", "snat"];
    let rising = "a last port above the first, and the first from";
    match &subject.scenario.cluster.proxy {
        Proxy::Cilium {
            conntrack, snat, ..
        } => {
            let lives = conntrack.map(|it| [it.syn, it.tcp_established, it.close]);
            let interval = conntrack.map(|it| it.gc_interval);
            must(
                lives.is_none_or(|lives| lives.iter().all(|&life| life > zero))
                    && interval != Some(GcInterval::Every(zero)),
                &table,
                "a table whose times are longer than 0",
            );
            must(
                snat.is_none_or(|it| 1024 <= it.port_min && it.port_min < it.port_max),
                &ports,
                &format!("{rising} 1024 on"),
            );
            must(
                snat.is_none_or(|it| it.tries.get() <= 128),
                &[&ports[..], &["tries"]].concat(),
                "from 1 to 128",
            );
        }
        Proxy::KubeProxy {
            conntrack, snat, ..
        } => {
            let lives = conntrack.map(|it| [it.syn_sent, it.tcp_established, it.time_wait]);
            must(
                lives.is_none_or(|lives| lives.iter().all(|&life| life > zero)),
                &table,
                "a table whose times are longer than 0",
            );
            must(
                snat.is_none_or(|it| 1 <= it.port_min && it.port_min < it.port_max),
                &ports,
                &format!("{rising} 1 on"),
            );
        }
    }
}
