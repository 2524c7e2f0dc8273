//! A world set up as the recording's arithmetic assumes: no distance, no work, a new connection for each request.

use serde::Deserialize;
use sim_core::dist::LogNormal;
use sim_core::{Dist, SimDuration, SimTime};
use sim_models::cluster::condition::{Erroring, PodCondition, Slow};
use sim_models::control::deployment::Pace;
use sim_models::control::int_or_percent::IntOrPercent;
use sim_models::fault::{Fault, NodeTrouble, Outage, What};
use sim_models::health::{probe, service_map};
use sim_models::id::{DeploymentId, Id, NodeId, PodId, ZoneId};
use sim_models::request::node_port::{NoBackendResponse, Proxy};
use sim_models::world::Blueprint;
use sim_models::world::blueprint::Health;

use super::Case;
use crate::support::{self, Mode};

/// When the fault comes: everything has been checked and probed several times by then.
pub(super) const FAULT_AT: SimDuration = SimDuration::from_secs(40);

/// What a case says; the rest belongs to cases that are not modelled yet.
#[derive(Clone, Deserialize)]
pub(super) struct Config {
    #[serde(default)]
    pods_per_node: Vec<u32>,
    #[serde(default)]
    faulty_node: usize,
    #[serde(default)]
    dead_nodes: Vec<usize>,
    lb_nodes: Option<u32>,
    health_check: Option<HealthCheck>,
    readiness_probe: Option<ReadinessProbe>,
    no_backend_response: Option<String>,
    t_run_s: Option<Delay>,
    t_st_s: Option<Delay>,
    t_w_s: Option<Delay>,
    t_es_s: Option<Delay>,
    t_ag_s: Option<Delay>,
    t_lbc_s: Option<Delay>,
    slow_share: Option<f64>,
    slow_by_s: Option<f64>,
    pleg_period_s: Option<f64>,
    pleg_threshold_s: Option<f64>,
    node_status_s: Option<f64>,
    container_start_s: Option<f64>,
    app_boot_s: Option<f64>,
    restart_works: Option<bool>,
    kubernetes_minor: Option<u32>,
    life_time_s: Option<f64>,
    node_monitor: Option<NodeMonitor>,
    lease: Option<Lease>,
    n4_update_interval_s: Option<f64>,
    taint_interval_s: Option<f64>,
    toleration_s: Option<f64>,
    pods_deleted: Option<u32>,
    delete_interval_s: Option<f64>,
    pre_stop_s: Option<f64>,
    t_sched_s: Option<Delay>,
    t_start_s: Option<f64>,
    controller_s: Option<f64>,
    nodes: Option<u32>,
    replicas: Option<u32>,
    max_surge_percent: Option<u32>,
    max_unavailable_percent: Option<u32>,
    /// How many pods there are, where it does not matter on which nodes.
    pods: Option<u32>,
    probe_failure: Option<String>,
    outage_s: Option<f64>,
    status_retry_after_api_s: Option<Delay>,
    kcm_ready_after_api_s: Option<Delay>,
    agent_reconnect_after_api_s: Option<Delay>,
    kcm_gap_s: Option<Delay>,
}

#[derive(Clone, Deserialize)]
struct HealthCheck {
    interval_s: f64,
    timeout_s: f64,
    unhealthy_threshold: u32,
    healthy_threshold: u32,
}

#[derive(Clone, Deserialize)]
struct ReadinessProbe {
    period_s: f64,
    timeout_s: f64,
    failure_threshold: u32,
    success_threshold: u32,
    initial_delay_s: f64,
}

#[derive(Clone, Deserialize)]
struct NodeMonitor {
    period_s: f64,
    grace_s: f64,
    pass_time_s: f64,
}

#[derive(Clone, Deserialize)]
struct Lease {
    renew_s: f64,
}

/// A constant, or a distribution.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Delay {
    Constant(f64),
    Uniform { uniform: [f64; 2] },
    LogNormal { lognormal: Quantiles },
}

#[derive(Clone, Deserialize)]
struct Quantiles {
    median: f64,
    p99: f64,
}

/// A case ready to run.
pub(super) struct SetUp {
    pub(super) blueprint: Blueprint,
    /// Pods that the fault concerns.
    pub(super) pods: Vec<PodId>,
    /// Positions of the targets that the fault concerns.
    pub(super) targets: Vec<u32>,
    /// Nodes whose service map counts.
    pub(super) nodes: Vec<usize>,
    /// How long pods tolerate a lost node, in seconds.
    pub(super) toleration: Option<f64>,
    /// Until when requests count, after the fault.
    pub(super) horizon: Option<SimDuration>,
}

impl Config {
    /// Whether some delay is lognormal: what it delays has no latest moment.
    pub(super) fn has_no_ends(&self) -> bool {
        let delays = [
            &self.t_run_s,
            &self.t_st_s,
            &self.t_w_s,
            &self.t_es_s,
            &self.t_ag_s,
            &self.t_lbc_s,
            &self.t_sched_s,
        ];
        let mut delays = delays.into_iter().flatten();
        delays.any(|it| matches!(it, Delay::LogNormal { .. }))
    }
}

fn seconds(value: f64) -> SimDuration {
    SimDuration::from_secs_f64(value)
}

impl Delay {
    fn dist(&self) -> Dist {
        match self {
            Self::Constant(value) => Dist::Constant(seconds(*value)),
            Self::Uniform {
                uniform: [low, high],
            } => Dist::Uniform {
                low: seconds(*low),
                high: seconds(*high),
            },
            Self::LogNormal { lognormal } => Dist::LogNormal(LogNormal::Quantiles {
                median: seconds(lognormal.median),
                p99: seconds(lognormal.p99),
            }),
        }
    }
}

fn delay(given: &Option<Delay>) -> Dist {
    given
        .as_ref()
        .map_or(Dist::Constant(SimDuration::ZERO), Delay::dist)
}

fn threshold(value: u32) -> std::num::NonZeroU32 {
    std::num::NonZeroU32::new(value).expect("a threshold is 1 or more")
}

/// The world of a case; `None` where it is not modelled yet.
pub(super) fn blueprint(case: &Case) -> Option<SetUp> {
    let config = &case.config;
    let mode = match case.mode.as_str() {
        "ip" => Mode::Ip,
        "instance+Local" => Mode::InstanceLocal,
        _ => Mode::InstanceCluster,
    };
    let placement = match config.replicas {
        Some(replicas) => in_turn(replicas, config.nodes?),
        None if config.pods_per_node.is_empty() => in_turn(config.pods.unwrap_or(2), 2),
        None => config.pods_per_node.clone(),
    };
    let mut clients = support::clients(support::poisson(case.rate()));
    clients.addresses = threshold(if config.lb_nodes == Some(2) { 2_000 } else { 1 });
    clients.start = FAULT_AT;
    let horizon = case.horizon_s.map(seconds);
    clients.stop = Some(FAULT_AT + horizon.unwrap_or_default());
    let mut server = support::server(100_000, Dist::Constant(SimDuration::ZERO));
    server.check_time = SimDuration::ZERO;
    server.startup_time = Dist::Constant(seconds(config.app_boot_s.unwrap_or(0.0)));
    let mut blueprint = support::world(&placement, mode, server, clients);
    for group in blueprint.target_groups.iter_mut() {
        group.upstream.pool_max_idle = Some(0);
    }
    blueprint.load_balancer.nodes = (0..config.lb_nodes.unwrap_or(1))
        .map(|_| ZoneId(0))
        .collect();
    // A request that nobody answers is given up soon, so that it is counted.
    blueprint.load_balancer.response_timeout = SimDuration::from_secs(1);
    blueprint.proxy = Proxy::Cilium {
        algorithm: Default::default(),
        service_no_backend_response: match config.no_backend_response.as_deref() {
            Some("drop") => NoBackendResponse::Drop,
            _ => NoBackendResponse::Reject,
        },
        mode: Default::default(),
        unready_backend: Default::default(),
        gone_pod_address: Default::default(),
        health_check_node_port: true,
        conntrack: None,
        snat: None,
        agent: agent(config),
    };
    let mut health = Health::new(1, 1);
    set_delays(&mut health, config, case.fault == "FM17");
    if let Some(replicas) = config.replicas {
        // Every replica is replaced once.
        health.spares = vec![DeploymentId(0); replicas as usize];
    }
    let (whats, until, pods) = faults(case, &blueprint)?;
    let from = SimTime::ZERO + FAULT_AT;
    for what in whats {
        let until = match what {
            What::ControlPlane(Outage::ApiServer) => config.outage_s.map(|it| from + seconds(it)),
            _ => until,
        };
        health.faults.push(Fault { what, from, until });
    }
    blueprint.health = Some(Box::new(health));
    blueprint.load_balancer.syn_retransmits.clear();
    let longest = case
        .expected
        .values()
        .filter_map(|it| it.max.or(Some(10.0 * it.mean)));
    let longest = longest.fold(case.horizon_s.unwrap_or(0.0), f64::max);
    // The last connection attempt is given up after 10 s.
    blueprint.run.length = FAULT_AT + seconds(longest + 12.0);
    Some(SetUp {
        targets: targets(case, mode, &blueprint, &pods),
        nodes: nodes(case, mode),
        toleration: config.toleration_s,
        blueprint,
        pods,
        horizon,
    })
}

/// So many pods, dealt to the nodes in turn.
fn in_turn(replicas: u32, nodes: u32) -> Vec<u32> {
    let on = |node: u32| replicas / nodes + u32::from(node < replicas % nodes);
    (0..nodes).map(on).collect()
}

fn set_delays(health: &mut Health, config: &Config, broken_rollout: bool) {
    health.watch_delay = delay(&config.t_w_s);
    health.kubelet.loop_hop = delay(&config.t_run_s);
    health.kubelet.status_write = delay(&config.t_st_s);
    // The recording knows a pod that is told to leave, not that its object goes some time later.
    health.kubelet.sandbox_stop = Dist::Constant(SimDuration::from_secs(600));
    health.endpoint_slice_controller.sync = delay(&config.t_es_s);
    let controller = &mut health.aws_controller;
    controller.watch_delay = delay(&None);
    controller.reconcile = SimDuration::ZERO;
    controller.security_group_reconcile = SimDuration::ZERO;
    controller.api.register = SimDuration::ZERO;
    controller.api.deregister = SimDuration::ZERO;
    for group in health.target_groups.iter_mut() {
        group.deregister_propagation = delay(&config.t_lbc_s);
        group.register_propagation = delay(&config.t_lbc_s);
        if let Some(check) = &config.health_check {
            group.health_check.interval = seconds(check.interval_s);
            group.health_check.timeout = seconds(check.timeout_s);
            group.health_check.unhealthy_threshold = threshold(check.unhealthy_threshold);
            group.health_check.healthy_threshold = threshold(check.healthy_threshold);
        }
    }
    health.scheduler.latency = delay(&config.t_sched_s);
    for workload in health.workloads.iter_mut() {
        // The recorded controllers act at the end of their sync.
        workload.pace = Pace {
            workload_sync: seconds(config.controller_s.unwrap_or(0.0)),
            create_pod: SimDuration::ZERO,
            delete_pod: SimDuration::ZERO,
        };
        if let Some(percent) = config.max_surge_percent {
            workload.strategy.rolling_update.max_surge = IntOrPercent::Percent(percent);
        }
        if let Some(percent) = config.max_unavailable_percent {
            workload.strategy.rolling_update.max_unavailable = IntOrPercent::Percent(percent);
        }
        workload.pre_stop = seconds(config.pre_stop_s.unwrap_or(0.0));
        if broken_rollout {
            // The recording counts what new pods fail, not what old ones refuse while they leave.
            workload.pre_stop = workload.termination_grace_period;
        }
        workload.readiness_probe = config.readiness_probe.as_ref().map(|it| probe::Config {
            period: seconds(it.period_s),
            timeout: seconds(it.timeout_s),
            failure_threshold: threshold(it.failure_threshold),
            success_threshold: threshold(it.success_threshold),
            initial_delay: seconds(it.initial_delay_s),
            ..probe::Config::default()
        });
    }
    let start = config.container_start_s.or(config.t_start_s).unwrap_or(0.0);
    health.kubelet.start_container = Dist::Constant(seconds(start));
    if let Some(period) = config.pleg_period_s {
        health.kubelet.relist_period = seconds(period);
    }
    if let Some(threshold) = config.pleg_threshold_s {
        health.kubelet.pleg_unhealthy_after = seconds(threshold);
    }
    if let Some(pause) = config.node_status_s {
        health.kubelet.status_period = seconds(pause);
    }
    if config.kubernetes_minor.is_some_and(|minor| minor >= 35) {
        use sim_models::control::kubelet::RetryPoll;
        health.kubelet.crash_loop.retry_poll = RetryPoll::Remaining;
        health.kubelet.restart_flips_ready = false;
    }
    let lifecycle = &mut health.node_lifecycle_controller;
    if let Some(monitor) = &config.node_monitor {
        lifecycle.monitor_period = seconds(monitor.period_s);
        lifecycle.monitor_grace_period = seconds(monitor.grace_s);
        lifecycle.pass_time = seconds(monitor.pass_time_s);
    }
    if let Some(lease) = &config.lease {
        health.kubelet.lease_renew = Some(seconds(lease.renew_s));
    }
    if let Some(mark) = config.n4_update_interval_s {
        lifecycle.mark_pod = seconds(mark);
    }
    if let Some(pause) = config.taint_interval_s {
        let rate = sim_models::quantity::Rate::per_second(1.0 / pause);
        lifecycle.eviction_rate = rate.expect("a pause is above 0");
    }
    let set = |mine: &mut Dist, given: &Option<Delay>| {
        if given.is_some() {
            *mine = delay(given);
        }
    };
    if let Some(Delay::Uniform { uniform }) = &config.status_retry_after_api_s {
        // A pass over all statuses, at whatever phase.
        assert_eq!(uniform[0], 0.0, "a pass may come at once");
        health.kubelet.status_reconcile = seconds(uniform[1]);
    }
    let reconnect = &mut health.reconnect;
    set(&mut reconnect.agents, &config.agent_reconnect_after_api_s);
    // Given is when the controllers are back, whether they outlived the outage or others took over.
    set(&mut reconnect.controllers, &config.kcm_ready_after_api_s);
    let takeover = &mut health.controller_manager.takeover;
    set(takeover, &config.kcm_ready_after_api_s);
    set(takeover, &config.kcm_gap_s);
    if let Some(toleration) = config.toleration_s {
        health.default_toleration = seconds(toleration);
    }
}

/// The agent's delay: a constant is its wait for a batch, a distribution the time it takes to write.
fn agent(config: &Config) -> service_map::Config {
    let (wait, reconcile) = match &config.t_ag_s {
        Some(Delay::Constant(wait)) => (seconds(*wait), delay(&None)),
        other => (SimDuration::ZERO, delay(other)),
    };
    service_map::Config {
        reflector_wait: wait,
        reconcile,
        ..service_map::Config::default()
    }
}

/// What happens at once, until when, and to which pods.
fn faults(case: &Case, blueprint: &Blueprint) -> Option<(Vec<What>, Option<SimTime>, Vec<PodId>)> {
    let config = &case.config;
    let all = || blueprint.pods.ids().collect::<Vec<_>>();
    let hung = |with: What| {
        let (what, until, pods) = fault("FM2", case, blueprint)?;
        Some((vec![what, with], until, pods))
    };
    match case.fault.as_str() {
        "FM12" => {
            let crash = |&node: &usize| What::Node(NodeId(node as u32), NodeTrouble::Crash);
            let is_dead = |pod: &PodId| {
                let node = blueprint.pods[*pod].node.index();
                config.dead_nodes.contains(&node)
            };
            let whats = config.dead_nodes.iter().map(crash).collect();
            Some((whats, None, all().into_iter().filter(is_dead).collect()))
        }
        "FM13" => hung(What::ControlPlane(Outage::ApiServer)),
        "FM14" => hung(What::ControlPlane(Outage::Leader)),
        // Kubelets that cannot reach the API server report nothing; agents can.
        "FM15" => {
            let mute = |node| What::Node(node, NodeTrouble::KubeletHung);
            let nodes = blueprint.nodes.ids();
            Some((nodes.map(mute).collect(), None, all()))
        }
        "FM16" => {
            let condition = match config.probe_failure.as_deref() {
                Some("timeout") => PodCondition::Hanging,
                _ => PodCondition::Erroring(Erroring::default()),
            };
            Some((vec![What::Pods(all(), condition)], None, all()))
        }
        name => {
            let (what, until, pods) = fault(name, case, blueprint)?;
            Some((vec![what], until, pods))
        }
    }
}

/// What happens to a single thing, until when, and to which pods.
fn fault(
    name: &str,
    case: &Case,
    blueprint: &Blueprint,
) -> Option<(What, Option<SimTime>, Vec<PodId>)> {
    let config = &case.config;
    let on = |node: usize| {
        let pods = blueprint.pods.enumerate();
        let here = pods.filter(move |(_, pod)| pod.node.index() == node);
        here.map(|(id, _)| id).collect::<Vec<_>>()
    };
    let pod = vec![*on(config.faulty_node).first()?];
    let condition = |condition| Some((What::Pods(pod.clone(), condition), None, pod.clone()));
    match name {
        "FM1" | "FM2" => condition(PodCondition::Hanging),
        "FM3" => condition(PodCondition::Erroring(Erroring {
            delay: SimDuration::ZERO,
            ..Erroring::default()
        })),
        "FM4" => condition(PodCondition::Slow(Slow {
            factor: 1.0,
            add: seconds(config.slow_by_s?),
            share: config.slow_share?,
        })),
        "FM5" => {
            if let Some(lifetime) = config.life_time_s {
                return Some((What::CrashLoop(pod.clone(), seconds(lifetime)), None, pod));
            }
            let until = (config.restart_works == Some(false)).then_some(SimTime::MAX);
            Some((What::Exit(pod.clone()), until, pod))
        }
        "FM6" | "FM9" => {
            let trouble = if name == "FM6" {
                NodeTrouble::Crash
            } else {
                NodeTrouble::KubeletHung
            };
            let [dead] = config.dead_nodes[..] else {
                return None;
            };
            let node = NodeId(dead as u32);
            Some((What::Node(node, trouble), None, on(dead)))
        }
        "FM10" => {
            let node = config.faulty_node;
            let what = What::Node(NodeId(node as u32), NodeTrouble::RuntimeHung);
            Some((what, None, on(node)))
        }
        "FM17" | "FM18" if config.replicas.is_some() => {
            let condition = if name == "FM17" {
                PodCondition::Erroring(Erroring {
                    delay: SimDuration::ZERO,
                    ..Erroring::default()
                })
            } else {
                PodCondition::Serving
            };
            let pods = blueprint.pods.ids().collect();
            Some((What::RollOut(DeploymentId(0), condition), None, pods))
        }
        "FM18" => {
            let mut pods = on(config.faulty_node);
            pods.truncate(config.pods_deleted? as usize);
            let apart = seconds(config.delete_interval_s?);
            Some((What::Delete(pods.clone(), apart), None, pods))
        }
        "FM23" => {
            let what = What::Node(NodeId(0), NodeTrouble::KubeletRestart);
            Some((what, None, pod))
        }
        _ => None,
    }
}

/// Positions of the faulty targets: the pods with `ip`, the dead or emptied node with `instance`.
fn targets(case: &Case, mode: Mode, blueprint: &Blueprint, pods: &[PodId]) -> Vec<u32> {
    let dead = case.config.dead_nodes.iter().map(|&node| node as u32);
    match mode {
        Mode::Ip => pods.iter().map(|pod| pod.0).collect(),
        _ if !case.config.dead_nodes.is_empty() => dead.collect(),
        Mode::InstanceCluster if case.fault == "FM10" => vec![case.config.faulty_node as u32],
        Mode::InstanceLocal => vec![blueprint.pods[pods[0]].node.0],
        Mode::InstanceCluster => Vec::new(),
    }
}

/// Nodes whose service map counts: all that live or, under Local, the faulty pod's own.
fn nodes(case: &Case, mode: Mode) -> Vec<usize> {
    let config = &case.config;
    if mode == Mode::InstanceLocal && config.dead_nodes.is_empty() {
        return vec![config.faulty_node];
    }
    let all = 0..config
        .pods_per_node
        .len()
        .max(config.nodes.unwrap_or(1) as usize);
    let crashes = ["FM6", "FM12"].contains(&case.fault.as_str());
    let crashed = |node: &usize| crashes && config.dead_nodes.contains(node);
    all.filter(|node| !crashed(node)).collect()
}
