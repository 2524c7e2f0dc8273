//! From a scenario as written to a blueprint as meant: names become ids, defaults that depend on other parts are filled in.

use sim_core::{Dist, SimDuration};
use sim_models::cluster::capacity::TypeName;
use sim_models::cluster::topology::{Node, Pod};
use sim_models::fault::Becomes;
use sim_models::id::{
    Arena, DeploymentId, Id, NodeId, PodId, PopulationId, ServiceId, TargetGroupId, ZoneId,
};
use sim_models::quantity::{Bandwidth, Size};
use sim_models::request::client;
use sim_models::request::forward::Forward;
use sim_models::request::load_balancer::Kind;
use sim_models::request::node_port::{Machine, Tracking};
use sim_models::request::rules::Action;
use sim_models::world::Blueprint;
use sim_models::world::blueprint::{
    Deployment, LoadBalancer, Population, RequestClass, Run, Scheduled, Service, TargetGroup,
};

use crate::auto::Auto;
use crate::placement::Placed;
use crate::scenario::Scenario;

mod health;

pub(crate) use health::is_watched;

/// The blueprint of a scenario in which no rule found an error, with the pods of its first replication.
///
/// With an automatic warm-up the blueprint has none: whoever runs it finds out how long it must be.
///
/// # Panics
///
/// When the scenario breaks a rule that finds errors, such as a name that refers to nothing.
pub fn lower(scenario: &Scenario, placed: Placed<'_>) -> Blueprint {
    let names = Names { scenario };
    let (pods, scheduled) = pods(placed);
    let mut blueprint = Blueprint {
        run: Run {
            warm_up: match scenario.run.warm_up {
                Auto::Auto => SimDuration::ZERO,
                Auto::Given(warm_up) => warm_up,
            },
            length: scenario.run.length,
            event_budget: scenario.run.event_budget,
        },
        zones: scenario.cluster.zones.iter().cloned().collect(),
        nodes: nodes(scenario),
        pods,
        deployments: deployments(scenario),
        services: services(&names),
        network: scenario.cluster.network,
        links: scenario.cluster.links.clone(),
        bandwidths: bandwidths(scenario),
        proxy: scenario.cluster.proxy.clone(),
        tracking: tracking(scenario),
        load_balancer: load_balancer(&names),
        target_groups: target_groups(&names),
        populations: populations(&names),
        health: None,
    };
    blueprint.health = health::lower(scenario, &blueprint, scheduled);
    blueprint
}

/// Looks names up. The rules have seen that they exist.
struct Names<'a> {
    scenario: &'a Scenario,
}

impl Names<'_> {
    fn zone(&self, name: &str) -> ZoneId {
        let position = self
            .scenario
            .cluster
            .zones
            .iter()
            .position(|zone| zone == name);
        ZoneId::from_index(position.expect("the rule on dangling names saw this zone"))
    }

    fn deployment(&self, name: &str) -> DeploymentId {
        let position = self.scenario.deployments.position(name);
        DeploymentId::from_index(position.expect("the rule on dangling names saw this deployment"))
    }

    fn service(&self, name: &str) -> ServiceId {
        let position = self.scenario.services.position(name);
        ServiceId::from_index(position.expect("the rule on dangling names saw this service"))
    }

    fn target_group(&self, name: &str) -> TargetGroupId {
        let position = self
            .scenario
            .load_balancer
            .target_groups
            .keys()
            .position(|group| group == name);
        TargetGroupId::from_index(
            position.expect("the rule on dangling names saw this target group"),
        )
    }
}

/// Nodes, group after group, each group over its zones in turn.
pub(crate) fn nodes(scenario: &Scenario) -> Arena<NodeId, Node> {
    let names = Names { scenario };
    let mut nodes = Arena::default();
    for (name, group) in scenario.cluster.node_groups.iter() {
        let zones = group.zones.as_ref().unwrap_or(&scenario.cluster.zones);
        let zones: Vec<ZoneId> = zones.iter().map(|zone| names.zone(zone)).collect();
        for index in 0..group.count.get() {
            nodes.push(Node {
                name: format!("{name}-{index}"),
                zone: zones[index as usize % zones.len()],
            });
        }
    }
    nodes
}

/// What each node's interface can send.
fn bandwidths(scenario: &Scenario) -> Vec<Option<Bandwidth>> {
    let groups = scenario.cluster.node_groups.values();
    groups
        .flat_map(|group| (0..group.count.get()).map(|_| group.network_bandwidth))
        .collect()
}

/// The nodes' connection tables, where the scenario asks for them: their size follows from the machine.
fn tracking(scenario: &Scenario) -> Option<Box<Tracking>> {
    let groups = scenario.cluster.node_groups.values();
    let machines = groups.flat_map(|group| {
        let known = group.instance_type.as_ref().map(TypeName::instance_type);
        let machine = Machine {
            memory_gib: known.map(|it| it.memory_gib),
            cores: known.map(|it| it.vcpus),
        };
        (0..group.count.get()).map(move |_| machine)
    });
    scenario.cluster.proxy.tracking(machines).map(Box::new)
}

/// The pods that were placed, deployment after deployment, and the scheduler that placed them. Those that stay Pending are not among
/// the pods.
pub(crate) fn pods(placed: Placed<'_>) -> (Arena<PodId, Pod>, Scheduled) {
    let deployments = placed.names().zip(&placed.placements).enumerate();
    let pods = deployments.flat_map(|(id, (name, placement))| {
        let deployment = DeploymentId::from_index(id);
        let pod = move |(index, &node): (usize, &NodeId)| Pod {
            name: format!("{name}-{index}"),
            deployment,
            node,
        };
        placement.on.iter().enumerate().map(pod)
    });
    let pods = pods.collect();
    (pods, placed.scheduled())
}

fn deployments(scenario: &Scenario) -> Arena<DeploymentId, Deployment> {
    let deployment = |(name, written): (&str, &crate::scenario::Deployment)| Deployment {
        name: name.to_owned(),
        replicas: written.replicas.get(),
        server: written.server.clone(),
    };
    scenario.deployments.iter().map(deployment).collect()
}

fn services(names: &Names<'_>) -> Arena<ServiceId, Service> {
    let services = names.scenario.services.iter();
    services
        .map(|(name, written)| Service {
            name: name.to_owned(),
            selects: names.deployment(&written.selects),
            external_traffic_policy: written.external_traffic_policy,
            lb_algorithm: written.lb_algorithm,
            session_affinity: written.affinity(),
        })
        .collect()
}

fn load_balancer(names: &Names<'_>) -> LoadBalancer {
    let written = &names.scenario.load_balancer;
    let Kind::Alb { nodes_per_zone } = written.kind;
    let enabled = written
        .zones
        .as_ref()
        .unwrap_or(&names.scenario.cluster.zones);
    let nodes = enabled
        .iter()
        .flat_map(|zone| (0..nodes_per_zone.get()).map(|_| names.zone(zone)));
    LoadBalancer {
        nodes: nodes.collect(),
        idle_timeout: written.idle_timeout,
        client_keep_alive: written.client_keep_alive,
        dns_ttl: written.dns_ttl,
        node_failure_to_dns: written.node_failure_to_dns,
        retired_node_closes_idle: written.retired_node_closes_idle,
        connect_timeout: written.connect_timeout,
        tls_handshake_timeout: written.tls_handshake_timeout,
        retry: written.retry,
        response_timeout: written.idle_timeout,
        proxy_latency: written.proxy_latency.clone(),
        icmp_unreachable: written.icmp_unreachable,
        syn_retransmits: written.syn_retransmit.clone(),
        http2: written.http2,
    }
}

/// The nodes that are left where some were lost; `None` where all are there.
///
/// Source: AWS Load Balancer Controller, "TargetGroupBinding": nodes that are not Ready are not registered.
fn live_nodes(scenario: &Scenario) -> Option<Vec<NodeId>> {
    let groups = scenario.cluster.node_groups.values();
    let lost: Vec<bool> = groups
        .flat_map(|group| (0..group.count.get()).map(|_| group.lost.is_some()))
        .collect();
    let live = |node: &usize| !lost[*node];
    lost.contains(&true).then(|| {
        (0..lost.len())
            .filter(live)
            .map(NodeId::from_index)
            .collect()
    })
}

fn target_groups(names: &Names<'_>) -> Arena<TargetGroupId, TargetGroup> {
    let targets = live_nodes(names.scenario);
    let groups = names.scenario.load_balancer.target_groups.iter();
    groups
        .map(|(name, written)| TargetGroup {
            name: name.clone(),
            service: names.service(&written.service),
            target_type: written.target_type,
            protocol: written.protocol,
            protocol_version: written.protocol_version,
            nodes: targets.clone(),
            algorithm: written.algorithm,
            round_robin: written.round_robin,
            least_outstanding: written.least_outstanding,
            cross_zone: written.cross_zone,
            stickiness: written
                .stickiness
                .enabled
                .then_some(written.stickiness.duration),
            upstream: written.upstream,
        })
        .collect()
}

fn populations(names: &Names<'_>) -> Arena<PopulationId, Population> {
    let population = |(name, written): (&str, &client::Config)| Population {
        name: name.to_owned(),
        config: written.clone(),
        classes: classes(names, written),
    };
    names.scenario.clients.iter().map(population).collect()
}

/// Whether a fault changes what rules do.
fn changes_rules(scenario: &Scenario) -> bool {
    let mut faults = scenario.faults.iter();
    faults.any(|fault| {
        matches!(
            fault.becomes,
            Becomes::ReplacedBy { .. } | Becomes::Forwarding { .. }
        )
    })
}

/// The default action and those of the listener rules, where a fault changes some of them.
fn actions(scenario: &Scenario) -> Vec<Action> {
    if !changes_rules(scenario) {
        return Vec::new();
    }
    let load_balancer = &scenario.load_balancer;
    let first = load_balancer.target_groups.keys().next();
    let default = first.map(|group| action(scenario, &Forward::to(group)));
    let rules = load_balancer.rules.iter();
    let rules = rules.map(|rule| action(scenario, &rule.forward));
    default.into_iter().chain(rules).collect()
}

/// What a rule does, with names found.
fn action(scenario: &Scenario, forward: &Forward) -> Action {
    let names = Names { scenario };
    let groups = forward.groups();
    groups
        .map(|(group, weight)| (names.target_group(group), weight))
        .collect()
}

/// What a population asks for, with the target group that the first matching rule names.
///
/// Where a rule names several, a class splits into one for each: the draw of the class is the rule's draw as well. Where rules change, a
/// class stays whole, and its work is that of the first group's server.
fn classes(names: &Names<'_>, population: &client::Config) -> Vec<RequestClass> {
    let load_balancer = &names.scenario.load_balancer;
    let shares = |path: &str| match load_balancer.rules.as_slice() {
        [] => vec![(0, Some(TargetGroupId::from_index(0)), 1.0)],
        rules => match rules.iter().zip(1..).find(|(rule, _)| rule.matches(path)) {
            None => vec![(0, None, 1.0)],
            Some((rule, priority)) => {
                let shares = rule.forward.shares();
                if changes_rules(names.scenario) {
                    let first = shares.take(1);
                    let group = |(group, _): (&str, f64)| names.target_group(group);
                    return first
                        .map(|share| (priority, Some(group(share)), 1.0))
                        .collect();
                }
                shares
                    .map(|(group, share)| (priority, Some(names.target_group(group)), share))
                    .collect()
            }
        },
    };
    let split = |path: &str, weight: f64, demand: Option<&Dist>, bytes: Size| {
        let class = |(rule, target_group, share): (u32, Option<TargetGroupId>, f64)| RequestClass {
            path: path.to_owned(),
            rule,
            weight: weight * share,
            demand: demand.cloned(),
            bytes,
            target_group,
        };
        shares(path).into_iter().map(class).collect::<Vec<_>>()
    };
    match population.requests.as_slice() {
        [] => split("/", 1.0, None, client::request_bytes()),
        requests => requests
            .iter()
            .flat_map(|it| split(&it.path, it.weight, it.demand.as_ref(), it.bytes))
            .collect(),
    }
}
