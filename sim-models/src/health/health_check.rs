//! How does a load balancer node check a target?
//!
//! Every load balancer node checks every target on a grid of its own, each time on a new connection: a
//! check of a NodePort is a fresh draw of a pod.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{Dist, SimDuration};

/// The health check of a target group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Path of the check's GET.
    ///
    /// Default: "/".
    /// Source: AWS Load Balancer Controller, annotation `healthcheck-path`.
    pub path: String,

    /// Where the check goes.
    ///
    /// Default: TrafficPort.
    /// Source: AWS Load Balancer Controller, annotation `healthcheck-port`.
    pub port: Port,

    /// Statuses that are a success, from the first to the last.
    ///
    /// Range: 200 to 499. Default: (200, 200).
    /// Source: AWS Load Balancer Controller, annotation `success-codes`.
    pub success_codes: (u16, u16),

    /// Time between two checks of one target by one load balancer node.
    ///
    /// Range: "5s" to "300s". Default: "15s".
    /// Source: AWS Load Balancer Controller `pkg/ingress/model_builder.go`; the bare API says 30 s.
    pub interval: SimDuration,

    /// Silence that counts as a failure.
    ///
    /// Range: "2s" to "120s", below `interval`. Default: "5s".
    /// Source: AWS Load Balancer Controller `pkg/ingress/model_builder.go`.
    pub timeout: SimDuration,

    /// Successes in a row that make an unhealthy target healthy. A new target needs one.
    ///
    /// Range: 2 to 10. Default: 2.
    /// Source: AWS Load Balancer Controller `pkg/ingress/model_builder.go`; the bare API says 5.
    pub healthy_threshold: NonZeroU32,

    /// Failures in a row that make a target unhealthy.
    ///
    /// Range: 2 to 10. Default: 2.
    /// Source: AWS Load Balancer Controller `pkg/ingress/model_builder.go`.
    pub unhealthy_threshold: NonZeroU32,

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
            path: "/".into(),
            port: Port::default(),
            success_codes: (200, 200),
            interval: SimDuration::from_secs(15),
            timeout: SimDuration::from_secs(5),
            healthy_threshold: two,
            unhealthy_threshold: two,
            first_check_delay: Dist::Uniform {
                low: SimDuration::ZERO,
                high: SimDuration::from_secs(1),
            },
            cadence: Cadence::default(),
            api_merge: ApiMerge::default(),
        }
    }
}

impl Config {
    /// Whether a status is a success.
    pub fn accepts(&self, status: u16) -> bool {
        (self.success_codes.0..=self.success_codes.1).contains(&status)
    }
}
