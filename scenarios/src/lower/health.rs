//! What can go wrong, and who notices: faults with their things found, probes and controllers.

use sim_core::SimTime;
use sim_models::control::deployment;
use sim_models::control::node_lifecycle::Patience;
use sim_models::fault::{self, Becomes, Busiest, Effect, Fault, NodeTrouble, Selector, What};
use sim_models::id::{DeploymentId, Id, LoadBalancerNodeId, NodeId, PodId};
use sim_models::world::Blueprint;
use sim_models::world::blueprint::{Autoscaler, Health, Scheduled, Workload};

use crate::scenario::{Deployment, Scenario};

/// The health signal of a scenario; `None` where nothing goes wrong and nobody is told to look.
///
/// Load balancers check their targets in every real cluster. Where nothing can go wrong the checks would
/// only cost time, so they are simulated where a fault, a probe or a `health_check` is written.
pub(super) fn lower(
    scenario: &Scenario,
    blueprint: &Blueprint,
    scheduled: Scheduled,
) -> Option<Box<Health>> {
    if !is_watched(scenario) {
        return None;
    }
    let cluster = &scenario.cluster;
    let load_balancer = &scenario.load_balancer;
    let workloads = scenario.deployments.values().map(|written| Workload {
        readiness_probe: written.readiness_probe.clone(),
        liveness_probe: written.liveness_probe.clone(),
        startup_probe: written.startup_probe.clone(),
        pre_stop: written.lifecycle.pre_stop,
        termination_grace_period: written.termination_grace_period,
        strategy: written.strategy,
        pace: deployment::Pace {
            workload_sync: written.workload_sync,
            create_pod: written.create_pod,
            delete_pod: written.delete_pod,
        },
        min_ready: written.min_ready,
        progress_deadline: written.progress_deadline,
        pod_disruption_budget: written.pod_disruption_budget,
        autoscaler: autoscaler(written),
        patience: Patience::of(&written.tolerations),
    });
    let groups = load_balancer.target_groups.values();
    let faults = scenario.faults.iter();
    let spares = spares(scenario, &scheduled);
    Some(Box::new(Health {
        scheduler: cluster.scheduler.clone(),
        scheduled: (!spares.is_empty()).then(|| Box::new(scheduled)),
        spares,
        faults: faults
            .flat_map(|it| found(scenario, blueprint, it))
            .collect(),
        kubelet: cluster.kubelet.clone(),
        watch_delay: cluster.api_server.watch_delay.clone(),
        api_latency: cluster.api_server.latency.clone(),
        dead_connection: cluster.api_server.dead_connection,
        reconnect: cluster.api_server.reconnect.clone(),
        controller_manager: cluster.controller_manager.clone(),
        endpoint_slice_controller: cluster.endpoint_slice_controller.clone(),
        node_lifecycle_controller: cluster.node_lifecycle_controller.clone(),
        default_toleration: cluster.default_toleration,
        node_recovery: cluster.node_recovery.clone(),
        aws_controller: load_balancer.controller.clone(),
        quotas: load_balancer.quotas,
        workloads: workloads.collect(),
        target_groups: groups.map(|group| group.health()).collect(),
        actions: super::actions(scenario),
    }))
}

/// Who changes a Deployment's replicas, with what its pods request: without a request of their own, their limit.
///
/// Source: Kubernetes, "Resource Management for Pods and Containers".
fn autoscaler(written: &Deployment) -> Option<Autoscaler> {
    let resources = &written.resources;
    let config = written.autoscaler.clone()?;
    let cpu_request = resources.requests.cpu.or(resources.limits.cpu)?;
    Some(Autoscaler {
        config,
        cpu_request,
    })
}

/// Places for new pods: as many as a Deployment has replicas, where something replaces or removes pods, and one for each that is
/// Pending and may find a node then.
///
/// At most all pods of a Deployment are being replaced at once, and a place that a pod has left is used again.
fn spares(scenario: &Scenario, scheduled: &Scheduled) -> Vec<DeploymentId> {
    let replaced = |name: &str| {
        scenario.faults.iter().any(|fault| match &fault.on {
            Selector::Node { .. } | Selector::Zone { .. } => !matches!(
                fault.becomes.effect(),
                Effect::Node(
                    NodeTrouble::KubeletRestart
                        | NodeTrouble::AgentDown
                        | NodeTrouble::AgentHung
                        | NodeTrouble::AgentSlow(_)
                        | NodeTrouble::ToBeDeleted
                )
            ),
            Selector::Deployment { name: rolled } => rolled == name,
            Selector::ApiServer | Selector::ControllerManager => false,
            Selector::Pod { deployment, .. }
            | Selector::Pods { deployment, .. }
            | Selector::Busiest { deployment, .. } => {
                deployment == name && fault.becomes.effect() == Effect::Delete
            }
            Selector::TargetGroup { .. }
            | Selector::Rule { .. }
            | Selector::LoadBalancerNode { .. }
            | Selector::LoadBalancerZone { .. }
            | Selector::Controller => false,
        })
    };
    let mut deployments = scenario.deployments.values();
    let any =
        scenario.deployments.names().any(replaced) || deployments.any(|it| it.autoscaler.is_some());
    let places = |(index, (name, written)): (usize, (&str, &Deployment))| {
        let id = DeploymentId::from_index(index);
        let pending = if any { scheduled.pending[id] } else { 0 };
        let replicas = written.replicas.get();
        let new = match &written.autoscaler {
            // As many again as there may be, for those that leave.
            Some(scaler) => 2 * scaler.max_replicas.get().max(replicas) - replicas,
            None if replaced(name) => replicas,
            None => 0,
        };
        std::iter::repeat_n(id, (new + pending) as usize)
    };
    scenario
        .deployments
        .iter()
        .enumerate()
        .flat_map(places)
        .collect()
}

/// Whether something can go wrong, or somebody is told to look.
pub(crate) fn is_watched(scenario: &Scenario) -> bool {
    let mut deployments = scenario.deployments.values();
    let mut groups = scenario.load_balancer.target_groups.values();
    !scenario.faults.is_empty()
        || deployments.any(|it| {
            it.autoscaler.is_some()
                || [&it.readiness_probe, &it.liveness_probe, &it.startup_probe]
                    .into_iter()
                    .any(Option::is_some)
        })
        || groups.any(|group| group.health_check.is_some() || group.anomaly_mitigation)
}

/// A fault with its things found: one for each node of a zone, one for anything else.
fn found(scenario: &Scenario, blueprint: &Blueprint, written: &fault::Config) -> Vec<Fault> {
    let Selector::Zone { name } = &written.on else {
        return fault(scenario, blueprint, written).into_iter().collect();
    };
    let nodes = blueprint.nodes.enumerate();
    let there = nodes.filter(|(_, node)| blueprint.zones[node.zone] == *name);
    let of_node = |(id, _): (NodeId, _)| {
        let on = Selector::Node { index: id.0 };
        let written = fault::Config {
            on,
            ..written.clone()
        };
        fault(scenario, blueprint, &written)
    };
    there.filter_map(of_node).collect()
}

/// A fault with its things found; `None` where all its pods are Pending.
fn fault(scenario: &Scenario, blueprint: &Blueprint, written: &fault::Config) -> Option<Fault> {
    let pods = pods(scenario, blueprint, &written.on);
    let what = match (written.becomes.effect(), &written.on) {
        (Effect::Node(trouble), Selector::Node { index }) => What::Node(NodeId(*index), trouble),
        (Effect::RollOut(condition), Selector::Deployment { name }) => {
            What::RollOut(deployment(scenario, name)?, condition)
        }
        (Effect::Replace, Selector::TargetGroup { name }) => {
            let Becomes::ReplacedBy { group } = &written.becomes else {
                return None;
            };
            let names = super::Names { scenario };
            What::Replace {
                old: names.target_group(name),
                new: names.target_group(group),
            }
        }
        (Effect::Forward, Selector::Rule { index }) => {
            let Becomes::Forwarding { to } = &written.becomes else {
                return None;
            };
            What::Forward(index + 1, super::action(scenario, to))
        }
        (Effect::LoadBalancer(trouble), on) => {
            What::LoadBalancer(load_balancer_nodes(scenario, blueprint, on), trouble)
        }
        (Effect::LeaderChange, Selector::Controller) => What::LeaderChange,
        (Effect::Throttle(rate), _) => What::Throttle(rate),
        (Effect::ControlPlane(outage), _) => What::ControlPlane(outage),
        (Effect::Overload(by), _) => What::Overload(by),
        (
            Effect::Node(_)
            | Effect::RollOut(_)
            | Effect::Replace
            | Effect::Forward
            | Effect::LeaderChange,
            _,
        ) => return None,
        (
            effect,
            Selector::Busiest {
                deployment: name,
                at,
            },
        ) => {
            let deployment = deployment(scenario, name)?;
            let at = SimTime::ZERO + at.unwrap_or(written.from);
            What::ToBusiest(Busiest { deployment, at }, effect)
        }
        _ if pods.is_empty() => return None,
        (effect, _) => effect.on(pods)?,
    };
    Some(Fault {
        what,
        from: SimTime::ZERO + written.from,
        until: written.until.map(|until| SimTime::ZERO + until),
    })
}

/// The pods that a selector means.
fn pods(scenario: &Scenario, blueprint: &Blueprint, selector: &Selector) -> Vec<PodId> {
    let of = |name: &str| {
        let id = deployment(scenario, name);
        let pods = blueprint.pods.enumerate();
        let own = pods.filter(move |(_, pod)| Some(pod.deployment) == id);
        own.map(|(id, _)| id).collect::<Vec<PodId>>()
    };
    match selector {
        Selector::Pod { deployment, index } => {
            let pod = of(deployment).get(*index as usize).copied();
            pod.into_iter().collect()
        }
        Selector::Pods { deployment, share } => {
            let mut pods = of(deployment);
            pods.truncate((pods.len() as f64 * share).round() as usize);
            pods
        }
        Selector::Busiest { .. }
        | Selector::Node { .. }
        | Selector::Zone { .. }
        | Selector::Deployment { .. }
        | Selector::TargetGroup { .. }
        | Selector::Rule { .. }
        | Selector::LoadBalancerNode { .. }
        | Selector::LoadBalancerZone { .. }
        | Selector::Controller
        | Selector::ApiServer
        | Selector::ControllerManager => Vec::new(),
    }
}

/// The load balancer nodes that a selector means.
fn load_balancer_nodes(
    scenario: &Scenario,
    blueprint: &Blueprint,
    selector: &Selector,
) -> Vec<LoadBalancerNodeId> {
    match selector {
        Selector::LoadBalancerNode { index } => vec![LoadBalancerNodeId(*index)],
        Selector::LoadBalancerZone { zone } => {
            let zones = scenario.cluster.zones.iter();
            let zone = zones
                .zip(blueprint.zones.ids())
                .find(|(name, _)| *name == zone);
            let nodes = blueprint.load_balancer.nodes.enumerate();
            let own = nodes.filter(|&(_, &home)| zone.is_some_and(|(_, zone)| home == zone));
            own.map(|(node, _)| node).collect()
        }
        _ => Vec::new(),
    }
}

fn deployment(scenario: &Scenario, name: &str) -> Option<DeploymentId> {
    scenario
        .deployments
        .position(name)
        .map(DeploymentId::from_index)
}
