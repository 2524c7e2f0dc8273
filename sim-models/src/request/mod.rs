//! What is a request, and what can become of it?
//!
//! The files of this module lie in the order in which a request meets them: [`client`], [`dns`],
//! [`load_balancer`] with [`balance`], [`pool`] and [`multiplex`], [`node_port`] with [`select`], [`overlay`], [`server`].
//! Each holds what a scenario may say (`Config`), what changes during a run, and one decision; none of
//! them plans an event or reads the clock. That is the work of [`crate::world`].

use sim_core::{Block, SimDuration, SimTime};

use crate::id::{
    LoadBalancerNodeId, NodeId, PodId, PopulationId, ProberId, ServiceId, TargetGroupId, TargetId,
    UpstreamId, ViewId,
};
use crate::world::event::UserId;

pub mod balance;
pub mod client;
pub mod conntrack;
pub mod dns;
pub mod forward;
pub mod icmp;
pub mod load_balancer;
pub mod multiplex;
pub mod node_port;
pub mod overlay;
pub mod pool;
pub mod protocol;
pub mod retry;
pub mod rules;
pub mod select;
pub mod server;
pub mod sharing;
pub mod snat;
pub mod stickiness;
pub mod wire;

/// A moment in the life of a request that is worth a stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Hop {
    /// Born at the client.
    Client,
    /// Reached a load balancer node.
    LoadBalancer,
    /// Written to an upstream connection (after dialling, where one had to be opened).
    Sent,
    /// Reached the pod.
    Server,
    /// A worker began.
    Started,
    /// The worker was done.
    Served,
    /// The answer, or the failure, reached the load balancer node.
    Returned,
    /// The answer reached the client.
    Answered,
}

impl Hop {
    /// How many hops there are.
    pub const COUNT: usize = 8;
}

/// A request on its way, or just finished.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asked.
    pub population: PopulationId,
    /// The how-manieth request of its population, from 0. Retries have the number of the first attempt.
    pub serial: u64,
    /// Which attempt it is: 0 for the first, 1 for the first retry.
    pub attempt: u8,
    /// Which of the population's request classes it is.
    pub class: u32,
    /// Source address, from 0, within the population.
    pub address: u32,
    /// The target group that a listener rule chose; `None` where no rule matched.
    pub target_group: Option<TargetGroupId>,
    /// The Service behind that group.
    pub service: Option<ServiceId>,
    /// The load balancer node that handled it.
    pub load_balancer_node: LoadBalancerNodeId,
    /// The target that the load balancer node chose.
    pub target: Option<TargetId>,
    /// The node on whose NodePort it arrived; `None` with `ip` targets.
    pub node: Option<NodeId>,
    /// The pod that got it.
    pub pod: Option<PodId>,
    /// The upstream connection that carried it.
    pub connection: Option<UpstreamId>,
    /// When that connection was dialled; meaningful where there is one.
    pub connected: SimTime,
    /// Whose address the pod saw; meaningful where a pod got it.
    pub seen_at_pod: node_port::SeenAtPod,
    /// Whether that connection had carried a request before.
    pub reused: bool,
    /// Whether it crossed from one node to another.
    pub second_hop: bool,
    /// Whether some link on its way connected two zones.
    pub cross_zone: bool,
    /// Attempts to connect to a node or a full server so far.
    pub attempts: u8,
    /// Targets that the load balancer tried before this one.
    pub retargeted: u8,
    /// Work to be done for it, drawn at birth.
    pub demand: SimDuration,
    /// When its client first asked: at this attempt, or before.
    pub asked: SimTime,
    /// Whether its client tries again; meaningful once it is finished.
    pub retried: bool,
    /// When it passed each [`Hop`]; zero where it has not been.
    pub stamps: [SimTime; Hop::COUNT],
    /// What became of it; meaningful once it is finished.
    pub outcome: Outcome,
    /// Its random numbers; see [`word`].
    pub(crate) draws: Block,
    /// One way between the client and the load balancer node.
    pub(crate) client_one_way: SimDuration,
    /// The client connection that carries it.
    pub(crate) client_connection: client::Connection,
    /// The user of a closed loop who waits for it.
    pub(crate) user: Option<UserId>,
    /// Whether its outcome has been told.
    pub(crate) finished: bool,
    /// Whether somebody still works for it although nobody waits any more.
    pub(crate) abandoned: bool,
    /// Who wants to know the answer.
    pub(crate) asker: Asker,
}

/// Who asks: probes and health checks are requests like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A client.
    Client,
    /// A load balancer node that checks a target.
    HealthCheck(ViewId),
    /// A kubelet that probes a container.
    Probe(ProberId),
}

impl Asker {
    /// Whose draws are its own, beside those of other askers.
    pub(crate) fn drawer(self, population: PopulationId) -> u64 {
        match self {
            Self::Client => u64::from(population.0),
            Self::HealthCheck(view) => 1 << 32 | u64::from(view.0),
            Self::Probe(prober) => 2 << 32 | u64::from(prober.0),
        }
    }
}

/// Which word of a request's block of 16 random words decides what.
///
/// A decision owns its words, so nothing that one stage does can shift the draws of another, and two
/// alternatives share all of them. Words 0 to 3 are read in pairs (53 bits), the others alone (32 bits).
pub mod word {
    /// Time from the previous request of the population, or a user's time to think: words 0 and 1.
    pub const GAP: usize = 0;
    /// Work in the pod: words 2 and 3.
    pub const DEMAND: usize = 2;
    /// Source address.
    pub const ADDRESS: usize = 4;
    /// Request class.
    pub const CLASS: usize = 5;
    /// Requests that a new client connection will carry.
    pub const REUSE: usize = 6;
    /// Address that a new client connection dials.
    pub const DNS: usize = 7;
    /// Target, where the algorithm draws.
    pub const TARGET: usize = 8;
    /// Idle upstream connection, where the pool draws.
    pub const POOL: usize = 9;
    /// Backend of a new upstream connection, or the port that it comes from where the backend hangs on that.
    pub const BACKEND: usize = 10;
    /// Time inside the load balancer node.
    pub const PROXY: usize = 11;
    /// Round trip to the client.
    pub const RTT: usize = 12;
    /// Jitter between load balancer node and node.
    pub const FIRST_LEG: usize = 13;
    /// Jitter between node and pod.
    pub const SECOND_LEG: usize = 14;
    /// Jitter of the way back.
    pub const WAY_BACK: usize = 15;
}

impl Request {
    /// Whose draws are its own, beside those of others.
    pub(crate) fn drawer(&self) -> u64 {
        self.asker.drawer(self.population)
    }

    /// When it passed a hop; zero where it has not been.
    #[inline]
    pub fn at(&self, hop: Hop) -> SimTime {
        self.stamps[hop as usize]
    }

    /// Stamps a hop.
    #[inline]
    pub fn stamp(&mut self, hop: Hop, now: SimTime) {
        self.stamps[hop as usize] = now;
    }

    /// When the client connection that carries it was dialled.
    pub fn client_connected(&self) -> SimTime {
        self.client_connection.opened_at
    }

    /// The port of the load balancer node from which it would open a connection to a target.
    pub fn upstream_port(&self) -> u16 {
        crate::cluster::address::upstream_port(self.draws.word(word::BACKEND))
    }

    /// Time from birth to the answer at the client, or to its giving up. An attempt before is not part of it.
    pub fn elapsed(&self) -> SimDuration {
        self.at(Hop::Answered) - self.at(Hop::Client)
    }

    /// Time from the client's first attempt to this one's answer.
    pub fn elapsed_since_asked(&self) -> SimDuration {
        self.at(Hop::Answered) - self.asked
    }

    /// Time between reaching the pod and the begin of work; zero for a request that no worker took.
    pub fn waited(&self) -> SimDuration {
        match self.at(Hop::Started) {
            SimTime::ZERO => SimDuration::ZERO,
            started => started - self.at(Hop::Server),
        }
    }

    /// Time between reaching the pod and the end of work; zero for a request that no worker took.
    pub fn sojourned(&self) -> SimDuration {
        match self.at(Hop::Served) {
            SimTime::ZERO => SimDuration::ZERO,
            served => served - self.at(Hop::Server),
        }
    }
}

/// Who decided the fate of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The client itself.
    Client,
    /// The pod's server.
    Pod,
    /// The node's data plane.
    Node,
    /// The load balancer.
    LoadBalancer,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The pod answered 200.
    Ok,
    /// The pod was full and answered with this status.
    Overloaded(u16),
    /// The pod was in trouble and answered with this status.
    PodError(u16),
    /// No listener rule matched: 404.
    NoRule,
    /// The target group does not take what the client speaks: 464.
    WrongProtocol,
    /// The target group has no target: 503.
    NoTarget,
    /// The node has no backend and said so: 502.
    NodeRefused,
    /// Nothing answered the connection attempt: 504 after the connect timeout.
    ConnectTimeout,
    /// The pod was full and reset the connection: 502.
    PodRefused,
    /// The server had just closed the reused connection: 502.
    StaleConnection,
    /// The connection was reset while the pod had the request: 502.
    PodReset,
    /// The node no longer knew the connection and led it to another pod, which reset it: 502.
    Forgotten,
    /// The pod accepted the connection and did not answer the TLS handshake: 504 after its timeout.
    HandshakeTimeout,
    /// The target was silent for the load balancer's idle timeout: 504.
    ResponseTimeout,
    /// The deregistration delay of the target was over before it had answered: 502.
    Drained,
    /// The client gave up first. The load balancer logs 460.
    ClientTimeout,
    /// The client had no connection to its load balancer node in time.
    NoConnection,
    /// The client's load balancer node was gone, or had forgotten the connection.
    ConnectionLost,
}

impl Outcome {
    /// HTTP status that the client sees, or that the load balancer logs where the client has gone; 0 where nobody says anything.
    ///
    /// Source: AWS, "Troubleshoot your Application Load Balancers" for the load balancer's own codes.
    pub fn status(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::Overloaded(status) | Self::PodError(status) => status,
            Self::NoRule => 404,
            Self::WrongProtocol => 464,
            Self::NoTarget => 503,
            Self::NodeRefused
            | Self::PodRefused
            | Self::StaleConnection
            | Self::PodReset
            | Self::Forgotten
            | Self::Drained => 502,
            Self::ConnectTimeout | Self::HandshakeTimeout | Self::ResponseTimeout => 504,
            Self::ClientTimeout => 460,
            Self::NoConnection | Self::ConnectionLost => 0,
        }
    }

    /// Whether it counts against its target: an answer of 500 and up, or no connection.
    ///
    /// Source: AWS, "Edit target group attributes", automatic target weights: 5xx of the target, TCP and TLS connection errors.
    pub fn is_target_error(self) -> bool {
        match self {
            Self::Overloaded(status) | Self::PodError(status) => status >= 500,
            Self::NodeRefused
            | Self::ConnectTimeout
            | Self::PodRefused
            | Self::HandshakeTimeout => true,
            Self::Ok
            | Self::NoRule
            | Self::WrongProtocol
            | Self::NoTarget
            | Self::StaleConnection
            | Self::PodReset
            | Self::Forgotten
            | Self::ResponseTimeout
            | Self::Drained
            | Self::ClientTimeout
            | Self::NoConnection
            | Self::ConnectionLost => false,
        }
    }

    /// Who decided it.
    pub fn origin(self) -> Origin {
        match self {
            Self::Ok
            | Self::Overloaded(_)
            | Self::PodRefused
            | Self::StaleConnection
            | Self::PodError(_)
            | Self::PodReset
            | Self::HandshakeTimeout
            | Self::ResponseTimeout => Origin::Pod,
            Self::NodeRefused | Self::ConnectTimeout | Self::Forgotten => Origin::Node,
            Self::NoRule
            | Self::WrongProtocol
            | Self::NoTarget
            | Self::Drained
            | Self::NoConnection
            | Self::ConnectionLost => Origin::LoadBalancer,
            Self::ClientTimeout => Origin::Client,
        }
    }

    /// Whether the client got an answer with a status below 500.
    pub fn is_success(self) -> bool {
        (200..500).contains(&self.status()) && self != Self::ClientTimeout
    }

    /// A short name, the same in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Overloaded(_) => "pod overloaded",
            Self::PodError(_) => "pod error",
            Self::NoRule => "no rule",
            Self::WrongProtocol => "wrong protocol",
            Self::NoTarget => "no target",
            Self::NodeRefused => "node refused",
            Self::ConnectTimeout => "connect timeout",
            Self::PodRefused => "pod refused",
            Self::StaleConnection => "stale connection",
            Self::PodReset => "pod reset",
            Self::Forgotten => "connection forgotten",
            Self::HandshakeTimeout => "handshake timeout",
            Self::ResponseTimeout => "response timeout",
            Self::Drained => "target drained",
            Self::ClientTimeout => "client timeout",
            Self::NoConnection => "no connection",
            Self::ConnectionLost => "connection lost",
        }
    }
}
