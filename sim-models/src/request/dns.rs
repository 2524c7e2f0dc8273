//! Which load balancer address does a client dial, and for how long does it keep the answer?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{SimDuration, SimTime, Streams};

use crate::id::LoadBalancerNodeId;
use crate::streams;

/// How a client uses DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which address of an answer is dialled. An answer lists all load balancer nodes.
    ///
    /// Default: Random.
    /// Assumption: resolvers and clients rotate; AWS only says that the client chooses.
    pub pick: Pick,

    /// Whether an answer is asked for anew when its life is over; if not, the first one is kept for ever. It matters to
    /// `pick: First`: the others dial every address anyway.
    ///
    /// Default: true.
    /// Assumption: some runtimes cache names for the life of the process.
    pub honours_ttl: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            pick: Pick::default(),
            honours_ttl: true,
        }
    }
}

/// Which address of a DNS answer is dialled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Pick {
    /// The first of the answer. Answers come in random order and are kept for their life, `load_balancer.dns_ttl`.
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
/// `ttl` is the life of an answer, above 0;
/// `address` numbers the client's address over all populations, `dials` counts its connections so far,
/// `word` is a 32-bit uniform number, `nodes` the load balancer nodes that DNS names.
#[expect(
    clippy::too_many_arguments,
    reason = "what a resolver goes by, each of a kind of its own"
)]
pub fn pick(
    config: Config,
    ttl: SimDuration,
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
            let answer = match config.honours_ttl {
                true => now.as_nanos() / ttl.as_nanos(),
                false => 0,
            };
            streams
                .nth(streams::DNS_ANSWER, address, answer)
                .below(nodes)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many different nodes 100 answers in a row name.
    fn nodes_over_time(config: Config, ttl: u64) -> usize {
        let streams = Streams::new(1, 0);
        let dialled = (0..100).map(|second| {
            let now = SimTime::from_secs(second);
            pick(
                config,
                SimDuration::from_secs(ttl),
                &streams,
                0,
                0,
                now,
                0,
                8,
            )
        });
        let all: std::collections::BTreeSet<_> = dialled.collect();
        all.len()
    }

    #[test]
    fn an_answer_is_kept_for_its_life() {
        let first = Config {
            pick: Pick::First,
            ..Config::default()
        };
        let for_ever = Config {
            honours_ttl: false,
            ..first
        };
        // 100 seconds: one answer of 100 s; 100 answers of 1 s, which leave one of 8 nodes out with a chance of 1 in 80,000.
        assert_eq!(nodes_over_time(first, 100), 1);
        assert_eq!(nodes_over_time(first, 1), 8);
        assert_eq!(nodes_over_time(for_ever, 1), 1);
    }
}
