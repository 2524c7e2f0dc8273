//! The load balancer controller at work: who is registered, and when each load balancer node hears of it.

use sim_core::{Agenda, SimTime, Streams};

use super::checks::View;
use super::{Health, Settings, drawn, pair, plan};
use crate::control::aws_controller::{
    IpEndpoint, NodeSight, Registration, chosen, of_endpoint, of_node,
};
use crate::health::target_group::{self, Eligible, TargetState};
use crate::id::{
    Arena, Id, LoadBalancerNodeId, NodeId, PodId, ServiceId, TargetGroupId, TargetId, ViewId,
    ZoneId,
};
use crate::observe::{self, Recorder};
use crate::request::balance::anomaly::Weights;
use crate::request::balance::slow_start::Ramps;
use crate::request::load_balancer::TargetType;
use crate::request::pool::{DrainIdleClose, PoolOnUnhealthy, Upstream};
use crate::streams::{CONTROLLER_WATCH, PROPAGATION};
use crate::world::blueprint::Blueprint;
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A node's NodePort.
    Node(NodeId),
    /// A pod's address.
    Pod(PodId),
}

/// A target group and what the controller has done about it.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) targets: Vec<Target>,
    /// Who gets requests, by load balancer node.
    pub(super) eligible: Vec<Eligible>,
    /// Targets in slow start, by load balancer node; `None` where it is off.
    pub(super) ramps: Vec<Option<Ramps>>,
    /// Automatic target weights, by load balancer node; empty where they are off.
    pub(super) weights: Vec<Weights>,
    /// Whether the group exists.
    pub(super) life: Life,
    /// Whether a call of the pass under way has failed, and how many passes before it in a row.
    pub(super) failed: bool,
    pub(super) failures: u32,
    events: u64,
    /// Calls of the load balancing API for this group so far, and when each load balancer node applies the last of them.
    calls: u64,
    pub(super) shown_at: Vec<SimTime>,
    /// What the pass under way has seen of readiness gates.
    pub(super) seen: Seen,
    /// When a pass is repeated because a readiness gate is closed or it has failed.
    pub(super) repeats_at: Option<SimTime>,
}

/// Whether a target group exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Not yet.
    Absent,
    /// It does.
    There,
    /// Not any more: its binding is being deleted, or has been.
    Deleted,
}

/// What a pass has seen of readiness gates.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Pods behind closed gates whose targets are healthy.
    pub(super) healthy: Vec<PodId>,
    /// Pods that were registered in this pass.
    pub(super) registered: Vec<PodId>,
}

#[derive(Debug)]
pub(super) struct Target {
    pub(super) key: Key,
    pub(super) registered: bool,
    /// The view of the first load balancer node; the others follow.
    first_view: ViewId,
}

impl Key {
    /// The node of an `instance` target.
    pub(super) fn node(self) -> NodeId {
        match self {
            Self::Node(node) => node,
            Self::Pod(_) => unreachable!("an instance group holds nodes"),
        }
    }

    /// The pod of an `ip` target.
    pub(super) fn pod(self) -> PodId {
        match self {
            Self::Pod(pod) => pod,
            Self::Node(_) => unreachable!("an ip group holds pods"),
        }
    }
}

/// Groups whose targets are registered and healthy, and each load balancer node's view of them.
pub(super) fn registered(
    blueprint: &Blueprint,
    settings: &Settings,
    streams: &Streams,
) -> (Arena<TargetGroupId, Binding>, Arena<ViewId, View>) {
    let mut views = Arena::new();
    let mut bindings = Arena::new();
    let nodes = blueprint.load_balancer.nodes.len();
    for (id, group) in blueprint.target_groups.enumerate() {
        let keys: Vec<Key> = match group.target_type {
            TargetType::Instance => match &group.nodes {
                Some(some) => some.iter().copied().map(Key::Node).collect(),
                None => blueprint.nodes.ids().map(Key::Node).collect(),
            },
            TargetType::Ip => sorted_pods(blueprint, group.service),
        };
        let mut targets = Vec::new();
        let is_there = blueprint.health.as_ref().is_none_or(|it| it.is_there(id));
        let registered = if is_there { keys.len() } else { 0 };
        let keys = keys.into_iter().chain(spare_pods(blueprint, id));
        for (position, key) in keys.enumerate() {
            let first_view = ViewId::from_index(views.len());
            let known = position < registered;
            for load_balancer_node in (0..nodes).map(LoadBalancerNodeId::from_index) {
                let place = (id, position as u32, load_balancer_node);
                views.push(View::new(
                    known,
                    place,
                    views.len(),
                    &settings.groups[id],
                    streams,
                ));
            }
            targets.push(Target {
                key,
                registered: known,
                first_view,
            });
        }
        let zones = blueprint.zones_of_targets(id);
        let eligible = blueprint.load_balancer.nodes.iter().map(|home| {
            let in_sight = |&at: &u32| group.cross_zone || zones[at as usize] == *home;
            Eligible {
                positions: (0..registered as u32).filter(in_sight).collect(),
                fails_open: false,
            }
        });
        let slow_start = settings.groups[id].config.slow_start;
        let healthy = (0..targets.len()).map(|position| position < registered);
        let healthy: Vec<bool> = healthy.collect();
        let anomaly = settings.groups[id].config.anomaly;
        let weights = anomaly.map(|config| vec![Weights::new(config, healthy.clone()); nodes]);
        let ramps = Ramps::new(slow_start, healthy);
        bindings.push(Binding {
            ramps: vec![ramps; nodes],
            weights: weights.unwrap_or_default(),
            targets,
            eligible: eligible.collect(),
            life: if is_there { Life::There } else { Life::Absent },
            failed: false,
            failures: 0,
            events: 0,
            calls: 0,
            shown_at: vec![SimTime::ZERO; nodes],
            seen: Seen::default(),
            repeats_at: None,
        });
    }
    (bindings, views)
}

/// The pods of a Service in the order of their registration: node by node.
fn sorted_pods(blueprint: &Blueprint, service: ServiceId) -> Vec<Key> {
    let mut pods: Vec<PodId> = blueprint.endpoints(service).collect();
    pods.sort_unstable_by_key(|&pod| (blueprint.pods[pod].node, pod));
    pods.into_iter().map(Key::Pod).collect()
}

/// Places for pods that may become targets of an `ip` group in the course of a run.
fn spare_pods(blueprint: &Blueprint, group: TargetGroupId) -> Vec<Key> {
    let TargetType::Ip = blueprint.target_groups[group].target_type else {
        return Vec::new();
    };
    let deployment = blueprint.services[blueprint.target_groups[group].service].selects;
    let places = blueprint.places();
    let spares = places.enumerate().skip(blueprint.pods.len());
    let own = spares.filter(|(_, pod)| pod.deployment == deployment);
    own.map(|(pod, _)| Key::Pod(pod)).collect()
}

impl Health {
    /// What stands at a position of a group.
    pub(super) fn target(&self, group: TargetGroupId, position: u32) -> Key {
        self.groups[group].targets[position as usize].key
    }

    /// The views that load balancer nodes have of a target.
    pub(super) fn views_of(
        &self,
        group: TargetGroupId,
        position: usize,
    ) -> impl Iterator<Item = ViewId> + use<> {
        let first = self.groups[group].targets[position].first_view.0;
        (first..first + self.load_balancer_nodes).map(ViewId)
    }

    /// Who is to be registered, as the controller sees the cluster.
    pub(super) fn wanted(
        &self,
        group: TargetGroupId,
        service: ServiceId,
        nodes: &Arena<NodeId, crate::cluster::topology::Node>,
    ) -> Vec<Key> {
        if self.groups[group].life != Life::There {
            return Vec::new();
        }
        let fail_open = self.settings.controller.endpoints_fail_open;
        let by_pod = |pod: PodId| self.of_pod(service, pod);
        let first = self.groups[group].targets.first().map(|target| target.key);
        match first {
            Some(Key::Node(_)) => {
                let all = nodes
                    .ids()
                    .map(|node| (Key::Node(node), self.of_node(node)));
                let known = |key: Key| self.groups[group].targets.iter().any(|it| it.key == key);
                let all: Vec<_> = all.filter(|&(key, _)| known(key)).collect();
                chosen(&all, fail_open)
            }
            _ => {
                let endpoints = &self.services[service].latest().endpoints;
                let all = endpoints
                    .iter()
                    .map(|it| (Key::Pod(it.pod), by_pod(it.pod)));
                chosen(&all.collect::<Vec<_>>(), fail_open)
            }
        }
    }

    fn of_node(&self, node: NodeId) -> Registration {
        of_node(NodeSight {
            ready: self.nodes[node].ready,
            excluded: false,
            to_be_deleted: self.nodes[node].to_be_deleted(),
        })
    }

    fn of_pod(&self, service: ServiceId, pod: PodId) -> Registration {
        let endpoints = &self.services[service].latest().endpoints;
        let found = endpoints.binary_search_by_key(&pod, |it| it.pod);
        let Ok(at) = found else {
            return Registration::Deregistered;
        };
        let conditions = endpoints[at].conditions;
        of_endpoint(IpEndpoint {
            ready: conditions.ready,
            // Without a gate a pod's ContainersReady is its Ready, unless the lifecycle controller marked it.
            containers_ready: self.pods[pod].containers_ready(),
            node: Some(self.nodes[self.pods[pod].home].ready),
            terminating: conditions.terminating,
        })
    }
}

impl<R: Recorder> World<R> {
    /// The position of a target in its group.
    #[inline]
    pub(in crate::world) fn position(&self, group: TargetGroupId, target: TargetId) -> u32 {
        target.0 - self.groups[group].first_target
    }

    /// A Service's EndpointSlices changed: the controller will look at its `ip` groups.
    pub(super) fn slices_changed(&mut self, service: ServiceId, agenda: &mut Agenda<'_, Event>) {
        for group in self.groups.ids().collect::<Vec<_>>() {
            let it = &self.groups[group];
            if it.service == service && it.target_type == TargetType::Ip {
                self.wake_controller(group, agenda);
            }
        }
    }

    /// A node's Ready condition changed: the controller will look at all `instance` groups.
    pub(super) fn nodes_changed(&mut self, agenda: &mut Agenda<'_, Event>) {
        for group in self.groups.ids().collect::<Vec<_>>() {
            if self.groups[group].target_type == TargetType::Instance {
                self.wake_controller(group, agenda);
            }
        }
    }

    pub(super) fn wake_controller(&mut self, group: TargetGroupId, agenda: &mut Agenda<'_, Event>) {
        let streams = self.streams;
        let health = self.health_mut();
        let it = &mut health.groups[group];
        if it.life == Life::Absent {
            return;
        }
        it.events += 1;
        let (entity, draw) = (u64::from(group.0), 2 * it.events);
        let settings = &health.settings;
        let watch = drawn(&settings.watch, &streams, CONTROLLER_WATCH, entity, draw);
        let queue = &settings.controller_watch;
        let queue = drawn(queue, &streams, CONTROLLER_WATCH, entity, draw + 1);
        plan(
            agenda,
            agenda.now() + watch + queue + health.api.lag(agenda.now()),
            HealthEvent::Reconcile(group),
        );
    }

    /// An API call is answered at `called`: each load balancer node will hear of it in its own time, of all its targets at once.
    ///
    /// Assumption: changes of a group reach a load balancer node in the order of the calls.
    pub(super) fn tell_load_balancer(
        &mut self,
        group: TargetGroupId,
        positions: &[usize],
        registered: bool,
        called: SimTime,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let streams = self.streams;
        let health = self.health_mut();
        let settings = &health.settings.groups[group];
        let way = if registered {
            &settings.register
        } else {
            &settings.deregister
        };
        let binding = &mut health.groups[group];
        binding.calls += 1;
        let draw = binding.calls;
        for (node, shown_at) in binding.shown_at.iter_mut().enumerate() {
            let entity = pair(group, LoadBalancerNodeId::from_index(node));
            let delay = drawn(way, &streams, PROPAGATION, entity, draw);
            *shown_at = (*shown_at).max(called + delay);
        }
        for &position in positions {
            health.groups[group].targets[position].registered = registered;
            for view in health.views_of(group, position) {
                let it = &mut health.views[view];
                it.changes += 1;
                it.pending.push_back(registered);
                let at = health.groups[group].shown_at[it.load_balancer_node.index()];
                plan(agenda, at, HealthEvent::Learn(view));
            }
        }
    }

    /// A load balancer node hears of a registration or a deregistration.
    pub(super) fn on_learn(&mut self, id: ViewId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let streams = self.streams;
        let health = self.health_mut();
        let it = &mut health.views[id];
        let registered = it.pending.pop_front().expect("what is learnt was told");
        let settings = &health.settings.groups[it.group];
        if registered {
            it.view.registered();
            if it.view.state == TargetState::Initial {
                let (entity, draw) = (u64::from(id.0), it.changes);
                let first = &settings.first_check;
                let first = drawn(first, &streams, crate::streams::CHECK_PHASE, entity, draw);
                it.next_check = now + first;
                plan(agenda, it.next_check, HealthEvent::Check(id));
            }
        } else {
            it.view.deregistered();
            let delay = settings.config.deregistration_delay;
            it.drains_at = now
                + match health.groups[it.group].life {
                    Life::Deleted => delay.min(health.settings.controller.deletion()),
                    Life::There | Life::Absent => delay,
                };
            plan(agenda, it.drains_at, HealthEvent::Drained(id));
            let (group, node, position) = (it.group, it.load_balancer_node, it.position);
            if self.groups[group].upstream.drain_idle_close == DrainIdleClose::AtPropagation {
                self.close_idle(group, position, node, now);
            }
        }
        self.view_changed(id, now);
    }

    /// A load balancer node closes its idle connections to a target.
    fn close_idle(
        &mut self,
        group: TargetGroupId,
        position: u32,
        node: LoadBalancerNodeId,
        now: SimTime,
    ) {
        let target = TargetId(self.groups[group].first_target + position);
        let own =
            |upstream: &Upstream| upstream.target == target && upstream.load_balancer_node == node;
        self.close_idle_where(own, now);
    }

    /// The deregistration delay of a target is over.
    pub(super) fn on_drained(&mut self, id: ViewId, agenda: &mut Agenda<'_, Event>) {
        let it = &mut self.health_mut().views[id];
        if it.drains_at == agenda.now() && it.view.state == TargetState::Draining {
            it.view.drained();
            let (group, node, position) = (it.group, it.load_balancer_node, it.position);
            self.view_changed(id, agenda.now());
            if self.groups[group].upstream.drain_idle_close == DrainIdleClose::AtDelayEnd {
                self.close_idle(group, position, node, agenda.now());
            }
            let target = TargetId(self.groups[group].first_target + position);
            self.cut_off(node, target, agenda);
        }
    }

    /// A zonal shift away from a zone begins or ends.
    pub(in crate::world) fn shift(&mut self, zone: ZoneId, begins: bool) {
        let shifted = &mut self.health_mut().shifted;
        if begins {
            shifted.push(zone);
        } else if let Some(at) = shifted.iter().position(|&it| it == zone) {
            shifted.remove(at);
        }
        for group in self.groups.ids().collect::<Vec<_>>() {
            for node in self.zone_of_load_balancer_node.ids().collect::<Vec<_>>() {
                self.choose_again(group, node);
            }
        }
    }

    /// Finds the targets that a load balancer node sends requests to, among those that it may use: without cross-zone load balancing those
    /// of its own zone, else those of all zones but the ones that a zonal shift moves traffic away from.
    ///
    /// Source: AWS, "Target group health" (thresholds count what a node may use), "Using cross-zone load balancing with zonal shift".
    fn choose_again(&mut self, group: TargetGroupId, node: LoadBalancerNodeId) {
        let own = self.zone_of_load_balancer_node[node];
        let crosses = self.groups[group].in_sight.is_none();
        let (nodes, health) = (&self.nodes, self.health());
        let may_use = |key: Key| {
            let home = match key {
                Key::Node(node) => node,
                Key::Pod(pod) => health.pods[pod].home,
            };
            let zone = nodes[home].zone;
            if crosses {
                !health.shifted.contains(&zone)
            } else {
                zone == own
            }
        };
        let targets = health.groups[group].targets.iter();
        let states = targets.map(|target| {
            let view = ViewId(target.first_view.0 + node.0);
            match may_use(target.key) {
                true => health.views[view].view.state,
                false => TargetState::Unused,
            }
        });
        let eligible = target_group::eligible(states, &health.settings.groups[group].config);
        self.health_mut().groups[group].eligible[node.index()] = eligible;
    }

    /// A view changed: its load balancer node chooses among other targets from now on.
    pub(super) fn view_changed(&mut self, id: ViewId, now: SimTime) {
        let health = self.health_mut();
        let View {
            group,
            load_balancer_node,
            position,
            view,
            ..
        } = health.views[id];
        let state = view.state;
        self.choose_again(group, load_balancer_node);
        let binding = &mut self.health_mut().groups[group];
        if let Some(ramps) = &mut binding.ramps[load_balancer_node.index()] {
            ramps.changed(position, state == TargetState::Healthy, now);
        }
        if let Some(weights) = binding.weights.get_mut(load_balancer_node.index()) {
            weights.changed(position, state == TargetState::Healthy);
        }
        let closes = self.groups[group].upstream.pool_on_unhealthy == PoolOnUnhealthy::Close;
        if closes && state == TargetState::Unhealthy {
            self.close_idle(group, position, load_balancer_node, now);
        }
        let seen = observe::Health::Target {
            group,
            target: TargetId(self.groups[group].first_target + position),
            load_balancer_node,
            state,
        };
        self.tell(now, seen);
    }
}
