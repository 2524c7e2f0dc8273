//! The API server at work: how long its requests take, and how much later watchers hear while it is overloaded.
//!
//! Those who write wait for it, one request after the other: a kubelet reads a pod's status and patches it, the EndpointSlice controller
//! puts a slice, the scheduler binds. Those who watch hear later of what was committed meanwhile.

use sim_core::{Sampler, SimDuration, SimTime, Streams};

use super::agents::Lag;
use super::{drawn, sampler};
use crate::id::{DeploymentId, FaultId, PodId, ServiceId};
use crate::observe::Recorder;
use crate::streams::API_REQUEST;
use crate::world::RunError;
use crate::world::blueprint;
use crate::world::build::World;

/// The API server of a world.
#[derive(Debug)]
pub(super) struct ApiServer {
    latency: Sampler,
    /// When it was overloaded, and by how much.
    overloads: Vec<Lag>,
}

/// A request to the API server: of whom, and the how-manieth.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    /// A kubelet reads or patches the status of a pod.
    Status(PodId, u64),
    /// The EndpointSlice controller writes the slice of a Service.
    Slice(ServiceId, u64),
    /// The scheduler binds a pod of a Deployment.
    Binding(DeploymentId, u64),
}

impl Call {
    /// Where its draw lies.
    fn address(self) -> (u64, u64) {
        match self {
            Self::Status(pod, draw) => (u64::from(pod.0), draw),
            Self::Slice(service, draw) => (1 << 32 | u64::from(service.0), draw),
            Self::Binding(deployment, draw) => (2 << 32 | u64::from(deployment.0), draw),
        }
    }
}

impl ApiServer {
    /// The API server of a world at time zero.
    pub(super) fn new(config: &blueprint::Health) -> Result<Self, RunError> {
        Ok(Self {
            latency: sampler(&config.api_latency, "cluster.api_server.latency")?,
            overloads: Vec::new(),
        })
    }

    /// How much later watchers hear of what is committed at some time.
    pub(super) fn lag(&self, committed: SimTime) -> SimDuration {
        let overloads = self.overloads.iter();
        let there = overloads.filter(|it| (it.from..it.until).contains(&committed));
        there.fold(SimDuration::ZERO, |sum, it| sum + it.by)
    }

    /// Whether it was ever overloaded.
    pub(super) fn was_overloaded(&self) -> bool {
        !self.overloads.is_empty()
    }

    /// How long a request takes that is sent now.
    pub(super) fn takes(&self, call: Call, now: SimTime, streams: &Streams) -> SimDuration {
        let (entity, draw) = call.address();
        drawn(&self.latency, streams, API_REQUEST, entity, draw) + self.lag(now)
    }
}

impl<R: Recorder> World<R> {
    /// The API server becomes overloaded, or is no longer.
    pub(super) fn on_overload(
        &mut self,
        fault: FaultId,
        by: SimDuration,
        begins: bool,
        now: SimTime,
    ) {
        let overloads = &mut self.health_mut().api.overloads;
        if begins {
            overloads.push(Lag {
                fault,
                from: now,
                until: SimTime::MAX,
                by,
            });
            return;
        }
        let ends = overloads.iter_mut().filter(|it| it.fault == fault);
        ends.for_each(|it| it.until = now);
    }
}
