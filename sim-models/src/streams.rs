//! Every name of a random stream in this crate.
//!
//! A draw is an address: (seed, replication, name, entity, index). Two decisions never share a name, so
//! no change in one can shift another. A test keeps the names distinct.

use sim_core::StreamName;

/// Blocks of 16 words, one per request of a population; `entity` is the population.
pub const REQUESTS: StreamName = StreamName::new("requests");
/// Blocks of 16 words, one per retry; `entity` is that of the first attempt, the block 16 x its number + the attempt.
pub const RETRIES: StreamName = StreamName::new("retries");
/// Where a load balancer node's cursor starts; `entity` is the load balancer node, `draw` the target group.
pub const CURSOR_START: StreamName = StreamName::new("cursor start");
/// Which address comes first in a DNS answer; `entity` is the client address, `draw` the how-manieth answer.
pub const DNS_ANSWER: StreamName = StreamName::new("dns answer");

/// Where a node's list of a Service's endpoints begins in ipvs; `entity` is the node, `draw` the Service.
pub const IPVS_LIST: StreamName = StreamName::new("ipvs list");

/// Whether a node finds a source port for a connection; `entity` is the node, `draw` the how-manieth search of all.
pub const SNAT_PORT: StreamName = StreamName::new("snat port");
/// The backend for a connection that its node has forgotten; `entity` is the population, `draw` the request.
pub const RESELECTION: StreamName = StreamName::new("reselection");

/// Whether packets of a message are lost; `entity` is the population (or checker), `draw` 4 x the serial + the message.
pub const LOSS: StreamName = StreamName::new("loss");

/// Which of several equally good nodes the scheduler takes; `entity` is the deployment, `draw` the replica.
pub const PLACEMENT: StreamName = StreamName::new("placement");
/// Ties of the scheduler, and of the order of deletion, in rolling updates; `entity` is the deployment, `draw`
/// the revision that comes.
pub const ROLLOUT: StreamName = StreamName::new("rollout");

/// Where a prober's grid lies; `entity` is the prober, `draw` the how-manieth grid.
pub const PROBE_PHASE: StreamName = StreamName::new("probe phase");
/// Blocks of 16 words, one per probe; `entity` is the prober.
pub const PROBES: StreamName = StreamName::new("probes");
/// Where the grid of a health check lies; `entity` is the view, `draw` the how-manieth grid.
pub const CHECK_PHASE: StreamName = StreamName::new("check phase");
/// Blocks of 16 words, one per health check; `entity` is the view.
pub const CHECKS: StreamName = StreamName::new("checks");
/// Whether a request meets a fault that meets some; `entity` is the population (or checker), `draw` the serial.
pub const FAULT_SHARE: StreamName = StreamName::new("fault share");
/// Where a kubelet's relist grid lies; `entity` is the node.
pub const RELIST_PHASE: StreamName = StreamName::new("relist phase");
/// A container's start; `entity` is the pod, `draw` the how-manieth start.
pub const CONTAINER_START: StreamName = StreamName::new("container start");
/// The pull of an image; `entity` is node and deployment, `draw` the revision.
pub const IMAGE_PULL: StreamName = StreamName::new("image pull");
/// A kubelet's next look at a container in back-off; `entity` is the pod, `draw` the how-manieth look.
pub const RETRY_POLL: StreamName = StreamName::new("retry poll");
/// The way of a pod's status to the API server; `entity` is the pod, `draw` the how-manieth write.
pub const POD_STATUS: StreamName = StreamName::new("pod status");
/// From a commit to a controller's cache; `entity` is the pod, node or Service, `draw` the how-manieth change.
pub const WATCH: StreamName = StreamName::new("watch");
/// A sync of the EndpointSlice controller; `entity` is the Service, `draw` the how-manieth sync.
pub const SLICE_SYNC: StreamName = StreamName::new("slice sync");
/// What a node's agent takes for a version; `entity` is Service and node, `draw` the version.
pub const AGENT: StreamName = StreamName::new("agent");
/// When the liveness probe of a node's agent finds that it hangs; `entity` is the node, `draw` when it began, in nanoseconds.
pub const AGENT_LIVENESS: StreamName = StreamName::new("agent liveness");
/// The load balancer controller's watch; `entity` is the target group, `draw` the how-manieth event.
pub const CONTROLLER_WATCH: StreamName = StreamName::new("controller watch");
/// From an API call to a load balancer node; `entity` is target group and load balancer node, `draw` the how-manieth call.
pub const PROPAGATION: StreamName = StreamName::new("propagation");
/// From a change of a rule to a load balancer node; `entity` is the fault that changes it, `draw` the load balancer node.
pub const RULE_PROPAGATION: StreamName = StreamName::new("rule propagation");
/// Where the passes of the node lifecycle controller lie.
pub const NODE_MONITOR: StreamName = StreamName::new("node monitor");
/// How old a node's lease is when it falls silent, and how long it takes to come back; `entity` is the node.
pub const LEASE: StreamName = StreamName::new("lease");
/// From a pod's last exit until its address is gone; `entity` is the pod.
pub const SANDBOX_STOP: StreamName = StreamName::new("sandbox stop");
/// A new pod's way to a node and its start there; `entity` is the Deployment, `draw` the how-manieth pod.
pub const SCHEDULING: StreamName = StreamName::new("scheduling");

/// Which of several equally good nodes a pod of a run gets; `entity` is the Deployment, `draw` the how-manieth pod.
pub const NODE_TIE: StreamName = StreamName::new("node tie");
/// A pod's unique name, by which equals are ordered; `entity` is the place of the pod, `draw` the how-manieth pod there.
pub const POD_UID: StreamName = StreamName::new("pod uid");
/// When an autoscaler looks; `entity` is the Deployment, `draw` 0 for its metrics, 1 for itself.
pub const AUTOSCALER: StreamName = StreamName::new("autoscaler");
/// Who is back when after an outage of the control plane; `entity` is 0 for controllers, 1 + the node for others, `draw` counts.
pub const OUTAGE: StreamName = StreamName::new("outage");
/// When a kubelet says that its node is not ready; `entity` is the node, `draw` how often its runtime hung, 2^32 more for who hears of it.
pub const NODE_STATUS: StreamName = StreamName::new("node status");
/// How long a request to the API server takes; `entity` is the pod, 2^32 + the Service or 2^33 + the Deployment, `draw` counts.
pub const API_REQUEST: StreamName = StreamName::new("api request");

/// All names, for the test that they differ.
pub const ALL: [StreamName; 37] = [
    REQUESTS,
    RETRIES,
    CURSOR_START,
    DNS_ANSWER,
    IPVS_LIST,
    SNAT_PORT,
    RESELECTION,
    LOSS,
    PLACEMENT,
    ROLLOUT,
    PROBE_PHASE,
    PROBES,
    CHECK_PHASE,
    CHECKS,
    FAULT_SHARE,
    RELIST_PHASE,
    CONTAINER_START,
    IMAGE_PULL,
    RETRY_POLL,
    POD_STATUS,
    WATCH,
    SLICE_SYNC,
    AGENT,
    AGENT_LIVENESS,
    CONTROLLER_WATCH,
    PROPAGATION,
    RULE_PROPAGATION,
    NODE_MONITOR,
    LEASE,
    SANDBOX_STOP,
    SCHEDULING,
    NODE_TIE,
    POD_UID,
    AUTOSCALER,
    OUTAGE,
    NODE_STATUS,
    API_REQUEST,
];
