//! T116 and T117: who understands whom, and how few connections HTTP/2 needs.

use sim_models::request::load_balancer::TargetType;

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    wrong_protocol(subject, found);
    few_connections(subject, found);
}

/// Clients whose requests a listener rule leads to a group that does not take them.
fn wrong_protocol(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, population) in subject.scenario.clients.iter() {
        let paths = population.requests.iter().map(|it| it.path.as_str());
        let paths: Vec<&str> = paths.collect();
        let paths = if paths.is_empty() { vec!["/"] } else { paths };
        let groups = paths.iter().flat_map(|path| subject.target_groups_of(path));
        let groups = groups.filter(|&(_, share)| share > 0.0);
        let refuses = |&(group, _): &(&str, f64)| {
            let targets = &subject.scenario.load_balancer.target_groups[group];
            !population.protocol.is_served_by(targets.protocol_version)
        };
        let Some((group, _)) = groups.into_iter().find(refuses) else {
            continue;
        };
        let targets = &subject.scenario.load_balancer.target_groups[group];
        let group_place = ["load_balancer", "target_groups", group, "protocol_version"];
        let message = format!("target group {group:?} does not take what {name:?} speak");
        found.push(
            Diagnostic::warning(code::WRONG_PROTOCOL, message)
                .label(
                    subject.at(&["clients", name, "protocol"]),
                    format!("speak {:?}", population.protocol),
                )
                .label(subject.at(&group_place), format!("takes {:?}", targets.protocol_version))
                .help("every request gets a 464; HTTP/1.1 groups take HTTP/1.1 and HTTP/2, HTTP/2 groups HTTP/2 and gRPC, gRPC groups gRPC"),
        );
    }
}

/// Groups of nodes whose requests ride on few connections.
fn few_connections(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let nodes = subject.load_balancer_nodes();
    for (name, group) in subject.target_groups() {
        if group.target_type != TargetType::Instance || !group.protocol_version.multiplexes() {
            continue;
        }
        let per_pair = u64::from(group.upstream.http2.connections.get());
        let connections = nodes * subject.nodes() * per_pair;
        let path = ["load_balancer", "target_groups", name, "protocol_version"];
        found.push(
            Diagnostic::warning(
                code::FEW_CONNECTIONS,
                format!("requests to {name:?} ride on about {connections} connections"),
            )
            .label(subject.at(&path), "one connection carries up to 128 requests at once")
            .help("a node chooses a pod once for each connection, so these few choices decide how pods share the load")
            .help("use `target_type: Ip`, where each request is balanced, or let servers end connections after fewer requests"),
        );
    }
}
