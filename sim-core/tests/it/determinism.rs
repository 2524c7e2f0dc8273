//! Twice is once: the same run, in pieces, on other threads, gives the same events.

use crate::network::{Network, Source};
use sim_core::{
    Agenda, Dist, Fingerprint, Model, SimDuration, SimTime, Simulation, Streams, replicate_each,
};
use std::num::NonZeroUsize;

const SECONDS: u64 = 200;

fn network(streams: &Streams) -> Simulation<Network> {
    let exponential = |millis| {
        Dist::exponential(SimDuration::from_millis(millis))
            .sampler()
            .expect("a mean is longer than zero")
    };
    let source = Source::Open(exponential(20));
    Network::ready(
        source,
        &[(exponential(15), 1), (exponential(50), 4)],
        streams,
    )
}

fn fingerprint(streams: Streams) -> (Fingerprint, u64) {
    let mut simulation = network(&streams);
    simulation
        .run_until(SimTime::from_secs(SECONDS))
        .expect("there is no limit on events");
    (simulation.fingerprint(), simulation.events())
}

#[test]
fn twice_is_once_and_another_replication_is_another() {
    let (once, events) = fingerprint(Streams::new(1, 0));
    assert_eq!((once, events), fingerprint(Streams::new(1, 0)));
    assert_ne!(once, fingerprint(Streams::new(1, 1)).0);
    assert_ne!(once, fingerprint(Streams::new(2, 0)).0);
    // 50 arrivals a second for 200 s, three events each: 30,000 with a deviation of 300.
    assert!(events.abs_diff(30_000) < 1_500, "{events}");
}

#[test]
fn the_fingerprint_of_a_run_is_pinned() {
    assert_eq!(
        fingerprint(Streams::new(1, 0)).0.to_string(),
        "4888-4e84-7361-f853"
    );
}

#[test]
fn a_run_in_pieces_is_the_whole_run() {
    let (whole, events) = fingerprint(Streams::new(3, 0));
    let mut simulation = network(&Streams::new(3, 0));
    for millis in (0..=SECONDS * 1000).step_by(7) {
        simulation.run_until(SimTime::from_millis(millis)).unwrap();
        assert_eq!(simulation.now(), SimTime::from_millis(millis));
    }
    simulation.run_until(SimTime::from_secs(SECONDS)).unwrap();
    assert_eq!(
        (simulation.fingerprint(), simulation.events()),
        (whole, events)
    );
}

#[test]
fn one_thread_is_many() {
    let replications: Vec<u64> = (0..12).collect();
    let run = |threads| {
        let threads = NonZeroUsize::new(threads).unwrap();
        replicate_each(threads, &replications, 5, fingerprint)
    };
    assert_eq!(run(1), run(2));
    assert_eq!(run(1), run(3));
}

#[test]
fn a_stretch_leaves_out_its_end() {
    let mut simulation = Simulation::new(Echo(Vec::new()));
    simulation.agenda().at(SimTime::from_secs(1), Ping::Calm);
    simulation.run_until(SimTime::from_secs(1)).unwrap();
    assert_eq!((simulation.events(), simulation.pending()), (0, 1));
    simulation
        .run_until(SimTime::from_nanos(1_000_000_001))
        .unwrap();
    assert_eq!(simulation.model().0, [SimTime::from_secs(1)]);
}

#[test]
fn an_event_at_the_end_of_time_is_handled() {
    let mut simulation = Simulation::new(Echo(Vec::new()));
    simulation.agenda().at(SimTime::MAX, Ping::Calm);
    simulation.run().unwrap();
    assert_eq!(simulation.into_model().0, [SimTime::MAX]);
}

#[test]
fn an_endless_loop_ends_in_an_error_that_names_it() {
    let mut simulation = Simulation::new(Echo(Vec::new())).with_event_budget(1_000);
    simulation.agenda().at(SimTime::from_millis(1), Ping::Calm);
    simulation
        .agenda()
        .at(SimTime::from_millis(2), Ping::Endless);
    let spent = simulation.run().unwrap_err();
    assert_eq!(
        (spent.kind, spent.count, spent.watched),
        ("endless", 999, 1_000)
    );
    assert_eq!(
        spent.to_string(),
        "1000 events were handled by 2ms, more than the run was allowed: 999 of the last 1000 were \"endless\""
    );
    assert_eq!(simulation.events(), 1_000);
}

#[test]
fn a_budget_that_just_suffices_is_no_error() {
    let mut simulation = Simulation::new(Echo(Vec::new())).with_event_budget(2);
    simulation.agenda().at(SimTime::from_secs(1), Ping::Calm);
    simulation.agenda().at(SimTime::from_secs(1), Ping::Calm);
    assert_eq!(simulation.run(), Ok(()));
    simulation.agenda().at(SimTime::from_secs(9), Ping::Calm);
    assert_eq!(simulation.run_until(SimTime::from_secs(9)), Ok(()));
    assert!(simulation.run().is_err());
}

#[test]
#[should_panic(expected = "an event cannot be planned for the past")]
fn the_past_is_closed() {
    let mut simulation = Simulation::new(Echo(Vec::new()));
    simulation.run_until(SimTime::from_secs(2)).unwrap();
    simulation.agenda().at(SimTime::from_secs(1), Ping::Calm);
}

/// Notes when something happens.
struct Echo(Vec<SimTime>);

#[derive(Clone, Copy)]
enum Ping {
    Calm,
    /// Happens again at once.
    Endless,
}

impl Model for Echo {
    type Event = Ping;

    fn handle(&mut self, event: Ping, agenda: &mut Agenda<'_, Ping>) {
        match event {
            Ping::Calm => self.0.push(agenda.now()),
            Ping::Endless => agenda.after(SimDuration::ZERO, Ping::Endless),
        }
    }

    fn kind(event: &Ping) -> &'static str {
        match event {
            Ping::Calm => "calm",
            Ping::Endless => "endless",
        }
    }
}
