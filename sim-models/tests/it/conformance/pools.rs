//! Connection pools: how uneven requests per pod become when a pod is drawn once per connection.
//!
//! The recording is an exact little model; a world without latency, loss and queues must agree with it.

use std::num::{NonZeroU32, NonZeroU64};

use rayon::prelude::*;
use serde::Deserialize;
use sim_core::{Dist, SimDuration, SimTime};
use sim_models::id::{Id, ZoneId};
use sim_models::observe::{Observation, Recorder};
use sim_models::request::client::Arrivals;
use sim_models::request::pool::{self, PoolPick, PoolScope};
use sim_models::world::Blueprint;

use crate::support::{self, Mode};

/// Replications of each case; the recording asks for 400 or more.
const REPLICATIONS: u64 = 600;
const SEED: u64 = 2026;

/// The recording is written with seven decimals: half a unit of the last, and a little for the sums.
const WRITTEN: f64 = 0.5e-7 + 1e-9;

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    config: Config,
    repetitions: f64,
    expected: std::collections::BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    arrivals: ArrivalsConfig,
    service: ServiceConfig,
    requests: u64,
    lb_nodes: u32,
    mode: Mode,
    pods_per_node: Vec<u32>,
    pool: PoolConfig,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum ArrivalsConfig {
    Poisson { poisson_per_s: f64 },
    Users { users: u32, think_mean_s: f64 },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceConfig {
    distribution: Service,
    mean_s: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Service {
    Exponential,
    Constant,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PoolConfig {
    scope: Scope,
    order: Order,
    idle_limit_s: Option<f64>,
    max_requests_per_connection: Option<NonZeroU64>,
    max_idle: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Scope {
    Target,
    Group,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    Lifo,
    Fifo,
    Random,
}

#[derive(Deserialize)]
struct Expected {
    mean: Option<f64>,
    sd: Option<f64>,
    p05: Option<f64>,
    p95: Option<f64>,
}

fn duration(mean_s: f64, exponential: bool) -> Dist {
    let mean = SimDuration::from_secs_f64(mean_s);
    if exponential && mean > SimDuration::ZERO {
        Dist::Exponential { mean }
    } else {
        Dist::Constant(mean)
    }
}

impl Config {
    fn blueprint(&self) -> Blueprint {
        let service = duration(
            self.service.mean_s,
            matches!(self.service.distribution, Service::Exponential),
        );
        let mut clients = support::clients(match self.arrivals {
            ArrivalsConfig::Poisson { poisson_per_s } => support::poisson(poisson_per_s),
            ArrivalsConfig::Users {
                users,
                think_mean_s,
            } => Arrivals::Closed {
                users: NonZeroU32::new(users).expect("a closed loop has users"),
                think: duration(think_mean_s, true),
            },
        });
        clients.stop_after = Some(self.requests);
        let server = support::server(u32::MAX, service);
        let mut blueprint = support::world(&self.pods_per_node, self.mode, server, clients);
        blueprint.run.length = support::FOREVER;
        blueprint.load_balancer.nodes = (0..self.lb_nodes).map(|_| ZoneId(0)).collect();
        blueprint.load_balancer.idle_timeout = self
            .pool
            .idle_limit_s
            .map_or(SimDuration::MAX, SimDuration::from_secs_f64);
        for group in blueprint.target_groups.iter_mut() {
            group.upstream = self.pool.upstream();
        }
        blueprint
    }
}

impl PoolConfig {
    fn upstream(&self) -> pool::Config {
        pool::Config {
            pool_max_age: None,
            http2: Default::default(),
            pool_pick: match self.order {
                Order::Lifo => PoolPick::Lifo,
                Order::Fifo => PoolPick::Fifo,
                Order::Random => PoolPick::Random,
            },
            pool_scope: match self.scope {
                Scope::Target => PoolScope::Target,
                Scope::Group => PoolScope::Group,
            },
            pool_max_idle: self.max_idle,
            pool_max_requests: self.max_requests_per_connection,
            ..pool::Config::default()
        }
    }
}

/// Counts what the recording counts.
struct Counts {
    per_pod: Vec<u64>,
    opened: u64,
    open: u64,
    peak: u64,
}

impl Recorder for Counts {
    fn see(&mut self, _: SimTime, seen: Observation<'_>) {
        match seen {
            Observation::Finished(request) => {
                self.per_pod[request.pod.expect("every request reaches a pod").index()] += 1;
            }
            Observation::Opened { .. } => {
                self.opened += 1;
                self.open += 1;
                self.peak = self.peak.max(self.open);
            }
            Observation::Closed { .. } => self.open -= 1,
            _ => {}
        }
    }
}

/// The statistics of one replication, by the recording's names.
fn statistics(counts: &Counts) -> Vec<(&'static str, f64)> {
    let pods = counts.per_pod.len() as f64;
    let requests = counts.per_pod.iter().sum::<u64>() as f64;
    let mean = requests / pods;
    let squares: f64 = counts
        .per_pod
        .iter()
        .map(|&n| (n as f64 - mean).powi(2))
        .sum();
    let cv = (squares / (pods - 1.0)).sqrt() / mean;
    let least = *counts.per_pod.iter().min().expect("there are pods") as f64;
    let most = *counts.per_pod.iter().max().expect("there are pods") as f64;
    let without = counts.per_pod.iter().filter(|&&n| n == 0).count() as f64;
    vec![
        ("cv", cv),
        ("mean_of_cv_squared", cv * cv),
        ("max_over_min", most / least),
        ("max_over_mean", most / mean),
        ("min_over_mean", least / mean),
        ("pods_without_request", without),
        (
            "probability_some_pod_without_request",
            f64::from(without > 0.0),
        ),
        ("connections_opened", counts.opened as f64),
        ("reused_share", 1.0 - counts.opened as f64 / requests),
        ("peak_open_connections", counts.peak as f64),
    ]
}

fn replicate(blueprint: &Blueprint) -> Vec<Vec<(&'static str, f64)>> {
    let pods = blueprint.pods.len();
    let replication = |r: u64| {
        let counts = Counts {
            per_pod: vec![0; pods],
            opened: 0,
            open: 0,
            peak: 0,
        };
        statistics(&support::run(blueprint, SEED, r, counts).recorder)
    };
    (0..REPLICATIONS).into_par_iter().map(replication).collect()
}

/// What is wrong with a statistic, if anything.
fn judge(
    name: &str,
    values: &[f64],
    expected: &serde_json::Value,
    repetitions: f64,
) -> Result<(), String> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let probability = name.starts_with("probability");
    let plain = expected.as_f64().map(|p| Expected {
        // A plain number comes without its scatter: that of a probability follows from it, that of
        // another number is taken from the replications.
        mean: Some(p),
        sd: probability.then(|| (p * (1.0 - p)).sqrt()),
        p05: None,
        p95: None,
    });
    let expected = match plain {
        Some(plain) => plain,
        None => serde_json::from_value(expected.clone()).expect("a statistic has its figures"),
    };
    if let Some(wanted) = expected.mean {
        let own = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        let sd = expected.sd.unwrap_or(own);
        let allowed = 3.5 * sd * (1.0 / n + 1.0 / repetitions).sqrt() + WRITTEN;
        if (mean - wanted).abs() > allowed {
            return Err(format!("mean {mean} instead of {wanted} +- {allowed}"));
        }
    }
    tail(values, expected.p05, |v, q| v < q, "below p05")?;
    tail(values, expected.p95, |v, q| v > q, "above p95")
}

/// At most 5 % lie strictly beyond a quantile, and at least 5 % at or beyond it, within binomial error.
fn tail(
    values: &[f64],
    quantile: Option<f64>,
    beyond: fn(f64, f64) -> bool,
    name: &str,
) -> Result<(), String> {
    let Some(quantile) = quantile else {
        return Ok(());
    };
    let n = values.len() as f64;
    let error = 4.0 * (0.05 * 0.95 / n).sqrt();
    // A value that equals the quantile as written must not count as beyond it.
    let equal = |v: f64| (v - quantile).abs() <= WRITTEN;
    let strictly = values
        .iter()
        .filter(|&&v| !equal(v) && beyond(v, quantile))
        .count() as f64
        / n;
    let at_least = values
        .iter()
        .filter(|&&v| equal(v) || beyond(v, quantile))
        .count() as f64
        / n;
    if strictly > 0.05 + error || at_least < 0.05 - error {
        return Err(format!("{name} {quantile}: share {strictly} to {at_least}"));
    }
    Ok(())
}

#[test]
fn requests_per_pod_agree_with_the_exact_model() {
    let Some(file) = super::recording::<File>("pools.json") else {
        return;
    };
    let mut failures = Vec::new();
    let mut judged = 0;
    let mut agreed_cases = 0;
    for case in &file.cases {
        let replications = replicate(&case.config.blueprint());
        let names: Vec<&str> = replications[0].iter().map(|(name, _)| *name).collect();
        let before = failures.len();
        for (position, name) in names.iter().enumerate() {
            let Some(expected) = case.expected.get(*name) else {
                continue;
            };
            judged += 1;
            let values: Vec<f64> = replications.iter().map(|r| r[position].1).collect();
            if let Err(why) = judge(name, &values, expected, case.repetitions) {
                failures.push(format!("{} {name}: {why}", case.id));
            }
        }
        agreed_cases += usize::from(failures.len() == before);
    }
    println!(
        "pools.json: {} cases judged, {agreed_cases} agreed; {judged} statistics, {} agreed",
        file.cases.len(),
        judged - failures.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
