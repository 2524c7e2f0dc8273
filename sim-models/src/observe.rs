//! What does a run tell whoever listens?
//!
//! A [`Recorder`] hears every [`Observation`] in the order of simulated time. It steers nothing: with
//! another recorder, or none (`()`), a run takes the same course, event by event.

use sim_core::SimTime;

use crate::control::aws_controller::NodeReady;
use crate::control::disruption;
use crate::health::endpoint_slice::Version;
use crate::health::target_group::TargetState;
use crate::id::{
    DeploymentId, FaultId, Id, LoadBalancerNodeId, NodeId, PodId, ServiceId, TargetGroupId,
    TargetId,
};
use crate::placement::Unschedulable;
use crate::request::Request;

/// Something happened that a listener may want to know.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Observation<'a> {
    /// A request was born.
    Issued(&'a Request),
    /// A request is finished: its outcome stands, all its stamps are set. Told when the load balancer node
    /// has the answer; the stamp [`crate::request::Hop::Answered`] lies the way to the client later.
    Finished(&'a Request),
    /// A connection to a target was opened (its handshake is done).
    Opened {
        /// By which load balancer node.
        load_balancer_node: LoadBalancerNodeId,
        /// To which target.
        target: TargetId,
        /// Which pod is behind it.
        pod: PodId,
        /// When its first packet reaches the pod.
        there: SimTime,
        /// The request that it was opened for, with the way that the connection takes.
        request: &'a Request,
    },
    /// A connection to a target was closed.
    Closed {
        /// By which load balancer node.
        load_balancer_node: LoadBalancerNodeId,
        /// To which target.
        target: TargetId,
        /// Which pod was behind it.
        pod: PodId,
    },
    /// Something happened on the journey of the health signal.
    Health(Health<'a>),
}

/// Something happened on the journey of the health signal: each layer says when it noticed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Health<'a> {
    /// A fault began or ended.
    Fault {
        /// Which one.
        fault: FaultId,
        /// Whether it began.
        begins: bool,
    },
    /// A fault chose the pod that it happens to.
    Chosen {
        /// Which one.
        fault: FaultId,
        /// The pod.
        pod: PodId,
    },
    /// A container's process began or ceased to answer.
    Process {
        /// Of which pod.
        pod: PodId,
        /// Whether it answers now.
        answers: bool,
    },
    /// A container's process started.
    Started {
        /// Of which pod.
        pod: PodId,
    },
    /// A kubelet's relist showed that a container runs, or that it has exited.
    Noticed {
        /// Of which pod.
        pod: PodId,
        /// Whether it runs.
        running: bool,
    },
    /// A probe has an answer, or none in time.
    Probed {
        /// Of which pod.
        pod: PodId,
        /// Whether it passed.
        passed: bool,
    },
    /// The kubelet's verdict on a pod's readiness changed.
    Verdict {
        /// Which pod.
        pod: PodId,
        /// Whether it is ready.
        ready: bool,
    },
    /// A pod's Ready condition changed in the API.
    Ready {
        /// Which pod.
        pod: PodId,
        /// Whether it is ready.
        ready: bool,
    },
    /// A version of a Service's EndpointSlices was committed.
    Published {
        /// Which Service.
        service: ServiceId,
        /// What it says.
        version: &'a Version,
        /// When each node's service map follows, by node.
        shown_at: &'a [SimTime],
    },
    /// A load balancer node's view of a target changed.
    Target {
        /// Of which group.
        group: TargetGroupId,
        /// Which target.
        target: TargetId,
        /// As seen by which load balancer node.
        load_balancer_node: LoadBalancerNodeId,
        /// Its state now.
        state: TargetState,
    },
    /// A node's Ready condition changed in the API.
    Node {
        /// Which node.
        node: NodeId,
        /// The condition.
        ready: NodeReady,
    },
    /// A pod was deleted in the API.
    Deleted {
        /// Which pod.
        pod: PodId,
    },
    /// A pod stops accepting connections.
    Closed {
        /// Which pod.
        pod: PodId,
    },
    /// A pod was created, and waits for a node.
    Created {
        /// Which pod.
        pod: PodId,
    },
    /// The scheduler found a node for a pod.
    Placed {
        /// Which pod.
        pod: PodId,
        /// Its node.
        node: NodeId,
    },
    /// A rolling update begins, ends, or has gone for too long without progress.
    Rollout {
        /// Of which Deployment.
        deployment: DeploymentId,
        /// What became of it.
        state: RolloutState,
    },
    /// A drain of a node begins or ends.
    Drain {
        /// Of which node.
        node: NodeId,
        /// What became of it.
        state: DrainState,
    },
    /// The eviction API refuses a pod: 429.
    EvictionRefused {
        /// Which pod.
        pod: PodId,
        /// Its node, which is drained.
        node: NodeId,
        /// What its budget says.
        status: disruption::Status,
    },
    /// An autoscaler looked at its Deployment.
    Autoscaled {
        /// Which one.
        deployment: DeploymentId,
        /// The replicas that it wanted until now.
        current: u32,
        /// The replicas that it wants from now on.
        desired: u32,
        /// Cpu usage in percent of what pods request; `None` without metrics.
        utilization: Option<u32>,
    },
    /// The node lifecycle controller stops to evict, because no node is ready, or goes on.
    Evicting {
        /// Whether it has stopped.
        halted: bool,
    },
    /// A pod fits on no node; told again when the reason changes.
    Unschedulable {
        /// Which pod.
        pod: PodId,
        /// Why, node by node.
        why: &'a Unschedulable,
    },
}

/// What a Deployment's condition Progressing says of a rolling update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolloutState {
    /// It has begun.
    Began,
    /// Progressing=False, reason ProgressDeadlineExceeded.
    DeadlineExceeded,
    /// It makes progress again after that.
    Resumed,
    /// Progressing=True, reason NewReplicaSetAvailable.
    Complete,
}

/// What became of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainState {
    /// It has begun: the node is cordoned.
    Began,
    /// All pods have left.
    Complete,
    /// It was given up before.
    TimedOut,
}

/// Whoever listens to a run.
pub trait Recorder {
    /// Hears of an observation.
    fn see(&mut self, now: SimTime, seen: Observation<'_>);

    /// Hears that the load of a pod changed: how many workers work now, and how many requests wait.
    ///
    /// It comes twice for each request, and most listeners do not care: they pay nothing.
    #[inline]
    fn load(&mut self, _now: SimTime, _pod: PodId, _busy: u32, _waiting: u32) {}
}

/// Listens to nothing.
impl Recorder for () {
    #[inline]
    fn see(&mut self, _: SimTime, _: Observation<'_>) {}
}

/// Two listeners in one.
impl<A: Recorder, B: Recorder> Recorder for (A, B) {
    #[inline]
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        self.0.see(now, seen);
        self.1.see(now, seen);
    }

    #[inline]
    fn load(&mut self, now: SimTime, pod: PodId, busy: u32, waiting: u32) {
        self.0.load(now, pod, busy, waiting);
        self.1.load(now, pod, busy, waiting);
    }
}

/// Watches that nothing is lost: requests, connections, workers.
///
/// A test listens with it beside whatever else it listens with; it steers nothing.
#[derive(Clone, Debug)]
pub struct Conservation {
    issued: u64,
    finished: u64,
    opened: u64,
    closed: u64,
    last: SimTime,
    workers: Vec<u32>,
    queues: Vec<u32>,
}

impl Conservation {
    /// A watch over a run of this blueprint.
    pub fn new(blueprint: &crate::world::Blueprint) -> Self {
        let server =
            |pod: &crate::cluster::topology::Pod| &blueprint.deployments[pod.deployment].server;
        Self {
            issued: 0,
            finished: 0,
            opened: 0,
            closed: 0,
            last: SimTime::ZERO,
            workers: blueprint
                .places()
                .iter()
                .map(|pod| server(pod).workers.get())
                .collect(),
            queues: blueprint
                .places()
                .iter()
                .map(|pod| server(pod).queue)
                .collect(),
        }
    }

    /// Checks the balance at the end of a run.
    ///
    /// # Panics
    ///
    /// When requests issued are not those finished and in flight, or more connections were closed than opened.
    pub fn check(&self, in_flight: u64) {
        assert_eq!(
            self.issued,
            self.finished + in_flight,
            "requests issued = finished + in flight"
        );
        assert!(
            self.closed <= self.opened,
            "a connection is closed at most once"
        );
    }
}

impl Recorder for Conservation {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        assert!(now >= self.last, "observations come in the order of time");
        self.last = now;
        match seen {
            Observation::Issued(_) => self.issued += 1,
            Observation::Finished(request) => {
                self.finished += 1;
                assert!(
                    request.at(crate::request::Hop::Answered) >= now,
                    "the answer's way takes time"
                );
            }
            Observation::Opened { .. } => self.opened += 1,
            Observation::Closed { .. } => self.closed += 1,
            Observation::Health(_) => {}
        }
    }

    fn load(&mut self, _: SimTime, pod: PodId, busy: u32, waiting: u32) {
        let (workers, queue) = (self.workers[pod.index()], self.queues[pod.index()]);
        assert!(
            busy <= workers && waiting <= queue,
            "a pod stays within its limits"
        );
        assert!(
            waiting == 0 || busy == workers,
            "nobody waits beside an idle worker"
        );
    }
}
