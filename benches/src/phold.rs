//! W2, PHOLD: places that send events to one another at random.

use crate::draw;
use crate::report::Outcome;
use rand_core::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use sim_core::{Agenda, Model, SimDuration, SimTime, Simulation};

const PLACES: u32 = 1024;
const EVENTS_PER_PLACE: u32 = 16;
const MEAN_NANOS: f64 = 0.9e9;
const LOOKAHEAD: SimDuration = SimDuration::from_millis(100);

/// A place with its own generator: xoshiro256++, 32 bytes of state.
struct Place {
    random: Xoshiro256PlusPlus,
    count: u64,
    mixed: u64,
}

/// All places.
pub struct Phold {
    places: Vec<Place>,
}

impl Model for Phold {
    /// The place at which the event happens.
    type Event = u32;

    #[inline]
    fn handle(&mut self, place: u32, agenda: &mut Agenda<'_, u32>) {
        let place = &mut self.places[place as usize];
        place.count += 1;
        place.mixed = place
            .mixed
            .wrapping_add(agenda.now().as_nanos() ^ place.count);
        let destination = draw::below(&mut place.random, PLACES);
        agenda.after(
            LOOKAHEAD + draw::exponential(&mut place.random, MEAN_NANOS),
            destination,
        );
    }
}

/// A simulation with the first 16 events of each place planned.
#[must_use]
pub fn ready(seed: u64) -> Simulation<Phold> {
    let random = |i: u32| {
        Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(u64::from(i)))
    };
    let places = (0..PLACES)
        .map(|i| Place {
            random: random(i),
            count: 0,
            mixed: 0,
        })
        .collect();
    let mut simulation = Simulation::new(Phold { places });
    for place in 0..PLACES {
        for _ in 0..EVENTS_PER_PLACE {
            let delay = draw::exponential(
                &mut simulation.model_mut().places[place as usize].random,
                MEAN_NANOS,
            );
            simulation.agenda().after(delay, place);
        }
    }
    simulation
}

/// Runs for as long as about `events` take.
#[must_use]
pub fn run(simulation: &mut Simulation<Phold>, events: u64) -> Outcome {
    let end =
        SimTime::from_nanos((events as f64 / f64::from(PLACES * EVENTS_PER_PLACE) * 1e9) as u64);
    simulation
        .run_until(end)
        .expect("there is no limit on events");
    Outcome::of_events(
        simulation
            .model()
            .places
            .iter()
            .map(|place| place.count)
            .sum(),
    )
}
