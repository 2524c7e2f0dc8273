//! Which load balancer address does a client dial, and for how long does it keep the answer?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{SimDuration, SimTime, Streams};

use crate::id::LoadBalancerNodeId;
use crate::streams;

/// How a client uses DNS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which address of an answer is dialled. An answer lists all load balancer nodes.
    ///
    /// Default: Random.
    /// Assumption: resolvers and clients rotate; AWS only says that the client chooses.
    pub pick: Pick,
}

/// Which address of a DNS answer is dialled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Pick {
    /// The first of the answer. Answers come in random order and are kept for the record's 60 s.
    First,
    /// Any, drawn for each connection.
    #[default]
    Random,
    /// The next one in turn, for each client address.
    RoundRobin,
}

/// Life of a DNS answer.
///
/// Source: AWS, "How Elastic Load Balancing works": the record's time to live is 60 seconds.
pub const TTL: SimDuration = SimDuration::from_secs(60);

/// Picks the load balancer node that a client address dials.
///
/// `address` numbers the client's address over all populations, `dials` counts its connections so far,
/// `word` is a 32-bit uniform number, `nodes` the load balancer nodes that DNS names.
pub fn pick(
    config: Config,
    streams: &Streams,
    address: u64,
    dials: u32,
    now: SimTime,
    word: u32,
    nodes: u32,
) -> LoadBalancerNodeId {
    let scaled = |word: u32| ((u64::from(word) * u64::from(nodes)) >> 32) as u32;
    LoadBalancerNodeId(match config.pick {
        Pick::Random => scaled(word),
        Pick::RoundRobin => dials % nodes,
        Pick::First => {
            let answer = now.as_nanos() / TTL.as_nanos();
            streams
                .nth(streams::DNS_ANSWER, address, answer)
                .below(nodes)
        }
    })
}
