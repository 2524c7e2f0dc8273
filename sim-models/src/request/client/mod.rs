//! Who asks, how often, and on which connection?
//!
//! A population of clients has a number of addresses and one arrival process. A request is born at an
//! address, takes the connection that this address used last if it is idle, or opens one to a load
//! balancer node that DNS named.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{Dist, SimDuration};

use super::protocol::Protocol;
use super::wire::REQUEST_BYTES;
use super::{dns, retry};
use crate::quantity::Size;

pub mod arrivals;
pub mod connection;
pub mod silence;
pub mod streams;

pub use arrivals::{ArrivalClock, Arrivals, InParallel, Step};
pub use connection::{Connection, ConnectionConfig, Connections, Reuse};

/// A population of clients that behave alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// When requests start.
    ///
    /// Required: Poisson(rate: "400/s"), Constant(rate: "400/s"), CurlLoop(requests: 2000) or Closed(users: 50, think: "1s").
    pub arrivals: Arrivals,

    /// What is asked for, with weights.
    ///
    /// Default: everything goes to the only target group.
    #[serde(default)]
    pub requests: Vec<RequestConfig>,

    /// Distinct source addresses of the population; each keeps its own connections.
    ///
    /// Range: 1 and up. Default: 1.
    #[serde(default = "one")]
    pub addresses: NonZeroU32,

    /// What the clients speak. With HTTP/2 and gRPC all requests of an address share a connection, up to the load
    /// balancer's limit of streams.
    ///
    /// Default: Http1.
    /// Source: AWS, "Listeners for your Application Load Balancers": HTTPS listeners take all three.
    #[serde(default)]
    pub protocol: Protocol,

    /// How long a client keeps a connection to the load balancer.
    #[serde(default)]
    pub connection: ConnectionConfig,

    /// Round trip from a client to a load balancer node.
    ///
    /// Range: 0 and up; plausible 1 to 200 ms. Default: "20ms".
    /// Assumption: no source; it shifts all latencies alike.
    #[serde(default = "default_rtt")]
    pub rtt: Dist,

    /// How a client uses DNS.
    #[serde(default)]
    pub dns: dns::Config,

    /// When the population begins, from the start of the run (warm-up included).
    ///
    /// Default: "0s".
    #[serde(default)]
    pub start: SimDuration,

    /// When the population stops to issue requests, from the start of the run.
    ///
    /// Default: the end of the run.
    #[serde(default)]
    pub stop: Option<SimDuration>,

    /// Stops after this many requests.
    ///
    /// Range: 1 and up. Default: no limit.
    #[serde(default)]
    pub stop_after: Option<u64>,

    /// A client that has no connection to a load balancer node after this long gives up. It tries another address only as a retry
    /// (`retries`), with a new choice by `dns.pick`.
    ///
    /// Range: above 0; plausible 1 to 127 s. Default: "127s".
    /// Source: Linux `tcp_syn_retries`: six repeats of a SYN that nobody answers.
    #[serde(default = "default_connect_timeout")]
    pub connect_timeout: SimDuration,

    /// A client gives up an attempt that takes longer, and closes its connection. The pod still does the work.
    ///
    /// Range: above 0. Default: never.
    #[serde(default)]
    pub timeout: Option<SimDuration>,

    /// Further attempts after a failure.
    #[serde(default)]
    pub retries: retry::Config,
}

/// One kind of request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestConfig {
    /// Path of the URL, matched against the listener's rules.
    pub path: String,

    /// Share of the population's requests, relative to the other weights.
    ///
    /// Range: above 0. Default: 1.
    #[serde(default = "unit_weight")]
    pub weight: f64,

    /// Work of such a request in the pod, where it is not that of all others.
    ///
    /// Default: the `service_time` of the deployment's server.
    #[serde(default)]
    pub demand: Option<Dist>,

    /// Bytes of such a request: line, headers and body.
    ///
    /// They count for the bytes that cross zones, for the overlay, for access logs, and for how many packets may be lost. What
    /// limits interfaces is answers alone.
    ///
    /// Default: "512B".
    /// Assumption: a browser's or a service's GET.
    #[serde(default = "request_bytes")]
    pub bytes: Size,
}

/// The size of a request whose class does not say.
pub fn request_bytes() -> Size {
    Size::from_bytes(REQUEST_BYTES)
}

fn default_connect_timeout() -> SimDuration {
    silence::CONNECT_TIMEOUT
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn unit_weight() -> f64 {
    1.0
}

fn default_rtt() -> Dist {
    Dist::Constant(SimDuration::from_millis(20))
}
