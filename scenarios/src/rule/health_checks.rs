//! T030 and T120: health checks of a port that is not there, codes that no target answers, and checks that nobody can pass.

use sim_models::health::health_check::{Config, Port};
use sim_models::request::load_balancer::{Scheme, TargetGroupConfig, TargetType};
use sim_models::request::protocol::Protocol;

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, group, check) in checks(subject) {
        if check.port == Port::HealthCheckNodePort {
            port_is_there(subject, name, group, found);
        }
        codes(subject, name, group, check, found);
    }
}

fn checks<'a>(
    subject: &Subject<'a>,
) -> impl Iterator<Item = (&'a str, &'a TargetGroupConfig, &'a Config)> {
    let groups = subject.target_groups();
    groups.filter_map(|(name, group)| Some((name, group, group.health_check.as_ref()?)))
}

/// Only a Service of type LoadBalancer with `Local` has a `healthCheckNodePort`, and only nodes answer on it.
fn port_is_there(
    subject: &Subject<'_>,
    name: &str,
    group: &TargetGroupConfig,
    found: &mut Vec<Diagnostic>,
) {
    let path = [
        "load_balancer",
        "target_groups",
        name,
        "health_check",
        "port",
    ];
    let mut wrong = |message: String, path: &[&str], label: &str, help: &str| {
        found.push(
            Diagnostic::error(code::NO_HEALTH_CHECK_NODE_PORT, message)
                .label(subject.at(path), label)
                .help(help),
        );
    };
    let service = subject.scenario.services.get(&group.service);
    if group.target_type == TargetType::Ip {
        wrong(
            format!("pods behind {name:?} have no `healthCheckNodePort`"),
            &path,
            "a port of nodes",
            "with `target_type: Ip` the load balancer checks the pods themselves: use `port: TrafficPort`",
        );
    } else if service.is_some_and(|it| !it.has_health_check_node_port()) {
        wrong(
            format!(
                "the service {:?} has no `healthCheckNodePort`",
                group.service
            ),
            &path,
            "checks this port",
            "Kubernetes gives one to Services with `type: LoadBalancer` and `external_traffic_policy: Local` only",
        );
    }
}

/// HTTP statuses from 200 to 499, gRPC statuses from 0 to 99, the first not after the last.
fn codes(
    subject: &Subject<'_>,
    name: &str,
    group: &TargetGroupConfig,
    check: &Config,
    found: &mut Vec<Diagnostic>,
) {
    let Some((first, last)) = check.success_codes else {
        return;
    };
    let (range, words) = match group.protocol_version {
        Protocol::Grpc => (0..=99, "gRPC statuses from 0 to 99"),
        Protocol::Http1 | Protocol::Http2 => (200..=499, "statuses from 200 to 499"),
    };
    if !(range.contains(&first) && range.contains(&last) && first <= last) {
        let words = format!("{words}, the first not above the last");
        let path = [
            "load_balancer",
            "target_groups",
            name,
            "health_check",
            "success_codes",
        ];
        let message = format!("`success_codes` must be {words}");
        found.push(
            Diagnostic::error(code::OUT_OF_RANGE, message)
                .label(subject.at(&path), format!("expected {words}")),
        );
    }
}

/// Checks that do not speak what their port speaks.
pub(super) fn check_never_passed(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, group, check) in checks(subject) {
        let by_agent = check.port == Port::HealthCheckNodePort;
        let port = if by_agent {
            Scheme::Http
        } else {
            group.protocol
        };
        let speaks = check.protocol.unwrap_or(group.protocol);
        let is_grpc = group.protocol_version == Protocol::Grpc;
        // A plain request on a TLS port gets 400.
        let accepts_400 = check.success_codes.is_some_and(|(_, last)| last >= 400);
        let (why, help) = if by_agent && is_grpc {
            ("a node's agent speaks no gRPC", "use `port: TrafficPort`")
        } else if (speaks, port) == (Scheme::Https, Scheme::Http) {
            (
                "the port speaks plain HTTP",
                "write `protocol: Http` in the health check",
            )
        } else if (speaks, port) == (Scheme::Http, Scheme::Https) && !accepts_400 {
            (
                "the port speaks TLS",
                "write `protocol: Https` in the health check",
            )
        } else {
            continue;
        };
        let path = ["load_balancer", "target_groups", name, "health_check"];
        let message = format!("no target of {name:?} can pass its health check");
        found.push(
            Diagnostic::warning(code::NEVER_HEALTHY, message)
                .label(subject.key(&path), why)
                .help(format!(
                    "all targets turn unhealthy, and the group fails open; {help}"
                )),
        );
    }
}
