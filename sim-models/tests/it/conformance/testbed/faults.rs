//! E3, E4 and E6: pods that break, endpoints that are removed, and checks that find out.
//!
//! Requests that keep a connection are not judged here: the recordings break the pod that is busiest while they run.

use rayon::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use sim_core::{Dist, SimDuration, SimTime, Streams};
use sim_models::cluster::condition::{Erroring, PodCondition, Slow};
use sim_models::fault::{Fault, What};
use sim_models::health::health_check::Cadence;
use sim_models::health::service_map;
use sim_models::health::target_group::TargetState;
use sim_models::id::{Id, PodId};
use sim_models::observe::{Health as Seen, Observation, Recorder};
use sim_models::request::node_port::{NoBackendResponse, Proxy};
use sim_models::request::{Hop, Outcome};
use sim_models::world::Blueprint;
use sim_models::world::blueprint::Health;

use super::judge::Comparisons;
use super::record::{Config, Recording, TargetType};
use super::{Verdict, cluster};
use crate::support;

const SEEDS: u64 = 200;
const SEED: u64 = 1911;
/// Slack of error shares.
const SHARE: f64 = 0.01;

/// Something that the testbed did at a time.
#[derive(Deserialize)]
struct Event {
    t_s: f64,
    kind: Kind,
    pod: String,
    mode: Option<Mode>,
    #[serde(default)]
    jitter_s: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    PodFault,
    EndpointRemove,
    TargetDeregister,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Ok,
    #[serde(rename = "500")]
    Error,
    Hang,
    Refuse,
    Slow,
}

#[derive(Deserialize)]
struct Check {
    inter_s: f64,
    fall: std::num::NonZeroU32,
    rise: std::num::NonZeroU32,
    timeout_s: f64,
}

/// What became of a file of E3, E4 or E6.
pub(super) fn verdict(file: &Value) -> Verdict {
    match judged(file) {
        Ok(comparisons) => Verdict::Judged(comparisons),
        Err(why) => Verdict::NotJudged(why),
    }
}

fn judged(file: &Value) -> Result<Comparisons, String> {
    let recording = Recording::read(file).or_else(|why| {
        // The single long run of a detection file has no spread of its own, and needs none.
        let twice = with_two_runs(file).ok_or(why)?;
        Recording::read(&twice)
    })?;
    let config = &recording.config;
    cluster::understood(config)?;
    if config.lb.upstream_keepalive > 0 {
        return Err(
            "the busiest pod is chosen while the recording runs, or the reuse was not isolated"
                .into(),
        );
    }
    let events: Vec<Event> = config
        .events
        .iter()
        .map(|event| Event::deserialize(event).map_err(|why| format!("an event: {why}")))
        .collect::<Result<_, _>>()?;
    let check = match &config.lb.active_check {
        Some(check) => Some(Check::deserialize(check).map_err(|why| format!("a check: {why}"))?),
        None => None,
    };
    let runs = file["runs"].as_array().ok_or("there are no runs")?;
    match (file["experiment"].as_str(), &check) {
        (Some("E6"), Some(check)) if config.lb.target_type == TargetType::Ip => {
            Ok(detection_times(config, &events, check, runs))
        }
        (Some("E6"), Some(check)) => Ok(flapping(config, &events, check, runs)),
        (Some("E4"), Some(check)) => Ok(emptied_node(config, &events, check, runs)),
        (_, None) => Ok(error_shares(config, &events, runs)),
        _ => Err("an active check in an experiment without one".into()),
    }
}

fn with_two_runs(file: &Value) -> Option<Value> {
    let mut twice = file.clone();
    let runs = twice["runs"].as_array_mut()?;
    let first = runs.first()?.clone();
    runs.push(first);
    Some(twice)
}

fn seconds(value: f64) -> SimDuration {
    SimDuration::from_secs_f64(value)
}

/// The recorded cluster, with what happened to it. `jitter` is a share of each event's own.
fn world(config: &Config, events: &[Event], check: Option<&Check>, jitter: f64) -> Blueprint {
    let mut blueprint = cluster::blueprint(config, 1.0);
    blueprint.proxy = Proxy::Cilium {
        algorithm: Default::default(),
        // The kernel limits its refusals to one a second for each peer: nearly all are silence.
        service_no_backend_response: NoBackendResponse::Drop,
        mode: Default::default(),
        unready_backend: Default::default(),
        conntrack: None,
        snat: None,
        agent: service_map::Config {
            reflector_wait: SimDuration::ZERO,
            reconcile: none(),
        },
    };
    let mut health = Health::new(1, 1);
    at_once(&mut health);
    for group in health.target_groups.iter_mut() {
        let it = &mut group.health_check;
        // Without a check in the recording the first one comes after the end.
        it.interval = seconds(check.map_or(1e6, |check| check.inter_s));
        if let Some(check) = check {
            it.timeout = seconds(check.timeout_s);
            it.unhealthy_threshold = check.fall;
            it.healthy_threshold = check.rise;
            it.cadence = Cadence::End;
        }
    }
    for (index, event) in events.iter().enumerate() {
        let pod = pod(event);
        let from = SimTime::ZERO + seconds(event.t_s + jitter * event.jitter_s);
        let what = match (event.kind, event.mode) {
            (Kind::PodFault, Some(mode)) => match condition(config, mode) {
                Some(condition) => What::Pods(vec![pod], condition),
                None => continue,
            },
            _ => What::Unselect(vec![pod]),
        };
        // A fault lasts until the pod is told otherwise.
        let later = events[index + 1..].iter();
        let until = later
            .filter(|it| it.kind == Kind::PodFault && it.pod == event.pod)
            .map(|it| SimTime::ZERO + seconds(it.t_s))
            .next()
            .filter(|_| event.kind == Kind::PodFault);
        health.faults.push(Fault { what, from, until });
    }
    blueprint.health = Some(Box::new(health));
    blueprint.load_balancer.syn_retransmits.clear();
    blueprint
}

fn none() -> Dist {
    Dist::Constant(SimDuration::ZERO)
}

/// Nothing in the control plane takes time: the testbed changes rules and targets by hand.
fn at_once(health: &mut Health) {
    health.watch_delay = none();
    health.endpoint_slice_controller.sync = none();
    let controller = &mut health.aws_controller;
    controller.watch_delay = none();
    controller.reconcile = SimDuration::ZERO;
    controller.security_group_reconcile = SimDuration::ZERO;
    controller.api.register = SimDuration::ZERO;
    controller.api.deregister = SimDuration::ZERO;
    for group in health.target_groups.iter_mut() {
        group.register_propagation = none();
        group.deregister_propagation = none();
    }
}

fn pod(event: &Event) -> PodId {
    let number = event.pod.strip_prefix('p').and_then(|it| it.parse().ok());
    PodId(number.expect("without reuse the pod has a number"))
}

fn condition(config: &Config, mode: Mode) -> Option<PodCondition> {
    match mode {
        Mode::Ok => None,
        Mode::Error => Some(PodCondition::Erroring(Erroring {
            delay: seconds(config.pod.error_delay_ms / 1000.0),
            ..Erroring::default()
        })),
        Mode::Hang => Some(PodCondition::Hanging),
        Mode::Refuse => Some(PodCondition::Refusing),
        Mode::Slow => Some(PodCondition::Slow(Slow {
            factor: config.pod.slow_factor,
            ..Slow::default()
        })),
    }
}

/// What a simulated run shows.
#[derive(Default)]
struct Log {
    /// When each request was sent, and whether it failed.
    requests: Vec<(f64, bool)>,
    /// When each target was found unhealthy.
    down: Vec<(f64, u32)>,
}

impl Recorder for Log {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        match seen {
            Observation::Finished(request) => {
                let sent = request.at(Hop::Client).as_nanos() as f64 / 1e9;
                self.requests.push((sent, request.outcome != Outcome::Ok));
            }
            Observation::Health(Seen::Target {
                target,
                state: TargetState::Unhealthy,
                ..
            }) => self.down.push((now.as_nanos() as f64 / 1e9, target.0)),
            _ => {}
        }
    }
}

impl Log {
    /// Share of the requests sent in a window that failed.
    fn error_share(&self, from: f64, to: f64) -> f64 {
        let sent = self
            .requests
            .iter()
            .filter(|&&(at, _)| at >= from && at < to);
        let (all, failed) = sent.fold((0.0, 0.0), |(all, bad), &(_, failed)| {
            (all + 1.0, bad + f64::from(u8::from(failed)))
        });
        failed / f64::max(all, 1.0)
    }
}

fn simulate(config: &Config, events: &[Event], check: Option<&Check>) -> Vec<(f64, Log)> {
    let run = |replication: u64| {
        let name = sim_core::StreamName::new("jitter of the recording");
        let jitter = Streams::new(SEED, replication).nth(name, 0, 0).unit().get();
        let blueprint = world(config, events, check, jitter);
        let run = support::run(&blueprint, SEED, replication, Log::default());
        (jitter, run.recorder)
    };
    (0..SEEDS).into_par_iter().map(run).collect()
}

/// Mean and squared error of the mean.
fn mean(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, squares / (n - 1.0).max(1.0) / n)
}

fn compare(name: &str, recorded: &[f64], simulated: &[f64], slack: f64) -> (String, f64, f64, f64) {
    let ((a, ea), (b, eb)) = (mean(recorded), mean(simulated));
    (name.into(), a, b, 4.0 * (ea + eb).sqrt() + slack)
}

/// Error shares before the first event, between the two, and after the last.
fn error_shares(config: &Config, events: &[Event], runs: &[Value]) -> Comparisons {
    let simulated = simulate(config, events, None);
    let share = |run: &Value, phase: &str| {
        let it = &run["phases"][phase];
        let number = |key: &str| it[key].as_f64().unwrap_or(0.0);
        number("errors") / number("requests").max(1.0)
    };
    let first = &events[0];
    let last = &events[events.len() - 1];
    let at = |event: &Event, jitter: f64| event.t_s + jitter * event.jitter_s;
    let end = config.load.duration_s;
    let names: &[(&str, u8)] = if events.len() == 2 {
        &[
            ("before_fault", 0),
            ("fault_to_removal", 1),
            ("after_removal", 2),
        ]
    } else {
        &[("before", 0), ("after", 2)]
    };
    let figures = names.iter().map(|&(phase, which)| {
        let recorded: Vec<f64> = runs.iter().map(|run| share(run, phase)).collect();
        let of = |(jitter, log): &(f64, Log)| match which {
            0 => log.error_share(0.0, at(first, *jitter)),
            1 => log.error_share(at(first, *jitter), at(last, *jitter)),
            _ => log.error_share(at(last, *jitter), end),
        };
        let simulated: Vec<f64> = simulated.iter().map(of).collect();
        compare(
            &format!("error share {phase}"),
            &recorded,
            &simulated,
            SHARE,
        )
    });
    Comparisons::figures(figures.collect::<Vec<_>>(), "error shares by phase".into())
}

/// From each fault to the load balancer's verdict: the same distribution.
fn detection_times(
    config: &Config,
    events: &[Event],
    check: &Check,
    runs: &[Value],
) -> Comparisons {
    let detections = runs
        .iter()
        .filter_map(|run| run["detections"].as_array())
        .flatten();
    let mut recorded: Vec<f64> = detections
        .filter_map(|it| it["down_after_s"].as_f64())
        .collect();
    let mut simulated = Vec::new();
    for (_, log) in simulate(config, events, Some(check)) {
        for event in events.iter().filter(|it| it.mode != Some(Mode::Ok)) {
            let target = pod(event).index() as u32;
            let found = log
                .down
                .iter()
                .find(|&&(at, it)| it == target && at >= event.t_s);
            simulated.extend(found.map(|(at, _)| at - event.t_s));
        }
    }
    let (distance, allowed) = kolmogorov_smirnov(&mut recorded, &mut simulated);
    let note = format!(
        "{} recorded against {} simulated times",
        recorded.len(),
        simulated.len()
    );
    let figure = (
        "largest distance of the distributions".into(),
        distance,
        0.0,
        allowed,
    );
    Comparisons::figures([figure], note)
}

/// The largest distance of two empirical distributions, and the distance that one pair in a thousand exceeds.
fn kolmogorov_smirnov(one: &mut [f64], other: &mut [f64]) -> (f64, f64) {
    one.sort_by(f64::total_cmp);
    other.sort_by(f64::total_cmp);
    let share = |sorted: &[f64], at: f64| {
        sorted.partition_point(|&value| value <= at) as f64 / sorted.len() as f64
    };
    let points = one.iter().chain(other.iter());
    let distance = points.map(|&at| (share(one, at) - share(other, at)).abs());
    let distance = distance.fold(0.0, f64::max);
    // Smirnov: P(D > c sqrt(1/n + 1/m)) = 2 exp(-2 c^2); 0.001 gives c = 1.949.
    let (n, m) = (one.len() as f64, other.len() as f64);
    (distance, 1.949 * (1.0 / n + 1.0 / m).sqrt())
}

/// Checks through NodePorts that land on a broken pod now and then.
fn flapping(config: &Config, events: &[Event], check: &Check, runs: &[Value]) -> Comparisons {
    let simulated = simulate(config, events, Some(check));
    let downs = |run: &Value| {
        let changes = run["lb_state_changes"].as_array().into_iter().flatten();
        let down = changes.filter(|it| {
            it["change"]
                .as_str()
                .is_some_and(|it| it.contains(" is DOWN"))
        });
        down.count() as f64
    };
    let recorded: Vec<f64> = runs.iter().map(downs).collect();
    // The simulated run goes on for a while after the load.
    let end = config.load.duration_s;
    let during = |log: &Log| log.down.iter().filter(|(at, _)| *at < end).count() as f64;
    let found: Vec<f64> = simulated.iter().map(|(_, log)| during(log)).collect();
    let slack = 0.1 * mean(&found).0;
    let down = compare("nodes found unhealthy", &recorded, &found, slack);
    let shares: Vec<f64> = runs
        .iter()
        .filter_map(|run| run["error_share"].as_f64())
        .collect();
    let found: Vec<f64> = simulated
        .iter()
        .map(|(_, log)| log.error_share(0.0, end))
        .collect();
    let slack = 0.1 * mean(&found).0;
    let share = compare("error share", &shares, &found, slack);
    Comparisons::figures([down, share], "flapping node checks".into())
}

/// The last endpoint of a node is removed, and the check finds the node.
fn emptied_node(config: &Config, events: &[Event], check: &Check, runs: &[Value]) -> Comparisons {
    let event = &events[0];
    let downs = |run: &Value| {
        let removed = run["events"][0]["start_s"].as_f64()?;
        let changes = run["lb_state_changes"].as_array()?;
        let down = changes.iter().find(|it| {
            it["change"]
                .as_str()
                .is_some_and(|it| it.contains(" is DOWN"))
        })?;
        Some(down["t_s"].as_f64()? - removed)
    };
    let mut recorded: Vec<f64> = runs.iter().filter_map(downs).collect();
    let simulated = simulate(config, events, Some(check));
    let of = |(jitter, log): &(f64, Log)| {
        let removed = event.t_s + jitter * event.jitter_s;
        let (at, _) = log.down.iter().find(|(at, _)| *at >= removed)?;
        Some(at - removed)
    };
    let mut found: Vec<f64> = simulated.iter().filter_map(of).collect();
    let (distance, allowed) = kolmogorov_smirnov(&mut recorded, &mut found);
    let figure = (
        "largest distance of the distributions".into(),
        distance,
        0.0,
        allowed,
    );
    Comparisons::figures([figure], format!("{} recorded removals", recorded.len()))
}
