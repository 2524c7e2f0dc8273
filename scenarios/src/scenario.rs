//! What may a scenario say?
//!
//! A thin composition of the stages' own `Config` types: a knob is added at its stage and is readable here at once.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use sim_core::{Dist, SimDuration};
use sim_models::cluster::capacity::TypeName;
use sim_models::cluster::service;
use sim_models::cluster::topology::{Links, Network};
use sim_models::control::{autoscaler, deployment, disruption, kubelet, node_lifecycle, plane};
use sim_models::fault;
use sim_models::health::{endpoint_slice, probe};
use sim_models::placement::affinity::Affinity;
use sim_models::placement::pod::{HostPort, InitContainer, ResourceList, ResourceRequirements};
use sim_models::placement::quantity::{Cpu, Memory};
use sim_models::placement::selector::Labels;
use sim_models::placement::taint::{Taint, Toleration};
use sim_models::placement::{self, TopologySpreadConstraint};
use sim_models::quantity::Bandwidth;
use sim_models::request::{client, load_balancer, node_port, server};
use sim_models::world::blueprint::DEFAULT_EVENT_BUDGET;

use crate::auto::Auto;
use crate::named::Named;
use crate::version::Versions;

/// The version of the file format that this program reads.
pub const FORMAT: u32 = 1;

/// A what-if question: a cluster behind a load balancer, its clients, what may be different, and what must hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Version of the file format.
    ///
    /// Required: 1.
    pub format: u32,

    /// What the file asks, in one line.
    #[serde(default)]
    pub title: String,

    /// What the file is about, for whoever opens it next.
    #[serde(default)]
    pub about: String,

    /// Master seed. The same file and seed give the same bytes, on every machine.
    ///
    /// Required. Range: 0 to 2^64 - 1.
    pub seed: u64,

    /// How long, and how often.
    #[serde(default)]
    pub run: Run,

    /// Zones, nodes, and the network between them.
    pub cluster: Cluster,

    /// Deployments by name.
    pub deployments: Named<Deployment>,

    /// Services by name.
    pub services: Named<service::Config>,

    /// The load balancer, its target groups and rules.
    pub load_balancer: load_balancer::Config,

    /// Populations of clients by name.
    pub clients: Named<client::Config>,

    /// What goes wrong, on which thing, from when until when.
    ///
    /// Default: nothing.
    #[serde(default)]
    pub faults: Vec<fault::Config>,

    /// Named changes to this file: paths and the values to put there. All alternatives run on the same random numbers.
    ///
    /// Default: the file as it is, alone.
    #[serde(default, skip_serializing)]
    pub alternatives: Named<Named<Plain>>,

    /// Paths and the values to try there; every combination runs, with every alternative.
    #[serde(default, skip_serializing)]
    pub sweeps: Named<Vec<Plain>>,

    /// What must hold, as sentences: "p99 latency < 200ms", "availability >= 99.9% in the worst minute".
    #[serde(default)]
    pub objectives: Vec<String>,
}

/// How long, and how often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Run {
    /// Simulated time that counts, after the warm-up.
    ///
    /// Range: above 0. Default: "10min".
    pub length: SimDuration,

    /// Simulated time at the start that is thrown away.
    ///
    /// Default: Auto, found by MSER-5 in the first alternative, at most a third of the run.
    /// Source: White, "An effective truncation heuristic for bias reduction in simulation output" (1997).
    pub warm_up: Auto<SimDuration>,

    /// Independent runs of every alternative.
    ///
    /// Range: 1 and up. Default: Auto, 10 to 200, until the intervals of the first alternative are within 5 %.
    pub replications: Auto<NonZeroU32>,

    /// Events after which a run ends with an error.
    ///
    /// Range: above 0. Default: 10000000000.
    pub event_budget: u64,
}

impl Default for Run {
    fn default() -> Self {
        Run {
            length: SimDuration::from_secs(600),
            warm_up: Auto::Auto,
            replications: Auto::Auto,
            event_budget: DEFAULT_EVENT_BUDGET,
        }
    }
}

/// Zones, nodes, and the network between them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Where pods have their addresses, and how packets reach them.
    ///
    /// Default: VpcCni.
    #[serde(default)]
    pub network: Network,

    /// Versions of the components. What a version does by default holds for every field that is not written; a field that is written wins.
    #[serde(default)]
    pub versions: Versions,

    /// Names of the availability zones.
    ///
    /// Default: ["zone-a", "zone-b"].
    /// Source: AWS, "Application Load Balancers": a load balancer needs subnets in at least two zones.
    #[serde(default = "two_zones")]
    pub zones: Vec<String>,

    /// Groups of worker nodes by name. Nodes of a group are spread over its zones in turn.
    pub node_groups: Named<NodeGroup>,

    /// Who implements Services on the nodes.
    ///
    /// Default: Cilium.
    #[serde(default)]
    pub proxy: node_port::Proxy,

    /// Distances and packet sizes.
    #[serde(default)]
    pub links: Links,

    /// Pods that lie on every node, by name: agents, proxies, log collectors. They only occupy.
    ///
    /// Default: none.
    #[serde(default)]
    pub daemon_sets: Named<DaemonSet>,

    /// Sizes of container images, by name. A name without a tag means `:latest`.
    ///
    /// Pods prefer nodes that hold their images already (ImageLocality). An image whose size is not listed counts nothing.
    /// Default: none.
    /// Source: Kubernetes API v1, `NodeStatus.images`.
    #[serde(default)]
    pub images: BTreeMap<String, Memory>,

    /// Labels of namespaces, by name, for the `namespace_selector` of affinity terms.
    ///
    /// A namespace exists when something is in it; listing it here only gives it labels.
    /// Default: none; every namespace carries the label `kubernetes.io/metadata.name`.
    #[serde(default)]
    pub namespaces: BTreeMap<String, Labels>,

    /// Where pods land that are not placed by hand, and those that are created during a run.
    #[serde(default)]
    pub scheduler: placement::Config,

    /// The kubelet on each node.
    #[serde(default)]
    pub kubelet: kubelet::Config,

    /// The API server.
    #[serde(default)]
    pub api_server: ApiServer,

    /// The controllers, and who leads them.
    #[serde(default)]
    pub controller_manager: plane::ControllerManager,

    /// The EndpointSlice controller.
    #[serde(default)]
    pub endpoint_slice_controller: endpoint_slice::Config,

    /// The controller that gives up silent nodes.
    #[serde(default)]
    pub node_lifecycle_controller: node_lifecycle::Config,

    /// How long pods tolerate a lost node before they are deleted.
    ///
    /// Range: 0 and up. Default: "300s".
    /// Source: Kubernetes admission plugin `DefaultTolerationSeconds`.
    #[serde(default = "node_lifecycle::default_toleration")]
    pub default_toleration: SimDuration,

    /// From the end of a node's trouble until its pods are ready again.
    ///
    /// Range: 0 and up. Default: Uniform("1s", "15s").
    /// Assumption: sum of a lease renewal, a status write and a pass (Kubernetes 1.34 defaults).
    #[serde(default = "node_lifecycle::node_recovery")]
    pub node_recovery: Dist,
}

/// The API server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApiServer {
    /// From a commit until a watcher has it.
    ///
    /// Range: 0 and up; plausible 2 to 100 ms. Default: LogNormal(median: "10ms", p99: "100ms").
    /// Assumption: nothing official bounds it below one second.
    pub watch_delay: Dist,

    /// What a request takes on top of what the delay of its sender holds already: `kubelet.status_write` a GET and a PATCH of a status,
    /// `endpoint_slice_controller.sync` the PUT of a slice, `scheduler.latency` a binding. While it is `Overloaded` requests take longer
    /// still.
    ///
    /// Range: 0 and up; plausible 0 to 1 s. Default: "0s".
    /// Assumption: the defaults of those delays are those of an API server that has little to do.
    pub latency: Dist,

    /// How long a watch whose packets vanish looks like one without news: a node that is cut off from the API server for a shorter time hears on
    /// with the next repeat of a lost packet, one that is cut off for longer has to connect again (`reconnect`).
    ///
    /// Range: above 0. Default: "45s".
    /// Source: Kubernetes 1.34 apimachinery `util/net/http.go`: HTTP/2 asks after 30 s of silence and waits 15 s for the answer.
    pub dead_connection: SimDuration,

    /// Who is back when, after it did not answer for a while.
    pub reconnect: plane::Reconnect,
}

impl Default for ApiServer {
    fn default() -> Self {
        Self {
            watch_delay: sim_models::health::watch_delay(),
            latency: plane::api_latency(),
            dead_connection: plane::dead_connection(),
            reconnect: plane::Reconnect::default(),
        }
    }
}

/// Worker nodes that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeGroup {
    /// How many nodes.
    ///
    /// Required. Range: 1 and up.
    pub count: NonZeroU32,

    /// The zones of the nodes, which take them in turn.
    ///
    /// Default: the cluster's zones.
    #[serde(default)]
    pub zones: Option<Vec<String>>,

    /// Whether nodes carry the label `topology.kubernetes.io/zone`.
    ///
    /// Default: true.
    /// Source: AWS cloud provider: the cloud node controller sets it. Clusters without one have no zone label.
    #[serde(default = "yes")]
    pub zone_label: bool,

    /// Whether the nodes were lost after the pods had been placed, and what is left of them.
    ///
    /// Pods of lost nodes are placed again, as far as they fit elsewhere. The load balancer does not know lost nodes as targets.
    /// Default: none; the nodes are there.
    #[serde(default)]
    pub lost: Option<Lost>,

    /// The EC2 instance type, which says how much room there is for pods.
    ///
    /// Default: none; nodes then have room for everything, unless `cpu`, `memory` or `max_pods` says otherwise.
    #[serde(default)]
    pub instance_type: Option<TypeName>,

    /// Cpu that pods may use on each node, as `kubectl describe node` shows it under Allocatable.
    ///
    /// Default: the instance type's.
    #[serde(default)]
    pub cpu: Option<Cpu>,

    /// Memory that pods may use on each node, as `kubectl describe node` shows it under Allocatable.
    ///
    /// Default: the instance type's, less for more `max_pods`.
    #[serde(default)]
    pub memory: Option<Memory>,

    /// Pods that each node accepts.
    ///
    /// Range: 1 and up. Default: as many as the instance type has addresses for, also on an overlay.
    /// Source: Amazon EKS AMI, `max-pods`; usually set to 110 on an overlay.
    #[serde(default)]
    pub max_pods: Option<NonZeroU32>,

    /// What each node's network interface can send. Answers leave by the interface of the pod's node, and by that of the node that
    /// they go back through.
    ///
    /// Range: above 0; a sustained value, bursts are up to ten times as high. Default: never the limit.
    /// Source: AWS, "Amazon EC2 instance network bandwidth", for the values of instance types.
    #[serde(default)]
    pub network_bandwidth: Option<Bandwidth>,

    /// What other pods hold on the nodes already, node by node; the nodes after the last entry hold nothing.
    ///
    /// Default: nothing.
    #[serde(default)]
    pub base_load: Vec<ResourceList>,

    /// Images that each node holds already.
    ///
    /// Default: none.
    #[serde(default)]
    pub images: Vec<String>,

    /// Labels of each node, besides its host name and zone.
    ///
    /// Default: none.
    #[serde(default)]
    pub labels: Labels,

    /// Taints of each node.
    ///
    /// Default: none.
    #[serde(default)]
    pub taints: Vec<Taint>,
}

/// What is left of nodes that were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Lost {
    /// The Node objects, with the taints `node.kubernetes.io/unreachable`. Spread constraints still count these nodes, as empty.
    ///
    /// Source: Kubernetes, "Nodes: Node controller"; "Pod Topology Spread Constraints", `nodeTaintsPolicy`.
    Unreachable,
    /// Nothing: the cloud node controller has deleted the Node objects.
    Deleted,
}

/// A DaemonSet: one pod on every node that its node selector and tolerations admit and that has room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DaemonSet {
    /// What each pod asks of its node.
    ///
    /// Default: nothing; the scheduler's scores then count 100m and 200Mi.
    pub resources: ResourceRequirements,

    /// Labels that a node must carry to have one of the pods.
    ///
    /// Default: none.
    pub node_selector: Labels,

    /// Taints that the pods accept, besides those that every DaemonSet accepts.
    ///
    /// Default: none.
    /// Source: Kubernetes, "DaemonSet: Taints and tolerations".
    pub tolerations: Vec<Toleration>,
}

/// A Deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// Pods.
    ///
    /// Range: 1 and up. Default: 1.
    /// Source: Kubernetes API apps/v1, `DeploymentSpec.replicas`.
    #[serde(default = "one")]
    pub replicas: NonZeroU32,

    /// Pods on each node by hand, in the order of the nodes; they must add up to `replicas`.
    ///
    /// Default: where kube-scheduler places them.
    #[serde(default)]
    pub placement: Option<Vec<u32>>,

    /// The pods' namespace; Services that select the deployment are in the same one.
    ///
    /// Default: "default".
    #[serde(default = "default_namespace")]
    pub namespace: String,

    /// Labels of each pod, besides `app` and `pod-template-hash`.
    ///
    /// Default: none.
    #[serde(default)]
    pub labels: Labels,

    /// Pods of higher priority are placed first; among equals the order of the file counts.
    ///
    /// Pods that are there are never evicted to make room: preemption is not modelled, and a warning says where it would happen.
    /// Default: 0.
    /// Source: Kubernetes API v1, `PodSpec.priority`.
    #[serde(default)]
    pub priority: i32,

    /// What Pending pods of higher priority may do to pods of lower priority. Known by name only.
    ///
    /// Default: PreemptLowerPriority.
    /// Source: Kubernetes API v1, `PodSpec.preemptionPolicy`.
    #[serde(default)]
    pub preemption_policy: PreemptionPolicy,

    /// The image of the server's container. A name without a tag means `:latest`.
    ///
    /// Default: none; where images lie then does not matter.
    #[serde(default)]
    pub image: Option<String>,

    /// Rolling updates that went before: the pods lie where the last of them left them.
    ///
    /// Each update goes as the Deployment controller does, as wide as `strategy` says.
    /// Range: 0 to 100; 0 with a `placement` by hand. Default: 0.
    /// Source: Kubernetes 1.34, `pkg/controller/deployment/rolling.go`.
    #[serde(default)]
    pub earlier_rollouts: u32,

    /// What each pod asks of its node.
    ///
    /// Default: nothing; the scheduler's scores then count 100m and 200Mi.
    #[serde(default)]
    pub resources: ResourceRequirements,

    /// Ports that each pod takes on its node, so that no two pods with the same port share one.
    ///
    /// Default: none.
    #[serde(default)]
    pub host_ports: Vec<HostPort>,

    /// Containers that run before the server, in order, or beside it where `sidecar` is true. They only take room.
    ///
    /// Default: none.
    /// Source: Kubernetes, "Init Containers: Resource sharing within containers": the largest step counts.
    #[serde(default)]
    pub init_containers: Vec<InitContainer>,

    /// Labels that a pod's node must carry.
    ///
    /// Default: none.
    #[serde(default)]
    pub node_selector: Labels,

    /// Taints that the pods accept.
    ///
    /// Default: none.
    #[serde(default)]
    pub tolerations: Vec<Toleration>,

    /// Demands and wishes on nodes and neighbours. The pods' own labels are `app`, the deployment's name,
    /// `pod-template-hash`, and those of `labels`.
    ///
    /// Default: none.
    #[serde(default)]
    pub affinity: Affinity,

    /// How evenly the pods are to be spread.
    ///
    /// Default: none; the scheduler then applies its own soft constraints on host names and zones.
    #[serde(default)]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,

    /// Whether a pod gets traffic.
    ///
    /// Default: none; a pod gets traffic as soon as its container runs, whatever its process does.
    #[serde(default)]
    pub readiness_probe: Option<probe::Config>,

    /// Whether a container is killed and started again.
    ///
    /// Default: none; a container is never killed.
    #[serde(default)]
    pub liveness_probe: Option<probe::Config>,

    /// Whether a container has started: until then it is not ready, and the other probes wait. When it fails the container is killed.
    ///
    /// Default: none; a container has started as soon as it runs.
    #[serde(default)]
    pub startup_probe: Option<probe::Config>,

    /// What happens before a pod's process is told to stop.
    #[serde(default)]
    pub lifecycle: Lifecycle,

    /// From a pod's deletion until SIGKILL.
    ///
    /// Range: 0 and up. Default: "30s".
    /// Source: Kubernetes API v1, `PodSpec.terminationGracePeriodSeconds`.
    #[serde(default = "grace_period")]
    pub termination_grace_period: SimDuration,

    /// How its pods are replaced.
    #[serde(default)]
    pub strategy: deployment::Strategy,

    /// From a change of its pods until its controllers have looked at it.
    ///
    /// Range: 0 and up; plausible 5 to 50 ms. Default: "10ms".
    /// Assumption: within the API's own latency.
    #[serde(default = "deployment::api_time")]
    pub workload_sync: SimDuration,

    /// From the request to create a pod until it is there. A ReplicaSet creates one pod, then two at once, then four and so on, and looks
    /// again when all are there, or after 500.
    ///
    /// Range: 0 and up; plausible 5 to 50 ms. Default: "10ms".
    /// Assumption: within the API's own latency. Batches: Kubernetes 1.34 `pkg/controller/replicaset/replica_set.go`, `slowStartBatch`.
    #[serde(default = "deployment::api_time")]
    pub create_pod: SimDuration,

    /// From the request to delete a pod until it is marked. A ReplicaSet deletes up to 500 pods at once.
    ///
    /// Range: 0 and up; plausible 5 to 50 ms. Default: "10ms".
    /// Assumption: within the API's own latency.
    #[serde(default = "deployment::api_time")]
    pub delete_pod: SimDuration,

    /// A pod counts as available when it has been ready for this long: a rolling update waits for it.
    ///
    /// Range: 0 and up. Default: "0s".
    /// Source: Kubernetes API apps/v1, `DeploymentSpec.minReadySeconds`.
    #[serde(default)]
    pub min_ready: SimDuration,

    /// A rolling update that makes no progress for this long is reported: Progressing=False, reason ProgressDeadlineExceeded. It goes on as
    /// it did, and nothing is rolled back.
    ///
    /// Range: above 0, and longer than `min_ready`. Default: "600s".
    /// Source: Kubernetes API apps/v1, `DeploymentSpec.progressDeadlineSeconds`.
    #[serde(default = "deployment::progress_deadline")]
    pub progress_deadline: SimDuration,

    /// A PodDisruptionBudget for its pods: what an eviction must leave. Drains wait for it.
    ///
    /// Default: none; nothing holds an eviction back.
    #[serde(default)]
    pub pod_disruption_budget: Option<disruption::Config>,

    /// A HorizontalPodAutoscaler, which changes the number of replicas during the run.
    ///
    /// Default: none; `replicas` stay what they are.
    #[serde(default)]
    pub autoscaler: Option<autoscaler::Config>,

    /// The server in each pod.
    pub server: server::Config,
}

/// What Pending pods may do to pods of lower priority.
///
/// Preemption is not modelled: nothing is evicted either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PreemptionPolicy {
    /// Evict them, where that makes room.
    #[default]
    PreemptLowerPriority,
    /// Wait for room like everybody else.
    Never,
}

/// What happens before a pod's process is told to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Lifecycle {
    /// Sleep before SIGTERM; it is part of the grace period.
    ///
    /// Range: 0 and up. Default: "0s".
    /// Source: Kubernetes API v1, `Lifecycle.preStop`.
    pub pre_stop: SimDuration,
}

/// A value of any kind, read where it is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plain;

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Plain)
    }
}

impl JsonSchema for Plain {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Plain".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({})
    }
}

fn two_zones() -> Vec<String> {
    vec!["zone-a".to_owned(), "zone-b".to_owned()]
}

fn yes() -> bool {
    true
}

fn default_namespace() -> String {
    "default".to_owned()
}

fn grace_period() -> SimDuration {
    SimDuration::from_secs(30)
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}
