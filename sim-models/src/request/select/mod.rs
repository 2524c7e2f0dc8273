//! Which backend does a node choose for a new connection?

pub mod affinity;
pub mod hash_seed;
pub mod ipvs;
pub mod maglev;
pub mod murmur3;
pub mod random;
pub mod tables;
pub mod tuple_hash;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::SimTime;

use crate::cluster::address::{self, Addresses};
use crate::cluster::service::TrafficPolicy;
use crate::id::{Arena, LoadBalancerNodeId, NodeId, PodId, ServiceId};

/// `bpf-lb-algorithm` of Cilium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// A pseudo-random number modulo the number of backends; no header field enters it.
    #[default]
    Random,
    /// A hash of source address, source port, NodePort and protocol, looked up in a table that is the same on all nodes.
    Maglev(maglev::Config),
}

/// An algorithm without its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// A pseudo-random number modulo the number of backends.
    Random,
    /// A hash of source address, source port, NodePort and protocol, looked up in a table.
    Maglev,
}

/// A new connection at a node.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// When it arrived.
    pub now: SimTime,
    /// Where it arrived.
    pub node: NodeId,
    /// Whose NodePort it arrived at.
    pub service: ServiceId,
    /// The Service's policy for outside traffic.
    pub policy: TrafficPolicy,
    /// Which version of the Service's endpoints the node believes.
    pub version: u32,
    /// Whether the Service has session affinity.
    pub affinity: bool,
    /// The backends that the node may choose, with the node of each.
    pub eligible: &'a [(NodeId, PodId)],
    /// Who opened it.
    pub from: LoadBalancerNodeId,
    /// A 32-bit uniform number: the choice itself, or the source port.
    pub word: u32,
}

/// An algorithm with what it keeps during a run.
#[derive(Debug)]
pub enum Selector {
    /// [`random`] keeps nothing.
    Random,
    /// [`maglev`] keeps its tables.
    Maglev(Box<tables::Tables>),
    /// Some Services choose at random, others by [`maglev`].
    Mixed(Box<Mixed>),
    /// [`ipvs`] keeps what each node remembers.
    Ipvs(Box<ipvs::Ipvs>),
}

/// Which Services choose by [`maglev`], and its tables.
#[derive(Debug)]
pub struct Mixed {
    hashed: Arena<ServiceId, bool>,
    tables: tables::Tables,
}

impl Algorithm {
    /// All algorithms, with Cilium's defaults.
    pub const ALL: [Self; 2] = [Self::Random, Self::Maglev(maglev::Config::DEFAULT)];

    /// The slots of the table of a Service, with what it has in place of the algorithm; 0 where there is none.
    pub fn table_slots(self, own: Option<Kind>) -> u32 {
        let (kind, config) = self.parts();
        match own.unwrap_or(kind) {
            Kind::Random => 0,
            Kind::Maglev => config.table_size.slots(),
        }
    }

    fn parts(self) -> (Kind, maglev::Config) {
        match self {
            Self::Random => (Kind::Random, maglev::Config::DEFAULT),
            Self::Maglev(config) => (Kind::Maglev, config),
        }
    }

    /// The algorithm at the start of a run, with what some Services have in its place; only one that looks at addresses asks for them.
    pub fn selector(
        self,
        own: &Arena<ServiceId, Option<Kind>>,
        addresses: impl FnOnce() -> Addresses,
    ) -> Selector {
        let (kind, config) = self.parts();
        let hashed = own.iter().map(|own| own.unwrap_or(kind) == Kind::Maglev);
        let hashed: Arena<ServiceId, bool> = hashed.collect();
        let tables = || tables::Tables::new(config, addresses());
        if hashed.iter().all(|&it| it == (kind == Kind::Maglev)) {
            return match kind {
                Kind::Random => Selector::Random,
                Kind::Maglev => Selector::Maglev(Box::new(tables())),
            };
        }
        let tables = tables();
        Selector::Mixed(Box::new(Mixed { hashed, tables }))
    }
}

impl Selector {
    /// Picks one of the eligible backends, by position; `None` exactly when there are none.
    #[inline]
    pub fn pick(&mut self, arrival: &Arrival<'_>) -> Option<u32> {
        match self {
            Self::Random => random::pick(arrival.eligible.len() as u32, arrival.word),
            Self::Maglev(tables) => tables.pick(arrival),
            Self::Mixed(mixed) if mixed.hashed[arrival.service] => mixed.tables.pick(arrival),
            Self::Mixed(_) => random::pick(arrival.eligible.len() as u32, arrival.word),
            Self::Ipvs(ipvs) => ipvs.pick(arrival),
        }
    }

    /// The number that stands for a connection from this port; `drawn` where the choice does not look at the port.
    pub fn word_of(&self, service: ServiceId, port: u16, drawn: u32) -> u32 {
        match self {
            Self::Random | Self::Ipvs(_) => drawn,
            Self::Mixed(mixed) if !mixed.hashed[service] => drawn,
            Self::Maglev(_) | Self::Mixed(_) => address::upstream_word(port),
        }
    }

    /// A connection over a node to a backend is open.
    #[inline]
    pub fn opened(&mut self, node: NodeId, service: ServiceId, pod: PodId) {
        match self {
            Self::Random | Self::Maglev(_) | Self::Mixed(_) => {}
            Self::Ipvs(ipvs) => ipvs.opened(node, service, pod),
        }
    }

    /// A connection over a node to a backend is closed.
    #[inline]
    pub fn closed(&mut self, node: NodeId, service: ServiceId, pod: PodId, now: SimTime) {
        match self {
            Self::Random | Self::Maglev(_) | Self::Mixed(_) => {}
            Self::Ipvs(ipvs) => ipvs.closed(node, service, pod, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::topology::{Network, Node, Pod};
    use crate::id::{DeploymentId, ZoneId};

    /// Ten pods in turn on four nodes, two load balancer nodes.
    fn addresses() -> Addresses {
        let node = |n: u32| Node {
            name: format!("node-{n}"),
            zone: ZoneId(0),
        };
        let pod = |n: u32| Pod {
            name: format!("pod-{n}"),
            deployment: DeploymentId(0),
            node: NodeId(n % 4),
        };
        Addresses::assign(
            &[ZoneId(0), ZoneId(0)].into_iter().collect(),
            &(0..4).map(node).collect(),
            &(0..10).map(pod).collect(),
            Network::CiliumChained,
        )
    }

    fn eligible(count: u32) -> Vec<(NodeId, PodId)> {
        (0..count).map(|n| (NodeId(n % 4), PodId(n))).collect()
    }

    /// Under `Local`, so that each node may see other backends.
    fn arrival(node: u32, eligible: &[(NodeId, PodId)], word: u32) -> Arrival<'_> {
        Arrival {
            now: SimTime::ZERO,
            node: NodeId(node),
            service: ServiceId(0),
            policy: TrafficPolicy::Local,
            version: 0,
            affinity: false,
            eligible,
            from: LoadBalancerNodeId(word % 2),
            word,
        }
    }

    /// Numbers over the whole range of 32 bits.
    fn words() -> impl Iterator<Item = u32> {
        (0..50_u32).map(|n| n.wrapping_mul(0x9e37_79b9))
    }

    #[test]
    fn every_algorithm_picks_only_eligible_backends_and_none_exactly_when_there_are_none() {
        for algorithm in Algorithm::ALL {
            let mut selector = algorithm.selector(&Arena::new(), addresses);
            // One node per count: under `Local` a node's backends stay the same.
            for count in 0..=10 {
                let eligible = eligible(count);
                for word in words() {
                    let picked = selector.pick(&arrival(count, &eligible, word));
                    assert_eq!(picked.is_some(), count > 0);
                    assert!(picked.is_none_or(|picked| picked < count));
                }
            }
        }
    }

    #[test]
    fn every_algorithm_makes_the_same_choice_of_the_same_inputs() {
        let eligible = eligible(10);
        for algorithm in Algorithm::ALL {
            let (mut one, mut other) = (
                algorithm.selector(&Arena::new(), addresses),
                algorithm.selector(&Arena::new(), addresses),
            );
            for word in words() {
                let arrival = arrival(0, &eligible, word);
                let picked = one.pick(&arrival);
                assert_eq!(picked, one.pick(&arrival));
                assert_eq!(picked, other.pick(&arrival));
            }
        }
    }

    #[test]
    fn a_service_may_have_an_algorithm_of_its_own() {
        // Three Services: the first says nothing, the others say both. Each is served as if all were alike.
        let eligible = eligible(10);
        let own: Arena<ServiceId, _> = [None, Some(Kind::Random), Some(Kind::Maglev)]
            .into_iter()
            .collect();
        for (algorithm, expected) in Algorithm::ALL.into_iter().zip([[0, 0, 1], [1, 0, 1]]) {
            let mut plain = Algorithm::ALL.map(|it| it.selector(&Arena::new(), addresses));
            let mut mixed = algorithm.selector(&own, addresses);
            for (service, plain_number) in own.ids().zip(expected) {
                for word in words() {
                    let arrival = Arrival {
                        service,
                        ..arrival(0, &eligible, word)
                    };
                    assert_eq!(mixed.pick(&arrival), plain[plain_number].pick(&arrival));
                    let port = address::upstream_port(word);
                    let expected = plain[plain_number].word_of(service, port, 7);
                    assert_eq!(mixed.word_of(service, port, 7), expected);
                }
            }
        }
    }

    #[test]
    fn services_that_say_what_the_cluster_says_change_nothing() {
        let own: Arena<ServiceId, _> = [None, Some(Kind::Random)].into_iter().collect();
        let selector = Algorithm::Random.selector(&own, addresses);
        assert!(matches!(selector, Selector::Random));
    }

    #[test]
    fn maglev_chooses_alike_on_all_nodes_and_looks_at_who_asks() {
        let eligible = eligible(10);
        let mut selector = Algorithm::ALL[1].selector(&Arena::new(), addresses);
        let mut pick = |node, from, word| {
            let policy = TrafficPolicy::Cluster;
            let arrival = Arrival {
                from: LoadBalancerNodeId(from),
                policy,
                ..arrival(node, &eligible, word)
            };
            selector.pick(&arrival)
        };
        let mut differ = 0;
        for word in words() {
            assert_eq!(pick(0, 0, word), pick(3, 0, word));
            differ += u32::from(pick(0, 0, word) != pick(0, 1, word));
        }
        // Two sources agree by chance once in ten: 50 x 0.9 = 45, with a standard deviation of 2.1.
        assert!((37..=50).contains(&differ), "{differ}");
    }
}
