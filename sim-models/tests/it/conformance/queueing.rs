//! Queueing theory, through the product's own clients, load balancer and pods.
//!
//! Every number that a case lists is estimated from independent replications, long enough that the
//! interval is narrow, and all numbers of the file are judged together: the error of 1 % is for the whole
//! file (Holm). Tandem and closed networks are judged on the bare engine, in `sim-core`.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use rayon::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use sim_core::{Dist, Histogram, Level, SimDuration, SimTime, Tally};
use sim_models::id::{Id, PodId};
use sim_models::observe::{Observation, Recorder};
use sim_models::request::client::{Arrivals, request_bytes};
use sim_models::request::{Hop, Outcome};
use sim_models::world::Blueprint;
use sim_models::world::blueprint::RequestClass;
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::support::{self, Mode};

const SEED: u64 = 7;
const REPLICATIONS: u64 = 32;
/// Customers of a case's first try, all replications together.
const FIRST_TRY: f64 = 640_000.0;
/// Customers beyond which a number is given up as too rare to judge.
const AT_MOST: f64 = 120_000_000.0;
/// A share of the expected value below which a difference says nothing: durations are whole nanoseconds.
const RESOLUTION: f64 = 1e-6;
/// Error probability for the whole file.
const ERROR: f64 = 0.01;

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    model: String,
    parameters: BTreeMap<String, Value>,
    expected: Value,
}

/// What a case asks to simulate.
struct Setup {
    blueprint: Blueprint,
    /// Customers per second that come, for the length of a run.
    rate: f64,
    /// Time after which the start is forgotten, in seconds.
    warm_up: f64,
}

impl Case {
    fn number(&self, name: &str) -> f64 {
        self.parameters[name]
            .as_f64()
            .unwrap_or_else(|| panic!("{}: {name} is a number", self.id))
    }

    fn count(&self, name: &str) -> u32 {
        self.number(name) as u32
    }

    /// The worlds that must show the expected numbers; none where the model is judged elsewhere.
    fn setups(&self) -> Vec<Setup> {
        match self.model.as_str() {
            "M/M/1" | "M/M/c" => vec![self.single(self.exponential(), u32::MAX)],
            "M/M/c/K" => {
                vec![self.single(self.exponential(), self.count("places") - self.servers())]
            }
            "M/D/1" => {
                vec![self.single(Dist::Constant(seconds(self.number("service_s"))), u32::MAX)]
            }
            "M/G/1" => vec![self.single(self.general(), u32::MAX)],
            // The loss of an Erlang system does not depend on the distribution of the service time.
            "Erlang-B" => {
                let mean = seconds(self.number("service_mean_s"));
                let lognormal = Dist::log_normal(mean, 2.0);
                vec![
                    self.single(Dist::Exponential { mean }, 0),
                    self.single(lognormal, 0),
                ]
            }
            "closed" => vec![self.closed()],
            "split-round-robin" => vec![self.split_in_turn()],
            "split-random" => vec![self.split_at_random()],
            _ => Vec::new(),
        }
    }

    fn servers(&self) -> u32 {
        self.parameters
            .get("servers")
            .map_or(1, |servers| servers.as_u64().expect("a count") as u32)
    }

    fn exponential(&self) -> Dist {
        Dist::Exponential {
            mean: seconds(1.0 / self.number("service_per_s")),
        }
    }

    fn general(&self) -> Dist {
        let (mean, cv) = (
            seconds(self.number("service_mean_s")),
            self.number("service_cv"),
        );
        match self.parameters["service"].as_str() {
            Some("lognormal") => Dist::log_normal(mean, cv),
            Some("gamma") => Dist::gamma(mean, cv),
            other => panic!("{}: service {other:?}", self.id),
        }
    }

    /// One pod with a bounded or unbounded queue, fed by a Poisson stream.
    fn single(&self, service: Dist, queue: u32) -> Setup {
        let rate = self.number("arrival_per_s");
        let sampler = service.sampler().expect("a service time");
        let (mean, cv) = (sampler.mean(), sampler.cv());
        let mut server = support::server(self.servers(), service);
        server.queue = queue;
        let load = rate * mean / f64::from(self.servers());
        let blueprint = support::world(
            &[1],
            Mode::Ip,
            server,
            support::clients(support::poisson(rate)),
        );
        // With a bounded queue the start is forgotten after the room has been filled and emptied a few times.
        let room = if queue == u32::MAX {
            0.0
        } else {
            f64::from(queue + self.servers())
        };
        let settled = relaxation(mean / f64::from(self.servers()), cv, load.min(0.95));
        Setup {
            blueprint,
            rate,
            warm_up: settled + 20.0 * mean * (1.0 + room),
        }
    }

    fn closed(&self) -> Setup {
        let users = self.count("users");
        let think = self.number("think_mean_s");
        let clients = support::clients(Arrivals::Closed {
            users: NonZeroU32::new(users).expect("a closed system has users"),
            think: Dist::Exponential {
                mean: seconds(think),
            },
        });
        let server = support::server(self.servers(), self.exponential());
        let rate = f64::from(self.servers()) * self.number("service_per_s");
        let rate = rate.min(f64::from(users) / think);
        let warm_up = 20.0 * (think + f64::from(users) / rate);
        Setup {
            blueprint: support::world(&[1], Mode::Ip, server, clients),
            rate,
            warm_up,
        }
    }

    /// The load balancer deals a Poisson stream in turn to pods with one worker each.
    fn split_in_turn(&self) -> Setup {
        let rate = self.number("arrival_per_s");
        let servers = self.servers();
        let mean = 1.0 / self.number("service_per_s");
        let clients = support::clients(support::poisson(rate));
        let server = support::server(1, self.exponential());
        Setup {
            blueprint: support::world(&[servers], Mode::Ip, server, clients),
            rate,
            warm_up: relaxation(mean, 1.0, rate * mean / f64::from(servers)),
        }
    }

    /// Requests of as many kinds as there are queues, each kind with its weight and its own pod.
    fn split_at_random(&self) -> Setup {
        let rate = self.number("arrival_per_s");
        let weights: Vec<f64> =
            serde_json::from_value(self.parameters["weights"].clone()).expect("weights");
        let mean = 1.0 / self.number("service_per_s");
        let server = || support::server(1, self.exponential());
        let mut blueprint = support::world(
            &[1],
            Mode::Ip,
            server(),
            support::clients(support::poisson(rate)),
        );
        for position in 1..weights.len() {
            support::add_service(
                &mut blueprint,
                &format!("web-{position}"),
                &[1],
                Mode::Ip,
                server(),
            );
        }
        let classes = blueprint
            .target_groups
            .ids()
            .zip(&weights)
            .map(|(group, &weight)| RequestClass {
                demand: None,
                bytes: request_bytes(),
                path: "/".into(),
                weight,
                rule: 0,
                target_group: Some(group),
            });
        let classes = classes.collect();
        let users = blueprint
            .populations
            .ids()
            .next()
            .expect("one population asks");
        blueprint.populations[users].classes = classes;
        let heaviest =
            weights.iter().fold(0.0, |a: f64, &b| a.max(b)) / weights.iter().sum::<f64>();
        Setup {
            blueprint,
            rate,
            warm_up: relaxation(mean, 1.0, rate * heaviest * mean),
        }
    }
}

fn seconds(value: f64) -> SimDuration {
    SimDuration::from_secs_f64(value)
}

/// Twenty relaxation times of a single server: (1 + cv^2) / (mu (1 - rho)^2) each.
fn relaxation(mean: f64, cv: f64, load: f64) -> f64 {
    20.0 * mean * (1.0 + cv * cv) / (1.0 - load).powi(2)
}

/// Watches one pod.
#[derive(Clone)]
struct Watch {
    wait: Tally,
    sojourn: Tally,
    waits: Histogram,
    sojourns: Histogram,
    waited: u64,
    busy: Level,
    waiting: Level,
    empty: Level,
}

/// Watches all pods, from the end of the warm-up.
struct Watches {
    from: SimTime,
    pods: Vec<Watch>,
    lost: u64,
    finished: u64,
}

impl Watches {
    fn new(pods: usize, from: SimTime) -> Self {
        let mut full = Level::new(from);
        full.set(from, 1);
        let watch = Watch {
            wait: Tally::default(),
            sojourn: Tally::default(),
            waits: Histogram::default(),
            sojourns: Histogram::default(),
            waited: 0,
            busy: Level::new(from),
            waiting: Level::new(from),
            empty: full,
        };
        Self {
            from,
            pods: vec![watch; pods],
            lost: 0,
            finished: 0,
        }
    }
}

impl Recorder for Watches {
    /// Levels hold what stands when the watch begins: earlier changes are taken as of then.
    fn load(&mut self, now: SimTime, pod: PodId, busy: u32, waiting: u32) {
        let (pod, now) = (&mut self.pods[pod.index()], now.max(self.from));
        pod.busy.set(now, u64::from(busy));
        pod.waiting.set(now, u64::from(waiting));
        pod.empty.set(now, u64::from(busy == 0));
    }

    fn see(&mut self, _: SimTime, seen: Observation<'_>) {
        match seen {
            Observation::Finished(request) if request.at(Hop::Server) >= self.from => {
                self.finished += 1;
                if request.outcome != Outcome::Ok {
                    self.lost += 1;
                    return;
                }
                let pod = &mut self.pods[request.pod.expect("served by a pod").index()];
                let (wait, sojourn) = (request.waited(), request.sojourned());
                pod.wait.add(wait.as_nanos());
                pod.sojourn.add(sojourn.as_nanos());
                pod.waits.add(wait.as_nanos());
                pod.sojourns.add(sojourn.as_nanos());
                pod.waited += u64::from(wait > SimDuration::ZERO);
            }
            _ => {}
        }
    }
}

const NANO: f64 = 1e-9;
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)];

/// Every number of one replication, by the recording's names; `x[2]` for the third of a list.
fn numbers(watches: &Watches, end: SimTime, workers: u32) -> BTreeMap<String, f64> {
    let pods = &watches.pods;
    let count = pods.len() as f64;
    let span = (end - watches.from).as_secs_f64();
    let mut all = pods[0].clone();
    for pod in &pods[1..] {
        all.wait.merge(&pod.wait);
        all.sojourn.merge(&pod.sojourn);
        all.waits.merge(&pod.waits);
        all.sojourns.merge(&pod.sojourns);
        all.waited += pod.waited;
    }
    let known = |mean: Option<f64>| mean.expect("a run serves somebody and takes time");
    let busy = |pod: &Watch| known(pod.busy.mean(end));
    let waiting = |pod: &Watch| known(pod.waiting.mean(end));
    let (busy_sum, waiting_sum): (f64, f64) =
        (pods.iter().map(busy).sum(), pods.iter().map(waiting).sum());
    let served = all.wait.count() as f64;
    let mut numbers = BTreeMap::new();
    let mut put = |name: &str, value: f64| numbers.insert(name.to_owned(), value);
    put("mean_wait_s", known(all.wait.mean()) * NANO);
    put("mean_wait_accepted_s", known(all.wait.mean()) * NANO);
    put("sd_wait_s", known(all.wait.variance()).sqrt() * NANO);
    put("mean_sojourn_s", known(all.sojourn.mean()) * NANO);
    put("mean_sojourn_accepted_s", known(all.sojourn.mean()) * NANO);
    put("sd_sojourn_s", known(all.sojourn.variance()).sqrt() * NANO);
    put("probability_of_waiting", all.waited as f64 / served);
    put("sigma", all.waited as f64 / served);
    put(
        "loss_probability",
        watches.lost as f64 / watches.finished as f64,
    );
    put("throughput_per_s", served / span);
    put("utilisation", busy_sum / count / f64::from(workers));
    put("mean_queue", waiting_sum);
    put("mean_in_system", waiting_sum + busy_sum);
    put("mean_queue_per_server", waiting_sum / count);
    put(
        "mean_in_system_per_server",
        (waiting_sum + busy_sum) / count,
    );
    let empty = known(pods[0].empty.mean(end));
    put("probability_empty", empty);
    put("p0", empty);
    for (position, pod) in pods.iter().enumerate() {
        put(&format!("utilisation[{position}]"), busy(pod));
        put(
            &format!("mean_sojourn_by_server_s[{position}]"),
            known(pod.sojourn.mean()) * NANO,
        );
    }
    for (name, p) in QUANTILES {
        let quantile = |histogram: &Histogram| {
            histogram
                .quantile(p)
                .map_or(f64::NAN, |ns| ns as f64 * NANO)
        };
        put(&format!("wait_s.{name}"), quantile(&all.waits));
        put(&format!("sojourn_s.{name}"), quantile(&all.sojourns));
    }
    numbers
}

fn simulate(setup: &Setup, length: f64) -> Vec<BTreeMap<String, f64>> {
    let mut blueprint = setup.blueprint.clone();
    blueprint.run.warm_up = seconds(setup.warm_up);
    blueprint.run.length = seconds(length);
    let from = support::at(setup.warm_up);
    let workers = blueprint
        .deployments
        .iter()
        .next()
        .expect("a deployment")
        .server
        .workers
        .get();
    let replication = |r: u64| {
        let watches = Watches::new(blueprint.pods.len(), from);
        let ended = support::run(&blueprint, SEED, r, watches);
        numbers(&ended.recorder, ended.ended_at, workers)
    };
    (0..REPLICATIONS).into_par_iter().map(replication).collect()
}

/// The expected numbers of a case, flat: `wait_s.p50`, `utilisation[3]`.
fn flatten(prefix: &str, value: &Value, flat: &mut Vec<(String, f64)>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let name = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                flatten(&name, value, flat);
            }
        }
        Value::Array(items) => {
            for (position, value) in items.iter().enumerate() {
                flatten(&format!("{prefix}[{position}]"), value, flat);
            }
        }
        number => flat.push((
            prefix.to_owned(),
            number.as_f64().expect("expected values are numbers"),
        )),
    }
}

/// A number with its estimate.
struct Judged {
    name: String,
    expected: f64,
    mean: f64,
    half_width: f64,
    p_value: f64,
    allowed: f64,
}

fn estimate(name: String, expected: f64, allowed: f64, values: &[f64]) -> Judged {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let error = (variance / n).sqrt();
    let student = StudentsT::new(0.0, 1.0, n - 1.0).expect("at least two replications");
    let p_value = match (mean - expected).abs() {
        off if off <= RESOLUTION * expected.abs() => 1.0,
        _ if error == 0.0 => 0.0,
        off => 2.0 * (1.0 - student.cdf(off / error)),
    };
    let half_width = student.inverse_cdf(0.995) * error;
    Judged {
        name,
        expected,
        mean,
        half_width,
        p_value,
        allowed,
    }
}

/// Largest half-width of a number, as a share of its expected value.
fn allowed(name: &str, expected: f64, load: f64) -> f64 {
    let quantile = name.contains(".p");
    let rare = name.contains("probability") && expected < 0.05;
    if quantile || rare || load >= 0.9 {
        0.05
    } else {
        0.02
    }
}

/// Why a number is not judged, where it is not.
fn not_judged(name: &str, expected: f64, case: &Value) -> Option<&'static str> {
    if name == "offered_load" || name == "offered_erlangs" {
        return Some("arithmetic on the parameters, nothing to simulate");
    }
    // A quantile of the wait next to the probability of not waiting jumps between 0 and its value.
    if let Some(p) = name.strip_prefix("wait_s.p") {
        let p: f64 = p.parse::<f64>().expect("quantiles are numbers") / 100.0;
        let waiting = case["probability_of_waiting"].as_f64().unwrap_or(1.0);
        if (p - (1.0 - waiting)).abs() < 0.01 {
            return Some("within 1 % of the probability of not waiting");
        }
    }
    (expected > 0.0 && expected < 1e-5 && name.contains("probability"))
        .then_some("rarer than a test can count")
}

struct Report {
    judged: Vec<(String, Judged)>,
    skipped: Vec<String>,
}

fn judge(case: &Case, setup: &Setup, report: &mut Report) {
    let mut wanted = Vec::new();
    flatten("", &case.expected, &mut wanted);
    let utilisation = wanted
        .iter()
        .filter(|(name, _)| name.starts_with("utilisation"));
    let load = utilisation.map(|(_, value)| *value).fold(0.0, f64::max);
    wanted.retain(
        |(name, expected)| match not_judged(name, *expected, &case.expected) {
            Some(why) => {
                report.skipped.push(format!("{} {name}: {why}", case.id));
                false
            }
            None => true,
        },
    );
    let mut customers = FIRST_TRY;
    loop {
        let length = customers / setup.rate / REPLICATIONS as f64;
        let replications = simulate(setup, length);
        let estimates = wanted.iter().map(|(name, expected)| {
            let value = |numbers: &BTreeMap<String, f64>| match numbers.get(name) {
                Some(&value) => value,
                None => panic!("{}: nothing measures {name}", case.id),
            };
            let values: Vec<f64> = replications.iter().map(value).collect();
            estimate(
                name.clone(),
                *expected,
                allowed(name, *expected, load),
                &values,
            )
        });
        let estimates: Vec<Judged> = estimates.collect();
        // How many times more customers the widest interval needs: its width falls with their root.
        let excess = |it: &Judged| match it.expected {
            0.0 => 0.0,
            expected => (it.half_width / (it.allowed * expected)).powi(2),
        };
        let more = estimates.iter().map(excess).fold(0.0, f64::max);
        if more <= 1.0 || customers >= AT_MOST {
            for it in estimates {
                if excess(&it) > 1.0 {
                    report
                        .skipped
                        .push(format!("{} {}: interval still too wide", case.id, it.name));
                } else {
                    report.judged.push((case.id.clone(), it));
                }
            }
            return;
        }
        customers = (customers * (1.2 * more).clamp(1.5, 20.0)).min(AT_MOST);
    }
}

/// Holm: the numbers that disagree with theory at `ERROR` for all of them together.
fn rejected(judged: &[(String, Judged)]) -> Vec<String> {
    let mut order: Vec<&(String, Judged)> = judged.iter().collect();
    order.sort_by(|a, b| a.1.p_value.total_cmp(&b.1.p_value));
    let total = order.len();
    let fails =
        |(rank, it): &(usize, &&(String, Judged))| it.1.p_value < ERROR / (total - rank) as f64;
    let failing = order.iter().enumerate().take_while(|it| fails(it));
    failing
        .map(|(_, (case, it))| {
            let Judged {
                name,
                expected,
                mean,
                half_width,
                p_value,
                ..
            } = it;
            format!("{case} {name}: {mean} +- {half_width} instead of {expected} (p {p_value:e})")
        })
        .collect()
}

#[test]
fn single_stations_agree_with_theory() {
    let Some(file) = super::recording::<File>("queueing.json") else {
        return;
    };
    let mut report = Report {
        judged: Vec::new(),
        skipped: Vec::new(),
    };
    let mut judged_cases = 0;
    for case in &file.cases {
        let setups = case.setups();
        if setups.is_empty() {
            report.skipped.push(format!(
                "{} (all of it): {} is judged on the bare engine",
                case.id, case.model
            ));
            continue;
        }
        judged_cases += 1;
        for setup in &setups {
            judge(case, setup, &mut report);
        }
    }
    let rejected = rejected(&report.judged);
    let wrong_cases: std::collections::BTreeSet<&str> = rejected
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    for line in &report.skipped {
        println!("queueing.json: not judged: {line}");
    }
    println!(
        "queueing.json: {} cases, {judged_cases} judged here, {} agreed; {} numbers judged, {} agreed, {} not judged",
        file.cases.len(),
        judged_cases - wrong_cases.len(),
        report.judged.len(),
        report.judged.len() - rejected.len(),
        report.skipped.len()
    );
    assert!(rejected.is_empty(), "{}", rejected.join("\n"));
}
