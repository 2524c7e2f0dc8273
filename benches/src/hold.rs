//! W1, the hold model: every event plans exactly one successor.

use crate::draw;
use crate::report::Outcome;
use sim_core::{Agenda, Model, SimTime, Simulation, Stream};

/// The mean delay: one second.
const MEAN_NANOS: f64 = 1e9;

/// Counts events.
pub struct Hold {
    stream: Stream,
    fired: u64,
}

impl Model for Hold {
    /// The serial number of the chain, a payload that is carried along.
    type Event = u32;

    #[inline]
    fn handle(&mut self, chain: u32, agenda: &mut Agenda<'_, u32>) {
        self.fired += 1;
        agenda.after(draw::exponential(&mut self.stream, MEAN_NANOS), chain);
    }
}

/// A simulation with `n` events planned, at exponential times: the steady state from the start.
#[must_use]
pub fn ready(n: u32, seed: u64) -> Simulation<Hold> {
    let mut simulation = Simulation::new(Hold {
        stream: draw::stream(seed),
        fired: 0,
    });
    for chain in 0..n {
        let delay = draw::exponential(&mut simulation.model_mut().stream, MEAN_NANOS);
        simulation.agenda().after(delay, chain);
    }
    simulation
}

/// Runs for as long as about `events` take.
#[must_use]
pub fn run(simulation: &mut Simulation<Hold>, n: u32, events: u64) -> Outcome {
    let end = SimTime::from_nanos((events as f64 / f64::from(n) * MEAN_NANOS) as u64);
    simulation
        .run_until(end)
        .expect("there is no limit on events");
    Outcome::of_events(simulation.model().fired)
}
