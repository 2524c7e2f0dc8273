//! Which things are counted: the sizes and memberships that every metric indexes by.

use sim_core::{SimDuration, SimTime};
use sim_models::cluster::topology::Network;
use sim_models::id::{
    DeploymentId, Id, LoadBalancerNodeId, NodeId, PodId, ServiceId, TargetId, ZoneId,
};
use sim_models::observe::Health;
use sim_models::request::Request;
use sim_models::request::load_balancer::TargetType;
use sim_models::request::overlay;
use sim_models::request::wire::{Message, RESPONSE_HEADER_BYTES};
use sim_models::world::blueprint::Blueprint;

use super::bundle::Bundles;
use super::presence::{Presence, Stays, Window};

/// What a number is about: everything, or one Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// All requests, also those that no listener rule gave to a Service.
    Overall,
    /// The requests for one Service, its pods and its targets.
    Service(ServiceId),
}

/// A Service as the metrics see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceLayout {
    /// Name.
    pub name: String,
    /// Whose pods they are.
    pub selects: DeploymentId,
    /// Its pods, in the order of their ids, and the places for those that may be created.
    pub pods: Vec<PodId>,
    /// How many pods are wanted.
    pub wanted: u32,
    /// Pods that stay Pending for the whole run, because nothing happens in it that could help.
    pub never_placed: u32,
    /// Its targets, over all target groups that forward to it, and the places for those that may come.
    pub targets: Vec<TargetId>,
    /// Whether some client's requests can reach it. One that nobody asks for has no latency, and no objective is judged on it.
    pub asked: bool,
    /// Its answers on the wire.
    pub answer: OnWire,
    /// Where its pods begin in tables with one entry for each pair of Service and pod.
    first_endpoint: usize,
}

/// A message on the wire of one link, with the headers of its packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnWire {
    /// Bytes without an overlay.
    pub bytes: u64,
    /// Bytes that the overlay adds where it is used.
    pub overlay: u64,
}

impl OnWire {
    fn of(bytes: u64, blueprint: &Blueprint) -> Self {
        let (mtu, header) = (
            blueprint.links.mtu,
            overlay::header_bytes(blueprint.network),
        );
        Self {
            bytes: Message::new(bytes, mtu, 0).bytes,
            overlay: Message::new(bytes, mtu, header).overlay_bytes(header),
        }
    }
}

/// Whether a pod has a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodState {
    /// It is not there, not yet there, or being deleted.
    Absent,
    /// It waits for a node. With what `kubectl describe pod` says of it, once the scheduler has tried.
    Pending(Option<String>),
    /// It has one.
    Placed,
}

/// The things of one alternative: names, numbers and memberships, fixed for the whole run. Where pods lie is the state of one moment:
/// at first the begin of the run, and then what [`Layout::follow`] was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    services: Vec<ServiceLayout>,
    pod_names: Vec<String>,
    pod_nodes: Vec<NodeId>,
    pod_states: Vec<PodState>,
    stays: Stays,
    pod_workers: Vec<u32>,
    pod_ranks: Vec<u32>,
    node_names: Vec<String>,
    node_zones: Vec<ZoneId>,
    load_balancer_zones: Vec<ZoneId>,
    target_services: Vec<ServiceId>,
    /// The pod behind each target; `None` where it is a node.
    target_pods: Vec<Option<PodId>>,
    /// The requests of each class, population after population, and where those of each begin.
    questions: Vec<OnWire>,
    first_question: Vec<usize>,
    endpoints: usize,
    overlay: bool,
    returns_directly: bool,
    bundles: Bundles,
}

impl Layout {
    /// The layout of a blueprint.
    #[must_use]
    pub fn of(blueprint: &Blueprint) -> Self {
        let places = blueprint.places();
        let mut layout = Self {
            services: Vec::new(),
            pod_names: places.iter().map(|pod| pod.name.clone()).collect(),
            pod_nodes: places.iter().map(|pod| pod.node).collect(),
            pod_states: vec![PodState::Absent; places.len()],
            stays: Stays::new(blueprint.pods.len(), places.len()),
            pod_workers: places
                .iter()
                .map(|pod| blueprint.deployments[pod.deployment].server.workers.get())
                .collect(),
            pod_ranks: Vec::with_capacity(places.len()),
            node_names: blueprint
                .nodes
                .iter()
                .map(|node| node.name.clone())
                .collect(),
            node_zones: blueprint.nodes.iter().map(|node| node.zone).collect(),
            load_balancer_zones: blueprint.load_balancer.nodes.iter().copied().collect(),
            target_services: Vec::new(),
            target_pods: Vec::new(),
            questions: Vec::new(),
            first_question: Vec::new(),
            endpoints: 0,
            returns_directly: blueprint.proxy.returns_directly(),
            overlay: matches!(blueprint.network, Network::Overlay { .. }),
            bundles: Bundles::of(blueprint),
        };
        layout.pod_states[..blueprint.pods.len()].fill(PodState::Placed);
        let members = layout.rank_pods(blueprint);
        layout.add_services(blueprint, &members);
        layout.add_targets(blueprint);
        for population in blueprint.populations.iter() {
            layout.first_question.push(layout.questions.len());
            let sizes = population.classes.iter().map(|it| it.bytes.as_bytes());
            let questions = sizes.map(|bytes| OnWire::of(bytes, blueprint));
            layout.questions.extend(questions);
        }
        layout
    }

    /// Numbers each pod within its Deployment, and lists the pods of each Deployment.
    fn rank_pods(&mut self, blueprint: &Blueprint) -> Vec<Vec<PodId>> {
        let mut members = vec![Vec::new(); blueprint.deployments.len()];
        for (id, pod) in blueprint.places().enumerate() {
            let fellows: &mut Vec<PodId> = &mut members[pod.deployment.index()];
            self.pod_ranks
                .push(u32::try_from(fellows.len()).expect("pods are numbered in 32 bits"));
            fellows.push(id);
        }
        members
    }

    fn add_services(&mut self, blueprint: &Blueprint, members: &[Vec<PodId>]) {
        let asked = asked(blueprint);
        for (id, service) in blueprint.services.enumerate() {
            let server = &blueprint.deployments[service.selects].server;
            let answer = server.response_size.as_bytes() + RESPONSE_HEADER_BYTES;
            let pods = members[service.selects.index()].clone();
            let first_endpoint = self.endpoints;
            self.endpoints += pods.len();
            self.services.push(ServiceLayout {
                name: service.name.clone(),
                selects: service.selects,
                pods,
                wanted: blueprint.deployments[service.selects].replicas,
                never_placed: never_placed(blueprint, service.selects),
                targets: Vec::new(),
                asked: asked[id.index()],
                answer: OnWire::of(answer, blueprint),
                first_endpoint,
            });
        }
    }

    /// Targets are numbered group after group; inside a group in the order of nodes or pods.
    fn add_targets(&mut self, blueprint: &Blueprint) {
        for (id, group) in blueprint.target_groups.enumerate() {
            let service = &mut self.services[group.service.index()];
            for place in 0..blueprint.target_places(id) {
                let target = TargetId::from_index(self.target_services.len());
                service.targets.push(target);
                self.target_services.push(group.service);
                self.target_pods.push(match group.target_type {
                    TargetType::Instance => None,
                    TargetType::Ip => Some(service.pods[place]),
                });
            }
        }
    }

    /// A request on the wire.
    #[inline]
    #[must_use]
    pub fn question(&self, request: &Request) -> OnWire {
        let first = self.first_question[request.population.index()];
        self.questions[first + request.class as usize]
    }

    /// Everything, then each Service.
    pub fn scopes(&self) -> impl ExactSizeIterator<Item = Scope> + use<> {
        (0..self.services.len() + 1).map(|i| {
            if i == 0 {
                Scope::Overall
            } else {
                Scope::Service(ServiceId::from_index(i - 1))
            }
        })
    }

    /// Position of a scope among [`Layout::scopes`].
    #[must_use]
    pub fn position(&self, scope: Scope) -> usize {
        match scope {
            Scope::Overall => 0,
            Scope::Service(service) => service.index() + 1,
        }
    }

    /// Name of a scope: the Service's, or "overall".
    #[must_use]
    pub fn name(&self, scope: Scope) -> &str {
        match scope {
            Scope::Overall => "overall",
            Scope::Service(service) => &self.services[service.index()].name,
        }
    }

    /// All Services, in the order of their ids.
    #[must_use]
    pub fn services(&self) -> &[ServiceLayout] {
        &self.services
    }

    /// One Service.
    #[must_use]
    pub fn service(&self, id: ServiceId) -> &ServiceLayout {
        &self.services[id.index()]
    }

    /// The Service of that name.
    #[must_use]
    pub fn service_named(&self, name: &str) -> Option<ServiceId> {
        self.services
            .iter()
            .position(|service| service.name == name)
            .map(ServiceId::from_index)
    }

    /// Name of a pod.
    #[must_use]
    pub fn pod_name(&self, pod: PodId) -> &str {
        &self.pod_names[pod.index()]
    }

    /// Whether [`Layout::follow`] changes anything.
    #[inline]
    pub(crate) fn moves(&self, seen: &Health<'_>) -> bool {
        match *seen {
            Health::Created { .. }
            | Health::Unschedulable { .. }
            | Health::Deleted { .. }
            | Health::Placed { .. } => true,
            Health::Ready { pod, ready } => ready && self.is_awaited(pod),
            Health::Closed { pod } => !self.stays.is_there(pod),
            _ => false,
        }
    }

    /// Whether a pod has a node, and was never ready.
    fn is_awaited(&self, pod: PodId) -> bool {
        *self.pod_state(pod) == PodState::Placed && !self.stays.is_there(pod)
    }

    /// Follows a pod that is created, placed, refused, ready, deleted or closed in the course of a run.
    pub fn follow(&mut self, now: SimTime, seen: &Health<'_>) {
        let (pod, state) = match *seen {
            Health::Created { pod } => {
                self.stays.renew(pod);
                (pod, PodState::Pending(None))
            }
            Health::Unschedulable { pod, why } => (pod, PodState::Pending(Some(why.to_string()))),
            Health::Deleted { pod } => {
                self.stays.end(pod, now);
                (pod, PodState::Absent)
            }
            Health::Placed { pod, node } => {
                self.pod_nodes[pod.index()] = node;
                (pod, PodState::Placed)
            }
            Health::Ready { pod, ready } if ready && self.is_awaited(pod) => {
                return self.stays.begin(pod, now);
            }
            Health::Closed { pod } => return self.stays.prolong(pod, now),
            _ => return,
        };
        self.pod_states[pod.index()] = state;
    }

    /// Which pods were there in a window of the run that was followed.
    #[must_use]
    pub fn presence(&self, window: Window) -> Presence {
        Presence::of(&self.stays, window)
    }

    /// Whether a pod has a node.
    #[must_use]
    pub fn pod_state(&self, pod: PodId) -> &PodState {
        &self.pod_states[pod.index()]
    }

    /// The pods of a Service that have a node, and are not being deleted.
    pub fn placed_pods(&self, service: ServiceId) -> impl Iterator<Item = PodId> {
        let pods = self.service(service).pods.iter().copied();
        pods.filter(|&pod| *self.pod_state(pod) == PodState::Placed)
    }

    /// How many pods of a Service wait for a node.
    #[must_use]
    pub fn pending_pods(&self, service: ServiceId) -> u32 {
        let ServiceLayout {
            pods, never_placed, ..
        } = self.service(service);
        let waits = |&&pod: &&PodId| matches!(self.pod_state(pod), PodState::Pending(_));
        let waiting = pods.iter().filter(waits).count();
        never_placed + u32::try_from(waiting).expect("pods are numbered in 32 bits")
    }

    /// The node of a pod; of one that has left, the last one. Of a place that no pod took yet it means nothing.
    #[must_use]
    pub fn pod_node(&self, pod: PodId) -> NodeId {
        self.pod_nodes[pod.index()]
    }

    /// Workers of a pod.
    #[must_use]
    pub fn pod_workers(&self, pod: PodId) -> u32 {
        self.pod_workers[pod.index()]
    }

    /// Name of a node.
    #[must_use]
    pub fn node_name(&self, node: NodeId) -> &str {
        &self.node_names[node.index()]
    }

    /// The zone of a node.
    #[inline]
    #[must_use]
    pub fn node_zone(&self, node: NodeId) -> ZoneId {
        self.node_zones[node.index()]
    }

    /// Whether the answer of a pod on another node goes straight to the load balancer.
    #[must_use]
    pub const fn returns_directly(&self) -> bool {
        self.returns_directly
    }

    /// The zone of a load balancer node.
    #[inline]
    #[must_use]
    pub fn load_balancer_zone(&self, node: LoadBalancerNodeId) -> ZoneId {
        self.load_balancer_zones[node.index()]
    }

    /// The Service behind a target.
    #[inline]
    #[must_use]
    pub fn target_service(&self, target: TargetId) -> ServiceId {
        self.target_services[target.index()]
    }

    /// How many places there are for pods.
    #[must_use]
    pub fn pod_places(&self) -> usize {
        self.pod_nodes.len()
    }

    /// How many nodes there are.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.node_zones.len()
    }

    /// How many load balancer nodes there are.
    #[must_use]
    pub fn load_balancer_node_count(&self) -> usize {
        self.load_balancer_zones.len()
    }

    /// How many places there are for targets, over all target groups.
    #[must_use]
    pub fn target_places(&self) -> usize {
        self.target_services.len()
    }

    /// Whether a target was registered: a node always is, a pod while it is there.
    #[must_use]
    pub fn was_target(&self, target: TargetId, there: &Presence) -> bool {
        self.target_pods[target.index()].is_none_or(|pod| there.was_there(pod))
    }

    /// Whether traffic between nodes is wrapped by an overlay.
    #[inline]
    #[must_use]
    pub fn has_overlay(&self) -> bool {
        self.overlay
    }

    /// Which things are shown as one in a picture of ways.
    #[inline]
    #[must_use]
    pub fn bundles(&self) -> &Bundles {
        &self.bundles
    }

    /// How many pairs of Service and pod there are.
    pub(crate) fn endpoint_count(&self) -> usize {
        self.endpoints
    }

    /// Position of a Service's pod in tables with one entry for each pair.
    #[inline]
    pub(crate) fn endpoint(&self, service: ServiceId, pod: PodId) -> usize {
        self.services[service.index()].first_endpoint + self.pod_ranks[pod.index()] as usize
    }
}

/// Pods that are missing at time zero, where no place is kept for them.
fn never_placed(blueprint: &Blueprint, deployment: DeploymentId) -> u32 {
    let health = blueprint.health.as_ref();
    if health.is_some_and(|health| health.spares.contains(&deployment)) {
        return 0;
    }
    let placed = blueprint
        .pods
        .iter()
        .filter(|pod| pod.deployment == deployment);
    // A rolling update that came to rest leaves more pods than are wanted.
    let placed = u32::try_from(placed.count()).expect("pods are numbered in 32 bits");
    blueprint.deployments[deployment]
        .replicas
        .saturating_sub(placed)
}

/// Which Services some population asks for.
fn asked(blueprint: &Blueprint) -> Vec<bool> {
    let mut asked = vec![false; blueprint.services.len()];
    let classes = blueprint
        .populations
        .iter()
        .flat_map(|population| &population.classes);
    for group in classes.filter_map(|class| class.target_group) {
        asked[blueprint.target_groups[group].service.index()] = true;
    }
    for group in blueprint.groups_to_come() {
        asked[blueprint.target_groups[group].service.index()] = true;
    }
    asked
}

/// Where a number is taken from: the things, the length of time, and the part in question.
#[derive(Clone, Copy, Debug)]
pub struct Focus<'a> {
    /// The things.
    pub layout: &'a Layout,
    /// Time that was observed.
    pub span: SimDuration,
    /// Everything or one Service.
    pub scope: Scope,
    /// Answer even where too few observations make the number unreliable: for finding the end of the warm-up only.
    pub rough: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::testing::{blueprint, layout, service};

    #[test]
    fn services_know_their_pods_and_targets() {
        let layout = layout();
        let [web, idle] = ["web", "idle"].map(|name| layout.service(service(name)));
        assert_eq!((web.pods.len(), idle.pods.len()), (3, 2));
        assert_eq!((web.targets.len(), idle.targets.len()), (2, 2));
        assert!(web.asked && !idle.asked);
        for (id, target) in layout
            .services()
            .iter()
            .enumerate()
            .flat_map(|(id, service)| service.targets.iter().map(move |&target| (id, target)))
        {
            assert_eq!(layout.target_service(target).index(), id);
        }
    }

    #[test]
    fn every_pair_of_service_and_pod_has_its_own_place() {
        let layout = layout();
        let places: Vec<usize> = (0..layout.services().len())
            .map(ServiceId::from_index)
            .flat_map(|id| {
                layout
                    .service(id)
                    .pods
                    .iter()
                    .map(|&pod| layout.endpoint(id, pod))
                    .collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(places, (0..layout.endpoint_count()).collect::<Vec<_>>());
    }

    #[test]
    fn scopes_stand_at_their_positions() {
        let layout = Layout::of(&blueprint());
        for (position, scope) in layout.scopes().enumerate() {
            assert_eq!(layout.position(scope), position);
        }
        assert_eq!(layout.name(Scope::Overall), "overall");
    }
}
