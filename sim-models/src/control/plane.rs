//! The control plane itself: how long its requests take, and until when everybody is back after an outage.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{Dist, SimDuration};

use super::bucket::Bucket;
use crate::quantity::Rate;

/// What a request to the API server takes beyond what its sender's own delay holds, where nothing else is said: nothing.
pub fn api_latency() -> Dist {
    Dist::Constant(SimDuration::ZERO)
}

/// How long a watch whose packets vanish looks like one without news, where nothing else is said: 45 s.
///
/// Source: Kubernetes 1.34 apimachinery `util/net/http.go`: HTTP/2 asks after 30 s of silence and waits 15 s for the answer.
pub fn dead_connection() -> SimDuration {
    SimDuration::from_secs(45)
}

/// Who is back when, after the API server did not answer for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reconnect {
    /// From the end of an outage until a node's agent hears of changes again.
    ///
    /// Range: 0 and up; plausible 1 to 60 s. Default: Uniform("1s", "15s").
    /// Source: client-go `tools/cache/reflector.go`: back-off from 0.8 s, doubling to 30 s, with up to 100 % jitter.
    pub agents: Dist,

    /// From the end of an outage until controllers that outlived it hear of changes again.
    ///
    /// Range: 0 and up. Default: Uniform("0s", "5s").
    /// Source: client-go `tools/cache/reflector.go`.
    pub controllers: Dist,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            agents: uniform(1, 15),
            controllers: uniform(0, 5),
        }
    }
}

/// The controllers, and who leads them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ControllerManager {
    /// A leader that cannot renew its lease for this long exits.
    ///
    /// Range: above 0. Default: "10s".
    /// Source: kube-controller-manager, `--leader-elect-renew-deadline`.
    pub renew_deadline: SimDuration,

    /// Requests a second that each controller sends to the API server after a burst: the ReplicaSet controller creates and deletes pods, the node
    /// lifecycle controller marks pods of lost nodes.
    ///
    /// Range: above 0. Default: "20/s".
    /// Source: kube-controller-manager, `--kube-api-qps`.
    pub qps: Rate,

    /// Requests of a controller that may follow each other at once.
    ///
    /// Range: 1 and up. Default: 30.
    /// Source: kube-controller-manager, `--kube-api-burst`.
    pub burst: NonZeroU32,

    /// From the loss of the leader, or the end of an outage that it did not outlive, until its successor works.
    ///
    /// Range: 0 and up. Default: Uniform("16s", "22s").
    /// Source: k8s.io/component-base/config: a lease of 15 s that is tried every 2 s, and 1 to 5 s to fill its caches.
    pub takeover: Dist,
}

impl Default for ControllerManager {
    fn default() -> Self {
        Self {
            renew_deadline: SimDuration::from_secs(10),
            qps: Rate::per_second(20.0).expect("20 a second is a rate"),
            burst: NonZeroU32::new(30).expect("30 is above 0"),
            takeover: uniform(16, 22),
        }
    }
}

impl ControllerManager {
    /// What one controller may send; each has its own.
    pub fn bucket(&self) -> Bucket {
        Bucket::new(self.qps, self.burst.get())
    }
}

fn uniform(low: u64, high: u64) -> Dist {
    Dist::Uniform {
        low: SimDuration::from_secs(low),
        high: SimDuration::from_secs(high),
    }
}
