//! Everything that can happen in a run, and who goes first at one instant.

use crate::id::{CallId, Id, PopulationId, RequestId, UpstreamId};

/// An event of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The next request of an open-loop population is born.
    Arrive(PopulationId),
    /// A user of a closed loop asks.
    Ask(UserId),
    /// A request reaches its load balancer node.
    AtLoadBalancer(RequestId),
    /// The first packet of a new connection reaches the node.
    AtNode(RequestId),
    /// A request reaches its pod.
    AtServer(RequestId),
    /// A worker is done with a request.
    Served(RequestId),
    /// The answer, or the failure, reaches the load balancer node.
    Returned(RequestId),
    /// An idle connection may have been idle long enough.
    Expire(UpstreamId),
    /// A client tries again.
    Retry(CallId),
    /// Somebody may have waited long enough for an answer.
    Deadline(LaneId),
}

/// Deadlines in the order of time: those of each population, then those of the load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneId(pub u32);

/// A user of a closed loop, counted over all populations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserId(pub u32);

/// Ranks below these belong to faults (0) and to the health signal (1).
const FREES_WORKER: u8 = 2;
const FREES_CONNECTION: u8 = 3;
const CLOSES_CONNECTION: u8 = 4;
const NEEDS: u8 = 5;
/// An answer at the instant of a deadline is in time.
const GIVES_UP: u8 = 6;

impl Event {
    /// Who goes first at one instant: what frees a worker or a connection goes before what needs one.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Served(_) => FREES_WORKER,
            Self::Returned(_) => FREES_CONNECTION,
            Self::Expire(_) => CLOSES_CONNECTION,
            Self::Deadline(_) => GIVES_UP,
            Self::Arrive(_)
            | Self::Ask(_)
            | Self::Retry(_)
            | Self::AtLoadBalancer(_)
            | Self::AtNode(_)
            | Self::AtServer(_) => NEEDS,
        }
    }

    /// The kind of event, for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Arrive(_) => "arrival",
            Self::Ask(_) => "closed-loop user asks",
            Self::AtLoadBalancer(_) => "request at load balancer",
            Self::AtNode(_) => "connection at node",
            Self::AtServer(_) => "request at pod",
            Self::Served(_) => "request served",
            Self::Returned(_) => "answer at load balancer",
            Self::Expire(_) => "idle connection checked",
            Self::Retry(_) => "client tries again",
            Self::Deadline(_) => "deadline",
        }
    }

    /// Kind and subject as one number, for the fingerprint.
    pub fn digest(&self) -> u64 {
        let (kind, subject) = match *self {
            Self::Arrive(population) => (0, population.index()),
            Self::Ask(user) => (1, user.0 as usize),
            Self::AtLoadBalancer(request) => (2, request.index()),
            Self::AtNode(request) => (3, request.index()),
            Self::AtServer(request) => (4, request.index()),
            Self::Served(request) => (5, request.index()),
            Self::Returned(request) => (6, request.index()),
            Self::Expire(upstream) => (7, upstream.index()),
            Self::Retry(call) => (9, call.index()),
            Self::Deadline(lane) => (10, lane.0 as usize),
        };
        (kind << 32) | subject as u64
    }
}
