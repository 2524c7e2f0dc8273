//! A recording as it is written: one configuration and, of E1 and E2, what each run counted.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64};

use serde::Deserialize;
use serde_json::Value;

use super::observed::Observed;

/// A recording that was understood word by word.
pub(super) struct Recording {
    pub(super) config: Config,
    pub(super) runs: Vec<Observed>,
}

/// All parameters of a configuration. A field that is not listed here makes the file not judged.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    pub(super) cluster: Cluster,
    pub(super) lb: LoadBalancer,
    pub(super) nat: Nat,
    pub(super) pod: Pod,
    pub(super) load: Load,
    /// Faults and removals; none in E1 and E2.
    pub(super) events: Vec<Value>,
    #[serde(rename = "repeats")]
    _repeats: u64,
    #[serde(rename = "bin_s")]
    _bin_s: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cluster {
    pub(super) nodes: usize,
    pub(super) pods: u32,
    /// Pods on each node.
    pub(super) placement: Vec<u32>,
    /// Counts do not depend on it.
    #[serde(rename = "overlay")]
    _overlay: Overlay,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Overlay {
    Vxlan,
    Routed,
    None,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoadBalancer {
    pub(super) kind: Kind,
    pub(super) algorithm: Algorithm,
    pub(super) target_type: TargetType,
    pub(super) upstream_keepalive: u32,
    pub(super) keepalive_requests: NonZeroU64,
    pub(super) keepalive_timeout_s: f64,
    pub(super) connect_timeout_s: f64,
    pub(super) read_timeout_s: f64,
    pub(super) retries: u32,
    pub(super) next_upstream: String,
    /// Nodes that are not targets, counted from 1.
    #[serde(default)]
    pub(super) excluded_nodes: Vec<usize>,
    /// The node that clients dial where there is no load balancer.
    pub(super) ingress_node: Option<String>,
    pub(super) passive: Option<Value>,
    pub(super) active_check: Option<Value>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Nginx,
    Haproxy,
    None,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Algorithm {
    Roundrobin,
    #[serde(alias = "least_conn")]
    Leastconn,
    Random,
    /// The less loaded of two random ones.
    Random2,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TargetType {
    Instance,
    Ip,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nat {
    pub(super) kind: NatKind,
    pub(super) policy: Policy,
    /// An error in either case; see `cluster::proxy`.
    #[serde(rename = "no_endpoints")]
    _no_endpoints: NoEndpoints,
    /// The kernel's limit on refusals; what is refused fails either way.
    #[serde(rename = "icmp_ratelimit_ms")]
    _icmp_ratelimit_ms: Option<u64>,
    /// Which hash function of its family the hash is; any is as good as a draw.
    #[serde(rename = "hash_seed")]
    _hash_seed: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum NatKind {
    IptablesRandom,
    NftNumgen,
    NftJhash5,
    NftJhashSrc,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Policy {
    Cluster,
    Local,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum NoEndpoints {
    Drop,
    Reject,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pod {
    pub(super) service: Service,
    pub(super) concurrency: NonZeroU32,
    /// Of a slow pod.
    pub(super) slow_factor: f64,
    /// Of a failing pod.
    pub(super) error_delay_ms: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    #[serde(rename = "distribution")]
    _distribution: Distribution,
    pub(super) base_ms: f64,
    pub(super) exp_mean_ms: f64,
}

#[derive(Deserialize)]
pub(super) enum Distribution {
    #[serde(rename = "base + exponential")]
    BaseAndExponential,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Load {
    pub(super) rate_rps: f64,
    pub(super) duration_s: f64,
    #[serde(rename = "arrival")]
    _arrival: Arrival,
    pub(super) client_conn: ClientConnection,
    pub(super) client_ips: NonZeroU32,
    pub(super) client_timeout_s: f64,
    /// The load ends after so many requests.
    pub(super) requests: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Arrival {
    Poisson,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ClientConnection {
    Keepalive,
    Oneshot,
}

/// What one run counted.
#[derive(Deserialize)]
struct Run {
    requests: u64,
    ok: u64,
    per_pod: Counts,
    per_pod_node: Counts,
    per_ingress_node: Option<Counts>,
    pod_connections_accepted: BTreeMap<String, u64>,
    cross_node_share: Option<f64>,
    latency_ms_ok: Latency,
}

#[derive(Deserialize)]
struct Counts {
    counts: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Latency {
    p50: f64,
}

impl Config {
    /// Reads the configuration of a recording; the error says what was not understood.
    pub(super) fn read(file: &Value) -> Result<Self, String> {
        Self::deserialize(&file["config"])
            .map_err(|error| format!("the configuration is not understood: {error}"))
    }
}

impl Recording {
    /// Reads a recording; the error says what was not understood.
    pub(super) fn read(file: &Value) -> Result<Self, String> {
        let config = Config::read(file)?;
        let runs: Vec<Run> = Vec::deserialize(&file["runs"])
            .map_err(|error| format!("the runs are not understood: {error}"))?;
        if runs.len() < 2 {
            return Err("fewer than two runs have no spread".into());
        }
        let runs = runs
            .iter()
            .map(|run| run.observed(&config.cluster))
            .collect::<Option<_>>();
        Ok(Self {
            config,
            runs: runs.ok_or("a pod or node outside the cluster")?,
        })
    }
}

impl Run {
    fn observed(&self, cluster: &Cluster) -> Option<Observed> {
        let pods = cluster.pods as usize;
        let ingress = self.per_ingress_node.as_ref();
        Some(Observed {
            requests: self.requests,
            answered: self.ok,
            pods: by_number(&self.per_pod.counts, 'p', 0, pods)?,
            nodes: by_number(&self.per_pod_node.counts, 'n', 1, cluster.nodes)?,
            ingress: match ingress {
                Some(ingress) => Some(by_number(&ingress.counts, 'n', 1, cluster.nodes)?),
                None => None,
            },
            connections: by_number(&self.pod_connections_accepted, 'p', 0, pods)?
                .iter()
                .sum(),
            cross_node: self.cross_node_share,
            median_ms: self.latency_ms_ok.p50,
            peak_connections: 0,
        })
    }
}

/// Counts by name (`p0`, `n1`) as a list; who is not named has none.
fn by_number(
    counts: &BTreeMap<String, u64>,
    kind: char,
    first: usize,
    len: usize,
) -> Option<Vec<u64>> {
    let mut list = vec![0; len];
    for (name, &count) in counts {
        let number: usize = name.strip_prefix(kind)?.parse().ok()?;
        *list.get_mut(number.checked_sub(first)?)? = count;
    }
    Some(list)
}
