//! Which pods or nodes does the AWS Load Balancer Controller register, and how fast?

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{Dist, SimDuration};

use super::bucket::Bucket;
use crate::health::log_normal;
use crate::quantity::Rate;

/// The AWS Load Balancer Controller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// From an event until it is queued.
    ///
    /// Range: 0 and up; plausible 10 to 500 ms. Default: LogNormal(median: "50ms", p99: "500ms").
    /// Assumption: no source.
    pub watch_delay: Dist,

    /// A pass's own work.
    ///
    /// Range: 0 and up; plausible 10 to 300 ms. Default: "30ms".
    /// Assumption: no source.
    pub reconcile: SimDuration,

    /// EC2 calls of a pass that registers pods.
    ///
    /// Range: 0 and up; plausible 0 to 1.5 s. Default: "300ms".
    /// Assumption: no source for the time; the order of the calls is that of `pkg/targetgroupbinding/resource_manager.go`.
    pub security_group_reconcile: SimDuration,

    /// Calls of the load balancing API.
    pub api: Api,

    /// Targets of one Register or Deregister call.
    ///
    /// Range: 1 and up. Default: 200.
    /// Source: AWS Load Balancer Controller `pkg/targetgroupbinding/resource_manager.go`.
    pub chunk: NonZeroU32,

    /// Passes at once, each over a target group of its own; other groups wait.
    ///
    /// Range: 1 and up. Default: 3.
    /// Source: AWS Load Balancer Controller, flag `targetgroupbinding-max-concurrent-reconciles`.
    pub workers: NonZeroU32,

    /// When a pass is tried again whose call AWS has refused: beyond a quota, or throttled.
    pub retry: Retry,

    /// Targets of a group, beyond which new ones are not registered; 0 for no bound.
    ///
    /// Range: 0 and up. Default: 0.
    /// Source: AWS Load Balancer Controller 2.14.1, flag `max-targets-per-target-group`.
    pub max_targets_per_target_group: u32,

    /// Whether pods of `ip` groups are ready only once their target is healthy. Pods that are created during a run get the gate
    /// when they are created; those of the start have it, and have passed it. With nodes as targets there is no gate.
    ///
    /// Default: false.
    /// Source: AWS Load Balancer Controller, "Pod readiness gate": the namespace label
    /// `elbv2.k8s.aws/pod-readiness-gate-inject: enabled`.
    pub readiness_gate: bool,

    /// A pass that leaves a gate closed is repeated after this long; any other event of the group may bring one earlier.
    ///
    /// Range: above 0. Default: "15s".
    /// Source: AWS Load Balancer Controller, flag `targetgroupbinding-requeue-duration`.
    pub requeue: SimDuration,

    /// How long nothing is written when the leader is lost: until another replica holds the lease and has looked at everything.
    ///
    /// Range: 0 and up; plausible "15s" to "20min". Default: "60s".
    /// Source: AWS Load Balancer Controller, "Scaling": 15 s to 2 minutes; kubernetes-sigs/aws-load-balancer-controller#3326 for the longest.
    pub leader_failover: SimDuration,

    /// Nodes in state Unknown are used when no other is left.
    ///
    /// Default: true.
    /// Source: AWS Load Balancer Controller, feature gate `EndpointsFailOpen`.
    pub endpoints_fail_open: bool,
}

/// The wait after a failed pass, which doubles with each that fails in a row. Whatever else wakes the controller for the group brings a pass at
/// once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// After the first failure.
    ///
    /// Range: above 0. Default: "5ms".
    /// Source: client-go `util/workqueue`, the exponential limiter of controller-runtime.
    pub initial: SimDuration,

    /// At most, `initial` or longer.
    ///
    /// Range: above 0. Default: "1000s".
    /// Source: AWS Load Balancer Controller, flag `targetgroupbinding-max-exponential-backoff-delay`.
    pub max: SimDuration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            initial: SimDuration::from_millis(5),
            max: SimDuration::from_secs(1000),
        }
    }
}

impl Retry {
    /// The wait after a failure, after so many others in a row.
    pub fn after(self, failures: u32) -> SimDuration {
        let times = 1u64.checked_shl(failures).unwrap_or(u64::MAX);
        let wait = self.initial.as_nanos().saturating_mul(times);
        SimDuration::from_nanos(wait).min(self.max)
    }
}

/// Calls of the load balancing API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// Duration of RegisterTargets.
    ///
    /// Range: 0 and up. Default: "200ms".
    /// Source: log stamps in kubernetes-sigs/aws-load-balancer-controller#3069.
    pub register: SimDuration,

    /// Duration of DeregisterTargets.
    ///
    /// Range: 0 and up. Default: "40ms".
    /// Source: log stamps in kubernetes-sigs/aws-load-balancer-controller#3069.
    pub deregister: SimDuration,

    /// Duration of DescribeTargetHealth, which a pass with a closed readiness gate makes.
    ///
    /// Range: 0 and up; plausible 50 to 500 ms. Default: "100ms".
    /// Assumption: between the two calls that log stamps show.
    pub describe: SimDuration,

    /// Duration of a call that creates a target group or changes a rule.
    ///
    /// Range: 0 and up; plausible 50 to 500 ms. Default: "100ms".
    /// Assumption: as long as DescribeTargetHealth.
    pub modify: SimDuration,

    /// Register and Deregister calls of all groups together, in the long run.
    ///
    /// Range: above 0. Default: "4/s".
    /// Source: AWS Load Balancer Controller `pkg/aws/throttle`.
    pub rate: Rate,

    /// Such calls at once.
    ///
    /// Range: 1 and up. Default: 20.
    /// Source: AWS Load Balancer Controller `pkg/aws/throttle`.
    pub burst: u32,

    /// Describe calls of all groups together, in the long run.
    ///
    /// Range: above 0. Default: "50/s".
    /// Source: AWS Load Balancer Controller 3.2 `pkg/aws/throttle`.
    pub describe_rate: Rate,

    /// Such calls at once.
    ///
    /// Range: 1 and up. Default: 200.
    /// Source: AWS Load Balancer Controller 3.2 `pkg/aws/throttle`.
    pub describe_burst: u32,

    /// Calls that create target groups or change rules, in the long run.
    ///
    /// Range: above 0. Default: "3/s".
    /// Source: AWS Load Balancer Controller 3.2 `pkg/aws/throttle`.
    pub modify_rate: Rate,

    /// Such calls at once.
    ///
    /// Range: 1 and up. Default: 20.
    /// Source: AWS Load Balancer Controller 3.2 `pkg/aws/throttle`.
    pub modify_burst: u32,
}

impl Api {
    /// From which every Register and Deregister call takes a token.
    pub fn bucket(&self) -> Bucket {
        Bucket::new(self.rate, self.burst.max(1))
    }

    /// From which every Describe call takes a token.
    pub fn describes(&self) -> Bucket {
        Bucket::new(self.describe_rate, self.describe_burst.max(1))
    }

    /// From which every call that creates a group or changes a rule takes a token.
    pub fn modifies(&self) -> Bucket {
        Bucket::new(self.modify_rate, self.modify_burst.max(1))
    }
}

impl Default for Api {
    fn default() -> Self {
        Self {
            register: SimDuration::from_millis(200),
            deregister: SimDuration::from_millis(40),
            describe: SimDuration::from_millis(100),
            modify: SimDuration::from_millis(100),
            rate: Rate::per_second(4.0).expect("4 is above 0"),
            burst: 20,
            describe_rate: Rate::per_second(50.0).expect("50 is above 0"),
            describe_burst: 200,
            modify_rate: Rate::per_second(3.0).expect("3 is above 0"),
            modify_burst: 20,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            watch_delay: log_normal(50, 500),
            reconcile: SimDuration::from_millis(30),
            security_group_reconcile: SimDuration::from_millis(300),
            api: Api::default(),
            chunk: NonZeroU32::new(200).expect("200 is not 0"),
            workers: NonZeroU32::new(3).expect("3 is not 0"),
            retry: Retry::default(),
            max_targets_per_target_group: 0,
            readiness_gate: false,
            requeue: SimDuration::from_secs(15),
            leader_failover: SimDuration::from_secs(60),
            endpoints_fail_open: true,
        }
    }
}

impl Config {
    /// How long the group of a deleted binding outlives the deregistration of its targets.
    ///
    /// Source: AWS Load Balancer Controller, `pkg/deploy/elbv2/target_group_binding_manager.go`: it looks every 200 ms whether the binding
    /// is gone, and then deletes the group, which drops its connections ("Blue/green" guide).
    pub fn deletion(&self) -> SimDuration {
        SimDuration::from_millis(200) + self.api.modify
    }
}

/// A node's Ready condition in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeReady {
    /// The kubelet says so.
    True,
    /// The kubelet says it is not.
    False,
    /// The controller has not heard of the node for too long.
    Unknown,
}

/// What the controller sees of an endpoint of an `ip` group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpEndpoint {
    /// The endpoint's condition `ready`.
    pub ready: bool,
    /// The pod's condition ContainersReady.
    pub containers_ready: bool,
    /// The Ready condition of its node; `None` where the Node object is gone.
    pub node: Option<NodeReady>,
    /// The endpoint's condition `terminating`.
    pub terminating: bool,
}

/// What becomes of an endpoint or a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// It is a target.
    Registered,
    /// It is a target only when there is no other.
    LastResort,
    /// It is not a target.
    Deregistered,
}

/// Whether an endpoint of an `ip` group is a target.
///
/// Source: AWS Load Balancer Controller 3.5 `pkg/backend/endpoint_resolver.go`.
pub fn of_endpoint(endpoint: IpEndpoint) -> Registration {
    if endpoint.ready {
        return Registration::Registered;
    }
    match (endpoint.containers_ready, endpoint.node) {
        (true, Some(NodeReady::True)) if !endpoint.terminating => Registration::Registered,
        (true, Some(NodeReady::Unknown)) => Registration::LastResort,
        _ => Registration::Deregistered,
    }
}

/// What the controller sees of a node of an `instance` group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeSight {
    /// Its Ready condition.
    pub ready: NodeReady,
    /// A label such as `node.kubernetes.io/exclude-from-external-load-balancers`.
    pub excluded: bool,
    /// The taint `ToBeDeletedByClusterAutoscaler` or `karpenter.sh/disrupted`.
    pub to_be_deleted: bool,
}

/// Whether a node is a target of an `instance` group. A cordon does not matter.
///
/// Source: AWS Load Balancer Controller 3.5 `pkg/backend/endpoint_utils.go`.
pub fn of_node(node: NodeSight) -> Registration {
    match node.ready {
        _ if node.excluded || node.to_be_deleted => Registration::Deregistered,
        NodeReady::True => Registration::Registered,
        NodeReady::Unknown => Registration::LastResort,
        NodeReady::False => Registration::Deregistered,
    }
}

/// Who is to be registered, the last resort included where nothing else is left.
pub fn chosen<T: Copy>(candidates: &[(T, Registration)], fail_open: bool) -> Vec<T> {
    let those = |wanted: Registration| {
        let chosen = candidates.iter().filter(|&&(_, it)| it == wanted);
        chosen.map(|&(it, _)| it).collect::<Vec<T>>()
    };
    let registered = those(Registration::Registered);
    if registered.is_empty() && fail_open {
        return those(Registration::LastResort);
    }
    registered
}

#[cfg(test)]
mod tests {
    use super::*;
    use NodeReady::{False, True, Unknown};
    use Registration::{Deregistered, LastResort, Registered};
    use sim_core::SimTime;

    #[test]
    fn which_pods_are_registered() {
        // Source: AWS Load Balancer Controller 3.5 `pkg/backend/endpoint_resolver.go`.
        // Rows: ready, ContainersReady, node Ready (None: the Node object is gone), terminating.
        let rows = [
            ((true, false, None, false), Registered),
            ((true, true, Some(Unknown), true), Registered),
            ((false, true, Some(True), false), Registered),
            ((false, true, Some(True), true), Deregistered),
            ((false, true, Some(Unknown), false), LastResort),
            ((false, true, Some(False), false), Deregistered),
            ((false, true, None, false), Deregistered),
            ((false, false, Some(True), false), Deregistered),
            ((false, false, Some(Unknown), false), Deregistered),
        ];
        for ((ready, containers_ready, node, terminating), expected) in rows {
            let endpoint = IpEndpoint {
                ready,
                containers_ready,
                node,
                terminating,
            };
            assert_eq!(of_endpoint(endpoint), expected, "{endpoint:?}");
        }
    }

    #[test]
    fn which_nodes_are_registered() {
        // Source: AWS Load Balancer Controller 3.5 `pkg/backend/endpoint_utils.go`.
        // Rows: Ready, excluded by a label, tainted for deletion.
        let rows = [
            ((True, false, false), Registered),
            ((Unknown, false, false), LastResort),
            ((False, false, false), Deregistered),
            ((True, true, false), Deregistered),
            ((True, false, true), Deregistered),
            ((Unknown, false, true), Deregistered),
        ];
        for ((ready, excluded, to_be_deleted), expected) in rows {
            let node = NodeSight {
                ready,
                excluded,
                to_be_deleted,
            };
            assert_eq!(of_node(node), expected, "{node:?}");
        }
    }

    #[test]
    fn the_last_resort_counts_only_when_nothing_else_is_left() {
        let some = [(1, LastResort), (2, Registered), (3, Deregistered)];
        let none = [(1, LastResort), (3, Deregistered)];
        assert_eq!(chosen(&some, true), [2]);
        assert_eq!(chosen(&none, true), [1]);
        assert_eq!(chosen(&none, false), [0; 0]);
    }

    #[test]
    fn other_calls_have_buckets_of_their_own() {
        // 300 Describe calls: (300 - 200) / 50 = 2 s. 35 calls that change something: (35 - 20) / 3 = 5 s.
        let last =
            |mut bucket: Bucket, calls: u32| (0..calls).map(|_| bucket.take(SimTime::ZERO)).last();
        let api = Api::default();
        assert_eq!(last(api.describes(), 300), Some(SimTime::from_secs(2)));
        let modified = last(api.modifies(), 35).expect("35 calls");
        assert!(
            (modified - SimTime::ZERO).as_secs_f64() - 5.0 < 1e-6,
            "{modified}"
        );
    }

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour() {
        // 5 ms x 2^17 = 655.36 s, and x 2^18 would be 1,310.72 s: above 1,000 s.
        let retry = Retry::default();
        assert_eq!(retry.after(0), SimDuration::from_millis(5));
        assert_eq!(retry.after(3), SimDuration::from_millis(40));
        assert_eq!(retry.after(17), SimDuration::from_millis(655_360));
        assert_eq!(retry.after(18), SimDuration::from_secs(1000));
        assert_eq!(retry.after(200), SimDuration::from_secs(1000));
    }

    #[test]
    fn a_hundred_calls_at_once_take_twenty_seconds() {
        // Burst 20, then 4 per second: (100 - 20) / 4 = 20 s.
        let mut bucket = Api::default().bucket();
        let last = (0..100).map(|_| bucket.take(SimTime::ZERO)).last();
        assert_eq!(last, Some(SimTime::ZERO + SimDuration::from_secs(20)));
        let mut bucket = Api::default().bucket();
        assert!((0..20).all(|_| bucket.take(SimTime::ZERO) == SimTime::ZERO));
    }
}
