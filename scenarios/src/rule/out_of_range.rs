//! T018: values outside of what the real system accepts.

use sim_core::SimDuration;
use sim_models::request::client::Reuse;
use sim_models::request::conntrack::GcInterval;
use sim_models::request::forward::Forward;
use sim_models::request::load_balancer::Kind;
use sim_models::request::node_port::Proxy;
use sim_models::request::server::WhenFull;

use super::Subject;
use crate::auto::Auto;
use crate::code;
use crate::diagnostic::Diagnostic;

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
    let scenario = subject.scenario;
    let zero = SimDuration::ZERO;
    must(
        scenario.run.length > zero,
        &["run", "length"],
        "longer than 0",
    );
    must(
        scenario.run.event_budget > 0,
        &["run", "event_budget"],
        "above 0",
    );
    if let Auto::Given(warm_up) = scenario.run.warm_up {
        let longest = SimDuration::from_secs(LONGEST_SECONDS);
        must(warm_up <= longest, &["run", "warm_up"], "at most a year");
    }
    must(
        scenario.run.length <= SimDuration::from_secs(LONGEST_SECONDS),
        &["run", "length"],
        "at most a year",
    );

    must(
        scenario.cluster.scheduler.percentage_of_nodes_to_score <= 100,
        &["cluster", "scheduler", "percentage_of_nodes_to_score"],
        "from 0 to 100",
    );
    let scheduler = &scenario.cluster.scheduler;
    let back_off = scheduler.back_off;
    must(
        back_off.initial > zero,
        &["cluster", "scheduler", "back_off", "initial"],
        "longer than 0",
    );
    must(
        back_off.max >= back_off.initial,
        &["cluster", "scheduler", "back_off", "max"],
        "at least as long as `initial`",
    );
    must(
        scheduler.unschedulable_flush > zero,
        &["cluster", "scheduler", "unschedulable_flush"],
        "longer than 0",
    );
    for (name, group) in scenario.cluster.node_groups.iter() {
        must(
            group.base_load.len() as u64 <= u64::from(group.count.get()),
            &["cluster", "node_groups", name, "base_load"],
            "no longer than there are nodes in the group",
        );
    }

    for (name, deployment) in scenario.deployments.iter() {
        for (at, port) in deployment.host_ports.iter().enumerate() {
            let at = at.to_string();
            must(
                port.port > 0,
                &["deployments", name, "host_ports", &at, "port"],
                "from 1 to 65535",
            );
        }
        let by_hand = deployment.placement.is_some();
        must(
            deployment.earlier_rollouts <= if by_hand { 0 } else { MOST_ROLLOUTS },
            &["deployments", name, "earlier_rollouts"],
            "from 0 to 100, and 0 with a placement by hand",
        );
        for own in ["app", "pod-template-hash"] {
            must(
                !deployment.labels.contains_key(own),
                &["deployments", name, "labels", own],
                "another label: the controllers set this one",
            );
        }
    }

    let links = &scenario.cluster.links;
    must(
        (0.0..=1.0).contains(&links.jitter),
        &["cluster", "links", "jitter"],
        "from 0 to 1",
    );
    must(
        (576..=9216).contains(&links.mtu),
        &["cluster", "links", "mtu"],
        "from 576 to 9216 bytes",
    );

    proxy(subject, &mut must);

    let Kind::Alb { nodes_per_zone } = scenario.load_balancer.kind;
    must(
        nodes_per_zone.get() <= 50,
        &["load_balancer", "kind", "nodes_per_zone"],
        "from 1 to 50",
    );
    let idle = scenario.load_balancer.idle_timeout;
    let (least, most) = (SimDuration::from_secs(1), SimDuration::from_secs(4000));
    must(
        (least..=most).contains(&idle),
        &["load_balancer", "idle_timeout"],
        "from \"1s\" to \"4000s\", as the ALB accepts",
    );

    let load_balancer = &scenario.load_balancer;
    must(
        load_balancer.connect_timeout > zero,
        &["load_balancer", "connect_timeout"],
        "longer than 0",
    );
    must(
        load_balancer.tls_handshake_timeout > zero,
        &["load_balancer", "tls_handshake_timeout"],
        "longer than 0",
    );
    must(
        load_balancer.retry.on_connect_failure <= 2,
        &["load_balancer", "retry", "on_connect_failure"],
        "from 0 to 2",
    );
    must(
        load_balancer.syn_retransmit.is_sorted(),
        &["load_balancer", "syn_retransmit"],
        "in rising order",
    );
    must(
        (SimDuration::from_secs(60)..=SimDuration::from_secs(604_800))
            .contains(&scenario.load_balancer.client_keep_alive),
        &["load_balancer", "client_keep_alive"],
        "from \"60s\" to \"604800s\", as the ALB accepts",
    );

    for (name, group) in subject.target_groups() {
        must(
            group.upstream.pool_max_age.is_none_or(|age| age > zero),
            &[
                "load_balancer",
                "target_groups",
                name,
                "upstream",
                "pool_max_age",
            ],
            "longer than 0",
        );
        must(
            (least..=SimDuration::from_secs(604_800)).contains(&group.stickiness.duration),
            &[
                "load_balancer",
                "target_groups",
                name,
                "stickiness",
                "duration",
            ],
            "from \"1s\" to \"604800s\", as the ALB accepts",
        );
    }

    for (name, service) in scenario.services.iter() {
        must(
            (least..=SimDuration::from_secs(86_400)).contains(&service.session_affinity_timeout),
            &["services", name, "session_affinity_timeout"],
            "from \"1s\" to \"86400s\", as Kubernetes accepts",
        );
    }

    for (name, deployment) in scenario.deployments.iter() {
        if let Some(slow) = deployment.server.slow_start {
            let path = ["deployments", name, "server", "slow_start"];
            must(
                slow.factor.is_finite() && slow.factor >= 1.0 && slow.duration > zero,
                &path,
                "a factor of 1 or more over a time longer than 0",
            );
        }
        if let WhenFull::Status(status) = deployment.server.when_full {
            let path = ["deployments", name, "server", "when_full"];
            must(
                (400..=599).contains(&status),
                &path,
                "a status from 400 to 599",
            );
        }
    }
    for (name, population) in scenario.clients.iter() {
        if let Reuse::Geometric { mean } = population.connection.reuse {
            let path = ["clients", name, "connection", "reuse", "mean"];
            must(mean >= 1.0, &path, "1 or more requests");
        }
        must(
            population.connection.idle_timeout > zero,
            &["clients", name, "connection", "idle_timeout"],
            "longer than 0",
        );
        must(
            population.connection.max_age.is_none_or(|age| age > zero),
            &["clients", name, "connection", "max_age"],
            "longer than 0",
        );
        must(
            population.timeout.is_none_or(|timeout| timeout > zero),
            &["clients", name, "timeout"],
            "longer than 0",
        );
        let retries = &population.retries;
        must(
            retries.at_most <= 10,
            &["clients", name, "retries", "at_most"],
            "from 0 to 10",
        );
        must(
            retries
                .budget
                .is_none_or(|budget| (0.0..=1.0).contains(&budget)),
            &["clients", name, "retries", "budget"],
            "from 0 to 1",
        );
        must(
            retries.backoff <= SimDuration::from_secs(3600),
            &["clients", name, "retries", "backoff"],
            "at most an hour",
        );
        for (index, request) in population.requests.iter().enumerate() {
            let index = index.to_string();
            must(
                request.weight > 0.0,
                &["clients", name, "requests", &index, "weight"],
                "above 0",
            );
            must(
                request.path.starts_with('/'),
                &["clients", name, "requests", &index, "path"],
                "a path that begins with \"/\"",
            );
        }
        if let Some(expected) = population.arrivals.flaw() {
            must(false, &["clients", name, "arrivals"], expected);
        }
        if let Some(limit) = population.stop_after {
            must(limit > 0, &["clients", name, "stop_after"], "1 or more");
        }
    }
    for (index, rule) in scenario.load_balancer.rules.iter().enumerate() {
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

/// Nobody wants to know how the pods lie after more updates than this.
const MOST_ROLLOUTS: u32 = 100;

/// The clock counts nanoseconds in 64 bits and ends after 584 years; a year leaves room for every delay.
const LONGEST_SECONDS: u64 = 366 * 86_400;
