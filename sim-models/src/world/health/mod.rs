//! The health signal at work: who asks whom, who believes what, and when the next one hears of it.
//!
//! The files lie in the order of the signal: [`trouble`] is what requests meet at a thing that is not
//! well, [`probing`] and [`kubelet`] notice for their [`pod`]s, [`slices`] publishes, every node's [`maps`] follow, [`targets`], [`passes`] and
//! [`checks`] are the load balancer's side, whose word [`gates`] bring back to pods, [`nodes`] is what happens to a node that falls silent. [`deployments`] replaces pods, and [`scheduling`] finds nodes for the
//! new ones. [`faults`] sets it all off.

use std::collections::BTreeMap;

use sim_core::{Agenda, DistError, Sampler, SimDuration, SimTime, StreamName, Streams};

use super::RunError;
use super::blueprint::{self, Blueprint};
use super::build::World;
use super::event::{Event, HealthEvent};
use crate::cluster::service::TrafficPolicy;
use crate::control::bucket::Bucket;
use crate::control::work_queue::WorkQueue;
use crate::control::{aws_controller, kubelet as kubelet_config, node_lifecycle};
use crate::fault::{Busiest, Fault, What};
use crate::health::{endpoint_slice, service_map, target_group};
use crate::id::{
    Arena, DeploymentId, FaultId, Id, LoadBalancerNodeId, NodeId, PodId, ProberId, ServiceId,
    TargetGroupId, ViewId, ZoneId,
};
use crate::observe::{self, Observation, Recorder};
use crate::request::Request;
use crate::request::load_balancer::Quotas;
use crate::request::node_port::Proxy;
use crate::request::server::OnSigterm;

mod agents;
mod api;
mod autoscaling;
mod checks;
mod deafness;
mod deployments;
mod drains;
mod faults;
mod gates;
mod kubelet;
mod maps;
mod nodes;
mod outages;
mod passes;
mod placing;
mod pod;
mod probing;
mod rollouts;
mod runtime;
mod scheduling;
mod slices;
mod switch;
mod targets;
mod termination;
mod trouble;

use placing::Placing;

/// The health of everything, and what everybody believes about it.
#[derive(Debug)]
pub(super) struct Health {
    settings: Settings,
    faults: Arena<FaultId, Fault>,
    /// How often pods had been asked when the count for a fault began.
    counted: BTreeMap<FaultId, Vec<(PodId, u64)>>,
    workloads: Arena<DeploymentId, Workload>,
    pods: Arena<PodId, pod::Pod>,
    nodes: Arena<NodeId, nodes::Node>,
    probers: Arena<ProberId, pod::Probe>,
    services: Arena<ServiceId, slices::Service>,
    slice_controller: slices::Controller,
    maps: maps::Maps,
    groups: Arena<TargetGroupId, targets::Binding>,
    /// The groups whose gates a new pod of a Deployment gets.
    gates_of: Arena<DeploymentId, Vec<TargetGroupId>>,
    views: Arena<ViewId, checks::View>,
    /// Zones from which a zonal shift moves traffic away.
    shifted: Vec<ZoneId>,
    replica_sets: Arena<DeploymentId, deployments::ReplicaSets>,
    disruptions: drains::Disruptions,
    api: api::ApiServer,
    /// What waits for a part of the control plane; `None` where none of it goes away.
    outages: Option<Box<outages::Outages>>,
    /// What autoscalers know; `None` where there are none.
    autoscaling: Option<Box<autoscaling::Autoscaling>>,
    /// The scheduler; `None` where no pods are created.
    placing: Option<Placing>,
    lifecycle: nodes::Lifecycle,
    /// Target groups that the load balancer controller will look at.
    queue: WorkQueue<TargetGroupId>,
    /// What it may call: Register and Deregister, Describe, and what creates a group or changes a rule.
    bucket: Bucket,
    describes: Bucket,
    modifies: Bucket,
    /// What AWS admits of its calls, by the faults that narrow it.
    throttles: Vec<(FaultId, Bucket)>,
    /// What the ReplicaSet controller may write.
    writes: Bucket,
    /// Until when the load balancer controller has no leader.
    leaderless_until: SimTime,
    /// Probes and health checks on their way.
    pub(super) asked: u64,
    load_balancer_nodes: u32,
}

/// What the blueprint says, ready for use.
#[derive(Debug)]
struct Settings {
    watch: Sampler,
    loop_hop: Sampler,
    status_write: Sampler,
    start_container: Sampler,
    /// `None` where every image is present.
    image_pull: Option<Sampler>,
    sandbox_stop: Sampler,
    scheduling: Sampler,
    kubelet: kubelet_config::Config,
    sync: Sampler,
    slices: endpoint_slice::Config,
    pace: service_map::Pace,
    liveness: service_map::Liveness,
    /// Whether pods get their network from the agent.
    agent_wires_pods: bool,
    /// Whether the agent answers on the `healthCheckNodePort` of a Service.
    health_check_node_port: bool,
    reconcile: Sampler,
    map: maps::MapWriting,
    reconnect_agents: Sampler,
    dead_connection: SimDuration,
    /// The first time-out of TCP.
    min_rto: SimDuration,
    node_recovery: Sampler,
    default_toleration: SimDuration,
    lifecycle: node_lifecycle::Config,
    controller_watch: Sampler,
    controller: aws_controller::Config,
    quotas: Quotas,
    groups: Arena<TargetGroupId, GroupSettings>,
}

#[derive(Debug)]
struct GroupSettings {
    config: target_group::Config,
    phase: Option<Sampler>,
    first_check: Sampler,
    register: Sampler,
    deregister: Sampler,
    rule: Sampler,
}

#[derive(Debug)]
struct Workload {
    config: blueprint::Workload,
    check_time: SimDuration,
    on_sigterm: OnSigterm,
    startup_time: Sampler,
}

impl Health {
    /// The health of a world at time zero: everything is in order, and everybody knows.
    pub(super) fn new(blueprint: &Blueprint, streams: &Streams) -> Result<Option<Self>, RunError> {
        let Some(config) = &blueprint.health else {
            return Ok(None);
        };
        let settings = Settings::new(config, blueprint)?;
        let load_balancer_nodes = blueprint.load_balancer.nodes.len() as u32;
        let mut workloads = Arena::new();
        for (id, workload) in config.workloads.enumerate() {
            let name = &blueprint.deployments[id].name;
            let server = &blueprint.deployments[id].server;
            workloads.push(Workload {
                config: workload.clone(),
                check_time: server.check_time,
                on_sigterm: server.on_sigterm,
                startup_time: sampler(
                    &server.startup_time,
                    &format!("deployments.{name}.server.startup_time"),
                )?,
            });
        }
        let (mut pods, probers) = pod::at_work(blueprint, config, streams);
        let placing = Placing::new(blueprint, &mut pods);
        let (groups, views) = targets::registered(blueprint, &settings, streams);
        let mut health = Self {
            faults: config.faults.clone(),
            counted: BTreeMap::new(),
            nodes: nodes::in_order(blueprint, config, streams),
            lifecycle: nodes::Lifecycle::new(
                blueprint,
                &settings.lifecycle,
                config.controller_manager.bucket(),
                streams,
            ),
            queue: WorkQueue::new(settings.controller.workers),
            bucket: settings.controller.api.bucket(),
            describes: settings.controller.api.describes(),
            modifies: settings.controller.api.modifies(),
            throttles: Vec::new(),
            writes: config.controller_manager.bucket(),
            leaderless_until: SimTime::ZERO,
            services: slices::published(
                blueprint,
                settings.slices.max_endpoints_per_slice.get() as usize,
            ),
            slice_controller: slices::Controller::new(
                settings.slices.workers.get(),
                config.controller_manager.bucket(),
            ),
            maps: maps::Maps::new(blueprint.nodes.len()),
            replica_sets: deployments::at_rest(blueprint, &pods),
            disruptions: drains::Disruptions::new(blueprint, config, &pods),
            api: api::ApiServer::new(config)?,
            outages: outages::Outages::new(config)?.map(Box::new),
            autoscaling: autoscaling::Autoscaling::new(blueprint, config, streams).map(Box::new),
            placing,
            workloads,
            pods,
            probers,
            groups,
            gates_of: blueprint.deployments.iter().map(|_| Vec::new()).collect(),
            views,
            shifted: Vec::new(),
            asked: 0,
            load_balancer_nodes,
            settings,
        };
        health.pass_gates(blueprint);
        health.have_images(blueprint);
        Ok(Some(health))
    }

    /// What is planned at time zero: faults, probes, checks.
    pub(super) fn first_events(&self) -> Vec<(SimTime, Event)> {
        let mut events = Vec::new();
        for (id, fault) in self.faults.enumerate() {
            if let What::ToBusiest(Busiest { at, .. }, _) = fault.what {
                let since =
                    SimTime::from_nanos(at.as_nanos().saturating_sub(Busiest::WINDOW.as_nanos()));
                events.push((since, HealthEvent::Count(id)));
                events.push((at.min(fault.from), HealthEvent::Choose(id)));
            }
            events.push((fault.from, HealthEvent::FaultBegins(id)));
            events.extend(fault.until.map(|at| (at, HealthEvent::FaultEnds(id))));
        }
        for (id, probe) in self.probers.enumerate().filter(|(_, it)| !it.ended) {
            events.push((probe.next_tick, HealthEvent::Probe(id)));
        }
        for (id, view) in self.views.enumerate() {
            events.push((view.next_check, HealthEvent::Check(id)));
        }
        let waiting = self.placing.as_ref().filter(|it| !it.queue.is_empty());
        events.extend(waiting.map(|_| (SimTime::ZERO, HealthEvent::Schedule)));
        events.extend(self.autoscaling.iter().flat_map(|it| it.first_events()));
        let events = events.into_iter();
        events
            .map(|(at, event)| (at, Event::Health(event)))
            .collect()
    }

    /// The backends for outside traffic on a node, in a version of a Service's endpoints.
    pub(super) fn backends(
        &self,
        service: ServiceId,
        version: usize,
        node: NodeId,
        policy: TrafficPolicy,
    ) -> &[(NodeId, PodId)] {
        self.services[service]
            .version(version)
            .backends(node, policy)
    }

    /// Whether a pod's process accepts nothing new: it closes each connection after its answer.
    pub(super) fn is_leaving(&self, pod: PodId) -> bool {
        let it = &self.pods[pod];
        !it.listening || it.announces_close
    }

    /// The target that is next by weight, where some are in slow start or fail more often than their peers. `word` is a 32-bit uniform
    /// number.
    #[inline]
    pub(super) fn next_by_weight(
        &mut self,
        group: TargetGroupId,
        node: LoadBalancerNodeId,
        word: u32,
        now: SimTime,
    ) -> Option<u32> {
        let binding = &mut self.groups[group];
        let positions = &binding.eligible[node.index()].positions;
        if let Some(ramps) = &mut binding.ramps[node.index()] {
            return ramps.pick(positions, now);
        }
        let weights = binding.weights.get_mut(node.index())?;
        weights.pick(positions, word, now)
    }

    /// A target has answered a request, or has failed.
    pub(super) fn note_answer(&mut self, request: &Request, position: u32, now: SimTime) {
        let Some(group) = request.target_group else {
            return;
        };
        let node = request.load_balancer_node.index();
        if let Some(weights) = self.groups[group].weights.get_mut(node) {
            weights.answered(position, request.outcome.is_target_error(), now);
        }
    }

    /// Whether some target group has automatic target weights.
    pub(super) fn mitigates(&self) -> bool {
        self.groups.iter().any(|it| !it.weights.is_empty())
    }

    /// The targets that a load balancer node sends requests to, by position.
    #[inline]
    pub(super) fn eligible(&self, group: TargetGroupId, node: LoadBalancerNodeId) -> &[u32] {
        &self.groups[group].eligible[node.index()].positions
    }
}

impl Settings {
    fn new(config: &blueprint::Health, blueprint: &Blueprint) -> Result<Self, RunError> {
        let proxy = &blueprint.proxy;
        let agent = proxy.agent();
        let mut groups = Arena::new();
        for group in config.target_groups.iter() {
            let at = |name: &str| format!("load_balancer.target_groups.*.{name}");
            let first_check = &group.health_check.first_check_delay;
            let phase = group.health_check.phase.as_ref();
            let phase = phase.map(|phase| sampler(phase, &at("health_check.phase")));
            groups.push(GroupSettings {
                phase: phase.transpose()?,
                first_check: sampler(first_check, &at("health_check.first_check_delay"))?,
                register: sampler(&group.register_propagation, &at("register_propagation"))?,
                deregister: sampler(&group.deregister_propagation, &at("deregister_propagation"))?,
                rule: sampler(&group.rule_propagation, &at("rule_propagation"))?,
                config: group.clone(),
            });
        }
        let kubelet = &config.kubelet;
        let slices = &config.endpoint_slice_controller;
        let lifecycle = &config.node_lifecycle_controller;
        let controller = &config.aws_controller;
        Ok(Self {
            watch: sampler(&config.watch_delay, "cluster.api_server.watch_delay")?,
            loop_hop: sampler(&kubelet.loop_hop, "cluster.kubelet.loop_hop")?,
            status_write: sampler(&kubelet.status_write, "cluster.kubelet.status_write")?,
            start_container: sampler(&kubelet.start_container, "cluster.kubelet.start_container")?,
            image_pull: Some(sampler(&kubelet.image_pull, "cluster.kubelet.image_pull")?)
                .filter(|it| it.is_constant() != Some(SimDuration::ZERO)),
            scheduling: sampler(&config.scheduler.latency, "cluster.scheduler.latency")?,
            sandbox_stop: sampler(&kubelet.sandbox_stop, "cluster.kubelet.sandbox_stop")?,
            kubelet: kubelet.clone(),
            sync: sampler(&slices.sync, "cluster.endpoint_slice_controller.sync")?,
            slices: slices.clone(),
            pace: proxy.pace(),
            liveness: agent.liveness,
            agent_wires_pods: matches!(proxy, Proxy::Cilium { .. }),
            health_check_node_port: proxy.has_health_check_node_port(),
            reconcile: sampler(&agent.reconcile, "cluster.proxy")?,
            map: maps::MapWriting::new(blueprint, agent.maglev_rebuild),
            reconnect_agents: sampler(
                &config.reconnect.agents,
                "cluster.api_server.reconnect.agents",
            )?,
            dead_connection: config.dead_connection,
            min_rto: blueprint.links.min_rto,
            node_recovery: sampler(&config.node_recovery, "cluster.node_recovery")?,
            default_toleration: config.default_toleration,
            lifecycle: lifecycle.clone(),
            controller_watch: sampler(
                &controller.watch_delay,
                "load_balancer.controller.watch_delay",
            )?,
            controller: controller.clone(),
            quotas: config.quotas,
            groups,
        })
    }
}

fn sampler(dist: &sim_core::Dist, path: &str) -> Result<Sampler, RunError> {
    let at = |source: DistError| RunError::Dist {
        path: path.to_owned(),
        source,
    };
    dist.sampler().map_err(at)
}

/// A draw at an address; a constant needs none.
fn drawn(
    sampler: &Sampler,
    streams: &Streams,
    name: StreamName,
    entity: u64,
    draw: u64,
) -> SimDuration {
    match sampler.is_constant() {
        Some(always) => always,
        None => sampler.sample(streams.nth(name, entity, draw).unit()),
    }
}

/// A uniform share of a duration.
fn share(
    streams: &Streams,
    name: StreamName,
    entity: u64,
    draw: u64,
    of: SimDuration,
) -> SimDuration {
    let unit = streams.nth(name, entity, draw).unit();
    SimDuration::from_nanos((of.as_nanos() as f64 * unit.get()) as u64)
}

/// Two ids as one number.
fn pair(one: impl Id, other: impl Id) -> u64 {
    ((one.index() as u64) << 32) | other.index() as u64
}

impl<R: Recorder> World<R> {
    /// Something happens to the health of things, or to what somebody believes about it.
    pub(super) fn on_health(&mut self, event: HealthEvent, agenda: &mut Agenda<'_, Event>) {
        if self.waits(event, agenda.now()) {
            return;
        }
        match event {
            HealthEvent::FaultBegins(fault) => self.on_fault(fault, true, agenda),
            HealthEvent::FaultEnds(fault) => self.on_fault(fault, false, agenda),
            HealthEvent::Count(fault) => self.on_count(fault),
            HealthEvent::Choose(fault) => self.on_choose(fault, agenda.now()),
            HealthEvent::Probe(prober) => self.on_probe(prober, agenda),
            HealthEvent::ProbeDeadline(prober) => self.on_probe_deadline(prober, agenda),
            HealthEvent::ProbeGoesOn(prober) => self.on_probe_goes_on(prober, agenda),
            HealthEvent::Relist(pod) => self.on_relist(pod, agenda),
            HealthEvent::Start(pod) => self.on_start(pod, agenda),
            HealthEvent::Run(pod) => self.on_run(pod, agenda),
            HealthEvent::Answer(pod) => self.on_answer(pod, agenda),
            HealthEvent::Exit(pod) => self.on_exit(pod, agenda),
            HealthEvent::StatusWritten(pod) => self.on_status_written(pod, agenda),
            HealthEvent::PodSeen(pod) => self.on_pod_seen(pod, agenda),
            HealthEvent::Sync(service) => self.on_sync(service, agenda),
            HealthEvent::Synced(service) => self.on_synced(service, agenda),
            HealthEvent::Check(view) => self.on_check(view, agenda),
            HealthEvent::CheckDeadline(view) => self.on_check_deadline(view, agenda),
            HealthEvent::Reconcile(group) => self.on_reconcile(group, agenda),
            HealthEvent::Reconciled(group) => self.on_reconciled(group, agenda),
            HealthEvent::Learn(view) => self.on_learn(view, agenda),
            HealthEvent::Drained(view) => self.on_drained(view, agenda),
            HealthEvent::NodeUnknown(node) => self.on_node_unknown(node, agenda),
            HealthEvent::NodeNotReady(node) => self.on_node_not_ready(node, agenda),
            HealthEvent::NodeSeenNotReady(node) => self.on_node_seen_not_ready(node, agenda),
            HealthEvent::MarkNotReady(pod) => self.on_mark_not_ready(pod, agenda),
            HealthEvent::NodeBack(node) => self.on_node_back(node, agenda),
            HealthEvent::Evict(node) => self.on_evict(node, agenda),
            HealthEvent::EvictTainted(pod) => self.on_evict_tainted(pod, agenda),
            HealthEvent::ControllersBack => self.on_controllers_back(agenda),
            HealthEvent::WriteStatuses(node) => self.on_write_statuses(node, agenda),
            HealthEvent::SyncDeployment(id) => self.on_sync_deployment(id, agenda),
            HealthEvent::Create(id) => self.on_create(id, agenda),
            HealthEvent::ScaleDown(pod) => self.on_scale_down(pod, agenda),
            HealthEvent::Available(pod) => self.wake_deployment(self.pods[pod].deployment, agenda),
            HealthEvent::ProgressDeadline(id) => self.look_at_rollout(id, agenda),
            HealthEvent::EvictPod(pod) => self.evict(pod, agenda),
            HealthEvent::DrainTimeout(node) => self.on_drain_timeout(node, agenda.now()),
            HealthEvent::SyncBudget(id) => self.on_sync_budget(id, agenda.now()),
            HealthEvent::ReadMetrics(id) => self.on_read_metrics(id, agenda),
            HealthEvent::Autoscale(id) => self.on_autoscale(id, agenda),
            HealthEvent::Schedule => self.on_schedule(agenda),
            HealthEvent::Assigned(pod) => self.on_assigned(pod, agenda),
            HealthEvent::Delete(pod) => self.on_delete(pod, agenda),
            HealthEvent::Terminate(pod) => self.on_terminate(pod, agenda),
            HealthEvent::Sigterm(pod) => self.on_sigterm(pod, agenda),
            HealthEvent::Gone(pod) => self.on_gone(pod, agenda),
            HealthEvent::GateSeen(pod) => self.on_gate_seen(pod, agenda),
            HealthEvent::RulesChanged(fault) => self.on_rules_changed(fault, agenda),
        }
    }

    /// The health signal's own state.
    fn health(&self) -> &Health {
        let health = self.health.as_deref();
        health.expect("only a world with a health signal has its events")
    }

    /// The health signal's own state, to change.
    fn health_mut(&mut self) -> &mut Health {
        let health = self.health.as_deref_mut();
        health.expect("only a world with a health signal has its events")
    }

    /// Tells the listener.
    fn tell(&mut self, now: SimTime, seen: observe::Health<'_>) {
        self.recorder.see(now, Observation::Health(seen));
    }
}

/// Plans an event of the health signal.
fn plan(agenda: &mut Agenda<'_, Event>, at: SimTime, event: HealthEvent) {
    agenda.at(at, Event::Health(event));
}
