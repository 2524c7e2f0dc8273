//! W3, M/M/8: one queue, eight servers, a load of 0.8.

use crate::draw;
use crate::report::Outcome;
use sim_core::{Agenda, Histogram, Model, SimTime, Simulation, Stream};
use std::collections::VecDeque;

const SERVERS: u32 = 8;
const LOAD: f64 = 0.8;
const SERVICE_NANOS: f64 = 10e6;
const GAP_NANOS: f64 = SERVICE_NANOS / (SERVERS as f64 * LOAD);

/// What happens to customers.
#[derive(Clone, Copy)]
pub enum Event {
    /// One arrives.
    Arrive,
    /// The one whom this server serves leaves.
    Depart(u32),
}

/// The station.
pub struct Station {
    stream: Stream,
    expected: u64,
    /// The servers who serve nobody.
    idle: Vec<u32>,
    /// When the customer of each server arrived.
    arrived: [SimTime; SERVERS as usize],
    queue: VecDeque<SimTime>,
    response: Histogram,
}

impl Station {
    #[inline]
    fn serve(&mut self, arrived: SimTime, server: u32, agenda: &mut Agenda<'_, Event>) {
        self.arrived[server as usize] = arrived;
        let service = draw::exponential(&mut self.stream, SERVICE_NANOS);
        agenda.after(service, Event::Depart(server));
    }
}

impl Model for Station {
    type Event = Event;

    #[inline]
    fn handle(&mut self, event: Event, agenda: &mut Agenda<'_, Event>) {
        match event {
            Event::Arrive => {
                self.expected -= 1;
                if self.expected > 0 {
                    agenda.after(
                        draw::exponential(&mut self.stream, GAP_NANOS),
                        Event::Arrive,
                    );
                }
                match self.idle.pop() {
                    Some(server) => self.serve(agenda.now(), server, agenda),
                    None => self.queue.push_back(agenda.now()),
                }
            }
            Event::Depart(server) => {
                self.response
                    .add((agenda.now() - self.arrived[server as usize]).as_nanos());
                match self.queue.pop_front() {
                    Some(next) => self.serve(next, server, agenda),
                    None => self.idle.push(server),
                }
            }
        }
    }
}

/// Serves `customers` and drains.
#[must_use]
pub fn run(customers: u64, seed: u64) -> Outcome {
    let station = Station {
        stream: draw::stream(seed),
        expected: customers,
        idle: (0..SERVERS).collect(),
        arrived: [SimTime::ZERO; SERVERS as usize],
        queue: VecDeque::new(),
        response: Histogram::new(),
    };
    let mut simulation = Simulation::new(station);
    let first = draw::exponential(&mut simulation.model_mut().stream, GAP_NANOS);
    simulation.agenda().after(first, Event::Arrive);
    simulation.run().expect("there is no limit on events");
    let (events, response) = (simulation.events(), &simulation.model().response);
    let mean = response.mean().unwrap_or(f64::NAN);
    let mut more = vec![
        ("mean_ms", mean / 1e6),
        ("erlang_err", mean / mean_response_nanos() - 1.0),
    ];
    more.extend(
        [("p50_ms", 0.5), ("p99_ms", 0.99)]
            .map(|(name, q)| (name, response.quantile(q).unwrap_or(0) as f64 / 1e6)),
    );
    Outcome {
        events,
        units: response.count(),
        more,
    }
}

/// The mean response time by the Erlang C formula.
fn mean_response_nanos() -> f64 {
    let servers = f64::from(SERVERS);
    let erlangs = servers * LOAD;
    let terms = (1..SERVERS).scan(1.0, |term, k| {
        *term *= erlangs / f64::from(k);
        Some(*term)
    });
    let (sum, last) = terms.fold((1.0, 1.0), |(sum, _), term| (sum + term, term));
    let all_busy = last * erlangs / servers / (1.0 - LOAD);
    let waits = all_busy / (sum + all_busy);
    SERVICE_NANOS + waits * SERVICE_NANOS / (servers * (1.0 - LOAD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_response_is_that_of_erlang() {
        // Erlang C at 8 servers and a load of 0.8 is 0.4576; 10 ms + 0.4576 * 10 ms / 1.6 = 12.860 ms.
        assert!((mean_response_nanos() / 1e6 - 12.860).abs() < 1e-3);
        // A million customers know the mean to about 0.5 %.
        let error = run(1_000_000, 1)
            .more
            .iter()
            .find(|(name, _)| *name == "erlang_err")
            .unwrap()
            .1;
        assert!(error.abs() < 0.02, "{error}");
    }
}
