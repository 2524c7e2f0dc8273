//! What happened in one run, by the recording's names of events.

use std::collections::BTreeMap;

use sim_core::SimTime;
use sim_models::control::aws_controller::NodeReady;
use sim_models::health::endpoint_slice::Version;
use sim_models::health::target_group::TargetState;
use sim_models::id::{LoadBalancerNodeId, PodId};
use sim_models::observe::{Health, Observation, Recorder};
use sim_models::request::{Hop, Outcome};

use super::setup::{FAULT_AT, SetUp};

/// How far back from the last request that met the fault others are counted, in seconds.
pub(super) const WINDOW: f64 = 2.0;

/// One run, in seconds after the fault.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) events: BTreeMap<&'static str, f64>,
    pub(super) numbered: BTreeMap<String, f64>,
    /// When each request was sent, and whether it met the fault.
    pub(super) requests: Vec<(f64, bool)>,
    /// The last request that met the fault, where one did.
    pub(super) last_met: Option<LastMet>,
}

/// The last request that met the fault.
#[derive(Clone, Copy)]
pub(super) struct LastMet {
    /// When it was sent.
    pub(super) at: f64,
    /// Mean time between such requests before it.
    pub(super) gap: f64,
}

/// Listens to a run.
pub(super) struct Log<'a> {
    set_up: &'a SetUp,
    found: Findings,
    /// Since when each (load balancer node, faulty target) is unhealthy, deregistered.
    unhealthy: BTreeMap<(LoadBalancerNodeId, u32), f64>,
    deregistered: BTreeMap<(LoadBalancerNodeId, u32), f64>,
    /// When each faulty pod left the published endpoints, with the nodes that followed.
    left: BTreeMap<PodId, (f64, Vec<f64>)>,
    exited: Option<f64>,
    starts: u32,
    attempts: f64,
    verdict: bool,
    last_failed: Option<f64>,
    new_pods: usize,
    old_pods: usize,
}

fn since(at: SimTime) -> f64 {
    at.as_nanos() as f64 / 1e9 - FAULT_AT.as_secs_f64()
}

impl<'a> Log<'a> {
    pub(super) fn new(set_up: &'a SetUp) -> Self {
        Self {
            set_up,
            found: Findings::default(),
            unhealthy: BTreeMap::new(),
            deregistered: BTreeMap::new(),
            left: BTreeMap::new(),
            exited: None,
            starts: 0,
            attempts: 0.0,
            verdict: false,
            last_failed: None,
            new_pods: 0,
            old_pods: set_up.blueprint.pods.len(),
        }
    }

    /// The first time counts.
    fn note(&mut self, name: &'static str, at: f64) {
        self.found.events.entry(name).or_insert(at);
    }

    /// The last time counts.
    fn renote(&mut self, name: &'static str, at: f64) {
        self.found.events.insert(name, at);
    }

    fn concerns(&self, pod: PodId) -> bool {
        self.set_up.pods.contains(&pod)
    }

    fn hear(&mut self, now: f64, seen: Health<'_>) {
        match seen {
            Health::Verdict { pod, ready } if self.concerns(pod) => {
                let again = self.found.events.contains_key("readiness_verdict");
                match (ready, again) {
                    (false, _) => {
                        self.verdict = true;
                        self.note("readiness_verdict", now);
                        self.note("readiness_verdict_first", now);
                        self.renote("readiness_verdict_last", now);
                    }
                    (true, true) => self.note("ready_verdict_again", now),
                    (true, false) => {}
                }
            }
            Health::Probed { pod, passed } if self.set_up.pods.first() == Some(&pod) => {
                if !self.verdict && now >= 0.0 {
                    self.attempts += 1.0;
                }
                if passed && now > 0.0 {
                    self.note("first_passing_probe", now);
                }
            }
            Health::Ready { pod, ready: false } if self.concerns(pod) => {
                self.note("not_ready_in_api", now);
            }
            Health::Published {
                version, shown_at, ..
            } => {
                let shown: Vec<f64> = self
                    .set_up
                    .nodes
                    .iter()
                    .map(|&node| since(shown_at[node]))
                    .collect();
                self.of_rollout(version, &shown);
                if !version.endpoints.iter().any(|it| it.conditions.ready) {
                    let last = shown.iter().copied().fold(f64::MIN, f64::max);
                    self.note("map_empty", last);
                    self.note("outage_start", last);
                }
                for &pod in &self.set_up.pods {
                    if !version.is_ready(pod) {
                        self.left.entry(pod).or_insert_with(|| (now, shown.clone()));
                    } else if self.left.contains_key(&pod) {
                        let last = shown.iter().copied().fold(f64::MIN, f64::max);
                        self.found
                            .events
                            .entry("map_back_last_node")
                            .or_insert(last);
                    }
                }
            }
            Health::Target {
                target,
                load_balancer_node,
                state,
                ..
            } if now >= 0.0 => {
                let key = (load_balancer_node, target.0);
                let faulty = self.set_up.targets.contains(&target.0);
                let horizon = self.set_up.horizon;
                let counts = horizon.is_none_or(|horizon| now <= horizon.as_secs_f64());
                match state {
                    TargetState::Unhealthy if !counts => {}
                    TargetState::Unhealthy if faulty => {
                        self.unhealthy.entry(key).or_insert(now);
                    }
                    TargetState::Unhealthy => self.note("sound_node_unhealthy_first", now),
                    TargetState::Draining if faulty => {
                        self.deregistered.entry(key).or_insert(now);
                    }
                    _ => {}
                }
            }
            Health::Node {
                ready: NodeReady::Unknown,
                ..
            } => {
                self.note("node_unknown_first", now);
                self.renote("node_unknown_last", now);
            }
            Health::Node {
                ready: NodeReady::False,
                ..
            } => self.note("node_ready_false", now),
            Health::Deleted { pod } if self.concerns(pod) => {
                self.note("pods_evicted", now);
                if let Some(tolerated) = self.set_up.toleration {
                    // Nobody tells of the taint; its pods leave when they have tolerated it for this long.
                    self.note("noexecute_taint", now - tolerated);
                }
                self.renote("last_old_pod_deleted", now);
                self.note("pods_evicted_first_node", now);
                self.renote("pods_evicted_last_node", now);
            }
            Health::Closed { pod } if self.concerns(pod) => {
                self.note("listener_closed_first", now);
                self.renote("listener_closed_last", now);
            }
            Health::Process { pod, answers } if self.concerns(pod) => {
                if answers {
                    self.note("serving_again", now);
                } else {
                    self.exited = Some(now);
                }
            }
            Health::Started { pod } if self.concerns(pod) => {
                self.starts += 1;
                let number = self.starts;
                self.found.numbered.insert(format!("restart_{number}"), now);
                if let Some(exited) = self.exited {
                    self.found
                        .numbered
                        .insert(format!("wait_{number}"), now - exited);
                }
            }
            Health::Noticed { pod, running } if self.concerns(pod) => {
                self.note(
                    if running {
                        "running_noticed"
                    } else {
                        "exit_noticed"
                    },
                    now,
                );
            }
            _ => {}
        }
    }

    /// Pods of the new template become endpoints, those of the old one cease to be.
    fn of_rollout(&mut self, version: &Version, shown: &[f64]) {
        let last = shown.iter().copied().fold(f64::MIN, f64::max);
        let old = self.set_up.blueprint.pods.len() as u32;
        let ready = version.endpoints.iter().filter(|it| it.conditions.ready);
        let (before, after): (Vec<PodId>, Vec<PodId>) =
            ready.map(|it| it.pod).partition(|pod| pod.0 < old);
        if after.len() > self.new_pods {
            self.new_pods = after.len();
            self.note("first_new_pod_in_map", last);
            self.renote("last_new_pod_in_map", last);
        }
        if before.len() < self.old_pods {
            self.old_pods = before.len();
            self.renote("last_old_pod_out_of_map", last);
        }
    }

    /// Everything that the recording has a name for.
    pub(super) fn findings(mut self) -> Findings {
        self.of_slices();
        self.of_targets();
        self.of_requests();
        self.found
            .events
            .insert("probe_attempts_to_verdict", self.attempts);
        self.found
    }

    fn of_slices(&mut self) {
        let mut times: Vec<(f64, Vec<f64>)> = self.left.values().cloned().collect();
        times.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (Some(first), Some(last)) = (times.first(), times.last()) else {
            return;
        };
        self.note("slice_published", first.0);
        self.note("slice_published_first", first.0);
        if times.len() == self.set_up.pods.len() {
            self.note("slice_published_last", last.0);
            self.note(
                "map_last_node",
                last.1.iter().copied().fold(f64::MIN, f64::max),
            );
        }
        self.note(
            "map_first_node",
            first.1.iter().copied().fold(f64::MAX, f64::min),
        );
    }

    fn of_targets(&mut self) {
        let nodes = self.set_up.blueprint.load_balancer.nodes.ids();
        let pairs: Vec<_> = nodes
            .flat_map(|node| {
                self.set_up
                    .targets
                    .iter()
                    .map(move |&target| (node, target))
            })
            .collect();
        let gone = |pair| self.deregistered.get(pair).copied();
        let sick = |pair| {
            let at = self.unhealthy.get(pair).copied()?;
            gone(pair).is_none_or(|gone| at < gone).then_some(at)
        };
        let unhealthy: Vec<_> = pairs.iter().map(sick).collect();
        let deregistered: Vec<_> = pairs.iter().map(gone).collect();
        let out: Vec<_> = unhealthy
            .iter()
            .zip(&deregistered)
            .map(|(&a, &b)| a.into_iter().chain(b).reduce(f64::min))
            .collect();
        let names = [
            (
                "alb_target_unhealthy_first_lb_node",
                "alb_target_unhealthy_last_lb_node",
            ),
            (
                "target_deregistered_first_lb_node",
                "target_deregistered_last_lb_node",
            ),
            ("target_out_first_lb_node", "target_out_last_lb_node"),
        ];
        for ((first, last), times) in names.into_iter().zip([unhealthy, deregistered, out]) {
            if let Some(at) = times.iter().flatten().copied().reduce(f64::min) {
                self.note(first, at);
            }
            let all: Option<Vec<f64>> = times.into_iter().collect();
            if let Some(at) = all.and_then(|all| all.into_iter().reduce(f64::max)) {
                self.note(last, at);
            }
        }
    }

    /// The last connection that met the fault, and how closely others went before it in the last [`WINDOW`].
    fn of_requests(&mut self) {
        let Some(last) = self.last_failed else { return };
        let window = self.found.requests.iter();
        let window = window.filter(|&&(at, failed)| failed && at > last - WINDOW);
        let gap = last.clamp(0.1, WINDOW) / window.count() as f64;
        self.found.last_met = Some(LastMet { at: last, gap });
    }
}

impl Recorder for Log<'_> {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        match seen {
            Observation::Health(seen) => self.hear(since(now), seen),
            Observation::Finished(request) => {
                let sent = since(request.at(Hop::Client));
                let failed = request.outcome != Outcome::Ok;
                self.found.requests.push((sent, failed));
                if failed {
                    let last = self.last_failed.map_or(sent, |last| last.max(sent));
                    self.last_failed = Some(last);
                }
            }
            _ => {}
        }
    }
}
