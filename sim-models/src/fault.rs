//! What goes wrong, on which thing, from when until when?
//!
//! A fault gives a thing a [condition](crate::cluster::condition) for a while, or happens to it at an instant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{SimDuration, SimTime};

use crate::cluster::condition::{Erroring, PodCondition, Slow};
use crate::control::disruption::{self, Drain};
use crate::id::{DeploymentId, LoadBalancerNodeId, NodeId, PodId, TargetGroupId};
use crate::quantity::Rate;
use crate::request::forward::Forward;
use crate::request::rules::Action;

/// A fault as a scenario writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The thing it happens to.
    ///
    /// Required: Pod(deployment: "nginx", index: 3), Pods(deployment: "nginx", share: 0.5), Busiest(deployment: "nginx"), Node(index: 0),
    /// Zone(name: "a"), Deployment(name: "nginx"), TargetGroup(name: "nginx"), Rule(index: 0), LoadBalancerNode(index: 0),
    /// LoadBalancerZone(zone: "zone-a"), Controller, ApiServer or ControllerManager.
    pub on: Selector,

    /// What becomes of the thing.
    ///
    /// Required. For pods: Erroring(status: 500), Hanging, Refusing, Slow(factor: 10), Exited, CrashLoop(lifetime: "1s"), Deleted, Unselected, Untracked.
    /// For nodes, also all those of a zone: Crashed, KubeletHung, KubeletRestarted, RuntimeHung, Partition(from: ControlPlane), Drained, AgentDown, AgentHung,
    /// AgentSlow(by: "10s"), ToBeDeleted.
    /// For Deployments: RolledOut(broken: false). For target groups: ReplacedBy(group: "nginx-pods").
    /// For rules: Forwarding(to: { "old": 1, "new": 1 }). For load balancer nodes: Lost, Retired; for a zone
    /// of them: ShiftedAway. For the load balancer controller: LeaderChanged, Throttled(rate: "1/s").
    /// For the API server: Unavailable, Overloaded(by: "1s"). For the controller manager: Stopped, LeaderLost.
    pub becomes: Becomes,

    /// When it begins, from the start of the run (warm-up included).
    ///
    /// Required.
    pub from: SimDuration,

    /// When it ends, from the start of the run. What happens at an instant has no end.
    ///
    /// Default: it lasts to the end of the run.
    #[serde(default)]
    pub until: Option<SimDuration>,
}

/// The thing that a fault happens to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Selector {
    /// One pod of a Deployment.
    Pod {
        /// The name of an entry of `deployments`.
        deployment: String,
        /// Which of its pods, in the order of their creation, from 0.
        index: u32,
    },
    /// Some pods of a Deployment, the first ones in the order of their creation.
    Pods {
        /// The name of an entry of `deployments`.
        deployment: String,
        /// Share of its pods, rounded to the nearest number of pods.
        ///
        /// Range: 0 to 1. Default: 1.
        #[serde(default = "all")]
        share: f64,
    },
    /// The pod of a Deployment that users asked most in the second before.
    ///
    /// Under upstream connections that are reused, a fixed pod may hold none of them, and its fault shows nothing.
    Busiest {
        /// The name of an entry of `deployments`.
        deployment: String,
        /// When it is chosen, from the start of the run (warm-up included). Faults with the same time mean the same pod.
        ///
        /// Range: 0 to `from`. Default: the fault's `from`.
        #[serde(default)]
        at: Option<SimDuration>,
    },
    /// One node.
    Node {
        /// Which of the cluster's nodes, in the order of the node groups, from 0.
        index: u32,
    },
    /// All worker nodes of a zone, at the same instant. For its load balancer nodes see `LoadBalancerZone`.
    Zone {
        /// One of `cluster.zones`.
        name: String,
    },
    /// The API server. What runs goes on; nothing is written, and nobody hears of anything.
    ApiServer,
    /// kube-controller-manager and kube-scheduler: nodes are not given up, EndpointSlices not written, pods not created or placed.
    ControllerManager,
    /// A Deployment as a whole.
    Deployment {
        /// The name of an entry of `deployments`.
        name: String,
    },
    /// A target group of the load balancer.
    TargetGroup {
        /// The name of an entry of `load_balancer.target_groups`.
        name: String,
    },
    /// A listener rule.
    Rule {
        /// Which of `load_balancer.rules`, from 0.
        index: u32,
    },
    /// A load balancer node.
    LoadBalancerNode {
        /// Which of them, from 0: those of the first enabled zone, then those of the next.
        index: u32,
    },
    /// All load balancer nodes of a zone.
    LoadBalancerZone {
        /// The name of an enabled zone.
        zone: String,
    },
    /// The AWS Load Balancer Controller.
    Controller,
}

fn all() -> f64 {
    1.0
}

fn tenfold() -> f64 {
    10.0
}

fn internal_error() -> u16 {
    500
}

fn ten_seconds() -> SimDuration {
    SimDuration::from_secs(10)
}

fn one_second() -> SimDuration {
    SimDuration::from_secs(1)
}

fn millisecond() -> SimDuration {
    SimDuration::from_millis(1)
}

fn one_per_second() -> Rate {
    Rate::per_second(1.0).expect("1 is above 0")
}

fn yes() -> bool {
    true
}

/// What becomes of the thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Becomes {
    /// A pod answers an error.
    Erroring {
        /// The status that it answers.
        ///
        /// Range: 400 to 599. Default: 500.
        #[serde(default = "internal_error")]
        status: u16,
        /// Share of the requests that meet the error, drawn for each request.
        ///
        /// Range: 0 to 1. Default: 1.
        #[serde(default = "all")]
        share: f64,
        /// Work of an erroneous answer, instead of the request's own.
        ///
        /// Range: 0 and up. Default: "1ms".
        /// Source: recordings of a real proxy (E3): a fast error frees its connection early and so attracts more requests.
        #[serde(default = "millisecond")]
        delay: SimDuration,
        /// Whether probes and health checks meet the error too. With false the checked path works, and nobody notices.
        ///
        /// Default: true.
        #[serde(default = "yes")]
        checks: bool,
    },
    /// A pod accepts and never answers.
    Hanging,
    /// A pod closes its listener and all its connections.
    Refusing,
    /// A pod works slowly.
    Slow {
        /// Multiplies the work of a request.
        ///
        /// Range: 1 and up; plausible 2 to 100. Default: 10.
        #[serde(default = "tenfold")]
        factor: f64,
        /// Added to the work of a request after the factor: a dependency that answers late.
        ///
        /// Range: 0 and up. Default: "0s".
        #[serde(default)]
        add: SimDuration,
        /// Share of the requests that are slow, drawn for each request.
        ///
        /// Range: 0 to 1. Default: 1.
        #[serde(default = "all")]
        share: f64,
    },
    /// A pod's container exits, once. The kubelet starts it again, unless the fault has an `until`: then it cannot start before that.
    Exited,
    /// A pod's container exits again and again.
    CrashLoop {
        /// How long it lives each time.
        ///
        /// Range: 0 and up. Default: "0s".
        #[serde(default)]
        lifetime: SimDuration,
    },
    /// A pod is deleted through the API; its Deployment replaces it.
    Deleted,
    /// A pod's labels change, so that no Service selects it any more; it runs on.
    Unselected,
    /// All nodes lose their connection tracking entries for connections to a pod. The next packet of such a connection goes to a newly
    /// chosen pod, which resets it; answers on their way are lost. Connections of `ip` targets have no entries and stay.
    ///
    /// Source: Linux connection tracking: a packet without an entry passes the NAT rules anew, whatever its TCP flags (`nf_conntrack_tcp_loose`).
    Untracked,
    /// A node dies: pods, data plane and kubelet at once.
    Crashed,
    /// A node's kubelet hangs; its containers and its data plane go on.
    KubeletHung,
    /// A node's kubelet restarts.
    KubeletRestarted,
    /// A node's container runtime does not answer. Pods on it go on, and their probes have no consequences; after
    /// `cluster.kubelet.pleg_unhealthy_after` the kubelet says that the node is not ready. Pods that are deleted then are not stopped.
    ///
    /// Source: Kubernetes 1.34 `pkg/kubelet/pleg/generic.go`, `pkg/kubelet/kubelet.go`.
    RuntimeHung,
    /// A node is cut off.
    Partition {
        /// From whom.
        ///
        /// Default: Everything.
        #[serde(default)]
        from: PartitionFrom,
    },
    /// A node is cordoned and its pods are evicted (`kubectl drain`), as far as their `pod_disruption_budget` allows.
    Drained {
        /// Wait before a refused eviction is tried again.
        ///
        /// Range: above 0. Default: "5s".
        /// Source: Kubernetes `staging/src/k8s.io/kubectl/pkg/drain/drain.go`.
        #[serde(default = "disruption::drain_retry")]
        retry: SimDuration,
        /// After this long it gives up. The node stays cordoned.
        ///
        /// Range: above 0. Default: none, it tries for ever.
        /// Source: `kubectl drain --timeout`.
        #[serde(default)]
        timeout: Option<SimDuration>,
    },
    /// The API server does not answer.
    Unavailable,
    /// The API server is slow: requests take longer, and watchers hear later. It touches statuses of pods, EndpointSlices, bindings of pods and
    /// all that hear of them; leases are renewed in time.
    ///
    /// Source: Kubernetes SIG Scalability, "API call latency SLOs": 99 % of the mutating calls on single objects within 1 s.
    Overloaded {
        /// How much longer each request takes, and how much later each change is heard of.
        ///
        /// Range: "0s" to "10s"; what takes longer times out, and is an outage. Default: "1s".
        /// Source: Kubernetes `pkg/kubelet/kubelet.go`: the client that renews leases gives up after the node status update frequency, 10 s.
        #[serde(default = "one_second")]
        by: SimDuration,
    },
    /// The controller manager does not run.
    Stopped,
    /// The leading controller manager is gone; after `cluster.controller_manager.takeover` another one has its place.
    LeaderLost,
    /// The agent on a node that writes its service map is down: cilium-agent, or kube-proxy. The node keeps the map that it has, and under
    /// Cilium no new pod starts there.
    ///
    /// Source: Cilium: maps and programs are pinned in the kernel; the CNI plugin asks the agent for each new pod.
    AgentDown,
    /// The agent on a node hangs. What follows is as if it were down, until its liveness probe has it restarted.
    ///
    /// Source: Cilium 1.19, Helm chart: 30 s, 10 failures and 5 s, so 275 to 305 s.
    AgentHung,
    /// The agent on a node hears of changes late.
    AgentSlow {
        /// How much later.
        ///
        /// Range: 0 and up. Default: "10s".
        #[serde(default = "ten_seconds")]
        by: SimDuration,
    },
    /// A node is about to be deleted and carries the taint `ToBeDeletedByClusterAutoscaler`: the load balancer controller deregisters it.
    /// Its pods stay.
    ///
    /// Source: AWS Load Balancer Controller, `pkg/backend/endpoint_utils.go`.
    ToBeDeleted,
    /// A Deployment's pods are replaced by new ones, as its strategy says.
    RolledOut {
        /// Whether the new pods answer 500 to everything.
        ///
        /// Default: false.
        #[serde(default)]
        broken: bool,
    },
    /// The Ingress of a target group changes so that another group takes its place: its `target-type`, say, or its Service. The controller
    /// creates the new group, turns the rules to it, and only then registers its targets; the old one goes without its deregistration delay.
    ///
    /// Source: AWS Load Balancer Controller, `pkg/deploy/stack_deployer.go`.
    ReplacedBy {
        /// The name of the entry of `load_balancer.target_groups` that takes over. Until then it does not exist, and no rule forwards to it.
        group: String,
    },
    /// A listener rule forwards to other target groups, or by other weights: the annotation `actions.NAME` of the Ingress changes.
    Forwarding {
        /// A target group, or several with weights.
        to: Forward,
    },
    /// Load balancer nodes die: what they were doing is lost, packets to them meet silence, and `load_balancer.node_failure_to_dns` later DNS
    /// names them no more. With an end they come back empty, and reset the connections of before.
    ///
    /// Source: AWS, Elastic Load Balancing best practices: each address has a Route 53 health check.
    Lost,
    /// Load balancer nodes are retired, as when the load balancer scales in: DNS names them no more, from this instant on, and they close
    /// connections as `load_balancer.retired_node_closes_idle` says. What uses them goes on. With an end they are named again; one that is
    /// retired from "0s" on is one that comes when the load balancer scales out.
    ///
    /// Assumption: AWS does not publish when it scales, nor what becomes of the connections.
    Retired,
    /// A zonal shift moves traffic away from a zone: DNS names its load balancer nodes no more, from this instant on, and groups with
    /// cross-zone load balancing do not send to its targets. Connections are left to finish. `load_balancer.zonal_shift` must be on.
    ///
    /// Source: AWS, "Zonal shift for your Application Load Balancer".
    ShiftedAway,
    /// The leader of the controller is lost: its replicas write nothing until another one leads, `load_balancer.controller.leader_failover`
    /// later, and looks at everything.
    LeaderChanged,
    /// AWS refuses calls of the load balancer controller beyond a rate, as where another client of the account uses up what the account may
    /// call. A pass whose call is refused is tried again after `load_balancer.controller.retry`.
    Throttled {
        /// Register, Deregister and Describe calls that are admitted, one at a time.
        ///
        /// Range: above 0. Default: "1/s".
        /// Assumption: AWS does not publish its rates; what the SDK tries again by itself counts as one call.
        #[serde(default = "one_per_second")]
        rate: Rate,
    },
}

/// Whom a node cannot reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PartitionFrom {
    /// Everybody: traffic as after a crash.
    #[default]
    Everything,
    /// The API server only: traffic goes on.
    ControlPlane,
}

/// A fault, names resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What happens, and to whom.
    pub what: What,
    /// When it begins.
    pub from: SimTime,
    /// When it ends; `None` where it lasts, or happens at an instant.
    pub until: Option<SimTime>,
}

/// What happens, and to whom.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Pods are in a condition.
    Pods(Vec<PodId>, PodCondition),
    /// The containers of these pods exit. With an end, they cannot start before it.
    Exit(Vec<PodId>),
    /// The containers of these pods exit whenever they have lived this long.
    CrashLoop(Vec<PodId>, SimDuration),
    /// These pods are deleted through the API, in this order, this far apart.
    Delete(Vec<PodId>, SimDuration),
    /// The labels of these pods change, so that no Service selects them any more; they run on.
    Unselect(Vec<PodId>),
    /// All nodes lose their connection tracking entries for connections to these pods.
    Untrack(Vec<PodId>),
    /// The pod that clients asked most in the second before a time is chosen then, and this happens to it.
    ToBusiest(Busiest, Effect),
    /// A node is in trouble.
    Node(NodeId, NodeTrouble),
    /// A Deployment's pods are replaced by new ones in this condition.
    RollOut(DeploymentId, PodCondition),
    /// One target group takes the place of another.
    Replace {
        /// The group that goes.
        old: TargetGroupId,
        /// The group that comes.
        new: TargetGroupId,
    },
    /// A rule's action changes; its priority, and 0 for the default action.
    Forward(u32, Action),
    /// Load balancer nodes are in trouble.
    LoadBalancer(Vec<LoadBalancerNodeId>, LoadBalancerTrouble),
    /// The leader of the load balancer controller is lost.
    LeaderChange,
    /// AWS admits so many calls of the load balancer controller.
    Throttle(Rate),
    /// Part of the control plane is away.
    ControlPlane(Outage),
    /// Requests to the API server take this much longer, and watchers hear this much later.
    Overload(SimDuration),
}

/// Trouble of load balancer nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadBalancerTrouble {
    /// They are dead.
    Lost,
    /// They are to be used no more.
    Retired,
    /// A zonal shift moves traffic away from their zone.
    Shifted,
}

/// Which part of the control plane is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// The API server.
    ApiServer,
    /// The controllers.
    Controllers,
    /// The leader of the controllers: an instant, and what follows from it.
    Leader,
}

/// The pod that clients asked most in the [second](Busiest::WINDOW) before a time; of several the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busiest {
    /// Among the pods of this Deployment.
    pub deployment: DeploymentId,
    /// When it is chosen.
    pub at: SimTime,
}

impl Busiest {
    /// For how long requests are counted.
    ///
    /// Source: the recordings of a real proxy (E3): the pod with most requests in the last second before its fault.
    pub const WINDOW: SimDuration = SimDuration::from_secs(1);
}

/// Trouble of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeTrouble {
    /// It is dead.
    Crash,
    /// It is cut off from everybody.
    Partition,
    /// It is cut off from the API server only.
    CutOff,
    /// Its kubelet hangs.
    KubeletHung,
    /// Its container runtime hangs.
    RuntimeHung,
    /// Its kubelet restarts: an instant.
    KubeletRestart,
    /// It is drained: an instant, and what follows from it.
    Drain(Drain),
    /// Its agent is down.
    AgentDown,
    /// Its agent hangs.
    AgentHung,
    /// Its agent hears of changes this much later.
    AgentSlow(SimDuration),
    /// It is about to be deleted, and says so.
    ToBeDeleted,
}

/// What a fault does to the things it is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effect {
    /// Pods are in a condition.
    Condition(PodCondition),
    /// Containers exit.
    Exit,
    /// Containers exit whenever they have lived this long.
    CrashLoop(SimDuration),
    /// Pods are deleted.
    Delete,
    /// Pods are taken out of their Services.
    Unselect,
    /// Connections to pods are no longer tracked.
    Untrack,
    /// A node is in trouble.
    Node(NodeTrouble),
    /// A Deployment is rolled out, with pods in this condition.
    RollOut(PodCondition),
    /// A target group is replaced by another.
    Replace,
    /// A rule's action changes.
    Forward,
    /// Load balancer nodes are in trouble.
    LoadBalancer(LoadBalancerTrouble),
    /// The leader of the load balancer controller is lost.
    LeaderChange,
    /// AWS admits so many calls of the load balancer controller.
    Throttle(Rate),
    /// Part of the control plane is away.
    ControlPlane(Outage),
    /// The API server is slow.
    Overload(SimDuration),
}

impl Becomes {
    /// What it does, and so to what kind of thing it can happen.
    pub fn effect(&self) -> Effect {
        match *self {
            Self::Erroring {
                status,
                share,
                delay,
                checks,
            } => Effect::Condition(PodCondition::Erroring(Erroring {
                status,
                share,
                delay,
                checks,
            })),
            Self::Hanging => Effect::Condition(PodCondition::Hanging),
            Self::Refusing => Effect::Condition(PodCondition::Refusing),
            Self::Slow { factor, add, share } => {
                Effect::Condition(PodCondition::Slow(Slow { factor, add, share }))
            }
            Self::Exited => Effect::Exit,
            Self::CrashLoop { lifetime } => Effect::CrashLoop(lifetime),
            Self::Deleted => Effect::Delete,
            Self::Unselected => Effect::Unselect,
            Self::Untracked => Effect::Untrack,
            Self::Crashed => Effect::Node(NodeTrouble::Crash),
            Self::KubeletHung => Effect::Node(NodeTrouble::KubeletHung),
            Self::RuntimeHung => Effect::Node(NodeTrouble::RuntimeHung),
            Self::KubeletRestarted => Effect::Node(NodeTrouble::KubeletRestart),
            Self::Partition {
                from: PartitionFrom::Everything,
            } => Effect::Node(NodeTrouble::Partition),
            Self::Partition {
                from: PartitionFrom::ControlPlane,
            } => Effect::Node(NodeTrouble::CutOff),
            Self::AgentDown => Effect::Node(NodeTrouble::AgentDown),
            Self::AgentHung => Effect::Node(NodeTrouble::AgentHung),
            Self::AgentSlow { by } => Effect::Node(NodeTrouble::AgentSlow(by)),
            Self::ToBeDeleted => Effect::Node(NodeTrouble::ToBeDeleted),
            Self::Drained { retry, timeout } => {
                Effect::Node(NodeTrouble::Drain(Drain { retry, timeout }))
            }
            Self::Unavailable => Effect::ControlPlane(Outage::ApiServer),
            Self::Overloaded { by } => Effect::Overload(by),
            Self::Stopped => Effect::ControlPlane(Outage::Controllers),
            Self::LeaderLost => Effect::ControlPlane(Outage::Leader),
            Self::RolledOut { broken: false } => Effect::RollOut(PodCondition::Serving),
            Self::RolledOut { broken: true } => {
                Effect::RollOut(PodCondition::Erroring(Erroring::default()))
            }
            Self::ReplacedBy { .. } => Effect::Replace,
            Self::Forwarding { .. } => Effect::Forward,
            Self::Lost => Effect::LoadBalancer(LoadBalancerTrouble::Lost),
            Self::Retired => Effect::LoadBalancer(LoadBalancerTrouble::Retired),
            Self::ShiftedAway => Effect::LoadBalancer(LoadBalancerTrouble::Shifted),
            Self::LeaderChanged => Effect::LeaderChange,
            Self::Throttled { rate } => Effect::Throttle(rate),
        }
    }
}

impl Effect {
    /// The kind of thing it happens to, for people.
    pub fn subject(self) -> &'static str {
        match self {
            Self::Condition(_)
            | Self::Exit
            | Self::CrashLoop(_)
            | Self::Delete
            | Self::Unselect
            | Self::Untrack => "pods",
            Self::Node(_) => "a node",
            Self::RollOut(_) => "a Deployment",
            Self::Replace => "a target group",
            Self::Forward => "a rule",
            Self::LoadBalancer(_) => "load balancer nodes",
            Self::LeaderChange | Self::Throttle(_) => "the controller",
            Self::ControlPlane(Outage::ApiServer) | Self::Overload(_) => "the API server",
            Self::ControlPlane(Outage::Controllers | Outage::Leader) => "the controller manager",
        }
    }

    /// What happens where these pods meet it; `None` where it does not happen to pods.
    pub fn on(self, pods: Vec<PodId>) -> Option<What> {
        match self {
            Self::Condition(condition) => Some(What::Pods(pods, condition)),
            Self::Exit => Some(What::Exit(pods)),
            Self::CrashLoop(lifetime) => Some(What::CrashLoop(pods, lifetime)),
            Self::Delete => Some(What::Delete(pods, SimDuration::ZERO)),
            Self::Unselect => Some(What::Unselect(pods)),
            Self::Untrack => Some(What::Untrack(pods)),
            Self::Node(_)
            | Self::RollOut(_)
            | Self::Replace
            | Self::Forward
            | Self::LoadBalancer(_)
            | Self::LeaderChange
            | Self::Throttle(_)
            | Self::ControlPlane(_)
            | Self::Overload(_) => None,
        }
    }

    /// Whether it happens at an instant and has no end of its own.
    pub fn is_instant(self) -> bool {
        matches!(
            self,
            Self::Delete
                | Self::Unselect
                | Self::Untrack
                | Self::RollOut(_)
                | Self::Replace
                | Self::Forward
                | Self::LeaderChange
                | Self::ControlPlane(Outage::Leader)
                | Self::Node(NodeTrouble::KubeletRestart | NodeTrouble::Drain(_))
        )
    }
}

impl Selector {
    /// The kind of thing it selects, for people.
    pub fn subject(&self) -> &'static str {
        match self {
            Self::Pod { .. } | Self::Pods { .. } | Self::Busiest { .. } => "pods",
            Self::Node { .. } | Self::Zone { .. } => "a node",
            Self::Deployment { .. } => "a Deployment",
            Self::TargetGroup { .. } => "a target group",
            Self::Rule { .. } => "a rule",
            Self::LoadBalancerNode { .. } | Self::LoadBalancerZone { .. } => "load balancer nodes",
            Self::Controller => "the controller",
            Self::ApiServer => "the API server",
            Self::ControllerManager => "the controller manager",
        }
    }
}
