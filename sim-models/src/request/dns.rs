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

/// Which load balancer nodes DNS names, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// In the order of time. The first is that of time zero, and none is empty.
    answers: Vec<(SimTime, Vec<LoadBalancerNodeId>)>,
}

impl Record {
    /// A record of `nodes` load balancer nodes, each of which is away, as DNS knows it, in some stretches of time. An answer is never
    /// empty: where all are away, all are named.
    ///
    /// Source: AWS, "Target group health": if no zone is healthy, all of them stay in DNS.
    pub fn new(nodes: u32, away: &[(LoadBalancerNodeId, SimTime, SimTime)]) -> Self {
        let edges = away.iter().flat_map(|&(_, from, until)| [from, until]);
        let mut times: Vec<SimTime> = edges.chain([SimTime::ZERO]).collect();
        times.sort_unstable();
        times.dedup();
        let named = |now: SimTime| {
            let is_away = |node: LoadBalancerNodeId| {
                let mut of_node = away.iter().filter(|&&(other, ..)| other == node);
                of_node.any(|&(_, from, until)| from <= now && now < until)
            };
            let all = (0..nodes).map(LoadBalancerNodeId);
            let there: Vec<_> = all.clone().filter(|&node| !is_away(node)).collect();
            let named = if there.is_empty() {
                all.collect()
            } else {
                there
            };
            (now, named)
        };
        Self {
            answers: times.into_iter().map(named).collect(),
        }
    }

    /// The answer to a question that is asked at an instant.
    pub fn at(&self, asked: SimTime) -> &[LoadBalancerNodeId] {
        let later = self.answers.partition_point(|&(since, _)| since <= asked);
        &self.answers[later - 1].1
    }
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
    fn dns_names_whoever_is_not_away() {
        let at = SimTime::from_secs;
        let node = LoadBalancerNodeId;
        let away = [
            (node(0), at(10), at(30)),
            (node(1), at(20), SimTime::MAX),
            (node(2), at(25), at(40)),
        ];
        let record = Record::new(3, &away);
        let named = |second| record.at(at(second)).iter().map(|it| it.0).collect();
        let rows: [(u64, Vec<u32>); 7] = [
            (0, vec![0, 1, 2]),
            (9, vec![0, 1, 2]),
            (10, vec![1, 2]),
            (20, vec![2]),
            // All are away, so all are named.
            (25, vec![0, 1, 2]),
            (30, vec![0]),
            (40, vec![0, 2]),
        ];
        for (second, expected) in rows {
            let found: Vec<u32> = named(second);
            assert_eq!(found, expected, "at {second} s");
        }
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
