//! How does a load balancer node check a target?
//!
//! Every load balancer node checks every target on a grid of its own, each time on a new connection: a
//! check of a NodePort is a fresh draw of a pod.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{Dist, SimDuration};

use crate::request::Outcome;
use crate::request::load_balancer::Scheme;
use crate::request::protocol::Protocol;

/// The health check of a target group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whose defaults fill in what is not written here: `interval`, `success_codes` and the thresholds.
    ///
    /// Default: Ingress.
    /// Source: AWS Load Balancer Controller `pkg/ingress/model_builder.go`, `pkg/gateway/model/model_build_target_group.go`; ELB API,
    /// `CreateTargetGroup`.
    pub defaults: Defaults,

    /// Path of the check's GET. In a gRPC group it is a method: any other than the default is one that targets have.
    ///
    /// Default: "/"; in a gRPC group "/AWS.ALB/healthcheck", which no target has.
    /// Source: AWS Load Balancer Controller, annotation `healthcheck-path`; AWS, "Target groups for your Application Load Balancers", gRPC.
    pub path: Option<String>,

    /// Whether checks are encrypted. One that is not gets 400 from a port that expects TLS; one that is gets nothing from a port that does not.
    ///
    /// Default: the target group's `protocol`.
    /// Source: AWS Load Balancer Controller, annotation `healthcheck-protocol`; the 400 is that of nginx and of Go's net/http.
    pub protocol: Option<Scheme>,

    /// Where the check goes.
    ///
    /// Default: TrafficPort.
    /// Source: AWS Load Balancer Controller, annotation `healthcheck-port`.
    pub port: Port,

    /// Codes that are a success, from the first to the last: HTTP statuses, and gRPC statuses in a gRPC group.
    ///
    /// Range: 0 to 499; 200 to 499 for HTTP, 0 to 99 for gRPC. Default: (200, 200), in a gRPC group (12, 12): a target that does not know the
    /// method is alive.
    /// Source: AWS Load Balancer Controller, annotation `success-codes`; AWS, "Health checks for Application Load Balancer target groups".
    pub success_codes: Option<(u16, u16)>,

    /// Time between two checks of one target by one load balancer node.
    ///
    /// Range: "5s" to "300s". Default: "15s".
    /// Source: AWS Load Balancer Controller `pkg/ingress/model_builder.go`; with `defaults: Elb` it is "30s".
    pub interval: SimDuration,

    /// Silence that counts as a failure.
    ///
    /// Range: "2s" to "120s", below `interval`. Default: "5s".
    /// Source: AWS Load Balancer Controller `pkg/ingress/model_builder.go`.
    pub timeout: SimDuration,

    /// Successes in a row that make an unhealthy target healthy. A new target needs one.
    ///
    /// Range: 2 to 10. Default: 2.
    /// Source: AWS Load Balancer Controller `pkg/ingress/model_builder.go`; with `defaults: Gateway` it is 3, with `Elb` 5.
    pub healthy_threshold: NonZeroU32,

    /// Failures in a row that make a target unhealthy.
    ///
    /// Range: 2 to 10. Default: 2.
    /// Source: AWS Load Balancer Controller `pkg/ingress/model_builder.go`; with `defaults: Gateway` it is 3.
    pub unhealthy_threshold: NonZeroU32,

    /// Failures in a row that make a target unhealthy that has never been healthy.
    ///
    /// Range: 1 and up; a large number keeps it `initial` for ever. Default: `unhealthy_threshold`.
    /// Assumption: not published.
    pub initial_failures: Option<NonZeroU32>,

    /// When a load balancer node checks a target of the start for the first time, and then once in each `interval`.
    ///
    /// Range: 0 and up. Default: drawn evenly between 0 and `interval` for each load balancer node and target.
    /// Assumption: not published.
    pub phase: Option<Dist>,

    /// From the moment a load balancer node knows a new target to its first check.
    ///
    /// Range: 0 and up; plausible 0 to `interval`. Default: Uniform("0s", "1s").
    /// Assumption: not published; new targets are seen healthy almost at once.
    pub first_check_delay: Dist,

    /// What the time to the next check is counted from.
    ///
    /// Default: Begin.
    pub cadence: Cadence,

    /// When the API calls a target healthy, whose load balancer nodes may disagree. Readiness gates wait for it.
    ///
    /// Default: All.
    /// Assumption: how DescribeTargetHealth merges the views is not published.
    pub api_merge: ApiMerge,
}

/// Whose defaults fill in what a health check does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Defaults {
    /// The AWS Load Balancer Controller's for an Ingress: every 15 s, thresholds 2 and 2, success 200.
    #[default]
    Ingress,
    /// The same controller's for a route of the Gateway API: every 15 s, thresholds 3 and 3, success 200 to 399.
    Gateway,
    /// The load balancing API's: every 30 s, 5 successes or 2 failures, success 200.
    Elb,
}

/// What is spoken on a target's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// Whether it is encrypted.
    pub scheme: Scheme,
    /// What is spoken in it.
    pub version: Protocol,
}

/// When the API calls a target healthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiMerge {
    /// When all load balancer nodes do.
    #[default]
    All,
    /// When one does.
    Any,
    /// When more than half of them do.
    Majority,
}

impl ApiMerge {
    /// Whether the API calls a target healthy that so many of all load balancer nodes call healthy.
    pub fn is_healthy(self, healthy: usize, all: usize) -> bool {
        match self {
            Self::All => healthy == all,
            Self::Any => healthy > 0,
            Self::Majority => 2 * healthy > all,
        }
    }
}

/// Where a check goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Port {
    /// The port of the traffic.
    #[default]
    TrafficPort,
    /// The Service's `healthCheckNodePort`: the node itself answers 200 while it has a ready pod of its own.
    ///
    /// Source: Kubernetes, `Service.spec.healthCheckNodePort`; Cilium `pkg/loadbalancer/healthserver`.
    HealthCheckNodePort,
}

/// What the time to the next check is counted from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Cadence {
    /// The begin of the last check: a slow answer does not shift the grid.
    ///
    /// Source: AWS, "Health checks for Application Load Balancer target groups".
    #[default]
    Begin,
    /// The end of the last check: a check that hangs comes less often.
    ///
    /// Source: HAProxy configuration manual, `inter`.
    End,
}

impl Default for Config {
    fn default() -> Self {
        let two = NonZeroU32::new(2).expect("2 is not 0");
        Self {
            defaults: Defaults::default(),
            path: None,
            protocol: None,
            port: Port::default(),
            success_codes: None,
            interval: SimDuration::from_secs(15),
            timeout: SimDuration::from_secs(5),
            healthy_threshold: two,
            unhealthy_threshold: two,
            initial_failures: None,
            phase: None,
            first_check_delay: Dist::Uniform {
                low: SimDuration::ZERO,
                high: SimDuration::from_secs(1),
            },
            cadence: Cadence::default(),
            api_merge: ApiMerge::default(),
        }
    }
}

/// The gRPC status of a method that its server does not have.
///
/// Source: gRPC, "Status codes and their use in gRPC", UNIMPLEMENTED.
const UNIMPLEMENTED: u16 = 12;

/// The method that gRPC checks call where no other is named.
const NO_METHOD: &str = "/AWS.ALB/healthcheck";

impl Config {
    /// Whether a check of a target is a success whose request ended like this; `group` is what the target group speaks.
    pub fn passes(&self, group: Spoken, outcome: Outcome) -> bool {
        let (Outcome::Ok | Outcome::PodError(_) | Outcome::Overloaded(_)) = outcome else {
            return false;
        };
        let status = outcome.status();
        let by_agent = self.port == Port::HealthCheckNodePort;
        let port = if by_agent { Scheme::Http } else { group.scheme };
        let status = match (self.protocol.unwrap_or(group.scheme), port) {
            (Scheme::Http, Scheme::Http) | (Scheme::Https, Scheme::Https) => status,
            (Scheme::Http, Scheme::Https) => 400,
            (Scheme::Https, Scheme::Http) => return false,
        };
        if group.version != Protocol::Grpc {
            return within(status, self.success_codes.unwrap_or((200, 200)));
        }
        // A node's agent speaks no gRPC.
        let codes = self.success_codes.unwrap_or((UNIMPLEMENTED, UNIMPLEMENTED));
        !by_agent && within(self.grpc_status(status), codes)
    }

    /// The gRPC status of a target whose HTTP status is this.
    ///
    /// Source: gRPC, "HTTP to gRPC Status Code Mapping".
    fn grpc_status(&self, status: u16) -> u16 {
        let path = self.path.as_deref().unwrap_or(NO_METHOD);
        match status {
            200 if path == "/" || path == NO_METHOD => UNIMPLEMENTED,
            200 => 0,
            400 => 13,
            401 => 16,
            403 => 7,
            404 => UNIMPLEMENTED,
            429 | 502..=504 => 14,
            _ => 2,
        }
    }

    /// Failures in a row that make a target unhealthy that is `initial`, or one that is healthy.
    pub fn failures(&self, initial: bool) -> NonZeroU32 {
        match self.initial_failures {
            Some(failures) if initial => failures,
            _ => self.unhealthy_threshold,
        }
    }
}

fn within(code: u16, (first, last): (u16, u16)) -> bool {
    (first..=last).contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Scheme::{Http, Https};

    const UP: Outcome = Outcome::Ok;

    fn passes(config: &Config, scheme: Scheme, version: Protocol, outcome: Outcome) -> bool {
        config.passes(Spoken { scheme, version }, outcome)
    }

    #[test]
    fn a_status_in_the_range_is_a_success() {
        // Source: AWS, "Health checks for Application Load Balancer target groups". Rows: codes, outcome, success.
        let rows = [
            (None, UP, true),
            (None, Outcome::PodError(404), false),
            (Some((200, 404)), Outcome::PodError(404), true),
            (Some((200, 499)), Outcome::PodError(500), false),
            (Some((200, 499)), Outcome::NodeRefused, false),
        ];
        for (success_codes, outcome, success) in rows {
            let config = Config {
                success_codes,
                ..Config::default()
            };
            let found = passes(&config, Http, Protocol::Http1, outcome);
            assert_eq!(found, success, "{success_codes:?} {outcome:?}");
        }
    }

    #[test]
    fn a_grpc_target_that_does_not_know_the_method_is_alive() {
        // UNIMPLEMENTED is 12, OK is 0; HTTP 500 maps to UNKNOWN, 2, and 503 to UNAVAILABLE, 14. A connection that failed has no code.
        // Rows: path, codes, outcome, success.
        let rows = [
            (None, None, UP, true),
            (None, None, Outcome::PodError(500), false),
            (None, Some((0, 0)), UP, false),
            (Some("/grpc.health.v1.Health/Check"), None, UP, false),
            (Some("/grpc.health.v1.Health/Check"), Some((0, 0)), UP, true),
            (None, Some((14, 14)), Outcome::PodError(503), true),
            (None, Some((0, 99)), Outcome::PodRefused, false),
        ];
        for (path, success_codes, outcome, success) in rows {
            let config = Config {
                path: path.map(str::to_owned),
                success_codes,
                ..Config::default()
            };
            let found = passes(&config, Http, Protocol::Grpc, outcome);
            assert_eq!(found, success, "{path:?} {success_codes:?} {outcome:?}");
        }
    }

    #[test]
    fn a_check_must_speak_what_its_port_speaks() {
        // Rows: the check's protocol, the group's, codes, success. A plain request on a TLS port gets 400.
        let rows = [
            (None, Https, None, true),
            (Some(Http), Https, None, false),
            (Some(Http), Https, Some((200, 400)), true),
            (Some(Https), Http, Some((200, 499)), false),
        ];
        for (protocol, scheme, success_codes, success) in rows {
            let config = Config {
                protocol,
                success_codes,
                ..Config::default()
            };
            let found = passes(&config, scheme, Protocol::Http1, UP);
            assert_eq!(found, success, "{protocol:?} of {scheme:?}");
        }
    }

    #[test]
    fn a_nodes_agent_speaks_plain_http() {
        // Rows: the check's protocol, the group's, the version, success.
        let rows = [
            (None, Http, Protocol::Http1, true),
            (None, Https, Protocol::Http1, false),
            (Some(Http), Https, Protocol::Http1, true),
            (None, Http, Protocol::Grpc, false),
        ];
        for (protocol, scheme, version, success) in rows {
            let config = Config {
                port: Port::HealthCheckNodePort,
                protocol,
                ..Config::default()
            };
            assert_eq!(passes(&config, scheme, version, UP), success, "{version:?}");
        }
    }
}
