//! E3, E4 and E6: pods that break, endpoints that are removed, and checks that find out.

use std::num::NonZeroU32;

use rayon::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use sim_core::{Dist, SimDuration, SimTime, StreamName, Streams};
use sim_models::cluster::condition::{Erroring, PodCondition, Slow};
use sim_models::fault::{Busiest, Effect, Fault, What};
use sim_models::health::health_check::Cadence;
use sim_models::health::service_map;
use sim_models::health::target_group::TargetState;
use sim_models::id::{DeploymentId, PodId};
use sim_models::observe::{Health as Seen, Observation, Recorder};
use sim_models::request::node_port::{NoBackendResponse, Proxy};
use sim_models::request::{Hop, Outcome};
use sim_models::world::Blueprint;
use sim_models::world::blueprint::Health;

use super::record::Config;
use super::{Verdict, checks, cluster, windows};
use crate::support;

const SEED: u64 = 1911;

/// Something that the testbed did at a time.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    pub(super) t_s: f64,
    pub(super) kind: Kind,
    pub(super) pod: Victim,
    pub(super) mode: Option<Mode>,
    /// The time is later by a uniform share of this.
    #[serde(default)]
    pub(super) jitter_s: f64,
    /// The nodes' entries of connections to the pod are deleted too.
    #[serde(default)]
    flush_conntrack: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    PodFault,
    EndpointRemove,
    TargetDeregister,
}

/// To which pod it happened.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Victim {
    Numbered(u32),
    /// The one that got most requests in the second before the first event.
    Busiest,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    Ok,
    #[serde(rename = "500")]
    Error,
    Hang,
    Refuse,
    Slow,
}

/// An active check.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Check {
    inter_s: f64,
    fall: NonZeroU32,
    rise: NonZeroU32,
    timeout_s: f64,
    #[serde(rename = "kind")]
    _kind: CheckKind,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum CheckKind {
    Http,
}

/// A configuration with what happens in it.
pub(super) struct Course {
    pub(super) config: Config,
    pub(super) events: Vec<Event>,
    pub(super) check: Option<Check>,
}

impl TryFrom<String> for Victim {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let number = name.strip_prefix('p').and_then(|it| it.parse().ok());
        match number {
            Some(number) => Ok(Self::Numbered(number)),
            None if name == "busiest" => Ok(Self::Busiest),
            None => Err(format!("{name:?} is not a pod")),
        }
    }
}

impl Event {
    /// When it happened, with this share of its own jitter.
    pub(super) fn at(&self, jitter: f64) -> f64 {
        self.t_s + jitter * self.jitter_s
    }
}

impl Course {
    fn read(file: &Value) -> Result<Self, String> {
        let config = Config::read(file)?;
        cluster::understood(&config)?;
        let events = config.events.iter();
        let events =
            events.map(|it| Event::deserialize(it).map_err(|why| format!("an event: {why}")));
        let check = config.lb.active_check.as_ref();
        let check = check.map(|it| Check::deserialize(it).map_err(|why| format!("a check: {why}")));
        let (events, check) = (events.collect::<Result<Vec<_>, _>>()?, check.transpose()?);
        let pods = config.cluster.pods;
        let outside = |it: &Event| matches!(it.pod, Victim::Numbered(number) if number >= pods);
        match events.first() {
            None => Err("nothing happens".into()),
            Some(_) if events.iter().any(outside) => Err("a pod outside the cluster".into()),
            Some(_) => Ok(Self {
                config,
                events,
                check,
            }),
        }
    }
}

/// What became of a file of E3, E4 or E6: by the fields of its configuration, which rule?
pub(super) fn verdict(file: &Value) -> Verdict {
    let course = match Course::read(file) {
        Ok(course) => course,
        Err(why) => return Verdict::NotJudged(why),
    };
    let judged = match (cluster::class(&course.config), &course.check) {
        (cluster::Class::Nothing(why), _) => {
            let beside = windows::beside(&course, &file["runs"]);
            return Verdict::Shown(format!("{why}; {beside}"));
        }
        (_, Some(_)) => checks::judge(&course, file),
        (cluster::Class::Pooled, None) => windows::with_reuse(&course, &file["runs"]),
        (cluster::Class::NoReuse, None) => windows::without_reuse(&course, &file["runs"]),
    };
    judged.map_or_else(Verdict::NotJudged, Verdict::Judged)
}

fn seconds(value: f64) -> SimDuration {
    SimDuration::from_secs_f64(value)
}

/// The recorded cluster, with what happened to it. `jitter` is a share of each event's own.
fn world(course: &Course, jitter: f64) -> Blueprint {
    let Course {
        config,
        events,
        check,
    } = course;
    let mut blueprint = cluster::blueprint(config, 1.0);
    blueprint.proxy = Proxy::Cilium {
        algorithm: Default::default(),
        // The kernel limits its refusals to one a second for each peer: nearly all are silence.
        service_no_backend_response: NoBackendResponse::Drop,
        mode: Default::default(),
        unready_backend: Default::default(),
        gone_pod_address: Default::default(),
        health_check_node_port: true,
        conntrack: None,
        snat: None,
        agent: service_map::Config {
            reflector_wait: SimDuration::ZERO,
            reconcile: Dist::Constant(SimDuration::ZERO),
            ..service_map::Config::default()
        },
    };
    let mut health = Health::new(1, 1);
    // The testbed changes rules and targets by hand.
    support::at_once(&mut health);
    for group in health.target_groups.iter_mut() {
        let it = &mut group.health_check;
        // Without a check in the recording the first one comes after the end.
        it.interval = seconds(check.as_ref().map_or(1e6, |check| check.inter_s));
        if let Some(check) = check {
            it.timeout = seconds(check.timeout_s);
            it.unhealthy_threshold = check.fall;
            it.healthy_threshold = check.rise;
            it.cadence = Cadence::End;
        }
    }
    // The busiest pod is chosen once, at the first event.
    let chosen_at = SimTime::ZERO + seconds(events[0].at(jitter));
    for (index, event) in events.iter().enumerate() {
        let from = SimTime::ZERO + seconds(event.at(jitter));
        // A fault lasts until the pod is told otherwise.
        let mut later = events[index + 1..].iter();
        let next = later.find(|it| it.kind == Kind::PodFault && it.pod == event.pod);
        let next = next.filter(|_| event.kind == Kind::PodFault);
        let until = next.map(|it| SimTime::ZERO + seconds(it.at(jitter)));
        for effect in effects(config, event) {
            health.faults.push(Fault {
                what: what(effect, event.pod, chosen_at),
                from,
                until,
            });
        }
    }
    blueprint.health = Some(Box::new(health));
    blueprint.load_balancer.syn_retransmits.clear();
    blueprint
}

/// What an event does to its pod.
fn effects(config: &Config, event: &Event) -> Vec<Effect> {
    match (event.kind, event.mode) {
        (Kind::PodFault, Some(mode)) => condition(config, mode)
            .map(Effect::Condition)
            .into_iter()
            .collect(),
        (Kind::PodFault, None) => Vec::new(),
        (Kind::EndpointRemove, _) if event.flush_conntrack => {
            vec![Effect::Unselect, Effect::Untrack]
        }
        (Kind::EndpointRemove | Kind::TargetDeregister, _) => vec![Effect::Unselect],
    }
}

fn what(effect: Effect, pod: Victim, chosen_at: SimTime) -> What {
    match pod {
        Victim::Numbered(number) => effect.on(vec![PodId(number)]).expect("it happens to a pod"),
        Victim::Busiest => {
            let deployment = DeploymentId(0);
            What::ToBusiest(
                Busiest {
                    deployment,
                    at: chosen_at,
                },
                effect,
            )
        }
    }
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

/// A request as the testbed saw it.
pub(super) struct Sent {
    /// When it was sent, in seconds.
    pub(super) at: f64,
    pub(super) failed: bool,
    /// Which pod answered, well or with an error.
    pub(super) answered_by: Option<PodId>,
}

/// What a simulated run shows.
#[derive(Default)]
pub(super) struct Log {
    /// The share of its jitter by which each event came later.
    pub(super) jitter: f64,
    pub(super) requests: Vec<Sent>,
    /// When each target was found unhealthy, by its position.
    pub(super) down: Vec<(f64, u32)>,
    /// The busiest pod, where one was chosen.
    pub(super) chosen: Option<PodId>,
}

impl Recorder for Log {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        let at = |time: SimTime| time.as_nanos() as f64 / 1e9;
        match seen {
            Observation::Finished(request) => {
                let answered = matches!(request.outcome, Outcome::Ok | Outcome::PodError(_));
                self.requests.push(Sent {
                    at: at(request.at(Hop::Client)),
                    failed: request.outcome != Outcome::Ok,
                    answered_by: request.pod.filter(|_| answered),
                });
            }
            Observation::Health(Seen::Target {
                target,
                state: TargetState::Unhealthy,
                ..
            }) => self.down.push((at(now), target.0)),
            Observation::Health(Seen::Chosen { pod, .. }) => self.chosen = Some(pod),
            _ => {}
        }
    }
}

/// Runs the recorded course of events with the first seeds.
pub(super) fn simulate(course: &Course, seeds: u64) -> Vec<Log> {
    let run = |replication: u64| {
        let name = StreamName::new("jitter of the recording");
        let jitter = Streams::new(SEED, replication).nth(name, 0, 0).unit().get();
        let blueprint = world(course, jitter);
        let log = Log {
            jitter,
            ..Log::default()
        };
        support::run(&blueprint, SEED, replication, log).recorder
    };
    (0..seeds).into_par_iter().map(run).collect()
}
