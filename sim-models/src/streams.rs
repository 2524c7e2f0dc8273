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

/// Which of several equally good nodes the scheduler takes; `entity` is the deployment, `draw` the replica.
pub const PLACEMENT: StreamName = StreamName::new("placement");
/// Ties of the scheduler, and of the order of deletion, in rolling updates; `entity` is the deployment, `draw`
/// the revision that comes.
pub const ROLLOUT: StreamName = StreamName::new("rollout");

/// All names, for the test that they differ.
pub const ALL: [StreamName; 7] = [
    REQUESTS,
    RETRIES,
    CURSOR_START,
    DNS_ANSWER,
    IPVS_LIST,
    PLACEMENT,
    ROLLOUT,
];
