//! Everything that can happen in a run, and who goes first at one instant.

use crate::id::{
    CallId, DeploymentId, FaultId, Id, NodeId, PodId, PopulationId, ProberId, RequestId, ServiceId,
    TargetGroupId, UpstreamId, ViewId,
};

/// An event of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The next request of an open-loop population is born.
    Arrive(PopulationId),
    /// A user of a closed loop asks.
    Ask(UserId),
    /// A request reaches its load balancer node.
    AtLoadBalancer(RequestId),
    /// The first packet of a new connection reaches the node.
    AtNode(RequestId),
    /// A request reaches its pod.
    AtServer(RequestId),
    /// A worker is done with a request.
    Served(RequestId),
    /// A request may be done in a pod whose requests share the workers.
    Shared(PodId),
    /// The answer, or the failure, reaches the load balancer node.
    Returned(RequestId),
    /// An idle connection may have been idle long enough.
    Expire(UpstreamId),
    /// A client tries again.
    Retry(CallId),
    /// Somebody may have waited long enough for an answer.
    Deadline(LaneId),
    /// The first packet of a connection, which nobody answered, is sent again.
    Redial(RequestId),
    /// Something happens to the health of things, or to what somebody believes about it.
    Health(HealthEvent),
}

/// An event of the health signal.
///
/// None of them exists in a world in which nothing can go wrong and nobody probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthEvent {
    /// The requests of pods are counted from here on, for a fault that will choose one.
    Count(FaultId),
    /// A fault chooses its pod.
    Choose(FaultId),
    /// A fault begins.
    FaultBegins(FaultId),
    /// A fault ends.
    FaultEnds(FaultId),
    /// A tick of a prober's grid.
    Probe(ProberId),
    /// A probe has waited long enough.
    ProbeDeadline(ProberId),
    /// A probe without a request has its answer, or tries again.
    ProbeGoesOn(ProberId),
    /// A kubelet's relist shows that a container has started or exited.
    Relist(PodId),
    /// A container starts.
    Start(PodId),
    /// A container's process runs.
    Run(PodId),
    /// A process has booted.
    Answer(PodId),
    /// A container exits.
    Exit(PodId),
    /// A pod's status is written to the API.
    StatusWritten(PodId),
    /// The EndpointSlice controller hears of a pod.
    PodSeen(PodId),
    /// The EndpointSlice controller looks at a Service.
    Sync(ServiceId),
    /// A sync ends.
    Synced(ServiceId),
    /// A load balancer node checks a target.
    Check(ViewId),
    /// A health check has waited long enough.
    CheckDeadline(ViewId),
    /// The load balancer controller looks at a target group.
    Reconcile(TargetGroupId),
    /// Its pass ends.
    Reconciled(TargetGroupId),
    /// A load balancer node hears of a registration or a deregistration.
    Learn(ViewId),
    /// The deregistration delay of a target is over.
    Drained(ViewId),
    /// The node lifecycle controller finds a node silent for too long.
    NodeUnknown(NodeId),
    /// A kubelet says that its node is not ready.
    NodeNotReady(NodeId),
    /// A pass of the node lifecycle controller finds a node that says so.
    NodeSeenNotReady(NodeId),
    /// The node lifecycle controller marks a pod of a lost node.
    MarkNotReady(PodId),
    /// A node that was lost is ready again.
    NodeBack(NodeId),
    /// Pods of a lost node have tolerated it long enough.
    Evict(NodeId),
    /// A pod with a toleration of its own has tolerated a lost node long enough.
    EvictTainted(PodId),
    /// The controllers are back after an outage.
    ControllersBack,
    /// After an outage a kubelet writes what it could not write.
    WriteStatuses(NodeId),
    /// The controllers of a Deployment look at its pods.
    SyncDeployment(DeploymentId),
    /// The next pod that a ReplicaSet asked for is there.
    Create(DeploymentId),
    /// A pod that a ReplicaSet has too many is marked for deletion.
    ScaleDown(PodId),
    /// A pod has been ready for so long that it is available.
    Available(PodId),
    /// A rollout may have gone for too long without progress.
    ProgressDeadline(DeploymentId),
    /// Whoever drains a node asks again for a pod whose eviction was refused.
    EvictPod(PodId),
    /// Whoever drains a node gives up.
    DrainTimeout(NodeId),
    /// The disruption controller looks at a budget.
    SyncBudget(DeploymentId),
    /// metrics-server asks for the usage of a Deployment's pods.
    ReadMetrics(DeploymentId),
    /// An autoscaler looks at its Deployment.
    Autoscale(DeploymentId),
    /// The scheduler looks at the pods that wait for a node.
    Schedule,
    /// A kubelet hears of a pod that was bound to its node.
    Assigned(PodId),
    /// A pod is deleted in the API.
    Delete(PodId),
    /// A kubelet hears that a pod is deleted.
    Terminate(PodId),
    /// A pod's process gets SIGTERM: it stops accepting connections.
    Sigterm(PodId),
    /// A pod's last process has ended; its address goes.
    Gone(PodId),
    /// A kubelet hears that a readiness gate of a pod has opened or closed.
    GateSeen(PodId),
    /// The load balancer controller has made the calls for a change of rules.
    RulesChanged(FaultId),
}

/// Deadlines in the order of time: those of each population, then those of the load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneId(pub u32);

/// A user of a closed loop, counted over all populations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserId(pub u32);

/// A pod broken at some instant is broken for the probe of that instant.
const BREAKS: u8 = 0;
const CHANGES_HEALTH: u8 = 1;
const FREES_WORKER: u8 = 2;
const FREES_CONNECTION: u8 = 3;
const CLOSES_CONNECTION: u8 = 4;
const NEEDS: u8 = 5;
/// An answer at the instant of a deadline is in time.
const GIVES_UP: u8 = 6;

impl Event {
    /// Who goes first at one instant: what frees a worker or a connection goes before what needs one.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Health(
                HealthEvent::Count(_)
                | HealthEvent::Choose(_)
                | HealthEvent::FaultBegins(_)
                | HealthEvent::FaultEnds(_),
            ) => BREAKS,
            Self::Health(_) => CHANGES_HEALTH,
            Self::Served(_) | Self::Shared(_) => FREES_WORKER,
            Self::Returned(_) => FREES_CONNECTION,
            Self::Expire(_) => CLOSES_CONNECTION,
            Self::Deadline(_) => GIVES_UP,
            Self::Arrive(_)
            | Self::Ask(_)
            | Self::Retry(_)
            | Self::AtLoadBalancer(_)
            | Self::AtNode(_)
            | Self::AtServer(_)
            | Self::Redial(_) => NEEDS,
        }
    }

    /// The kind of event, for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Arrive(_) => "arrival",
            Self::Ask(_) => "closed-loop user asks",
            Self::AtLoadBalancer(_) => "request at load balancer",
            Self::AtNode(_) => "connection at node",
            Self::AtServer(_) => "request at pod",
            Self::Served(_) => "request served",
            Self::Shared(_) => "shared work looked at",
            Self::Returned(_) => "answer at load balancer",
            Self::Expire(_) => "idle connection checked",
            Self::Retry(_) => "client tries again",
            Self::Deadline(_) => "deadline",
            Self::Redial(_) => "connection tried again",
            Self::Health(event) => event.kind(),
        }
    }

    /// Kind and subject as one number, for the fingerprint.
    #[inline]
    pub fn digest(&self) -> u64 {
        (self.number() << 32) | self.subject() as u64
    }

    /// A number for the kind. Every event of a run is asked for it: a match with numbers alone becomes a table, one with pairs of
    /// number and subject would be a jump that no processor foresees.
    #[inline]
    fn number(&self) -> u64 {
        match self {
            Self::Arrive(_) => 0,
            Self::Ask(_) => 1,
            Self::AtLoadBalancer(_) => 2,
            Self::AtNode(_) => 3,
            Self::AtServer(_) => 4,
            Self::Served(_) => 5,
            Self::Returned(_) => 6,
            Self::Expire(_) => 7,
            Self::Redial(_) => 8,
            Self::Retry(_) => 9,
            Self::Deadline(_) => 10,
            Self::Shared(_) => 11,
            Self::Health(event) => event.number_and_subject().0,
        }
    }

    #[inline]
    fn subject(&self) -> usize {
        match *self {
            Self::Arrive(population) => population.index(),
            Self::Ask(user) => user.0 as usize,
            Self::AtLoadBalancer(request)
            | Self::AtNode(request)
            | Self::AtServer(request)
            | Self::Served(request)
            | Self::Returned(request)
            | Self::Redial(request) => request.index(),
            Self::Expire(upstream) => upstream.index(),
            Self::Retry(call) => call.index(),
            Self::Deadline(lane) => lane.0 as usize,
            Self::Shared(pod) => pod.index(),
            Self::Health(event) => event.number_and_subject().1,
        }
    }
}

impl HealthEvent {
    fn kind(&self) -> &'static str {
        match self {
            Self::Count(_) => "count for a fault begins",
            Self::Choose(_) => "fault chooses its pod",
            Self::FaultBegins(_) => "fault begins",
            Self::FaultEnds(_) => "fault ends",
            Self::Probe(_) => "probe",
            Self::ProbeDeadline(_) => "deadline of a probe",
            Self::ProbeGoesOn(_) => "probe without a request goes on",
            Self::Relist(_) => "relist of a container",
            Self::Start(_) => "container starts",
            Self::Run(_) => "container runs",
            Self::Answer(_) => "process answers",
            Self::Exit(_) => "container exits",
            Self::StatusWritten(_) => "pod status written",
            Self::PodSeen(_) => "pod status seen",
            Self::Sync(_) => "endpoint slice sync",
            Self::Synced(_) => "endpoint slice published",
            Self::Check(_) => "health check",
            Self::CheckDeadline(_) => "deadline of a health check",
            Self::Reconcile(_) => "load balancer controller pass",
            Self::Reconciled(_) => "load balancer controller done",
            Self::Learn(_) => "registration at load balancer node",
            Self::Drained(_) => "target drained",
            Self::NodeUnknown(_) => "node found silent",
            Self::NodeNotReady(_) => "node not ready",
            Self::NodeSeenNotReady(_) => "node seen not ready",
            Self::MarkNotReady(_) => "pod of a lost node marked",
            Self::NodeBack(_) => "node back",
            Self::Evict(_) => "pods of a lost node evicted",
            Self::EvictTainted(_) => "pod of a lost node evicted",
            Self::ControllersBack => "controllers back",
            Self::WriteStatuses(_) => "pod statuses written after an outage",
            Self::SyncDeployment(_) => "deployment sync",
            Self::Create(_) => "pod created",
            Self::ScaleDown(_) => "pod scaled away",
            Self::Available(_) => "pod available",
            Self::ProgressDeadline(_) => "progress deadline of a rollout",
            Self::EvictPod(_) => "eviction tried again",
            Self::DrainTimeout(_) => "drain given up",
            Self::SyncBudget(_) => "disruption budget sync",
            Self::ReadMetrics(_) => "pod metrics read",
            Self::Autoscale(_) => "autoscaler looks",
            Self::Schedule => "scheduling",
            Self::Assigned(_) => "pod assigned to a node",
            Self::Delete(_) => "pod deleted",
            Self::Terminate(_) => "pod terminates",
            Self::Sigterm(_) => "pod gets SIGTERM",
            Self::Gone(_) => "pod is gone",
            Self::GateSeen(_) => "readiness gate seen",
            Self::RulesChanged(_) => "rules changed",
        }
    }

    #[inline(never)]
    fn number_and_subject(&self) -> (u64, usize) {
        match *self {
            Self::FaultBegins(fault) => (16, fault.index()),
            Self::FaultEnds(fault) => (17, fault.index()),
            Self::Probe(prober) => (18, prober.index()),
            Self::ProbeDeadline(prober) => (19, prober.index()),
            Self::ProbeGoesOn(prober) => (62, prober.index()),
            Self::Relist(pod) => (20, pod.index()),
            Self::Start(pod) => (21, pod.index()),
            Self::Run(pod) => (22, pod.index()),
            Self::Exit(pod) => (23, pod.index()),
            Self::StatusWritten(pod) => (24, pod.index()),
            Self::PodSeen(pod) => (25, pod.index()),
            Self::Sync(service) => (26, service.index()),
            Self::Synced(service) => (27, service.index()),
            Self::Check(view) => (28, view.index()),
            Self::CheckDeadline(view) => (29, view.index()),
            Self::Reconcile(group) => (30, group.index()),
            Self::Reconciled(group) => (31, group.index()),
            Self::Learn(view) => (32, view.index()),
            Self::Drained(view) => (33, view.index()),
            Self::NodeUnknown(node) => (34, node.index()),
            Self::MarkNotReady(pod) => (35, pod.index()),
            Self::NodeBack(node) => (36, node.index()),
            Self::Evict(node) => (37, node.index()),
            Self::Answer(pod) => (38, pod.index()),
            Self::Delete(pod) => (39, pod.index()),
            Self::Terminate(pod) => (40, pod.index()),
            Self::Sigterm(pod) => (41, pod.index()),
            Self::Gone(pod) => (42, pod.index()),
            Self::SyncDeployment(deployment) => (43, deployment.index()),
            Self::Create(deployment) => (63, deployment.index()),
            Self::ScaleDown(pod) => (64, pod.index()),
            Self::Count(fault) => (44, fault.index()),
            Self::Choose(fault) => (45, fault.index()),
            Self::Schedule => (46, 0),
            Self::Assigned(pod) => (47, pod.index()),
            Self::GateSeen(pod) => (48, pod.index()),
            Self::RulesChanged(fault) => (49, fault.index()),
            Self::Available(pod) => (50, pod.index()),
            Self::ProgressDeadline(deployment) => (51, deployment.index()),
            Self::EvictPod(pod) => (52, pod.index()),
            Self::DrainTimeout(node) => (53, node.index()),
            Self::SyncBudget(deployment) => (54, deployment.index()),
            Self::EvictTainted(pod) => (57, pod.index()),
            Self::ControllersBack => (58, 0),
            Self::WriteStatuses(node) => (59, node.index()),
            Self::NodeNotReady(node) => (60, node.index()),
            Self::NodeSeenNotReady(node) => (61, node.index()),
            Self::ReadMetrics(deployment) => (55, deployment.index()),
            Self::Autoscale(deployment) => (56, deployment.index()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_as_small_as_an_id_and_its_kind() {
        assert_eq!(size_of::<Event>(), 8);
    }
}
