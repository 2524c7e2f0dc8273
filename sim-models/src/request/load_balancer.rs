//! Which target gets the request?
//!
//! An ALB is a handful of load balancer nodes. Each has its own cursors and its own upstream pools, and
//! chooses a target for every *request*, not for every connection.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{Dist, SimDuration};

use super::Outcome;
use super::forward::Forward;
use super::protocol::{Http2, Protocol};
use super::{balance, pool, stickiness};
use crate::control::aws_controller;
use crate::health::{health_check, target_group};

/// The load balancer with its listener rules and target groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What kind of load balancer it is.
    ///
    /// Default: Alb(nodes_per_zone: 1).
    #[serde(default)]
    pub kind: Kind,

    /// Zones in which it is enabled.
    ///
    /// Default: the cluster's zones.
    #[serde(default)]
    pub zones: Option<Vec<String>>,

    /// Silence that closes a connection, on the client's side and on the target's side. A target that works on a
    /// request for longer makes the load balancer answer 504.
    ///
    /// Range: "1s" to "4000s". Default: "60s".
    /// Source: AWS, "Application Load Balancers", `idle_timeout.timeout_seconds`.
    #[serde(default = "default_idle_timeout")]
    pub idle_timeout: SimDuration,

    /// Age at which the load balancer closes a client's connection: it answers one more request and says so.
    ///
    /// Range: "60s" to "604800s". Default: "3600s".
    /// Source: AWS, "Application Load Balancers", `client_keep_alive.seconds`.
    #[serde(default = "default_client_keep_alive")]
    pub client_keep_alive: SimDuration,

    /// Life of a DNS answer.
    ///
    /// Range: above 0. Default: "60s".
    /// Source: AWS, "How Elastic Load Balancing works": the record's time to live is 60 seconds.
    #[serde(default = "default_dns_ttl")]
    pub dns_ttl: SimDuration,

    /// From the death of a load balancer node until DNS names it no more, and from its return until DNS names it again. Clients
    /// then still have the answers that they keep.
    ///
    /// Range: 0 and up; plausible 10 to 90 s. Default: "30s".
    /// Assumption: AWS checks every address with a Route 53 health check and does not say how fast.
    #[serde(default = "default_node_failure_to_dns")]
    pub node_failure_to_dns: SimDuration,

    /// Whether traffic may be shifted away from a zone: `on: LoadBalancerZone(zone: "zone-a"), becomes: ShiftedAway` in `faults`.
    ///
    /// Default: false.
    /// Source: AWS, "Zonal shift for your Application Load Balancer", `zonal_shift.config.enabled`.
    #[serde(default)]
    pub zonal_shift: bool,

    /// Whether a load balancer node that is retired closes the connections of clients that are idle at that moment. The others, and with
    /// false all of them, last until `client_keep_alive` or until their client closes them.
    ///
    /// Default: true.
    /// Assumption: not published.
    #[serde(default = "yes")]
    pub retired_node_closes_idle: bool,

    /// After this long without an answer to a connection attempt the load balancer gives up: 504.
    ///
    /// Range: above 0. Default: "10s"; an ALB has no other.
    /// Source: AWS, "Troubleshoot your Application Load Balancers", HTTP 504.
    #[serde(default = "default_connect_timeout")]
    pub connect_timeout: SimDuration,

    /// After this long without the end of a TLS handshake with a target the load balancer gives up: 504. Read with target
    /// groups of `protocol: Https`.
    ///
    /// Range: above 0. Default: "10s"; an ALB has no other.
    /// Source: AWS, "Troubleshoot your Application Load Balancers", HTTP 504.
    #[serde(default = "default_connect_timeout")]
    pub tls_handshake_timeout: SimDuration,

    /// Whether a request whose connection failed is sent to another target.
    #[serde(default)]
    pub retry: Retry,

    /// HTTP/2 on the connections of clients.
    #[serde(default)]
    pub http2: Http2,

    /// Time that a request spends inside a load balancer node.
    ///
    /// Range: 0 and up; plausible 0.2 to 5 ms. Default: LogNormal(median: "500us", p99: "2ms").
    /// Assumption: not published.
    #[serde(default = "default_proxy_latency")]
    pub proxy_latency: Dist,

    /// What an ICMP port unreachable in answer to a SYN means to the load balancer.
    ///
    /// Default: Refuse.
    /// Assumption: AWS documents 502 for *host* unreachable only.
    #[serde(default)]
    pub icmp_unreachable: IcmpUnreachable,

    /// When a SYN that nobody answered is sent again, counted from the first, in rising order; [] for never.
    ///
    /// Default: ["1s", "3s", "7s"].
    /// Assumption: RFC 6298, an initial time-out of 1 s that doubles, inside the ALB's connect timeout of 10 s.
    #[serde(default = "syn_retransmits")]
    pub syn_retransmit: Vec<SimDuration>,

    /// Quotas of the account, where AWS has raised them: `check` warns where the load balancer would exceed them, and in a run a call that
    /// would registers nothing.
    #[serde(default)]
    pub quotas: Quotas,

    /// The AWS Load Balancer Controller, which registers targets.
    #[serde(default)]
    pub controller: aws_controller::Config,

    /// Target groups by name.
    pub target_groups: BTreeMap<String, TargetGroupConfig>,

    /// Listener rules, first match first. A request that matches none gets 404.
    ///
    /// Default: everything goes to the only target group.
    #[serde(default)]
    pub rules: Vec<RuleConfig>,
}

/// Quotas of a load balancer. That of 100 target groups cannot be raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// Targets of the load balancer; a node counts once for each target group, and one that drains does not count.
    ///
    /// Range: 1 and up. Default: 1000.
    /// Source: AWS, "Quotas for your Application Load Balancers".
    pub targets: u64,

    /// Targets of a target group.
    ///
    /// Range: 1 and up. Default: 1000.
    /// Source: AWS, "Quotas for your Application Load Balancers".
    pub targets_per_group: u64,

    /// Rules, the default action not counted.
    ///
    /// Range: 1 and up. Default: 100.
    /// Source: AWS, "Quotas for your Application Load Balancers".
    pub rules: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            targets: 1000,
            targets_per_group: 1000,
            rules: 100,
        }
    }
}

/// After this long without an answer to a connection attempt the load balancer gives up.
///
/// Source: AWS, "Troubleshoot your Application Load Balancers", HTTP 504: 10 seconds.
pub const CONNECT_TIMEOUT: SimDuration = SimDuration::from_secs(10);

/// From the death of a load balancer node until DNS names it no more, where nothing else is said.
pub const NODE_FAILURE_TO_DNS: SimDuration = SimDuration::from_secs(30);

/// What kind of load balancer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Kind {
    /// An AWS Application Load Balancer.
    Alb {
        /// Load balancer nodes, that is addresses, in each enabled zone.
        ///
        /// Range: 1 to 50. Default: 1.
        /// Assumption: AWS scales the number by a rule that it does not publish.
        #[serde(default = "one")]
        nodes_per_zone: NonZeroU32,
    },
}

/// A target group: where requests go, and how they are spread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetGroupConfig {
    /// The Service behind the group: the name of an entry of `services`.
    pub service: String,

    /// What is registered: the nodes, or the pods.
    ///
    /// Default: Instance.
    /// Source: AWS Load Balancer Controller, annotation `target-type`.
    #[serde(default)]
    pub target_type: TargetType,

    /// Whether connections to targets are encrypted. Each new connection then has a TLS handshake after its TCP handshake.
    ///
    /// Default: Http.
    /// Source: AWS, "Target groups for your Application Load Balancers", routing configuration.
    #[serde(default)]
    pub protocol: Scheme,

    /// What the load balancer speaks with the targets. With HTTP/2 and gRPC one connection carries many requests at once;
    /// clients of another protocol than the group takes get 464.
    ///
    /// Default: Http1.
    /// Source: AWS, "Target groups for your Application Load Balancers", protocol version.
    #[serde(default)]
    pub protocol_version: Protocol,

    /// How a target is chosen, for each request.
    ///
    /// Default: RoundRobin.
    /// Source: AWS, "Edit target group attributes", `load_balancing.algorithm.type`.
    #[serde(default)]
    pub algorithm: balance::Algorithm,

    /// Details of the choice in turn; read with `algorithm: RoundRobin` and for ties.
    #[serde(default)]
    pub round_robin: balance::round_robin::Config,

    /// Details of the choice by requests in progress; read with `algorithm: LeastOutstandingRequests` only.
    #[serde(default)]
    pub least_outstanding: balance::least_outstanding::Config,

    /// Whether load balancer nodes use the targets of all zones; if not, those of their own zone only.
    ///
    /// Default: true.
    /// Source: AWS, "Edit target group attributes", `load_balancing.cross_zone.enabled`; always on for an ALB otherwise.
    #[serde(default = "yes")]
    pub cross_zone: bool,

    /// A target that has just become healthy gets a share that grows.
    #[serde(default)]
    pub slow_start: balance::slow_start::Config,

    /// Whether targets that fail more often than their peers get fewer requests (automatic target weights); with
    /// `algorithm: WeightedRandom` only.
    ///
    /// Default: false.
    /// Source: AWS, "Edit target group attributes", `load_balancing.algorithm.anomaly_mitigation`.
    #[serde(default)]
    pub anomaly_mitigation: bool,

    /// Details of automatic target weights; read with `anomaly_mitigation: true` only.
    #[serde(default)]
    pub anomaly: balance::anomaly::Config,

    /// Sticky sessions.
    #[serde(default)]
    pub stickiness: stickiness::Config,

    /// Connections from the load balancer to targets.
    #[serde(default)]
    pub upstream: pool::Config,

    /// How load balancer nodes check the targets.
    ///
    /// Default: as the AWS Load Balancer Controller sets it, simulated where the scenario has faults or probes.
    #[serde(default)]
    pub health_check: Option<health_check::Config>,

    /// A deregistered target keeps its running requests for this long.
    ///
    /// Range: "0s" to "3600s". Default: "300s".
    /// Source: AWS, "Edit target group attributes", `deregistration_delay.timeout_seconds`.
    #[serde(default = "target_group::deregistration_delay")]
    pub deregistration_delay: SimDuration,

    /// From the API's answer to a registration until a load balancer node knows of it.
    ///
    /// Range: 0 and up; plausible 0.2 to 30 s. Default: LogNormal(median: "1.5s", p99: "8s").
    /// Assumption: reports of users only; calibrate it.
    #[serde(default = "target_group::register_propagation")]
    pub register_propagation: Dist,

    /// From the API's answer to a deregistration until a load balancer node sends no new request.
    ///
    /// Range: 0 and up; plausible 0.2 to 30 s. Default: LogNormal(median: "2s", p99: "10s").
    /// Assumption: reports of users only (about 10 s is often budgeted); calibrate it.
    #[serde(default = "target_group::deregister_propagation")]
    pub deregister_propagation: Dist,

    /// From the API's answer to a change of a rule that forwards to the group until a load balancer node applies it.
    ///
    /// Range: 0 and up; plausible 0.2 to 30 s. Default: LogNormal(median: "1.5s", p99: "8s").
    /// Assumption: taken to be as slow as a registration.
    #[serde(default = "target_group::rule_propagation")]
    pub rule_propagation: Dist,

    /// When a load balancer node stops to trust its checks.
    #[serde(default)]
    pub target_group_health: target_group::TargetGroupHealth,

    /// Whether a group that fails open also sends to targets that no check has seen yet.
    ///
    /// Default: true.
    /// Assumption: not published; one report says so (open-guides/og-aws#116).
    #[serde(default = "yes")]
    pub fail_open_includes_initial: bool,

    /// What becomes of a request to a group that holds draining targets only.
    ///
    /// Default: Unavailable.
    /// Assumption: not published.
    #[serde(default)]
    pub only_draining: target_group::OnlyDraining,
}

impl TargetGroupConfig {
    /// What the group says about the health of its targets.
    pub fn health(&self) -> target_group::Config {
        target_group::Config {
            health_check: self.health_check.clone().unwrap_or_default(),
            deregistration_delay: self.deregistration_delay,
            register_propagation: self.register_propagation.clone(),
            deregister_propagation: self.deregister_propagation.clone(),
            rule_propagation: self.rule_propagation.clone(),
            minimum_healthy_targets: self
                .target_group_health
                .unhealthy_state_routing
                .minimum_healthy_targets,
            fail_open_includes_initial: self.fail_open_includes_initial,
            only_draining: self.only_draining,
            slow_start: self.slow_start,
            anomaly: self.anomaly_mitigation.then_some(self.anomaly),
        }
    }
}

/// Whether connections to targets are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Scheme {
    /// Plain TCP.
    #[default]
    Http,
    /// TLS. A handshake takes one round trip more.
    ///
    /// Source: RFC 8446, TLS 1.3. The load balancer does not check the certificate of a target.
    Https,
}

/// What the load balancer does with a request whose connection failed.
///
/// AWS documents no retry, and fields of the access log hold one target only; so the default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Other targets that are tried after a failed connection attempt, never the one that has just failed.
    ///
    /// Range: 0 to 2. Default: 0.
    /// Assumption: not published.
    pub on_connect_failure: u8,

    /// Whether a request that met the close of a reused connection is sent once more.
    ///
    /// Default: false.
    /// Assumption: not published; that the 502 of this race exists speaks against it.
    pub on_stale_connection: bool,
}

impl Retry {
    /// Whether a request with this outcome goes to another target, after so many before.
    pub fn goes_on(self, outcome: Outcome, retargeted: u8) -> bool {
        match outcome {
            Outcome::NodeRefused
            | Outcome::ConnectTimeout
            | Outcome::HandshakeTimeout
            | Outcome::PodRefused => retargeted < self.on_connect_failure,
            Outcome::StaleConnection => self.on_stale_connection && retargeted == 0,
            Outcome::Ok
            | Outcome::Overloaded(_)
            | Outcome::PodError(_)
            | Outcome::NoRule
            | Outcome::WrongProtocol
            | Outcome::NoTarget
            | Outcome::PodReset
            | Outcome::Forgotten
            | Outcome::ResponseTimeout
            | Outcome::Drained
            | Outcome::ClientTimeout
            | Outcome::NoConnection
            | Outcome::ConnectionLost => false,
        }
    }
}

/// What a target group registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TargetType {
    /// Nodes, on the Service's NodePort: the node chooses a pod, once per connection.
    #[default]
    Instance,
    /// Pods, by their address: nothing chooses after the load balancer.
    Ip,
}

/// What an ICMP port unreachable means to the load balancer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IcmpUnreachable {
    /// Connection refused: 502 after one round trip.
    #[default]
    Refuse,
    /// Ignored: 504 after the connect timeout.
    Timeout,
}

/// A listener rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Path prefix, by whole path elements: "/nginx" matches "/nginx" and "/nginx/a", not "/nginxes".
    ///
    /// Source: Kubernetes Ingress, `pathType: Prefix`.
    pub path: String,

    /// The target group that gets the request: the name of an entry of `target_groups`, or several with weights.
    ///
    /// Range: weights from 0 to 999, at most 5 groups.
    /// Source: AWS, "Listener rules for your Application Load Balancer", forward actions.
    pub forward: Forward,
}

impl RuleConfig {
    /// Whether the rule takes a request for this path.
    pub fn matches(&self, path: &str) -> bool {
        let prefix = self.path.trim_end_matches('/');
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Default for Kind {
    fn default() -> Self {
        Self::Alb {
            nodes_per_zone: one(),
        }
    }
}

fn yes() -> bool {
    true
}

fn default_connect_timeout() -> SimDuration {
    CONNECT_TIMEOUT
}

fn syn_retransmits() -> Vec<SimDuration> {
    [1, 3, 7].map(SimDuration::from_secs).to_vec()
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn default_idle_timeout() -> SimDuration {
    SimDuration::from_secs(60)
}

fn default_dns_ttl() -> SimDuration {
    super::dns::TTL
}

fn default_node_failure_to_dns() -> SimDuration {
    NODE_FAILURE_TO_DNS
}

fn default_client_keep_alive() -> SimDuration {
    SimDuration::from_secs(3600)
}

fn default_proxy_latency() -> Dist {
    Dist::LogNormal(sim_core::dist::LogNormal::Quantiles {
        median: SimDuration::from_micros(500),
        p99: SimDuration::from_millis(2),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_matches_whole_path_elements() {
        let rule = |path: &str| RuleConfig {
            path: path.into(),
            forward: Forward::to("web"),
        };
        assert!(rule("/nginx").matches("/nginx"));
        assert!(rule("/nginx/").matches("/nginx/a"));
        assert!(!rule("/nginx").matches("/nginxes"));
        assert!(rule("/").matches("/anything"));
    }
}
