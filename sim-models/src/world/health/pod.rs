//! A pod as its kubelet and the API know it: what runs, what was noticed, who probes it.

use sim_core::{SimDuration, SimTime, Streams};

use super::gates::Gates;
use super::share;
use crate::cluster::condition::PodCondition;
use crate::control::deployment::available_from;
use crate::control::kubelet::BackOff;
use crate::health::endpoint_slice::PodStatus;
use crate::health::probe::{Handler, Kind, Prober, Sight};
use crate::id::{Arena, FaultId, Id, NodeId, PodId, ProberId, RequestId};
use crate::streams::PROBE_PHASE;
use crate::world::blueprint::{self, Blueprint};

/// A pod's container, its kubelet's opinion of it, and the API's.
#[derive(Debug)]
pub(super) struct Pod {
    /// Its node.
    pub(super) home: NodeId,
    pub(super) process: Process,
    /// Whether the process accepts new connections; not after SIGTERM.
    pub(super) listening: bool,
    /// It got SIGTERM, and closes each connection after its answer while it goes on accepting.
    pub(super) announces_close: bool,
    /// The conditions in force, each with the fault it comes from; the last one counts.
    pub(super) conditions: Vec<(Option<FaultId>, PodCondition)>,
    /// It exits whenever it has lived this long.
    pub(super) lifetime: Option<SimDuration>,
    /// It cannot start before then.
    pub(super) down_until: SimTime,
    pub(super) workers: Workers,
    /// When the container started for the last time.
    pub(super) started: SimTime,
    /// Whether the kubelet has noticed that the container runs.
    pub(super) noticed: bool,
    /// The Ready condition in the kubelet's cache.
    pub(super) ready: bool,
    /// The ContainersReady condition in the kubelet's cache.
    pub(super) containers: bool,
    /// The pod's readiness gates.
    pub(super) gates: Gates,
    /// When it was created; `None` for one that was there at time zero.
    pub(super) created_at: Option<SimTime>,
    /// When the Ready condition in the API changed last; `None` where it is as it was at time zero.
    pub(super) ready_changed: Option<SimTime>,
    /// Which version of the Deployment's template it is from.
    pub(super) generation: u32,
    /// Whether the pod is there, in whatever state.
    pub(super) present: bool,
    /// Whether the pod has a node.
    pub(super) bound: bool,
    /// When the node's kubelet hears of the pod, until it has.
    heard_at: Option<SimTime>,
    /// Whether the pod's labels are those that Services select.
    pub(super) selected: bool,
    /// When the last pod left this place.
    pub(super) left_at: SimTime,
    /// The pod in the API.
    pub(super) api: PodStatus,
    /// The pod as the EndpointSlice controller sees it.
    pub(super) seen: PodStatus,
    pub(super) writing: bool,
    /// The ContainersReady condition that the kubelet wrote last.
    pub(super) written: bool,
    pub(super) back_off: BackOff,
    pub(super) writes: u64,
    pub(super) starts: u64,
    pub(super) polls: u64,
    /// When the kubelet looks again at the exited container.
    pub(super) looks_at: Option<SimTime>,
    /// The next relist that will show a change.
    pub(super) relist_at: Option<SimTime>,
    pub(super) changes: u64,
    /// Requests of clients that reached it.
    pub(super) asked: u64,
    /// When nodes last lost their entries of connections to it.
    pub(super) untracked_at: SimTime,
}

/// The probe workers of a pod.
#[derive(Clone, Copy, Debug)]
pub(super) struct Workers {
    pub(super) readiness: Option<ProberId>,
    pub(super) liveness: Option<ProberId>,
    pub(super) startup: Option<ProberId>,
}

impl Workers {
    pub(super) fn all(self) -> impl Iterator<Item = ProberId> {
        [self.readiness, self.liveness, self.startup]
            .into_iter()
            .flatten()
    }
}

/// The process in a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    /// It runs, and answers from some time on.
    Running {
        since: SimTime,
        answers_from: SimTime,
    },
    /// It has exited.
    Exited { at: SimTime },
    /// The pod and its address are gone.
    Gone,
}

/// A probe worker with its pod, its grid and its open question.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) pod: PodId,
    pub(super) prober: Prober,
    pub(super) handler: Handler,
    pub(super) timeout: SimDuration,
    /// The grace period of a container that this probe kills; `None`: the pod's.
    pub(super) grace: Option<SimDuration>,
    pub(super) next_tick: SimTime,
    pub(super) open: Option<Question>,
    pub(super) began: SimTime,
    /// A tick or a trigger came while a question was open.
    pub(super) late: bool,
    pub(super) ended: bool,
}

/// What a probe worker waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// The answer to an HTTP GET.
    Request(RequestId),
    /// Somebody who accepts its connection.
    Dialled,
    /// An answer that is on its way.
    Answered { at: SimTime, passed: bool },
}

impl Question {
    pub(super) fn answered(passed: bool, at: SimTime) -> Self {
        Self::Answered { at, passed }
    }
}

/// Pods that have been in order for long, and the probers at work on them.
pub(super) fn at_work(
    blueprint: &Blueprint,
    config: &blueprint::Health,
    streams: &Streams,
) -> (Arena<PodId, Pod>, Arena<ProberId, Probe>) {
    let mut pods = Arena::new();
    let mut probers = Arena::new();
    for (id, pod) in blueprint.places().enumerate() {
        let spare = id.index() >= blueprint.pods.len();
        let workload = &config.workloads[pod.deployment];
        let mut worker = |kind, config: &Option<_>| {
            let config = config.as_ref()?;
            Some(probers.push(Probe::new(id, kind, config, probers.len(), streams)))
        };
        let readiness = worker(Kind::Readiness, &workload.readiness_probe);
        let workers = Workers {
            readiness,
            liveness: worker(Kind::Liveness, &workload.liveness_probe),
            startup: worker(Kind::Startup, &workload.startup_probe),
        };
        pods.push(if spare {
            Pod::free(workers)
        } else {
            Pod::in_order(pod.node, workers)
        });
        for prober in workers.all() {
            probers[prober].ended = spare;
        }
    }
    (pods, probers)
}

impl Probe {
    pub(super) fn new(
        pod: PodId,
        kind: Kind,
        config: &crate::health::probe::Config,
        number: usize,
        streams: &Streams,
    ) -> Self {
        let phase = share(streams, PROBE_PHASE, number as u64, 0, config.period);
        Self {
            pod,
            prober: Prober::new(kind, config),
            handler: config.handler(),
            timeout: config.timeout,
            grace: config.termination_grace_period,
            next_tick: SimTime::ZERO + phase,
            open: None,
            began: SimTime::ZERO,
            late: false,
            ended: false,
        }
    }
}

impl Pod {
    pub(super) fn in_order(home: NodeId, workers: Workers) -> Self {
        let status = PodStatus::READY;
        Self {
            home,
            generation: 0,
            present: true,
            bound: true,
            heard_at: None,
            selected: true,
            left_at: SimTime::ZERO,
            process: Process::Running {
                since: SimTime::ZERO,
                answers_from: SimTime::ZERO,
            },
            listening: true,
            announces_close: false,
            conditions: Vec::new(),
            lifetime: None,
            down_until: SimTime::ZERO,
            workers,
            started: SimTime::ZERO,
            noticed: true,
            ready: true,
            containers: true,
            gates: Gates::default(),
            created_at: None,
            ready_changed: None,
            api: status,
            seen: status,
            writing: false,
            written: true,
            back_off: BackOff::default(),
            writes: 0,
            starts: 0,
            polls: 0,
            looks_at: None,
            relist_at: None,
            changes: 0,
            asked: 0,
            untracked_at: SimTime::ZERO,
        }
    }

    /// The condition in force.
    pub(super) fn condition(&self) -> PodCondition {
        self.conditions
            .last()
            .map_or(PodCondition::Serving, |&(_, condition)| condition)
    }

    pub(super) fn afflict(&mut self, fault: Option<FaultId>, condition: PodCondition) {
        self.conditions.push((fault, condition));
    }

    pub(super) fn relieve(&mut self, fault: FaultId) {
        self.conditions.retain(|&(by, _)| by != Some(fault));
    }

    /// A place that no pod holds yet.
    pub(super) fn free(workers: Workers) -> Self {
        Self {
            process: Process::Gone,
            listening: false,
            announces_close: false,
            noticed: false,
            ready: false,
            containers: false,
            present: false,
            bound: false,
            api: PodStatus::ABSENT,
            seen: PodStatus::ABSENT,
            written: false,
            ..Self::in_order(NodeId(0), workers)
        }
    }

    /// A new pod takes the place; it has no node yet.
    pub(super) fn begin(&mut self, generation: u32, condition: PodCondition, now: SimTime) {
        let conditions = match condition {
            PodCondition::Serving => Vec::new(),
            other => vec![(None, other)],
        };
        *self = Self {
            generation,
            conditions,
            created_at: Some(now),
            ready_changed: Some(now),
            process: Process::Exited { at: now },
            present: true,
            // The draws of an earlier pod in this place are not used again.
            writes: self.writes + 1,
            starts: self.starts + 1,
            polls: self.polls,
            changes: self.changes,
            ..Self::free(self.workers)
        };
    }

    /// The pod has a node, whose kubelet will hear of it.
    pub(super) fn assign(&mut self, home: NodeId, heard_at: SimTime) {
        self.home = home;
        self.bound = true;
        self.heard_at = Some(heard_at);
    }

    /// Whether the pod is there and its kubelet could hear of it by now, and has not.
    pub(super) fn awaits_kubelet(&self, now: SimTime) -> bool {
        let due = self.heard_at.is_some_and(|at| at <= now);
        due && self.present && !self.api.terminating
    }

    /// The node's kubelet knows the pod.
    pub(super) fn is_heard_of(&mut self) {
        self.heard_at = None;
    }

    /// Whether the controllers count it as available: it has been ready for long enough.
    pub(super) fn is_available(&self, min_ready: SimDuration, now: SimTime) -> bool {
        let long_enough = |since| available_from(since, min_ready) <= now;
        self.seen.ready && self.ready_changed.is_none_or(long_enough)
    }

    /// Whether its phase is Pending: it has no node, or none of its containers has been seen to run.
    pub(super) fn is_pending(&self) -> bool {
        !self.bound || self.selected && !self.api.listed
    }

    /// Whether the node's kubelet knows the pod.
    pub(super) fn is_known(&self) -> bool {
        self.bound && self.heard_at.is_none()
    }

    /// No Service selects the pod any more.
    pub(super) fn unselect(&mut self) {
        self.selected = false;
        self.api.listed = false;
    }

    /// The pod leaves its place.
    pub(super) fn leave(&mut self, now: SimTime) {
        self.process = Process::Gone;
        self.present = false;
        self.left_at = now;
        self.api = PodStatus::ABSENT;
    }

    /// Whether the pod is there, in whatever state.
    pub(super) fn exists(&self) -> bool {
        self.present
    }

    /// The pod's ContainersReady condition: what the kubelet wrote last, whatever the Ready condition says.
    pub(super) fn containers_ready(&self) -> bool {
        self.written
    }

    /// Its node dies under it.
    pub(super) fn dies(&mut self, now: SimTime) {
        if let Process::Running { .. } = self.process {
            self.process = Process::Exited { at: now };
        }
    }

    /// What a probe worker sees: the kubelet's cache, which a relist brings up to date.
    pub(super) fn sight(&self, started: bool) -> Sight {
        Sight {
            running_since: self.noticed.then_some(self.started),
            started,
            terminating: self.api.terminating,
        }
    }
}
