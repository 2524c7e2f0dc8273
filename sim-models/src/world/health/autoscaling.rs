//! Autoscalers at work: what pods use is measured, and the replicas of their Deployment follow.
//!
//! Only where a Deployment has an autoscaler is the work of its pods added up, at each moment at which it changes.

use std::collections::VecDeque;

use sim_core::{Agenda, SimDuration, SimTime, Streams};

use super::{plan, share};
use crate::control::autoscaler::{Memory, Sample, Sight, recommend};
use crate::id::{Arena, DeploymentId, PodId};
use crate::observe::{self, Recorder};
use crate::streams::AUTOSCALER;
use crate::world::blueprint::{self, Blueprint};
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};

/// What autoscalers know.
#[derive(Debug)]
pub(super) struct Autoscaling {
    meters: Arena<PodId, Meter>,
    memories: Arena<DeploymentId, Memory>,
    /// When each Deployment's pods are measured first, and when its autoscaler looks first.
    phases: Vec<(DeploymentId, SimDuration, SimDuration)>,
}

/// The work of a pod's server, and what was read of it.
#[derive(Clone, Debug, Default)]
struct Meter {
    /// Time that its workers worked, all together, in nanoseconds.
    worked: u64,
    /// Until when that is.
    noted_at: SimTime,
    /// When it was read last, and what had been worked then.
    last: Option<(SimTime, u64)>,
    /// Readings with the time from which on they can be seen; older ones than the latest of those are gone.
    samples: VecDeque<(SimTime, Sample)>,
}

impl Meter {
    /// So many workers have worked up to now.
    fn note(&mut self, busy: u32, now: SimTime) {
        let since = now.saturating_since(self.noted_at).as_nanos();
        self.worked += u64::from(busy) * since;
        self.noted_at = now;
    }

    /// Reads it, noted up to now: the mean usage since the last time, of workers that use so much cpu each.
    fn read(&mut self, millis_per_worker: i64, delay: SimDuration, now: SimTime) {
        if let Some((at, worked)) = self.last.replace((now, self.worked))
            && now > at
        {
            let window = now - at;
            let worked = i128::from(self.worked - worked) * i128::from(millis_per_worker);
            let millis = worked / i128::from(window.as_nanos());
            let sample = Sample {
                millis: i64::try_from(millis).unwrap_or(i64::MAX),
                at: now,
                window,
            };
            self.samples.push_back((now + delay, sample));
        }
    }

    /// The latest reading that can be seen.
    fn seen(&mut self, now: SimTime) -> Option<Sample> {
        while self.samples.get(1).is_some_and(|&(from, _)| from <= now) {
            self.samples.pop_front();
        }
        let &(from, sample) = self.samples.front()?;
        (from <= now).then_some(sample)
    }
}

impl Autoscaling {
    /// The autoscalers of a world at time zero; `None` where there are none.
    pub(super) fn new(
        blueprint: &Blueprint,
        config: &blueprint::Health,
        streams: &Streams,
    ) -> Option<Self> {
        let scaled = config.workloads.enumerate();
        let scaled = scaled.filter_map(|(id, it)| Some((id, it.autoscaler.as_ref()?)));
        let phases: Vec<_> = scaled
            .map(|(id, it)| {
                let phase = |draw, of| share(streams, AUTOSCALER, u64::from(id.0), draw, of);
                let config = &it.config;
                (
                    id,
                    phase(0, config.metrics_resolution),
                    phase(1, config.sync),
                )
            })
            .collect();
        let places = blueprint.places();
        (!phases.is_empty()).then(|| Self {
            meters: places.iter().map(|_| Meter::default()).collect(),
            memories: config.workloads.iter().map(|_| Memory::default()).collect(),
            phases,
        })
    }

    /// What is planned at time zero.
    pub(super) fn first_events(&self) -> impl Iterator<Item = (SimTime, HealthEvent)> {
        self.phases.iter().flat_map(|&(id, metrics, look)| {
            [
                (SimTime::ZERO + metrics, HealthEvent::ReadMetrics(id)),
                (SimTime::ZERO + look, HealthEvent::Autoscale(id)),
            ]
        })
    }
}

impl<R: Recorder> World<R> {
    /// The work of a pod's server is about to change, or may.
    #[inline]
    pub(in crate::world) fn note_work(&mut self, pod: PodId, now: SimTime) {
        if let Some(health) = self.health.as_deref_mut()
            && let Some(autoscaling) = &mut health.autoscaling
        {
            autoscaling.meters[pod].note(self.servers[pod].busy(), now);
        }
    }

    /// A new pod takes a place: nothing is known of its work.
    pub(super) fn renew_meter(&mut self, pod: PodId, now: SimTime) {
        if let Some(autoscaling) = &mut self.health_mut().autoscaling {
            autoscaling.meters[pod] = Meter {
                noted_at: now,
                ..Meter::default()
            };
        }
    }

    /// metrics-server asks the kubelets for the usage of a Deployment's pods.
    pub(super) fn on_read_metrics(&mut self, id: DeploymentId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let (old, new) = self.active(id);
        for pod in old.into_iter().chain(new) {
            self.note_work(pod, now);
            let health = self.health_mut();
            let scaler = health.workloads[id].config.autoscaler.as_ref();
            if let (false, Some(scaler), Some(autoscaling)) = (
                health.pods[pod].is_pending(),
                scaler,
                &mut health.autoscaling,
            ) {
                let config = &scaler.config;
                let millis = config.cpu_per_worker.as_millis();
                autoscaling.meters[pod].read(millis, config.metrics_delay, now);
            }
        }
        if let Some(scaler) = &self.health().workloads[id].config.autoscaler {
            let next = now + scaler.config.metrics_resolution;
            plan(agenda, next, HealthEvent::ReadMetrics(id));
        }
    }

    /// An autoscaler looks at its Deployment.
    pub(super) fn on_autoscale(&mut self, id: DeploymentId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let (old, new) = self.active(id);
        let health = self.health_mut();
        let Some(autoscaling) = &mut health.autoscaling else {
            return;
        };
        let Some(scaler) = &health.workloads[id].config.autoscaler else {
            return;
        };
        let config = &scaler.config;
        plan(agenda, now + config.sync, HealthEvent::Autoscale(id));
        let pods = &health.pods;
        let sight = |pod: PodId| {
            let it = &pods[pod];
            Sight {
                is_pending: it.is_pending(),
                is_ready: it.seen.ready,
                started: it.created_at,
                changed: it.ready_changed,
                sample: autoscaling.meters[pod].seen(now),
            }
        };
        let sights: Vec<Sight> = old.into_iter().chain(new).map(sight).collect();
        let current = health.replica_sets[id].limits.replicas;
        let request = scaler.cpu_request.as_millis();
        let found = recommend(&sights, current, request, config, now);
        let memory = &mut autoscaling.memories[id];
        let desired = match found {
            Some(found) => memory.decide(config, current, found.replicas, now),
            // Without metrics it only keeps to its limits.
            None => current.clamp(config.min_replicas.get(), config.max_replicas.get()),
        };
        let seen = observe::Health::Autoscaled {
            deployment: id,
            current,
            desired,
            utilization: found.map(|it| it.utilization),
        };
        self.tell(now, seen);
        if desired != current {
            self.scale(id, desired, agenda);
        }
    }

    /// A Deployment wants another number of replicas.
    ///
    /// During a rolling update the new ReplicaSet gets what is added; the real controller shares it out between the revisions.
    fn scale(&mut self, id: DeploymentId, replicas: u32, agenda: &mut Agenda<'_, Event>) {
        let health = self.health_mut();
        let strategy = health.workloads[id].config.strategy;
        let it = &mut health.replica_sets[id];
        it.resize(strategy.rolling_update.limits(replicas));
        self.wake_deployment(id, agenda);
        self.wake_budget(id, agenda);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_the_mean_over_the_window_and_is_seen_later() {
        // Two workers from 2 s to 7 s of a window of 15 s: 10 s of work, two thirds of a core, 666 thousandths.
        let at = |seconds| SimTime::ZERO + SimDuration::from_secs(seconds);
        let delay = SimDuration::from_secs(10);
        let mut meter = Meter::default();
        meter.read(1_000, delay, at(0));
        meter.note(0, at(2));
        meter.note(2, at(7));
        meter.note(0, at(15));
        meter.read(1_000, delay, at(15));
        assert_eq!(meter.seen(at(24)), None);
        let sample = Sample {
            millis: 666,
            at: at(15),
            window: SimDuration::from_secs(15),
        };
        assert_eq!(meter.seen(at(25)), Some(sample));
        meter.read(1_000, delay, at(30));
        assert_eq!(meter.seen(at(39)), Some(sample));
        assert_eq!(meter.seen(at(40)).map(|it| it.millis), Some(0));
    }
}
