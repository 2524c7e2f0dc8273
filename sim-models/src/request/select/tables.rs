//! Which Maglev table answers for a Service on a node?
//!
//! A table follows from the eligible backends alone. Under `Cluster` these are the same everywhere, so all
//! nodes that believe the same version share one table; under `Local` each node has its own. A table is
//! built when the first connection asks for it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Arrival;
use super::maglev::{Backend, Config, Scope, Table};
use super::tuple_hash::{self, Protocol, Tuple};
use crate::cluster::address::{self, Addresses};
use crate::cluster::service::TrafficPolicy;
use crate::id::{NodeId, PodId, ServiceId};

/// The weight of every backend that Kubernetes knows.
///
/// Source: Cilium `pkg/loadbalancer`, `DefaultBackendWeight`.
const WEIGHT: u32 = 100;

/// Versions after which a table is forgotten; it would be built again where a node still needed it.
const OLD: u32 = 8;

/// The Maglev tables of a cluster.
#[derive(Debug)]
pub struct Tables {
    config: Config,
    addresses: Addresses,
    /// By Service, node (under `Local`) and version of the endpoints.
    built: BTreeMap<(ServiceId, Option<NodeId>, u32), Table>,
}

impl Tables {
    /// No table yet.
    pub fn new(config: Config, addresses: Addresses) -> Self {
        Self {
            config,
            addresses,
            built: BTreeMap::new(),
        }
    }

    /// The position of the chosen backend among the eligible ones; `None` exactly when there are none.
    ///
    /// What is eligible for a version of a Service (under `Local`, on a node) must be the same at every call.
    pub fn pick(&mut self, arrival: &Arrival<'_>) -> Option<u32> {
        if arrival.eligible.len() < 2 {
            // All slots are one backend's: nothing to build or to hash.
            return (!arrival.eligible.is_empty()).then_some(0);
        }
        let node = match arrival.policy {
            TrafficPolicy::Cluster => None,
            TrafficPolicy::Local => Some(arrival.node),
        };
        let hash = self.hash(arrival);
        let Self {
            config,
            addresses,
            built,
        } = self;
        let key = (arrival.service, node, arrival.version);
        if !built.contains_key(&key) {
            // Nodes follow within seconds: what is this much older is not believed anywhere any more.
            let old = arrival.version.saturating_sub(OLD);
            built.retain(|&(service, _, version), _| service != arrival.service || version >= old);
        }
        let table = built
            .entry(key)
            .or_insert_with(|| table(*config, addresses, arrival.eligible));
        table.lookup(hash)
    }

    /// The datapath's hash of the connection's first packet.
    fn hash(&self, arrival: &Arrival<'_>) -> u32 {
        let tuple = Tuple {
            source: IpAddr::V4(self.addresses.load_balancer_nodes[arrival.from]),
            source_port: address::upstream_port(arrival.word),
            destination_port: address::node_port(arrival.service),
            protocol: Protocol::Tcp,
        };
        let Config {
            port_order, seed, ..
        } = self.config;
        tuple_hash::hash(&tuple, arrival.affinity, port_order, seed)
    }
}

fn table(config: Config, addresses: &Addresses, eligible: &[(NodeId, PodId)]) -> Table {
    let backend = |&(_, pod): &(NodeId, PodId)| Backend {
        address: IpAddr::V4(addresses.pods[pod]),
        port: address::POD_PORT,
        protocol: Protocol::Tcp,
        scope: Scope::External,
        weight: WEIGHT,
    };
    let backends: Vec<Backend> = eligible.iter().map(backend).collect();
    Table::new(&backends, config.table_size, config.seed)
}
