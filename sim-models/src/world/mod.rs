//! The only place that schedules: owns all state of a run and moves requests from stage to stage.
//!
//! [`Blueprint`] says what is to be simulated, [`event::Event`] lists what can happen, [`World`] holds
//! the state between two events. A handler reads a view, asks a stage, writes what changed and plans
//! what follows.

use sim_core::{Agenda, Model, SimTime, Simulation, Streams};

use crate::observe::Recorder;

pub mod blueprint;
mod build;
mod dial;
pub mod event;
mod front;
mod health;
mod path;
mod patience;
mod population;
mod requests;
mod route;
mod streams;
mod tracking;
mod upstream;
mod wire;

pub use blueprint::Blueprint;
pub use build::World;
use event::Event;

/// A run that came to its end.
#[derive(Debug)]
pub struct Ended<R> {
    /// Whoever listened.
    pub recorder: R,
    /// Events handled.
    pub events: u64,
    /// Digest of the sequence of events.
    pub fingerprint: sim_core::Fingerprint,
    /// Requests that were still on their way.
    pub in_flight: u64,
    /// Simulated time at the end.
    pub ended_at: SimTime,
}

/// Why a run has no result.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The event budget was spent.
    #[error(transparent)]
    Budget(#[from] sim_core::BudgetSpent),
    /// A distribution makes no sense.
    #[error("{path}: {source}")]
    Dist {
        /// Where it stands, in words of a scenario.
        path: String,
        /// What is wrong with it.
        source: sim_core::DistError,
    },
}

/// Runs a blueprint once: warm-up and length, with this replication's random numbers.
///
/// # Errors
///
/// [`RunError::Budget`] when the run needs more events than its budget, [`RunError::Dist`] when a
/// distribution's parameters make no sense.
pub fn run<R: Recorder>(
    blueprint: &Blueprint,
    streams: Streams,
    recorder: R,
) -> Result<Ended<R>, RunError> {
    let end = SimTime::ZERO + blueprint.run.warm_up + blueprint.run.length;
    let world = World::new(blueprint, streams, recorder)?;
    let mut simulation = Simulation::new(world).with_event_budget(blueprint.run.event_budget);
    let first = simulation.model_mut().first_events();
    for (at, event) in first {
        simulation.agenda().at(at, event);
    }
    simulation.run_until(end)?;
    let (events, fingerprint) = (simulation.events(), simulation.fingerprint());
    let world = simulation.into_model();
    Ok(Ended {
        in_flight: world.in_flight(),
        recorder: world.recorder,
        events,
        fingerprint,
        ended_at: end,
    })
}

impl<R: Recorder> Model for World<R> {
    type Event = Event;

    #[inline]
    fn handle(&mut self, event: Event, agenda: &mut Agenda<'_, Event>) {
        match event {
            Event::Arrive(population) => self.on_arrival(population, agenda),
            Event::Ask(user) => self.on_ask(user, agenda),
            Event::AtLoadBalancer(request) => self.on_request_at_load_balancer(request, agenda),
            Event::AtNode(request) => self.on_connection_at_node(request, agenda),
            Event::AtServer(request) => self.on_request_at_server(request, agenda),
            Event::Served(request) => self.on_served(request, agenda),
            Event::Shared(pod) => self.on_shared(pod, agenda),
            Event::Returned(request) => self.on_returned(request, agenda),
            Event::Expire(upstream) => self.on_expiry_check(upstream, agenda),
            Event::Retry(call) => self.on_retry(call, agenda),
            Event::Deadline(lane) => self.on_deadline(lane, agenda),
            Event::Redial(request) => self.knock(request, agenda),
            Event::Health(event) => self.on_health(event, agenda),
        }
    }

    #[inline]
    fn rank(event: &Event) -> u8 {
        event.rank()
    }

    #[inline]
    fn digest(event: &Event) -> u64 {
        event.digest()
    }

    fn kind(event: &Event) -> &'static str {
        event.kind()
    }
}
