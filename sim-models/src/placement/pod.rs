//! What the scheduler must know of a pod: its containers' requests and everything that ties it to places.
//!
//! Source: Kubernetes API v1, `PodSpec`.

use std::ops::AddAssign;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::affinity::Affinity;
use super::quantity::{Cpu, Memory};
use super::selector::Labels;
use super::spread::TopologySpreadConstraint;
use super::taint::Toleration;

/// Everything about a pod that decides where it lands. Pods of one template are alike to the scheduler.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodTemplate {
    /// The pod's namespace; empty means `default`.
    pub namespace: String,
    /// The pod's labels, `pod-template-hash` included where a Deployment sets it.
    pub labels: Labels,
    /// The controller that made the pod, if any.
    pub owner: Option<Owner>,
    /// Its containers.
    pub containers: Vec<Container>,
    /// Its init containers, in order.
    pub init_containers: Vec<InitContainer>,
    /// The node it is bound to by hand.
    pub node_name: Option<String>,
    /// Labels its node must carry.
    pub node_selector: Labels,
    /// The taints it accepts.
    pub tolerations: Vec<Toleration>,
    /// Its wishes and demands on node and neighbours.
    pub affinity: Affinity,
    /// How evenly it is to be spread; with none, the scheduler's own constraints apply.
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// Higher goes first in the queue. Default: 0.
    pub priority: i32,
}

/// The controller of a pod, as the pod's owner reference names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// What kind of controller.
    pub kind: OwnerKind,
    /// Its name, in the pod's namespace.
    pub name: String,
}

/// The controllers whose selectors the scheduler looks up for its built-in spread constraints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OwnerKind {
    /// A ReplicaSet, which is what stands behind a Deployment.
    ReplicaSet,
    /// A StatefulSet.
    StatefulSet,
}

/// A container, as far as placement is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Container {
    /// The image it runs. A name without a tag means `:latest`. Default: none.
    pub image: Option<String>,
    /// What it asks of its node.
    pub resources: ResourceRequirements,
    /// Ports it takes on its node. Default: none.
    pub host_ports: Vec<HostPort>,
}

/// An init container: it runs before the containers, or beside them when it restarts always.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InitContainer {
    /// The image it runs. Default: none.
    pub image: Option<String>,
    /// What it asks of its node.
    pub resources: ResourceRequirements,
    /// Ports it takes on its node; they count only for a sidecar. Default: none.
    pub host_ports: Vec<HostPort>,
    /// `restartPolicy: Always`: it keeps running beside the containers. Default: false.
    pub sidecar: bool,
}

/// What a container asks of its node.
///
/// Source: Kubernetes API v1, `ResourceRequirements`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceRequirements {
    /// What is set aside for it. Default: its limits, resource by resource.
    pub requests: ResourceList,
    /// What it may use at most. The scheduler looks at limits only where a request is missing. Default: no limit.
    pub limits: ResourceList,
}

/// Amounts of the two resources that the scheduler weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceList {
    /// Cpu, such as `"250m"`. Not written is not the same as `"0"`: scores then count 100m. Default: not written.
    pub cpu: Option<Cpu>,
    /// Memory, such as `"256Mi"`. Not written is not the same as `"0"`: scores then count 200 MiB. Default: not written.
    pub memory: Option<Memory>,
}

/// A port that a pod takes on its node, for itself alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostPort {
    /// The port. Range: 1 to 65535.
    pub port: u16,
    /// The protocol. Default: `Tcp`.
    #[serde(default)]
    pub protocol: Protocol,
    /// The node's address it listens on. Default: `0.0.0.0`, every address.
    #[serde(default = "any_address")]
    pub host_ip: String,
}

/// The protocol of a host port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// Every address of a node.
pub(super) const ANY_ADDRESS: &str = "0.0.0.0";

fn any_address() -> String {
    ANY_ADDRESS.to_owned()
}

/// Cpu and memory as the scheduler adds them up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Millicores.
    pub cpu: i64,
    /// Bytes.
    pub memory: i64,
}

/// What scores assume of a container that does not say what it needs.
///
/// Source: kube-scheduler 1.34 `util/pod_resources.go`.
pub const ASSUMED: Amount = Amount {
    cpu: 100,
    memory: 200 << 20,
};

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.memory += other.memory;
    }
}

impl Amount {
    /// This many times the amount.
    pub fn times(self, count: i64) -> Self {
        Self {
            cpu: self.cpu * count,
            memory: self.memory * count,
        }
    }

    fn max(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.max(other.cpu),
            memory: self.memory.max(other.memory),
        }
    }

    fn plus(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl ResourceRequirements {
    /// What the container asks for; what it does not mention counts as `missing`.
    fn requested(&self, missing: Amount) -> Amount {
        let cpu = self.requests.cpu.or(self.limits.cpu);
        let memory = self.requests.memory.or(self.limits.memory);
        Amount {
            cpu: cpu.map_or(missing.cpu, Cpu::as_millis),
            memory: memory.map_or(missing.memory, Memory::as_bytes),
        }
    }
}

impl PodTemplate {
    /// What the pod takes from its node; a container's missing request counts as `missing`.
    ///
    /// Resource by resource, the larger of what runs together in the end (containers and sidecars) and what the
    /// hungriest init container needs beside the sidecars started before it.
    /// Source: Kubernetes `component-helpers/resource.PodRequests`.
    pub fn requests(&self, missing: Amount) -> Amount {
        let mut sidecars = Amount::default();
        let mut peak = Amount::default();
        for init in &self.init_containers {
            let own = init.resources.requested(missing);
            peak = peak.max(sidecars.plus(own));
            if init.sidecar {
                sidecars += own;
            }
        }
        let running = self.containers.iter().fold(sidecars, |sum, one| {
            sum.plus(one.resources.requested(missing))
        });
        running.max(peak)
    }

    /// The ports it takes on its node, those of sidecars included.
    pub fn host_ports(&self) -> impl Iterator<Item = &HostPort> {
        let sidecars = self
            .init_containers
            .iter()
            .filter(|init| init.sidecar)
            .flat_map(|init| &init.host_ports);
        sidecars.chain(
            self.containers
                .iter()
                .flat_map(|container| &container.host_ports),
        )
    }

    /// The images of its init containers and containers, as named.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        let init = self
            .init_containers
            .iter()
            .map(|container| &container.image);
        init.chain(self.containers.iter().map(|container| &container.image))
            .flatten()
            .map(String::as_str)
    }
}

impl HostPort {
    /// Whether two pods with these ports cannot share a node.
    pub fn conflicts_with(&self, other: &Self) -> bool {
        let any = |port: &Self| port.host_ip == ANY_ADDRESS || port.host_ip.is_empty();
        self.port == other.port
            && self.protocol == other.protocol
            && (any(self) || any(other) || self.host_ip == other.host_ip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(cpu: i64, memory: i64) -> ResourceRequirements {
        let requests = ResourceList {
            cpu: Some(Cpu::millis(cpu)),
            memory: Some(Memory::bytes(memory)),
        };
        ResourceRequirements {
            requests,
            ..ResourceRequirements::default()
        }
    }

    fn init(cpu: i64, sidecar: bool) -> InitContainer {
        InitContainer {
            resources: asks(cpu, 0),
            sidecar,
            ..InitContainer::default()
        }
    }

    #[test]
    fn the_largest_init_step_counts_with_the_sidecars_before_it() {
        let pod = PodTemplate {
            containers: vec![Container {
                resources: asks(100, 10),
                ..Container::default()
            }],
            init_containers: vec![init(700, false), init(100, true), init(650, false)],
            ..PodTemplate::default()
        };
        // Steps: 700; 100; sidecar 100 + 650 = 750. Together in the end: 100 + 100 = 200.
        assert_eq!(
            pod.requests(Amount::default()),
            Amount {
                cpu: 750,
                memory: 10
            }
        );
    }

    #[test]
    fn a_missing_request_is_assumed_and_an_explicit_zero_is_not() {
        let pod = |resources| PodTemplate {
            containers: vec![Container {
                resources,
                ..Container::default()
            }],
            ..PodTemplate::default()
        };
        assert_eq!(
            pod(ResourceRequirements::default()).requests(ASSUMED),
            ASSUMED
        );
        assert_eq!(pod(asks(0, 0)).requests(ASSUMED), Amount::default());
    }

    #[test]
    fn a_limit_stands_in_for_a_missing_request() {
        let limits = ResourceList {
            cpu: Some(Cpu::millis(500)),
            memory: None,
        };
        let resources = ResourceRequirements {
            limits,
            ..ResourceRequirements::default()
        };
        assert_eq!(
            resources.requested(Amount::default()),
            Amount {
                cpu: 500,
                memory: 0
            }
        );
    }

    #[test]
    fn ports_conflict_on_a_shared_address_only() {
        let port = |host_ip: &str, port, protocol| HostPort {
            port,
            protocol,
            host_ip: host_ip.to_owned(),
        };
        let any = port(ANY_ADDRESS, 443, Protocol::Tcp);
        assert!(any.conflicts_with(&port("10.0.0.1", 443, Protocol::Tcp)));
        assert!(!any.conflicts_with(&port(ANY_ADDRESS, 443, Protocol::Udp)));
        assert!(!port("10.0.0.2", 443, Protocol::Tcp).conflicts_with(&port(
            "10.0.0.1",
            443,
            Protocol::Tcp
        )));
    }
}
