//! Which upstream connection carries the request: an idle one, or a new one?
//!
//! An upstream connection of HTTP/1.1 carries one request at a time. A request takes an idle connection to its
//! target or opens one; with `instance` targets the pod behind a connection is chosen when it opens and
//! stays. So the number of connections, not of requests, decides how evenly pods are used.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{SimDuration, SimTime};

use super::multiplex;
use super::node_port::SeenAtPod;
use super::select::random;
use crate::id::{Id, LoadBalancerNodeId, NodeId, PodId, Slab, TargetGroupId, TargetId, UpstreamId};

/// Connections from a load balancer node to its targets.
///
/// AWS documents none of these rules; the defaults are assumptions (no caps, last used first).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which idle connection is reused.
    ///
    /// Default: Lifo.
    /// Assumption: not published. Try all three before trusting a verdict that hangs on it.
    pub pool_pick: PoolPick,

    /// What shares one pool, and so one limit of idle connections.
    ///
    /// Default: Target.
    /// Assumption: not published.
    pub pool_scope: PoolScope,

    /// Idle connections that a pool keeps; one more is closed, the longest idle first. 0 means no reuse.
    ///
    /// Range: 0 and up. Default: no limit.
    /// Assumption: not published.
    pub pool_max_idle: Option<u32>,

    /// Requests after which the load balancer closes a connection.
    ///
    /// Range: 1 and up. Default: no limit (the server's `keep_alive.max_requests` may come first).
    /// Assumption: not published.
    pub pool_max_requests: Option<std::num::NonZeroU64>,

    /// Age at which the load balancer closes a connection, once it carries no request.
    ///
    /// Range: above 0; plausible "60s" and up. Default: no limit.
    /// Assumption: not published.
    pub pool_max_age: Option<SimDuration>,

    /// What becomes of the idle connections to a target that turns unhealthy.
    ///
    /// Default: Keep.
    /// Assumption: not published.
    pub pool_on_unhealthy: PoolOnUnhealthy,

    /// When idle connections to a target that is deregistered are closed.
    ///
    /// Default: AtPropagation.
    /// Assumption: not published.
    pub drain_idle_close: DrainIdleClose,

    /// Connections that carry many requests at once.
    pub http2: multiplex::Config,
}

/// Which idle connection is reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PoolPick {
    /// The one that became idle last: few connections stay hot, the others idle out.
    #[default]
    Lifo,
    /// The one that became idle first: all stay alive.
    Fifo,
    /// Any, drawn evenly.
    Random,
}

/// What becomes of the idle connections to a target that turns unhealthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PoolOnUnhealthy {
    /// They wait until the target is chosen again, or idle out.
    #[default]
    Keep,
    /// The load balancer node closes them.
    Close,
}

/// When idle connections to a target that is deregistered are closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DrainIdleClose {
    /// When the load balancer node hears of it.
    #[default]
    AtPropagation,
    /// When the deregistration delay is over, unless they idle out before.
    AtDelayEnd,
}

/// What shares one pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PoolScope {
    /// Each (load balancer node, target) has its own.
    #[default]
    Target,
    /// All targets of a group share one per load balancer node; reuse still matches the target.
    Group,
}

/// A connection from a load balancer node to a target, with the pod that was chosen when it opened.
#[derive(Clone, Copy, Debug)]
pub struct Upstream {
    /// Who opened it.
    pub load_balancer_node: LoadBalancerNodeId,
    /// Its target group.
    pub group: TargetGroupId,
    /// Its target.
    pub target: TargetId,
    /// The node on whose NodePort it arrived; `None` with `ip` targets.
    pub node: Option<NodeId>,
    /// The pod behind it.
    pub pod: PodId,
    /// The port that it comes from, where nodes track connections.
    pub port: u16,
    /// Whose address the pod sees.
    pub seen_at_pod: SeenAtPod,
    /// Whether it crosses from one node to another.
    pub second_hop: bool,
    /// Whether some link on its way connects two zones.
    pub cross_zone: bool,
    /// One-way delay from the load balancer node to the node or, with `ip`, to the pod; without jitter.
    pub first_leg: SimDuration,
    /// One-way delay from the node to the pod; without jitter. Zero with `ip`.
    pub second_leg: SimDuration,
    /// When it was opened.
    pub opened_at: SimTime,
    /// Requests begun on it.
    pub requests: u64,
    /// When the server will close it, if it stays idle.
    pub server_closes_at: SimTime,
    /// When the load balancer drops it from its pool, if it stays idle.
    pub leaves_pool_at: SimTime,
    /// Where it stands.
    pub state: UpstreamState,
    /// Whether an expiry check is planned for it.
    pub checked: bool,
    turn: u64,
    newer: Option<UpstreamId>,
    older: Option<UpstreamId>,
}

/// Where an upstream connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamState {
    /// Carries a request.
    Busy,
    /// Waits in a pool.
    Idle,
    /// Speaks HTTP/2: carries any number of requests, or none, and is never in a pool.
    Shared,
    /// Closed; its place is freed as soon as no expiry check is planned for it.
    Closed,
}

/// The path of a new connection.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// Who opens it.
    pub load_balancer_node: LoadBalancerNodeId,
    /// Its target group.
    pub group: TargetGroupId,
    /// Its target.
    pub target: TargetId,
    /// The node on whose NodePort it arrives; `None` with `ip` targets.
    pub node: Option<NodeId>,
    /// The pod behind it.
    pub pod: PodId,
    /// The port that it comes from, where nodes track connections.
    pub port: u16,
    /// Whose address the pod sees.
    pub seen_at_pod: SeenAtPod,
    /// Whether it crosses from one node to another.
    pub second_hop: bool,
    /// Whether some link on its way connects two zones.
    pub cross_zone: bool,
    /// One-way delay of the first leg, without jitter.
    pub first_leg: SimDuration,
    /// One-way delay of the second leg, without jitter.
    pub second_leg: SimDuration,
}

impl Upstream {
    fn new(path: Path, opened_at: SimTime) -> Self {
        Self {
            load_balancer_node: path.load_balancer_node,
            group: path.group,
            target: path.target,
            node: path.node,
            pod: path.pod,
            port: path.port,
            seen_at_pod: path.seen_at_pod,
            second_hop: path.second_hop,
            cross_zone: path.cross_zone,
            first_leg: path.first_leg,
            second_leg: path.second_leg,
            opened_at,
            requests: 0,
            server_closes_at: SimTime::MAX,
            leaves_pool_at: SimTime::MAX,
            state: UpstreamState::Busy,
            checked: false,
            turn: 0,
            newer: None,
            older: None,
        }
    }
}

/// The idle connections of one (load balancer node, target), from the longest idle to the last used.
#[derive(Clone, Copy, Debug, Default)]
struct Idle {
    oldest: Option<UpstreamId>,
    newest: Option<UpstreamId>,
    count: u32,
}

/// All upstream connections of a run, busy and idle.
///
/// The idle ones of a target form a list through the connections themselves, so an empty pool costs a
/// few bytes and a connection leaves its pool in constant time.
#[derive(Debug, Default)]
pub struct Pools {
    connections: Slab<UpstreamId, Upstream>,
    idle: Vec<Idle>,
    targets: usize,
    turns: u64,
}

impl Pools {
    /// Empty pools for so many load balancer nodes and targets (of all groups).
    pub fn new(load_balancer_nodes: usize, targets: usize) -> Self {
        Self {
            connections: Slab::default(),
            idle: vec![Idle::default(); load_balancer_nodes * targets],
            targets,
            turns: 0,
        }
    }

    /// A connection.
    #[inline]
    pub fn get(&self, id: UpstreamId) -> &Upstream {
        &self.connections[id]
    }

    /// A connection, to change.
    #[inline]
    pub fn get_mut(&mut self, id: UpstreamId) -> &mut Upstream {
        &mut self.connections[id]
    }

    /// Connections that are open, or closed with a check still planned.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether there is no connection.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Takes an idle connection of the load balancer node to the target, if there is one.
    ///
    /// `word` is a 32-bit uniform number; only `PoolPick::Random` looks at it.
    #[inline(always)]
    pub fn take(
        &mut self,
        node: LoadBalancerNodeId,
        target: TargetId,
        pick: PoolPick,
        word: u32,
    ) -> Option<UpstreamId> {
        let pool = self.pool(node, target);
        let idle = self.idle[pool];
        let id = match pick {
            PoolPick::Lifo => idle.newest,
            PoolPick::Fifo => idle.oldest,
            PoolPick::Random => random::pick(idle.count, word).and_then(|nth| self.nth(idle, nth)),
        }?;
        self.unlink(pool, id);
        self.connections[id].state = UpstreamState::Busy;
        Some(id)
    }

    /// Opens a connection for a request.
    pub fn open(&mut self, path: Path, now: SimTime) -> UpstreamId {
        self.connections.insert(Upstream::new(path, now))
    }

    /// Puts a connection back as the last used one.
    #[inline(always)]
    pub fn put_back(&mut self, id: UpstreamId) {
        let Upstream {
            load_balancer_node,
            target,
            ..
        } = self.connections[id];
        let pool = self.pool(load_balancer_node, target);
        let newest = self.idle[pool].newest.replace(id);
        match newest {
            Some(newest) => self.connections[newest].newer = Some(id),
            None => self.idle[pool].oldest = Some(id),
        }
        self.idle[pool].count += 1;
        self.turns += 1;
        let turn = self.turns;
        let connection = &mut self.connections[id];
        connection.state = UpstreamState::Idle;
        connection.turn = turn;
        connection.older = newest;
        connection.newer = None;
    }

    /// Closes a connection, busy or idle.
    pub fn close(&mut self, id: UpstreamId) {
        let Upstream {
            load_balancer_node,
            target,
            state,
            checked,
            ..
        } = self.connections[id];
        if state == UpstreamState::Idle {
            let pool = self.pool(load_balancer_node, target);
            self.unlink(pool, id);
        }
        self.connections[id].state = UpstreamState::Closed;
        if !checked {
            self.connections.remove(id);
        }
    }

    /// Notes that the expiry check of a connection has come; frees the place of a closed one.
    ///
    /// Returns whether the connection is still open.
    pub fn check_came(&mut self, id: UpstreamId) -> bool {
        self.connections[id].checked = false;
        let open = self.connections[id].state != UpstreamState::Closed;
        if !open {
            self.connections.remove(id);
        }
        open
    }

    /// The longest idle connection among these targets of a load balancer node, with the number of all
    /// idle ones.
    pub fn longest_idle(
        &self,
        node: LoadBalancerNodeId,
        targets: impl Iterator<Item = TargetId>,
    ) -> (u32, Option<UpstreamId>) {
        let turn = |id: &UpstreamId| self.connections[*id].turn;
        let pools = targets.map(|target| self.idle[self.pool(node, target)]);
        pools.fold((0, None), |(count, longest), idle| {
            let longest = longest.into_iter().chain(idle.oldest).min_by_key(turn);
            (count + idle.count, longest)
        })
    }

    /// The idle connections for which something holds, pool by pool, the longest idle first.
    pub fn idle_where(&self, holds: impl Fn(&Upstream) -> bool) -> Vec<UpstreamId> {
        let all = self
            .idle
            .iter()
            .flat_map(|idle| std::iter::successors(idle.oldest, |&id| self.connections[id].newer));
        all.filter(|&id| holds(&self.connections[id])).collect()
    }

    #[inline]
    fn pool(&self, node: LoadBalancerNodeId, target: TargetId) -> usize {
        node.index() * self.targets + target.index()
    }

    fn nth(&self, idle: Idle, nth: u32) -> Option<UpstreamId> {
        std::iter::successors(idle.oldest, |&id| self.connections[id].newer).nth(nth as usize)
    }

    #[inline(always)]
    fn unlink(&mut self, pool: usize, id: UpstreamId) {
        let Upstream { newer, older, .. } = self.connections[id];
        match newer {
            Some(newer) => self.connections[newer].older = older,
            None => self.idle[pool].newest = older,
        }
        match older {
            Some(older) => self.connections[older].newer = newer,
            None => self.idle[pool].oldest = newer,
        }
        self.idle[pool].count -= 1;
    }
}
